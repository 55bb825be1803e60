/*
 * file: a routed file: the shim's second descriptor and what is known of it.
 *
 * Slots are counted by reference: one for each table word that names the
 * slot, one for each request under way, so that the second descriptor's number
 * is never reused below a request's feet. Slots are reused, never unmapped; a
 * generation tells incarnations apart.
 * Depends on: fdtab, locks, own, align.
 */
#ifndef DIOSHIM_FILE_H
#define DIOSHIM_FILE_H

#include "align.h"
#include "fdtab.h"

#define FILE_SLOTS 4096
#define FILE_SEQS 8

/* What mode auto has seen of the file (auto.c, behind.c); hints, raced for. */
struct file_lately {
	uint32_t pass[2];	/* by operation: bytes to pass before it is asked again */
	uint32_t streak[2];	/* answers in a row that left it to the page cache */
	uint16_t why[2];	/* 1 + the last answer, as in the ledger's row */
	uint32_t behind;	/* writes pass with RWF_DONTCACHE */
	uint32_t last_pass;	/* bytes of reads that were then to pass */
	uint64_t last_end;	/* of the last read that was asked about, bytes */
	uint32_t lone;		/* the last read was cold, small, and in no sequence */
	uint64_t warm_from, warm_to;	/* known to be in the page cache, bytes */
	/* From there on nothing was in the page cache when it was looked at first. */
	uint32_t looked;
	uint32_t cold;		/* and that is most of it */
	uint64_t ours;
	uint64_t not_ours, ours_again;	/* but for what lies between these two */
	/* Read in sequence since start: dropped up to from, read up to to. */
	uint64_t skim_start, skim_from, skim_to;
	uint32_t skim_trust;	/* 0: it is no sequence */
	uint32_t again;		/* what had been dropped is read a second time: from now on it stays */
	uint32_t read;		/* what was written may be read again: it stays until the end */
	/* Written in sequence: dropped up to from, write-back begun up to begun, written up to to; more at next. */
	uint64_t tail_from, tail_begun, tail_to, tail_next;
	/* For what was written: time that may be taken, as of now, and how often the process had waited and its CPU time then. */
	int64_t credit_ns;
	uint64_t now_ns, cpu_ns, waits;
};

struct file {
	uint32_t refs;		/* 0: free, or being retired */
	uint32_t users;		/* requests under way, on any descriptor of it; among refs */
	uint32_t claimed;
	uint32_t generation;
	int twin;		/* the shim's descriptor; -1: lost to an unseen close */
	bool rescue;		/* the program's descriptor is the direct one, twin is cached */
	bool block_device;
	bool private;		/* nobody outside this process shares the offset */
	uint64_t dev, ino;	/* identity: as fstat gives them */
	uint32_t flags;		/* of the program's descriptor: FILE_FLAGS of F_GETFL */
	struct align_facts facts;
	uint32_t mapped;	/* mapped shared and writable: no direct writes */
	uint32_t learned;	/* aligned I/O gave EINVAL: cached for good */
	uint32_t stayed;	/* direct writes in a row that found pages which stay cached */
	uint32_t direct_writes;	/* under way */
	/* Of streams (stream.c); hints, raced for: */
	uint64_t seq[FILE_SEQS];	/* where recent reads ended, bytes; a sequence goes on there */
	uint32_t seq_next;	/* which of them gives way */
	uint32_t streams;	/* that read it ahead */
	uint32_t patience;	/* sequential reads until one is tried again */
	uint32_t advice;	/* POSIX_FADV_NORMAL, _SEQUENTIAL or _RANDOM */
	struct file_lately lately;
	uint32_t row_epoch;	/* of the ledger the row lies in */
	struct ledger_file *row;
};

/* The flags of the program's descriptor that have to be as they were. */
#define FILE_FLAGS (O_ACCMODE | O_DIRECT | O_PATH | O_SYNC | O_DSYNC | O_NOATIME)
/* And where the twin is the cached one, which appends for the program: */
#define FILE_FLAGS_RESCUE (FILE_FLAGS | O_APPEND)

/*
 * How long the closing of a number waits for a request on it: one that is
 * stuck (a frozen file system, a network disk) ends short when it comes back.
 */
#define FILE_PATIENCE_NS 5000000000ull

/* A free slot with one reference, or NULL. Only generation and refs are set. */
struct file *file_new(void);

/* The file of a table word, referenced; NULL if it is gone. */
struct file *file_acquire(uint64_t word);
void file_release(struct file *f);

/* The same for a request on descriptor fd, whose word that is: it ends with file_leave. */
struct file *file_enter(int fd, uint64_t word);
void file_leave(int fd, struct file *f);

/* Not referenced: for what may be looked up a moment too late (a row). */
struct file *file_peek(uint64_t word);

uint64_t file_word(const struct file *f);

/* A live slot of the same inode, flags and kind, referenced, or NULL. */
struct file *file_find(const struct file *like);

/* Has the inode another live slot: a descriptor with other flags? */
bool file_elsewhere(const struct file *f);

/* Marks all slots of the inode mapped; returns when no direct write is under way. */
void file_stop_direct_writes(uint64_t dev, uint64_t ino);

/*
 * Takes the word off descriptor fd, which is about to be closed or replaced;
 * waits for requests under way on it, and after FILE_PATIENCE_NS revokes them
 * (fdtab_still). file_drop_end, after that close, gives up the reference (and
 * maybe the twin) and stores what is known then.
 */
struct file *file_drop_begin(int fd);
void file_drop_end(int fd, struct file *f, uint64_t after);

/* The same for a descriptor that was found to be another file. */
void file_drop(int fd);

/*
 * The kernel has just handed out number fd: whatever the table says of it is
 * stale; if it was one of ours, that one was closed behind our back.
 */
void file_fresh(int fd);

/* The program wants number fd, which is ours: makes room. */
void file_evict(int fd);

/* The FD_UNKNOWN word of a duplicate of descriptor fd, and of one just opened. */
uint64_t file_word_of_dup(int fd);
void file_opened(int fd);

/* Each file that has a second descriptor, at the end of the process. */
void file_each(void (*each)(struct file *f));

/* This process has forked: from now on descriptors are shared. */
void file_shared(void);

/* In a fork child: references of threads that are not here are forgotten. */
void file_forked(void);

/*
 * Is the program's number fd (or the twin) still that of f? Asked by a request
 * that had begun, before it goes on. What the shim saw stands in the table;
 * where it says nothing, and if sure is asked for, the kernel does.
 */
bool file_still(const struct file *f, int fd, bool sure);

/* Called before a file's twin is closed; nothing is under way then. NULL: nobody cares. */
extern void (*file_retiring)(struct file *f);

/* Is the twin still the file it was opened on? Asked before it is used. */
bool file_twin_ok(const struct file *f);

static inline int file_cached_fd(const struct file *f, int fd)
{
	return f->rescue ? f->twin : fd;
}

static inline int file_direct_fd(const struct file *f, int fd)
{
	return f->rescue ? fd : f->twin;
}

#endif

/*
 * ahead: pieces of a file read ahead into the pool.
 *
 * Reads are kernel AIO on the direct descriptor, so that copying one piece, or
 * writing it elsewhere, overlaps with reading the next. Where AIO is refused
 * (seccomp, aio-max-nr), and in a process that has not waited much yet, each
 * piece is read when it is asked for. Never for writes: an asynchronous direct
 * write beside a buffered one loses data.
 * One request's own, handed out in order (ahead_start, _next, _stop), or a
 * stream's, slot by slot. One thread at a time; others may look at a slot that
 * is done, if its owner keeps it so.
 * Depends on: fdtab, pool, sys, book.
 */
#ifndef DIOSHIM_AHEAD_H
#define DIOSHIM_AHEAD_H

#include "sys.h"

#include <stdbool.h>

#define AHEAD_SLOTS 8
#define AHEAD_PIECE_MIN (128u << 10)	/* bytes */
#define AHEAD_PIECE_MAX (512u << 10)

enum ahead_state {
	AHEAD_FREE = 0,
	AHEAD_WANTED,		/* has its place in the file; read when it is waited for */
	AHEAD_FLYING,
	AHEAD_DONE,
};

struct ahead_slot {
	char *buf;
	uint64_t off;
	size_t len;
	ssize_t got;		/* bytes (short at the end of file), or -errno; valid when done */
	uint32_t state;		/* enum ahead_state; stored with release */
};

struct ahead {
	int fd;
	uint64_t word;		/* of its file, for fdtab_still */
	uint64_t next;		/* offset of the next read to issue, bytes */
	uint64_t end;		/* where to stop, block-aligned, bytes */
	uint64_t deliver;	/* offset of the piece that ahead_next gives */
	size_t piece;		/* most bytes of one read */
	size_t step;		/* bytes of the next one: doubles up to piece */
	int slots, chunks;
	int out;		/* the slot that is with ahead_next's caller, or -1 */
	int context;		/* AIO context in use, or -1: synchronous */
	uint64_t moved;		/* bytes that came */
	bool lost;		/* completions cannot be had: nothing is given back */
	bool failed;		/* a read was refused, or its write-back failed (ahead_refused) */
	char *chunk[AHEAD_SLOTS];
	struct ahead_slot slot[AHEAD_SLOTS];
};

/*
 * What a direct read's failure teaches: the file is to stay cached. EINVAL:
 * direct I/O is refused. The others are the disk's, or of a write-back that
 * the read asked for, and then what was written is in the page cache alone.
 */
static inline bool ahead_refused(ssize_t got)
{
	return got == -EINVAL || got == -EIO || got == -ENOSPC || got == -EDQUOT;
}

/*
 * A context that was ever made makes the end of the process wait for a grace
 * period of the kernel's, some 37 ms. So none is made before as much time was
 * spent waiting for reads one at a time (ns).
 */
extern uint64_t ahead_async_after;

/*
 * Starts reading [off, end), both block-aligned, from descriptor fd of the file
 * whose word of the table that is. In flight: up to about 2 MiB.
 * False when the pool has not one free chunk; nothing is held then.
 */
bool ahead_start(struct ahead *a, int fd, uint64_t word, uint64_t off, uint64_t end);

/*
 * The next piece: its bytes, how many (short at end of file, or -errno).
 * False when all has been handed out. ahead_next gives the last one back.
 */
bool ahead_next(struct ahead *a, char **buf, ssize_t *got, size_t *asked);

/* Waits for what is in flight and gives the chunks back. a->failed holds on. */
void ahead_stop(struct ahead *a);

/* Is nothing in flight any more? Each completion is waited for no longer than ns. */
bool ahead_settled(struct ahead *a, uint64_t ns);

/* The same by hand. Holds nothing yet; reads of step bytes, then more, up to most. */
void ahead_open(struct ahead *a, int fd, uint64_t word, uint64_t off, uint64_t end, size_t step,
		size_t most);
/* Up to so many slots; how many there are. */
int ahead_grow(struct ahead *a, int slots);
/* Without the last chunk, whose slots are free. */
void ahead_shrink(struct ahead *a);
/* Tries to read asynchronously from now on. */
void ahead_async(struct ahead *a);
/* The next read, into the free slot i. There is one: next < end. */
void ahead_issue(struct ahead *a, int i);
/* Until slot i is done. */
void ahead_wait(struct ahead *a, int i);

static inline uint32_t ahead_state(const struct ahead *a, int i)
{
	return __atomic_load_n(&a->slot[i].state, __ATOMIC_ACQUIRE);
}

/* The place of slot i in the file, for whoever looks beside its owner. */
static inline uint64_t ahead_from(const struct ahead *a, int i)
{
	return __atomic_load_n(&a->slot[i].off, __ATOMIC_RELAXED);
}

static inline uint64_t ahead_to(const struct ahead *a, int i)
{
	return ahead_from(a, i) + __atomic_load_n(&a->slot[i].len, __ATOMIC_RELAXED);
}

static inline bool ahead_covers(const struct ahead *a, int i, uint64_t off)
{
	return ahead_state(a, i) != AHEAD_FREE && off >= ahead_from(a, i) && off < ahead_to(a, i);
}

static inline void ahead_free(struct ahead *a, int i)
{
	__atomic_store_n(&a->slot[i].state, AHEAD_FREE, __ATOMIC_RELEASE);
}

/* In a fork child: AIO contexts belong to the parent's memory. */
void ahead_forget(void);

#endif

/*
 * ledger: where every byte is booked, and the layout that dioshim(1) reads.
 *
 * One mapping per process, MAP_SHARED on a file of DIOSHIM_DIR, so that it
 * survives _exit, exec, SIGKILL and abort. All figures are relaxed 64-bit
 * additions. Lists: counters.def (figures and routes), reasons.def.
 * Depends on: sys. The command includes this header for the layout alone.
 */
#ifndef DIOSHIM_LEDGER_H
#define DIOSHIM_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum route {
#define ROUTE(name, copies, sentence) ROUTE_##name,
#include "counters.def"
#undef ROUTE
	ROUTES
};

enum counter {
#define COUNTER(name, unit, sentence) COUNTER_##name,
#include "counters.def"
#undef COUNTER
	COUNTERS
};

enum class {
#define CLASS(name, sentence) CLASS_##name,
#include "counters.def"
#undef CLASS
	CLASSES
};

enum align_from {
#define ALIGN(name, sentence) ALIGN_##name,
#include "counters.def"
#undef ALIGN
	ALIGNS
};

enum reason {
#define REASON(name, route, sentence) REASON_##name,
#include "reasons.def"
#undef REASON
	REASONS,
	REASON_NONE = REASONS
};

#define LEDGER_MAGIC	"DIOSHIM\n"
#define LEDGER_VERSION	2
#define LEDGER_FILES	256	/* file rows; the last one gathers the overflow */
#define LEDGER_PATH	392	/* bytes of a path kept, from its end if longer */
#define LEDGER_COMMAND	256

enum ledger_state {
	LEDGER_RUNNING = 0,	/* or ended without a last word: SIGKILL, abort */
	LEDGER_EXITED = 1,
	LEDGER_EXECED = 2,	/* the process went on as another program */
};

struct ledger_sum {
	uint64_t calls;
	uint64_t bytes;
};

struct ledger_file {
	uint64_t dev, ino;	/* st_dev, st_ino; 0,0 in the overflow row */
	uint32_t mem_align;	/* what direct I/O wants here, bytes; 0 unknown */
	uint32_t offset_align;	/* of reads */
	uint32_t write_align;
	uint32_t align_from;	/* enum align_from */
	uint32_t used;		/* 1 once the row is filled in */
	uint32_t block_device;
	/* Mode auto's last answer for reads and for writes: 1 + enum reason (REASON_NONE: direct); 0: none. */
	uint16_t auto_last[2];
	uint32_t auto_changes;	/* from one answer to another */
	struct ledger_sum routes[ROUTES];
	uint64_t reason_bytes[REASONS];
	uint64_t classes[CLASSES];	/* bytes */
	uint64_t read_bytes, written_bytes;
	char path[LEDGER_PATH];	/* NUL-terminated, as /proc/self/fd named it */
};

/*
 * The kernel's witness: /proc/self/io at the start, and at the last reading
 * beside the ledger's own sums at that moment. readings == 0: never read.
 * The last reading is taken after the ledger's sums, so that
 * rchar - rchar0 >= seen_rchar always holds.
 */
struct ledger_witness {
	uint64_t rchar0, wchar0;
	uint64_t rchar, wchar;
	uint64_t seen_rchar, seen_wchar;
	uint64_t readings;
};

/*
 * Call sites. A module is a mapped file; offsets are those in the file, of the
 * return address.
 */
#define LEDGER_FRAMES	8
#define LEDGER_MODULES	64
#define LEDGER_MODULE_PATH 240
#define LEDGER_SITES	512	/* the last one gathers the overflow */
#define LEDGER_MISFITS	256
#define LEDGER_POWERS	14	/* 2^0 .. 2^12, and more */
#define LEDGER_RESTS	6

enum ledger_op { LEDGER_READ, LEDGER_WRITE, LEDGER_COPY };

/* What direct I/O asks to be aligned; as bits 1 << DIM_... */
enum ledger_dim { DIM_address, DIM_offset, DIM_length, DIMS };

struct ledger_module {
	uint64_t ino;		/* 0: anonymous memory, the vdso */
	uint32_t used;		/* 1 once the rest is filled in */
	char path[LEDGER_MODULE_PATH];	/* as /proc/self/maps names it; from its end if longer */
};

struct ledger_frame {
	uint32_t module;	/* number + 1; 0: none, offset is the address */
	uint64_t offset;
};

/*
 * Remainders by the file's alignment, of calls that were off. At most LEDGER_RESTS
 * of them (Misra and Gries): each counted at most `given` times too little.
 */
struct ledger_rests {
	uint64_t given;
	uint64_t slot[LEDGER_RESTS];	/* remainder << 48 | count; 0: free */
};

#define LEDGER_REST(slot)	((uint32_t)((slot) >> 48))
#define LEDGER_REST_COUNT(slot)	((slot) & 0xffffffffffffull)

struct ledger_site {
	uint64_t key;		/* of frames, op and, while there is room, file; 0: free */
	uint32_t used;		/* 1 once the frames are filled in */
	uint32_t op;		/* enum ledger_op */
	uint32_t file;		/* row + 1; 0: none, or all that came when there was little room */
	uint32_t frames_n;	/* the first one called us */
	struct ledger_frame frames[LEDGER_FRAMES];
	uint64_t calls, failed_calls, asked_bytes;
	uint64_t misaligned_calls;	/* a bare O_DIRECT open would have refused them */
	uint64_t refused_calls;		/* EINVAL by mode strict */
	uint64_t routes[ROUTES];	/* bytes */
	uint64_t reason_bytes[REASONS];
	uint64_t classes[CLASSES];	/* bytes */
	uint64_t off_calls[DIMS];
	uint64_t off_bytes[DIMS];
	struct ledger_rests rests[DIMS];
	uint64_t powers[DIMS][LEDGER_POWERS];	/* calls, by the largest power of two that divides */
};

/* The first misaligned requests that failed, one by one. */
struct ledger_misfit {
	uint64_t start_ns;	/* CLOCK_REALTIME */
	uint64_t address, offset, length;	/* bytes */
	uint32_t site, file;	/* number + 1; 0: none */
	uint32_t tid;
	int32_t fd;
	uint32_t mem_align, offset_align;	/* that were asked of it, bytes */
	uint8_t op;		/* enum ledger_op */
	uint8_t off;		/* bits of enum ledger_dim */
	uint8_t strict;		/* refused by mode strict; else by the kernel */
	uint8_t error;		/* errno */
	uint32_t used;
};

struct ledger_sites {
	uint32_t modules_used, sites_used;
	uint64_t misfits_seen;
	struct ledger_module modules[LEDGER_MODULES];
	struct ledger_site sites[LEDGER_SITES];
	struct ledger_misfit misfits[LEDGER_MISFITS];
};

/* One request. Number n lies at n % records_n; overwritten by n + records_n. */
struct ledger_record {
	uint64_t number;	/* n + 1; 0 while it is written */
	uint64_t start_ns;	/* CLOCK_REALTIME */
	uint64_t ns;		/* that it took */
	int64_t offset;		/* bytes; -1: not known */
	uint64_t asked;
	int64_t result;		/* bytes, or -errno */
	uint64_t copied;	/* bytes that a CPU copied */
	uint32_t tid;
	int32_t fd;
	uint32_t site, file;	/* number + 1; 0: none */
	uint32_t address_rest;	/* address % 65536 */
	uint8_t op;		/* enum ledger_op */
	uint8_t off;		/* bits of enum ledger_dim */
	uint8_t route, reason;	/* of most of its bytes */
};

struct ledger {
	char magic[8];
	uint32_t version;
	uint32_t size;		/* sizeof(struct ledger) */
	uint32_t routes_n, counters_n, reasons_n, files_n;
	uint32_t has_sites;	/* 1: struct ledger_sites follows this struct */
	uint32_t records_n;	/* then so many struct ledger_record */
	uint32_t pid, ppid;
	uint32_t state;		/* enum ledger_state */
	uint32_t files_used;
	uint64_t start_ns;	/* CLOCK_REALTIME */
	uint64_t end_ns;	/* 0 while running */
	uint32_t mode;		/* enum config_mode */
	uint32_t strict_align;	/* bytes; 0: what each file wants */
	uint64_t records_next;	/* records ever begun */
	char command[LEDGER_COMMAND];	/* arguments joined by spaces */
	struct ledger_witness witness;
	uint64_t counters[COUNTERS];
	struct ledger_sum routes[ROUTES];
	struct ledger_sum reasons[REASONS];
	uint64_t classes[CLASSES];	/* bytes */
	struct ledger_file files[LEDGER_FILES];
};

static inline size_t ledger_size(bool has_sites, uint64_t records_n)
{
	return sizeof(struct ledger) + (has_sites ? sizeof(struct ledger_sites) : 0) +
	       records_n * sizeof(struct ledger_record);
}

/* NULL: it has none. */
static inline struct ledger_sites *ledger_sites(struct ledger *l)
{
	return l->has_sites ? (struct ledger_sites *)(l + 1) : NULL;
}

static inline struct ledger_record *ledger_records(struct ledger *l)
{
	return (struct ledger_record *)(void *)((char *)l + ledger_size(l->has_sites, 0));
}

#endif

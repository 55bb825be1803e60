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

enum reason {
#define REASON(name, route, sentence) REASON_##name,
#include "reasons.def"
#undef REASON
	REASONS,
	REASON_NONE = REASONS
};

#define LEDGER_MAGIC	"DIOSHIM\n"
#define LEDGER_VERSION	1
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
	uint32_t offset_align;
	uint32_t used;		/* 1 once the row is filled in */
	uint32_t block_device;
	struct ledger_sum routes[ROUTES];
	uint64_t reason_bytes[REASONS];
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

struct ledger {
	char magic[8];
	uint32_t version;
	uint32_t size;		/* sizeof(struct ledger) */
	uint32_t routes_n, counters_n, reasons_n, files_n;
	uint32_t pid, ppid;
	uint32_t state;		/* enum ledger_state */
	uint32_t files_used;
	uint64_t start_ns;	/* CLOCK_REALTIME */
	uint64_t end_ns;	/* 0 while running */
	char command[LEDGER_COMMAND];	/* arguments joined by spaces */
	struct ledger_witness witness;
	uint64_t counters[COUNTERS];
	struct ledger_sum routes[ROUTES];
	struct ledger_sum reasons[REASONS];
	struct ledger_file files[LEDGER_FILES];
};

#endif

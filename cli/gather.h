/*
 * gather: reads ledger files, checks them, and sums them into one report. The
 * files may come from anywhere: nothing in them is trusted, not even that a
 * text ends.
 */
#ifndef DIOSHIM_GATHER_H
#define DIOSHIM_GATHER_H

#include "config.h"
#include "ledger.h"
#include "swiotlb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* rchar and wchar of /proc/PID/io. */
struct kernel_count {
	uint64_t rchar, wchar;
};

/*
 * The kernel counts for a process its own bytes and those of the children it
 * has waited for. Of its first thread it keeps the own bytes alone.
 */
struct last_words {
	bool heard;
	struct kernel_count all, first_thread;
};

struct process {
	uint32_t pid, ppid;
	enum ledger_state state;
	bool alive;			/* at the time of reading */
	bool exact;			/* the witness was read by us, after the sums */
	uint64_t start_ns, end_ns;
	char command[LEDGER_COMMAND];
	uint64_t counters[COUNTERS];
	struct ledger_sum routes[ROUTES], reasons[REASONS];
	uint64_t classes[CLASSES];
	enum config_mode mode;
	uint32_t strict_align;
	bool has_sites;
	uint32_t records_n;
	struct ledger_witness witness;
	struct kernel_count first_thread;	/* 0 when not known */

	/* Figured by report_sum: */
	struct kernel_count children;	/* in witness, but theirs */
	bool went_on;			/* by exec: its next ledger is here too */
	const char *open;		/* why it does not close; NULL: it does */
};

/* Where a module is NULL the offset is an address. */
struct code {
	const char *module;
	uint64_t ino, offset;
};

/* A call site on one file; of several processes, merged. */
struct site {
	enum ledger_op op;
	bool others;			/* the row that gathers what found no room */
	unsigned frames_n;
	struct code frames[LEDGER_FRAMES];
	uint64_t until_ns;		/* CLOCK_REALTIME: its modules were mapped till then; 0: still */
	const char *path;		/* NULL: no file */
	uint64_t dev, ino;
	uint32_t mem_align, offset_align;	/* for this operation, bytes; 0: not known, or never direct */
	enum align_from align_from;
	struct ledger_site sum;		/* its figures */
	uint64_t copied_bytes;		/* that a CPU copied; figured by report_sum */
	size_t files_n;			/* of report_group_sites: path is the one with most bytes, */
	uint64_t file_bytes;		/* which are these */
};

/* A request that failed for its alignment. */
struct misfit {
	uint32_t pid;
	uint64_t until_ns;		/* as in struct site */
	struct code caller;
	const char *path;
	struct ledger_misfit m;
};

struct record {
	uint32_t pid;
	struct code caller;
	const char *path;
	struct ledger_record r;
};

struct timeline;

struct report {
	struct process *processes;	/* by their start */
	size_t processes_n;
	struct ledger_file *files;	/* by their bytes, largest first */
	size_t files_n;
	struct site *sites;		/* by their copies, most first */
	size_t sites_n;
	struct misfit *misfits;		/* by time */
	size_t misfits_n;
	uint64_t misfits_seen;		/* also those of which nothing was kept */
	struct record *records;		/* by time */
	size_t records_n;
	uint64_t records_lost;		/* overwritten by newer ones */
	uint64_t records_incomplete;	/* begun and not ended, or mixed with another thread's */
	struct timeline **timelines;	/* how the sums grew, of runs that were watched */
	size_t timelines_n;
	bool watched;			/* swiotlb was, while the command ran */
	struct swiotlb_result swiotlb;	/* the whole host's */
	bool explain;			/* call sites are wanted, by name */
	char *command;			/* what was run; NULL: the processes tell */
	uint64_t elapsed_ns;

	uint64_t counters[COUNTERS];
	struct ledger_sum routes[ROUTES], reasons[REASONS];
	uint64_t classes[CLASSES];
	bool classified;		/* some process kept classes */
	struct kernel_count kernel;	/* since the shim's start */
	uint64_t seen_bytes, unseen_bytes;
	uint64_t made_bytes, buffered_bytes, saved_bytes;	/* CPU copies */
	size_t all_n;		/* processes; each program they exec has a ledger */
	size_t read_n;		/* of them, with a reading of the kernel's count */
	size_t unread_n;	/* ledgers without */
	size_t stale_n;		/* killed after the last reading */
	size_t alive_n;
	size_t open_n;		/* that do not close */
};

/* What the kernel says of a process now, or of one that is a zombie. */
struct last_words last_words_of(pid_t pid);

/*
 * The ledger in a file, from its beginning, whether it is open for the first
 * time or not. NULL, or why it is none; the text is good until the next call.
 */
const char *ledger_read(int fd, struct ledger *l);

/* Of a head of which got bytes were read: NULL, or why it is of no ledger of ours. As above. */
const char *ledger_wrong(const struct ledger *l, size_t got);

/* dioshim.PID.N */
bool is_ledger_name(const char *name);

/* Adds one ledger file. False after a complaint that names it. */
bool report_add_file(struct report *r, const char *path);

/*
 * Adds the ledger files of a folder that began at since_ns (CLOCK_REALTIME) or
 * later. False after a complaint; *found counts the files.
 */
bool report_add_folder(struct report *r, const char *path, uint64_t since_ns,
		       size_t *found);

/* The last words of a child of ours replace its ledger's last reading. */
void report_last_words(struct report *r, pid_t pid, const struct last_words *w);

/* A list that may take one more, by powers of two; never NULL. */
void *must_grow(void *list, size_t n, size_t size);

/* What follows struct ledger in a ledger's file: call sites, misfits, records (sites.c). */
void report_add_sites(struct report *r, struct ledger *l);
void report_sum_sites(struct report *r);
/* The call sites, each with all of its files, by their copies; to be freed. */
struct site *report_group_sites(const struct report *r, size_t *n);

void report_free_sites(struct report *r);

/* Sorts and sums; after the last addition. */
void report_sum(struct report *r);

void report_free(struct report *r);

/* Of one process, after report_sum; 0 when it was never read. */
struct kernel_count process_kernel(const struct process *p);
uint64_t process_seen(const struct process *p);

/* exited, execed, killed, running or unknown. */
const char *process_state(const struct process *p);

/* "read /bin/cat+0x1234 < /lib/libc.so+0x5678": of malloc. */
char *site_name(const struct site *s);

/* The same for a place; an address where there is no module, nothing where there is none. */
void print_code(FILE *f, const struct code *p);

void report_text(const struct report *r, FILE *f);

/* The requests that failed, and, where r->explain says so, call sites by name, with advice. */
void report_explain(const struct report *r, FILE *f);
void report_json(const struct report *r, FILE *f);
void report_csv(const struct report *r, FILE *f);
void report_openmetrics(const struct report *r, FILE *f);

/* Of single requests, where they were kept (setting records). */
void report_trace_lines(const struct report *r, FILE *f);	/* JSON lines */
void report_trace_chrome(const struct report *r, FILE *f);	/* trace event format */

/* One page, complete in itself. */
void report_html(const struct report *r, FILE *f);

struct json;
void report_json_sites(const struct report *r, struct json *j);

#endif

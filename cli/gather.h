/*
 * gather: reads ledger files, checks them, and sums them into one report. The
 * files may come from anywhere: nothing in them is trusted, not even that a
 * text ends.
 */
#ifndef DIOSHIM_GATHER_H
#define DIOSHIM_GATHER_H

#include "ledger.h"

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
	struct ledger_witness witness;
	struct kernel_count first_thread;	/* 0 when not known */

	/* Figured by report_sum: */
	struct kernel_count children;	/* in witness, but theirs */
	bool went_on;			/* by exec: its next ledger is here too */
	const char *open;		/* why it does not close; NULL: it does */
};

struct report {
	struct process *processes;	/* by their start */
	size_t processes_n;
	struct ledger_file *files;	/* by their bytes, largest first */
	size_t files_n;
	char *command;			/* what was run; NULL: the processes tell */
	uint64_t elapsed_ns;

	uint64_t counters[COUNTERS];
	struct ledger_sum routes[ROUTES], reasons[REASONS];
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

/* Sorts and sums; after the last addition. */
void report_sum(struct report *r);

void report_free(struct report *r);

/* Of one process, after report_sum; 0 when it was never read. */
struct kernel_count process_kernel(const struct process *p);
uint64_t process_seen(const struct process *p);

void report_text(const struct report *r, FILE *f);
void report_json(const struct report *r, FILE *f);

#endif

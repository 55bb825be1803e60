/*
 * watch: the ledgers of processes that run now, and what changed in them from
 * one look to the next. It reads files that the processes have mapped: nothing
 * is asked of them. Nothing in a ledger is trusted. Depends on: gather.
 */
#ifndef DIOSHIM_WATCH_H
#define DIOSHIM_WATCH_H

#include "gather.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct watch_sums {
	uint64_t calls, read, written;		/* bytes */
	uint64_t routes[ROUTES];		/* bytes */
	uint64_t files[LEDGER_FILES];		/* bytes of each row */
};

struct watched {
	pid_t pid;
	int proc;			/* its folder in /proc: stays its own, whoever gets the number */
	int ledger;			/* the file */
	ino_t ino;
	bool ended;			/* or went on as another program: seen for the last time */
	char command[LEDGER_COMMAND];
	char busiest[LEDGER_PATH];	/* the file with most bytes since the last look; or "" */
	struct watch_sums now, before;
};

struct watch {
	pid_t root;			/* it and what descends from it; 0: all we may see */
	const char *dir;		/* ledgers of processes that we may not look at; or NULL */
	struct watched *list;
	size_t n;
	uint64_t seen_ns;		/* the last look: CLOCK_REALTIME */
	uint64_t elapsed_ns;		/* from the one before to it */
	uint64_t monotonic_ns;
};

/*
 * Looks: forgets who had ended, reads the others, finds new ones. What a
 * process did before it was found counts only if it began since the last look.
 */
void watch_look(struct watch *w);

/* Why a process has no ledger to be watched; NULL: it has. */
const char *watch_why(pid_t pid);

/* The process that was asked for has ended, and nothing of it is left to show. */
bool watch_over(const struct watch *w);

void watch_free(struct watch *w);

/* What changed from before to now; never below 0, whatever the ledger says. */
struct watch_sums watch_change(const struct watched *p);

#endif

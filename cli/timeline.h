/*
 * timeline: how the sums of a run grew. A thread reads the heads of the
 * ledgers in the run's folder now and then; the programs do nothing for it.
 *
 * A folder that is kept has it as the file dioshim.timeline, which every run
 * adds to: one line "dioshim timeline 1 BEGAN_NS" (CLOCK_REALTIME), one that
 * names the columns, then one per sample: milliseconds since then, ledgers
 * that run, calls, and the bytes of each route. All but the first two are sums
 * since the beginning. Depends on: gather.
 */
#ifndef DIOSHIM_TIMELINE_H
#define DIOSHIM_TIMELINE_H

#include "ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TIMELINE_SAMPLES 300	/* at most; when full, every other one goes */

struct timeline_sample {
	uint64_t ms, running, calls;
	uint64_t routes[ROUTES];	/* bytes */
};

struct timeline {
	uint64_t began_ns;		/* CLOCK_REALTIME */
	size_t n;
	struct timeline_sample samples[TIMELINE_SAMPLES];
};

/*
 * Samples of the folder's ledgers that begin after began_ns, from now on, by a
 * thread of its own that takes no signal: call it while all are blocked. NULL
 * after a complaint.
 */
struct timeline *timeline_start(const char *folder, uint64_t began_ns);

/* Ends the thread, after a last sample; the timeline may be freed. */
void timeline_stop(struct timeline *t);

/* Adds it to the folder's file; false after a complaint. */
bool timeline_save(const struct timeline *t, const char *folder);

struct report;

/* One of the report's own from then on. */
void report_add_timeline(struct report *r, struct timeline *t);
void report_free_timelines(struct report *r);

/* Adds the timelines of a folder's file, if there is one. False after a complaint: it is damaged. */
bool report_add_timelines(struct report *r, const char *folder);

#endif

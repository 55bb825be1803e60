/*
 * compare: what one run of the command gave, and the figures that are compared.
 * A figure that could not be had is not 0: it is not there.
 */
#ifndef DIOSHIM_COMPARE_H
#define DIOSHIM_COMPARE_H

#include "gather.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum side { PLAIN, SHIMMED, SIDES };

/* FIGURE(name in JSON, unit, words) */
#define COMPARE_FIGURES(FIGURE) \
	FIGURE(elapsed_ns, NS, "elapsed") \
	FIGURE(user_ns, NS, "user CPU") \
	FIGURE(system_ns, NS, "system CPU") \
	FIGURE(copied_bytes, BYTES, "copied by the CPU") \
	FIGURE(device_read_bytes, BYTES, "read from devices") \
	FIGURE(device_written_bytes, BYTES, "written to devices") \
	FIGURE(cache_left_bytes, BYTES, "left in page cache")

enum figure {
#define FIGURE(name, unit, words) FIGURE_##name,
	COMPARE_FIGURES(FIGURE)
#undef FIGURE
	FIGURES
};

enum cold { COLD_NOT, COLD_FILES, COLD_ALL };

struct sample {
	bool first;		/* of its pair */
	bool signaled;
	int status;		/* the exit status, or the signal */
	bool had[FIGURES];
	double value[FIGURES];	/* ns or bytes; what is left may be below 0 */

	/* Of what copied_bytes is the sum, under the shim: */
	bool ledger, closes;
	uint64_t made_bytes, not_file_bytes, unseen_bytes;
};

/* Over the samples that have it. */
struct spread {
	unsigned n;		/* 0: the others mean nothing */
	double median, lowest, highest;
};

struct comparison {
	const char *command;
	unsigned runs;		/* pairs that were made */
	struct sample *samples[SIDES];
	enum cold cold;		/* what was dropped from the page cache before each run */
	bool rewound;		/* the command's standard input is a file; else /dev/null */
	size_t files_n, untold_n;	/* of the page cache: counted, and may not be */
};

struct spread comparison_spread(const struct comparison *c, enum side side, enum figure which);

/* The first two runs that ended differently, plain and shimmed if there are such. */
bool comparison_differs(const struct comparison *c, char text[256]);

void comparison_text(const struct comparison *c, FILE *f);
void comparison_json(const struct comparison *c, FILE *f);

#endif

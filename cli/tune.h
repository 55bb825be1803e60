/*
 * tune: `dioshim doctor --tune`: from which size on direct I/O wins over the page cache, measured
 * on the device of a folder, in a file that has no name, and the settings of mode
 * auto that follow. Depends on: place, config.
 */
#ifndef DIOSHIM_TUNE_H
#define DIOSHIM_TUNE_H

#include "place.h"

#include <stdio.h>

enum { TUNE_SIZES = 12 };

#define TUNE_BYTES (512u << 20)		/* of temporary space */
#define TUNE_LEAST (8u << 20)

enum tune_verdict { TUNE_CACHE, TUNE_DIRECT, TUNE_UNTOLD };

struct tune_row {
	uint32_t size;			/* bytes of a request */
	unsigned rounds;
	double cached, direct;		/* ns per MiB, medians */
	double ratio, q1, q3;		/* time, direct to page cache: median and quartiles of pairs */
	enum tune_verdict verdict;	/* by the quartiles */
};

struct tune_table {
	enum config_id setting;
	const char *name, *title;
	struct tune_row row[TUNE_SIZES];
	int rows;
	enum { TUNE_FOUND, TUNE_NEVER, TUNE_SCATTERED, TUNE_NONE } found;
	uint64_t from;			/* bytes: the setting; NEVER: twice the largest size */
};

struct tune {
	char folder[PATH_MAX];
	uint64_t bytes;			/* of temporary space, at most */
	double seconds;
	struct tune_table read, write;
};

/* Measures. False after a complaint: no direct I/O there, no room, or an error. */
bool tune_measure(struct tune *t, const char *path, uint64_t bytes, const struct config *c);

/* Fills in verdicts, found and from. */
void tune_judge(struct tune_table *table, uint64_t otherwise);

void tune_text(const struct tune *t, FILE *f);
void tune_json(const struct tune *t, FILE *f);

#endif

/*
 * resident: the files that ledgers have named, and what of them is in the page
 * cache. Looks by mincore on a mapping that is never touched: it brings
 * nothing in. Depends on: gather.
 */
#ifndef DIOSHIM_RESIDENT_H
#define DIOSHIM_RESIDENT_H

#include "gather.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resident {
	char (*paths)[LEDGER_PATH];	/* sorted, each once */
	size_t n;
};

/* Adds the files of a report. Rows without a whole path are left out. */
void resident_learn(struct resident *r, const struct report *report);

/*
 * Bytes of all these files in the page cache; what is no regular file any more
 * has none. *untold counts the files of which this process may not ask.
 */
uint64_t resident_bytes(const struct resident *r, size_t *untold);

/* Drops what is clean, file by file. */
void resident_drop(const struct resident *r);

/* Writes everything back and drops the whole page cache. False: not allowed. */
bool resident_drop_all(void);

void resident_free(struct resident *r);

#endif

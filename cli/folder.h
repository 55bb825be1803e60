/*
 * folder: where the ledgers of a run go. The user's own folder is kept; else
 * it is a temporary one.
 */
#ifndef DIOSHIM_FOLDER_H
#define DIOSHIM_FOLDER_H

#include <limits.h>
#include <stdbool.h>

struct folder {
	char path[PATH_MAX];	/* absolute */
	bool temporary;
};

/* wanted is NULL for a temporary one. False after a complaint. */
bool folder_make(struct folder *f, const char *wanted);

/* Removes a temporary one and the ledgers in it. */
void folder_remove(const struct folder *f);

#endif

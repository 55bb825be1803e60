/*
 * replace: a file that is replaced in one step, for those who may read it at
 * any moment: written beside its place and renamed. What is no regular file
 * ("-", a pipe, a device) is written as it is. Depends on: cli.
 */
#ifndef DIOSHIM_REPLACE_H
#define DIOSHIM_REPLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

struct replace {
	FILE *f;
	const char *name;
	char target[PATH_MAX];		/* links followed */
	char temporary[PATH_MAX];	/* empty: written as it is */
};

/* False after a complaint. */
bool replace_open(struct replace *p, const char *name);

/* Without keep the file stays what it was. False after a complaint: it has. */
bool replace_close(struct replace *p, bool keep);

#endif

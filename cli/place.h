/*
 * place: what a file, a block device, or a new file in a folder gets under
 * dioshim, and why. Decided by the library's own align and config, in the
 * order in which the library asks; then tried, on nothing but a temporary file
 * or by opening for reading. What is neither a regular file nor a block device
 * is never opened, nor what is refused by its file system.
 * Depends on: align, config.
 */
#ifndef DIOSHIM_PLACE_H
#define DIOSHIM_PLACE_H

#include "align.h"
#include "config.h"

#include <limits.h>

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNTOLD };

struct place {
	const char *path;		/* as it was given */
	enum answer direct;		/* is its I/O direct? */
	enum reason reason;		/* why not; REASON_NONE: see why */
	char why[160];			/* one sentence, for no and untold */
	int error;			/* errno: there is nothing to say of it; or 0 */
	const char *kind;		/* "regular file", "folder", ... */
	char tried[PATH_MAX];	/* its full path; of a folder: of what stood for a new file */
	bool temporary;			/* a new file, with no name: tried is its folder */
	bool stands_in;			/* tried is some file of the folder, where none can be made */
	uint64_t size;			/* bytes, of a file with a name or a device */

	char filesystem[64];		/* "ext4"; empty: not known */
	char device[64];		/* "vda1"; empty: none, or not one */
	dev_t dev;
	uint32_t logical, physical;	/* block sizes of the device, bytes; 0: not known */

	bool said, read_said;		/* statx: STATX_DIOALIGN, STATX_DIO_READ_ALIGN */
	uint32_t said_mem, said_offset, said_read;	/* bytes */
	struct align_facts facts;	/* what the library makes of it; align.mem 0: nothing */

	enum { TRIAL_NONE, TRIAL_OPENED, TRIAL_WRITTEN, TRIAL_FAILED } trial;
	int trial_error;		/* errno of TRIAL_FAILED */
};

/* c: the settings the library would find in its environment. */
void place_look(struct place *p, const char *path, const struct config *c);

/* A file in this folder that has no name, or -errno. */
int place_temporary(int folder);

#endif

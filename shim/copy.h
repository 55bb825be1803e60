/*
 * copy: file to file inside copy_file_range and sendfile, direct to direct:
 * reads ahead into the pool, synchronous writes out of it, no CPU copy.
 * Depends on: ahead, adopt, book, seg.
 */
#ifndef DIOSHIM_COPY_H
#define DIOSHIM_COPY_H

#include "adopt.h"

struct copy {
	struct file *in, *out;
	int in_fd, out_fd;	/* the program's */
	int64_t in_off, out_off;
	size_t len;		/* bytes; as the program asked */
	bool is_sendfile;	/* reads block devices, crosses file systems */
};

/*
 * May the shim copy this? REASON_NONE if so, and c->len is then clipped to
 * what the source has; else why the kernel is to do it.
 */
enum reason copy_check(struct copy *c);

/*
 * Copies c->len bytes; how many were, fewer if something failed: the caller's
 * next attempt will be the kernel's.
 */
size_t copy_run(const struct copy *c);

#endif

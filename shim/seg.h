/*
 * seg: the three ways a segment travels.
 *
 *   seg_direct   zero-copy, in the program's own memory
 *   seg_bounce   direct, with a copy to or from a chunk of the pool
 *   seg_cached   through the page cache, on the cached descriptor
 *
 * Each moves as much as it can, books it, and returns how many bytes; for the
 * first two, less than asked comes with *why, and the caller sends the rest
 * through the cache (the failure rule). Only seg_cached returns an error.
 * Depends on: ahead, book, file, memory, pool, sys.
 */
#ifndef DIOSHIM_SEG_H
#define DIOSHIM_SEG_H

#include "engine.h"

/* A request under way. */
struct run {
	struct file *f;
	const struct request *rq;
	struct ledger_file *row;
	uint64_t off;		/* of the request's first byte */
	int cached, direct;	/* descriptors */
	bool begun;		/* a part of it was done: the cached number may be another file by now */
	bool refused;		/* the file is to stay cached, if cached I/O works */
};

/* Bytes [pos, pos + len) of the request; bytes moved, or -errno if none. */
ssize_t seg_cached(struct run *r, size_t pos, size_t len, enum reason why);

/*
 * All segments of a planned read, at most one aligned block bounced at either
 * end of a zero-copy middle, in one system call.
 */
size_t seg_direct_read(struct run *r, const struct plan *p, enum reason *why);
size_t seg_direct_write(struct run *r, const struct seg *s, enum reason *why);

size_t seg_bounce_read(struct run *r, const struct seg *s, enum reason *why);
size_t seg_bounce_write(struct run *r, const struct seg *s, enum reason *why);

/*
 * One synchronous direct write of whole blocks, guarded against stores through
 * mappings. Bytes written; if fewer than len, *why says why, and the caller
 * writes the rest through the cache (REASON_raced: also what was written, for
 * then 0 is returned). If the kernel refused it with EINVAL *refused is set.
 */
size_t seg_guarded_write(struct file *f, int direct, int cached, const struct iovec *iov, int n,
			 uint64_t off, size_t len, enum reason *why, bool *refused);

/*
 * Does the page cache hold something of a block device's range? A mounted file
 * system keeps what it is changing there, and the disk is older. Where it
 * cannot be known: yes.
 */
bool seg_device_resident(int fd, uint64_t off, size_t len);

#endif

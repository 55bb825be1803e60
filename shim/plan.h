/*
 * plan: a request cut into at most three segments. Pure arithmetic, no I/O.
 *
 * Read, descriptor offset o, end e = min(o + len, size), block A:
 *
 *      o            |A             |A             e
 *      |<- bounce ->|<--- direct, zero-copy ---->|<- bounce ->|
 *
 * when buffer and offset are off by the same amount (co-aligned); else one
 * bounced segment. The engine reads all of it with one system call.
 *
 * Write, block B = max(4096, A):
 *
 *      |<- cached ->|<- direct or bounced ->|<- cached ->|
 *
 * The edges go through the page cache (no read-modify-write in user space),
 * the whole blocks between go direct.
 * Depends on: align.h for the requirement, nothing else.
 */
#ifndef DIOSHIM_PLAN_H
#define DIOSHIM_PLAN_H

#include "align.h"
#include "ledger.h"

#include <sys/uio.h>

#define PLAN_BLOCK	4096u	/* bytes; the finest granularity of split writes */
#define PLAN_IOV	64	/* pieces of an iovec that direct I/O may keep */

enum op { OP_READ, OP_WRITE };

enum seg_kind { SEG_DIRECT, SEG_BOUNCE, SEG_CACHED };

struct seg {
	enum seg_kind kind;
	enum reason reason;	/* REASON_NONE for SEG_DIRECT */
	size_t pos;		/* bytes from the start of the request */
	size_t len;		/* bytes, > 0 */
};

struct plan {
	int n;			/* 0..3; 0: nothing to read (end of file) */
	struct seg seg[3];
};

struct plan_in {
	enum op op;
	uint64_t off;			/* bytes, off + len <= INT64_MAX */
	size_t len;			/* bytes, > 0: the sum of the iovec, clipped */
	const struct iovec *iov;	/* pieces that cover at least len */
	int iovcnt;
	struct align align;
	uint64_t size;			/* of the file, bytes; reads stop there */
	bool exact;			/* an aligned write is left whole (a descriptor the
					 * program opened O_DIRECT itself) */
};

/* How much of the request there is to move; n > 0. */
static inline size_t plan_len(const struct plan *p)
{
	return p->seg[p->n - 1].pos + p->seg[p->n - 1].len;
}

void plan_build(struct plan *p, const struct plan_in *in);

#endif

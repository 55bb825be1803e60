/*
 * classify: what a request is to direct I/O: which bytes would be zero-copy as
 * they are, after aligning memory, after aligning offsets and lengths, never;
 * and what a bare O_DIRECT open would find wrong. Pure arithmetic.
 * Depends on: plan.
 */
#ifndef DIOSHIM_CLASSIFY_H
#define DIOSHIM_CLASSIFY_H

#include "plan.h"

struct classified {
	uint64_t bytes[CLASSES];
	unsigned off;			/* bits 1 << DIM_...: what is misaligned */
	uint32_t rest[DIMS];		/* remainder by the alignment asked for; of the first piece that is off */
};

/*
 * A request of which in->len bytes were moved; asked is what it asked for. Fewer
 * moved than asked: a read met the end of the file there. in->off is its offset
 * (in->size is not looked at); in->iov covers asked bytes, and where these are 0
 * it is not looked at either.
 */
void classify(struct classified *c, const struct plan_in *in, size_t asked);

/* Only what is misaligned, of a request that was not made yet. */
void classify_asked(struct classified *c, const struct plan_in *in);

#endif

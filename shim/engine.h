/*
 * engine: runs one request of the program: guard, policy, offset, plan,
 * segments, ledger.
 * Depends on: adopt, plan, seg.
 */
#ifndef DIOSHIM_ENGINE_H
#define DIOSHIM_ENGINE_H

#include "adopt.h"
#include "plan.h"

struct request {
	enum op op;
	int fd;
	bool vector;		/* a readv family call: iov is the program's */
	bool positional;	/* at off; else at the descriptor's own offset */
	int64_t off;
	int rwf;		/* RWF_ flags of preadv2, pwritev2 */
	const struct iovec *iov;
	int iovcnt;
	size_t len;		/* bytes asked, clipped to what Linux moves at most */
	const void *caller;	/* where the wrapped call returns to */
};

/*
 * The call as the program made it, on its own descriptor; the kernel's answer.
 */
ssize_t engine_kernel_call(const struct request *rq, int fd);

/*
 * Replaces the program's iovec by a copy, which the data it describes cannot
 * overwrite: in few[PLAN_IOV], or in a chunk of the pool, *many, that the
 * caller gives back. False: as below, or no chunk was free.
 */
bool engine_copy_iovec(struct request *rq, struct iovec *few, char **many);

/*
 * Fills rq->len from the iovec. False when the kernel would not take the
 * iovec: the call then has to be made as it is, for its errno.
 */
bool engine_measure(struct request *rq);

/* No errno: the descriptor is not the file any more, nothing was done. */
#define ENGINE_STALE (-5000)

/* Runs a request on a routed file; the result, -errno or ENGINE_STALE. Books it. */
ssize_t engine_run(struct file *f, const struct request *rq);

#endif

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
};

/*
 * The call as the program made it, on its own descriptor; the kernel's answer.
 */
ssize_t engine_kernel_call(const struct request *rq, int fd);

/*
 * Fills rq->len from the iovec. False when the kernel would not take the
 * iovec: the call then has to be made as it is, for its errno.
 */
bool engine_measure(struct request *rq);

/* Runs a request on a routed file; the result, or -errno. Books it. */
ssize_t engine_run(struct file *f, const struct request *rq);

#endif

#include "book.h"
#include "memory.h"
#include "seg.h"
#include "sys.h"

ssize_t seg_cached(struct run *r, size_t pos, size_t len, enum reason why)
{
	const struct request *rq = r->rq;
	size_t done = 0;
	ssize_t n = 0;

	/* One call, unless the iovec has more pieces here than fit. */
	while (done < len) {
		struct iovec part[PLAN_IOV];
		size_t covered;
		int pieces = memory_slice(rq->iov, rq->iovcnt, pos + done, len - done, part,
					  PLAN_IOV, &covered);
		int64_t at = (int64_t)(r->off + pos + done);

		if (!file_still(r->f, r->cached, r->begun)) {
			n = -EBADF;	/* as if that close had come first */
			break;
		}
		n = rq->op == OP_READ ? sys_preadv(r->cached, part, pieces, at) :
					sys_pwritev(r->cached, part, pieces, at);
		r->begun = true;
		if (n <= 0)
			break;
		done += (size_t)n;
		if ((size_t)n < covered)
			break;
	}
	if (done == 0 && n < 0)
		return n;
	book_moved(r->row, rq->op, ROUTE_cached, why, done);
	book_kernel(rq->op, done);
	return (ssize_t)done;
}

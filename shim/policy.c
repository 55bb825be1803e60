#include "policy.h"

#include "state.h"

enum reason policy_request(const struct file *f, const struct request *rq, const struct guard *g)
{
	const int access = g->flags & O_ACCMODE;

	/* Errors and empty requests: the kernel knows best. */
	if (rq->len == 0 || (rq->positional && rq->off < 0))
		return REASON_eof;
	if (access == (rq->op == OP_READ ? O_WRONLY : O_RDONLY))
		return REASON_eof;
	if (rq->rwf != 0)
		return REASON_flags;
	if (f->learned)
		return REASON_learned;
	if (rq->op == OP_WRITE) {
		if (g->flags & O_APPEND)
			return REASON_append;
		if (f->mapped)
			return REASON_mapped;
		if (f->facts.writes_are_cached)
			return REASON_btrfs_checksums;
	}
	return REASON_NONE;
}

enum reason policy_offset(const struct request *rq, const struct guard *g, int64_t off)
{
	uint64_t size = g->size;

	if (off > INT64_MAX - (int64_t)rq->len)
		return REASON_file_limit;
	if (rq->op == OP_READ && (uint64_t)off >= size)
		return REASON_eof;
	if (rq->op == OP_WRITE && (uint64_t)off + rq->len > size)
		size = (uint64_t)off + rq->len;
	if (size < state_config.min_file)
		return REASON_min_file;
	return REASON_NONE;
}

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

/*
 * Readers that share an offset must not reserve past the end of the file: if
 * it grows before they give that back, a record is read by none of them. So
 * near the end the kernel's own read, which locks the offset, serves them;
 * near is what this many reservations at once could reach.
 */
#define SHARERS 8

enum reason policy_offset(const struct request *rq, const struct guard *g, int64_t off)
{
	uint64_t size = g->size;

	if (off > INT64_MAX - (int64_t)rq->len)
		return REASON_file_limit;
	if (rq->op == OP_READ && (uint64_t)off >= size)
		return REASON_eof;
	if (rq->op == OP_READ && !rq->positional && g->shared &&
	    (size - (uint64_t)off) / SHARERS < rq->len)
		return REASON_shared_offset;
	if (rq->op == OP_WRITE && (uint64_t)off + rq->len > size)
		size = (uint64_t)off + rq->len;
	if (size < state_config.min_file)
		return REASON_min_file;
	return REASON_NONE;
}

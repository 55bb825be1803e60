#include "copy.h"

#include "ahead.h"
#include "auto.h"
#include "book.h"
#include "seg.h"
#include "state.h"

/* One reason why a range of whole blocks can move by DMA alone: both ends agree modulo this. */
static uint64_t block_of(const struct copy *c)
{
	uint64_t b = PLAN_BLOCK;

	if (c->in->facts.align.read > b)
		b = c->in->facts.align.read;
	if (c->out->facts.align.write > b)
		b = c->out->facts.align.write;
	return b;
}

enum reason copy_check(struct copy *c)
{
	struct file *in = c->in, *out = c->out;
	struct guard gi, go;
	struct rlimit lim;
	uint64_t left;

	if (!adopt_guard(c->in_fd, in, 0, &gi) || !adopt_guard(c->out_fd, out, 0, &go) ||
	    !file_twin_ok(in) || !file_twin_ok(out))
		return REASON_copy_other;
	if ((gi.flags & O_ACCMODE) == O_WRONLY || (go.flags & O_ACCMODE) == O_RDONLY ||
	    (go.flags & O_APPEND) || out->block_device || (in->block_device && !c->is_sendfile))
		return REASON_copy_other;
	if (in->ino == out->ino && in->dev == out->dev)
		return REASON_copy_other;
	if (in->learned || out->learned || out->mapped || out->facts.writes_are_cached)
		return REASON_copy_other;
	/* Across file systems copy_file_range says EXDEV; sendfile does it. */
	if (in->dev != out->dev && !c->is_sendfile)
		return REASON_copy_other;
	if (in->dev == out->dev && in->facts.shares_extents)
		return REASON_share_extents;
	if (c->in_off < 0 || c->out_off < 0)
		return REASON_copy_other;
	if ((uint64_t)c->in_off >= gi.size)
		return REASON_copy_end;
	left = gi.size - (uint64_t)c->in_off;
	if (left < c->len)
		c->len = (size_t)left;
	if (c->len > SYS_MAX_RW)
		c->len = SYS_MAX_RW;
	if (in->block_device && seg_device_resident(c->in_fd, (uint64_t)c->in_off, c->len))
		return REASON_copy_other;
	if (c->len == 0 || gi.size < state_config.min_file ||
	    c->out_off > INT64_MAX - (int64_t)c->len)
		return REASON_copy_other;
	if (auto_source_warm(in, c->in_fd, (uint64_t)c->in_off, c->len))
		return REASON_warm;
	if (((uint64_t)(c->in_off - c->out_off) & (block_of(c) - 1)) != 0)
		return REASON_copy_skew;
	if (sys_getrlimit(RLIMIT_FSIZE, &lim) != 0 ||
	    (lim.rlim_cur != RLIM_INFINITY && (uint64_t)c->out_off + c->len > lim.rlim_cur))
		return REASON_copy_other;
	return REASON_NONE;
}

/* Bytes of the pool to the target, through the page cache: edges, and the failure rule. */
static size_t put_cached(const struct copy *c, const char *buf, size_t n, uint64_t to,
			 enum reason why)
{
	const int fd = file_cached_fd(c->out, c->out_fd);
	ssize_t w;

	if (!file_still(c->out, fd, true))
		return 0;
	w = sys_pwrite(fd, buf, n, (int64_t)to);
	if (w <= 0)
		return 0;
	book_kernel(OP_WRITE, (size_t)w);
	book_copied(adopt_row(c->in), adopt_row(c->out), ROUTE_cached, why, (size_t)w);
	return (size_t)w;
}

static size_t put_direct(const struct copy *c, const char *buf, size_t n, uint64_t to)
{
	struct iovec iov = { (void *)(uintptr_t)buf, n };
	enum reason why = REASON_direct_failed;
	bool refused = false;
	size_t w = seg_guarded_write(c->out, file_direct_fd(c->out, c->out_fd),
				     file_cached_fd(c->out, c->out_fd), &iov, 1, to, n, &why,
				     &refused);

	if (w > 0)
		book_copied(adopt_row(c->in), adopt_row(c->out), ROUTE_zero_copy, REASON_NONE, w);
	if (w < n) {
		size_t rest = put_cached(c, buf + w, n - w, to + w, why);

		if (refused && rest > 0)
			c->out->learned = 1;
		w += rest;
	}
	return w;
}

/* Part of the source, [buf, buf + n), to its place in the target: edge, blocks, edge. */
static size_t put(const struct copy *c, const char *buf, size_t n, uint64_t to)
{
	const uint64_t mask = block_of(c) - 1;
	size_t head = (size_t)(-to & mask), body, w;

	if (head >= n || n - head <= mask)
		return put_cached(c, buf, n, to, REASON_edge);
	body = (n - head) & ~(size_t)mask;
	w = head ? put_cached(c, buf, head, to, REASON_edge) : 0;
	if (w < head)
		return w;
	w += put_direct(c, buf + head, body, to + head);
	if (w < head + body || w == n)
		return w;
	return w + put_cached(c, buf + w, n - w, to + w, REASON_edge);
}

size_t copy_run(const struct copy *c)
{
	const uint64_t mask = block_of(c) - 1;
	const uint64_t from = (uint64_t)c->in_off, end = from + c->len;
	uint64_t at = from & ~mask;
	size_t done = 0, asked;
	struct ahead a;
	ssize_t got;
	char *buf;

	if (!ahead_start(&a, file_direct_fd(c->in, c->in_fd), file_word(c->in), at,
			 (end + mask) & ~mask))
		return 0;
	while (ahead_next(&a, &buf, &got, &asked)) {
		size_t skip = from + done > at ? (size_t)(from + done - at) : 0, n, w;

		if (got <= (ssize_t)skip)
			break;
		n = (size_t)got - skip;
		if (n > c->len - done)
			n = c->len - done;
		w = put(c, buf + skip, n, (uint64_t)c->out_off + done);
		done += w;
		if (w < n || (size_t)got < asked)
			break;
		at += asked;
	}
	ahead_stop(&a);
	if (a.failed)
		c->in->learned = 1;
	return done;
}

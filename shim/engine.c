#include "engine.h"

#include "auto.h"
#include "book.h"
#include "memory.h"
#include "policy.h"
#include "pool.h"
#include "seg.h"
#include "state.h"
#include "stream.h"
#include "sys.h"

#include <limits.h>
#include <string.h>

/* Beyond, the kernel says EFAULT to the whole call, however little of it would be used. */
#if defined(__x86_64__)
#define USER_MAX 0x7ffffffff000ul
#else
#define USER_MAX (1ul << 52)
#endif

ssize_t engine_kernel_call(const struct request *rq, int fd)
{
	const bool read = rq->op == OP_READ;
	const struct iovec *iov = rq->iov;
	long nr;

	if (!rq->vector) {
		long base = sys_ptr(iov->iov_base), len = (long)iov->iov_len;

		if (rq->positional)
			return sys_call(read ? SYS_pread64 : SYS_pwrite64, fd, base, len, rq->off, 0, 0);
		return sys_call(read ? SYS_read : SYS_write, fd, base, len, 0, 0, 0);
	}
	if (rq->rwf)
		return sys_call(read ? SYS_preadv2 : SYS_pwritev2, fd, sys_ptr(iov), rq->iovcnt,
				rq->positional ? rq->off : -1, 0, rq->rwf);
	if (!rq->positional)
		return sys_call(read ? SYS_readv : SYS_writev, fd, sys_ptr(iov), rq->iovcnt, 0, 0, 0);
	nr = read ? SYS_preadv : SYS_pwritev;
	return sys_call(nr, fd, sys_ptr(iov), rq->iovcnt, rq->off, 0, 0);
}

bool engine_copy_iovec(struct request *rq, struct iovec *few, char **many)
{
	struct iovec *to = few;
	size_t size;

	if (!rq->vector)
		return true;
	if (rq->iovcnt < 0 || rq->iovcnt > IOV_MAX)
		return false;
	size = (size_t)rq->iovcnt * sizeof(struct iovec);
	if (!memory_readable(rq->iov, size))
		return false;
	if (rq->iovcnt > PLAN_IOV) {
		*many = pool_get(size);
		if (!*many)
			return false;
		to = (struct iovec *)(void *)*many;
	}
	if (size > 0)
		memcpy(to, rq->iov, size);
	rq->iov = to;
	return true;
}

bool engine_measure(struct request *rq)
{
	size_t sum = 0;

	rq->len = 0;
	for (int i = 0; i < rq->iovcnt; i++) {
		size_t n = rq->iov[i].iov_len;

		/* One piece is cut before its address is looked at; several, and one buffer, after. */
		if (rq->vector && rq->iovcnt == 1 && n <= SSIZE_MAX && n > SYS_MAX_RW)
			n = SYS_MAX_RW;
		if (n > USER_MAX || (uintptr_t)rq->iov[i].iov_base > USER_MAX - n)
			return false;
		sum += n < SYS_MAX_RW - sum ? n : SYS_MAX_RW - sum;
	}
	rq->len = sum;
	return true;
}

/* The program's descriptor is O_DIRECT and refused the call: the twin answers. */
static ssize_t call_on_twin(const struct file *f, const struct request *rq, int flags)
{
	struct request at = *rq;
	int64_t end;
	ssize_t r;

	if (!file_twin_ok(f))
		return -EINVAL;
	if (rq->positional)
		return engine_kernel_call(rq, f->twin);
	/* What appends moves the offset to where it ended. */
	if (rq->op == OP_WRITE && ((flags & O_APPEND) || (rq->rwf & RWF_APPEND))) {
		r = engine_kernel_call(rq, f->twin);
		if (r > 0 && file_still(f, rq->fd, false))	/* where the append left the twin's offset */
			sys_lseek(rq->fd, sys_lseek(f->twin, 0, SEEK_CUR), SEEK_SET);
		return r;
	}
	end = sys_lseek(rq->fd, (int64_t)rq->len, SEEK_CUR);
	if (end < 0)
		return -EINVAL;
	at.positional = true;
	at.off = end - (int64_t)rq->len;
	r = engine_kernel_call(&at, f->twin);
	if (r < (ssize_t)rq->len && file_still(f, rq->fd, false))
		sys_lseek(rq->fd, (r > 0 ? r : 0) - (int64_t)rq->len, SEEK_CUR);
	return r;
}

/* The whole request, as it is, to the program's descriptor. */
static ssize_t run_plain(struct file *f, const struct request *rq, int flags, enum reason why)
{
	ssize_t r = why == REASON_behind ? auto_write_behind(rq) : engine_kernel_call(rq, rq->fd);

	if (r == -EINVAL && f->rescue)
		r = call_on_twin(f, rq, flags);
	if (r >= 0) {
		book_moved(adopt_row(f), rq->op, ROUTE_cached, why, (size_t)r);
		book_kernel(rq->op, (size_t)r);
	}
	return r;
}

/*
 * What direct I/O left undone goes through the cache; that answer is the
 * program's. An aligned request that failed so that it matters, and then
 * worked cached, teaches us not to ask again.
 */
static ssize_t finish(struct run *r, size_t done, size_t len, enum reason why)
{
	ssize_t n;

	r->begun = true;
	n = seg_cached(r, done, len - done, why);

	if (r->refused && n > 0)
		r->f->learned = 1;
	if (n < 0)
		return done > 0 ? (ssize_t)done : n;
	return (ssize_t)done + n;
}

static ssize_t run_read(struct run *r, const struct guard *g, const struct plan *p)
{
	const size_t want = plan_len(p);
	enum reason why = REASON_direct_failed;
	size_t done;

	if (stream_read(r, g, p))
		return (ssize_t)want;
	if (r->f->learned)	/* just now: the stream met what the plan would meet */
		return finish(r, 0, want, REASON_learned);
	if (g->has_ctime && !file_twin_ok(r->f))
		return finish(r, 0, want, REASON_no_descriptor);
	if (p->n == 1 && p->seg[0].kind == SEG_BOUNCE)
		done = seg_bounce_read(r, &p->seg[0], &why);
	else
		done = seg_direct_read(r, p, &why);
	return done == want ? (ssize_t)done : finish(r, done, want, why);
}

static ssize_t run_write(struct run *r, const struct plan *p)
{
	size_t done = 0;

	for (int i = 0; i < p->n; i++) {
		const struct seg *s = &p->seg[i];
		enum reason why = REASON_direct_failed;
		ssize_t n;

		switch (s->kind) {
		case SEG_CACHED:
			n = seg_cached(r, s->pos, s->len, s->reason);
			if (n < 0)
				return done > 0 ? (ssize_t)done : n;
			break;
		case SEG_DIRECT:
			n = (ssize_t)seg_direct_write(r, s, &why);
			break;
		case SEG_BOUNCE:
		default:
			n = (ssize_t)seg_bounce_write(r, s, &why);
			break;
		}
		r->begun = true;
		done += (size_t)n;
		if ((size_t)n < s->len)
			return s->kind == SEG_CACHED ? (ssize_t)done :
						       finish(r, done, r->rq->len, why);
	}
	return (ssize_t)done;
}

/* Would a part of the write pass the limit, part of it not? The kernel cuts such a write short. */
static bool passes_limit(int64_t off, size_t len)
{
	struct rlimit lim;

	return sys_getrlimit(RLIMIT_FSIZE, &lim) != 0 ||
	       (lim.rlim_cur != RLIM_INFINITY && (uint64_t)off + len > lim.rlim_cur);
}

/*
 * Writers that share an offset must not reserve what may not fit: where one
 * comes short another has gone on behind it, and a hole stays. Near a full
 * file system the kernel's own write, which locks the offset, serves them.
 */
static bool room_for_sharers(const struct file *f, size_t len)
{
	struct statfs fs;

	return sys_fstatfs(f->twin, &fs) == 0 &&
	       (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize > (64u << 20) + 16 * (uint64_t)len;
}

/* Plans the request at off. Why it must go plain instead, or REASON_NONE. */
static enum reason make_plan(struct plan *p, struct file *f, const struct request *rq,
			     const struct guard *g, int64_t off)
{
	enum reason why = policy_offset(rq, g, off);
	struct plan_in in = {
		.op = rq->op, .off = (uint64_t)off, .len = rq->len, .iov = rq->iov,
		.iovcnt = rq->iovcnt, .align = f->facts.align, .size = g->size,
		.exact = f->rescue,
	};

	if (why != REASON_NONE)
		return why;
	plan_build(p, &in);
	if (p->n == 0)
		return REASON_eof;
	if (state_config.mode == MODE_auto && !f->rescue) {
		why = auto_choose(f, rq, p, g->size, (uint64_t)off);
		if (why != REASON_NONE)
			return why;
	}
	/* All of it cached: one call of the kernel's own is all it takes. */
	if (p->n == 1 && p->seg[0].kind == SEG_CACHED && !f->rescue)
		return p->seg[0].reason;
	if (rq->op == OP_WRITE && passes_limit(off, rq->len))
		return REASON_file_limit;
	if (rq->op == OP_READ && f->block_device && !f->rescue &&
	    seg_device_resident(rq->fd, (uint64_t)off, rq->len))
		return REASON_dirty;
	if (rq->op == OP_WRITE && !rq->positional && g->shared && !f->block_device &&
	    !room_for_sharers(f, rq->len))
		return REASON_shared_offset;
	/* Where a stream may serve it, it is asked when there was none (run_read). */
	return g->has_ctime || file_twin_ok(f) ? REASON_NONE : REASON_no_descriptor;
}

static ssize_t run_planned(struct file *f, const struct request *rq, const struct guard *g,
			   const struct plan *p, int64_t off)
{
	struct run r = {
		.f = f, .rq = rq, .row = adopt_row(f), .off = (uint64_t)off,
		.cached = file_cached_fd(f, rq->fd), .direct = file_direct_fd(f, rq->fd),
	};

	return rq->op == OP_READ ? run_read(&r, g, p) : run_write(&r, p);
}

/* At a reserved offset, but not worth a plan any more. The iovec is cut to what was reserved. */
static ssize_t run_positional(struct file *f, const struct request *rq, enum reason why)
{
	struct run r = {
		.f = f, .rq = rq, .row = adopt_row(f), .off = (uint64_t)rq->off,
		.cached = file_cached_fd(f, rq->fd),
	};

	return seg_cached(&r, 0, rq->len, why);
}

/* Gives back what a reservation that ended at end did not use, if nobody went on from there. */
static void give_back(const struct file *f, int fd, int64_t end, int64_t unused)
{
	if (unused > 0 && file_still(f, fd, false) && sys_lseek(fd, 0, SEEK_CUR) == end)
		sys_lseek(fd, -unused, SEEK_CUR);
}

/*
 * read and write: the kernel's offset is the only one. A look at it first (or
 * a stream's guess, where only this thread moves it, and where it would not
 * cut the request short): what is not worth a reservation goes to the kernel
 * whole. Else reserve, which is an atomic fetch-and-add, work at what was
 * reserved, wherever that turned out to be, and give back what was not used.
 */
static ssize_t run_at_own_offset(struct file *f, const struct request *rq, struct guard *g,
				 int64_t guess)
{
	const bool guessed = guess >= 0 && (uint64_t)guess + rq->len <= g->size;
	int64_t off = guessed ? guess : sys_lseek(rq->fd, 0, SEEK_CUR), end, len;
	enum reason why = off < 0 ? REASON_file_limit : REASON_NONE;
	struct request at = *rq;
	struct plan p;
	ssize_t r;

	if (why == REASON_NONE)
		why = make_plan(&p, f, rq, g, off);
	if (why != REASON_NONE)
		return run_plain(f, rq, g->flags, why);
	at.positional = true;
	at.len = plan_len(&p);	/* past the end of the file a reservation would be a gap */
	len = (int64_t)at.len;
	end = sys_lseek(rq->fd, len, SEEK_CUR);
	if (end < 0)
		return run_plain(f, rq, g->flags, REASON_file_limit);
	at.off = end - len;
	book_tally.off = at.off;
	if (at.off != off) {	/* somebody moved it after the look; perhaps the file grew */
		if (!adopt_guard(rq->fd, f, g->has_ctime ? GUARD_CTIME : 0, g)) {
			give_back(f, rq->fd, end, len);
			return ENGINE_STALE;
		}
		why = make_plan(&p, f, &at, g, at.off);
	}
	r = why == REASON_NONE ? run_planned(f, &at, g, &p, at.off) : run_positional(f, &at, why);
	give_back(f, rq->fd, end, len - (r > 0 ? r : 0));
	if (rq->op == OP_READ && r == len)
		stream_placed(f, rq->fd, (uint64_t)end);
	return r;
}

ssize_t engine_run(struct file *f, const struct request *rq)
{
	struct guard g;
	struct stream_hint h;
	enum reason why;
	struct plan p;
	ssize_t r;

	stream_hint(f, rq, &h);
	if (!adopt_guard(rq->fd, f, h.ask, &g)) {
		/* Closed unseen, the number reused, or other flags: it starts over. */
		book_count(COUNTER_guard_drops, 1);
		return ENGINE_STALE;
	}
	why = policy_request(f, rq, &g);
	book_tally.off = rq->positional ? rq->off : -1;
	if (why != REASON_NONE) {
		r = run_plain(f, rq, g.flags, why);
	} else if (!rq->positional) {
		r = run_at_own_offset(f, rq, &g, g.shared ? -1 : h.at);
		if (r == ENGINE_STALE)
			return r;
	} else {
		why = make_plan(&p, f, rq, &g, rq->off);
		r = why == REASON_NONE ? run_planned(f, rq, &g, &p, rq->off) :
					 run_plain(f, rq, g.flags, why);
	}
	book_call(rq->len, r);
	return r;
}

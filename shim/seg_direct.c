#include "ahead.h"
#include "book.h"
#include "cache.h"
#include "mapped.h"
#include "memory.h"
#include "pool.h"
#include "seg.h"
#include "sys.h"

#include <string.h>

#define FOLIO_MAX (2ull << 20)	/* bytes: a huge page */
#define STAYED_MAX 4	/* writes in a row that found pages which stay */
/* Each some 80 us; then the write goes cached: somebody dirties the pages again and again. */
#define FLUSH_LOOKS(len) (100 + ((len) >> 16))

bool seg_device_resident(int fd, uint64_t off, size_t len)
{
	uint64_t dirty;

	return cache_has(fd, off, len, &dirty) || cache_untold();
}

/*
 * Is the range free of pages that somebody may have mapped? What is merely
 * cached is dropped, what is merely dirty is written first.
 */
static bool range_clear(int fd, int twin, uint64_t off, size_t len)
{
	uint64_t dirty, from, to;

	if (!cache_has(fd, off, len, &dirty))
		return true;
	if (dirty > 0) {
		/*
		 * Begun, and then looked at until it is done. Who waits for a
		 * write-back with the kernel's own calls takes note of its
		 * errors, and a later opener's fsync would not tell of them.
		 */
		sys_sync_range(twin, (int64_t)off, (int64_t)len, SYNC_FILE_RANGE_WRITE);
		for (size_t i = 0; i < FLUSH_LOOKS(len) && cache_has(fd, off, len, &dirty) && dirty > 0; i++)
			sys_nanosleep(20000);
	}
	sys_fadvise(fd, (int64_t)off, (int64_t)len, POSIX_FADV_DONTNEED);
	if (!cache_has(fd, off, len, &dirty))
		return true;
	/* A large folio goes as a whole or not at all. */
	from = off & ~(FOLIO_MAX - 1);
	to = (off + len + FOLIO_MAX - 1) & ~(FOLIO_MAX - 1);
	sys_fadvise(fd, (int64_t)from, (int64_t)(to - from), POSIX_FADV_DONTNEED);
	return !cache_has(fd, off, len, &dirty);
}

/*
 * Pages that stay are mapped, or in use for a moment. A store through a
 * mapping during a direct write makes the kernel say EIO to whoever fsyncs
 * next, though nothing is lost: so a file that looks mapped is left alone.
 */
static void pages_stayed(struct file *f)
{
	if (__atomic_add_fetch(&f->stayed, 1, __ATOMIC_RELAXED) >= STAYED_MAX)
		file_stop_direct_writes(f->dev, f->ino);
}

size_t seg_guarded_write(struct file *f, int direct, int cached, const struct iovec *iov, int n,
			 uint64_t off, size_t len, enum reason *why, bool *refused)
{
	ssize_t done = 0;
	uint64_t dirty;

	/* Counted before the mark is looked at: mapped_mark sets it, then waits for zero. */
	__atomic_fetch_add(&f->direct_writes, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&f->mapped, __ATOMIC_SEQ_CST)) {
		*why = REASON_mapped;
		goto out;
	}
	if (!range_clear(cached, f->twin, off, len)) {
		*why = REASON_dirty;
		pages_stayed(f);
		goto out;
	}
	__atomic_store_n(&f->stayed, 0, __ATOMIC_RELAXED);
	if (!fdtab_still(direct, file_word(f))) {
		*why = REASON_changing;
		goto out;
	}
	book_count(COUNTER_direct_requests, 1);
	done = sys_pwritev(direct, iov, n, (int64_t)off);
	if (done > 0)
		book_kernel(OP_WRITE, (size_t)done);
	if (done > 0 && cache_has(cached, off, (size_t)done, &dirty)) {
		/*
		 * Somebody brought a page back while we wrote. A store may yet
		 * write it over ours, or just has, if it is clean: the caller
		 * sends the same bytes through that page.
		 */
		book_count(COUNTER_rewritten_bytes, (size_t)done);
		*why = REASON_raced;
		if (dirty > 0)
			mapped_mark(f->dev, f->ino);
		done = 0;
		goto out;
	}
	if (done != (ssize_t)len)
		*why = REASON_direct_failed;
	if (done == -EINVAL)
		*refused = true;
out:
	__atomic_fetch_sub(&f->direct_writes, 1, __ATOMIC_SEQ_CST);
	return done > 0 ? (size_t)done : 0;
}

size_t seg_direct_write(struct run *r, const struct seg *s, enum reason *why)
{
	const struct request *rq = r->rq;
	struct iovec part[PLAN_IOV];
	size_t covered, done;
	int n = memory_slice(rq->iov, rq->iovcnt, s->pos, s->len, part, PLAN_IOV, &covered);
	struct memory_walk walk;

	if (memory_lazy) {
		memory_walk_to(&walk, rq->iov, rq->iovcnt, s->pos);
		if (!memory_walk_readable(walk, s->len)) {
			*why = REASON_bad_address;
			return 0;
		}
	}
	if (r->f->rescue && rq->len == s->len) {	/* just what the program asked for */
		ssize_t w = sys_pwritev(r->direct, part, n, (int64_t)(r->off + s->pos));

		done = w > 0 ? (size_t)w : 0;
		book_count(COUNTER_direct_requests, 1);
		book_kernel(OP_WRITE, done);
		if (done != s->len)
			*why = REASON_direct_failed;
	} else {
		done = seg_guarded_write(r->f, r->direct, r->cached, part, n, r->off + s->pos,
					 covered, why, &r->refused);
	}
	if (done > 0)
		book_moved(r->row, OP_WRITE, ROUTE_zero_copy, REASON_NONE, done);
	return done;
}

/* Copies a bounced end out of its block and books it. */
static size_t deliver(struct run *r, const struct seg *s, const char *from, size_t n,
		      enum reason *why)
{
	struct memory_walk w;
	size_t put;

	if (n > s->len)
		n = s->len;
	memory_walk_to(&w, r->rq->iov, r->rq->iovcnt, s->pos);
	if (n == 0)
		return 0;
	if (!memory_walk_writable(w, n)) {
		*why = REASON_bad_address;
		return 0;
	}
	put = memory_put(&w, from, n);
	if (put < n)
		*why = REASON_bad_address;
	book_moved(r->row, OP_READ, ROUTE_bounced, s->reason, put);
	return put;
}

/*
 * One preadv: [block of the pool][the program's memory][block of the pool].
 * Every piece is whole blocks, as kernels up to 6.12 want them.
 */
size_t seg_direct_read(struct run *r, const struct plan *p, enum reason *why)
{
	const struct request *rq = r->rq;
	const uint32_t a = r->f->facts.align.read;
	const struct seg *head = p->seg[0].kind == SEG_BOUNCE ? &p->seg[0] : NULL;
	const struct seg *body = &p->seg[head ? 1 : 0];
	const struct seg *tail = body + 1 < p->seg + p->n ? body + 1 : NULL;
	struct iovec part[PLAN_IOV + 2];
	size_t covered, skip = head ? a - head->len : 0, got, done = 0, n;
	char *chunk = NULL;
	int pieces = 0;
	ssize_t ret;

	if (head || tail) {
		chunk = pool_chunk() >= 2 * (size_t)a ? pool_get(2 * (size_t)a) : NULL;
		if (!chunk) {
			*why = REASON_pool_empty;
			return 0;
		}
	}
	if (head)
		part[pieces++] = (struct iovec){ chunk, a };
	pieces += memory_slice(rq->iov, rq->iovcnt, body->pos, body->len, part + pieces, PLAN_IOV,
			       &covered);
	if (tail)
		part[pieces++] = (struct iovec){ chunk + a, a };
	book_count(COUNTER_direct_requests, 1);
	ret = sys_preadv(r->direct, part, pieces, (int64_t)(r->off - skip));
	r->refused |= ahead_refused(ret);
	got = ret > 0 ? (size_t)ret : 0;
	book_kernel(OP_READ, got);

	if (head) {
		if (got > skip)
			done = deliver(r, head, chunk + skip, got - skip, why);
		if (done < head->len)
			goto out;
		got -= a;
	}
	n = got < body->len ? got : body->len;
	if (n > 0)
		book_moved(r->row, OP_READ, ROUTE_zero_copy, REASON_NONE, n);
	done += n;
	if (tail && n == body->len)
		done += deliver(r, tail, chunk + a, got - n, why);
out:
	if (chunk)
		pool_put(chunk);
	if (ret > (ssize_t)done)
		book_count(COUNTER_widened_bytes, (size_t)ret - done);
	return done;
}

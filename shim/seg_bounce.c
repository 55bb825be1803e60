#include "ahead.h"
#include "book.h"
#include "memory.h"
#include "pool.h"
#include "seg.h"

/*
 * Reads the covering aligned range into the pool and copies out the part
 * asked for; large ones in pieces, each copied while the next are read.
 */
size_t seg_bounce_read(struct run *r, const struct seg *s, enum reason *why)
{
	const uint64_t mask = r->f->facts.align.read - 1;
	const uint64_t from = r->off + s->pos, to = from + s->len;
	struct memory_walk w;
	struct ahead a;
	size_t done = 0, asked;
	uint64_t at = from & ~mask, total = 0;
	ssize_t got;
	char *buf;

	if (!ahead_start(&a, r->direct, file_word(r->f), at, (to + mask) & ~mask)) {
		*why = REASON_pool_empty;
		return 0;
	}
	memory_walk_to(&w, r->rq->iov, r->rq->iovcnt, s->pos);
	/* All of it now, while the first pieces are on their way. */
	if (!memory_walk_writable(w, s->len)) {
		ahead_stop(&a);
		*why = REASON_bad_address;
		return 0;
	}
	while (ahead_next(&a, &buf, &got, &asked)) {
		size_t skip = from + done > at ? (size_t)(from + done - at) : 0, n, put;

		if (got <= (ssize_t)skip)
			break;
		total += (uint64_t)got;
		n = (size_t)got - skip;
		if (n > s->len - done)
			n = s->len - done;
		put = memory_put(&w, buf + skip, n);
		done += put;
		if (put < n)
			*why = REASON_bad_address;
		if (put < n || (size_t)got < asked)
			break;
		at += asked;
	}
	ahead_stop(&a);
	r->refused |= a.failed;
	if (done > 0)
		book_moved(r->row, OP_READ, ROUTE_bounced, s->reason, done);
	if (total > done)
		book_count(COUNTER_widened_bytes, total - done);
	return done;
}

/* Chunk by chunk: copy, then one synchronous write. */
size_t seg_bounce_write(struct run *r, const struct seg *s, enum reason *why)
{
	char *chunk = pool_get(s->len);
	struct memory_walk w;
	size_t done = 0;

	if (!chunk) {
		*why = REASON_pool_empty;
		return 0;
	}
	memory_walk_to(&w, r->rq->iov, r->rq->iovcnt, s->pos);
	while (done < s->len) {
		size_t n = s->len - done < pool_chunk() ? s->len - done : pool_chunk(), moved;
		struct iovec iov = { chunk, n };

		if (!memory_walk_readable(w, n) || memory_take(&w, chunk, n) < n) {
			*why = REASON_bad_address;
			break;
		}
		moved = seg_guarded_write(r->f, r->direct, r->cached, &iov, 1,
					  r->off + s->pos + done, n, why, &r->refused);
		done += moved;
		if (moved < n)
			break;
	}
	pool_put(chunk);
	if (done > 0)
		book_moved(r->row, OP_WRITE, ROUTE_bounced, s->reason, done);
	return done;
}

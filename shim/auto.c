#include "auto.h"

#include "cache.h"
#include "stream.h"
#include "sys.h"

#include <string.h>

#define PAGE		4096u
#define SMALL_FILE	(1u << 20)	/* bytes: of no more than that locality pays, also for the next program */
#define PASS_BYTES	(2u << 20)	/* of requests that pass unasked, 2^STREAK_MAX at most */
#define STREAK_MAX	8u
#define SKIM		(4u << 20)	/* bytes behind the reader: dropped in such pieces */
/*
 * A sequence counts as cached only where this much is, from its place on: less
 * may be what the kernel reads ahead, which then always looks warm.
 */
#define HORIZON		(32u << 20)
#define READ_AHEAD	(8u << 20)	/* of the horizon, not to be relied on */
#define BEHIND_MIN	(1u << 20)	/* bytes of a write: for less each its own write-back is too much */
#define TAIL		(4u << 20)	/* appended in small pieces: written back in such */
#define TAIL_MAX	(1u << 30)	/* not dropped for so long: given up */

static uint32_t no_behind;	/* RWF_DONTCACHE was refused */

#define GET(x)	  __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define SET(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

/* ---- reads --------------------------------------------------------------- */

/* Is almost all of the range in the page cache? Where that cannot be told: yes, it is left to it. */
static bool cached(int fd, uint64_t off, uint64_t len)
{
	const uint64_t first = off & ~(uint64_t)(PAGE - 1);
	const uint64_t pages = (off + len - first + PAGE - 1) / PAGE;
	uint64_t there;

	return !cache_pages(fd, first, (size_t)(off + len - first), &there) ||
	       there >= pages - pages / 16;
}

static bool warm(struct file *f, int fd, uint64_t off, size_t want, uint64_t size, bool follows)
{
	uint64_t len = want;

	if (off >= GET(f->lately.warm_from) && off + want <= GET(f->lately.warm_to))
		return true;
	if (!follows)
		return cached(fd, off, want);
	if (len < HORIZON)
		len = size - off < HORIZON ? size - off : HORIZON;
	if (!cached(fd, off, len))
		return false;
	SET(f->lately.warm_from, off);
	SET(f->lately.warm_to, off + len == size ? size : off + len - READ_AHEAD);
	return true;
}

/*
 * A file of which nothing is cached, read from its beginning: the page cache is
 * as fast as a stream, or faster, and all that will be there is ours.
 */
static bool skim(struct file *f, int fd, uint64_t off, uint64_t end, uint64_t size)
{
	uint64_t from = GET(f->lately.skim_from), to = GET(f->lately.skim_to), pages;

	if (to == 0) {
		if (off != 0 || size <= SMALL_FILE || f->twin < 0 ||
		    !cache_pages(fd, 0, (size_t)size, &pages) || pages > 0)
			return false;
		from = 0;
	}
	if (end > to)
		to = end;
	if (to - from >= 2 * SKIM) {	/* not too close: it may be read again */
		sys_fadvise(f->twin, (int64_t)from, SKIM, POSIX_FADV_DONTNEED);
		from += SKIM;
	}
	SET(f->lately.skim_from, from);
	SET(f->lately.skim_to, to);
	return true;
}

static enum reason choose_read(struct file *f, int fd, const struct plan *p, uint64_t size, uint64_t off)
{
	const size_t want = plan_len(p);
	const bool follows = off == 0 || stream_follows(f, off);

	if (stream_has(f, off))
		return REASON_NONE;
	if (skim(f, fd, off, off + want, size))
		return REASON_skimmed;
	if (warm(f, fd, off, want, size, follows)) {
		stream_passed(f, off, off + want);
		return REASON_warm;
	}
	if (want >= state_config.auto_read)
		return REASON_NONE;
	/* In a sequence, or perhaps at its beginning: the kernel would read far ahead into the cache. */
	if (size > SMALL_FILE && follows && GET(f->patience) == 0)
		return REASON_NONE;
	if (GET(f->patience) > 0)
		SET(f->patience, GET(f->patience) - 1);
	stream_passed(f, off, off + want);
	return REASON_small;
}

/* ---- writes -------------------------------------------------------------- */

static size_t whole_blocks(const struct plan *p)
{
	size_t sum = 0;

	for (int i = 0; i < p->n; i++)
		if (p->seg[i].kind != SEG_CACHED)
			sum += p->seg[i].len;
	return sum;
}

/* What is on the disk by now is dropped; how far that went is asked for. */
static void drop_written(struct file *f, uint64_t from, uint64_t to)
{
	uint64_t pages = 0;

	sys_fadvise(f->twin, (int64_t)from, (int64_t)(to - from), POSIX_FADV_DONTNEED);
	if (to - from >= TAIL_MAX || !cache_pages(f->twin, from, (size_t)(to - from), &pages) || pages == 0)
		from = to;
	SET(f->lately.tail_from, from);
}

/*
 * Appended in small pieces, by requests that passed as well: each time that there
 * is enough of it its write-back is begun, and what was begun before is dropped.
 * Only what lay beyond the end of the file when we first looked.
 */
static void drop_tail(struct file *f, uint64_t size, uint64_t off, size_t len)
{
	const uint64_t end = off + len;

	if (off < size || f->twin < 0)
		return;
	if (GET(f->lately.tail_to) == 0 || off < GET(f->lately.tail_to) || off - GET(f->lately.tail_to) > PASS_BYTES) {
		SET(f->lately.tail_from, off);
		SET(f->lately.tail_begun, off);
	}
	SET(f->lately.tail_to, end);
	if (end - GET(f->lately.tail_begun) < TAIL)
		return;
	if (GET(f->lately.tail_from) < GET(f->lately.tail_begun))
		drop_written(f, GET(f->lately.tail_from), GET(f->lately.tail_begun));
	sys_sync_range(f->twin, (int64_t)GET(f->lately.tail_begun), (int64_t)(end - GET(f->lately.tail_begun)),
		       SYNC_FILE_RANGE_WRITE);
	SET(f->lately.tail_begun, end & ~(uint64_t)(PAGE - 1));
}

void auto_retiring(struct file *f)
{
	if (GET(f->lately.skim_to) > 0 && file_twin_ok(f))
		sys_fadvise(f->twin, 0, 0, POSIX_FADV_DONTNEED);
	if (GET(f->lately.tail_to) > GET(f->lately.tail_from) + TAIL && file_twin_ok(f))
		sys_fadvise(f->twin, (int64_t)GET(f->lately.tail_from),
			    (int64_t)(GET(f->lately.tail_to) - GET(f->lately.tail_from)), POSIX_FADV_DONTNEED);
}

bool auto_source_warm(const struct file *f, int fd, uint64_t off, size_t len)
{
	return state_config.mode == MODE_auto && !f->rescue && cached(fd, off, len < HORIZON ? len : HORIZON);
}

static enum reason choose_write(struct file *f, const struct request *rq, const struct plan *p,
				uint64_t size, uint64_t off)
{
	uint64_t dirty;

	/* What was cached before us stays so. */
	if (whole_blocks(p) >= state_config.auto_write && !cache_has(rq->fd, off, rq->len, &dirty))
		return REASON_NONE;
	if (rq->len >= BEHIND_MIN && !GET(no_behind))
		return REASON_behind;
	drop_tail(f, size, off, rq->len);
	return REASON_small;
}

ssize_t auto_write_behind(const struct request *rq)
{
	struct request behind = *rq;
	ssize_t r;

	behind.vector = true;
	behind.rwf |= RWF_DONTCACHE;
	r = engine_kernel_call(&behind, rq->fd);
	if (r != -EOPNOTSUPP && r != -EINVAL && r != -ENOSYS)
		return r;
	SET(no_behind, 1);
	return engine_kernel_call(rq, rq->fd);
}

/* ---- what is learned of it ----------------------------------------------- */

/* So many more may pass unasked: twice as many each time. */
static void learn(struct file *f, enum op op, enum reason why, size_t len)
{
	uint32_t streak = GET(f->lately.streak[op]), pass;

	if (why == REASON_NONE || (why == REASON_small && op == OP_READ)) {
		SET(f->lately.streak[op], 0);
		SET(f->lately.pass[op], 0);
		return;
	}
	if (streak < STREAK_MAX)
		SET(f->lately.streak[op], ++streak);
	pass = 1u << streak;
	if (len > 0 && pass > PASS_BYTES / len)
		pass = (uint32_t)(PASS_BYTES / len);
	if (op == OP_WRITE)
		SET(f->lately.behind, why == REASON_behind);
	SET(f->lately.pass[op], pass);
}

enum reason auto_choose(struct file *f, const struct request *rq, const struct plan *p, uint64_t size,
			uint64_t off)
{
	enum reason why = rq->op == OP_READ ? choose_read(f, rq->fd, p, size, off) :
					      choose_write(f, rq, p, size, off);

	learn(f, rq->op, why, rq->len);
	return why;
}

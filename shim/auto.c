#include "auto.h"

#include "behind.h"
#include "cache.h"
#include "stream.h"
#include "sys.h"

#define PAGE		4096u
#define STREAK_MAX	8u		/* 2^8 times AUTO_PASS_MIN, 2 MiB, pass unasked */
#define LONE_MAX	5u		/* the same of cold reads in no sequence */
/*
 * A sequence counts as cached only where this much is, from its place on: less
 * may be what the kernel reads ahead, which then always looks warm.
 */
#define HORIZON		(32u << 20)

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
	SET(f->lately.warm_to, off + len == size ? size : off + len - CACHE_READ_AHEAD);
	return true;
}

/* Does a read go on where the last one was asked about, if those between, which were not, were alike? */
static bool goes_on(const struct file *f, uint64_t off, size_t want)
{
	const uint64_t end = GET(f->lately.last_end), each = want < AUTO_PASS_MIN ? AUTO_PASS_MIN : want;

	return end > 0 && off == end + GET(f->lately.last_pass) / each * want;
}

static enum reason choose_read(struct file *f, int fd, const struct plan *p, uint64_t size, uint64_t off)
{
	const size_t want = plan_len(p);
	const bool follows = off == 0 || stream_follows(f, off);

	if (stream_has(f, off))
		return REASON_NONE;
	if (behind_read(f, off, off + want, follows || goes_on(f, off, want)))
		return REASON_skimmed;
	if (warm(f, fd, off, want, size, follows)) {
		stream_passed(f, off, off + want);
		return REASON_warm;
	}
	if (want >= state_config.auto_read)
		return REASON_NONE;
	/* In a sequence, or perhaps at its beginning: the kernel would read far ahead into the cache. */
	if (size > BEHIND_SMALL && follows && GET(f->patience) == 0)
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

bool auto_source_warm(const struct file *f, int fd, uint64_t off, size_t len)
{
	return state_config.mode == MODE_auto && !f->rescue && cached(fd, off, len < HORIZON ? len : HORIZON);
}

static enum reason choose_write(struct file *f, const struct request *rq, const struct plan *p,
				uint64_t off)
{
	const bool direct = whole_blocks(p) >= state_config.auto_write;
	const bool behind = rq->len >= AUTO_BEHIND_MIN && !GET(no_behind);
	const uint64_t first = (off + PAGE - 1) & ~(uint64_t)(PAGE - 1);	/* the page before it may be the last request's */
	uint64_t dirty;

	/* What is cached already stays so: to write it back at once would be for nothing. */
	if ((direct || behind) && first < off + rq->len &&
	    !cache_has(rq->fd, first, (size_t)(off + rq->len - first), &dirty))
		return direct ? REASON_NONE : REASON_behind;
	behind_write(f, off, rq->len);
	return REASON_small;
}

ssize_t auto_write_behind(const struct request *rq)
{
	struct request behind = *rq;
	ssize_t r;

	if (rq->positional && rq->off < 0)	/* EINVAL; pwritev2 would take -1 for the descriptor's own offset */
		return engine_kernel_call(rq, rq->fd);
	behind.vector = true;
	behind.rwf |= RWF_DONTCACHE;
	r = engine_kernel_call(&behind, rq->fd);
	if (r != -EOPNOTSUPP && r != -EINVAL && r != -ENOSYS && r != -EPERM)	/* EPERM: a filter's */
		return r;
	SET(no_behind, 1);
	return engine_kernel_call(rq, rq->fd);
}

/* ---- what is learned of it ----------------------------------------------- */

/* So many bytes more may pass unasked: twice as many each time. */
static void pass(struct file *f, enum op op, uint32_t max)
{
	const uint32_t streak = GET(f->lately.streak[op]) < max ? GET(f->lately.streak[op]) + 1 : max;

	SET(f->lately.streak[op], streak);
	SET(f->lately.pass[op], AUTO_PASS_MIN << streak);
}

static void learn(struct file *f, enum op op, enum reason why)
{
	const bool small_read = why == REASON_small && op == OP_READ;
	const bool lone = small_read && GET(f->lately.lone);

	SET(f->lately.lone, small_read && !lone);
	if (op == OP_WRITE)
		SET(f->lately.behind, why == REASON_behind);
	/* Cold, and small: only two such in a row show that there is no sequence. */
	if (small_read && !lone)
		return;
	if (why == REASON_NONE)
		SET(f->lately.streak[op], 0);
	else
		pass(f, op, lone ? LONE_MAX : STREAK_MAX);
}

/* The file's row says what was decided of it. */
static void show(struct file *f, enum op op, enum reason why)
{
	const uint16_t answer = (uint16_t)(why + 1), last = GET(f->lately.why[op]);
	struct ledger_file *row;

	if (answer == last)
		return;
	SET(f->lately.why[op], answer);
	row = adopt_row(f);
	if (!row)
		return;
	SET(row->auto_last[op], answer);
	if (last != 0)
		__atomic_fetch_add(&row->auto_changes, 1, __ATOMIC_RELAXED);
}

enum reason auto_choose(struct file *f, const struct request *rq, const struct plan *p, uint64_t size,
			uint64_t off)
{
	enum reason why;

	if (rq->op == OP_WRITE || size > BEHIND_SMALL)	/* nothing that was read of a small one is dropped */
		behind_look(f, rq->fd, size);
	why = rq->op == OP_READ ? choose_read(f, rq->fd, p, size, off) : choose_write(f, rq, p, off);
	learn(f, rq->op, why);
	if (rq->op == OP_READ) {
		SET(f->lately.last_end, off + plan_len(p));
		SET(f->lately.last_pass, GET(f->lately.pass[OP_READ]));
	}
	show(f, rq->op, why);
	return why;
}

#include "behind.h"

#include "cache.h"
#include "state.h"
#include "sys.h"

#define PAGE		4096u
#define PIECE		(4u << 20)	/* bytes that are dropped, or whose write-back is begun, at a time */
#define TRUST_FIRST	4u	/* in a sequence that has just begun: reads elsewhere that end it */
#define TRUST_MAX	16u
#define NEAR		(4u << 20)	/* bytes that a sequence may leave out, or that were not asked about */
#define BACK		(256u << 10)	/* bytes that it may step back: what is read here and there steps back further */
#define READ_AHEAD	(8u << 20)	/* bytes that the kernel may have read beyond the reader */
#define LOST		(1u << 30)	/* bytes written and not dropped yet: given up */
#define LITTLE		(2u << 20)	/* bytes: what may be resident of a file that is read as a cold one */
#define CREDIT_MAX	20000000u	/* ns: what was not spent is not saved for a burst */
#define IN_FLIGHT	(32u << 20)	/* bytes whose write-back is under way while one waits for the first of them */
#define NOTHING		UINT64_MAX	/* no page is ours */

#define GET(x)	  __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define SET(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

/* ---- what is ours -------------------------------------------------------- */

/*
 * From where on nothing of the file is resident; size, where much is. Asked in growing
 * pieces: of a file that is resident the first one tells, and costs little.
 */
static uint64_t resident_end(int fd, uint64_t size)
{
	uint64_t off = 0, len = BEHIND_SMALL, end = 0, pages, sum = 0;

	for (; off < size; off += len, len *= 4) {
		if (!cache_pages(fd, off, (size_t)len, &pages))
			return size;
		sum += pages;
		if (sum > LITTLE / PAGE)
			return size;
		if (pages > 0)
			end = off + len;
	}
	return end;
}

void behind_look(struct file *f, int fd, uint64_t size)
{
	uint64_t ours = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1), end;

	if (GET(f->lately.looked))
		return;
	if (cache_untold() || f->twin < 0) {
		ours = NOTHING;
	} else if (size > BEHIND_SMALL && (end = resident_end(fd, size)) < size) {
		SET(f->lately.cold, 1);
		ours = end;
	}
	SET(f->lately.ours, ours);
	SET(f->lately.looked, 1);
}

/* ---- what it may cost ---------------------------------------------------- */

/*
 * Credit is a share of the time that has passed, and all the time in which the process
 * waited for something else: for its input, or because too much is dirty already. It
 * will wait again, and then a little less.
 */
static bool affordable(struct file *f)
{
	struct file_lately *l = &f->lately;
	const uint64_t now = sys_now_ns(CLOCK_MONOTONIC), cpu = sys_now_ns(CLOCK_PROCESS_CPUTIME_ID);
	const uint64_t passed = now - GET(l->now_ns), ran = cpu - GET(l->cpu_ns);
	int64_t credit = GET(l->credit_ns);

	if (state_config.auto_effort >= 100)
		return true;
	if (GET(l->now_ns) != 0)
		credit += (int64_t)(passed / 100 * state_config.auto_effort + (passed > ran ? passed - ran : 0));
	if (credit > CREDIT_MAX)
		credit = CREDIT_MAX;
	SET(l->credit_ns, credit);
	SET(l->now_ns, now);
	SET(l->cpu_ns, cpu);
	return credit > 0;
}

/* What was done since then is paid for; the time it took earns nothing. */
static void pay(struct file *f)
{
	const uint64_t now = sys_now_ns(CLOCK_MONOTONIC);

	__atomic_fetch_sub(&f->lately.credit_ns, (int64_t)(now - GET(f->lately.now_ns)), __ATOMIC_RELAXED);
	SET(f->lately.now_ns, now);
	SET(f->lately.cpu_ns, sys_now_ns(CLOCK_PROCESS_CPUTIME_ID));
}

/* ---- dropping ------------------------------------------------------------ */

/* Never what is not ours. */
static void drop(const struct file *f, uint64_t from, uint64_t to)
{
	if (from < GET(f->lately.ours))
		from = GET(f->lately.ours);
	if (from < to)
		sys_fadvise(f->twin, (int64_t)from, (int64_t)(to - from), POSIX_FADV_DONTNEED);
}

/* What of a piece is not to be had now: dirty, or being written. */
static bool unclean(const struct file *f, uint64_t from, uint64_t to)
{
	uint64_t dirty;

	return cache_has(f->twin, from, (size_t)(to - from), &dirty) && dirty > 0;
}

/*
 * Piece by piece, as far as that may be paid; past what is not clean, or not. Returns
 * up to where nothing had to be left.
 */
static uint64_t drop_clean(struct file *f, uint64_t from, uint64_t to, bool past)
{
	uint64_t gone = from, end;

	for (uint64_t at = from; at < to && affordable(f); at = end) {
		end = to - at < PIECE ? to : at + PIECE;
		if (unclean(f, at, end)) {
			if (!past)
				break;
			continue;
		}
		drop(f, at, end);
		pay(f);
		if (gone == at)
			gone = end;
	}
	return gone;
}

/* ---- readers ------------------------------------------------------------- */

static void skim_at(struct file *f, uint64_t off)
{
	drop(f, GET(f->lately.skim_from), GET(f->lately.skim_to));
	SET(f->lately.skim_start, off);
	SET(f->lately.skim_from, off);
	SET(f->lately.skim_to, off);
	SET(f->lately.skim_trust, TRUST_FIRST);
}

/*
 * Does a read belong to the sequence there is? One in another place now and then does not
 * end it (sqlite3, for the inner pages of its trees); where most are elsewhere it is none.
 */
static bool in_sequence(struct file *f, uint64_t off)
{
	const uint64_t to = GET(f->lately.skim_to);
	const uint32_t trust = GET(f->lately.skim_trust);

	if (off + BACK >= to && off <= to + NEAR) {
		if (trust > 0 && trust < TRUST_MAX)
			SET(f->lately.skim_trust, trust + 1);
		return trust > 0;
	}
	if (trust > 0)
		SET(f->lately.skim_trust, trust - 1);
	return false;
}

bool behind_read(struct file *f, uint64_t off, uint64_t end, bool follows)
{
	uint64_t from, to, was;

	SET(f->lately.read, 1);
	SET(f->lately.tail_to, 0);
	if (!GET(f->lately.cold) || f->twin < 0)
		return false;
	if (!in_sequence(f, off)) {
		to = GET(f->lately.skim_to);
		/* One sequence at a time: of two that take turns, the other one has to look elsewhere. */
		if (!follows || (GET(f->lately.skim_trust) > 0 && to - GET(f->lately.skim_start) < BEHIND_SMALL))
			return false;
		skim_at(f, off);
	}
	from = GET(f->lately.skim_from);
	was = to = GET(f->lately.skim_to);
	if (end > to)
		to = end;
	/* Not too close: it may be read again. Nor what this very request will bring. */
	for (; to - from >= 2 * PIECE && was - from >= PIECE; from += PIECE)
		drop(f, from, from + PIECE);
	SET(f->lately.skim_from, from);
	SET(f->lately.skim_to, to);
	return true;
}

/* ---- writers ------------------------------------------------------------- */

/*
 * What was begun is dropped, and the write-back of more begun, as far as that may be paid:
 * up to where it has been written. Begun too early, what comes later would stay dirty.
 */
static void advance(struct file *f, uint64_t written)
{
	uint64_t begun = GET(f->lately.tail_begun);

	if (begun - GET(f->lately.tail_from) > LOST)
		SET(f->lately.tail_from, begun);
	SET(f->lately.tail_from, drop_clean(f, GET(f->lately.tail_from), begun, false));
	while (written - begun >= PIECE && affordable(f)) {
		sys_sync_range(f->twin, (int64_t)begun, PIECE, SYNC_FILE_RANGE_WRITE);
		pay(f);
		begun += PIECE;
	}
	SET(f->lately.tail_begun, begun);
}

void behind_write(struct file *f, uint64_t off, size_t len)
{
	const uint64_t end = off + len, to = GET(f->lately.tail_to);

	if (off < GET(f->lately.ours) || f->twin < 0 || GET(f->lately.read))
		return;
	if (to == 0 || off < to || off - to > NEAR) {
		SET(f->lately.tail_from, off & ~(uint64_t)(PAGE - 1));
		SET(f->lately.tail_begun, off & ~(uint64_t)(PAGE - 1));
		SET(f->lately.tail_next, off + PIECE);
	}
	SET(f->lately.tail_to, end);
	if (off < GET(f->lately.tail_next))
		return;
	SET(f->lately.tail_next, off + PIECE);
	advance(f, off);
}

bool behind_sync(struct file *f, uint64_t *until)
{
	const uint64_t from = GET(f->lately.tail_from);
	uint64_t begun = GET(f->lately.tail_begun);

	if (*until == 0)
		*until = GET(f->lately.tail_to);
	if (from + PIECE > *until || !file_twin_ok(f))
		return false;
	for (; begun < *until && begun < from + IN_FLIGHT; begun += PIECE)
		sys_sync_range(f->twin, (int64_t)begun, PIECE, SYNC_FILE_RANGE_WRITE);
	if (sys_sync_range(f->twin, (int64_t)from, PIECE, SYNC_FILE_RANGE_WAIT_BEFORE) != 0)
		return false;	/* the program's own call tells it */
	drop(f, from, from + PIECE);
	SET(f->lately.tail_begun, begun);
	SET(f->lately.tail_from, from + PIECE);
	return true;
}

/* ---- the end ------------------------------------------------------------- */

/*
 * Of what was read and written in no sequence much is dropped, little kept: the
 * next program may want it. A fork child leaves it to those it works with.
 */
static void drop_rest(struct file *f)
{
	const uint64_t from = GET(f->lately.ours);
	struct sys_identity id;
	uint64_t pages;

	if (state_generation == 0 && from != NOTHING && sys_identify(f->twin, false, &id) == 0 &&
	    from < id.size && cache_pages(f->twin, from, (size_t)(id.size - from), &pages) &&
	    pages > BEHIND_KEEP / PAGE)
		drop_clean(f, from, id.size, true);
}

void behind_end(struct file *f)
{
	const uint64_t to = GET(f->lately.skim_to), tail = GET(f->lately.tail_to);

	if (!GET(f->lately.looked) || !file_twin_ok(f))
		return;
	if (to > GET(f->lately.skim_start) + BEHIND_SMALL)
		drop(f, GET(f->lately.skim_from), to + READ_AHEAD);
	if (tail > GET(f->lately.tail_from) + PIECE)
		drop_clean(f, GET(f->lately.tail_from), tail, true);
	drop_rest(f);
}

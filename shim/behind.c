#include "behind.h"

#include "adopt.h"
#include "cache.h"
#include "plan.h"
#include "state.h"
#include "sys.h"

#define PAGE		4096u
#define TRUST_FIRST	4u	/* in a sequence that has just begun: reads elsewhere that end it */
#define TRUST_MAX	16u
#define NEAR		(4u << 20)	/* bytes that a sequence may leave out, or that were not asked about */
#define BACK		(256u << 10)	/* bytes that it may step back: what is read here and there steps back further */
#define LOST		(1u << 30)	/* bytes written and not dropped yet: given up */
#define LITTLE		(2u << 20)	/* bytes: what may be resident of a file that is read as a cold one */
#define CREDIT_MAX	20000000u	/* ns: what was not spent is not saved for a burst */
#define IN_FLIGHT	(32u << 20)	/* bytes whose write-back is under way while one waits for the first of them */
#define NOTHING		UINT64_MAX	/* no page is ours */

#define GET(x)	  __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define SET(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

/* ---- what is ours -------------------------------------------------------- */

/*
 * From where on nothing below to is resident; NOTHING, where more than a little is. Asked
 * in growing pieces: of a file that is resident the first one tells, and costs little.
 */
static uint64_t resident_end(int fd, uint64_t to)
{
	uint64_t off = 0, len = BEHIND_SMALL, end = 0, pages, sum = 0;

	for (; off < to && len > 0; off += len, len *= 4) {	/* 0: beyond 6 EiB */
		if (!cache_pages(fd, off, (size_t)(len < to - off ? len : to - off), &pages))
			return NOTHING;
		sum += pages;
		if (sum > LITTLE / PAGE)
			return NOTHING;
		if (pages > 0)
			end = off + len;
	}
	return off < to ? NOTHING : end;
}

/* The same from the other side: up to where a little at the end is resident. */
static uint64_t resident_start(int fd, uint64_t size)
{
	uint64_t to = size, len = BEHIND_SMALL, pages;

	while (to > len && len <= LITTLE && cache_pages(fd, to - len, (size_t)len, &pages) && pages > 0) {
		to -= len;
		len *= 2;
	}
	return to & ~(uint64_t)(PAGE - 1);
}

/* ---- what it may cost ---------------------------------------------------- */

/* The process's CPU time; and how often it gave the processor up by itself. */
static uint64_t cpu_ns(uint64_t *waits)
{
	struct rusage ru = { 0 };

	sys_getrusage(RUSAGE_SELF, &ru);
	*waits = (uint64_t)ru.ru_nvcsw;
	return (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000u;
}

/*
 * Credit is a share of the time that has passed, and all the time in which the process
 * waited for something else: for its input, or because too much is dirty already. It
 * will wait again, and then a little less. Where it did not wait it may not have run
 * all the same: others had the processor, and that is not ours to spend.
 */
static bool affordable(struct file *f)
{
	struct file_lately *l = &f->lately;
	const uint64_t now = sys_now_ns(CLOCK_MONOTONIC);
	uint64_t waits, cpu;
	int64_t credit = GET(l->credit_ns), passed, ran;

	if (state_config.auto_effort >= 100)
		return true;
	cpu = cpu_ns(&waits);
	passed = (int64_t)(now - GET(l->now_ns));
	ran = (int64_t)(cpu - GET(l->cpu_ns));
	if (GET(l->now_ns) != 0 && passed > 0) {	/* another thread may have looked later */
		credit += passed / 100 * state_config.auto_effort;
		if (passed > ran && waits != GET(l->waits))
			credit += passed - ran;
	}
	if (credit > CREDIT_MAX)
		credit = CREDIT_MAX;
	SET(l->credit_ns, credit);
	SET(l->now_ns, now);
	SET(l->cpu_ns, cpu);
	SET(l->waits, waits);
	return credit > 0;
}

/* What was done since then is paid for; the time it took earns nothing. */
static void pay(struct file *f)
{
	const uint64_t now = sys_now_ns(CLOCK_MONOTONIC);
	uint64_t waits;

	__atomic_fetch_sub(&f->lately.credit_ns, (int64_t)(now - GET(f->lately.now_ns)), __ATOMIC_RELAXED);
	SET(f->lately.now_ns, now);
	SET(f->lately.cpu_ns, cpu_ns(&waits));
	SET(f->lately.waits, waits);
}

/* ---- the first look --------------------------------------------------- */

/* A temporary file: it will be read again, and its pages go with it. */
static bool unlinked(int fd)
{
	struct sys_statx stx;

	return sys_fstatx(fd, 0x4 /* STATX_NLINK */, &stx) == 0 && stx.nlink == 0;
}

void behind_look(struct file *f, int fd, uint64_t size)
{
	const uint64_t whole = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	uint64_t ours = whole, to = whole, end;

	if (GET(f->lately.looked))
		return;
	if (cache_untold() || f->twin < 0 || unlinked(fd)) {
		ours = NOTHING;
	} else if (size > BEHIND_SMALL) {
		end = resident_end(fd, size);
		if (end >= size && end != NOTHING) {	/* some formats are read from their end first */
			to = resident_start(fd, size);
			end = resident_end(fd, to);
		}
		if (end < to) {
			SET(f->lately.cold, 1);
			ours = end;
		}
	}
	SET(f->lately.ours, ours);
	SET(f->lately.not_ours, to);
	SET(f->lately.ours_again, whole);
	SET(f->lately.looked, 1);
	if (ours != NOTHING)
		affordable(f);	/* its clock runs from now on */
}

/* ---- dropping ------------------------------------------------------------ */

static void drop_range(const struct file *f, uint64_t from, uint64_t to)
{
	if (from < to)
		sys_fadvise(f->twin, (int64_t)from, (int64_t)(to - from), POSIX_FADV_DONTNEED);
}

/* Never what is not ours. */
static void drop(const struct file *f, uint64_t from, uint64_t to)
{
	const uint64_t gap = GET(f->lately.not_ours), on = GET(f->lately.ours_again);

	if (from < GET(f->lately.ours))
		from = GET(f->lately.ours);
	drop_range(f, from, gap < to ? gap : to);
	drop_range(f, from > on ? from : on, to);
}

/* What of a piece is not to be had now: dirty, or being written. */
static bool unclean(const struct file *f, uint64_t from, uint64_t to)
{
	uint64_t dirty;

	return cache_has(f->twin, from, (size_t)(to - from), &dirty) && dirty > 0;
}

/* From at on, where there is anything: of a sparse file most may be nothing, so in steps that double. */
static uint64_t resident_from(const struct file *f, uint64_t at, uint64_t to)
{
	uint64_t step = BEHIND_STEP, len, pages;

	while (at < to) {
		len = to - at < step ? to - at : step;
		if (!cache_pages(f->twin, at, (size_t)len, &pages))
			return to;
		if (pages > 0 && len <= BEHIND_STEP)
			break;
		at += pages > 0 ? 0 : len;
		step = pages > 0 ? BEHIND_STEP : step * 2;
	}
	return at;
}

/*
 * Piece by piece, as far as that may be paid, up to what is not clean; or past it, and
 * past what is not there. Returns up to where it came.
 */
static uint64_t drop_clean(struct file *f, uint64_t from, uint64_t to, bool past)
{
	uint64_t at = from, end;

	for (; at < to && affordable(f); at = end) {
		if (past)
			at = resident_from(f, at, to);
		end = to - at < BEHIND_STEP ? to : at + BEHIND_STEP;
		if (!unclean(f, at, end))
			drop(f, at, end);
		else if (!past)
			break;
		pay(f);
	}
	return at;
}

/* ---- readers ------------------------------------------------------------- */

/*
 * What is read again is to stay: it was dropped once too often. And where the file is written
 * as well what is not clean stays, for dropping would begin its write-back.
 */
static void skim_drop(const struct file *f, uint64_t from, uint64_t to)
{
	if (!GET(f->lately.again) && (!GET(f->lately.why[OP_WRITE]) || !unclean(f, from, to)))
		drop(f, from, to);
}

static void skim_at(struct file *f, uint64_t off)
{
	if (off >= GET(f->lately.skim_start) && off < GET(f->lately.skim_from))
		SET(f->lately.again, 1);
	skim_drop(f, GET(f->lately.skim_from), GET(f->lately.skim_to));
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
	for (; to >= from + 2 * BEHIND_STEP && was >= from + BEHIND_STEP; from += BEHIND_STEP)
		skim_drop(f, from, from + BEHIND_STEP);
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

	if (begun > GET(f->lately.tail_from) + LOST)
		SET(f->lately.tail_from, begun);
	SET(f->lately.tail_from, drop_clean(f, GET(f->lately.tail_from), begun, false));
	while (begun + BEHIND_STEP <= written && affordable(f)) {	/* an fsync may have begun more */
		sys_sync_range(f->twin, (int64_t)begun, BEHIND_STEP, SYNC_FILE_RANGE_WRITE);
		pay(f);
		begun += BEHIND_STEP;
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
		SET(f->lately.tail_next, off + BEHIND_STEP);
	}
	SET(f->lately.tail_to, end);
	if (off < GET(f->lately.tail_next))
		return;
	SET(f->lately.tail_next, off + BEHIND_STEP);
	advance(f, off);
}

bool behind_sync(struct file *f, uint64_t *until)
{
	const uint64_t from = GET(f->lately.tail_from);
	uint64_t begun = GET(f->lately.tail_begun);

	if (*until == 0)
		*until = GET(f->lately.tail_to);
	if (from + BEHIND_STEP > *until || !file_twin_ok(f))
		return false;
	for (; begun < *until && begun < from + IN_FLIGHT; begun += BEHIND_STEP)
		sys_sync_range(f->twin, (int64_t)begun, BEHIND_STEP, SYNC_FILE_RANGE_WRITE);
	if (sys_sync_range(f->twin, (int64_t)from, BEHIND_STEP, SYNC_FILE_RANGE_WAIT_BEFORE) != 0)
		return false;	/* the program's own call tells it */
	drop(f, from, from + BEHIND_STEP);
	SET(f->lately.tail_begun, begun);
	SET(f->lately.tail_from, from + BEHIND_STEP);
	return true;
}

/* ---- the end ------------------------------------------------------------- */

/*
 * More than this file's requests can have brought in: somebody else reads it. They may
 * have brought twice what they moved, by read-ahead.
 */
static bool others_read(struct file *f, uint64_t pages)
{
	const struct ledger_file *row = adopt_row(f);

	return !row || pages > (CACHE_READ_AHEAD + 2 * (GET(row->read_bytes) + GET(row->written_bytes))) / PAGE;
}

/*
 * Of what was read and written in no sequence much is dropped, little kept: the
 * next program may want it. Nothing where somebody else works on the file, as far as
 * that shows: another descriptor, or the process that this one was forked from.
 */
static void drop_rest(struct file *f)
{
	const uint64_t from = GET(f->lately.ours);
	struct sys_identity id;
	uint64_t pages;

	if (state_generation == 0 && from != NOTHING && !file_elsewhere(f) &&
	    sys_identify(f->twin, false, &id) == 0 && from < id.size &&
	    cache_pages(f->twin, from, (size_t)(id.size - from), &pages) &&
	    pages > BEHIND_KEEP / PAGE && !others_read(f, pages))
		drop_clean(f, from, id.size, true);
}

void behind_end(struct file *f)
{
	const uint64_t to = GET(f->lately.skim_to), tail = GET(f->lately.tail_to);

	if (!GET(f->lately.looked) || !file_twin_ok(f))
		return;
	if (to > GET(f->lately.skim_start) + BEHIND_SMALL)
		drop(f, GET(f->lately.skim_from), to + CACHE_READ_AHEAD);
	if (tail > GET(f->lately.tail_from) + BEHIND_STEP)
		drop_clean(f, GET(f->lately.tail_from), tail, true);
	drop_rest(f);
}

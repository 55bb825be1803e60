/*
 * pages: one file in a page cache that is an array, a device that is done when
 * the test says so, and a clock that the test moves. Stands in for the system
 * calls of shim/behind.c and shim/auto.c; others go to the kernel.
 */
#ifndef DIOSHIM_PAGES_H
#define DIOSHIM_PAGES_H

#include "behind.h"
#include "book.h"
#include "cache.h"
#include "fdtab.h"
#include "state.h"
#include "sys.h"
#include "tap.h"

#define TWIN 60000	/* the shim's descriptor of the file: no such number is open */
#define PAGE 4096u
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define MS(n) ((uint64_t)(n) * 1000000)
#define PAGES_MAX (3u << 18)	/* 3 GiB */
#define HELPER static __attribute__((unused))

enum { ABSENT, CLEAN, DIRTY, WRITING };

static struct pages {
	unsigned char at[PAGES_MAX];
	uint64_t size;
	bool another;		/* the number is another file by now */
	bool unlinked;		/* no name is left */
	bool busy;		/* what it did not run others had the processor: it did not wait */
	bool slow;		/* the device: what was begun is not done until it is waited for */
	int stat_error, wait_error;
	uint64_t now, cpu;	/* ns */
	uint64_t cost;		/* ns that a call takes, waiting */
	void (*in_wait)(void);
	/* what was asked for */
	unsigned stats, drops, begins, waits;
	uint64_t drop_from, drop_to;	/* the last one */
	uint64_t lowest;	/* that was ever to be dropped */
	uint64_t begun_to;	/* the highest */
	uint64_t in_flight;	/* most pages being written at once */
} pages;

HELPER uint64_t in_state(uint64_t from, uint64_t to, int state)
{
	uint64_t n = 0;

	for (uint64_t p = from / PAGE; p < PAGES_MAX && p * PAGE < to; p++)
		n += pages.at[p] == state;
	return n;
}

/* Bytes of pages that are there. */
HELPER uint64_t resident(uint64_t from, uint64_t to)
{
	if (to > pages.size)
		to = pages.size;
	return PAGE * (in_state(from, to, CLEAN) + in_state(from, to, DIRTY) + in_state(from, to, WRITING));
}

HELPER void become(uint64_t from, uint64_t to, int old, int new)
{
	for (uint64_t p = from / PAGE; p < PAGES_MAX && p * PAGE < to; p++)
		if (old < 0 || pages.at[p] == old)
			pages.at[p] = (unsigned char)new;
}

static long pages_stat(const struct sys_cachestat_range *range, struct sys_cachestat *cs)
{
	const uint64_t to = range->off + range->len;

	pages.stats++;
	if (pages.stat_error)
		return -pages.stat_error;
	*cs = (struct sys_cachestat){
		.cache = resident(range->off, to), .dirty = in_state(range->off, to, DIRTY),
		.writeback = in_state(range->off, to, WRITING),
	};
	cs->cache /= PAGE;
	return 0;
}

/* Whole pages that are clean go. */
static long pages_drop(uint64_t from, uint64_t to)
{
	pages.drops++;
	pages.drop_from = from;
	pages.drop_to = to;
	if (from < pages.lowest)
		pages.lowest = from;
	become((from + PAGE - 1) / PAGE * PAGE, to >= pages.size ? to : to / PAGE * PAGE, CLEAN, ABSENT);
	return 0;
}

static long pages_sync(uint64_t from, uint64_t to, long flags)
{
	uint64_t n;

	if (flags & SYNC_FILE_RANGE_WAIT_BEFORE) {
		pages.waits++;
		if (pages.in_wait)
			pages.in_wait();
		if (pages.wait_error)
			return -pages.wait_error;
		become(from, to, WRITING, CLEAN);
	}
	if (flags & SYNC_FILE_RANGE_WRITE) {
		pages.begins++;
		if (to > pages.begun_to)
			pages.begun_to = to;
		become(from, to, DIRTY, pages.slow ? WRITING : CLEAN);
		n = in_state(0, pages.size, WRITING);
		if (n > pages.in_flight)
			pages.in_flight = n;
	}
	return 0;
}

static long pages_identity(struct sys_statx *stx)
{
	*stx = (struct sys_statx){ .ino = pages.another ? 8 : 7, .size = pages.size, .nlink = !pages.unlinked };
	return 0;
}

static long pages_usage(struct rusage *ru)
{
	*ru = (struct rusage){ .ru_nvcsw = pages.busy ? 1 : (long)((pages.now - pages.cpu) / 1000) };
	ru->ru_utime = (struct timeval){ (time_t)(pages.cpu / 1000000000), (long)(pages.cpu % 1000000000 / 1000) };
	return 0;
}

static long pages_call(long nr, long a, long b, long c, long d, long e, long f)
{
	struct timespec *ts = (struct timespec *)b;

	if (nr == SYS_clock_gettime && a == CLOCK_MONOTONIC) {
		*ts = (struct timespec){ (time_t)(pages.now / 1000000000), (long)(pages.now % 1000000000) };
		return 0;
	}
	if (nr == SYS_getrusage)
		return pages_usage((struct rusage *)b);
	if (a != TWIN)
		return sys_kernel(nr, a, b, c, d, e, f);
	pages.now += pages.cost;
	switch (nr) {
	case SYS_fadvise64:
		return d == POSIX_FADV_DONTNEED ? pages_drop((uint64_t)b, (uint64_t)(b + c)) : -EINVAL;
	case SYS_sync_file_range:
		return pages_sync((uint64_t)b, (uint64_t)(b + c), d);
	case SYS_cachestat:
		return pages_stat((const void *)b, (void *)c);
	case SYS_statx:
		return pages_identity((void *)e);
	default:
		return sys_kernel(nr, a, b, c, d, e, f);
	}
}

/* A file of that size, of which nothing is there; what is done for it may cost what it wants. */
HELPER struct file *pages_file(uint64_t size)
{
	static struct ledger_file row;
	static struct file *f;

	sys_call = pages_call;
	state_config.mode = MODE_auto;
	state_config.auto_effort = 100;
	state_generation = 0;
	pages = (struct pages){ .size = size, .now = MS(1000), .cpu = MS(500), .lowest = UINT64_MAX };
	if (!f)
		f = file_new();
	f->twin = TWIN;
	f->dev = 0;
	f->ino = 7;
	f->private = true;
	f->refs = 1;
	f->patience = 0;
	memset(f->seq, 0, sizeof(f->seq));
	f->lately = (struct file_lately){ .looked = 0 };
	row = (struct ledger_file){ .read_bytes = MIB(4096) };	/* enough for all that is there */
	f->row = &row;
	f->row_epoch = book_epoch;
	return f;
}

/* The same, looked at. */
HELPER struct file *looked(uint64_t size)
{
	struct file *f = pages_file(size);

	behind_look(f, TWIN, size);
	return f;
}

/* Written as the program does it: announced, and then dirty. */
HELPER void writes(struct file *f, uint64_t off, size_t len)
{
	behind_write(f, off, len);
	if (off + len > pages.size)
		pages.size = off + len;
	become(off, off + len, -1, DIRTY);
}

HELPER void writes_all(struct file *f, uint64_t from, uint64_t to, size_t len)
{
	for (; from < to; from += len)
		writes(f, from, len);
}

HELPER bool skims(struct file *f, uint64_t off, uint64_t len, bool follows)
{
	bool skimmed = behind_read(f, off, off + len, follows);

	become(off, off + len, ABSENT, CLEAN);
	return skimmed;
}

/* In sequence, as auto_choose tells it; how many of them were skimmed. */
HELPER unsigned skims_all(struct file *f, uint64_t from, uint64_t to, uint64_t len)
{
	unsigned n = 0;

	for (; from < to; from += len)
		n += skims(f, from, to - from < len ? to - from : len, true);
	return n;
}

HELPER void is_ours(struct file *f, bool cold, uint64_t ours, const char *what)
{
	ok(f->lately.looked && f->lately.cold == cold && f->lately.ours == ours, "%s: %scold, from %lld", what,
	   f->lately.cold ? "" : "not ", (long long)f->lately.ours);
}

#endif

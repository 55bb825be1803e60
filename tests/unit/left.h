/*
 * left: what a scenario leaves behind, and what it may not: other bytes,
 * descriptors, marks in the table, slots, gates, chunks, an open ledger.
 */
#ifndef DIOSHIM_LEFT_H
#define DIOSHIM_LEFT_H

#include "book.h"
#include "file.h"
#include "locks.h"
#include "model.h"
#include "own.h"
#include "pool.h"

struct scenario {
	const char *name;
	void (*run)(void);
	bool (*persona)(long nr, const long *a, long *answer);	/* an old kernel, another device */
	/* and what has to come of that, without a fault: */
	enum reason why;	/* bytes are booked under it, if it is not 0 */
	int direct;		/* 1: some go direct, -1: none does */
	long answered;		/* so many calls, at least, are answered otherwise */
};

/* One failure. */
struct fault {
	long nth, nr, answer, site;
	bool for_good, transfers;
};

/* The end of a child; a coverage build's counts go to their files. */
extern void __gcov_dump(void) __attribute__((weak));

HELPER void leave(int status)
{
	fake.armed = false;
	sys_call = sys_kernel;
	if (__gcov_dump)
		__gcov_dump();
	sys_kernel(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

static long faults_naps;

static long count_naps(long nr, long a, long b, long c, long d, long e, long f)
{
	if (nr == SYS_nanosleep) {
		faults_naps++;
		return 0;
	}
	return sys_kernel(nr, a, b, c, d, e, f);
}

static int open_now(void)
{
	long dir = sys_kernel(SYS_openat, AT_FDCWD, sys_ptr("/proc/self/fd"), O_RDONLY, 0, 0, 0);
	static char list[1 << 16];
	int n = 0;

	for (long r; (r = sys_kernel(SYS_getdents64, dir, sys_ptr(list), sizeof(list), 0, 0, 0)) > 0;)
		for (long at = 0; at < r; at += *(unsigned short *)(void *)(list + at + 16))
			n++;
	sys_kernel(SYS_close, dir, 0, 0, 0, 0, 0);
	return n - (own_proc >= 0) - (own_dir >= 0) - (own_stderr >= 0);
}

static void check_bytes(struct model *m)
{
	long n;

	if (m->probe <= 0)
		return;
	n = sys_kernel(SYS_pread64, m->probe, sys_ptr(model_room), sizeof(model_room), 0, 0, 0);
	if (n != (long)m->size)
		wrong("%s is %ld bytes, not %zu", m->path, n, m->size);
	else if (memcmp(model_room, m->data, m->size) != 0)
		for (size_t i = 0; i < m->size; i++)
			if (model_room[i] != m->data[i]) {
				wrong("%s: another byte at %zu", m->path, i);
				break;
			}
	if (!disk_in_memory)
		sys_kernel(SYS_close, m->probe, 0, 0, 0, 0, 0);
}

static void check_table(void)
{
	for (int fd = 0; (fd = fdtab_next(fd, FDTAB_TAG, FD_OWN)) >= 0; fd++)
		if (fd != own_proc && fd != own_dir && fd != own_stderr)
			wrong("%d is still marked as the shim's", fd);
	if (fdtab_next(0, FDTAB_TAG, FD_FILE) >= 0)
		wrong("a routed file is left in the table");
	if (fdtab_next(0, ~0ull, fdtab_plain(REASON_changing, 0)) >= 0)
		wrong("a descriptor is still changing");
	if (locks_parked())
		wrong("descriptors are still parked");
	for (unsigned i = 0; i < 8; i++) {
		struct file *f = file_new();

		if (!f || fdtab_slot(file_word(f)) != i) {
			wrong("a slot is still taken: reference leaked");
			break;
		}
	}
}

static void check_gates(void)
{
	if (own_numbers.shim || own_numbers.program)
		wrong("own_numbers: %u, %u inside", own_numbers.shim, own_numbers.program);
	sys_call = count_naps;
	for (uint64_t ino = 0; ino < 64 && faults_naps == 0; ino++) {
		locks_take_begin(ino);
		locks_take_end(ino);
		if (!locks_close_begin(ino))
			wrong("a gate is still closed");
		locks_close_end(ino);
	}
	if (faults_naps)
		wrong("a gate is still held");
}

/* Chunks are lost on purpose where completions can never be seen. */
static void check_pool(void)
{
	int n = 0;

	while (pool_get(1))
		n++;
	if (n != (int)pool_count() && !fake_census->lost)
		wrong("%d chunks of the pool are left of %u", n, pool_count());
}

static void check_ledger(void)
{
	const struct ledger *l = book_now();
	uint64_t moved = l->counters[COUNTER_not_transferred_bytes], why = 0;

	for (int i = 0; i < ROUTES; i++)
		moved += l->routes[i].bytes;
	for (int i = 0; i < REASONS; i++)
		why += l->reasons[i].bytes;
	if (moved != l->counters[COUNTER_asked_bytes])
		wrong("ledger: asked %llu, moved %llu",
		      (unsigned long long)l->counters[COUNTER_asked_bytes], (unsigned long long)moved);
	if (why != l->routes[ROUTE_bounced].bytes + l->routes[ROUTE_staged].bytes +
			   l->routes[ROUTE_cached].bytes + l->routes[ROUTE_in_kernel].bytes)
		wrong("ledger: reasons for %llu bytes", (unsigned long long)why);
}

static void check_expected(const struct scenario *s)
{
	const struct ledger *l = book_now();
	uint64_t direct = l->routes[ROUTE_zero_copy].bytes + l->routes[ROUTE_bounced].bytes +
			  l->routes[ROUTE_staged].bytes;

	if (s->why && l->reasons[s->why].bytes == 0)
		wrong("nothing was booked under reason %d", s->why);
	if (s->direct && (direct > 0) != (s->direct > 0))
		wrong("%llu bytes were direct", (unsigned long long)direct);
	if (fake.persona_hits < s->answered)
		wrong("only %ld calls were answered otherwise", fake.persona_hits);
}

/* before: descriptors that were open then. */
static void check_all(const struct scenario *s, const struct fault *fault, int before)
{
	for (int fd = 0; fd < FAKE_FDS; fd++)
		if (fake.file[fd])
			close(fd);
	locks_unpark();	/* where nobody could say whether there were locks */
	for (int i = 1; i <= MODEL_FILES; i++)
		check_bytes(&model[i]);
	if (open_now() != before)
		wrong("%d descriptors are open, not %d", open_now(), before);
	check_ledger();
	if (!fault->nth)
		check_expected(s);
	check_table();
	check_gates();
	check_pool();
}

#endif

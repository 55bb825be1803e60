/*
 * Mode auto: what is dropped behind writers and in an fsync, what that may cost,
 * and what is not clean yet. Against a page cache that is an array.
 */
#include "pages.h"

#include <unistd.h>

static void written(size_t len)
{
	struct file *f = looked(0);
	uint64_t most = 0, there;

	for (uint64_t at = 0; at < MIB(64); at += len) {
		writes(f, at, len);
		there = resident(0, pages.size);
		most = there > most ? there : most;
	}
	ok(most <= MIB(8) + 2 * len && most >= MIB(8) - len, "written, %zu each: at most 8 MiB there: %llu", len, (unsigned long long)most);
	ok(pages.lowest == 0 && pages.begins >= 15 && pages.begins <= 16, "in pieces: %u", pages.begins);
	become(0, pages.size, DIRTY, CLEAN);	/* fsync */
	behind_end(f);
	ok(resident(0, pages.size) <= MIB(4) + len, "written, %zu each: little is left at the end: %llu", len, (unsigned long long)resident(0, pages.size));
}

/* Whatever a piece's border falls on, it was written when its write-back is begun. */
static void borders(size_t len)
{
	struct file *f = looked(0);

	writes_all(f, 0, MIB(256), len);
	ok(resident(0, MIB(240)) == 0 && in_state(0, MIB(248), DIRTY) == 0, "written, %zu each: nothing is left out", len);
}

static void written_elsewhere(void)
{
	struct file *f = looked(0);

	writes_all(f, 0, MIB(3), KIB(64));
	writes_all(f, MIB(7), MIB(8), KIB(64));
	is_int(pages.begins, 1, "4 MiB are left out: one sequence");
	writes(f, MIB(12) + 1, KIB(64));
	ok(f->lately.tail_from == MIB(12) && f->lately.tail_begun == MIB(12), "a byte more: another one, from its page on");
	writes(f, MIB(12) + PAGE, KIB(64));
	is_int((long long)f->lately.tail_from, (long long)MIB(12) + PAGE, "and back: another one");
	f = looked(MIB(64));
	f->lately.ours = MIB(32);
	writes_all(f, MIB(16), MIB(32), KIB(64));
	ok(f->lately.tail_to == 0 && pages.begins == 0, "over what is not ours: nothing is begun");
	f->twin = -1;
	writes_all(f, MIB(32), MIB(48), KIB(64));
	is_int((long long)f->lately.tail_to, 0, "nor without a descriptor of ours");
}

static struct file *waits(uint64_t len);

static void read_again(void)
{
	struct file *f = looked(0);
	unsigned drops;

	writes_all(f, 0, MIB(16), KIB(64));
	ok(behind_waits(f) == false && f->lately.tail_to == MIB(16), "written");
	drops = pages.drops;
	behind_read(f, MIB(12), MIB(12) + PAGE, false);
	writes_all(f, MIB(16), MIB(64), KIB(64));
	ok(pages.drops == drops && !behind_waits(f), "read from: what is written then stays");
	become(0, MIB(64), DIRTY, CLEAN);
	behind_end(f);
	is_int((long long)resident(0, MIB(64)), 0, "until the end");
	f = waits(MIB(40));
	behind_read(f, MIB(12), MIB(12) + PAGE, false);
	ok(!behind_waits(f), "an fsync does not drop it either");
}

/* ---- what it may cost ------------------------------------------------------------ */

/* 64 MiB in writes of 64 KiB, each of which takes so long, of it that much running. */
static struct file *takes(unsigned effort, uint64_t each, uint64_t ran, uint64_t cost)
{
	struct file *f = looked(0);

	state_config.auto_effort = effort;
	pages.cost = cost;
	for (uint64_t at = 0; at < MIB(64); at += KIB(64)) {
		writes(f, at, KIB(64));
		pages.now += each;
		pages.cpu += ran;
	}
	return f;
}

static void effort(void)
{
	const uint64_t us = 1000;
	struct file *f;

	takes(0, 20 * us, 20 * us, 100 * us);
	ok(pages.begins == 0 && pages.drops == 0, "effort 0, and no waiting: nothing");
	takes(0, 20 * us, 30 * us, 100 * us);
	ok(pages.begins == 0 && pages.drops == 0, "threads that run more than time passes: nothing");
	takes(0, 20 * us, 10 * us, 100 * us);
	ok(pages.begins >= 8 && pages.drops >= 7, "effort 0, half of it waiting: %u begun, %u dropped", pages.begins, pages.drops);
	takes(3, 20 * us, 20 * us, 100 * us);
	ok(pages.begins >= 1 && pages.begins <= 8, "effort 3: some, %u begun", pages.begins);
	takes(60, 20 * us, 20 * us, 10 * us);
	is_int(pages.begins, 15, "effort 60, which is more than is wanted: all");
	takes(100, 0, 0, MS(50));
	is_int(pages.begins, 15, "effort 100: all, whatever it takes");

	/* Saved up are 20 ms at most: then it is paid for. */
	f = looked(0);
	state_config.auto_effort = 3;
	writes_all(f, 0, MIB(4) + KIB(64), KIB(64));
	ok(pages.begins == 0 && f->lately.now_ns == pages.now, "no credit at the beginning");
	pages.now += MS(100000);
	pages.cost = MS(7);
	writes_all(f, pages.size, MIB(8) + KIB(128), KIB(64));
	is_int(pages.begins, 2, "a long wait: credit");
	is_int(f->lately.credit_ns, MS(20 - 14), "20 ms of it, which are paid from");
	pages.cost = MS(1000);
	writes_all(f, pages.size, MIB(32), KIB(64));
	ok(pages.begins + pages.drops == 3 && f->lately.credit_ns < -(int64_t)MS(900), "a debt: no more");
	pages.now += MS(900);
	pages.cpu += MS(900);
	pages.cost = 0;
	writes_all(f, MIB(32), MIB(40), KIB(64));
	ok(pages.begins + pages.drops == 3, "which is not soon paid off");
	pages.now += MS(100000);
	pages.cpu += MS(100000);
	writes_all(f, MIB(40), MIB(52) + KIB(128), KIB(64));
	ok(pages.begins == 13 && resident(0, MIB(52)) <= MIB(9), "later all of it is made up for: %u", pages.begins);
}

static void credit_is_a_share(void)
{
	struct file *f = looked(0);

	state_config.auto_effort = 3;
	writes_all(f, 0, MIB(4) + KIB(64), KIB(64));
	f->lately.credit_ns = -(int64_t)MS(100);
	pages.now += MS(200);
	pages.cpu += MS(200);
	writes_all(f, pages.size, MIB(8) + KIB(128), KIB(64));
	is_int(f->lately.credit_ns, -(int64_t)MS(94), "effort 3: 6 of 200 ms");
	pages.now += MS(200);
	pages.cpu += MS(150);
	writes_all(f, pages.size, MIB(12) + KIB(192), KIB(64));
	is_int(f->lately.credit_ns, -(int64_t)MS(38), "and 50 ms of waiting");
	pages.now += MS(200);
	pages.cpu += MS(700);
	writes_all(f, pages.size, MIB(16) + KIB(256), KIB(64));
	is_int(f->lately.credit_ns, -(int64_t)MS(32), "several threads cost nothing");
}

/* Others had the processor: that is no waiting. And a file's clock begins with the first look. */
static void no_waiting(void)
{
	struct file *f = pages_file(0);

	state_config.auto_effort = 3;
	behind_look(f, TWIN, 0);
	pages.busy = true;
	pages.now += MS(100000);
	writes_all(f, 0, MIB(4) + KIB(64), KIB(64));
	is_int(f->lately.credit_ns, MS(20), "a share of the time since it was looked at, and not more than 20 ms");
	f->lately.credit_ns = 0;
	pages.now += MS(200);
	pages.cpu += MS(100);
	writes_all(f, pages.size, MIB(8) + KIB(128), KIB(64));
	is_int(f->lately.credit_ns, MS(6), "the share, though it ran half of the time only");
}

/* ---- what is not clean ----------------------------------------------------------- */

static void unclean(void)
{
	struct file *f = looked(0);
	const uint64_t gib = MIB(1024);

	pages.slow = true;
	writes_all(f, 0, MIB(16) + KIB(64), KIB(64));
	ok(pages.begins == 4 && pages.begun_to == MIB(16) && pages.drops == 0, "a slow device: begun, not dropped");
	become(0, MIB(16), WRITING, CLEAN);
	become(MIB(6), MIB(6) + PAGE, CLEAN, DIRTY);
	writes_all(f, pages.size, MIB(20) + KIB(128), KIB(64));
	ok(resident(0, MIB(4)) == 0 && resident(MIB(4), MIB(16)) == MIB(12), "up to where one is dirty again");
	become(0, MIB(20), WRITING, CLEAN);
	become(0, MIB(20), DIRTY, CLEAN);
	writes_all(f, pages.size, MIB(24) + KIB(192), KIB(64));
	is_int((long long)resident(0, MIB(20)), 0, "tried again, it goes");
	writes_all(f, pages.size, gib + MIB(40), KIB(64));
	ok(f->lately.tail_from >= gib + MIB(20) && pages.drops == 5, "after 1 GiB that does not become clean it is given up");
	become(MIB(20), pages.size, WRITING, CLEAN);
	become(MIB(20), pages.size, DIRTY, CLEAN);
	behind_end(f);
	is_int((long long)resident(0, pages.size), 0, "but for the end");

	f = looked(0);
	pages.slow = true;
	writes_all(f, 0, MIB(12), KIB(64));
	become(0, MIB(4), WRITING, CLEAN);
	become(MIB(8), MIB(12), DIRTY, CLEAN);
	behind_end(f);
	ok(resident(0, MIB(4)) == 0 && resident(MIB(4), MIB(8)) == MIB(4) && resident(MIB(8), MIB(12)) == 0,
	   "at the end: what is clean, past what is not");
	f = looked(0);
	writes_all(f, 0, MIB(4), KIB(64));
	become(0, MIB(4), -1, CLEAN);
	behind_end(f);
	is_int(pages.drops, 0, "4 MiB stay");
}

/* ---- fsync ----------------------------------------------------------------------- */

static struct file *appended;

static void somebody_appends(void)
{
	become(pages.size, pages.size + MIB(8), -1, DIRTY);
	pages.size += MIB(8);
	appended->lately.tail_to = pages.size;
}

static unsigned steps(struct file *f, unsigned most)
{
	uint64_t until = 0;
	unsigned n = 0;

	while (n < most && behind_sync(f, &until))
		n++;
	return n;
}

static struct file *waits(uint64_t len)
{
	struct file *f = looked(0);

	state_config.auto_effort = 0;
	pages.slow = true;
	writes_all(f, 0, len, KIB(64));
	return f;
}

static void syncs(void)
{
	struct file *f = waits(MIB(8));

	ok(!behind_waits(f), "8 MiB do not wait for an fsync");
	f = waits(MIB(8) + KIB(64));
	ok(behind_waits(f) && pages.begins == 0, "more do");
	f = waits(MIB(100) + KIB(64));
	is_int(steps(f, 1000), 25, "100 MiB: 25 steps");
	is_int((long long)resident(0, pages.size), (long long)KIB(64), "all went but what is less than a piece");
	ok(pages.in_flight <= MIB(32) / PAGE && pages.in_flight >= MIB(28) / PAGE, "never more than 32 MiB being written: %llu pages",
	   (unsigned long long)pages.in_flight);
	ok(f->lately.tail_from == MIB(100) && f->lately.tail_begun >= MIB(100) && !behind_waits(f), "and that is known");

	appended = f = waits(MIB(40));
	pages.in_wait = somebody_appends;
	is_int(steps(f, 1000), 10, "somebody appends: it ends where it was written up to");
	ok(pages.begun_to == MIB(40) && resident(0, MIB(40)) == 0, "nothing further on is begun");

	f = waits(MIB(40));
	pages.wait_error = EIO;
	is_int(steps(f, 1000), 0, "an error: it ends");
	ok(pages.waits == 1 && pages.drops == 0 && f->lately.tail_from == 0, "and nothing is dropped");
	f = waits(MIB(40));
	pages.another = true;
	is_int(steps(f, 1000), 0, "another file by now: nothing");
	is_int(pages.begins, 0, "is begun");
	f = looked(0);
	is_int(steps(f, 1000), 0, "nothing was written: nothing");
	f = waits(MIB(40));
	f->lately.ours = MIB(10);
	steps(f, 1000);
	ok(resident(0, MIB(10)) == MIB(10) && resident(MIB(10), MIB(40)) == 0, "never what is not ours");
}

int main(void)
{
	access("/", F_OK);	/* the shim starts */
	written(KIB(64));
	written(100000);
	borders(KIB(512));
	borders(MIB(1) - PAGE);
	borders(77777);
	written_elsewhere();
	read_again();
	effort();
	credit_is_a_share();
	no_waiting();
	unclean();
	syncs();
	sys_call = sys_kernel;
	return done_testing();
}

/*
 * Mode auto: which way a request goes, what passes unasked, what a file's row
 * says of it; and what an fsync does before it. Against a page cache that is an array.
 */
#include "auto.h"
#include "entry.h"
#include "pages.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#undef real
#define FD 900	/* the program's descriptor of the file: an open number */

static struct ledger_file row;
static struct file *f;

static enum reason asks(enum op op, uint64_t off, size_t len)
{
	const struct iovec iov = { &row, len };
	const struct request rq = {
		.op = op, .fd = TWIN, .positional = true, .off = (int64_t)off, .iov = &iov, .iovcnt = 1, .len = len,
	};
	struct plan p;
	const struct plan_in in = {
		.op = op, .off = off, .len = len, .iov = &iov, .iovcnt = 1, .align = { 512, 512, 512, false }, .size = pages.size,
	};

	plan_build(&p, &in);
	return auto_choose(f, &rq, &p, pages.size, off);
}

static enum reason reads(uint64_t off, size_t len)
{
	enum reason why = asks(OP_READ, off, len);

	if (why != REASON_NONE)
		become(off, off + len, ABSENT, CLEAN);
	return why;
}

static enum reason writes_one(uint64_t off, size_t len)
{
	enum reason why = asks(OP_WRITE, off, len);

	if (off + len > pages.size)
		pages.size = off + len;
	if (why != REASON_NONE)
		become(off, off + len, -1, DIRTY);
	return why;
}

static void fresh(uint64_t size)
{
	f = pages_file(size);
	memset(&row, 0, sizeof(row));
	f->row = &row;
}

/* ---- reads ------------------------------------------------------------------- */

static void cold(void)
{
	unsigned n = 0;

	fresh(MIB(64));
	for (uint64_t at = 0; at < MIB(64); at += KIB(64))
		n += reads(at, KIB(64)) == REASON_skimmed;
	is_int(n, 1024, "cold, from its beginning: skimmed");
	ok(resident(0, MIB(64)) <= MIB(8), "which is dropped");
	is_int(row.auto_last[OP_READ], REASON_skimmed + 1, "the row says so");
	is_int(row.auto_last[OP_WRITE], 0, "and nothing of writes");
	fresh(MIB(64));
	is_int(reads(MIB(8), KIB(64)), REASON_small, "cold, in the middle: small");
	is_int(reads(MIB(8) + KIB(64), KIB(64)), REASON_skimmed, "and the one that follows: skimmed");
	ok(row.auto_last[OP_READ] == REASON_skimmed + 1 && row.auto_changes == 1, "which is a change");
	is_int(reads(MIB(32), state_config.auto_read), REASON_NONE, "a large one: direct");
	is_int(reads(MIB(40), state_config.auto_read - 1), REASON_small, "a byte less: small");
	ok(row.auto_last[OP_READ] == REASON_small + 1 && row.auto_changes == 3, "two more changes");
	fresh(MIB(1));
	is_int(reads(0, KIB(64)), REASON_small, "1 MiB, cold: small");
	is_int(reads(KIB(64), KIB(64)), REASON_small, "and on");
}

static void half(void)
{
	fresh(MIB(64));
	become(0, MIB(4), -1, CLEAN);
	become(MIB(48), MIB(64), -1, CLEAN);
	reads(MIB(30), PAGE);
	is_int(reads(MIB(30) + PAGE, PAGE), REASON_NONE, "not skimmed, in sequence: a stream");
	f->patience = 3;
	reads(MIB(36), PAGE);
	is_int(f->patience, 2, "a stream was refused: not asked for a while");
	is_int(reads(MIB(36) + PAGE, PAGE), REASON_small, "so it is small");
	is_int(f->patience, 1, "which wears off");
	is_int(reads(MIB(50), KIB(64)), REASON_warm, "warm, in no sequence");
	is_int(reads(MIB(50) + KIB(64), KIB(64)), REASON_warm, "and in one: up to the end of the file");
	become(MIB(8), MIB(32), -1, CLEAN);
	reads(MIB(8), PAGE);
	is_int(reads(MIB(8) + PAGE, PAGE) == REASON_warm, false, "24 MiB there: it may be what the kernel read ahead");
}

static void warm(void)
{
	unsigned stats, n = 0;

	fresh(MIB(128));
	become(0, MIB(128), -1, CLEAN);
	is_int(reads(0, KIB(64)), REASON_warm, "warm");
	stats = pages.stats;
	for (uint64_t at = KIB(64); at < MIB(24); at += KIB(64))
		n += reads(at, KIB(64)) == REASON_warm;
	ok(n == 383 && pages.stats == stats, "and 24 MiB from there on it is believed");
	reads(MIB(24), KIB(64));
	is_int(pages.stats, stats + 1, "then asked again");
	reads(MIB(5), KIB(64));
	is_int(pages.stats, stats + 2, "and before it");
	become(MIB(40), MIB(44), -1, ABSENT);
	f->lately.warm_to = 0;
	is_int(reads(MIB(36) + KIB(4), KIB(64)), REASON_warm, "what is asked for is all there");
	is_int(reads(MIB(36) + KIB(68), KIB(64)) == REASON_warm, false, "in sequence, and 4 of 32 MiB are not");
	become(MIB(80), MIB(81), -1, ABSENT);
	become(MIB(82), MIB(83), -1, ABSENT);
	reads(MIB(64) - KIB(4), KIB(4));
	is_int(reads(MIB(64), KIB(4)), REASON_warm, "where 2 of 32 are missing it counts as there");
	become(MIB(84), MIB(84) + PAGE, -1, ABSENT);
	f->lately.warm_to = 0;
	is_int(reads(MIB(64) + KIB(4), KIB(4)) == REASON_warm, false, "a page more: not");
	pages.stat_error = EIO;
	is_int(reads(MIB(41), KIB(64)), REASON_warm, "it cannot be told: the page cache");
	ok(auto_source_warm(f, TWIN, MIB(41), MIB(100)), "and so for copies");
	pages.stat_error = 0;
	ok(!auto_source_warm(f, TWIN, MIB(40), KIB(64)), "a copy of what is not there");
	ok(auto_source_warm(f, TWIN, MIB(1), MIB(64)), "the next 32 MiB of one count");
	become(MIB(96), MIB(128), -1, ABSENT);
	ok(auto_source_warm(f, TWIN, MIB(1), MIB(127)), "whatever comes behind them");
	f->rescue = true;
	ok(!auto_source_warm(f, TWIN, MIB(1), MIB(32)), "not one that is read directly");
	f->rescue = false;
	state_config.mode = MODE_direct;
	ok(!auto_source_warm(f, TWIN, MIB(1), MIB(32)), "mode direct does not ask");
	state_config.mode = MODE_auto;
}

/* ---- writes ------------------------------------------------------------------ */

static void writing(void)
{
	fresh(0);
	is_int(writes_one(0, KIB(64)), REASON_small, "written: small");
	is_int((long long)f->lately.tail_to, KIB(64), "of which is known");
	is_int(writes_one(KIB(64), MIB(1) - 1), REASON_small, "a byte less than 1 MiB: small");
	is_int(f->lately.behind, 0, "not behind");
	is_int(writes_one(MIB(2), MIB(1)), REASON_behind, "1 MiB: behind");
	ok(f->lately.behind && (long long)f->lately.tail_to == (long long)(KIB(64) + MIB(1) - 1), "which lets go by itself");
	is_int(writes_one(MIB(3), state_config.auto_write), REASON_NONE, "very much: direct");
	ok(row.auto_last[OP_WRITE] == (uint16_t)(REASON_NONE + 1) && row.auto_changes == 2, "the row says so");
	is_int(writes_one(MIB(3) + MIB(200), state_config.auto_write - 512), REASON_behind, "512 bytes less: behind");
	is_int(writes_one(MIB(400) + 1, state_config.auto_write), REASON_behind, "fewer whole blocks than that: behind");
	become(MIB(300), MIB(300) + PAGE, -1, CLEAN);
	is_int(writes_one(MIB(290), state_config.auto_write), REASON_small, "over a page that is there: as it is");
	become(MIB(700), MIB(700) + PAGE, -1, CLEAN);
	is_int(writes_one(MIB(700) + 100, MIB(1)), REASON_behind, "going on in a page that is there: behind");
}

static long last_nr, last_flags;
static int answer;

static long refusing_call(long nr, long a, long b, long c, long d, long e, long g)
{
	last_nr = nr;
	last_flags = g;
	return nr == SYS_pwritev2 ? answer : nr == SYS_pwrite64 ? 55 : pages_call(nr, a, b, c, d, e, g);
}

/* Last: a refusal is remembered. */
static void refused(void)
{
	const struct iovec iov = { &row, MIB(1) };
	const struct request rq = { .op = OP_WRITE, .fd = TWIN, .positional = true, .iov = &iov, .iovcnt = 1, .len = MIB(1) };

	fresh(0);
	sys_call = refusing_call;
	answer = -ENOSPC;
	is_int(auto_write_behind(&rq), -ENOSPC, "an error is the program's");
	ok(last_nr == SYS_pwritev2 && last_flags == RWF_DONTCACHE, "with the flag");
	is_int(writes_one(0, MIB(1)), REASON_behind, "and no refusal");
	answer = -EOPNOTSUPP;
	is_int(auto_write_behind(&rq), 55, "refused: without it");
	is_int(writes_one(MIB(1), MIB(1)), REASON_small, "for good");
	is_int((long long)f->lately.tail_to, (long long)MIB(2), "and dropped as small ones are");
	sys_call = pages_call;
}

/* ---- what passes unasked ----------------------------------------------------- */

static uint64_t passes(enum op op, size_t len)
{
	uint64_t n = 0;

	for (; auto_passes(file_word(f), op, len); n++)
		;
	return n;
}

static void passing(void)
{
	fresh(MIB(128));
	become(0, MIB(128), -1, CLEAN);
	is_int((long long)passes(OP_READ, PAGE), 0, "nothing is known: nothing passes");
	for (unsigned i = 1; i <= 10; i++) {
		reads(KIB(64) * i, PAGE);
		is_int((long long)passes(OP_READ, PAGE), 1 << (i < 8 ? i : 8), "warm %u times: requests that pass", i);
	}
	is_int((long long)passes(OP_WRITE, PAGE), 0, "no writes");
	reads(0, PAGE);
	is_int((long long)passes(OP_READ, KIB(512)), 4, "2 MiB");
	reads(0, PAGE);
	ok(!auto_passes(file_word(f), OP_READ, MIB(2) + 1), "and no more");
	ok(!auto_passes(file_word(f) | FD_RESCUE, OP_READ, PAGE), "not on a direct descriptor");
	state_config.mode = MODE_direct;
	ok(!auto_passes(file_word(f), OP_READ, PAGE), "nor in mode direct");
	state_config.mode = MODE_auto;
	f->lately.pass[OP_READ] = 0;
	become(MIB(64), MIB(128), -1, ABSENT);
	is_int(reads(MIB(70), state_config.auto_read), REASON_NONE, "a direct one");
	reads(0, PAGE);
	is_int((long long)passes(OP_READ, PAGE), 2, "and it starts over");
	fresh(MIB(64));
	for (unsigned i = 0, most = 1; i < 16; i++) {
		reads(MIB(1) * (3 * i + 1), PAGE);
		if (i % 2)
			most = most < 32 ? 2 * most : 32;
		is_int((long long)passes(OP_READ, PAGE), i % 2 ? most : 0, "cold, small, in no sequence, %u", i + 1);
	}
}

/* ---- fsync ------------------------------------------------------------------- */

static unsigned real_calls, waits_then, handled, unhandled;
static bool closing;

static int (*expected)(int fd);

static int real_sync(int fd)
{
	real_calls += fd == FD;
	waits_then = pages.waits;
	errno = ENOSPC;
	return -1;
}

/* A directory at the end is read first, as of an LSM tree's files; then a sequence, while requests pass. */
static void found_while_passing(void)
{
	unsigned n = 0;

	fresh(MIB(64));
	for (uint64_t at = MIB(60); at < MIB(64); at += MIB(1))
		reads(at, 100);
	ok(f->lately.pass[OP_READ] > 0, "small ones in no sequence: some pass");
	for (uint64_t at = 0; at < MIB(48); at += 4188) {
		if (!auto_passes(file_word(f), OP_READ, 4188))
			n += reads(at, 4188) == REASON_skimmed;
		become(at, at + KIB(512), ABSENT, CLEAN);	/* the kernel reads ahead */
	}
	ok(n > 10 && resident(0, MIB(48)) <= MIB(12), "a sequence that begins while requests pass is found: %u", n);
}

static void handler(int sig)
{
	(void)sig;
	handled++;
	if (closing)
		fdtab_set(FD, 0);
}

static int real_fsync(int fd)
{
	return expected == fsync ? real_sync(fd) : -1;
}

static int real_fdatasync(int fd)
{
	return expected == fdatasync ? real_sync(fd) : -1;
}

/* While it waits: the signal does not come; before the next step it does. */
static void signalled(void)
{
	unhandled += handled != pages.waits - 1;
	sys_kernel(SYS_tgkill, getpid(), sys_kernel(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1, 0, 0, 0);
	unhandled += handled != pages.waits - 1;
	unhandled += *fdtab_users(FD) != 1;
}

static void somebody_appends(void)
{
	pages.size += MIB(8);
	f->lately.tail_to = pages.size;
}

static void written(uint64_t len)
{
	fresh(0);
	behind_look(f, TWIN, 0);
	state_config.auto_effort = 0;
	pages.slow = true;
	writes_all(f, 0, len, KIB(64));
	fdtab_set(FD, file_word(f));
	real_calls = waits_then = handled = 0;
	closing = false;
}

static void fails(int (*call)(int), unsigned waits, const char *what)
{
	errno = 0;
	ok(call(FD) == -1 && errno == ENOSPC && real_calls == 1, "%s: the program's own call, once", what);
	ok(waits_then == waits && pages.waits == waits, "%s: behind %u steps", what, pages.waits);
	ok(*fdtab_users(FD) == 0 && f->refs == 1, "%s: nothing is held", what);
}

static void syncs(int (*call)(int))
{
	expected = call;
	written(MIB(20) + KIB(64));
	pages.in_wait = signalled;
	fails(call, 4, "20 MiB");
	ok(handled == 4 && unhandled == 0, "signals come between the steps");
	written(MIB(8));
	fails(call, 0, "8 MiB");
	written(MIB(20));
	state_config.mode = MODE_direct;
	fails(call, 0, "mode direct");
	written(MIB(20));
	pages.wait_error = EIO;
	fails(call, 1, "an error");
	written(MIB(20));
	pages.in_wait = signalled;
	closing = true;
	fails(call, 1, "a handler that closes it");
	written(MIB(20));
	pages.in_wait = somebody_appends;
	fails(call, 5, "somebody appends");
	written(MIB(20));
	fdtab_set(FD, fdtab_plain(REASON_NONE, 0));
	fails(call, 0, "no file");
	written(MIB(20));
	fdtab_set(FD, FD_PRIVATE);
	fails(call, 0, "not looked at yet");
	ok(fdtab_get(FD) == FD_PRIVATE, "nor is it now");
	written(MIB(20));
	fdtab_set(FD, fdtab_file(fdtab_slot(file_word(f)), f->generation + 1, false));
	fails(call, 0, "a file that is gone");
	written(MIB(20));
	fdtab_set(FD, fdtab_own(0));
	errno = 0;
	ok(call(FD) == -1 && errno == EBADF && real_calls == 0 && pages.waits == 0, "a number of ours: EBADF, no call");
}

int main(void)
{
	const int any = open("/", O_RDONLY);

	if (dup2(any, FD) != FD || !state_ready())
		skip_all("no descriptor %d, or no shim", FD);
	signal(SIGUSR1, handler);
	alarm(60);	/* a loop without an end */
	cold();
	half();
	warm();
	writing();
	passing();
	found_while_passing();
	real_table.fsync = real_fsync;
	real_table.fdatasync = real_fdatasync;
	syncs(fsync);
	syncs(fdatasync);
	refused();
	fdtab_set(FD, 0);
	sys_call = sys_kernel;
	return done_testing();
}

/*
 * Mode auto: what is dropped behind readers and at the end, and never what
 * is not ours. Against a page cache that is an array.
 */
#include "pages.h"

#include <unistd.h>

/* ---- what is ours ---------------------------------------------------------------- */

static void looks(void)
{
	struct file *f;

	is_ours(looked(0), false, 0, "a new file");
	is_ours(looked(5000), false, 8192, "a small file");
	is_ours(looked(MIB(1)), false, MIB(1), "1 MiB");
	is_ours(looked(MIB(1) + 1), true, 0, "a byte more");
	is_ours(looked(MIB(64)), true, 0, "a large one");
	f = pages_file(MIB(64));
	become(0, PAGE, -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_ours(f, true, MIB(1), "a page at its beginning, as stdio leaves it");
	become(0, MIB(64), -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_ours(f, true, MIB(1), "it is looked at once");
	f = pages_file(MIB(64));
	become(MIB(3), MIB(5), -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_ours(f, true, MIB(5), "2 MiB further on");
	f = pages_file(MIB(64));
	become(MIB(3), MIB(5) + PAGE, -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_ours(f, false, MIB(64), "a page more");
	f = pages_file(MIB(64) + 1);
	become(MIB(60), MIB(61), -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_ours(f, false, MIB(64) + PAGE, "some near the end");
	f = pages_file(MIB(64));
	become(0, MIB(64), -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_ours(f, false, MIB(64), "a warm one");
	is_int(pages.stats, 2, "which costs two questions");
	f = pages_file(MIB(64));
	pages.stat_error = EIO;
	behind_look(f, TWIN, pages.size);
	is_ours(f, false, MIB(64), "it cannot be told");
	f = pages_file(MIB(64));
	f->twin = -1;
	behind_look(f, TWIN, pages.size);
	is_ours(f, false, UINT64_MAX, "without a descriptor of ours");
}

/* Whatever is done with it: what was there stays. */
static void keeps_what_was_there(void)
{
	struct file *f = pages_file(MIB(64));

	become(0, 20 * PAGE, -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_int(skims_all(f, 0, MIB(64), KIB(64)), 1024, "a little is there: all is skimmed");
	behind_end(f);
	is_int((long long)resident(0, MIB(1)), (long long)MIB(1), "what was there is there, and what lies beside it");
	is_int((long long)resident(MIB(1), MIB(64)), 0, "the rest went");
	is_int((long long)pages.lowest, (long long)MIB(1), "below nothing was asked to go");

	f = pages_file(MIB(32));
	become(0, MIB(32), -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	is_int(skims_all(f, 0, MIB(32), KIB(64)), 0, "a warm file: nothing is skimmed");
	f->lately.read = 0;
	writes_all(f, 0, MIB(48), KIB(64));
	become(0, MIB(48), DIRTY, CLEAN);
	behind_end(f);
	ok(resident(0, MIB(32)) == MIB(32) && pages.lowest >= MIB(32), "and none of it goes");
	is_int((long long)resident(MIB(32), MIB(48)), 0, "what was appended to it does");
	f = looked(MIB(1));
	become(0, MIB(1), -1, CLEAN);
	skims_all(f, 0, MIB(1), KIB(64));
	behind_end(f);
	is_int(pages.drops, 0, "a small file stays");
}

/* As a program leaves a file whose directory stands at its end, when it has looked what is in it. */
static void read_from_the_end(uint64_t size, uint64_t there, bool head, bool cold)
{
	struct file *f = pages_file(size);
	const uint64_t gone = head ? MIB(1) : 0, stays = there <= MIB(1) ? MIB(1) : MIB(3);

	become(size - there, size, -1, CLEAN);
	if (head)
		become(0, PAGE, -1, CLEAN);
	behind_look(f, TWIN, size);
	is_ours(f, cold, cold ? gone : (size + PAGE - 1) / PAGE * PAGE, "some at its end");
	skims_all(f, 0, size, KIB(64));
	behind_end(f);
	if (cold)
		ok(resident(gone, size - stays - PAGE) == 0 && in_state(size - there, size, ABSENT) == 0, "all but that goes");
	else
		is_int(pages.drops, 0, "it stays");
}

static void ends_are_read_first(void)
{
	struct file *f;

	read_from_the_end(MIB(64), PAGE, false, true);
	read_from_the_end(MIB(64), MIB(1), true, true);
	read_from_the_end(MIB(64) + 12345, KIB(500), true, true);
	read_from_the_end(MIB(64), MIB(2), false, true);
	read_from_the_end(MIB(64), MIB(2) + PAGE, false, false);
	f = pages_file(MIB(64));
	become(MIB(63) + PAGE, MIB(64), -1, CLEAN);
	behind_look(f, TWIN, pages.size);
	writes_all(f, MIB(60), MIB(80), KIB(64));
	become(MIB(60), MIB(80), DIRTY, CLEAN);
	behind_end(f);
	ok(resident(MIB(60), MIB(63)) == 0 && resident(MIB(63) + PAGE, MIB(64)) == MIB(1) - PAGE && resident(MIB(64), MIB(80)) == 0,
	   "written over it, and beyond: it stays");
}

/* ---- readers --------------------------------------------------------------------- */

static void in_pieces(uint64_t len)
{
	struct file *f = looked(MIB(64));
	unsigned wrong = 0, skimmed = 0, n = 0;
	uint64_t most = 0, there;

	for (uint64_t at = 0; at < MIB(64); at += len, n++) {
		skimmed += skims(f, at, len, true);
		there = resident(0, MIB(64));
		most = there > most ? there : most;
		wrong += at + len >= MIB(4) && at + len <= MIB(64) && resident(at + len - MIB(4), at + len) < MIB(4) - 2 * PAGE;
		wrong += pages.drops > 0 && (pages.drop_to - pages.drop_from != MIB(4) || pages.drop_from % MIB(4));
	}
	ok(skimmed == n, "%llu bytes each: all skimmed", (unsigned long long)len);
	ok(most <= MIB(8) + len && most >= MIB(7), "%llu bytes each: at most 8 MiB there: %llu",
	   (unsigned long long)len, (unsigned long long)most);
	is_int(wrong, 0, "%llu bytes each: 4 MiB at a time, 4 MiB behind", (unsigned long long)len);
	become(MIB(60), MIB(64), ABSENT, CLEAN);
	behind_end(f);
	is_int((long long)resident(0, MIB(64)), 0, "%llu bytes each: nothing is left", (unsigned long long)len);
}

/* Each request is larger than a piece: it drops as much as it brings, and nothing before it was read. */
static void in_large_pieces(void)
{
	struct file *f = looked(MIB(256));
	uint64_t most = 0;

	for (uint64_t at = 0; at < MIB(256); at += MIB(16)) {
		skims(f, at, MIB(16), true);
		most = resident(0, MIB(256)) > most ? resident(0, MIB(256)) : most;
	}
	ok(most <= MIB(24), "16 MiB each: at most 8 MiB and the request are there: %llu", (unsigned long long)most);
}

static void elsewhere_now_and_then(void)
{
	struct file *f = looked(MIB(128));
	unsigned in = 0, out = 0;
	uint64_t at;

	for (at = 0; at < MIB(32); at += KIB(64)) {
		in += skims(f, at, KIB(64), true);
		if (at / KIB(64) % 2)
			out += skims(f, MIB(100) + at / 2, PAGE, false);
	}
	is_int(in, 512, "every third read elsewhere: the sequence goes on");
	is_int(out, 0, "those elsewhere are none of it");
	ok(resident(0, MIB(32)) <= MIB(8), "and it is dropped");

	/* It ended: of two elsewhere for one in the sequence. */
	in = 0;
	for (; at < MIB(64); at += KIB(64)) {
		in += skims(f, at, KIB(64), false);
		skims(f, MIB(100) + at / 2, PAGE, false);
		skims(f, MIB(80) + at / 4, PAGE, false);
	}
	ok(in >= 4 && in <= 20, "most elsewhere: it ends after %u", in);
	at = f->lately.skim_to;
	skims(f, at, KIB(64), false);
	ok(!skims(f, at + KIB(64), KIB(64), false), "and does not come back by itself");
	ok(skims(f, MIB(70), KIB(64), true), "where two follow each other another one begins");
	ok(resident(0, MIB(32)) == 0, "and what the old one had left is dropped");

	f = looked(MIB(64));
	for (int i = 0; i < 10; i++)
		skims(f, (uint64_t)i * PAGE, PAGE, true);
	ok(skims(f, 10 * PAGE + MIB(4), PAGE, false), "4 MiB may be left out");
	ok(!skims(f, 11 * PAGE + MIB(8) + 1, PAGE, false), "no more");
	at = f->lately.skim_to;
	ok(skims(f, at - KIB(256), PAGE, false), "256 KiB back");
	ok(!skims(f, at - KIB(256) - 1, PAGE, false), "no more");
	ok(f->lately.skim_to == at, "what was read is not taken back");
	f = looked(MIB(64));
	for (int i = 0; i < 4; i++)
		skims(f, (uint64_t)i * PAGE, PAGE, true);
	for (int i = 0; i < 7; i++)
		skims(f, MIB(32) + (uint64_t)i * MIB(1), PAGE, false);
	ok(!skims(f, 4 * PAGE, PAGE, false), "a sequence that has just begun ends soon");
	f = looked(MIB(64));
	skims_all(f, 0, MIB(16), PAGE);
	for (int i = 0; i < 15; i++)
		skims(f, MIB(32) + (uint64_t)i * MIB(1), PAGE, false);
	ok(skims(f, MIB(16), PAGE, false), "an old one bears 15 elsewhere");
	skims_all(f, MIB(16), MIB(17), PAGE);
	for (int i = 0; i < 16; i++)
		skims(f, MIB(32) + (uint64_t)i * MIB(1), PAGE, false);
	ok(!skims(f, MIB(17), PAGE, false), "and not 16");
}

/* Of two that take turns one is skimmed at a time. */
static void interleaved(void)
{
	struct file *f = looked(MIB(256));
	unsigned skimmed = 0;

	for (uint64_t at = 0; at < MIB(32); at += KIB(64)) {
		skimmed += skims(f, at, KIB(64), true);
		skimmed += skims(f, MIB(128) + at, KIB(64), true);
	}
	ok(pages.drops <= 2 * 32 + 2, "interleaved: %u drops", pages.drops);
	ok(skimmed >= 512 - 64, "interleaved: %u of 1024 are skimmed", skimmed);
	behind_end(f);
	is_int((long long)resident(0, pages.size), 0, "interleaved: nothing is left at the end");
}

static void at_random(void)
{
	struct file *f = looked(MIB(64));
	uint64_t x = 77;
	unsigned skimmed = 0;

	for (int i = 0; i < 2000; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		skimmed += skims(f, (x >> 40) % (MIB(64) / PAGE) * PAGE, KIB(8), false);
	}
	ok(skimmed == 0 && pages.drops == 0, "at random: nothing is dropped");
	behind_end(f);
	is_int((long long)resident(0, MIB(64)), 0, "at random: much of it, which goes at the end");
	f = looked(MIB(64));
	skims(f, MIB(32), KIB(64), false);
	ok(!f->lately.skim_to && !skims(f, MIB(5), KIB(64), false), "two reads here and there are no sequence");
	f->twin = -1;
	ok(!skims(f, 0, KIB(64), true), "without a descriptor of ours nothing is skimmed");
}

static void ends(void)
{
	struct file *f = looked(MIB(64));

	skims_all(f, 0, MIB(1), KIB(64));
	behind_end(f);
	is_int((long long)resident(0, MIB(64)), (long long)MIB(1), "the first MiB, and no more: it stays");
	skims(f, MIB(1), PAGE, true);
	become(MIB(1) + PAGE, MIB(9) + PAGE, -1, CLEAN);
	become(MIB(32), MIB(33), -1, CLEAN);
	behind_end(f);
	is_int((long long)resident(0, MIB(32)), 0, "a page more: it goes, and what the kernel read ahead");
	is_int((long long)resident(MIB(32), MIB(64)), (long long)MIB(1), "what lies further on stays");
	f = looked(MIB(64));
	skims_all(f, 0, MIB(3), KIB(64));
	pages.another = true;
	behind_end(f);
	pages.another = false;
	f->lately.looked = 0;
	behind_end(f);
	is_int(pages.drops, 0, "never looked at, or another file by now: nothing is dropped");
}

static void little_stays(void)
{
	struct file *f = looked(MIB(64));

	become(MIB(10), MIB(18), -1, CLEAN);
	behind_end(f);
	is_int(pages.drops, 0, "8 MiB here and there stay");
	become(MIB(30), MIB(30) + PAGE, -1, CLEAN);
	state_generation = 1;
	behind_end(f);
	is_int(pages.drops, 0, "a page more: a fork child leaves it");
	state_generation = 0;
	f->lately.ours = UINT64_MAX;
	behind_end(f);
	f->lately.ours = MIB(64);
	behind_end(f);
	is_int(pages.drops, 0, "what is not ours stays");
	f->lately.ours = 0;
	become(MIB(11), MIB(11) + PAGE, -1, DIRTY);
	behind_end(f);
	is_int((long long)resident(0, MIB(64)), (long long)MIB(2), "all goes, but for the piece that is not clean");
}

/* Linux before 6.5; last, for it is remembered. */
static void untold(void)
{
	struct file *f = pages_file(MIB(64));
	uint64_t dirty;

	pages.stat_error = ENOSYS;
	cache_has(TWIN, 0, PAGE, &dirty);
	behind_look(f, TWIN, pages.size);
	is_ours(f, false, UINT64_MAX, "no cachestat");
	skims_all(f, 0, MIB(64), KIB(64));
	f->lately.read = 0;
	writes_all(f, MIB(64), MIB(128), KIB(64));
	behind_end(f);
	ok(pages.drops == 0 && pages.begins == 0, "then nothing is done");
}

int main(void)
{
	access("/", F_OK);	/* the shim starts */
	looks();
	keeps_what_was_there();
	ends_are_read_first();
	in_pieces(KIB(64));
	in_pieces(PAGE);
	in_pieces(100000);
	in_pieces(MIB(1));
	in_large_pieces();
	elsewhere_now_and_then();
	interleaved();
	at_random();
	ends();
	little_stays();
	untold();
	sys_call = sys_kernel;
	return done_testing();
}

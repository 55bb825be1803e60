/*
 * matrix MODE CHUNK [direct]: every data call with one buffer, over buffer
 * skews, file offsets and lengths around the block, the page and the chunk.
 * With "direct", every open asks for O_DIRECT too: the transcript must then be
 * that of the buffered program.
 */
#include "matrix.h"

static long chunk;
static int extra;	/* O_DIRECT, or 0 */

static const int skews[] = { 0, 1, 3, 7, 8, 16, 255, 511, 512, 513, 1024, 2047, 3584, 4095, 4096 };

static int lengths(long *len)
{
	const long c = chunk;
	const long all[] = {
		0, 1, 7, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 8193, 12288,
		c - 4096, c - 1, c, c + 1, c + 512, c + 4096, 2 * c - 1, 2 * c, 2 * c + 513,
	};

	memcpy(len, all, sizeof(all));
	return (int)COUNT(all);
}

static int offsets(long *off)
{
	const long c = chunk;
	const long all[] = {
		0, 1, 7, 511, 512, 513, 1024, 3584, 4095, 4096, 4097, 8192, c - 512, c - 1, c, c + 1,
	};

	memcpy(off, all, sizeof(all));
	return (int)COUNT(all);
}

/* Sizes before a write: mostly as it was; at, inside, before the write too. */
static void prepare(struct target *t, long off, long len)
{
	off_t size = t->full;

	switch (cases % 7) {
	case 3: size = off + len / 2; break;
	case 4: size = off; break;
	case 5: size = off > 3000 ? off - 3000 : 0; break;
	case 6: size = off + len + 1; break;
	default: break;
	}
	struct stat st;
	NEED(fstat(t->view[0], &st) == 0);
	if (st.st_size != size)
		NEED(truncate("target", size) == 0);
}

static void one(struct target *t, enum op op, int skew, long off, long len, int rwf)
{
	/* other bytes for each case: a lost write must show */
	char *at = arena + PAGE + (op_writes(op) ? (cases % 48) * PAGE : 0) + skew;
	struct iovec v = { at, (size_t)len };
	char label[32];

	if (op_writes(op))
		prepare(t, off, len);
	snprintf(label, sizeof(label), "skew=%d", skew);
	matrix_call(t, op, &v, 1, off, rwf, label);
}

static void cross(struct target *t, const enum op *ops, int per_pair, long longest)
{
	long len[64], off[64];
	int lens = lengths(len), offs = offsets(off);

	for (; *ops != OPS; ops++)
		for (int o = 0; o < offs; o++)
			for (int l = 0; l < lens; l++) {
				if (len[l] > longest)
					continue;
				for (int k = 0; k < (len[l] > 8193 ? 1 : per_pair); k++)
					one(t, *ops, skews[cases * 7 % COUNT(skews)], off[o], len[l], 0);
			}
}

/* All skews, in odd steps, at a few places; co-aligned with the offset too. */
static void skewed(struct target *t, const enum op *ops, int step)
{
	for (; *ops != OPS; ops++)
		for (int skew = 0; skew <= 4096; skew += step) {
			one(t, *ops, skew, 0, 4096, 0);
			one(t, *ops, skew, 512, 12288, 0);
			one(t, *ops, skew, 100, 5000, 0);
			one(t, *ops, skew, skew, 8192, 0);
			one(t, *ops, skew, 4096 + skew, 20000 - skew, 0);
		}
}

static const enum op readers[] = {
	OP_read, OP_pread, OP_readv, OP_preadv, OP_preadv2, OP_preadv2_here, OP_pread64, OP_preadv64, OPS };
static const enum op writers[] = {
	OP_write, OP_pwrite, OP_writev, OP_pwritev, OP_pwritev2, OP_pwritev2_here, OP_pwrite64, OP_pwritev64, OPS };
static const enum op four[] = { OP_read, OP_write, OP_readv, OP_pwrite, OPS };

static struct target fresh(int flags)
{
	off_t full = 2 * chunk + 16384 + 777;

	make_file("target", (size_t)full, 42);
	return target_open("target", flags | extra, full);
}

static void plain_mode(int flags, bool reads, bool writes)
{
	struct target t = fresh(flags);

	if (reads)
		cross(&t, readers, 2, LONG_MAX);
	if (writes)
		cross(&t, writers, 1, LONG_MAX);
	target_close(&t);
	say_file("target");
}

static void mode_rdonly(void) { plain_mode(O_RDONLY, true, false); }
static void mode_wronly(void) { plain_mode(O_WRONLY, false, true); }

static void mode_rdwr(void)
{
	struct target t = fresh(O_RDWR);

	cross(&t, four, 1, LONG_MAX);
	target_close(&t);
	say_file("target");
}

static void mode_skew(void)
{
	struct target t = fresh(O_RDWR);

	skewed(&t, readers, 97);
	skewed(&t, writers, 151);
	skewed(&t, four, 37);
	target_close(&t);
	say_file("target");
}

static void mode_append(void)
{
	struct target t = fresh(O_WRONLY | O_APPEND);

	cross(&t, writers, 1, 8193);
	target_close(&t);
	t = fresh(O_RDWR | O_APPEND);
	cross(&t, four, 1, chunk + 512);
	target_close(&t);
	say_file("target");
}

/* Synchronous writes are slow: fewer of them. */
static void synced(int flag)
{
	static const enum op ops[] = { OP_write, OP_pwrite, OP_writev, OPS };
	struct target t = fresh(O_RDWR | flag);
	const long places[] = { 0, 1, 512, 4095, 4096 };
	const long sizes[] = { 1, 511, 512, 4096, 4097, 8192, 12289 };

	for (size_t o = 0; o < COUNT(places); o++)
		for (size_t s = 0; s < COUNT(sizes); s++)
			for (const enum op *op = ops; *op != OPS; op++)
				one(&t, *op, skews[cases * 7 % COUNT(skews)], places[o], sizes[s], 0);
	for (size_t s = 0; s < COUNT(sizes); s++)
		one(&t, OP_pread, (int)s * 7, places[s % COUNT(places)], sizes[s], 0);
	target_close(&t);
	say_file("target");
}

static void mode_dsync(void) { synced(O_DSYNC); }
static void mode_sync(void) { synced(O_SYNC); }

static void mode_rwf(void)
{
	static const int flags[] = { RWF_DSYNC, RWF_SYNC, RWF_HIPRI, RWF_APPEND, RWF_APPEND | RWF_DSYNC };
	static const enum op ops[] = { OP_preadv2, OP_pwritev2, OP_preadv2_here, OP_pwritev2_here, OPS };
	const long places[] = { 0, 1, 512, 4095, 4096 };
	const long sizes[] = { 1, 512, 4096, 8193 };
	struct target t = fresh(O_RDWR);

	for (size_t f = 0; f < COUNT(flags); f++)
		for (const enum op *op = ops; *op != OPS; op++)
			for (size_t o = 0; o < COUNT(places); o++)
				for (size_t s = 0; s < COUNT(sizes); s++)
					one(&t, *op, skews[cases * 7 % COUNT(skews)], places[o], sizes[s], flags[f]);
	for (const enum op *op = ops; *op != OPS; op++)
		one(&t, *op, 0, 0, 4096, 1 << 30);	/* no such flag */
	target_close(&t);
	say_file("target");
}

/* RWF_NOWAIT: EAGAIN, or some of the right bytes; which depends on the cache. */
static void mode_nowait(void)
{
	struct target t = fresh(O_RDWR);
	char *good = malloc((size_t)t.full), *buf = arena + 3;
	unsigned long wrong = 0, moved = 0;

	NEED(syscall(SYS_pread64, t.view[0], good, (size_t)t.full, 0) == t.full);
	for (long off = 0; off < t.full; off += 4999) {
		size_t want = 1 + (size_t)off % 9000;
		struct iovec v = { buf, want };
		ssize_t r = preadv2(t.fd, &v, 1, off, RWF_NOWAIT);

		if (r < 0 ? errno != EAGAIN : r > (ssize_t)want || memcmp(buf, good + off, (size_t)r))
			wrong++;
		v.iov_base = good + off;
		v.iov_len = off + (off_t)want > t.full ? (size_t)(t.full - off) : want;
		r = pwritev2(t.fd, &v, 1, off, RWF_NOWAIT);
		if (r < 0 ? errno != EAGAIN && errno != EOPNOTSUPP : r > (ssize_t)v.iov_len)
			wrong++;
		moved += lseek(t.fd, 0, SEEK_CUR) != 0;
	}
	printf("wrong %lu moved %lu\n", wrong, moved);
	target_close(&t);
	say_file("target");
	free(good);
}

int main(int argc, char **argv)
{
	static const struct step modes[] = {
		{ "rdonly", mode_rdonly }, { "wronly", mode_wronly }, { "rdwr", mode_rdwr }, { "skew", mode_skew },
		{ "append", mode_append }, { "dsync", mode_dsync }, { "sync", mode_sync }, { "rwf", mode_rwf },
		{ "nowait", mode_nowait },
	};

	NEED(argc >= 3);
	chunk = atol(argv[2]);
	NEED(chunk >= 65536);
	extra = argc > 3 && !strcmp(argv[3], "direct") ? O_DIRECT : 0;
	matrix_arena((size_t)(2 * chunk + 65536));
	fill(arena, arena_size, 7);
	return run_steps(modes, COUNT(modes), 2, argv);
}

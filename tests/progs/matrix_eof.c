/*
 * matrix_eof CHUNK [direct]: reads that straddle, meet and pass the end of
 * files of all sorts of sizes; holes; files that grow and shrink between the
 * calls, through this descriptor and through another one.
 */
#include "matrix.h"

static long chunk;
static int extra;

static void one(struct target *t, enum op op, int skew, long off, long len)
{
	struct iovec v = { arena + PAGE + (op_writes(op) ? (cases % 48) * PAGE : 0) + skew, (size_t)len };

	matrix_call(t, op, &v, 1, off, 0, skew ? "skewed" : "aligned");
}

static void end_of_file(void)
{
	const long c = chunk;
	const long sizes[] = { 0, 1, 511, 512, 513, 1000, 4095, 4096, 4097, 8192, 10000, c - 1, c, c + 1, 2 * c + 1 };
	const long around[] = { -8193, -4097, -4096, -513, -512, -511, -1, 0, 1, 511, 512, 4096, 100000 };
	const long lens[] = { 1, 512, 4096, 8193, 12288, c, c + 4096 };
	static const enum op ops[] = { OP_read, OP_pread, OP_readv, OP_preadv };

	for (size_t s = 0; s < COUNT(sizes); s++) {
		make_file("eof", (size_t)sizes[s], s + 1);
		struct target t = target_open("eof", O_RDONLY | extra, 0);

		for (size_t a = 0; a < COUNT(around); a++)
			for (size_t l = 0; l < COUNT(lens); l++) {
				long off = sizes[s] + around[a];

				if (off < 0)
					continue;
				one(&t, ops[cases % 4], 0, off, lens[l]);
				one(&t, ops[cases % 4], 5, off, lens[l]);
				/* a block-aligned start that runs over the end */
				one(&t, ops[cases % 4], (int)(cases % 3) * 512, off / 4096 * 4096, lens[l]);
			}
		target_close(&t);
	}
}

/* Read to the end in equal steps, as cat does; then once more. */
static void sequential(void)
{
	const long steps[] = { 1000, 4096, 65536, 100000, chunk, chunk + 3 };

	make_file("eof", (size_t)(3 * chunk + 12345), 77);
	for (size_t s = 0; s < COUNT(steps); s++) {
		int fd = open("eof", O_RDONLY | extra);
		uint64_t h = 0;
		long n = 0;
		ssize_t r;

		NEED(fd >= 0);
		while ((r = read(fd, arena + s * 3, (size_t)steps[s])) > 0) {
			h = hash_more(h, arena + s * 3, (size_t)r);
			n++;
			if (r != steps[s])
				say(r, "  step %ld, call %ld: short", steps[s], n);
		}
		say(r, "  step %ld: %ld calls, %016llx, then", steps[s], n, (unsigned long long)h);
		say(read(fd, arena, 100), "  again");
		say(lseek(fd, 0, SEEK_CUR), "  offset");
		close(fd);
	}
}

static void holes(void)
{
	static const enum op ops[] = { OP_read, OP_pread, OP_readv, OP_preadv2 };
	const long c = chunk;
	const long places[] = { 0, 1, 100, 512, 4000, 4096, 65536, 69632, 70000, 70001, 70100, 73728, c - 5, c, 2 * c, 2 * c + 300 };
	const long lens[] = { 1, 512, 513, 4096, 5000, 65536, c + 1 };
	int fd = raw_open("holes", O_RDWR | O_CREAT, 0666);

	NEED(fd >= 0);
	NEED(syscall(SYS_pwrite64, fd, arena, 512, 0) == 512);
	NEED(syscall(SYS_pwrite64, fd, arena, 99, 70001) == 99);
	NEED(syscall(SYS_pwrite64, fd, arena, 4096, c + 4096) == 4096);
	NEED(ftruncate(fd, 2 * c + 333) == 0);
	NEED(fallocate(fd, FALLOC_FL_KEEP_SIZE, c + 65536, 65536) == 0);	/* unwritten, not a hole */
	struct target t = target_open("holes", O_RDWR | extra, 0);
	for (size_t p = 0; p < COUNT(places); p++)
		for (size_t l = 0; l < COUNT(lens); l++) {
			one(&t, ops[cases % 4], 0, places[p], lens[l]);
			one(&t, ops[cases % 4], 1, places[p], lens[l]);
		}
	/* whole blocks, part blocks into holes and unwritten extents */
	for (size_t p = 0; p < COUNT(places); p++)
		for (size_t l = 0; l < 4; l++)
			one(&t, p & 1 ? OP_write : OP_pwritev, (int)(l & 1), places[p] + c, lens[l]);
	say(lseek(t.fd, 0, SEEK_DATA), "data");
	say(lseek(t.fd, 4096, SEEK_HOLE), "hole");
	target_close(&t);
	say_file("holes");
}

/* Writes beyond the end leave holes; reads between them see zeroes. */
static void growth(void)
{
	const long gaps[] = { 0, 1, 511, 512, 4096, 5000, 70000 };
	const long lens[] = { 1, 511, 512, 4096, 4097, 9000 };

	for (int sequel = 0; sequel < 2; sequel++) {
		make_file("growth", 0, 1);
		struct target t = target_open("growth", O_RDWR | extra, 0);
		struct stat st;

		for (size_t g = 0; g < COUNT(gaps); g++)
			for (size_t l = 0; l < COUNT(lens); l++) {
				NEED(fstat(t.fd, &st) == 0);
				one(&t, sequel ? OP_write : OP_pwrite, (int)(l * 3 % 7), st.st_size + gaps[g], lens[l]);
				one(&t, OP_pread, 0, st.st_size > 100 ? st.st_size - 100 : 0, gaps[g] + lens[l] + 200);
			}
		/* shrunk by ftruncate, by truncate, by O_TRUNC elsewhere */
		say(ftruncate(t.fd, 10001), "ftruncate");
		one(&t, OP_pread, 0, 8192, 8192);
		say(truncate("growth", 5000), "truncate");
		one(&t, OP_pread, 0, 4096, 8192);
		one(&t, OP_pwrite, 0, 8192, 4096);
		one(&t, OP_pread, 0, 0, 16384);
		close(open("growth", O_WRONLY | O_TRUNC));
		one(&t, OP_read, 0, 0, 4096);
		one(&t, OP_write, 0, 4096, 4096);
		one(&t, OP_pread, 0, 0, 16384);
		say(fallocate(t.fd, 0, 0, 20000), "fallocate");
		one(&t, OP_pread, 0, 0, 32768);
		say(fallocate(t.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4097, 1000), "punch");
		one(&t, OP_pread, 0, 4096, 4096);
		say(fallocate(t.fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), "collapse");
		one(&t, OP_pread, 0, 0, 4096);
		target_close(&t);
		say_file("growth");
	}
}

/* Two descriptors of one file, one through the shim, one by raw calls. */
static void two_ways(void)
{
	unsigned long stale = 0, lost = 0;
	char *raw = fenced(8192), *ours = fenced(16384);
	int r, fd;

	make_file("two", 65536, 3);
	r = raw_open("two", O_RDWR, 0);
	fd = open("two", O_RDWR | extra);
	NEED(r >= 0 && fd >= 0);
	for (int i = 0; i < 1500; i++) {
		long off = i * 97L % 57000, n = 1 + i * 13L % 8000;

		fill(raw, (size_t)n, (uint64_t)i);
		NEED(syscall(SYS_pwrite64, r, raw, n, off) == n);
		if (pread(fd, ours + i % 5, (size_t)n, off) != n || memcmp(ours + i % 5, raw, (size_t)n))
			stale++;
		off = i * 89L % 57000;
		fill(ours, (size_t)n + 7, (uint64_t)i + 5000);
		if (pwrite(fd, ours + i % 7, (size_t)n, off) != n)
			lost++;
		NEED(syscall(SYS_pread64, r, raw, n, off) == n);
		lost += !!memcmp(raw, ours + i % 7, (size_t)n);
	}
	printf("stale %lu lost %lu\n", stale, lost);
	close(fd);
	close(r);
	say_file("two");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "end_of_file", end_of_file }, { "sequential", sequential }, { "holes", holes },
		{ "growth", growth }, { "two_ways", two_ways },
	};

	NEED(argc >= 2);
	chunk = atol(argv[1]);
	extra = argc > 2 && !strcmp(argv[2], "direct") ? O_DIRECT : 0;
	matrix_arena((size_t)(2 * chunk + 131072));
	fill(arena, arena_size, 9);
	return run_steps(steps, COUNT(steps), 1, argv);
}

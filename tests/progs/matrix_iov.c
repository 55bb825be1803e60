/*
 * matrix_iov CHUNK [direct]: vectors of 1 to 1024 pieces: whole blocks, odd
 * pieces, empty ones in between, co-aligned with the offset, overlapping; the
 * vectors that the kernel refuses; sums around its longest transfer.
 */
#include "matrix.h"

#define MOST 1024
static long chunk;
static int extra;
static struct iovec v[MOST + 1];

static const enum op readers[] = { OP_readv, OP_preadv, OP_preadv2, OP_preadv64 };
static const enum op writers[] = { OP_writev, OP_pwritev, OP_pwritev2, OP_pwritev64 };
static const int counts[] = { 1, 2, 3, 7, 64, 1024 };

/* Pieces of size bytes, gap bytes apart, from skew on; every 'empty'th empty. */
static void shape(int n, size_t size, size_t gap, size_t skew, int empty)
{
	char *p = arena + PAGE + skew;

	for (int i = 0; i < n; i++) {
		bool none = empty && i % empty == empty - 1;

		v[i].iov_base = none && i & 2 ? NULL : p;
		v[i].iov_len = none ? 0 : size;
		p += none ? 0 : size + gap;
	}
}

static void both(struct target *t, int n, long off, const char *label)
{
	matrix_call(t, readers[cases % 4], v, n, off, 0, label);
	if (cases % 4 == 0)
		NEED(truncate("target", t->full) == 0);
	matrix_call(t, writers[cases % 4], v, n, off, 0, label);
}

static struct target fresh(int flags)
{
	off_t full = 2 * chunk + 16384 + 777;

	make_file("target", (size_t)full, 42);
	return target_open("target", flags | extra, full);
}

static void whole(void)
{
	static const size_t sizes[] = { 512, 1024, 4096, 8192, 65536 };
	static const long offs[] = { 0, 512, 4096, 100, 8191 };
	struct target t = fresh(O_RDWR);

	for (size_t c = 0; c < COUNT(counts); c++)
		for (size_t s = 0; s < COUNT(sizes); s++)
			for (size_t o = 0; o < COUNT(offs); o++) {
				int n = counts[c];

				if (sizes[s] * (size_t)n > (size_t)(2 * chunk))
					continue;
				shape(n, sizes[s], 0, 0, 0);
				both(&t, n, offs[o], "blocks");
				shape(n, sizes[s], 0, 512, 0);
				both(&t, n, offs[o], "blocks+512");
				if ((sizes[s] + 4096) * (size_t)n > (size_t)(2 * chunk))
					continue;
				shape(n, sizes[s], 4096, 0, 3);
				both(&t, n, offs[o], "blocks, gaps, empties");
			}
	target_close(&t);
	say_file("target");
}

static void odd(void)
{
	static const size_t sizes[] = { 1, 7, 511, 513, 1000, 4095, 4097 };
	static const long offs[] = { 0, 1, 511, 512, 4096, 4099, 12345 };
	struct target t = fresh(O_RDWR);

	for (size_t c = 0; c < COUNT(counts); c++)
		for (size_t s = 0; s < COUNT(sizes); s++)
			for (size_t o = 0; o < COUNT(offs); o++) {
				int n = counts[c];

				if ((sizes[s] + 1) * (size_t)n > (size_t)(2 * chunk))
					continue;
				shape(n, sizes[s], 0, (size_t)(cases % 9), 0);
				both(&t, n, offs[o], "odd");
				shape(n, sizes[s], 1, (size_t)(cases % 5) * 512, 2);
				both(&t, n, offs[o], "odd, gaps, empties");
			}
	target_close(&t);
	say_file("target");
}

/* Buffer and offset off by the same amount; first or last piece odd. */
static void coaligned(void)
{
	static const size_t skew[] = { 1, 100, 511, 512, 513, 1000, 3584, 4095 };
	struct target t = fresh(O_RDWR);

	for (size_t s = 0; s < COUNT(skew); s++)
		for (int n = 1; n <= 4; n++) {
			shape(n, 16384, 0, skew[s], 0);
			both(&t, n, (long)skew[s], "co-aligned");
			both(&t, n, (long)skew[s] + 8192, "co-aligned");
			both(&t, n, (long)skew[s] + 512, "co-aligned to 512");
			v[n - 1].iov_len -= skew[s];	/* ends on a block */
			both(&t, n, (long)skew[s], "co-aligned, whole end");
			v[0] = (struct iovec){ arena + PAGE + 300, skew[s] };
			v[1] = (struct iovec){ arena + 4 * PAGE, 16384 };
			both(&t, 2, 0, "odd head, whole rest");
			both(&t, 2, 8192 - (long)skew[s], "odd head, whole rest, block offset");
			v[0] = (struct iovec){ arena + 4 * PAGE, 16384 };
			v[1] = (struct iovec){ arena + PAGE + 300, skew[s] };
			both(&t, 2, 0, "whole, odd tail");
			v[0] = (struct iovec){ arena + 4 * PAGE, 512 };
			v[1] = (struct iovec){ arena + 6 * PAGE, 3584 };
			v[2] = (struct iovec){ arena + 8 * PAGE, 4096 };
			both(&t, 3, 4096, "512+3584+4096");
			v[0].iov_len = 256;
			v[1].iov_len = 256;
			v[1].iov_base = arena + 6 * PAGE + 256;
			both(&t, 2, 512, "half blocks");
		}
	target_close(&t);
	say_file("target");
}

static void random_shapes(void)
{
	uint64_t s = 20240607;
	struct target t = fresh(O_RDWR);

	for (int i = 0; i < 1500; i++) {
		int n = 1 + (int)(next_random(&s) % 12);
		size_t room = 1 + next_random(&s) % (size_t)(chunk + chunk / 2);
		char *p = arena + PAGE + (next_random(&s) % 3 ? next_random(&s) % 4096 : 0);

		for (int k = 0; k < n; k++) {
			size_t len = next_random(&s) % (room / (size_t)n + 1);

			if (next_random(&s) % 2)
				len &= ~511UL;
			p += next_random(&s) % 4 ? 0 : next_random(&s) % 1000;
			v[k] = (struct iovec){ p, len };
			p += len;
		}
		long off = (long)(next_random(&s) % (uint64_t)t.full);
		if (next_random(&s) % 2)
			off &= ~511L;
		both(&t, n, off, "random");
	}
	target_close(&t);
	say_file("target");
}

/* Pieces that overlap: the kernel fills and takes them in order. */
static void overlapping(void)
{
	struct target t = fresh(O_RDWR);

	for (long off = 0; off < 3000; off += 256)
		for (size_t size = 512; size <= 8192; size *= 4) {
			v[0] = (struct iovec){ arena + PAGE, size };
			v[1] = (struct iovec){ arena + PAGE + size / 2, size };
			v[2] = (struct iovec){ arena + PAGE, size / 2 };
			memset(arena, 0, 8 * PAGE);
			say(preadv(t.fd, v, 3, off), "overlapping off=%ld size=%zu", off, size);
			printf("  %016llx\n", (unsigned long long)hash(arena, 8 * PAGE));
			fill(arena, 8 * PAGE, (uint64_t)off + size);
			matrix_call(&t, OP_pwritev, v, 3, off, 0, "overlapping");
		}
	target_close(&t);
	say_file("target");
}

static void refused(void)
{
	struct target t = fresh(O_RDWR);
	size_t huge = 3UL << 30;
	char *big = mmap(NULL, huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long r;

	NEED(big != MAP_FAILED);
	shape(1025, 16, 0, 0, 0);
	for (int n = -1; n <= 1025; n += n == 0 ? 1024 : 1) {
		say(readv(t.fd, v, n), "readv n=%d", n);
		say(writev(t.fd, v, n), "writev n=%d", n);
		say(preadv(t.fd, v, n, 512), "preadv n=%d", n);
		say(pwritev(t.fd, v, n, 512), "pwritev n=%d", n);
		say(preadv2(t.fd, v, n, 512, 0), "preadv2 n=%d", n);
		say(pwritev2(t.fd, v, n, -1, 0), "pwritev2 n=%d", n);
		say(lseek(t.fd, 0, SEEK_CUR), "offset");
	}
	const size_t longest[] = { SSIZE_MAX, (size_t)SSIZE_MAX + 1, SIZE_MAX, SIZE_MAX - 4095 };
	for (size_t i = 0; i < COUNT(longest); i++) {
		v[0] = (struct iovec){ arena + PAGE, longest[i] };
		v[1] = (struct iovec){ arena + PAGE, 4096 };
		for (int n = 1; n <= 2; n++) {
			lseek(t.fd, t.full - 5000, SEEK_SET);
			r = readv(t.fd, v, n);
			say(r, "readv len=%zx n=%d", longest[i], n);
			r = pwritev(t.fd, v, n, t.full - 5000);
			say(r < 0 ? r : r > 0, "pwritev len=%zx n=%d", longest[i], n);
			NEED(truncate("target", t.full) == 0);
		}
		v[0].iov_len = 4096;	/* the sum is too large, each piece is not */
		v[1].iov_len = longest[i];
		say(preadv(t.fd, v, 2, 4096), "preadv second len=%zx", longest[i]);
	}
	/* more than one call can move: up to the end of the file */
	v[0] = (struct iovec){ arena + PAGE, 100 };
	v[1] = (struct iovec){ big, huge };
	v[2] = (struct iovec){ big, huge };
	say(preadv(t.fd, v, 3, 1), "preadv of 6 GiB");
	printf("  %016llx\n", (unsigned long long)hash(big, (size_t)t.full));
	say(pread(t.fd, big + 1, huge - 1, 4096), "pread of 3 GiB");
	printf("  %016llx\n", (unsigned long long)hash(big, (size_t)t.full));
	munmap(big, huge);
	target_close(&t);
	say_file("target");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "whole", whole }, { "odd", odd }, { "coaligned", coaligned }, { "random", random_shapes },
		{ "overlapping", overlapping }, { "refused", refused },
	};

	NEED(argc >= 2);
	chunk = atol(argv[1]);
	extra = argc > 2 && !strcmp(argv[2], "direct") ? O_DIRECT : 0;
	matrix_arena((size_t)(MOST * 8192));
	fill(arena, arena_size, 11);
	return run_steps(steps, COUNT(steps), 1, argv);
}

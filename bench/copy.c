/*
 * copy: which simple loop moves bytes between the pool and a program's
 * buffer fastest, for every skew of their addresses modulo the page?
 *
 *	copy [-q] [-w] [-c] [-s SIZE] [-k SKEW]
 *
 * One line per size and skew: GB/s (10^9 bytes) of each loop, the median of
 * interleaved rounds. Reading (default): the source is page-aligned, the target
 * is SKEW bytes above a page. -w: the other way round. -c: both sides walk
 * through more memory than the caches hold. -q: fewer sizes and rounds.
 * Memory: the pool side huge-page advised, the other side plain.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef uint8_t v16 __attribute__((vector_size(16), aligned(1), may_alias));

enum {
	SPAN = 64 << 20,
	TOTAL = 4 << 20,	/* bytes copied per round and loop */
	ROUNDS = 15,
};

#define NOINLINE __attribute__((noinline))

/* Keeps the compiler from turning a loop back into a call of memcpy. */
#define KEEP_LOOP __asm__ volatile("" ::: "memory")

static NOINLINE void copy_libc(uint8_t *dst, const uint8_t *src, size_t n)
{
	memcpy(dst, src, n);
}

static void copy_tail(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (; n >= 16; n -= 16, dst += 16, src += 16) {
		*(v16 *)dst = *(const v16 *)src;
		KEEP_LOOP;
	}
	for (; n; n--) {
		*dst++ = *src++;
		KEEP_LOOP;
	}
}

/* 64 bytes a turn: four loads, then four stores. */
static NOINLINE void copy_v16x4(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (; n >= 64; n -= 64, dst += 64, src += 64) {
		const v16 a = *(const v16 *)src, b = *(const v16 *)(src + 16);
		const v16 c = *(const v16 *)(src + 32), d = *(const v16 *)(src + 48);

		*(v16 *)dst = a;
		*(v16 *)(dst + 16) = b;
		*(v16 *)(dst + 32) = c;
		*(v16 *)(dst + 48) = d;
		KEEP_LOOP;
	}
	copy_tail(dst, src, n);
}

/* The same after bringing the target to a multiple of 64. */
static NOINLINE void copy_v16x4_aligned(uint8_t *dst, const uint8_t *src, size_t n)
{
	size_t head = -(uintptr_t)dst & 63;

	head = head < n ? head : n;
	copy_tail(dst, src, head);
	copy_v16x4(dst + head, src + head, n - head);
}

/* From the end to the start: loads then never trail the stores. */
static NOINLINE void copy_v16x4_back(uint8_t *dst, const uint8_t *src, size_t n)
{
	for (; n >= 64; n -= 64) {
		const uint8_t *s = src + n - 64;
		uint8_t *t = dst + n - 64;
		const v16 a = *(const v16 *)(s + 48), b = *(const v16 *)(s + 32);
		const v16 c = *(const v16 *)(s + 16), d = *(const v16 *)s;

		*(v16 *)(t + 48) = a;
		*(v16 *)(t + 32) = b;
		*(v16 *)(t + 16) = c;
		*(v16 *)t = d;
		KEEP_LOOP;
	}
	copy_tail(dst, src, n);
}

#if defined(__x86_64__)
static NOINLINE void copy_rep(uint8_t *dst, const uint8_t *src, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) :: "memory");
}

__attribute__((target("avx"))) static NOINLINE void copy_v32x4(uint8_t *dst,
							       const uint8_t *src, size_t n)
{
	for (; n >= 128; n -= 128, dst += 128, src += 128) {
		const __m256i a = _mm256_loadu_si256((const void *)src);
		const __m256i b = _mm256_loadu_si256((const void *)(src + 32));
		const __m256i c = _mm256_loadu_si256((const void *)(src + 64));
		const __m256i d = _mm256_loadu_si256((const void *)(src + 96));

		_mm256_storeu_si256((void *)dst, a);
		_mm256_storeu_si256((void *)(dst + 32), b);
		_mm256_storeu_si256((void *)(dst + 64), c);
		_mm256_storeu_si256((void *)(dst + 96), d);
	}
	copy_tail(dst, src, n);
}

/* Non-temporal stores: the target is brought to a multiple of 16 first. */
static NOINLINE void copy_stream(uint8_t *dst, const uint8_t *src, size_t n)
{
	size_t head = -(uintptr_t)dst & 15;

	head = head < n ? head : n;
	copy_tail(dst, src, head);
	for (dst += head, src += head, n -= head; n >= 16; n -= 16, dst += 16, src += 16)
		_mm_stream_si128((void *)dst, _mm_loadu_si128((const void *)src));
	_mm_sfence();
	copy_tail(dst, src, n);
}
#endif

static const struct loop {
	const char *name;
	void (*run)(uint8_t *dst, const uint8_t *src, size_t n);
} loops[] = {
	{ "memcpy", copy_libc },
	{ "v16x4", copy_v16x4 },
	{ "v16x4al", copy_v16x4_aligned },
	{ "v16back", copy_v16x4_back },
#if defined(__x86_64__)
	{ "rep", copy_rep },
	{ "avx32x4", copy_v32x4 },
	{ "stream", copy_stream },
#endif
};
enum { LOOPS = sizeof(loops) / sizeof(loops[0]) };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint8_t *arena(bool huge)
{
	const size_t two_mib = 2 << 20;
	uint8_t *p = mmap(NULL, SPAN + two_mib, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	p += -(uintptr_t)p & (two_mib - 1);
	madvise(p, SPAN, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (size_t i = 0; i < SPAN; i++)
		p[i] = (uint8_t)(i * 131 + (i >> 12));
	return p;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool cold;

static double once(const struct loop *l, uint8_t *dst, const uint8_t *src, size_t n)
{
	static size_t at;
	const size_t turns = TOTAL / n, step = (n + 4095) & ~(size_t)4095;
	double t = now();

	for (size_t i = 0; i < turns; i++) {
		l->run(dst + at, src + at, n);
		KEEP_LOOP;
		if (cold)
			at = at + 2 * step + 4096 < SPAN ? at + step : 0;
	}
	t = now() - t;
	return (double)(turns * n) / t / 1e9;
}

static void check(const struct loop *l, uint8_t *dst, const uint8_t *src, size_t n)
{
	memset(dst, 0xee, n);
	l->run(dst, src, n);
	if (memcmp(dst, src, n)) {
		fprintf(stderr, "copy: %s copies wrongly\n", l->name);
		exit(1);
	}
}

static void row(size_t n, size_t skew, uint8_t *dst, const uint8_t *src, int rounds)
{
	static double gbs[LOOPS][ROUNDS];

	for (int l = 0; l < LOOPS; l++)
		check(&loops[l], dst, src, n);
	for (int r = 0; r < rounds; r++)
		for (int l = 0; l < LOOPS; l++)
			gbs[l][r] = once(&loops[l], dst, src, n);
	printf("%8zu %5zu", n, skew);
	for (int l = 0; l < LOOPS; l++) {
		qsort(gbs[l], (size_t)rounds, sizeof(double), by_value);
		printf(" %8.1f", gbs[l][rounds / 2]);
	}
	putchar('\n');
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 512, 4096, 16384, 65536, 262144, 1048576 };
	static const size_t skews[] = { 0, 1, 8, 13, 16, 32, 63, 64, 100, 512, 2048, 4095 };
	size_t one_size = 0, one_skew = SIZE_MAX;
	bool quick = false, writing = false;
	uint8_t *pool, *mine;
	int opt;

	while ((opt = getopt(argc, argv, "qwcs:k:")) != -1) {
		if (opt == 'q')
			quick = true;
		else if (opt == 'w')
			writing = true;
		else if (opt == 'c')
			cold = true;
		else if (opt == 's')
			one_size = strtoul(optarg, NULL, 0);
		else if (opt == 'k')
			one_skew = strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	pool = arena(true);
	mine = arena(false);
	printf("# %s, %s, GB/s\n", writing ? "program (skewed) -> pool" : "pool -> program (skewed)",
	       cold ? "out of cache" : "in cache");
	printf("%8s %5s", "bytes", "skew");
	for (int l = 0; l < LOOPS; l++)
		printf(" %8s", loops[l].name);
	putchar('\n');
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (one_size ? sizes[i] != one_size : quick && i % 2 == 0)
			continue;
		for (size_t k = 0; k < sizeof(skews) / sizeof(skews[0]); k++) {
			if (one_skew != SIZE_MAX && skews[k] != one_skew)
				continue;
			if (writing)
				row(sizes[i], skews[k], pool, mine + skews[k], quick ? 5 : ROUNDS);
			else
				row(sizes[i], skews[k], mine + skews[k], pool, quick ? 5 : ROUNDS);
		}
	}
	return 0;
}

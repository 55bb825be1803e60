/*
 * fuzz: what the fuzz targets share. A target is one file with one function,
 * LLVMFuzzerTestOneInput; libFuzzer's main drives it, or replay.c's, which
 * needs no clang. A target reads its input as numbers, and stops the process
 * (must) where a promise is broken.
 * Depends on libc alone.
 */
#ifndef DIOSHIM_FUZZ_H
#define DIOSHIM_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input. */
struct bytes {
	const uint8_t *at, *end;
};

#define BYTES(data, size) { data, data + size }

static inline bool any_left(const struct bytes *b)
{
	return b->at < b->end;
}

/* The next n <= 8 bytes as a number; past the end there are zeroes. */
static inline uint64_t take(struct bytes *b, unsigned n)
{
	uint64_t x = 0;

	for (unsigned i = 0; i < n; i++)
		x = x << 8 | (b->at < b->end ? *b->at++ : 0);
	return x;
}

/* A number below n, which is at most 2^16. */
static inline unsigned below(struct bytes *b, unsigned n)
{
	return n <= 1 ? 0 : (unsigned)(take(b, n > 256 ? 2 : 1) % n);
}

/* True once in n. */
static inline bool once_in(struct bytes *b, unsigned n)
{
	return below(b, n) == n - 1;
}

/* A multiple of block up to max, or near one: where mistakes are. */
static inline uint64_t near_multiple(struct bytes *b, uint64_t block, uint64_t max)
{
	static const int off[] = { 0, 0, 0, 1, -1, 2, 511, 512, -512, 4095, 4096 };
	uint64_t n = block * below(b, (unsigned)(max / block + 1 > 65536 ? 65536 : max / block + 1));
	unsigned how = below(b, 16);

	if (how < sizeof(off) / sizeof(off[0]))
		n += (uint64_t)(int64_t)off[how];
	else if (how < 15)
		n += take(b, 2);
	else
		n = take(b, 3);
	return n > max ? n % (max + 1) : n;
}

/* Shows the input of a target, as the target understood it, before it stops. */
__attribute__((unused)) static void (*explain)(void);

#define must(cond, ...)                                                     \
	do {                                                                \
		if (!(cond)) {                                              \
			dprintf(2, "%s:%d: ", __FILE__, __LINE__);          \
			dprintf(2, __VA_ARGS__);                            \
			dprintf(2, "\n");                                   \
			if (explain)                                        \
				explain();                                  \
			abort();                                            \
		}                                                           \
	} while (0)

#endif

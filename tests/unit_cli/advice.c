/* advice: one line per kind of trouble, by the largest gain; never too long. */
#include "advice.h"

#include "tap.h"

#define GIB	((uint64_t)1 << 30)
#define NOTHING	"nothing to gain here"

struct example {
	const char *name;
	struct advice_in in;
	const char *want;
};

static const struct example examples[] = {
	{ "no figures", { .is_read = true }, NOTHING },
	{ "zero-copy already", { .is_read = true, .calls = 9, .mem_align = 512, .offset_align = 512 },
	  NOTHING },
	{ "less than a block", { .calls = 1, .copied_bytes = 4095, .memory_bytes = 4095 }, NOTHING },
	{ "less than a large block",
	  { .calls = 9, .offset_bytes = 16383, .length_calls = 9, .offset_align = 16384 }, NOTHING },
	{ "in no way", { .calls = 9, .never_bytes = GIB }, NOTHING },

	{ "memory", { .is_read = true, .calls = 9, .copied_bytes = GIB + GIB / 5, .address_calls = 9,
		      .mem_align = 512, .offset_align = 512, .memory_bytes = GIB + GIB / 5 },
	  "allocate the buffer with aligned_alloc(4096, ...): 1.2 GiB of copies would go" },
	{ "memory, of a file that wants more",
	  { .calls = 9, .address_calls = 9, .mem_align = 16384, .memory_bytes = 65536 },
	  "allocate the buffer with aligned_alloc(16384, ...): 64.0 KiB of copies would go" },

	{ "offset and length", { .is_read = true, .calls = 9, .offset_calls = 9, .length_calls = 9,
				 .offset_align = 512, .offset_bytes = GIB },
	  "read in multiples of 4096 bytes at multiples of 4096: 1.0 GiB of copies would go" },
	{ "length", { .calls = 9, .length_calls = 9, .offset_align = 512, .offset_bytes = GIB },
	  "write in multiples of 4096 bytes: 1.0 GiB of copies would go" },
	{ "offset", { .calls = 9, .offset_calls = 9, .offset_align = 8192, .offset_bytes = GIB },
	  "write at multiples of 8192: 1.0 GiB of copies would go" },
	{ "all three, read", { .is_read = true, .calls = 9, .address_calls = 9, .offset_calls = 9,
			       .length_calls = 9, .offset_bytes = GIB, .memory_bytes = 5 },
	  "read in multiples of 4096 bytes at multiples of 4096, into memory of "
	  "aligned_alloc(4096, ...): 1.0 GiB of copies would go" },
	{ "two, written", { .calls = 9, .address_calls = 1, .offset_calls = 9, .mem_align = 8192,
			    .offset_bytes = GIB },
	  "write at multiples of 4096, from memory of aligned_alloc(8192, ...): "
	  "1.0 GiB of copies would go" },
	{ "offset, and nobody counted what was off", { .is_read = true, .offset_bytes = GIB },
	  "read in multiples of 4096 bytes: 1.0 GiB of copies would go" },

	{ "small writes", { .calls = 9, .length_calls = 9, .offset_align = 4096,
			    .offset_bytes = GIB, .small_bytes = GIB, .commonest_length = 100 },
	  "write whole blocks: gather 100-byte writes in a buffer of 64 KiB: 1.0 GiB of copies would go" },
	{ "small reads", { .is_read = true, .offset_align = 512, .small_bytes = GIB,
			   .commonest_length = 80 },
	  "read whole blocks: serve 80-byte reads from a buffer of 64 KiB: 1.0 GiB of copies would go" },
	{ "small, of many lengths", { .offset_align = 131072, .small_bytes = GIB },
	  "write whole blocks: gather small writes in a buffer of 128 KiB: 1.0 GiB of copies would go" },
	{ "a few small ones among large", { .length_calls = 9, .offset_bytes = GIB,
					    .small_bytes = GIB / 4 },
	  "write in multiples of 4096 bytes: 1.0 GiB of copies would go" },
	{ "small ones beside larger, aligned but for their memory",
	  { .memory_bytes = 2 * GIB, .small_bytes = GIB },
	  "allocate the buffer with aligned_alloc(4096, ...): 2.0 GiB of copies would go" },

	{ "appended", { .calls = 9, .append_bytes = GIB },
	  "O_APPEND writes are never direct: if nobody else appends, keep the offset yourself and "
	  "use pwrite: 1.0 GiB of copies would go" },
	{ "appended in small pieces", { .append_bytes = GIB, .small_bytes = GIB, .never_bytes = GIB },
	  "O_APPEND writes are never direct: if nobody else appends, keep the offset yourself and "
	  "use pwrite, in whole blocks: 1.0 GiB of copies would go" },
	{ "a little appended", { .append_bytes = 5000, .memory_bytes = 1 << 20 },
	  "allocate the buffer with aligned_alloc(4096, ...): 1.0 MiB of copies would go" },
	{ "a read that says it appends", { .is_read = true, .append_bytes = GIB }, NOTHING },
};

/* Whatever the figures and the room: a text, and nothing behind it. */
static void test_room(void)
{
	unsigned seed = 1;
	bool good = true;

	for (int i = 0; i < 20000; i++) {
		struct advice_in in;
		char to[300];
		size_t size = 1 + (size_t)rand_r(&seed) % 250;

		for (size_t k = 0; k < sizeof(in); k++)
			((unsigned char *)&in)[k] = rand_r(&seed) % 3 ? (unsigned char)rand_r(&seed) : 0;
		in.is_read = i % 2;
		memset(to, '#', sizeof(to));
		advice_line(&in, to, size);
		good &= memchr(to, '\0', size) && to[size] == '#' && (size == 1 || *to);
	}
	ok(good, "20,000 random figures in as little room");
}

int main(void)
{
	char line[256];

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		advice_line(&examples[i].in, line, sizeof(line));
		is_str(line, examples[i].want, "%s", examples[i].name);
	}
	test_room();
	return done_testing();
}

#include "advice.h"

#include "human.h"

#include <inttypes.h>
#include <stdio.h>

/* Page and block of most systems: what fits them fits the next file, too. */
#define ALIGN_LEAST	4096
#define GATHER_LEAST	((uint32_t)64 << 10)

static uint32_t at_least(uint32_t wanted, uint32_t least)
{
	return wanted > least ? wanted : least;
}

static int advise_append(const struct advice_in *in, char *to, size_t size)
{
	/* Of short ones the first step alone saves nothing. */
	bool small = in->small_bytes >= in->append_bytes / 2 && in->small_bytes;

	return snprintf(to, size, "O_APPEND writes are never direct: if nobody else appends, keep "
			"the offset yourself and use pwrite%s", small ? ", in whole blocks" : "");
}

static int advise_small(const struct advice_in *in, char *to, size_t size)
{
	const char *verb = in->is_read ? "read" : "write";
	uint32_t align = at_least(in->offset_align, ALIGN_LEAST);
	uint32_t buffer = at_least(align, GATHER_LEAST);
	char length[32] = "small";

	if (in->commonest_length && in->commonest_length < align)
		snprintf(length, sizeof(length), "%" PRIu64 "-byte", in->commonest_length);
	return snprintf(to, size, in->is_read ?
			"%s whole blocks: serve %s %ss from a buffer of %" PRIu32 " KiB" :
			"%s whole blocks: gather %s %ss in a buffer of %" PRIu32 " KiB",
			verb, length, verb, buffer >> 10);
}

static int advise_memory(const struct advice_in *in, char *to, size_t size)
{
	return snprintf(to, size, "allocate the buffer with aligned_alloc(%" PRIu32 ", ...)",
			at_least(in->mem_align, ALIGN_LEAST));
}

static int advise_offset(const struct advice_in *in, char *to, size_t size)
{
	uint32_t align = at_least(in->offset_align, ALIGN_LEAST);
	bool length = in->length_calls || !in->offset_calls;
	char lengths[64] = "", offsets[64] = "", memory[80] = "";

	if (length)
		snprintf(lengths, sizeof(lengths), " in multiples of %" PRIu32 " bytes", align);
	if (in->offset_calls)
		snprintf(offsets, sizeof(offsets), " at multiples of %" PRIu32, align);
	if (in->address_calls)
		snprintf(memory, sizeof(memory), ", %s memory of aligned_alloc(%" PRIu32 ", ...)",
			 in->is_read ? "into" : "from", at_least(in->mem_align, ALIGN_LEAST));
	return snprintf(to, size, "%s%s%s%s", in->is_read ? "read" : "write", lengths, offsets,
			memory);
}

void advice_line(const struct advice_in *in, char *to, size_t size)
{
	uint64_t gain = in->memory_bytes;
	int (*advise)(const struct advice_in *, char *, size_t) = advise_memory;
	int n;

	if (in->offset_bytes > gain) {
		gain = in->offset_bytes;
		advise = advise_offset;
	}
	/* Small ones are off in length as well: that is their whole trouble. */
	if (in->small_bytes >= in->memory_bytes && in->small_bytes >= in->offset_bytes / 2) {
		gain = in->small_bytes;
		advise = advise_small;
	}
	if (!in->is_read && in->append_bytes >= gain) {
		gain = in->append_bytes;
		advise = advise_append;
	}
	/* Less than a block is not worth a line of anybody's code. */
	if (gain < at_least(in->offset_align, ALIGN_LEAST)) {
		snprintf(to, size, "nothing to gain here");
		return;
	}
	n = advise(in, to, size);
	if (n > 0 && (size_t)n < size)
		snprintf(to + n, size - (size_t)n, ": %s of copies would go",
			 human_bytes(gain).text);
}

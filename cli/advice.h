/*
 * advice: what a programmer can do about the copies of one call site, in one
 * line. Pure: figures in, a text out.
 */
#ifndef DIOSHIM_ADVICE_H
#define DIOSHIM_ADVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct advice_in {
	bool is_read;
	uint64_t calls;
	uint64_t copied_bytes;		/* bounced: could be zero-copy */
	uint64_t address_calls, offset_calls, length_calls;	/* in which each was off */
	uint32_t mem_align, offset_align;	/* bytes, what the file wants; 0: not known */
	uint64_t memory_bytes;		/* zero-copy if the memory alone were aligned */
	uint64_t offset_bytes;		/* if offset and length were as well */
	uint64_t never_bytes;		/* in no way */
	uint64_t append_bytes;		/* written by O_APPEND */
	uint64_t small_bytes;		/* in requests shorter than offset_align */
	uint64_t commonest_length;	/* bytes; 0: not known */
};

/* Follows the largest gain. Never empty, ends within size bytes. */
void advice_line(const struct advice_in *in, char *to, size_t size);

#endif

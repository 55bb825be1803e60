/*
 * pool: aligned memory for bounced I/O.
 *
 * One private mapping, made at first need, cut into equal chunks (DIOSHIM_CHUNK)
 * that a 64-bit bitmap hands out by compare-and-swap: no lock, safe in signal
 * handlers. MADV_DONTFORK: a fork child starts with none (pool_forget).
 * Page-aligned always, whatever statx says of memory alignment.
 * Depends on: sys.
 */
#ifndef DIOSHIM_POOL_H
#define DIOSHIM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_SMALL	(64u << 10)	/* bytes; requests up to this share the low chunks */

/* Sizes in bytes; chunk a power of two, at most 64 chunks are used. */
void pool_configure(uint64_t pool, uint64_t chunk);

/*
 * A chunk, or NULL when none is free. want is how many bytes of it will be
 * used: small ones come from the low end, which is not backed by huge pages,
 * so that a short-lived process that bounces little does not zero 2 MiB.
 */
char *pool_get(size_t want);
void pool_put(char *chunk);

size_t pool_chunk(void);	/* bytes of one chunk */
unsigned pool_count(void);	/* chunks, used or not */

/* Called when none is free: true if another try is worth it. NULL: there is nobody to ask. */
extern bool (*pool_pressure)(void);
void pool_forget(void);		/* in a fork child: the mapping is not there */
void pool_stand_in(void);	/* before that: something to read is, where it was */

#endif

/*
 * auto: mode auto: which way costs least, asked of the page cache (cachestat)
 * and of what the file was asked for last.
 *
 *   reads    a sequence in a file of which nothing was cached goes through the page
 *            cache, dropped behind the reader; what is cached comes from the cache; other
 *            cold sequences get a stream; large cold requests go direct; small ones in
 *            no sequence stay cached
 *   writes   many whole blocks go direct; less goes through the page cache, which
 *            lets go of it behind the writer
 *
 * A file that was left to the page cache several times in a row passes without
 * being asked about, for ever more bytes, up to 2 MiB.
 * Depends on: behind, cache, file, stream, engine.h's request.
 */
#ifndef DIOSHIM_AUTO_H
#define DIOSHIM_AUTO_H

#include "engine.h"
#include "state.h"

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80	/* Linux 6.14 */
#endif

/* REASON_NONE: as planned. Else why it is left to the program's descriptor; REASON_behind: auto_write_behind. */
enum reason auto_choose(struct file *f, const struct request *rq, const struct plan *p, uint64_t size,
			uint64_t off);

/* The request as it is, with RWF_DONTCACHE where that works. Bytes, or -errno. */
ssize_t auto_write_behind(const struct request *rq);

/* Is a copy from there better left to the kernel? */
bool auto_source_warm(const struct file *f, int fd, uint64_t off, size_t len);

#define AUTO_BEHIND_MIN	(1u << 20)	/* bytes of a write: for less each its own write-back is too much */
#define AUTO_PASS_MIN	8192u		/* bytes that a request counts as, at least */
#define AUTO_PASS_VECTOR (512u << 10)	/* and a vector, whose sum is not known yet */

/* A request of len bytes on that file is to pass to the kernel unasked. */
static inline bool auto_passes(uint64_t word, enum op op, size_t len)
{
	struct file *f;
	uint32_t left;

	if (state_config.mode != MODE_auto || fdtab_tag(word) != FD_FILE || (word & FD_RESCUE))
		return false;
	f = file_peek(word);
	left = __atomic_load_n(&f->lately.pass[op], __ATOMIC_RELAXED);
	if (len < AUTO_PASS_MIN)
		len = AUTO_PASS_MIN;
	if (left < len)
		return false;
	__atomic_store_n(&f->lately.pass[op], left - (uint32_t)len, __ATOMIC_RELAXED);
	return true;
}

#endif

/*
 * behind: mode auto: what a request brings into the page cache goes again, behind
 * the reader or the writer, and at the end. Only what is ours: the pages of a file
 * from where nothing was resident when it was first looked at.
 *
 *   in sequence  read: dropped in pieces, some way behind the reader.
 *                written, and not read: write-back is begun in pieces, and what it has cleaned is dropped
 *   elsewhere    stays while the file is open (locality pays), and goes when it is
 *                closed, if it is more than BEHIND_KEEP
 *
 * What is done for the sake of written data takes a small share of the time at most
 * (setting auto-effort), and what the process spends waiting: what cannot be done in
 * that stays in the page cache.
 * Depends on: cache, file, state.
 */
#ifndef DIOSHIM_BEHIND_H
#define DIOSHIM_BEHIND_H

#include "file.h"

#define BEHIND_SMALL	(1u << 20)	/* bytes: files of no more than that stay, also for the next program */
#define BEHIND_STEP	(4u << 20)	/* bytes that are dropped, or whose write-back is begun, at a time */
#define BEHIND_KEEP	(8u << 20)	/* bytes: what is kept at the end of what was read or written here and there */

/* Before the first request on the file is made: which of its pages will be ours. */
void behind_look(struct file *f, int fd, uint64_t size);

/*
 * A read from off to end, that follows another one or not: is it to go through the
 * page cache, as part of a sequence of which nothing is to stay?
 */
bool behind_read(struct file *f, uint64_t off, uint64_t end, bool follows);

/* So many bytes are about to be written through the page cache, at off. */
void behind_write(struct file *f, uint64_t off, size_t len);

/* Is enough waiting to be dropped that an fsync should see to it? */
static inline bool behind_waits(const struct file *f)
{
	return __atomic_load_n(&f->lately.tail_to, __ATOMIC_RELAXED) >
	       __atomic_load_n(&f->lately.tail_from, __ATOMIC_RELAXED) + BEHIND_KEEP;
}

/*
 * The program is about to wait for the file's write-back: a step of the same, and
 * what it has cleaned is dropped while the device is busy with the next. False: it
 * is done, up to *until, where it was written up to at the first step (then 0).
 */
bool behind_sync(struct file *f, uint64_t *until);

/* The file's second descriptor is about to be closed, or the process ends. */
void behind_end(struct file *f);

#endif

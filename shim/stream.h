/*
 * stream: what a sequential reader will ask for next, read ahead into windows
 * of the pool, and copied out of there.
 *
 * A window is private memory, so each time it is used the guard's statx has to
 * prove that the file is what it was when the window was filled: same ctime,
 * same size. What that does not show, a write that was under way when ctime
 * was first asked for, is kept out by its age: a stream begins only where
 * nobody has changed the file for DIOSHIM_STREAM_AGE.
 *
 * Depends on: adopt, book, memory, window, seg.h.
 */
#ifndef DIOSHIM_STREAM_H
#define DIOSHIM_STREAM_H

#include "seg.h"

/* What a read of a file that has streams may leave out, or has to ask for. */
struct stream_hint {
	unsigned ask;		/* GUARD_ bits */
	int64_t at;		/* where the descriptor's offset should be; -1: not known */
};

void stream_hint(const struct file *f, const struct request *rq, struct stream_hint *h);

/* A request at the descriptor's own offset has left it at off. */
void stream_placed(const struct file *f, int fd, uint64_t off);

/*
 * The whole planned read out of windows, booked, or nothing of it: false. May
 * begin a stream. The guard has asked for ctime, or no stream is used.
 */
bool stream_read(struct run *r, const struct guard *g, const struct plan *p);

/* Mode auto: does a stream have what is at off, or may one begin there: a read goes on? */
bool stream_has(const struct file *f, uint64_t off);
bool stream_follows(const struct file *f, uint64_t off);
/* A read from off to end that took another way: a sequence may go on there. */
void stream_passed(struct file *f, uint64_t off, uint64_t end);

/* POSIX_FADV_NORMAL, _SEQUENTIAL or _RANDOM, for a file of this process. */
void stream_advise(struct file *f, int advice);

#endif

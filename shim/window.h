/*
 * window: the windows of the process's streams: who copies from them, who fills
 * them, and when they are given back.
 *
 * A window is a slot of the stream's struct ahead. It is pinned by whoever
 * copies from it, and closed before it is filled anew; who wants to fill, wait
 * or end tries to claim the stream. All of it may fail, and the request is then
 * an ordinary one: no locks.
 * Depends on: ahead, book, file, pool, state.h.
 */
#ifndef DIOSHIM_WINDOW_H
#define DIOSHIM_WINDOW_H

#include "ahead.h"
#include "file.h"

#define STREAMS 16

struct stream {
	uint64_t word;		/* of its file; 0: no stream, though it may still hold something */
	struct file *f;
	uint32_t claim;
	uint32_t changes;	/* times that it was claimed */
	uint32_t pins[AHEAD_SLOTS];	/* of the slot: 0 closed, else 1 + those who copy from it */
	struct sys_time ctime;	/* of the file, before anything was filled */
	uint64_t size;		/* the same */
	uint64_t low;		/* where the last request ended */
	uint32_t eaten[AHEAD_SLOTS];	/* bytes of the slot that were asked for */
	uint64_t used;		/* window_clock at the last use */
	uint64_t served;	/* bytes that were asked for */
	uint32_t missed;	/* requests on the file since the last use */
	uint32_t calm;		/* windows that were there in time, in a row */
	int keep;		/* slots in use: adapts to how fast the reader is */
	int fd;			/* the descriptor that it served last */
	bool placed;		/* and its offset is low, as far as is known */
	bool alone;		/* only the first window is filled yet */
	bool checked;		/* F_GETFL was asked of that one since the last window */
	struct ahead a;
};

#define CLAIM_NAPS 2000	/* of 50 us, for one that another thread has claimed */

extern struct stream streams[STREAMS];

#define EACH_STREAM(st) for (struct stream *st = streams; st < streams + STREAMS; st++)

/* Beside other threads, who may store it meanwhile: */
#define WINDOW_GET(x)	 __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WINDOW_SET(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

/* One tick for each use of a stream. */
uint64_t window_tick(void);

static inline uint64_t stream_word(const struct stream *st)
{
	return __atomic_load_n(&st->word, __ATOMIC_ACQUIRE);
}

/* Is the file, whose ctime and size these are now, what it was when the windows were filled? */
static inline bool stream_valid(const struct stream *st, const struct sys_time *ctime, uint64_t size)
{
	return ctime->sec == st->ctime.sec && ctime->nsec == st->ctime.nsec && size == st->size;
}

static inline bool stream_claim(struct stream *st)
{
	uint32_t no = 0;

	if (!__atomic_compare_exchange_n(&st->claim, &no, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	WINDOW_SET(st->changes, st->changes + 1);
	return true;
}

static inline void stream_unclaim(struct stream *st)
{
	__atomic_store_n(&st->claim, 0, __ATOMIC_RELEASE);
}

/* The window that covers off, pinned: nothing of it, nor of its stream, changes then. Or -1. */
int window_pin(struct stream *st, uint64_t word, uint64_t off);
void window_unpin(struct stream *st, int i);

/* Does a window that may be pinned cover off? */
bool window_covers(const struct stream *st, uint64_t off);

/* Until the pinned window i is filled. False: another thread takes too long over it. */
bool window_ready(struct stream *st, int i);

/*
 * The bytes from off to to were asked for: windows that end there are used up,
 * and filled anew; at the end of the file the stream ends.
 */
void window_used(struct stream *st, uint64_t off, uint64_t to);

/*
 * A stream that nobody uses, claimed, and room in the pool for it; one that was
 * not used lately may end for it. NULL: there is none.
 */
struct stream *window_unused(void);

/* Between window.c, who has them, and window_fill.c, who fills them: */

/* Nobody copies from slot i, nor will. */
bool window_close(struct stream *st, int i);
/* Of a failed read the page cache alone may have what was written (ahead_refused). */
void window_learn(struct stream *st);
/* Streams left behind by readers that went elsewhere give their windows back. */
void window_end_idle(void);
/* May one more chunk be taken? Streams hold at most half of the pool's. */
bool window_room(void);

/* Claimed, and ahead_open: the first windows. False: nothing could be had; it is over. */
bool window_first(struct stream *st);

/*
 * Claimed: no request finds it any more; what it holds is given back, unless
 * somebody still copies or the device still writes there for longer than
 * patience (ns): then the next time that somebody ends it, or wants a stream or
 * a chunk.
 */
#define WINDOW_PATIENCE 20000000u	/* on the device that the request is for anyway */
void window_end(struct stream *st, uint64_t patience);

/* The same, if it is not claimed. */
void window_end_if_free(struct stream *st, uint64_t patience);

/*
 * Of a file whose second descriptor is about to be closed: nothing may be under
 * way on it, and is waited for, no longer than FILE_PATIENCE_NS.
 */
void window_end_of(struct file *f);

/* The pool is empty: ends the stream least lately used. False: none can be ended. */
bool window_give_back(void);

/* At the end of the process: what was read and not used is booked. */
void window_finish(void);

/* In a fork child: windows and AIO contexts are not there. changes are, and count on. */
void window_forked(void);

#endif

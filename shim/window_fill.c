#include "window.h"

#include "book.h"
#include "cache.h"
#include "pool.h"
#include "state.h"

#define WINDOW_BLOCK	4096u	/* bytes of a page */
#define CALM_MAX	64	/* windows that were there in time, before fewer are kept */
#define LAG		(1u << 20)	/* bytes that a reader may come back */
#define WRITE_PAUSE	16	/* sequential requests to pass, where write-back has to come first */
#define WRITE_AHEAD	(32 << 20)	/* bytes that are then written back */

static int per_chunk(const struct stream *st)
{
	return (int)(pool_chunk() / st->a.piece);
}

/* Another chunk's worth of slots, up to what the settings allow. */
static void grow(struct stream *st)
{
	uint64_t most = state_config.stream / st->a.piece;

	if (most > AHEAD_SLOTS)
		most = AHEAD_SLOTS;
	if (st->keep + per_chunk(st) < (int)most)
		most = (uint64_t)(st->keep + per_chunk(st));
	if (st->a.slots < (int)most && window_room())
		ahead_grow(&st->a, (int)most);
	st->keep = st->a.slots;
}

/* A chunk that is not kept any more, once nothing is in it. */
static void shrink(struct stream *st)
{
	for (int i = st->keep; i < st->a.slots; i++)
		if (ahead_state(&st->a, i) != AHEAD_FREE)
			return;
	while (st->a.slots > st->keep)
		ahead_shrink(&st->a);
}

/*
 * Is something of the next window dirty? Then it may be mapped, and a device
 * be writing into that mapping, which ctime does not show: so it is written
 * back first, which write-protects it, and the stream waits for that.
 */
static bool dirty_ahead(const struct stream *st)
{
	const int64_t from = (int64_t)st->a.next;
	uint64_t dirty;

	cache_has(st->a.fd, st->a.next, st->a.step, &dirty);
	if (dirty > 0) {
		sys_sync_range(st->a.fd, from, WRITE_AHEAD, SYNC_FILE_RANGE_WRITE);
		WINDOW_SET(st->f->patience, WRITE_PAUSE);
	}
	return dirty > 0;
}

/* Mode auto: from the page cache it comes faster than from the device. */
static bool warm_ahead(const struct stream *st)
{
	const uint64_t from = st->a.next;
	const size_t len = st->a.end - from < st->a.step ? (size_t)(st->a.end - from) : st->a.step;
	uint64_t pages;

	return state_config.mode == MODE_auto && cache_pages(st->a.fd, from, len, &pages) &&
	       pages * WINDOW_BLOCK >= len;
}

/* Fills slots that are free, up to so many. */
static void fill(struct stream *st, int most)
{
	if (st->a.next >= st->a.end || !file_twin_ok(st->f))
		return;
	for (int i = 0; i < st->keep && st->a.next < st->a.end && most > 0; i++) {
		if (ahead_state(&st->a, i) != AHEAD_FREE)
			continue;
		if (dirty_ahead(st) || warm_ahead(st))
			break;
		most--;
		WINDOW_SET(st->eaten[i], 0);
		ahead_issue(&st->a, i);
		__atomic_store_n(&st->pins[i], 1, __ATOMIC_RELEASE);
	}
	window_learn(st);
}

/*
 * Is slot i used up? All of it was asked for; or the reader has left it well
 * behind, or has left all of them behind: some look ahead and come back
 * (sqlite3, for the inner pages of its trees).
 */
static bool used_up(const struct stream *st, int i)
{
	const uint64_t low = WINDOW_GET(st->low), to = ahead_to(&st->a, i);

	return ahead_state(&st->a, i) == AHEAD_DONE &&
	       (WINDOW_GET(st->eaten[i]) >= st->a.slot[i].len || to + LAG <= low ||
		(to <= low && low >= st->a.next));
}

/* Frees the windows that were used up, and fills them anew. */
static void advance(struct stream *st)
{
	if (!stream_claim(st))
		return;
	for (int i = 0; i < st->a.slots; i++)
		if (used_up(st, i) && window_close(st, i))
			ahead_free(&st->a, i);
	if (WINDOW_GET(st->calm) >= CALM_MAX && st->a.chunks > 1) {
		WINDOW_SET(st->calm, 0);
		st->keep = (st->a.chunks - 1) * per_chunk(st);	/* the last one may be used in part */
	}
	shrink(st);
	if (stream_word(st)) {
		WINDOW_SET(st->checked, false);
		WINDOW_SET(st->alone, false);
		ahead_async(&st->a);
		fill(st, AHEAD_SLOTS);
	}
	stream_unclaim(st);
}

/* Does a window end in (off, to]? */
static bool ended_in(const struct stream *st, uint64_t off, uint64_t to)
{
	for (int i = 0; i < AHEAD_SLOTS; i++)
		if (ahead_state(&st->a, i) == AHEAD_DONE && ahead_to(&st->a, i) <= to &&
		    ahead_to(&st->a, i) > off)
			return true;
	return false;
}

void window_used(struct stream *st, uint64_t off, uint64_t to)
{
	const uint64_t served = __atomic_fetch_add(&st->served, to - off, __ATOMIC_RELAXED);

	WINDOW_SET(st->low, to);
	if (to >= WINDOW_GET(st->size)) {
		window_end_if_free(st, WINDOW_PATIENCE);
		return;
	}
	if (ended_in(st, off, to)) {
		__atomic_fetch_add(&st->calm, 1, __ATOMIC_RELAXED);
		advance(st);
		window_end_idle();
	} else if (served > 0 && WINDOW_GET(st->alone)) {
		advance(st);	/* it is read on: the first window gets company */
	}
}

bool window_ready(struct stream *st, int i)
{
	for (int n = 0; ahead_state(&st->a, i) != AHEAD_DONE; n++) {
		if (stream_claim(st)) {
			if (ahead_state(&st->a, i) == AHEAD_WANTED && !file_twin_ok(st->f)) {
				stream_unclaim(st);
				return false;
			}
			if (ahead_state(&st->a, i) == AHEAD_FLYING && WINDOW_GET(st->served) > 0) {
				/* The reader is the faster one. */
				WINDOW_SET(st->calm, 0);
				grow(st);
			}
			ahead_wait(&st->a, i);
			window_learn(st);
			stream_unclaim(st);
		} else if (n == CLAIM_NAPS) {
			return false;
		} else {
			sys_nanosleep(50000);
		}
	}
	return true;
}

bool window_first(struct stream *st)
{
	const uint64_t from = st->a.next;

	WINDOW_SET(st->used, window_tick());
	WINDOW_SET(st->served, 0);
	WINDOW_SET(st->missed, 0);
	WINDOW_SET(st->calm, 0);
	WINDOW_SET(st->checked, false);
	WINDOW_SET(st->placed, false);
	WINDOW_SET(st->alone, true);
	WINDOW_SET(st->fd, -1);
	st->keep = 0;
	grow(st);
	if (st->a.chunks > 0)	/* else nobody gives the context back */
		ahead_async(&st->a);
	fill(st, 1);
	if (st->a.next == from) {
		window_end(st, 0);
		return false;
	}
	__atomic_fetch_add(&st->f->streams, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&st->word, file_word(st->f), __ATOMIC_RELEASE);
	return true;
}

#include "window.h"

#include "book.h"
#include "pool.h"
#include "state.h"

#include <string.h>

#define CLAIM_NAPS	2000	/* of 50 us, for one that another thread has claimed */
#define CALM_MAX	64	/* windows that were there in time, before fewer are kept */
#define WASTE_PAUSE	32	/* sequential requests to pass, where most was read in vain */
#define IDLE_MAX	16384	/* uses of other streams, after which one is given back */

struct stream streams[STREAMS];
static uint64_t clock_now;

uint64_t window_tick(void)
{
	return __atomic_add_fetch(&clock_now, 1, __ATOMIC_RELAXED);
}

int window_pin(struct stream *st, uint64_t word, uint64_t off)
{
	for (int i = 0; i < AHEAD_SLOTS; i++) {
		uint32_t n = __atomic_load_n(&st->pins[i], __ATOMIC_ACQUIRE);

		if (n == 0 || !ahead_covers(&st->a, i, off))
			continue;
		while (n > 0 && !__atomic_compare_exchange_n(&st->pins[i], &n, n + 1, 1,
							     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			;
		if (n == 0)
			continue;
		if (stream_word(st) == word && ahead_covers(&st->a, i, off))
			return i;
		window_unpin(st, i);
	}
	return -1;
}

void window_unpin(struct stream *st, int i)
{
	__atomic_fetch_sub(&st->pins[i], 1, __ATOMIC_RELEASE);
}

bool window_covers(const struct stream *st, uint64_t off)
{
	for (int i = 0; i < AHEAD_SLOTS; i++)
		if (__atomic_load_n(&st->pins[i], __ATOMIC_ACQUIRE) && ahead_covers(&st->a, i, off))
			return true;
	return false;
}

/* Nobody copies from slot i, nor will. */
static bool close_slot(struct stream *st, int i)
{
	uint32_t idle = 1;

	return __atomic_load_n(&st->pins[i], __ATOMIC_RELAXED) == 0 ||
	       __atomic_compare_exchange_n(&st->pins[i], &idle, 0, 0, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* ---- the end ------------------------------------------------------------- */

/* Of a failed read the page cache alone may have what was written (ahead_refused). */
static void learn(struct stream *st)
{
	if (st->a.failed)
		st->f->learned = 1;
}

static void book_unused(struct stream *st)
{
	uint64_t served = WINDOW_GET(st->served);

	if (st->a.moved > served)
		book_count(COUNTER_unused_bytes, st->a.moved - served);
	st->a.moved = 0;
}

void window_end(struct stream *st)
{
	uint64_t word = stream_word(st);

	if (word) {
		__atomic_store_n(&st->word, 0, __ATOMIC_SEQ_CST);
		if (st->f->generation == fdtab_generation(word)) {
			__atomic_fetch_sub(&st->f->streams, 1, __ATOMIC_RELAXED);
			if (WINDOW_GET(st->served) < st->a.moved / 2)
				WINDOW_SET(st->f->patience, WASTE_PAUSE);
		}
	}
	for (int i = 0; i < st->a.slots; i++)
		if (!close_slot(st, i))
			return;
	if (st->a.chunks == 0)
		return;
	ahead_stop(&st->a);
	learn(st);
	book_unused(st);
}

void window_end_if_free(struct stream *st)
{
	if (stream_claim(st)) {
		window_end(st);
		stream_unclaim(st);
	}
}

/* The one least lately used; or one that is over but still holds something. */
static struct stream *oldest(void)
{
	struct stream *found = NULL;

	EACH_STREAM(st) {
		if (!stream_word(st) && WINDOW_GET(st->a.chunks) > 0)
			return st;
		if (stream_word(st) && (!found || WINDOW_GET(st->used) < WINDOW_GET(found->used)))
			found = st;
	}
	return found;
}

bool window_give_back(void)
{
	struct stream *st = oldest();
	bool any = false;

	if (st && stream_claim(st)) {
		int had = st->a.chunks;

		window_end(st);
		any = st->a.chunks < had;
		stream_unclaim(st);
	}
	return any;
}

/* Also of what is over, but was still being copied from when it ended. */
static bool holds(const struct stream *st, const struct file *f)
{
	return WINDOW_GET(st->f) == f && (stream_word(st) || WINDOW_GET(st->a.chunks) > 0);
}

void window_end_of(struct file *f)
{
	EACH_STREAM(st) {
		for (int i = 0; holds(st, f) && i < CLAIM_NAPS; i++) {
			window_end_if_free(st);
			if (holds(st, f))
				sys_nanosleep(50000);
		}
	}
}

/* Left behind by readers that went elsewhere: their windows are given back. */
static void end_idle(void)
{
	EACH_STREAM(st)
		if (stream_word(st) && WINDOW_GET(clock_now) - WINDOW_GET(st->used) > IDLE_MAX)
			window_end_if_free(st);
}

void window_finish(void)
{
	EACH_STREAM(st) {
		if (stream_word(st) && stream_claim(st)) {
			book_unused(st);
			stream_unclaim(st);
		}
	}
}

void window_forked(void)
{
	EACH_STREAM(st) {
		uint32_t changes = st->changes + 1;

		memset(st, 0, sizeof(*st));
		st->changes = changes;
	}
}

/* ---- filling ------------------------------------------------------------- */

/* Streams hold at most half of the pool's chunks. */
static bool within_budget(void)
{
	unsigned held = 0;

	EACH_STREAM(st)
		held += (unsigned)WINDOW_GET(st->a.chunks);
	return held < pool_count() / 2;
}

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
	if (st->a.slots < (int)most && within_budget())
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

/* Fills slots that are free. */
static void fill(struct stream *st)
{
	if (st->a.next >= st->a.end || !file_twin_ok(st->f))
		return;
	for (int i = 0; i < st->keep && st->a.next < st->a.end; i++) {
		if (ahead_state(&st->a, i) != AHEAD_FREE)
			continue;
		ahead_issue(&st->a, i);
		__atomic_store_n(&st->pins[i], 1, __ATOMIC_RELEASE);
	}
	learn(st);
}

/* Frees the windows that were used up, and fills them anew. */
static void advance(struct stream *st)
{
	if (!stream_claim(st))
		return;
	for (int i = 0; i < st->a.slots; i++)
		if (ahead_state(&st->a, i) == AHEAD_DONE &&
		    ahead_to(&st->a, i) <= WINDOW_GET(st->low) && close_slot(st, i))
			ahead_free(&st->a, i);
	if (WINDOW_GET(st->calm) >= CALM_MAX && st->keep > per_chunk(st)) {
		WINDOW_SET(st->calm, 0);
		st->keep -= per_chunk(st);
	}
	shrink(st);
	if (stream_word(st)) {
		WINDOW_SET(st->checked, false);
		ahead_async(&st->a);
		fill(st);
	}
	stream_unclaim(st);
}

void window_used(struct stream *st, uint64_t off, uint64_t to)
{
	__atomic_fetch_add(&st->served, to - off, __ATOMIC_RELAXED);
	if (to > WINDOW_GET(st->low))
		WINDOW_SET(st->low, to);
	if (to >= WINDOW_GET(st->size)) {
		window_end_if_free(st);
		return;
	}
	for (int i = 0; i < AHEAD_SLOTS; i++) {
		if (ahead_state(&st->a, i) != AHEAD_DONE || ahead_to(&st->a, i) > to ||
		    ahead_to(&st->a, i) <= off)
			continue;
		__atomic_fetch_add(&st->calm, 1, __ATOMIC_RELAXED);
		advance(st);
		end_idle();
		return;
	}
}

bool window_ready(struct stream *st, int i)
{
	for (int n = 0; ahead_state(&st->a, i) != AHEAD_DONE; n++) {
		if (stream_claim(st)) {
			if (ahead_state(&st->a, i) == AHEAD_FLYING) {	/* the reader is the faster one */
				WINDOW_SET(st->calm, 0);
				grow(st);
			}
			ahead_wait(&st->a, i);
			learn(st);
			stream_unclaim(st);
		} else if (n == CLAIM_NAPS) {
			return false;
		} else {
			sys_nanosleep(50000);
		}
	}
	return true;
}

/* ---- the beginning ------------------------------------------------------- */

static struct stream *claim_unused(void)
{
	EACH_STREAM(st) {
		if (stream_word(st) || !stream_claim(st))
			continue;
		if (!stream_word(st))
			window_end(st);		/* of the last one, perhaps, something was left */
		if (!stream_word(st) && st->a.chunks == 0)
			return st;
		stream_unclaim(st);
	}
	return NULL;
}

struct stream *window_unused(void)
{
	struct stream *st;

	if (!within_budget() && !window_give_back())
		return NULL;
	st = claim_unused();
	if (!st && window_give_back())
		st = claim_unused();
	return st;
}

bool window_first(struct stream *st)
{
	const uint64_t from = st->a.next;

	WINDOW_SET(st->used, window_tick());
	WINDOW_SET(st->served, 0);
	WINDOW_SET(st->missed, 0);
	WINDOW_SET(st->calm, 0);
	WINDOW_SET(st->checked, false);
	WINDOW_SET(st->fd, -1);
	st->keep = 0;
	grow(st);
	ahead_async(&st->a);
	fill(st);
	if (st->a.next == from) {
		window_end(st);
		return false;
	}
	__atomic_fetch_add(&st->f->streams, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&st->word, file_word(st->f), __ATOMIC_RELEASE);
	return true;
}

#include "window.h"

#include "book.h"
#include "pool.h"
#include "state.h"

#include <string.h>

#define WASTE_PAUSE	32	/* sequential requests to pass, where most was read in vain */
#define IN_USE		(8 * STREAMS)	/* uses of other streams, before which one is not given up for a new one */
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

bool window_close(struct stream *st, int i)
{
	uint32_t idle = 1;

	return __atomic_load_n(&st->pins[i], __ATOMIC_RELAXED) == 0 ||
	       __atomic_compare_exchange_n(&st->pins[i], &idle, 0, 0, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* ---- the end ------------------------------------------------------------- */

void window_learn(struct stream *st)
{
	if (st->a.failed && file_word(st->f) == st->a.word)
		st->f->learned = 1;
}

static void book_unused(struct stream *st)
{
	uint64_t served = WINDOW_GET(st->served);

	if (st->a.moved > served)
		book_count(COUNTER_unused_bytes, st->a.moved - served);
	st->a.moved = 0;
}

void window_end(struct stream *st, uint64_t patience)
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
		if (!window_close(st, i))
			return;
	/* A device may be stuck: whoever wants the chunks does not wait for it. */
	if (st->a.chunks == 0 || !ahead_settled(&st->a, patience))
		return;
	ahead_stop(&st->a);
	window_learn(st);
	book_unused(st);
}

void window_end_if_free(struct stream *st, uint64_t patience)
{
	if (stream_claim(st)) {
		window_end(st, patience);
		stream_unclaim(st);
	}
}

/* The one least lately used of those that hold something, but for those marked in tried. */
static struct stream *oldest(uint32_t tried)
{
	struct stream *found = NULL;

	EACH_STREAM(st)
		if (WINDOW_GET(st->a.chunks) > 0 && !(tried >> (st - streams) & 1) &&
		    (!found || WINDOW_GET(st->used) < WINDOW_GET(found->used)))
			found = st;
	return found;
}

/* Of those that were not used for so many ticks, ends one that can be ended. */
static bool give_back(uint64_t ticks)
{
	uint32_t tried = 0;
	bool any = false;
	struct stream *st;

	while (!any && (st = oldest(tried))) {
		tried |= 1u << (st - streams);
		if ((stream_word(st) && WINDOW_GET(clock_now) - WINDOW_GET(st->used) < ticks) ||
		    !stream_claim(st))
			continue;
		window_end(st, 0);
		any = st->a.chunks == 0;
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
			if (i > 0)
				sys_nanosleep(50000);
			window_end_if_free(st, i == 0 ? FILE_PATIENCE_NS : 0);
		}
	}
}

bool window_give_back(void)
{
	return give_back(0);
}

void window_end_idle(void)
{
	EACH_STREAM(st)
		if (stream_word(st) && WINDOW_GET(clock_now) - WINDOW_GET(st->used) > IDLE_MAX)
			window_end_if_free(st, 0);
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

bool window_room(void)
{
	unsigned held = 0;

	EACH_STREAM(st)
		held += (unsigned)WINDOW_GET(st->a.chunks);
	return held < pool_count() / 2;
}

/* ---- the beginning ------------------------------------------------------- */

static struct stream *claim_unused(void)
{
	EACH_STREAM(st) {
		if (stream_word(st) || !stream_claim(st))
			continue;
		if (!stream_word(st))
			window_end(st, 0);	/* of the last one, perhaps, something was left */
		if (!stream_word(st) && st->a.chunks == 0)
			return st;
		stream_unclaim(st);
	}
	return NULL;
}

struct stream *window_unused(void)
{
	struct stream *st;

	if (!window_room() && !give_back(IN_USE))
		return NULL;
	st = claim_unused();
	if (!st && give_back(IN_USE))
		st = claim_unused();
	return st;
}

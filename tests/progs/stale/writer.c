/*
 * A writer: serves readers that beg for a change, and changes what it likes
 * in bursts. Quiet otherwise.
 */
#include "stale.h"

static uint32_t blocks_of(struct hand *h, enum op op)
{
	switch (op) {
	case OP_ODD: case OP_STORE: return 1 + (uint32_t)below(&h->rnd, 8);
	case OP_DIRECT: case OP_WHOLE:	/* some of them last */
		return 1 + (uint32_t)below(&h->rnd, 1l << below(&h->rnd, one_in(&h->rnd, h->want ? 2 : 8) ? 11 : 6));
	default: return 1 + (uint32_t)below(&h->rnd, 64);
	}
}

static enum op some_op(struct hand *h, uint32_t allowed)
{
	for (;;) {
		enum op op = (enum op)below(&h->rnd, OPS);

		/* Sizes and names change less often than contents. */
		if (allowed & 1u << op && (op < OP_CUT || one_in(&h->rnd, 3)))
			return op;
	}
}

static void change(struct hand *h, enum op op, uint32_t b)
{
	uint32_t n = run_claim(h, b, blocks_of(h, op));

	if (!n)
		return;
	run_begin(h, b, n, op, op == OP_PUNCH || op == OP_ZERO);
	if (op_run(h, op, b, n))
		run_announce(h, b, n, op);
	run_release(h, b, n);
}

/* Somewhere in blocks from .. to. */
static void change_somehow(struct hand *h, uint32_t from, uint32_t to)
{
	const uint32_t b = from + (uint32_t)below(&h->rnd, to - from + 1);
	const enum op op = some_op(h, ops_allowed(h) & ~(h->want ? 1u << OP_APPEND | 1u << OP_RENAME : 0));

	switch (op) {
	case OP_CUT:
		if (h->want || get(&h->t->size_low) > h->t->base / 2)
			op_cut(h, from, to);
		break;
	case OP_APPEND: op_append(h); break;
	case OP_RENAME: op_rename(h); break;
	case OP_FLIGHT: op_flight(h, b); break;
	default: change(h, op, b); break;
	}
}

static void serve(struct hand *h, struct want *w)
{
	if (get(&w->state) != POSTED || w->writer != h->id || !take(&w->state, POSTED, TAKEN))
		return;
	h->want = w;
	for (int i = 0; i < 6 && get(&w->state) == TAKEN; i++)
		if (w->growth)
			op_append(h);
		else
			change_somehow(h, w->from, w->to);
	h->want = NULL;
	take(&w->state, TAKEN, DROPPED);
}

static void in_a_burst(struct hand *h)
{
	const struct reader *r = &st->readers[h->t->reader[below(&h->rnd, h->t->readers)]];
	const uint32_t at = get(&r->at), end = (uint32_t)(get(&h->t->size_low) / BLOCK);
	uint32_t from = one_in(&h->rnd, 4) ? 0 : at > 16 ? at - 16 : 0;
	uint32_t to = one_in(&h->rnd, 4) ? end : at + 1 + (uint32_t)below(&h->rnd, AHEAD);

	to = to < end ? to : end;
	change_somehow(h, from < to ? from : to, to);
	if (one_in(&h->rnd, 200))
		hand_close(h, h->t);
}

/* One look at all files that this one writes. */
static bool round_of(struct hand *h, uint32_t first, uint32_t n)
{
	bool any = false;

	for (uint32_t i = 0; i < n && !over(); i++) {
		h->t = &st->tracks[first + i];
		for (uint32_t r = 0; r < h->t->readers; r++)
			serve(h, &st->readers[h->t->reader[r]].want);
		if (get(&h->t->phase) == BURST && one_in(&h->rnd, 2)) {
			in_a_burst(h);
			any = true;
		}
	}
	return any;
}

void writer_job(uint32_t id)
{
	struct hand h = { .w = &st->writers[id], .id = id, .source = -1, .rnd = mix(st->seed * 7919 + id) };
	const struct member *m = &st->members[h.w->member];
	const bool own = h.w->place == THREAD;	/* only the files that its process reads */

	h.image = mmap(NULL, (size_t)IMAGE + 2 * (size_t)BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(h.image != MAP_FAILED);
	for (uint32_t i = 0; i < TRACKS; i++)
		h.files[i].fd = h.files[i].direct = -1;
	while (!over())
		if (!round_of(&h, own ? m->first_track : 0, own ? m->tracks : st->n_tracks))
			usleep(200 + (unsigned)below(&h.rnd, 300));
	for (uint32_t i = 0; i < st->n_tracks; i++)
		hand_close(&h, &st->tracks[i]);
}

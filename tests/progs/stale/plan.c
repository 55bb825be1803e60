/*
 * What a seed stands for: files, who reads and who writes them.
 */
#include "stale.h"

static uint64_t rnd;

static long roll(long n)
{
	return below(&rnd, n);
}

static void add_reader(uint32_t track, uint32_t kind)
{
	struct track *t = &st->tracks[track];

	t->reader[t->readers++] = st->n_readers;
	st->readers[st->n_readers++] = (struct reader){ .kind = kind, .track = track };
}

/* One thread alone, some of their own descriptors, or a team. */
static void add_track(uint32_t member, uint32_t flavour, bool alone)
{
	const uint32_t number = st->n_tracks++, team = (uint32_t)roll(4);
	struct track *t = &st->tracks[number];
	int64_t size = (512 + roll(BLOCKS - 512 - 100)) * BLOCK;

	t->number = number;
	t->member = member;
	t->flavour = flavour;
	t->base = flavour == DIRECT || flavour == MAPPED ? size : size + 99 * BLOCK;
	if (alone) {
		add_reader(number, (number % 2 ? PREAD : READ) + 2 * (uint32_t)roll(2));
	} else if (team == 0) {
		for (int i = 0; i < READERS; i++)
			add_reader(number, SHARED);
	} else if (team == 1) {
		for (int i = 0; i < READERS; i++)
			add_reader(number, TURNS);
	} else {
		for (uint32_t i = 0; i < team; i++)
			add_reader(number, (uint32_t)roll(SHARED));
	}
	/* Where a shared offset is only bytes tell, and these want to lie as they do in the file. */
	t->odd = st->readers[t->reader[0]].kind != SHARED && roll(2);
	t->until = roll(st->age);
	file_make(t, size);
}

static struct member *add_member(bool shim)
{
	struct member *m = &st->members[st->n_members++];

	m->shim = shim;
	m->first_track = st->n_tracks;
	m->first_writer = st->n_writers;
	return m;
}

static void add_writers(struct member *m, uint32_t place, uint32_t n)
{
	for (m->writers = 0; m->writers < n; m->writers++)
		st->writers[st->n_writers++] = (struct writer){ .place = place, .member = (uint32_t)(m - st->members) };
}

/* Each flavour is read by somebody; of those that read, the first have one thread and no writer. */
static void plan_readers(bool with_shim, uint32_t members, uint32_t alone, uint32_t tracks)
{
	const bool low = st->age < DEFAULT_AGE;
	uint32_t flavour = (uint32_t)roll(FLAVOURS);

	for (uint32_t i = 0; i < members; i++) {
		struct member *m = add_member(with_shim);

		for (m->tracks = 0; m->tracks < (i < alone ? 1 : tracks); m->tracks++)
			add_track((uint32_t)(m - st->members), low ? CACHED : flavour++ % FLAVOURS, i < alone);
		if (i >= alone)
			add_writers(m, THREAD, 1);
	}
}

void plan_work(bool with_shim)
{
	const bool low = st->age < DEFAULT_AGE;

	rnd = mix(st->seed * 0x2545f4914f6cdd1dul);
	plan_readers(with_shim, low ? 4 : 7, low ? 2 : 4, low ? 3 : 8);
	for (int i = 0; i < 2; i++) {
		add_writers(add_member(with_shim), with_shim ? SHIMMED : PLAIN, low ? 1 : 2);
		add_writers(add_member(false), PLAIN, low ? 1 : 2);
	}
}

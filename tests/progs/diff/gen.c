/* What comes next: kinds by weight, numbers that like the edges of things. */
#include "diff.h"

/* Kinds with a theme are left out of some sequences altogether. */
enum { ALWAYS, MAPS_THEME, FORK_THEME, LOCK_THEME, STDIO_THEME, NAME_THEME, COPY_THEME };

const struct kind kinds[] = {
	{ "data", 100, ALWAYS, act_data },	{ "seek", 14, ALWAYS, act_seek },
	{ "open", 14, ALWAYS, act_open },	{ "close", 7, ALWAYS, act_close },
	{ "dup", 8, ALWAYS, act_dup },		{ "setfl", 5, ALWAYS, act_setfl },
	{ "truncate", 8, ALWAYS, act_truncate }, { "fallocate", 7, ALWAYS, act_fallocate },
	{ "sync", 3, ALWAYS, act_sync },	{ "advise", 4, ALWAYS, act_advise },
	{ "look", 3, ALWAYS, act_look },	{ "name", 8, NAME_THEME, act_name },
	{ "sendfile", 8, COPY_THEME, act_sendfile },
	{ "copy_range", 10, COPY_THEME, act_copy_range },
	{ "splice", 5, COPY_THEME, act_splice }, { "stdio", 6, STDIO_THEME, act_stdio },
	{ "map", 6, MAPS_THEME, act_map },	{ "store", 9, MAPS_THEME, act_store },
	{ "load", 6, MAPS_THEME, act_load },	{ "unmap", 3, MAPS_THEME, act_unmap },
	{ "lock", 16, LOCK_THEME, act_lock },	{ "fork", 6, FORK_THEME, act_fork },
	{ "join", 1, FORK_THEME, act_join },
};
const int kinds_n = (int)COUNT(kinds);

long pick(struct act *a, long n)
{
	return (long)(next_random(&a->rng) % (uint64_t)n);
}

bool one_in(struct act *a, long n)
{
	return pick(a, n) == 0;
}

/* 0..most, near a multiple of something; rather not 0. */
long likely(struct act *a, long most)
{
	static const long units[] = { 1, 512, 4096, 4096, 65536, 131072, 1 << 20 };
	long unit = units[pick(a, COUNT(units))], n;

	while (unit > most && unit > 1)
		unit = unit > 4096 ? 4096 : unit > 512 ? 512 : 1;
	n = unit * (most >= unit ? 1 + pick(a, most / unit) : 0);
	switch (pick(a, 4)) {
	case 0: n += pick(a, 7) - 3; break;
	case 1: n += pick(a, 1025) - 512; break;
	default: break;
	}
	return n < 0 ? 0 : n > most ? most : n;
}

/* Mostly short, now and then long. */
long likely_length(struct act *a)
{
	switch (pick(a, 32)) {
	case 0: return 0;
	case 1: case 2: return likely(a, (2 << 20) + 513);
	case 3: case 4: case 5: case 6: case 7: return likely(a, 300000);
	case 8: case 9: case 10: case 11: case 12: case 13: return likely(a, 70000);
	default: return likely(a, 20000);
	}
}

/* Mostly inside the file, or around its end; anywhere else too. */
long likely_offset(struct act *a, long size)
{
	long n = likely(a, HIGHEST), back = likely(a, 20000), inside = likely(a, size < HIGHEST ? size : HIGHEST);

	switch (pick(a, 10)) {
	case 0: n = size - back; break;
	case 1: n = (size & -4096L) - (back & -4096L); break;
	case 2: n = back; break;
	case 3: n = 0; break;
	case 4: break;
	default: n = inside; break;
	}
	return n < 0 ? 0 : n;
}

static int weight(const struct kind *k, unsigned themes)
{
	return themes & 1u << k->theme ? k->weight : 0;
}

static void choose(struct act *a, unsigned themes)
{
	int total = 0, left;

	for (int i = 0; i < kinds_n; i++)
		total += weight(&kinds[i], themes);
	left = (int)pick(a, total);
	a->kind = kinds;
	while (left >= weight(a->kind, themes))
		left -= weight(a->kind++, themes);
	if (a->number < 4)
		for (a->kind = kinds; a->kind->run != act_open;)
			a->kind++;
	a->by_peer = pick(a, 5) < 2 && a->kind->run != act_fork && a->kind->run != act_join;
	a->slot = (int)pick(a, SLOTS);
	a->to = (int)pick(a, SLOTS);
	a->any = one_in(a, 40);
}

/*
 * Descriptors that are open, if that is how they were chosen: which those are is
 * the same in both runs. A new one rather goes where none is.
 */
void find_slots(struct act *a)
{
	bool want = a->kind->run != act_open;

	if (a->pinned)
		return;
	for (int i = 0; i < SLOTS && !a->any && (slots[a->slot].fd >= 0) != want; i++)
		a->slot = (a->slot + 1) % SLOTS;
	if (a->kind->run == act_dup)
		want = false;
	for (int i = 0; i < SLOTS && !a->any && ((slots[a->to].fd >= 0) != want || a->to == a->slot); i++)
		a->to = (a->to + 1) % SLOTS;
	if (a->to == a->slot)
		a->to = (a->slot + 1) % SLOTS;
}

static bool can(int fd, bool read, bool write)
{
	long flags = fd < 0 ? -1 : unseen(SYS_fcntl, fd, F_GETFL, 0L), mode = flags & O_ACCMODE;

	return flags >= 0 && !(flags & O_PATH) && (!read || mode != O_WRONLY) && (!write || mode != O_RDONLY);
}

/* Mostly a descriptor that allows what is about to be done. */
void find_able(struct act *a, int *slot, bool read, bool write)
{
	if (one_in(a, 12) || a->pinned)
		return;
	for (int i = 0; i < SLOTS && !can(slots[*slot].fd, read, write); i++)
		*slot = (*slot + 1) % SLOTS;
}

/* Mostly two files, one to read and one to write. */
void find_pair(struct act *a)
{
	bool any = one_in(a, 6);

	find_able(a, &a->slot, true, false);
	find_able(a, &a->to, false, true);
	for (int i = 0; i < SLOTS && !any && !a->pinned; i++) {
		int s = (a->to + i) % SLOTS;

		if (can(slots[s].fd, false, true) && !same_file(slots[s].fd, slots[a->slot].fd)) {
			a->to = s;
			break;
		}
	}
}

void sequence(struct act *acts, int n, uint64_t seed)
{
	struct act first = { .rng = (seed + 1) * 0x9E3779B97F4A7C15u };
	unsigned themes = 1u << ALWAYS;

	for (int t = 1; t <= COPY_THEME; t++)
		if (pick(&first, 5) < 3)
			themes |= 1u << t;
	for (int i = 0; i < n; i++) {
		struct act *a = &acts[i];

		a->number = i;
		a->rng = (seed * 1000003 + (uint64_t)i + 1) * 0x9E3779B97F4A7C15u;
		a->rng ^= a->rng >> 31;
		for (int k = 0; k < 4; k++)
			next_random(&a->rng);
		choose(a, themes);
	}
}

/*
 * Is what was read as new as what was announced? stale.h has the rules.
 */
#include "stale.h"

/* Versions that a block may be of, as far as this read goes. */
struct range {
	uint32_t file, block, low, high;
	bool zeroes;
};

enum sight { FINE, TORN, OLD, ODD };

/* ---- before -------------------------------------------------------------- */

static void note_size(struct look *l, const struct track *t, int64_t off, long len)
{
	l->t = t;
	l->off = off;
	l->len = len;
	l->cuts = get(&t->cuts);
	l->size = get(&t->size_low);
}

void look_before(struct look *l, const struct track *t, int64_t off, long len)
{
	note_size(l, t, off, len);
	for (int64_t b = off / BLOCK; b < BLOCKS && b * BLOCK < off + len; b++)
		l->low[b] = get(&t->blocks[b].done);
}

/* A read at an offset that others move too. */
void look_anywhere(struct look *l, const struct track *t, long len)
{
	note_size(l, t, 0, len);
	for (uint32_t b = 0; b < BLOCKS; b++)
		l->low[b] = get(&t->blocks[b].done);
}

/* Where that was, as far as the bytes tell: zeroes do not. */
bool look_place(struct look *l, const unsigned char *p, long got)
{
	for (long at = 0; at + 8 <= got; at += 512) {
		uint64_t w;

		memcpy(&w, p + at, 8);
		for (uint32_t j = 0; w && j < BLOCK / 8; j += 64) {
			const uint32_t block = w >> 32 & 0xffff;

			l->off = block * BLOCK + 8 * j - at;
			if (w == word(l->t->number, block, (uint32_t)(w >> 48), j) && l->off >= 0)
				return true;
		}
	}
	return false;
}

/* ---- afterwards ---------------------------------------------------------- */

/* Bytes k to k + n of word j, each of any version in the range, or zero. */
static bool each_byte_fits(const struct range *r, uint32_t j, const unsigned char *p, int k, int n)
{
	uint32_t fits = 0, all = (1u << n) - 1;

	for (uint32_t v = r->low; v <= r->high && fits != all; v++) {
		const uint64_t w = word(r->file, r->block, v, j);

		for (int i = 0; i < n; i++)
			if (p[i] == (w >> 8 * (k + i) & 0xff) || (r->zeroes && !p[i]))
				fits |= 1u << i;
	}
	return fits == all;
}

/* Part of a word, at either end of what was read. */
static enum sight judge_part(const struct range *r, uint32_t j, const unsigned char *p, int k, int n, uint32_t *seen)
{
	*seen = 0;
	if (each_byte_fits(r, j, p, k, n))
		return FINE;
	for (uint32_t v = r->low; n > 1 && v-- > 1 && r->low - v < 3000;)
		if (each_byte_fits(&(struct range){ r->file, r->block, v, v, false }, j, p, k, n)) {
			*seen = v;
			return OLD;
		}
	return ODD;
}

static enum sight judge_word(const struct range *r, uint32_t j, const unsigned char *p, uint32_t *seen)
{
	uint64_t w;

	memcpy(&w, p, 8);
	*seen = (uint32_t)(w >> 48);
	if (w && w == word(r->file, r->block, *seen, j))
		return *seen < r->low ? OLD : *seen > r->high ? ODD : FINE;
	if (!w && r->zeroes)
		return FINE;
	if (!w)
		return get(&st->tracks[r->file].blocks[r->block].zeroed) ? OLD : ODD;
	return r->low != r->high && each_byte_fits(r, j, p, 0, 8) ? TORN : ODD;
}

static void tell_bytes(const struct look *l, const struct reader *r, const struct range *g, enum sight sight,
		       int64_t at, uint32_t seen, const unsigned char *p)
{
	const struct block *b = &l->t->blocks[g->block];
	const uint32_t by = get(&b->by);
	uint64_t w = 0;

	memcpy(&w, p, (size_t)(8 - at % 8));
	tell("%s: file %u, %s, block %u + %lld: version %u of %u to %u, zeroes %u, %016lx; written by %s, %s; read by %s of %ld at %lld",
	     sight == OLD ? "STALE" : "WRONG", l->t->number, flavour_names[l->t->flavour], g->block, (long long)(at % BLOCK),
	     seen, g->low, g->high, get(&b->zeroed), w, op_names[by % OPS],
	     place_names[st->writers[by / OPS % WRITERS].place], reading_names[r->kind], l->len, (long long)l->off);
}

/* The bytes from `at` on that lie in one block; how many. False: it was told what is wrong. */
static bool judge_block(const struct look *l, struct reader *r, int64_t at, const unsigned char *p, long len)
{
	const uint32_t block = (uint32_t)(at / BLOCK);
	const struct block *b = &l->t->blocks[block];
	const struct range g = { l->t->number, block, l->low[block], get(&b->started), get(&b->zeroed) >= l->low[block] };
	uint32_t first = 0, seen;
	bool mixed = false;

	for (long i = 0, n; i < len; i += n) {
		const int k = (int)((at + i) % 8);
		const uint32_t j = (uint32_t)((at + i) % BLOCK / 8);
		enum sight sight;

		n = 8 - k < len - i ? 8 - k : len - i;
		sight = n == 8 ? judge_word(&g, j, p + i, &seen) : judge_part(&g, j, p + i, k, (int)n, &seen);
		if (sight >= OLD) {
			tell_bytes(l, r, &g, sight, at + i, seen, p + i);
			return false;
		}
		mixed |= sight == TORN || (i > 0 && n == 8 && first && first != seen);
		first = n == 8 ? seen : first;
	}
	r->torn += mixed;
	r->blocks++;
	return true;
}

static int64_t clip(int64_t n, long most)
{
	return n < 0 ? 0 : n > most ? most : n;
}

/* No less than there was, no more than there may be. */
static void judge_size(const struct look *l, struct reader *r, long got)
{
	const int64_t least = clip(l->size - l->off, l->len), most = clip(get(&l->t->size_high) - l->off, l->len);

	r->short_reads += got < l->len;
	if (get(&l->t->cuts) != l->cuts || l->cuts % 2)
		return;
	if (got < least || got > most)
		tell("%s END: file %u (%s): %ld bytes, at least %lld, at most %lld, by %s of %ld at %lld",
		     got < least ? "EARLY" : "STALE", l->t->number, flavour_names[l->t->flavour], got, (long long)least,
		     (long long)most, reading_names[r->kind], l->len, (long long)l->off);
}

void look_after(struct look *l, struct reader *r, const unsigned char *p, long got, bool placed)
{
	r->reads++;
	if (placed)
		judge_size(l, r, got);
	for (long i = 0, n; i < got; i += n) {
		n = BLOCK - (l->off + i) % BLOCK;
		n = n < got - i ? n : got - i;
		if (l->off + i >= (int64_t)BLOCKS * BLOCK) {
			tell("WRONG: %ld bytes at %lld, where no file goes", got, (long long)l->off);
			return;
		}
		if (!judge_block(l, r, l->off + i, p + i, n))
			return;
	}
}

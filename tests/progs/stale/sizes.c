/*
 * Changes of a file's size and of its name.
 */
#include "stale.h"

static bool failed(const char *what)
{
	tell("%s: %s", what, strerror(errno));
	return false;
}

static bool truncate_to(struct hand *h, int64_t size)
{
	char path[4100];

	if (one_in(&h->rnd, 2))
		return ftruncate(hand_fd(h), size) == 0 || failed("ftruncate");
	file_path(h->t, KEPT, path, sizeof(path));
	return truncate(path, size) == 0 || failed("truncate");
}

/* ---- cutting ------------------------------------------------------------- */

/* All blocks from b on, also those that lie past the end, or none. */
static bool try_rest(struct track *t, uint32_t b)
{
	for (uint32_t i = b; i < BLOCKS; i++)
		if (!take(&t->blocks[i].claimed, 0, 1)) {
			while (i-- > b)
				set(&t->blocks[i].claimed, 0);
			return false;
		}
	return true;
}

/* Those who have some of them are soon done. */
static bool claim_rest(struct track *t, uint32_t b)
{
	for (int i = 0; i < 50; i++) {
		if (try_rest(t, b))
			return true;
		usleep(100);
	}
	return false;
}

/* A beginning and an end that readers can tell. */
static bool cut(struct hand *h, int64_t to)
{
	struct track *t = h->t;
	bool good;

	add(&t->cuts, 1);
	set(&t->size_low, to);
	good = truncate_to(h, to);
	set(&t->size_high, to);
	add(&t->cuts, 1);
	run_serves(h, (uint32_t)(to / BLOCK), 1);
	h->w->announced[OP_CUT]++;
	return good;
}

/* As long as it was, with zeroes; what is left of block b is written anew. */
static bool lengthen(struct hand *h, uint32_t b, int64_t from, int64_t to)
{
	struct track *t = h->t;
	uint32_t n = (uint32_t)((to - from / BLOCK * BLOCK + BLOCK - 1) / BLOCK);

	set(&t->size_high, to);
	if (!truncate_to(h, to))
		return false;
	if (from % BLOCK && to >= (b + 1) * BLOCK) {
		run_begin(h, b, 1, OP_CUT, false);
		block_fill(h->image, t->number, b, t->blocks[b].started);
		if (!put_raw(hand_fd(h), h->image, BLOCK, b * BLOCK))
			return failed("writing after a cut");
	}
	run_announce(h, b, n, OP_CUT);
	set(&t->size_low, to);
	return true;
}

/* Somewhere in blocks from .. to; longer again at once, or later by appending. */
bool op_cut(struct hand *h, uint32_t from, uint32_t to)
{
	struct track *t = h->t;
	const int64_t old = get(&t->size_low);
	int64_t size = (from + below(&h->rnd, to - from + 1)) * BLOCK;
	uint32_t b;
	bool good = false;

	if (!take(&t->resizing, 0, 1))
		return false;
	size += t->odd && one_in(&h->rnd, 2) ? below(&h->rnd, BLOCK) : 0;
	b = (uint32_t)(size / BLOCK);
	/* An end inside a block, and a cut in that block: no version would say what it holds. */
	if (size > 0 && b < old / BLOCK && old == get(&t->size_low) && claim_rest(t, b)) {
		run_begin(h, b, BLOCKS - b, OP_CUT, true);
		good = cut(h, size);
		if (good && one_in(&h->rnd, 2))
			usleep((unsigned)below(&h->rnd, st->age < DEFAULT_AGE ? 2000 : 20000));
		/* What it had in part it would not have again. */
		if (good && (old % BLOCK == 0) && one_in(&h->rnd, 3) == 0)
			good = lengthen(h, b, size, old);
		run_release(h, b, BLOCKS - b);
	}
	set(&t->resizing, 0);
	return good;
}

/* ---- appending ----------------------------------------------------------- */

/* Bytes from size on: of the last block's version, and of new ones. */
static void fill_tail(struct hand *h, int64_t size, long len)
{
	struct track *t = h->t;
	const uint32_t b = (uint32_t)(size / BLOCK), last = (uint32_t)((size + len - 1) / BLOCK);

	for (uint32_t i = b; i <= last; i++) {
		struct block *k = &t->blocks[i];

		if (i > b || size % BLOCK == 0)
			run_begin(h, i, 1, OP_APPEND, false);
		block_fill(h->image + (i - b) * BLOCK, t->number, i, i > b || size % BLOCK == 0 ? k->started : k->done);
	}
}

static ssize_t append(struct hand *h, const unsigned char *p, long len, int64_t size)
{
	int fd;
	ssize_t n;

	if (one_in(&h->rnd, 2))	/* whole blocks would be direct */
		return st->age < DEFAULT_AGE ? (put_raw(hand_fd(h), p, (size_t)len, size) ? len : -1) :
					       pwrite(hand_fd(h), p, (size_t)len, size);
	fd = file_open(h->t, O_WRONLY | O_APPEND);
	n = write(fd, p, (size_t)len);
	close(fd);
	return n;
}

bool op_append(struct hand *h)
{
	struct track *t = h->t;
	const int64_t size = get(&t->size_low);
	long len = t->odd ? 1 + below(&h->rnd, one_in(&h->rnd, 3) ? 100000 : 6000) : BLOCK * (1 + below(&h->rnd, 16));
	const uint32_t b = (uint32_t)(size / BLOCK);
	uint32_t claimed = 0;
	bool good = false;

	if (size + len > t->base || !take(&t->resizing, 0, 1))
		return false;
	while (b + claimed <= (size + len - 1) / BLOCK && take(&t->blocks[b + claimed].claimed, 0, 1))
		claimed++;
	if (b + claimed > (size + len - 1) / BLOCK && size == get(&t->size_low)) {
		fill_tail(h, size, len);
		set(&t->size_high, size + len);
		good = append(h, h->image + size % BLOCK, len, size) == len || failed("append");
		for (uint32_t i = size % BLOCK ? 1 : 0; good && i < claimed; i++)
			set(&t->blocks[b + i].done, t->blocks[b + i].started);
		if (good)
			set(&t->size_low, size + len);
		run_serves(h, b, claimed);
		h->w->announced[OP_APPEND]++;
	}
	run_release(h, b, claimed);
	set(&t->resizing, 0);
	return good;
}

/* ---- renaming ------------------------------------------------------------ */

/* Another file takes the path, and this one gets it back. */
bool op_rename(struct hand *h)
{
	struct track *t = h->t;
	char path[4100], kept[4100], next[4100];
	int fd;

	if (!take(&t->resizing, 0, 1))
		return false;
	file_path(t, PATH, path, sizeof(path));
	file_path(t, KEPT, kept, sizeof(kept));
	file_path(t, NEXT, next, sizeof(next));
	fd = open(next, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	NEED(fd >= 0);
	for (uint32_t b = 0; b < 16; b++)
		block_fill(h->image + b * BLOCK, t->number + FOREIGN, b, 1);
	NEED(put_raw(fd, h->image, 16 * BLOCK, 0));
	close(fd);
	if (rename(next, path) != 0)
		failed("rename over the file");
	usleep((unsigned)below(&h->rnd, 3000));
	if (link(kept, next) != 0 || rename(next, path) != 0)
		failed("rename back");
	h->w->announced[OP_RENAME]++;
	set(&t->resizing, 0);
	return true;
}

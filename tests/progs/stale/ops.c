/*
 * The ways of changing blocks that were claimed, and claims themselves.
 */
#include "stale.h"
#include <sys/syscall.h>
#include <sys/uio.h>

/* ---- descriptors --------------------------------------------------------- */

int hand_fd(struct hand *h)
{
	int *fd = &h->files[h->t->number].fd;

	if (*fd < 0)
		*fd = file_open(h->t, O_RDWR);
	return *fd;
}

int hand_direct(struct hand *h)
{
	int *fd = &h->files[h->t->number].direct;

	if (*fd < 0)
		*fd = file_open(h->t, O_RDWR | O_DIRECT);
	return *fd;
}

static unsigned char *hand_map(struct hand *h)
{
	unsigned char **map = &h->files[h->t->number].map;

	if (!*map) {
		*map = mmap(NULL, (size_t)h->t->base, PROT_READ | PROT_WRITE, MAP_SHARED, hand_fd(h), 0);
		NEED(*map != MAP_FAILED);
	}
	return *map;
}

void hand_close(struct hand *h, const struct track *t)
{
	if (h->files[t->number].fd >= 0)
		close(h->files[t->number].fd);
	if (h->files[t->number].direct >= 0)
		close(h->files[t->number].direct);
	if (h->files[t->number].map)
		munmap(h->files[t->number].map, (size_t)t->base);
	h->files[t->number].fd = h->files[t->number].direct = -1;
	h->files[t->number].map = NULL;
}

/* ---- claims -------------------------------------------------------------- */

/* Blocks from b on, up to n, that exist and that nobody else changes; how many. */
uint32_t run_claim(struct hand *h, uint32_t b, uint32_t n)
{
	uint32_t i = 0;

	for (; i < n && b + i < BLOCKS; i++) {
		struct block *k = &h->t->blocks[b + i];

		if (!take(&k->claimed, 0, 1))
			break;
		/* Cutting claims too: with the claim in hand the size holds. */
		if ((b + i + 1) * BLOCK > get(&h->t->size_low) || k->started > 65000) {
			set(&k->claimed, 0);
			break;
		}
	}
	return i;
}

void run_release(struct hand *h, uint32_t b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		set(&h->t->blocks[b + i].claimed, 0);
}

void run_begin(struct hand *h, uint32_t b, uint32_t n, enum op op, bool zeroes)
{
	for (uint32_t i = 0; i < n; i++) {
		struct block *k = &h->t->blocks[b + i];

		set(&k->by, h->id * OPS + op);
		if (zeroes)
			set(&k->zeroed, k->started + 1);
		set(&k->started, k->started + 1);
	}
}

/* Was it begged for? Then the reader goes on. */
void run_serves(struct hand *h, uint32_t b, uint32_t n)
{
	struct want *w = h->want;
	const uint32_t block = w && w->from > b ? w->from : b;

	add(&h->t->seq, 1);
	set(&h->t->last, b + (uint32_t)below(&h->rnd, n));
	if (!w || w->state != TAKEN || block > w->to || block >= b + n)
		return;
	w->block = block;
	h->w->served++;
	set(&w->state, SERVED);
}

void run_announce(struct hand *h, uint32_t b, uint32_t n, enum op op)
{
	for (uint32_t i = 0; i < n; i++)
		set(&h->t->blocks[b + i].done, h->t->blocks[b + i].started);
	run_serves(h, b, n);
	h->w->announced[op]++;
}

/* ---- writing ------------------------------------------------------------- */

static bool wrote(struct hand *h, enum op op, ssize_t got, size_t want)
{
	if (got == (ssize_t)want)
		return true;
	if (got < 0 && errno == EOPNOTSUPP)
		return false;
	tell("%s, %s: %zd of %zu, file %u (%s): %s", op_names[op], place_names[h->w->place], got, want, h->t->number,
	     flavour_names[h->t->flavour], got < 0 ? strerror(errno) : "short");
	return false;
}

bool put_raw(int fd, const void *p, size_t n, int64_t off)
{
	return syscall(SYS_pwrite64, fd, p, n, off) == (ssize_t)n;
}

/* In pieces that fit nothing; below 4096 bytes the shim never writes one directly. */
static bool write_odd(struct hand *h, const unsigned char *p, size_t n, int64_t off)
{
	const long most = st->age < DEFAULT_AGE || one_in(&h->rnd, 2) ? 4095 : 20000;

	for (size_t at = 0, k; at < n; at += k) {
		k = (size_t)(1 + below(&h->rnd, most));
		k = k < n - at ? k : n - at;
		if (!wrote(h, OP_ODD, pwrite(hand_fd(h), p + at, k, off + (int64_t)at), k))
			return false;
	}
	return true;
}

static ssize_t write_vector(struct hand *h, unsigned char *p, size_t n, int64_t off)
{
	const size_t a = (size_t)below(&h->rnd, (long)n + 1), b = a + (size_t)below(&h->rnd, (long)(n - a) + 1);
	const struct iovec v[3] = { { p, a }, { p + a, b - a }, { p + b, n - b } };

	return pwritev(hand_fd(h), v, 3, off);
}

/* The fault stamps ctime, and some time may go by before the store. */
static bool store(struct hand *h, const unsigned char *p, size_t n, int64_t off)
{
	volatile uint64_t *to = (uint64_t *)(void *)(hand_map(h) + off);

	for (size_t i = 0; i < n / 8; i++) {
		uint64_t w;

		memcpy(&w, p + 8 * i, 8);
		to[i] = w;
		if (i % (BLOCK / 8) == 0 && one_in(&h->rnd, 8))
			usleep((unsigned)below(&h->rnd, 3000));
	}
	return true;
}

/* By way of a file of the writer's own; where files share extents, by sharing them. */
static bool copy(struct hand *h, const unsigned char *p, size_t n, int64_t off)
{
	off_t in = one_in(&h->rnd, 3) ? below(&h->rnd, 9000) : 0, out = off;
	char path[4100];

	if (h->source < 0) {
		snprintf(path, sizeof(path), "%s/source%u", st->folder, h->id);
		h->source = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	}
	if (!wrote(h, OP_COPY, pwrite(h->source, p, n, in), n))
		return false;
	while (n > 0) {
		ssize_t k = copy_file_range(h->source, &in, hand_fd(h), &out, n, 0);

		if (k <= 0)
			return wrote(h, OP_COPY, k, n);
		n -= (size_t)k;
	}
	return true;
}

/* Blocks b to b + n, claimed and begun. */
bool op_run(struct hand *h, enum op op, uint32_t b, uint32_t n)
{
	const bool aligned = op == OP_DIRECT || one_in(&h->rnd, 2);
	unsigned char *p = h->image + (aligned ? 0 : 1 + below(&h->rnd, 4095));
	const size_t len = n * (size_t)BLOCK;
	const int64_t off = b * BLOCK;

	if (op == OP_PUNCH || op == OP_ZERO) {
		int how = op == OP_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

		return wrote(h, op, fallocate(hand_fd(h), how | FALLOC_FL_KEEP_SIZE, off, (off_t)len), 0);
	}
	for (uint32_t i = 0; i < n; i++)
		block_fill(p + i * BLOCK, h->t->number, b + i, h->t->blocks[b + i].started);
	if (h->want)
		set(&h->want->issued, 1);
	switch (op) {
	case OP_ODD: return write_odd(h, p, len, off);
	case OP_VECTOR: return wrote(h, op, write_vector(h, p, len, off), len);
	case OP_RAW: return put_raw(hand_fd(h), p, len, off) || wrote(h, op, -1, len);
	case OP_DIRECT: return wrote(h, op, pwrite(hand_direct(h), p, len, off), len);
	case OP_STORE: return store(h, p, len, off);
	case OP_COPY: return copy(h, p, len, off);
	default: return wrote(h, op, pwrite(hand_fd(h), p, len, off), len);
	}
}

/*
 * Below the default age a write that is in flight longer than that is not
 * seen: only what keeps readers out by the inode's lock is allowed. Under the
 * shim whole blocks are direct writes, which do not.
 */
uint32_t ops_allowed(const struct hand *h)
{
#define M(op) (1u << OP_##op)
	const uint32_t any = M(RAW) | M(PUNCH) | M(ZERO) | M(RENAME), sizes = M(CUT) | M(APPEND);
	const uint32_t buffered = any | M(WHOLE) | M(ODD) | M(VECTOR) | M(COPY);
	const bool plain = h->w->place == PLAIN || !getenv("LD_PRELOAD");

	switch ((enum flavour)h->t->flavour) {
	case CACHED: return sizes | (st->age >= DEFAULT_AGE || plain ? buffered : any | M(ODD));
	case MIXED: return sizes | buffered | M(DIRECT);
	case DIRECT: return M(DIRECT) | M(FLIGHT) | M(PUNCH) | M(ZERO) | M(RENAME);
	case MAPPED: return M(STORE) | (plain ? buffered : any);
	default: return any;
	}
#undef M
}

/* All calls that move bytes between a file and memory. */
#include "diff.h"

#include <signal.h>

#define ARENA (8UL << 20)
#define PIECES 1025

static char *source, *sink;	/* each ends at a page that nobody may touch */

/* A call in the making. */
struct call {
	enum op op;
	int s, n, rwf;
	struct iovec v[PIECES];
	size_t want, good;	/* good < want: the last piece runs into bad memory */
	bool raw, foreign;	/* foreign: the memory is a mapping of another file */
	long off, limit;	/* limit: RLIMIT_FSIZE, or -1 */
};

static volatile sig_atomic_t over_limit;

static void count_over_limit(int sig)
{
	(void)sig;
	over_limit++;
}

void data_setup(void)
{
	signal(SIGXFSZ, count_over_limit);
	source = fenced(ARENA);
	sink = fenced(ARENA);
	fill(source, ARENA, 4711);
}

/* n bytes, at most 4 MiB. */
const char *some_bytes(struct act *a, long n)
{
	return source + ARENA - 8 - n - pick(a, 1000);
}

static bool scalar(enum op op)
{
	return op <= OP_pwrite || op == OP_pread64 || op == OP_pwrite64;
}

static int pick_pieces(struct act *a)
{
	switch (pick(a, 24)) {
	case 0: return 60 + (int)pick(a, 20);
	case 1: return 1024;
	case 2: return (int)pick(a, 2) ? PIECES : 0;
	default: return 1 + (int)pick(a, 6);
	}
}

static size_t pick_skew(struct act *a, long off)
{
	switch (pick(a, 8)) {
	case 0: case 1: return (size_t)pick(a, 8) * 512;
	case 2: case 3: return (size_t)pick(a, 4096);
	case 4: return (size_t)off & 4095;
	default: return 0;
	}
}

/* len bytes in n pieces: of whole blocks, or of anything, with gaps and empty ones. */
static void cut(struct act *a, struct call *c, char *at, long len)
{
	static const long blocks[] = { 1, 1, 512, 4096 };
	const long block = blocks[pick(a, COUNT(blocks))], share = c->n > 8 ? 2 * len / c->n : len / 2;

	for (int k = 0; k < c->n; k++) {
		long l = k == c->n - 1 ? len : likely(a, share < len ? share : len);
		long gap = pick(a, 3) ? 0 : pick(a, 600);

		if (k < c->n - 1)
			l -= l % block;
		if (one_in(a, 12))
			l = 0;
		c->v[k] = (struct iovec){ at, (size_t)l };
		c->want += (size_t)l;
		len -= l;
		at += l + gap - gap % block;
	}
	c->good = c->want;
}

static void lay_out(struct act *a, struct call *c, long len)
{
	const bool writes = op_writes(c->op);
	char *arena_at = writes ? source : sink, *at, *map;
	size_t skew = pick_skew(a, c->off);
	bool foreign = one_in(a, 16), bad = one_in(a, 14) && !is_direct(c->s);

	at = arena_at + 4096 * (1 + (writes ? pick(a, 500) : 0)) + skew;
	map = foreign ? map_memory(a, slots[c->s].fd, !writes, (size_t)len) : NULL;
	if (map && scalar(c->op)) {
		c->foreign = true;
		at = map;
	}
	c->n = scalar(c->op) ? 1 : pick_pieces(a);
	cut(a, c, at, len);
	if (bad && c->n > 0 && !c->foreign) {
		struct iovec *last = &c->v[c->n - 1];
		size_t some = (size_t)likely(a, (long)last->iov_len);

		last->iov_base = arena_at + ARENA - some;
		c->good -= last->iov_len - some;
	}
}

static ssize_t call_raw(const struct call *c)
{
	const int fd = slots[c->s].fd;
	const struct iovec *v = c->v;
	const bool w = op_writes(c->op);

	if (scalar(c->op))
		return op_moves(c->op) ? unseen(w ? SYS_write : SYS_read, fd, v->iov_base, v->iov_len) :
			unseen(w ? SYS_pwrite64 : SYS_pread64, fd, v->iov_base, v->iov_len, c->off);
	return unseen(w ? SYS_pwritev2 : SYS_preadv2, fd, v, (long)c->n,
		      op_moves(c->op) ? -1L : c->off, 0L, (long)c->rwf);
}

static ssize_t call_now(struct act *a, const struct call *c)
{
	const struct iovec *v = c->v;
	struct rlimit old, lim;
	ssize_t r;
	int e;

	/* the vector may lie in the very buffer it describes */
	if (!scalar(c->op) && !op_writes(c->op) && c->n <= 80 && one_in(a, 20)) {
		v = memcpy(sink + 4096, c->v, (size_t)(c->n ? c->n : 1) * sizeof(*v));
		put(" vector in the buffer");
	}
	if (c->limit >= 0) {
		NEED(getrlimit(RLIMIT_FSIZE, &old) == 0);
		lim = (struct rlimit){ (rlim_t)c->limit, old.rlim_max };
		NEED(setrlimit(RLIMIT_FSIZE, &lim) == 0);
	}
	errno = ECHILD;
	r = c->raw ? call_raw(c) : call_op(c->op, slots[c->s].fd, v, c->n, c->off, c->rwf);
	e = errno;
	if (c->limit >= 0)
		NEED(setrlimit(RLIMIT_FSIZE, &old) == 0);
	if (over_limit)
		put(" SIGXFSZ %d", (int)over_limit);
	over_limit = 0;
	errno = e;
	return r;
}

static void put_call(const struct call *c)
{
	static const char *const styles[] = { "", " raw" };

	put("%s %s %d off %ld len %zu", styles[c->raw], op_names[c->op], slots[c->s].fd, c->off, c->want);
	if (c->rwf)
		put(" rwf %x", (unsigned)c->rwf);
	if (c->foreign)
		put(" in a mapping");
	else if (c->n > 0)
		put(" skew %ld", (long)((uintptr_t)c->v[0].iov_base & 4095));
	if (c->good < c->want)
		put(" good %zu", c->good);
	if (c->limit >= 0)
		put(" limit %ld", c->limit);
	if (scalar(c->op))
		return;
	put(" (");
	for (int i = 0; i < c->n && i < 6; i++)
		put("%s%zu@%lx", i ? " " : "", c->v[i].iov_len, (unsigned long)((uintptr_t)c->v[i].iov_base & 4095));
	put("%s %d)", c->n > 6 ? " ..." : "", c->n);
}

/*
 * A write from memory that ends: how much of it is done is the kernel's own
 * business. It must be those bytes, and no more; then it is undone.
 */
static void write_badly(struct act *a, struct call *c)
{
	const int fd = slots[c->s].fd;
	const long size = size_of(fd), pos = unseen(SYS_lseek, fd, 0L, SEEK_CUR);
	long from = op_moves(c->op) ? pos : c->off, k = 0, done;
	static char is[ARENA], was[ARENA];
	bool wrong = false;
	char path[40];
	int view;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	view = raw_open(path, O_RDWR, 0);
	if (((view >= 0 ? fcntl(fd, F_GETFL) : 0) & O_APPEND) || (c->rwf & RWF_APPEND))
		from = size;
	done = view >= 0 ? unseen(SYS_pread64, view, was, sizeof(was), from) : 0;
	ssize_t r = call_now(a, c);

	if (r <= 0 || view < 0) {	/* then all of it must be bad */
		put_result(c->good == 0 || view < 0 ? r : 0);
	} else {
		wrong = r > (ssize_t)c->good || unseen(SYS_pread64, view, is, (size_t)r, from) != r;
		for (int i = 0; i < c->n && k < r && !wrong; i++) {
			long l = (long)c->v[i].iov_len < r - k ? (long)c->v[i].iov_len : r - k;

			wrong = memcmp(is + k, c->v[i].iov_base, (size_t)l) != 0;
			k += l;
		}
		put(" = %s", wrong ? "NOT WHAT WAS WRITTEN" : "some of it");
		if (op_moves(c->op) && !wrong && unseen(SYS_lseek, fd, 0L, SEEK_CUR) != from + r)
			put(" OFFSET %ld", (long)unseen(SYS_lseek, fd, 0L, SEEK_CUR) - from - r);
	}
	if (view >= 0) {
		if (done > 0)
			NEED(unseen(SYS_pwrite64, view, was, done, from) == done);
		NEED(unseen(SYS_ftruncate, view, size) == 0);
		unseen(SYS_lseek, fd, pos, SEEK_SET);
		unseen(SYS_close, view);
	}
}

/* The bytes that came, and whether any memory beside them was touched. */
static void read_into(struct act *a, struct call *c)
{
	const bool canaries = !c->foreign;
	size_t span = 8192, got;
	ssize_t r;

	for (int i = 0; i < c->n; i++)
		span += c->v[i].iov_len + 1024;
	if (span > ARENA)
		span = ARENA;
	if (canaries) {
		memset(sink, 'c', span);
		memset(sink + ARENA - PAGE, 'c', PAGE);
		for (int i = 0; i < c->n && c->good == c->want; i++)
			memset(c->v[i].iov_base, 'c', c->v[i].iov_len);
	}
	r = put_result(call_now(a, c));
	got = r > 0 ? (size_t)r : 0;
	if (got > c->good) {
		put(" MORE THAN THERE IS");
		return;
	}
	if (!canaries) {
		put(" %016llx", (unsigned long long)hash(c->v[0].iov_base, got));
		return;
	}
	put(" %016llx", (unsigned long long)take_bytes(c->v, c->n, got, 'c'));
	if (c->good < c->want || is_direct(c->s))
		return;
	for (int i = 0; i < c->n; i++)
		if (!all_canary(c->v[i].iov_base, (char *)c->v[i].iov_base + c->v[i].iov_len, 'c'))
			put(" MEMORY TOUCHED in piece %d", i);
}

static int pick_rwf(struct act *a, enum op op, bool direct)
{
	static const int to_write[] = { RWF_APPEND, RWF_DSYNC, RWF_APPEND | RWF_DSYNC, RWF_HIPRI, 0x20 /* RWF_NOAPPEND */, 1 << 29 };
	static const int to_read[] = { RWF_HIPRI, RWF_DSYNC, RWF_APPEND, 1 << 29 };
	bool two = op == OP_preadv2 || op == OP_pwritev2 || op == OP_preadv2_here || op == OP_pwritev2_here;
	bool some = one_in(a, 4);
	long n = pick(a, 60);

	if (!two || !some || direct)
		return 0;
	return op_writes(op) ? to_write[n % (long)COUNT(to_write)] : to_read[n % (long)COUNT(to_read)];
}

void act_data(struct act *a)
{
	static struct call c;

	memset(&c, 0, sizeof(c));
	c.op = (enum op)pick(a, OPS);
	find_able(a, &a->slot, !op_writes(c.op), op_writes(c.op));

	const int fd = slots[a->slot].fd;
	const long size = size_of(fd);
	long len = likely_length(a), first = likely_offset(a, size);

	c.s = a->slot;
	c.off = first;
	c.raw = one_in(a, 12) && !is_direct(c.s);
	c.rwf = pick_rwf(a, c.op, is_direct(c.s));
	c.limit = -1;
	if (op_moves(c.op)) {
		if (pick(a, 2))
			unseen(SYS_lseek, fd, first, SEEK_SET);
		c.off = unseen(SYS_lseek, fd, 0L, SEEK_CUR);
	} else if (one_in(a, 40)) {
		c.off = pick(a, 2) || op_writes(c.op) ? -7 : LONG_MAX - pick(a, 5000);
	}
	lay_out(a, &c, len);
	if (op_writes(c.op) && one_in(a, 25) && c.good == c.want)
		c.limit = ((c.off < 0 ? 0 : c.off) + likely(a, (long)c.want)) & (pick(a, 2) ? -4096L : -1L);
	put_call(&c);
	if (!op_writes(c.op))
		read_into(a, &c);
	else if (c.good < c.want)
		write_badly(a, &c);
	else
		put_result(call_now(a, &c));
	put_state(c.s);
}

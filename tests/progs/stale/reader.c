/*
 * A reader: goes through its file from the start or from anywhere, in requests
 * of all sizes, and begs for changes ahead of it.
 */
#include "stale.h"
#include <sys/uio.h>

struct seat {
	struct reader *r;
	struct track *t;
	uint64_t rnd;
	unsigned char *area;
	int fd;
	int64_t off;		/* of those that have one */
	long size;		/* of requests; 0: of each another */
	uint32_t cycle;		/* that it had its turn in */
	uint64_t since;		/* requests since it last began anew */
};

/* Descriptors that several threads share, one a file. */
static int common[TRACKS] = { [0 ... TRACKS - 1] = -1 };

static bool shared(const struct seat *s)
{
	return s->r->kind == SHARED;
}

static long some_size(struct seat *s)
{
	static const long sizes[] = { 512, 1000, 4096, 4097, 8192, 10000, 16384, 50000, 65536, 100000, 131072, 262144 };
	static const long whole[] = { 512, 4096, 16384, 66048, 131072, 262144 };

	return shared(s) ? whole[below(&s->rnd, COUNT(whole))] : sizes[below(&s->rnd, COUNT(sizes))];
}

static long next_size(struct seat *s)
{
	if (s->r->kind == TURNS)
		return get(&s->t->turn);
	if (s->size || shared(s))
		return s->size ? s->size : some_size(s);
	return one_in(&s->rnd, 2) ? odd_size(&s->rnd, 256 * KIB) : some_size(s);
}

/* ---- descriptors and places ---------------------------------------------- */

static void seek(struct seat *s, int64_t off)
{
	s->off = off;
	s->since = 0;
	if (s->r->kind == TURNS)
		set(&s->t->cursor, (uint64_t)off);
	else if (s->r->kind == READ || s->r->kind == READV || shared(s))
		NEED(lseek(s->fd, off, SEEK_SET) == off);
}

static int reader_open(struct seat *s)
{
	return file_open_by_path(s->t, one_in(&s->rnd, 4) ? O_RDWR : O_RDONLY);
}

static void get_descriptor(struct seat *s)
{
	if (!shared(s)) {
		if (s->fd >= 0)
			close(s->fd);
		s->fd = reader_open(s);
		seek(s, 0);
	} else if (s->fd < 0) {
		int fd = reader_open(s), none = -1;

		if (!__atomic_compare_exchange_n(&common[s->t->number], &none, fd, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			close(fd);
		s->fd = get(&common[s->t->number]);
	}
}

/* Another start, other requests, advice. */
static void begin_anew(struct seat *s)
{
	static const int advices[] = { POSIX_FADV_NORMAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM };
	const uint32_t end = (uint32_t)(get(&s->t->size_low) / BLOCK);
	int64_t off = one_in(&s->rnd, 2) ? 0 : below(&s->rnd, end / 2 + 1) * BLOCK;

	s->r->starts++;
	if (one_in(&s->rnd, 16))
		get_descriptor(s);
	if (one_in(&s->rnd, 8))
		posix_fadvise(s->fd, 0, 0, advices[below(&s->rnd, COUNT(advices))]);
	s->size = one_in(&s->rnd, 4) ? 0 : some_size(s);
	set(&s->t->turn, (uint32_t)some_size(s));
	if (!s->t->odd && !shared(s) && off && one_in(&s->rnd, 2))
		off += below(&s->rnd, BLOCK);
	seek(s, off);
}

/* ---- one request --------------------------------------------------------- */

static ssize_t read_vector(struct seat *s, unsigned char *p, long n)
{
	const long a = below(&s->rnd, n + 1), b = a + below(&s->rnd, n - a + 1);
	const struct iovec v[3] = { { p, (size_t)a }, { p + a, (size_t)(b - a) }, { p + b, (size_t)(n - b) } };

	return s->r->kind == READV ? readv(s->fd, v, 3) : preadv(s->fd, v, 3, s->off);
}

static ssize_t read_some(struct seat *s, unsigned char *p, long n)
{
	switch ((enum reading)s->r->kind) {
	case READ: case SHARED: return read(s->fd, p, (size_t)n);
	case READV: case PREADV: return read_vector(s, p, n);
	default: return pread(s->fd, p, (size_t)n, s->off);
	}
}

/* The next one, judged; its place is in *l. Returns what was got. */
static long request_of(struct seat *s, long n, struct look *l)
{
	unsigned char *p = s->area + (one_in(&s->rnd, 2) ? 0 : 1 + below(&s->rnd, 4095));
	ssize_t got;

	if (shared(s)) {
		s->off = lseek(s->fd, 0, SEEK_CUR);	/* about */
		look_anywhere(l, s->t, n);
	} else {
		if (s->r->kind == TURNS)
			s->off = (int64_t)(add(&s->t->cursor, (uint64_t)n) - (uint64_t)n);
		look_before(l, s->t, s->off, n);
	}
	got = read_some(s, p, n);
	if (got < 0) {
		tell("%s of %ld at %lld: %s", reading_names[s->r->kind], n, (long long)s->off, strerror(errno));
		return 0;
	}
	if (!shared(s) || look_place(l, p, got))
		look_after(l, s->r, p, got, !shared(s));
	s->off = l->off + got;
	s->since++;
	set(&s->r->at, (uint32_t)(s->off / BLOCK));
	return got;
}

/* And over again at the end. */
static long request(struct seat *s)
{
	struct look l;
	long got = request_of(s, next_size(s), &l);

	if (!got || s->since > 3000)
		begin_anew(s);
	return got;
}

/* ---- the sharp case ------------------------------------------------------ */

/* No sleep: the next request is to follow the announcement at once. */
static bool await_answer(struct want *w)
{
	const int64_t limit = now_ms() + (st->age < DEFAULT_AGE ? 300 : 1500);
	uint32_t state;

	for (int i = 0; (state = get(&w->state)) == POSTED || state == TAKEN; i++) {
		if (over() || (i % 64 == 63 && now_ms() > limit && take(&w->state, POSTED, NO_WANT)))
			return false;
		if (i < 2000)
			sched_yield();
		else
			usleep(50);
	}
	set(&w->state, NO_WANT);
	return state == SERVED;
}

static void beg(struct seat *s, uint32_t from, uint32_t to, bool growth)
{
	struct want *w = &s->r->want;

	do
		w->writer = (uint32_t)below(&s->rnd, st->n_writers);
	while (st->writers[w->writer].place == THREAD && st->writers[w->writer].member != s->t->member);
	w->from = from;
	w->to = to;
	w->growth = growth;
	w->issued = 0;
	set(&w->state, POSTED);
}

/* On to the block that was changed, and past it. */
static void read_past(struct seat *s, uint32_t block)
{
	struct look l;
	const uint32_t low = get(&s->t->blocks[block].done);
	bool met = false;

	if ((s->r->kind == PREAD || s->r->kind == PREADV) && one_in(&s->rnd, 4))
		s->off = block * BLOCK;	/* a window may be asked anywhere */
	for (int i = 0; i < 4000 && !over(); i++) {
		long got = request_of(s, next_size(s), &l);

		if (!met && got > 0 && l.off <= block * BLOCK && l.off + got > block * BLOCK && l.low[block] >= low) {
			met = true;
			s->r->sharp++;
			s->r->sharp_at_once += i == 0;
		}
		if (!got || s->off > (block + 1) * BLOCK)
			return;
	}
}

/* To the end, and to what comes there. */
static void follow_growth(struct seat *s)
{
	struct look l;

	seek(s, get(&s->t->size_low) / 2 / 512 * 512);
	while (request_of(s, next_size(s), &l) > 0 && !over())
		;
	beg(s, 0, BLOCKS, true);
	if (await_answer(&s->r->want)) {
		const int64_t end = get(&s->t->size_low);

		s->r->sharp++;
		s->r->grown += request_of(s, next_size(s), &l) > 0 && end > l.off;
	}
	begin_anew(s);
}

/* A part of the file, so that there is a stream. False: that was its end. */
static bool read_part(struct seat *s, int64_t bytes)
{
	for (int64_t done = 0, got; done < bytes && !over(); done += got)
		if (!(got = request(s)))
			return false;
	if (s->r->kind == TURNS)
		s->off = (int64_t)get(&s->t->cursor);
	return true;
}

/* Of the blocks from `skip` on from here one is to be changed, near or not. False: there are none. */
static bool beg_ahead(struct seat *s, uint32_t skip, uint32_t near)
{
	const uint32_t from = (uint32_t)(s->off / BLOCK) + skip, end = (uint32_t)(get(&s->t->size_low) / BLOCK);

	if (from + 1 >= end)
		return false;
	beg(s, from, from + near < end ? from + near : end - 1, false);
	return true;
}

static bool pending(struct seat *s, uint32_t state)
{
	return get(&s->r->want.state) == state && !over();
}

/* There is a stream, and its reader waits. */
static bool stop_and_go(struct seat *s)
{
	if (!read_part(s, 32 * KIB << below(&s->rnd, 6)))
		return false;
	if (one_in(&s->rnd, 3))
		usleep((unsigned)below(&s->rnd, st->age * 5));
	return beg_ahead(s, 0, one_in(&s->rnd, 2) ? 4 : 1 + (uint32_t)below(&s->rnd, AHEAD));
}

/* Its reader does not wait: the change may come at any moment of a request. */
static bool go_on_meanwhile(struct seat *s)
{
	static const long sizes[] = { 128 * KIB, 700 * KIB, READ_MOST };	/* in which windows end, and are filled anew */
	int64_t end;

	if (one_in(&s->rnd, 2))
		s->size = sizes[below(&s->rnd, COUNT(sizes))];
	if (!read_part(s, 32 * KIB << below(&s->rnd, 4)) || !beg_ahead(s, 0, AHEAD))
		return false;
	end = s->r->want.to * BLOCK;
	while (s->off < end && (pending(s, POSTED) || pending(s, TAKEN)))
		if (!request(s))
			break;
	return true;
}

/* It begins while the change is under way: some requests, so that the next ones are read ahead. */
static bool begin_meanwhile(struct seat *s)
{
	const int64_t limit = now_ms() + 100;

	if (!beg_ahead(s, 8, one_in(&s->rnd, 2) ? 8 : AHEAD / 4))
		return false;
	s->size = BLOCK;
	while ((pending(s, POSTED) && now_ms() < limit) || (pending(s, TAKEN) && !get(&s->r->want.issued)))
		sched_yield();
	for (int i = 0; i < 5 && pending(s, TAKEN); i++)
		request(s);
	return true;
}

/* A change ahead, and the next request at once. */
static void sharp(struct seat *s)
{
	const bool flights = s->t->flavour == DIRECT;	/* they last long enough to be met */
	const long how = flights && one_in(&s->rnd, 2) ? 7 : below(&s->rnd, 8);
	bool begged;

	begin_anew(s);
	if (how == 0 && s->t->base != s->t->size_low && s->t->flavour <= MIXED && !shared(s)) {
		follow_growth(s);
		return;
	}
	for (int i = how >= 6 && flights ? 6 : 1; i > 0 && !over(); i--) {
		begged = how < 4 ? stop_and_go(s) : how < 6 ? go_on_meanwhile(s) : begin_meanwhile(s);
		if (begged && await_answer(&s->r->want))
			read_past(s, s->r->want.block);
	}
}

/* ---- phases -------------------------------------------------------------- */

/* Till somebody announces something ahead; not for long. */
static void await_change(struct seat *s)
{
	const uint32_t at = (uint32_t)(s->off / BLOCK), seq = get(&s->t->seq);

	for (int i = 0; i < 300 && !over(); i++) {
		if (get(&s->t->seq) != seq && get(&s->t->last) >= at && get(&s->t->last) < at + AHEAD)
			return;
		sched_yield();
	}
}

static void one_step(struct seat *s)
{
	switch ((enum phase)get(&s->t->phase)) {
	case QUIET:
		request(s);
		usleep(100 + (unsigned)below(&s->rnd, st->age * 20));
		break;
	case SHARP:
		if (s->cycle == get(&s->t->cycle)) {
			usleep(1000);
			break;
		}
		s->cycle = get(&s->t->cycle);
		sharp(s);
		add(&s->t->sharp_left, -1u);
		break;
	case BURST:
		if (one_in(&s->rnd, 6))
			await_change(s);
		__attribute__((fallthrough));
	case FLOW:
	default:
		request(s);
		break;
	}
}

void reader_job(uint32_t id)
{
	struct seat s = { .r = &st->readers[id], .fd = -1, .rnd = mix(st->seed * 104729 + id) };

	s.t = &st->tracks[s.r->track];
	s.area = mmap(NULL, READ_MOST + 2 * (size_t)BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(s.area != MAP_FAILED);
	get_descriptor(&s);
	begin_anew(&s);
	while (!over())
		one_step(&s);
	if (!shared(&s))
		close(s.fd);
}

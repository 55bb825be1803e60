#include "stream.h"

#include "book.h"
#include "memory.h"
#include "state.h"
#include "window.h"

#define ZERO_COPY_MIN	(512u << 10)	/* bytes: what is aligned is faster without a copy from here on */
#define MISSES_MAX	8	/* requests in a row that did not want what a stream has */
#define REFUSAL_PAUSE	16	/* sequential requests before the file's age is asked for again */
#define TICK_MAX	10000000	/* ns: of a kernel with HZ=100 */
#define STEP_MIN	(32u << 10)	/* bytes of the first window, at least */
#define WINDOW_BLOCK	4096u	/* bytes; windows begin at multiples */

/* ---- the beginning ------------------------------------------------------- */

/*
 * Has nobody changed the file for so long that nothing can be under way? Asked
 * of the clock that the kernel takes timestamps from: then every later change
 * has another one, also where they move in ticks (before Linux 6.13).
 */
static bool quiet(const struct sys_time *ctime)
{
	struct timespec now = { 0, 0 };
	/* From the end of the tick that ctime may be of. */
	const int64_t age = (int64_t)state_config.stream_age_ns + TICK_MAX;
	int64_t sec;

	sys_gettime(CLOCK_REALTIME_COARSE, &now);
	sec = now.tv_sec - ctime->sec;
	/* Without nanoseconds it may be a file system that counts in seconds. */
	return ctime->nsec != 0 && sec >= 0 &&
	       (sec > age / 1000000000 + 1 || sec * 1000000000 + now.tv_nsec - ctime->nsec >= age);
}

/*
 * How much the first window holds: the request and some more, for two reads
 * that follow each other may be all there is; much, if the program said so.
 */
static size_t first_step(const struct file *f, uint64_t skip, size_t len)
{
	size_t n = 4 * len < STEP_MIN ? STEP_MIN : 4 * len < AHEAD_PIECE_MIN ? 4 * len : AHEAD_PIECE_MIN;

	if (f->advice == POSIX_FADV_SEQUENTIAL)
		return AHEAD_PIECE_MAX;
	if (n < skip + len)
		n = (size_t)skip + len;
	return (n + WINDOW_BLOCK - 1) & ~(size_t)(WINDOW_BLOCK - 1);
}

/* Reads that only seem direct (ext4 where data=journal was turned on) write-protect nothing. */
static bool still_direct(int fd)
{
	struct sys_statx stx;

	return sys_fstatx(fd, SYS_STATX_DIOALIGN, &stx) != 0 || !(stx.mask & SYS_STATX_DIOALIGN) ||
	       stx.dio_offset_align != 0;
}

static struct stream *begin(struct run *r, uint64_t off, size_t len)
{
	const uint32_t a = r->f->facts.align.read;
	const uint64_t mask = (a > WINDOW_BLOCK ? a : WINDOW_BLOCK) - 1;
	struct sys_identity id;
	struct stream *st;
	bool begun;

	/* Before anything is read. */
	if (sys_identify(r->direct, true, &id) != 0 || id.ino != r->f->ino || id.dev != r->f->dev)
		return NULL;
	if (!quiet(&id.ctime) || __atomic_load_n(&r->f->direct_writes, __ATOMIC_SEQ_CST) > 0) {
		WINDOW_SET(r->f->patience, REFUSAL_PAUSE);
		book_count(COUNTER_streams_refused, 1);
		return NULL;
	}
	st = off < id.size && still_direct(r->direct) ? window_unused() : NULL;
	if (!st) {
		WINDOW_SET(r->f->patience, REFUSAL_PAUSE);
		return NULL;
	}
	ahead_open(&st->a, r->direct, file_word(r->f), off & ~mask, (id.size + mask) & ~mask,
		   first_step(r->f, off & mask, len), state_config.stream & ~mask);
	WINDOW_SET(st->f, r->f);
	st->ctime = id.ctime;
	WINDOW_SET(st->size, id.size);
	WINDOW_SET(st->low, off);
	begun = window_first(st);
	if (begun)
		book_count(COUNTER_streams, 1);
	stream_unclaim(st);
	return begun ? st : NULL;
}

/* ---- sequences ----------------------------------------------------------- */

/* Does a read that ends at end go on where another one ended? Kept for the next one. */
static bool goes_on(struct file *f, uint64_t off, uint64_t end)
{
	for (unsigned i = 0; i < FILE_SEQS; i++) {
		uint64_t there = off;

		if (off && __atomic_compare_exchange_n(&f->seq[i], &there, end, 0,
						       __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	WINDOW_SET(f->seq[__atomic_fetch_add(&f->seq_next, 1, __ATOMIC_RELAXED) % FILE_SEQS], end);
	return false;
}

bool stream_has(const struct file *f, uint64_t off)
{
	if (WINDOW_GET(f->streams) > 0)
		EACH_STREAM(st)
			if (stream_word(st) == file_word(f) && window_covers(st, off))
				return true;
	return false;
}

bool stream_follows(const struct file *f, uint64_t off)
{
	for (unsigned i = 0; i < FILE_SEQS; i++)
		if (off && WINDOW_GET(f->seq[i]) == off)
			return true;
	return false;
}

void stream_passed(struct file *f, uint64_t off, uint64_t end)
{
	goes_on(f, off, end);
}

/* May the file have streams, and such a request be served by one? */
static bool wanted(const struct file *f, const struct plan *p, size_t want)
{
	if (state_config.stream == 0 || f->rescue || f->block_device || f->mapped || f->learned ||
	    !f->facts.tells_changes || WINDOW_GET(f->advice) == POSIX_FADV_RANDOM)
		return false;
	for (int i = 0; i < p->n && state_config.mode != MODE_auto; i++)
		if (p->seg[i].kind == SEG_DIRECT && want >= ZERO_COPY_MIN)
			return false;
	return true;
}

static struct stream *find(struct file *f, int fd, uint64_t off)
{
	const uint64_t word = file_word(f);

	if (WINDOW_GET(f->streams) == 0)
		return NULL;
	EACH_STREAM(st)
		if (stream_word(st) == word && window_covers(st, off))
			return st;
	/* None: what this descriptor does not want any more makes room. */
	EACH_STREAM(st)
		if (stream_word(st) == word && WINDOW_GET(st->fd) == fd &&
		    __atomic_add_fetch(&st->missed, 1, __ATOMIC_RELAXED) > MISSES_MAX)
			window_end_if_free(st, WINDOW_PATIENCE);
	return NULL;
}

static struct stream *find_or_begin(struct run *r, uint64_t off, size_t want, uint64_t size)
{
	struct file *f = r->f;
	struct stream *st = find(f, r->rq->fd, off);
	uint32_t patience;

	if (st)
		return st;
	if (!goes_on(f, off, off + want) &&
	    (off != 0 || WINDOW_GET(f->advice) != POSIX_FADV_SEQUENTIAL))
		return NULL;
	patience = WINDOW_GET(f->patience);
	if (patience > 0)
		WINDOW_SET(f->patience, patience - 1);
	return patience > 0 || off + want >= size ? NULL : begin(r, off, want);
}

/* ---- serving ------------------------------------------------------------- */

enum verdict { GOOD, MISSING, FAILED, CHANGED };

/* The next bytes of the walk, out of the window that covers off; how many in *n. */
static enum verdict serve(struct stream *st, const struct run *r, const struct guard *g,
			  uint64_t off, size_t want, struct memory_walk *w, size_t *n)
{
	const int i = window_pin(st, file_word(r->f), off);
	const struct ahead_slot *s;
	enum verdict v = MISSING;
	size_t skip;

	if (i < 0)
		return MISSING;
	s = &st->a.slot[i];
	skip = (size_t)(off - s->off);
	*n = s->len - skip < want ? s->len - skip : want;
	if (!stream_valid(st, &g->ctime, g->size)) {
		v = CHANGED;
	} else if (window_ready(st, i)) {
		if (s->got < (ssize_t)(skip + *n))	/* an error, or cut short meanwhile */
			v = FAILED;
		else if (memory_walk_takes(*w, *n) && memory_put(w, s->buf + skip, *n) == *n)
			v = GOOD;
	}
	if (v == GOOD)
		__atomic_fetch_add(&st->eaten[i], (uint32_t)*n, __ATOMIC_RELAXED);
	window_unpin(st, i);
	return v;
}

/* What it holds is of no use to anybody. */
static void end_useless(struct stream *st, uint64_t word, enum verdict v)
{
	if (!stream_claim(st))
		return;
	if (stream_word(st) == word) {
		if (v == CHANGED)
			book_count(COUNTER_streams_changed, 1);
		window_end(st, WINDOW_PATIENCE);
	}
	stream_unclaim(st);
}

/* All of the request, piece by piece; false: some of it could not be had. */
static bool serve_all(struct stream *st, const struct run *r, const struct guard *g, size_t want)
{
	struct memory_walk w;
	size_t n;

	memory_walk_to(&w, r->rq->iov, r->rq->iovcnt, 0);
	for (size_t done = 0; done < want; done += n) {
		const uint64_t off = r->off + done;
		enum verdict v = serve(st, r, g, off, want - done, &w, &n);

		if (v == CHANGED || v == FAILED)
			end_useless(st, file_word(r->f), v);
		if (v != GOOD)
			return false;
		window_used(st, off, off + n);
	}
	return true;
}

bool stream_read(struct run *r, const struct guard *g, const struct plan *p)
{
	const size_t want = plan_len(p);
	struct guard now = *g;
	struct sys_identity id;
	struct stream *st;

	if (!wanted(r->f, p, want))
		return false;
	st = find_or_begin(r, r->off, want, g->size);
	if (!st)
		return false;
	if (!g->has_ctime) {	/* it began just now, or beside us */
		if (sys_identify(r->direct, true, &id) != 0)
			return false;
		now.ctime = id.ctime;
		now.size = id.size;
	}
	if (!serve_all(st, r, &now, want))
		return false;
	WINDOW_SET(st->used, window_tick());
	WINDOW_SET(st->missed, 0);
	if (WINDOW_GET(st->fd) != r->rq->fd || !g->same_flags) {
		WINDOW_SET(st->checked, !g->same_flags);
		WINDOW_SET(st->fd, r->rq->fd);
	}
	book_moved(r->row, OP_READ, ROUTE_staged, REASON_sequential, want);
	return true;
}

void stream_hint(const struct file *f, const struct request *rq, struct stream_hint *h)
{
	const uint64_t word = file_word(f);
	struct stream *latest = NULL;

	*h = (struct stream_hint){ .at = -1 };
	if (rq->op != OP_READ || WINDOW_GET(f->streams) == 0)
		return;
	h->ask = GUARD_CTIME;
	if (rq->positional || !f->private || !state_alone())
		return;
	EACH_STREAM(st)
		if (stream_word(st) == word && WINDOW_GET(st->fd) == rq->fd &&
		    (!latest || WINDOW_GET(st->used) > WINDOW_GET(latest->used)))
			latest = st;
	if (!latest || !WINDOW_GET(latest->placed))
		return;
	h->at = (int64_t)WINDOW_GET(latest->low);
	/* If the offset is what we think, it is still the same description: its flags too. */
	if (WINDOW_GET(latest->checked))
		h->ask |= GUARD_SAME_FLAGS;
	WINDOW_SET(latest->placed, false);	/* until stream_placed says so again */
}

void stream_placed(const struct file *f, int fd, uint64_t off)
{
	const uint64_t word = file_word(f);

	if (WINDOW_GET(f->streams) == 0)
		return;
	EACH_STREAM(st)
		if (stream_word(st) == word && WINDOW_GET(st->fd) == fd)
			WINDOW_SET(st->placed, WINDOW_GET(st->low) == off);
}

void stream_advise(struct file *f, int advice)
{
	WINDOW_SET(f->advice, (uint32_t)advice);
	WINDOW_SET(f->patience, 0);
	if (advice == POSIX_FADV_RANDOM)
		window_end_of(f);
}

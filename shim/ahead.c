#include "ahead.h"

#include "book.h"
#include "fdtab.h"
#include "pool.h"

#define CONTEXTS 24
#define IN_FLIGHT (2u << 20)	/* bytes */
#define ALONE_MAX (1u << 20)	/* bytes of a piece, where only one is read at a time */

static struct {
	aio_context_t id;	/* 0: not made yet */
	uint32_t busy;
} contexts[CONTEXTS];
static uint32_t refused;	/* io_setup said no: not asked again */
static uint64_t waited;		/* ns, for reads one at a time */
uint64_t ahead_async_after = 40000000;

void ahead_forget(void)
{
	for (int i = 0; i < CONTEXTS; i++) {
		contexts[i].id = 0;
		contexts[i].busy = 0;
	}
	waited = 0;
}

static int context_get(void)
{
	if (__atomic_load_n(&refused, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&waited, __ATOMIC_RELAXED) < ahead_async_after)
		return -1;
	for (int i = 0; i < CONTEXTS; i++) {
		uint32_t no = 0;

		if (!__atomic_compare_exchange_n(&contexts[i].busy, &no, 1, 0, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		if (contexts[i].id == 0 && sys_io_setup(AHEAD_SLOTS, &contexts[i].id) != 0) {
			contexts[i].id = 0;
			__atomic_store_n(&refused, 1, __ATOMIC_RELAXED);
			__atomic_store_n(&contexts[i].busy, 0, __ATOMIC_RELEASE);
			return -1;
		}
		return i;
	}
	return -1;
}

static void context_put(int i)
{
	if (i >= 0)
		__atomic_store_n(&contexts[i].busy, 0, __ATOMIC_RELEASE);
}

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

/* Of how many chunks is asked by other threads too (window.c). */
static void hold(struct ahead *a, int chunks)
{
	__atomic_store_n(&a->chunks, chunks, __ATOMIC_RELAXED);
}

void ahead_open(struct ahead *a, int fd, uint64_t word, uint64_t off, uint64_t end, size_t step,
		size_t most)
{
	a->fd = fd;
	a->word = word;
	a->next = a->deliver = off;
	a->end = end;
	a->piece = at_most(at_most(pool_chunk(), AHEAD_PIECE_MAX), most);
	if (end - off < a->piece)
		a->piece = (size_t)(end - off);
	a->step = at_most(step, a->piece);
	a->slots = 0;
	hold(a, 0);
	a->out = a->context = -1;
	a->moved = 0;
	a->lost = a->failed = false;
}

int ahead_grow(struct ahead *a, int slots)
{
	while (a->slots < slots && a->slots < AHEAD_SLOTS) {
		char *c = pool_get(a->piece);

		if (!c)
			break;
		a->chunk[a->chunks] = c;
		hold(a, a->chunks + 1);
		for (size_t at = 0; at + a->piece <= pool_chunk() && a->slots < slots; at += a->piece) {
			a->slot[a->slots].buf = c + at;
			ahead_free(a, a->slots++);
		}
	}
	return a->slots;
}

void ahead_shrink(struct ahead *a)
{
	char *c = a->chunk[a->chunks - 1];

	hold(a, a->chunks - 1);
	while (a->slots > 0 && a->slot[a->slots - 1].buf >= c &&
	       a->slot[a->slots - 1].buf < c + pool_chunk())
		a->slots--;
	pool_put(c);
}

void ahead_async(struct ahead *a)
{
	if (a->context < 0)
		a->context = context_get();
}

static void done(struct ahead *a, int i, ssize_t got)
{
	a->slot[i].got = got;
	a->moved += got > 0 ? (uint64_t)got : 0;
	if (ahead_refused(got))
		a->failed = true;
	__atomic_store_n(&a->slot[i].state, AHEAD_DONE, __ATOMIC_RELEASE);
}

/* Takes note of completions, at least min of them if they come in time. */
static int reap(struct ahead *a, long min, const struct timespec *timeout)
{
	struct io_event ev[AHEAD_SLOTS];
	int n = sys_io_getevents(contexts[a->context].id, min, AHEAD_SLOTS, ev, timeout);

	for (int k = 0; k < n; k++)
		done(a, (int)ev[k].data, (ssize_t)ev[k].res);
	return n;
}

/*
 * A refused submission leaves the piece to be read when it is waited for.
 * Write-back is part of the submission, and where that fails the disk is old:
 * so it is looked at once, at once.
 */
void ahead_issue(struct ahead *a, int i)
{
	struct ahead_slot *s = &a->slot[i];
	const uint64_t left = a->end - a->next;
	struct iocb cb = { 0 }, *list = &cb;

	__atomic_store_n(&s->off, a->next, __ATOMIC_RELAXED);
	__atomic_store_n(&s->len, left < a->step ? (size_t)left : a->step, __ATOMIC_RELAXED);
	a->next += s->len;
	a->step = at_most(a->step * 2, a->piece);
	if (!fdtab_still(a->fd, a->word)) {	/* somebody else's number by now */
		done(a, i, -EBADF);
		return;
	}
	__atomic_store_n(&s->state, AHEAD_WANTED, __ATOMIC_RELEASE);
	if (a->context < 0)
		return;
	cb.aio_data = (unsigned)i;
	cb.aio_lio_opcode = IOCB_CMD_PREAD;
	cb.aio_fildes = (uint32_t)a->fd;
	cb.aio_buf = (uintptr_t)s->buf;
	cb.aio_nbytes = s->len;
	cb.aio_offset = (int64_t)s->off;
	if (sys_io_submit(contexts[a->context].id, 1, &list) == 1) {
		__atomic_store_n(&s->state, AHEAD_FLYING, __ATOMIC_RELEASE);
		book_count(COUNTER_direct_requests, 1);
		reap(a, 0, NULL);
	}
}

static ssize_t read_now(const struct ahead *a, const struct ahead_slot *s, size_t len)
{
	uint64_t start;
	ssize_t n;

	if (!fdtab_still(a->fd, a->word))
		return -EBADF;
	book_count(COUNTER_direct_requests, 1);
	start = sys_now_ns(CLOCK_MONOTONIC);
	n = sys_pread(a->fd, s->buf, len, (int64_t)s->off);
	__atomic_fetch_add(&waited, sys_now_ns(CLOCK_MONOTONIC) - start, __ATOMIC_RELAXED);
	if (n > 0)
		book_own_read((size_t)n);
	return n;
}

/* Does slot i + 1 go on where slot i ends, in the file and in memory? */
static bool goes_on(const struct ahead *a, int i)
{
	const struct ahead_slot *s = &a->slot[i];

	return i + 1 < a->slots && ahead_state(a, i + 1) == AHEAD_WANTED &&
	       s[1].off == s->off + s->len && s[1].buf == s->buf + s->len;
}

/* One after another, the larger reads the better: neighbours that wait too are read at once. */
static void read_wanted(struct ahead *a, int i)
{
	size_t len = a->slot[i].len;
	int last = i;
	ssize_t n;

	for (; goes_on(a, last) && len + a->slot[last + 1].len <= ALONE_MAX; last++)
		len += a->slot[last + 1].len;
	n = read_now(a, &a->slot[i], len);
	for (; i <= last; i++) {
		ssize_t here = n < (ssize_t)a->slot[i].len ? n : (ssize_t)a->slot[i].len;

		done(a, i, here);
		n -= n > 0 ? here : 0;
	}
}

void ahead_wait(struct ahead *a, int i)
{
	if (ahead_state(a, i) == AHEAD_WANTED)
		read_wanted(a, i);
	while (ahead_state(a, i) == AHEAD_FLYING) {
		int n = reap(a, 1, NULL);

		if (n < 0 && n != -EINTR) {
			/* Never seen. The device may write there yet: the chunks stay taken. */
			a->lost = a->failed = true;
			done(a, i, n);
		}
	}
}

static void issue_all(struct ahead *a)
{
	for (int i = 0; i < a->slots && a->next < a->end; i++)
		if (a->slot[i].state == AHEAD_FREE)
			ahead_issue(a, i);
}

bool ahead_start(struct ahead *a, int fd, uint64_t word, uint64_t off, uint64_t end)
{
	const uint64_t total = end - off;
	int slots = 1;

	ahead_open(a, fd, word, off, end, AHEAD_PIECE_MAX, AHEAD_PIECE_MAX);
	if (total > AHEAD_PIECE_MIN)
		ahead_async(a);
	if (a->context >= 0) {
		/* Two at least, so that copying one overlaps reading the other; few, for each costs. */
		for (a->piece = at_most(pool_chunk(), AHEAD_PIECE_MAX);
		     a->piece > AHEAD_PIECE_MIN && a->piece >= total;)
			a->piece /= 2;
		slots = (int)at_most((total + a->piece - 1) / a->piece, IN_FLIGHT / a->piece);
	} else if (total > a->piece) {
		a->piece = at_most(at_most(pool_chunk(), ALONE_MAX), total);
	}
	a->step = a->piece;
	if (ahead_grow(a, slots) == 0) {
		context_put(a->context);
		return false;
	}
	issue_all(a);
	return true;
}

bool ahead_next(struct ahead *a, char **buf, ssize_t *got, size_t *asked)
{
	int i = a->out;

	if (i >= 0) {
		a->deliver += a->slot[i].len;
		ahead_free(a, i);
		a->out = -1;
		issue_all(a);
	}
	for (i = 0; i < a->slots && !ahead_covers(a, i, a->deliver);)
		i++;
	if (i == a->slots)
		return false;
	ahead_wait(a, i);
	a->out = i;
	*buf = a->slot[i].buf;
	*got = a->slot[i].got;
	*asked = a->slot[i].len;
	return true;
}

static bool flying(const struct ahead *a)
{
	for (int i = 0; i < a->slots; i++)
		if (ahead_state(a, i) == AHEAD_FLYING)
			return true;
	return false;
}

bool ahead_settled(struct ahead *a, uint64_t ns)
{
	const struct timespec timeout = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	while (flying(a) && reap(a, 1, &timeout) > 0)
		;
	return !flying(a);
}

void ahead_stop(struct ahead *a)
{
	for (int i = 0; i < a->slots; i++)
		if (ahead_state(a, i) == AHEAD_FLYING)
			ahead_wait(a, i);
	if (!a->lost) {
		context_put(a->context);
		while (a->chunks > 0)
			ahead_shrink(a);
	}
	a->slots = 0;
	hold(a, 0);
	a->context = -1;
}

#include "ahead.h"

#include "book.h"
#include "fdtab.h"
#include "pool.h"

#define CONTEXTS 8
#define PIECE_MIN (128u << 10)
#define PIECE_MAX (512u << 10)
#define IN_FLIGHT (2u << 20)

static struct {
	aio_context_t id;	/* 0: not made yet */
	uint32_t busy;
} contexts[CONTEXTS];
static uint32_t refused;	/* io_setup said no: not asked again */

void ahead_forget(void)
{
	for (int i = 0; i < CONTEXTS; i++) {
		contexts[i].id = 0;
		contexts[i].busy = 0;
	}
}

static int context_get(void)
{
	if (__atomic_load_n(&refused, __ATOMIC_RELAXED))
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

/* Pieces per chunk, chunks for the pieces: as many as the pool has, at least one. */
static bool take_chunks(struct ahead *a, int want)
{
	size_t chunk = pool_chunk();

	a->slots = a->chunks = 0;
	while (a->slots < want) {
		char *c = pool_get(a->piece);

		if (!c)
			break;
		a->chunk[a->chunks++] = c;
		for (size_t at = 0; at + a->piece <= chunk && a->slots < want; at += a->piece) {
			a->slot[a->slots].buf = c + at;
			a->slot[a->slots].state = AHEAD_IDLE;
			a->slots++;
		}
	}
	return a->slots > 0;
}

/* Issues reads into idle slots. A refused submission makes that piece synchronous. */
static void issue(struct ahead *a)
{
	while (a->ready < a->slots && a->next < a->end) {
		int i = (a->head + a->ready) % a->slots;
		uint64_t left = a->end - a->next;
		struct iocb cb = { 0 }, *list = &cb;

		a->slot[i].off = a->next;
		a->slot[i].len = left < a->piece ? (size_t)left : a->piece;
		a->slot[i].state = AHEAD_IDLE;
		if (!fdtab_still(a->fd, a->word)) {	/* somebody else's number by now */
			a->slot[i].state = AHEAD_DONE;
			a->slot[i].got = -EBADF;
		} else if (a->context >= 0) {
			cb.aio_data = (unsigned)i;
			cb.aio_lio_opcode = IOCB_CMD_PREAD;
			cb.aio_fildes = (uint32_t)a->fd;
			cb.aio_buf = (uintptr_t)a->slot[i].buf;
			cb.aio_nbytes = a->slot[i].len;
			cb.aio_offset = (int64_t)a->slot[i].off;
			if (sys_io_submit(contexts[a->context].id, 1, &list) == 1)
				a->slot[i].state = AHEAD_FLYING;
		}
		a->next += a->slot[i].len;
		a->ready++;
	}
}

bool ahead_start(struct ahead *a, int fd, uint64_t word, uint64_t off, uint64_t end)
{
	uint64_t total = end - off;
	size_t piece = PIECE_MIN;

	a->fd = fd;
	a->word = word;
	a->next = off;
	a->end = end;
	a->head = a->ready = 0;
	a->context = -1;
	a->out = a->lost = false;
	/* Two at least, so that copying one overlaps reading the other; few, for each costs. */
	while (piece < PIECE_MAX && piece * 2 < total)
		piece *= 2;
	if (piece > pool_chunk())
		piece = pool_chunk();
	a->piece = piece;
	total = (total + piece - 1) / piece;
	if (total > IN_FLIGHT / piece)
		total = IN_FLIGHT / piece;
	if (total > AHEAD_SLOTS)
		total = AHEAD_SLOTS;
	if (!take_chunks(a, (int)total))
		return false;
	if (a->slots > 1)
		a->context = context_get();
	issue(a);
	return true;
}

static void wait_for(struct ahead *a, int i)
{
	while (a->slot[i].state == AHEAD_FLYING) {
		struct io_event ev[AHEAD_SLOTS];
		int n = sys_io_getevents(contexts[a->context].id, 1, AHEAD_SLOTS, ev);

		if (n < 0 && n != -EINTR) {
			/* Never seen. The device may write there yet: the chunks stay taken. */
			a->slot[i].state = AHEAD_DONE;
			a->slot[i].got = n;
			a->lost = true;
		}
		for (int k = 0; k < n; k++) {
			a->slot[ev[k].data].state = AHEAD_DONE;
			a->slot[ev[k].data].got = (ssize_t)ev[k].res;
		}
	}
}

bool ahead_next(struct ahead *a, char **buf, ssize_t *got, size_t *asked)
{
	int i = a->head;

	if (a->out) {
		a->out = false;
		a->slot[i].state = AHEAD_IDLE;
		a->head = i = (i + 1) % a->slots;
		a->ready--;
		issue(a);
	}
	if (a->ready == 0)
		return false;
	if (a->slot[i].state == AHEAD_IDLE) {
		a->slot[i].got = !fdtab_still(a->fd, a->word) ? -EBADF :
				 sys_pread(a->fd, a->slot[i].buf, a->slot[i].len,
					   (int64_t)a->slot[i].off);
		if (a->slot[i].got > 0)
			book_own_read((size_t)a->slot[i].got);
		a->slot[i].state = AHEAD_DONE;
	} else {
		wait_for(a, i);
	}
	a->out = true;
	*buf = a->slot[i].buf;
	*got = a->slot[i].got;
	*asked = a->slot[i].len;
	return true;
}

void ahead_stop(struct ahead *a)
{
	for (int i = 0; i < a->slots; i++)
		if (a->context >= 0)
			wait_for(a, i);
	if (!a->lost) {
		context_put(a->context);
		for (int i = 0; i < a->chunks; i++)
			pool_put(a->chunk[i]);
	}
	a->slots = a->chunks = 0;
}

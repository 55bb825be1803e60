#include "quick.h"

#include "adopt.h"
#include "book.h"
#include "memory.h"
#include "state.h"
#include "window.h"

bool quick_copying;

/* The stream that served descriptor fd last, if what the guard asks of flags was asked of it lately. */
static struct stream *stream_of(int fd, uint64_t word)
{
	EACH_STREAM(st)
		if (stream_word(st) == word && st->fd == fd)
			return st->checked && !st->alone ? st : NULL;
	return NULL;
}

/* The window that holds [off, off + n) and more, filled; or -1. */
static int window_of(const struct stream *st, uint64_t off, size_t n)
{
	for (int i = 0; i < AHEAD_SLOTS; i++)
		if (st->pins[i] && ahead_state(&st->a, i) == AHEAD_DONE &&
		    ahead_covers(&st->a, i, off))
			return n < ahead_to(&st->a, i) - off && off + n <= st->size &&
			       st->a.slot[i].got >= (ssize_t)(off - ahead_from(&st->a, i) + n) ? i : -1;
	return -1;
}

/* Is the file what it was when the windows were filled? Of a pread nothing else tells that it may be read. */
static bool unchanged(const struct stream *st, const struct file *f, int fd, bool ask_flags)
{
	struct sys_identity id;

	return sys_identify(fd, true, &id) == 0 && id.ino == f->ino && id.dev == f->dev &&
	       stream_valid(st, &id.ctime, id.size) &&
	       (!ask_flags || ((uint32_t)sys_fcntl(fd, F_GETFL, 0) & FILE_FLAGS) == f->flags);
}

static bool copy_out(const char *from, void *buf, size_t n)
{
	const struct iovec iov = { buf, n };
	struct memory_walk w;

	memory_walk_to(&w, &iov, 1, 0);
	return memory_walk_takes(w, n) && memory_put(&w, from, n) == n;
}

/*
 * The window that holds the range, or -1. If a handler forks meanwhile, its
 * child finds no windows any more, or comes back with an address that pool_stand_in
 * has put memory behind.
 */
static int copy_from_window(const struct stream *st, const struct file *f, int fd, uint64_t off,
			    void *buf, size_t n, bool positional)
{
	const uint32_t changes = st->changes;
	const char *from;
	int i;

	quick_copying = true;
	i = window_of(st, off, n);
	if (i >= 0) {
		from = st->a.slot[i].buf + (off - ahead_from(&st->a, i));
		if (st->changes != changes || !unchanged(st, f, fd, positional) ||
		    !copy_out(from, buf, n))
			i = -1;
	}
	quick_copying = false;
	return i;
}

/* Moves the offset from where it should be. False: it was elsewhere, and is left there. */
static bool move_offset(struct stream *st, int fd, uint64_t off, size_t n)
{
	int64_t end = sys_lseek(fd, (int64_t)n, SEEK_CUR);

	if (end == (int64_t)(off + n))
		return true;
	st->placed = false;
	if (end >= 0)
		sys_lseek(fd, -(int64_t)n, SEEK_CUR);
	return false;
}

bool quick_read(int fd, void *buf, size_t n, int64_t at)
{
	const uint64_t word = fdtab_get(fd);
	const uint32_t generation = state_generation;
	struct ledger *l;
	struct stream *st;
	struct file *f;
	uint64_t off;
	uint32_t changes;
	int i;

	if (fdtab_tag(word) != FD_FILE || !state_alone() || n == 0 || at > INT64_MAX - (int64_t)n)
		return false;
	f = file_peek(word);
	if (f->streams == 0 || f->mapped || f->learned || (at < 0 && !f->private))
		return false;
	st = stream_of(fd, word);
	if (!st || (at < 0 && !st->placed))
		return false;
	changes = st->changes;
	off = at < 0 ? st->low : (uint64_t)at;
	i = copy_from_window(st, f, fd, off, buf, n, at >= 0);
	if (i < 0)
		return false;
	/* Did a handler come in between, and use the stream, or switch us off? */
	if (st->changes != changes || !state_ready() || (at < 0 && !move_offset(st, fd, off, n)))
		return false;
	st->placed = at < 0 || (st->placed && st->low == off + n);
	st->low = off + n;
	st->eaten[i] += (uint32_t)n;
	st->served += n;
	st->used = window_tick();
	st->missed = 0;
	l = book_of(generation);
	book_moved_in(l, l == &book_spare ? NULL : adopt_row(f), OP_READ, ROUTE_staged,
		      REASON_sequential, n);
	book_call_in(l, n, (ssize_t)n);
	return true;
}

void quick_sought(int fd)
{
	const uint64_t word = fdtab_get(fd);

	if (fdtab_tag(word) != FD_FILE || WINDOW_GET(file_peek(word)->streams) == 0)
		return;
	EACH_STREAM(st)
		if (stream_word(st) == word && WINDOW_GET(st->fd) == fd)
			WINDOW_SET(st->placed, false);
}

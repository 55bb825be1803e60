#include "entry.h"

#include "locks.h"
#include "own.h"
#include "sys.h"

#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

/* One of the shim's numbers, used by the program: as if nothing were open there. */
static bool not_yours(int fd)
{
	if (!fdtab_is_own(fd) || state_vforked)
		return false;
	errno = EBADF;
	return true;
}

/* The number fd is about to be closed or replaced. */
struct change {
	struct file *f;
	int held;
	bool on;
};

static struct change change_begin(int fd)
{
	struct change c = { NULL, 0, state_ready() };

	if (!c.on)
		return c;
	book_count(COUNTER_descriptor_calls, 1);
	c.held = entry_hold();
	state_enter();
	if (fdtab_is_own(fd))
		file_evict(fd);
	c.f = file_drop_begin(fd);
	state_leave();
	return c;
}

static void change_end(struct change *c)
{
	if (!c->on)
		return;
	state_enter();
	file_drop_end(c->f);
	state_leave();
	entry_free(c->held);
}

/* A number that the kernel has just given out. */
static int fresh(int fd)
{
	if (fd >= 0 && state_ready()) {
		state_enter();
		file_fresh(fd);
		state_leave();
	}
	return fd;
}

EXPORT int close(int fd)
{
	struct change c;
	int r;

	if (not_yours(fd))
		return -1;
	c = change_begin(fd);
	r = real.close(fd);
	change_end(&c);
	return r;
}

EXPORT int dup(int fd)
{
	return not_yours(fd) ? -1 : fresh(real.dup(fd));
}

EXPORT int dup2(int from, int to)
{
	struct change c;
	int r;

	if (not_yours(from))
		return -1;
	if (from == to)
		return real.dup2(from, to);
	c = change_begin(to);
	r = real.dup2(from, to);
	change_end(&c);
	return r;
}

EXPORT int dup3(int from, int to, int flags)
{
	struct change c;
	int r;

	if (not_yours(from))
		return -1;
	if (from == to)
		return real.dup3(from, to, flags);
	c = change_begin(to);
	r = real.dup3(from, to, flags);
	change_end(&c);
	return r;
}

/*
 * Drops what the table knows of the program's descriptors in [first, last],
 * which closes most of ours; then closes around those that remain.
 */
EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	unsigned from = first;

	if (!state_ready() || ((unsigned)flags & CLOSE_RANGE_CLOEXEC) || first > last ||
	    first > INT32_MAX) {
		if (!real.close_range)
			return (int)entry_result(sys_call(SYS_close_range, first, last, flags, 0, 0, 0));
		return real.close_range(first, last, flags);
	}
	book_count(COUNTER_descriptor_calls, 1);
	state_enter();
	for (int fd = (int)first; (fd = fdtab_next(fd, FDTAB_TAG, FD_FILE)) >= 0; fd++) {
		if ((unsigned)fd > last)
			break;
		file_drop(fd);
	}
	for (int fd = (int)first; (fd = fdtab_next(fd, FDTAB_TAG, FD_PLAIN)) >= 0; fd++) {
		if ((unsigned)fd > last)
			break;
		file_drop(fd);
	}
	state_leave();
	while (from <= last) {
		int own = fdtab_next((int)from, FDTAB_TAG, FD_OWN);
		unsigned to = own < 0 || (unsigned)own > last ? last : (unsigned)own - 1;

		if (own < 0 || (unsigned)own != from) {
			long r = sys_call(SYS_close_range, from, to, flags, 0, 0, 0);

			if (r != 0)
				return (int)entry_result(r);
		}
		if (own < 0 || (unsigned)own >= last)
			break;
		from = (unsigned)own + 1;
	}
	locks_unpark();
	return 0;
}

EXPORT void closefrom(int low)
{
	if (!state_ready() || close_range(low < 0 ? 0 : (unsigned)low, ~0u, 0) != 0)
		real.closefrom(low);
}

/*
 * Around the taking of a POSIX lock. Before the first one on a descriptor its
 * file is adopted: afterwards the shim could no longer close the low number
 * that it opens. The end also runs when the thread is cancelled while it waits.
 */
static bool taking_begin(int fd)
{
	struct way w;

	if (!state_ready())
		return false;
	if (way_in(&w, fd))
		file_release(w.f);
	locks_take_begin();
	return true;
}

static void taking_end(void *arg)
{
	int fd = *(const int *)arg;
	uint64_t word = fdtab_get(fd);

	locks_take_end();
	/* Left alone because of its locks: it may be adopted now. */
	if (fdtab_tag(word) == FD_PLAIN && fdtab_reason(word) == REASON_locked)
		fdtab_replace(fd, word, 0);
	if (state_ready()) {
		state_enter();
		locks_unpark();
		state_leave();
	}
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (not_yours(fd))
		return -1;
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return fresh(real.fcntl(fd, cmd, arg));
	if ((cmd != F_SETLK && cmd != F_SETLKW) || !taking_begin(fd))
		return real.fcntl(fd, cmd, arg);
	pthread_cleanup_push(taking_end, &fd);
	r = real.fcntl(fd, cmd, arg);
	pthread_cleanup_pop(1);
	return r;
}

EXPORT int lockf(int fd, int cmd, off_t len)
{
	int r;

	if (not_yours(fd))
		return -1;
	if (!taking_begin(fd))
		return real.lockf(fd, cmd, len);
	pthread_cleanup_push(taking_end, &fd);
	r = real.lockf(fd, cmd, len);
	pthread_cleanup_pop(1);
	return r;
}

/*
 * A hint to read into the page cache what will then be read around it would
 * fill the cache for nothing.
 */
EXPORT int posix_fadvise(int fd, off_t off, off_t len, int advice)
{
	if (advice == POSIX_FADV_WILLNEED && off >= 0 && len >= 0 && state_ready() &&
	    fdtab_tag(fdtab_get(fd)) == FD_FILE) {
		book_count(COUNTER_descriptor_calls, 1);
		return 0;
	}
	return real.posix_fadvise(fd, off, len, advice);
}

/* The next request's guard sees the new size; here it is only counted. */
EXPORT int ftruncate(int fd, off_t size)
{
	if (state_ready())
		book_count(COUNTER_descriptor_calls, 1);
	return real.ftruncate(fd, size);
}

#define TWIN_fd(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

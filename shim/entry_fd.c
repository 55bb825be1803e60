#include "entry.h"

#include "locks.h"
#include "own.h"
#include "quick.h"
#include "stream.h"
#include "sys.h"

#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4u
#endif

/* A number that the kernel has just given out. */
static void forget(int fd)
{
	uint64_t held, word = fd >= 0 ? fdtab_get(fd) : 0;

	if (word == 0 || !state_ready())
		return;
	if (fdtab_tag(word) != FD_FILE && fdtab_tag(word) != FD_OWN && !locks_parked()) {
		file_drop(fd);	/* a word, and nothing behind it */
		return;
	}
	held = state_hold();
	file_fresh(fd);
	state_free(held);
}

/* The same for a duplicate of from. */
static int fresh(int fd, int from)
{
	forget(fd);
	if (fd >= 0 && state_ready())
		fdtab_replace(fd, 0, file_word_of_dup(from));
	return fd;
}

/* Is there nothing of ours about fd, nor will there be while it is closed? */
static bool nobody_at(int fd)
{
	const unsigned tag = fdtab_tag(fdtab_get(fd));

	return (tag == FD_PLAIN || (tag == FD_UNKNOWN && state_alone())) && !locks_parked() &&
	       __atomic_load_n(fdtab_users(fd), __ATOMIC_SEQ_CST) == 0;
}

static void end_closing(void *fd)
{
	file_drop_end((int)(intptr_t)fd, NULL, 0);
}

/* A number that another thread could come to adopt: not while it is closed. */
static int close_unknown(int fd)
{
	int r;

	pthread_cleanup_push(end_closing, (void *)(intptr_t)fd);
	r = real.close(fd);
	pthread_cleanup_pop(1);
	return r;
}

int entry_close(int fd, bool raw)
{
	const uint64_t word = fdtab_get(fd);
	struct file *f;
	uint64_t held;
	int r;

	if (entry_not_yours(fd))
		return -1;
	if (!state_ready() || nobody_at(fd)) {
		forget(fd);	/* what is known of a pipe goes too */
		return raw ? (int)entry_result(sys_close(fd)) : real.close(fd);
	}
	if (!raw && fdtab_tag(word) == FD_UNKNOWN && !locks_parked() &&
	    fdtab_replace(fd, word, FD_CHANGING) &&
	    __atomic_load_n(fdtab_users(fd), __ATOMIC_SEQ_CST) == 0)
		return close_unknown(fd);
	if (!raw)	/* not while something is held */
		pthread_testcancel();
	book_count(COUNTER_descriptor_calls, 1);
	held = state_hold();
	f = file_drop_begin(fd);
	r = sys_close(fd);
	file_drop_end(fd, f, 0);
	state_free(held);
	return (int)entry_result(r);
}

EXPORT int close(int fd)
{
	return entry_close(fd, false);
}

EXPORT int dup(int fd)
{
	int r;

	if (entry_not_yours(fd))
		return -1;
	ENTRY_WITH_ROOM(r, real.dup(fd));
	return fresh(r, fd);
}

/* dup2, dup3: number to is about to become another descriptor. */
static int replace(int from, int to, int flags, bool three)
{
	struct file *f;
	uint64_t held;
	int r;

	if (entry_not_yours(from))
		return -1;
	if (from == to || !state_ready())
		return three ? real.dup3(from, to, flags) : real.dup2(from, to);
	book_count(COUNTER_descriptor_calls, 1);
	held = state_hold();
	gate_stop(&own_numbers);
	if (fdtab_is_own(to))
		file_evict(to);
	f = file_drop_begin(to);
	r = three ? real.dup3(from, to, flags) : real.dup2(from, to);
	file_drop_end(to, f, r >= 0 ? file_word_of_dup(from) : 0);
	gate_go(&own_numbers);
	state_free(held);
	return r;
}

EXPORT int dup2(int from, int to)
{
	return replace(from, to, 0, false);
}

EXPORT int dup3(int from, int to, int flags)
{
	return replace(from, to, flags, true);
}

/* Of each number that the table knows in the range: takes it off, or ends that. */
static void each_of_range(unsigned first, unsigned last, uint64_t mask, uint64_t word,
			  void (*each)(int fd))
{
	for (int fd = (int)first; (fd = fdtab_next(fd, mask, word)) >= 0; fd++) {
		if ((unsigned)fd > last)
			break;
		each(fd);
	}
}

static void drop_begin(int fd)
{
	struct file *f = file_drop_begin(fd);

	if (f)
		file_release(f);
}

static void drop_end(int fd)
{
	file_drop_end(fd, NULL, 0);
}

/*
 * Drops what the table knows of the program's descriptors in [first, last],
 * which closes most of ours; then closes around those that remain.
 */
EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	unsigned from = first;
	uint64_t held;
	long r = 0;

	if (!state_ready() || ((unsigned)flags & CLOSE_RANGE_CLOEXEC) || first > last ||
	    first > INT32_MAX) {
		if (!real.close_range)
			return (int)entry_result(sys_call(SYS_close_range, first, last, flags, 0, 0, 0));
		return real.close_range(first, last, flags);
	}
	book_count(COUNTER_descriptor_calls, 1);
	held = state_hold();
	gate_stop(&own_numbers);
	each_of_range(first, last, FDTAB_TAG, FD_FILE, drop_begin);
	each_of_range(first, last, FDTAB_TAG, FD_PLAIN, file_drop);
	each_of_range(first, last, ~0ull, FD_PRIVATE, file_drop);
	while (from <= last) {
		int own = fdtab_next((int)from, FDTAB_TAG, FD_OWN);
		unsigned to = own < 0 || (unsigned)own > last ? last : (unsigned)own - 1;

		if (own < 0 || (unsigned)own != from) {
			r = sys_call(SYS_close_range, from, to, flags, 0, 0, 0);
			if (r != 0)
				break;
		}
		if (own < 0 || (unsigned)own >= last)
			break;
		from = (unsigned)own + 1;
	}
	each_of_range(first, last, ~0ull, FD_CHANGING, drop_end);
	each_of_range(first, last, ~0ull, FD_REVOKED, drop_end);
	locks_unpark();
	gate_go(&own_numbers);
	state_free(held);
	return (int)entry_result(r);
}

EXPORT void closefrom(int low)
{
	if (!state_ready() || close_range(low < 0 ? 0 : (unsigned)low, ~0u, 0) != 0)
		real.closefrom(low);
}

/*
 * A POSIX lock, asked for without waiting. Before the first one on a
 * descriptor its file is adopted: afterwards the shim could no longer close
 * the low number that it opens. The gate keeps our closes away meanwhile.
 */
static int try_lock(int fd, const struct flock *fl, int lockf_cmd, off_t len)
{
	struct stat st;
	uint64_t held, word;
	struct way w;
	int r;

	if (sys_fstat(fd, &st) != 0)
		return fl ? real.fcntl(fd, F_SETLK, fl) : real.lockf(fd, lockf_cmd, len);
	held = state_hold();
	if (way_adopt(&w, fd))
		file_leave(fd, w.f);
	locks_take_begin(st.st_ino);
	r = fl ? real.fcntl(fd, F_SETLK, fl) : real.lockf(fd, lockf_cmd, len);
	locks_take_end(st.st_ino);
	/* Left alone because of its locks: it may be adopted now. */
	word = fdtab_get(fd);
	if (fdtab_tag(word) == FD_PLAIN && fdtab_reason(word) == REASON_locked)
		fdtab_replace(fd, word, 0);
	locks_unpark();
	state_free(held);
	return r;
}

/*
 * One that waits is asked for again once it was granted, for a close of ours
 * may have dropped it the moment it came: so the wait holds nothing, and may
 * be cancelled or jumped out of.
 */
static int wait_lock(int fd, const struct flock *fl, off_t len)
{
	int r;

	do {
		r = fl ? try_lock(fd, fl, 0, 0) : try_lock(fd, NULL, F_TLOCK, len);
		if (r == 0 || (errno != EAGAIN && errno != EACCES))
			return r;
		r = fl ? real.fcntl(fd, F_SETLKW, fl) : real.lockf(fd, F_LOCK, len);
	} while (r == 0);
	return r;
}

/*
 * F_DUPFD from number min on: ours step aside if the next free one is behind
 * them. Beside other threads, only when none of ours is on its way up.
 */
static int duplicate(int fd, int cmd, void *arg)
{
	const int min = (int)(intptr_t)arg;
	int own = fdtab_next(min, FDTAB_TAG, FD_OWN), n = min, r;
	uint64_t held;

	if (!state_ready() || (state_alone() && (own < 0 || own - min > 64)))
		return real.fcntl(fd, cmd, arg);
	held = state_hold();
	gate_stop(&own_numbers);
	own = fdtab_next(min, FDTAB_TAG, FD_OWN);
	if (own >= 0 && own - min <= 64) {
		while (n < own && sys_fcntl(n, F_GETFD, 0) >= 0)
			n++;
		if (n == own)	/* nothing before it is free */
			file_evict(own);
	}
	r = real.fcntl(fd, cmd, arg);
	gate_go(&own_numbers);
	state_free(held);
	return r;
}

/* The same, again while ours stand in its way. */
static int duplicate_with_room(int fd, int cmd, void *arg)
{
	const int saved = errno;
	int round = 0, r;

	while ((r = duplicate(fd, cmd, arg)) < 0 && entry_make_room(&round))
		errno = saved;
	return fresh(r, fd);
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (entry_not_yours(fd))
		return -1;
	if (cmd == F_SETFL && observe_is(fdtab_get(fd)))	/* O_DIRECT, O_APPEND: looked at anew */
		fdtab_set(fd, 0);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
		return duplicate_with_room(fd, cmd, arg);
	}
	if ((cmd != F_SETLK && cmd != F_SETLKW) || !arg || !state_ready())
		return real.fcntl(fd, cmd, arg);
	if (cmd == F_SETLK)
		return try_lock(fd, arg, 0, 0);
	pthread_testcancel();
	return wait_lock(fd, arg, 0);
}

EXPORT int lockf(int fd, int cmd, off_t len)
{
	if (entry_not_yours(fd))
		return -1;
	if (!state_ready())
		return real.lockf(fd, cmd, len);
	if (cmd == F_TLOCK || cmd == F_ULOCK)
		return try_lock(fd, NULL, cmd, len);
	if (cmd != F_LOCK)
		return real.lockf(fd, cmd, len);
	pthread_testcancel();
	return wait_lock(fd, NULL, len);
}

/* How the file will be read, for its streams too. It is a first look at it, if need be. */
static void advise(int fd, int advice)
{
	const uint64_t held = state_hold();
	struct way w;

	if (state_now() == STATE_READY && way_adopt(&w, fd)) {
		stream_advise(w.f, advice);
		file_leave(fd, w.f);
	}
	state_free(held);
}

/*
 * A hint to read into the page cache what will then be read around it would
 * fill the cache for nothing.
 */
EXPORT int posix_fadvise(int fd, off_t off, off_t len, int advice)
{
	if (entry_not_yours(fd))
		return EBADF;
	if (advice <= POSIX_FADV_SEQUENTIAL && advice >= 0 && state_ready() &&
	    fdtab_get(fd) != fdtab_plain(REASON_NONE, 0))
		advise(fd, advice);
	if (advice == POSIX_FADV_WILLNEED && state_config.mode != MODE_auto && off >= 0 && len >= 0 && state_ready() &&
	    fdtab_tag(fdtab_get(fd)) == FD_FILE) {
		book_count(COUNTER_descriptor_calls, 1);
		return 0;
	}
	return real.posix_fadvise(fd, off, len, advice);
}

EXPORT off_t lseek(int fd, off_t off, int whence)
{
	off_t at;

	if (entry_not_yours(fd))
		return -1;
	if (state_ready())
		quick_sought(fd);
	at = real.lseek(fd, off, whence);
	if (at >= 0 && state_ready())
		observe_placed(fd, at);
	return at;
}

/* The next request's guard sees the new size; here it is only counted. */
EXPORT int ftruncate(int fd, off_t size)
{
	if (entry_not_yours(fd))
		return -1;
	if (state_ready())
		book_count(COUNTER_descriptor_calls, 1);
	return real.ftruncate(fd, size);
}

#define TWIN_fd(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

#include "entry.h"

#include "memory.h"
#include "quick.h"

#include <limits.h>
#include <pthread.h>
#include <unistd.h>

/* glibc declares these only to fortified programs. */
EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
EXPORT ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t room);

/* What Linux moves of it at most. */
static inline size_t clipped(size_t n)
{
	return n < SYS_MAX_RW ? n : SYS_MAX_RW;
}

/* A vector that may have been refused as misaligned: worth a look, where requests are kept. */
static bool refused(const struct iovec *iov, int n)
{
	return note_on && errno == EINVAL && n > 0 && n <= IOV_MAX && state_ready() &&
	       memory_readable(iov, (size_t)n * sizeof(*iov));
}

/*
 * What a call that passed through asked for: it moved bytes, so its iovec was
 * good; but it may have been read over, and then says anything.
 */
static size_t sum_of(const struct iovec *iov, int n, ssize_t ret)
{
	size_t sum = 0;

	if (ret == 0 || (ret < 0 && !refused(iov, n)))
		return 0;
	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len < SYS_MAX_RW - sum ? iov[i].iov_len : SYS_MAX_RW - sum;
	return ret > 0 && sum < (size_t)ret ? (size_t)ret : sum;
}

/*
 * What is no file, in a process of one thread with nobody wrapped behind us:
 * most calls of most programs. Straight to the kernel, with no frame between.
 */
static inline bool plain_and_alone(int fd)
{
	return __builtin_expect(state_ready() && fdtab_get(fd) == fdtab_plain(REASON_NONE, 0) &&
					state_alone() && real_io_is_libc, 1);
}

/* An observed file, the same way: what a look at it costs is to be little beside a read of the page cache. */
static inline bool observed_and_alone(int fd, uint64_t *word)
{
	const bool ready = state_ready();	/* first: in a fork child it changes the table */

	*word = fdtab_get(fd);
	return ready && observe_is(*word) && state_alone() && real_io_is_libc && !observe_strict &&
	       state_config.records == 0;
}

/* The kernel's answer to it, booked. */
static inline ssize_t observed_done(uint64_t word, const struct request *rq, long r, uint32_t generation)
{
	const size_t n = rq->iov[0].iov_len;

	observe_book(book_of(generation), word, rq, clipped(n), r, 0);
	return entry_result(r);
}

/* Mode auto, and such requests on the file pass unasked: the same way again. */
static inline bool settled_and_alone(int fd, enum op op, size_t n, uint64_t *word)
{
	const bool ready = state_ready();

	*word = fdtab_get(fd);
	return ready && state_alone() && real_io_is_libc && !note_on && auto_passes(*word, op, n);
}

static inline ssize_t settled_done(uint64_t word, enum op op, size_t n, long r, uint32_t generation)
{
	struct ledger *l = book_of(generation);

	if (r < 0 || l == &book_spare)
		book_call_in(l, clipped(n), r);
	else
		book_alone(l, adopt_row(file_peek(word)), op, REASON_settled, clipped(n), (uint64_t)r);
	return entry_result(r);
}

/* Out of a stream's window, where that takes no more than copying. */
static inline bool quick(int fd, void *buf, size_t n, int64_t at)
{
	if (!state_ready() || fdtab_tag(fdtab_get(fd)) != FD_FILE || note_on)
		return false;
	pthread_testcancel();
	return quick_read(fd, buf, n, at);
}

static __attribute__((noinline)) ssize_t read_any(int fd, void *buf, size_t n, const void *caller)
{
	const struct iovec iov = { buf, n };
	struct request rq = { .op = OP_READ, .fd = fd, .iov = &iov, .iovcnt = 1, .caller = caller };
	struct way w;
	ssize_t r;

	if (quick(fd, buf, n, -1))
		return (ssize_t)n;
	if (way_in(&w, fd, OP_READ, n) && way_run(&w, &rq, &r))
		return r;
	return way_book(&w, &rq, n, real.read(fd, buf, n));
}

/* Mode auto: the file's writes pass, and the page cache is to let go of one of that length. */
static inline bool goes_behind(uint64_t word, size_t n)
{
	return n >= AUTO_BEHIND_MIN && file_peek(word)->lately.behind;
}

static inline bool passed_behind(const struct way *w, size_t n)
{
	return __builtin_expect(w->why == REASON_settled, 0) && fdtab_tag(w->word) == FD_FILE &&
	       goes_behind(w->word, n);
}

static ssize_t write_behind(const struct request *rq)
{
	pthread_testcancel();
	return entry_result(auto_write_behind(rq));
}

/*
 * A short write that the kernel refused: O_DIRECT was turned on, through
 * another descriptor perhaps. The guard will see it.
 */
static bool run_again(struct way *w, struct request *rq, int saved_errno, ssize_t *r)
{
	if (errno != EINVAL || fdtab_tag(w->word) != FD_FILE || !way_in(w, rq->fd, OP_WRITE, AUTO_PASS_VECTOR) ||
	    !way_run(w, rq, r))
		return false;
	if (*r >= 0)
		errno = saved_errno;
	return true;
}

static __attribute__((noinline)) ssize_t write_any(int fd, const void *buf, size_t n,
						   const void *caller)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, n };
	struct request rq = { .op = OP_WRITE, .fd = fd, .iov = &iov, .iovcnt = 1, .caller = caller };
	struct way w;
	const int saved = errno;
	ssize_t r;

	if (way_in_write(&w, fd, n) && way_run(&w, &rq, &r))
		return r;
	r = passed_behind(&w, n) ? write_behind(&rq) : real.write(fd, buf, n);
	if (r < 0 && run_again(&w, &rq, saved, &r))
		return r;
	return way_book(&w, &rq, n, r);
}

/* The kernel's answer to a plain call, booked. */
static inline ssize_t plain_done(enum op op, size_t n, long r, uint32_t generation)
{
	book_not_file(book_of(generation), op, clipped(n), r);
	return entry_result(r);
}

static inline ssize_t read_observed(int fd, void *buf, size_t n, uint64_t word, const void *caller)
{
	const struct iovec iov = { buf, n };
	const struct request rq = { .op = OP_READ, .fd = fd, .iov = &iov, .iovcnt = 1, .caller = caller };
	const uint32_t generation = state_generation;

	pthread_testcancel();
	return observed_done(word, &rq, sys_inline3(SYS_read, fd, sys_ptr(buf), (long)n), generation);
}

EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	uint32_t generation;
	uint64_t word;

	if (!plain_and_alone(fd)) {
		if (observed_and_alone(fd, &word))
			return read_observed(fd, buf, n, word, CALLER);
		if (settled_and_alone(fd, OP_READ, n, &word)) {
			generation = state_generation;
			pthread_testcancel();
			return settled_done(word, OP_READ, n, sys_inline3(SYS_read, fd, sys_ptr(buf), (long)n), generation);
		}
		return read_any(fd, buf, n, CALLER);
	}
	generation = state_generation;
	pthread_testcancel();
	return plain_done(OP_READ, n, sys_inline3(SYS_read, fd, sys_ptr(buf), (long)n), generation);
}

EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
	uint32_t generation;
	uint64_t word;
	long r;

	if (!plain_and_alone(fd)) {
		if (settled_and_alone(fd, OP_WRITE, n, &word) && !goes_behind(word, n)) {
			generation = state_generation;
			pthread_testcancel();
			r = sys_inline3(SYS_write, fd, sys_ptr(buf), (long)n);
			if (r != -EINVAL)	/* as in run_again */
				return settled_done(word, OP_WRITE, n, r, generation);
		}
		return write_any(fd, buf, n, CALLER);
	}
	generation = state_generation;
	pthread_testcancel();
	return plain_done(OP_WRITE, n, sys_inline3(SYS_write, fd, sys_ptr(buf), (long)n), generation);
}

static inline ssize_t pread_any(int fd, void *buf, size_t n, off_t off, const void *caller)
{
	const struct iovec iov = { buf, n };
	struct request rq = { .op = OP_READ, .fd = fd, .positional = true, .off = off,
			      .iov = &iov, .iovcnt = 1, .caller = caller };
	uint64_t word;
	struct way w;
	ssize_t r;

	if (observed_and_alone(fd, &word)) {
		const uint32_t generation = state_generation;

		pthread_testcancel();
		return observed_done(word, &rq, sys_inline4(SYS_pread64, fd, sys_ptr(buf), (long)n, off),
				     generation);
	}
	if (settled_and_alone(fd, OP_READ, n, &word)) {
		const uint32_t generation = state_generation;

		pthread_testcancel();
		return settled_done(word, OP_READ, n, sys_inline4(SYS_pread64, fd, sys_ptr(buf), (long)n, off), generation);
	}
	if (off >= 0 && quick(fd, buf, n, off))
		return (ssize_t)n;
	if (way_in(&w, fd, OP_READ, n) && way_run(&w, &rq, &r))
		return r;
	return way_book(&w, &rq, n, real.pread(fd, buf, n, off));
}

EXPORT ssize_t pread(int fd, void *buf, size_t n, off_t off)
{
	return pread_any(fd, buf, n, off, CALLER);
}

static __attribute__((noinline)) ssize_t pwrite_any(int fd, const void *buf, size_t n, off_t off,
						    const void *caller)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, n };
	struct request rq = { .op = OP_WRITE, .fd = fd, .positional = true, .off = off,
			      .iov = &iov, .iovcnt = 1, .caller = caller };
	struct way w;
	const int saved = errno;
	ssize_t r;

	if (way_in_write(&w, fd, n) && way_run(&w, &rq, &r))
		return r;
	r = passed_behind(&w, n) ? write_behind(&rq) : real.pwrite(fd, buf, n, off);
	if (r < 0 && run_again(&w, &rq, saved, &r))
		return r;
	return way_book(&w, &rq, n, r);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t n, off_t off)
{
	uint64_t word;

	if (settled_and_alone(fd, OP_WRITE, n, &word) && !goes_behind(word, n)) {
		const uint32_t generation = state_generation;
		long r;

		pthread_testcancel();
		r = sys_inline4(SYS_pwrite64, fd, sys_ptr(buf), (long)n, off);
		if (r != -EINVAL)
			return settled_done(word, OP_WRITE, n, r, generation);
	}
	return pwrite_any(fd, buf, n, off, CALLER);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
	struct request rq = { .op = OP_READ, .fd = fd, .vector = true, .iov = iov, .iovcnt = n, .caller = CALLER };
	struct way w;
	ssize_t r;

	if (way_in(&w, fd, OP_READ, AUTO_PASS_VECTOR) && way_run(&w, &rq, &r))
		return r;
	r = real.readv(fd, iov, n);
	return way_book(&w, &rq, sum_of(iov, n, r), r);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	struct request rq = { .op = OP_WRITE, .fd = fd, .vector = true, .iov = iov, .iovcnt = n, .caller = CALLER };
	struct way w;
	ssize_t r;

	if (way_in(&w, fd, OP_WRITE, AUTO_PASS_VECTOR) && way_run(&w, &rq, &r))
		return r;
	r = real.writev(fd, iov, n);
	return way_book(&w, &rq, sum_of(iov, n, r), r);
}

EXPORT ssize_t preadv(int fd, const struct iovec *iov, int n, off_t off)
{
	struct request rq = { .op = OP_READ, .fd = fd, .vector = true, .positional = true,
			      .off = off, .iov = iov, .iovcnt = n, .caller = CALLER };
	struct way w;
	ssize_t r;

	if (way_in(&w, fd, OP_READ, AUTO_PASS_VECTOR) && way_run(&w, &rq, &r))
		return r;
	r = real.preadv(fd, iov, n, off);
	return way_book(&w, &rq, sum_of(iov, n, r), r);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	struct request rq = { .op = OP_WRITE, .fd = fd, .vector = true, .positional = true,
			      .off = off, .iov = iov, .iovcnt = n, .caller = CALLER };
	struct way w;
	ssize_t r;

	if (way_in(&w, fd, OP_WRITE, AUTO_PASS_VECTOR) && way_run(&w, &rq, &r))
		return r;
	r = real.pwritev(fd, iov, n, off);
	return way_book(&w, &rq, sum_of(iov, n, r), r);
}

/* Offset -1 means the descriptor's own. */
EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct request rq = { .op = OP_READ, .fd = fd, .vector = true, .positional = off != -1,
			      .off = off, .rwf = flags, .iov = iov, .iovcnt = n, .caller = CALLER };
	struct way w;
	ssize_t r;

	if (way_in(&w, fd, OP_READ, AUTO_PASS_VECTOR) && way_run(&w, &rq, &r))
		return r;
	r = real.preadv2(fd, iov, n, off, flags);
	return way_book(&w, &rq, sum_of(iov, n, r), r);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	struct request rq = { .op = OP_WRITE, .fd = fd, .vector = true, .positional = off != -1,
			      .off = off, .rwf = flags, .iov = iov, .iovcnt = n, .caller = CALLER };
	struct way w;
	ssize_t r;

	if (way_in(&w, fd, OP_WRITE, AUTO_PASS_VECTOR) && way_run(&w, &rq, &r))
		return r;
	r = real.pwritev2(fd, iov, n, off, flags);
	return way_book(&w, &rq, sum_of(iov, n, r), r);
}

/* The fortified twins: glibc's own stops a program whose buffer is too small. */
EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	return n > room ? real.__read_chk(fd, buf, n, room) : read_any(fd, buf, n, CALLER);
}

EXPORT ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t room)
{
	return n > room ? real.__pread_chk(fd, buf, n, off, room) :
			   pread_any(fd, buf, n, off, CALLER);
}

#define TWIN_io(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

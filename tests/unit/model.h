/*
 * model: a program's calls, each compared with what a plain program gets: a
 * byte array for the file, the kernel's offset for the descriptor, and the
 * rule that a failure of the program's own descriptor (fake.h) may be seen,
 * and nothing else.
 */
#ifndef DIOSHIM_MODEL_H
#define DIOSHIM_MODEL_H

#include "book.h"
#include "fake.h"
#include "state.h"

#include <signal.h>

#define HELPER static __attribute__((unused))

#define MODEL_FILES 3
#define MODEL_MAX (2u << 20)
#define ERRNO_BEFORE 4242

static struct model {
	char path[256];
	int probe;		/* a descriptor behind the shim's back */
	size_t size;
	char data[MODEL_MAX];
} model[MODEL_FILES + 1];	/* [0] is none */

static char model_room[MODEL_MAX + 4 * 4096] __attribute__((aligned(4096)));
static char model_folder[200];
static unsigned model_salt;
static int model_step;
/*
 * A misaligned request on the program's own O_DIRECT descriptor: without the
 * shim it fails, so where something of the shim's failed it may fail too.
 */
static bool misfit;

/* The first thing wrong is kept for whoever started this process. */
static __attribute__((format(printf, 1, 2))) void wrong(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!fake_census->wrong[0])
		snprintf(fake_census->wrong, sizeof(fake_census->wrong), "step %d: %s", model_step, text);
}

static int64_t offset_of(int fd)
{
	return sys_kernel(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0);
}

/* May the program be told err, for what failed on its own descriptor? */
static bool may_see(long err)
{
	for (int i = 0; i < fake.programs + fake.eithers && i < 8; i++)
		if (fake.err[i] == err)
			return true;
	return false;
}

/* The call begins: what it may answer starts from nothing. */
static void begin(long natural)
{
	model_step++;
	misfit = false;
	fake_mark(natural);
	fake.rescue = false;
	errno = ERRNO_BEFORE;
}

/* It returned r where a plain program gets want. */
static void judge(const char *what, long r, long want)
{
	const int err = errno;
	uint64_t mask = 0;

	if (r == -1 && want != -1) {
		if (!may_see(-err) && !(misfit && fake.fired && err == EINVAL))
			wrong("%s: errno %d of ours came through", what, err);
	} else if (r != want) {
		bool partly = r > 0 && r < want &&
			      (fake.programs + fake.eithers > 0 || (misfit && fake.fired));

		if (!partly && !(r == 0 && may_see(0)))
			wrong("%s: returned %ld, not %ld", what, r, want);
	}
	if (r != -1 && err != ERRNO_BEFORE)
		wrong("%s: errno was set to %d by a call that succeeded", what, err);
	sys_kernel(SYS_rt_sigprocmask, SIG_BLOCK, 0, sys_ptr(&mask), 8, 0, 0);
	if (mask != 1ull << (SIGUSR2 - 1))
		wrong("%s: the signal mask is %llx", what, (unsigned long long)mask);
	if (state_quiet != 0)
		wrong("%s: left inside (%d)", what, state_quiet);
}

static int beside(int fd)
{
	struct stat a, b;

	if (sys_kernel(SYS_fstat, fd, sys_ptr(&a), 0, 0, 0, 0) == 0)
		for (int i = 1; i <= MODEL_FILES; i++)
			if (model[i].probe > 0 &&
			    sys_kernel(SYS_fstat, model[i].probe, sys_ptr(&b), 0, 0, 0, 0) == 0 &&
			    a.st_ino == b.st_ino && a.st_dev == b.st_dev)
				return model[i].probe;
	return -1;
}

/* ---- descriptors ------------------------------------------------------------ */

static void owns(int fd, int file)
{
	fake.file[fd] = (signed char)file;
}

/* A descriptor that the program got, or -1. */
static int got_fd(const char *what, int fd, int file)
{
	judge(what, fd >= 0 ? 0 : -1, 0);
	if (fd >= FAKE_FDS)
		wrong("%s: descriptor %d", what, fd);
	else if (fd >= 0)
		owns(fd, file);
	return fd;
}

/* A memory file is opened by way of the descriptor that keeps it. */
static void path_of_file(int file)
{
	if (disk_in_memory && model[file].probe <= 0)
		model[file].probe = disk_file();
	if (disk_in_memory) {
		snprintf(model[file].path, sizeof(model[file].path), "/proc/self/fd/%d",
			 model[file].probe);
		return;
	}
	snprintf(model[file].path, sizeof(model[file].path), "%s/%c", model_folder, 'a' + file);
}

HELPER int do_open(int file, int flags)
{
	struct model *m = &model[file];
	int fd;

	path_of_file(file);
	begin(SYS_openat);
	fd = got_fd("open", open(m->path, flags, 0600), file);
	if (fd < 0)
		return fd;
	if (flags & O_TRUNC)
		m->size = 0;
	if (m->probe <= 0 && !disk_in_memory) {	/* high, so that the program's numbers stay what they are */
		long low = sys_kernel(SYS_openat, AT_FDCWD, sys_ptr(m->path), O_RDWR, 0, 0, 0);

		m->probe = (int)sys_kernel(SYS_fcntl, low, F_DUPFD_CLOEXEC, 900, 0, 0, 0);
		sys_kernel(SYS_close, low, 0, 0, 0, 0, 0);
	}
	return fd;
}

HELPER int do_close(int fd)
{
	int r;

	if (fd < 0)
		return -1;
	begin(SYS_close);
	r = close(fd);
	judge("close", r, 0);
	owns(fd, 0);
	if (sys_kernel(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) != -EBADF)
		wrong("close: %d is still open", fd);
	return r;
}

HELPER int do_dup(int fd)
{
	begin(SYS_dup);
	return got_fd("dup", dup(fd), fake.file[fd]);
}

HELPER int do_dup2(int fd, int to)
{
	int r;

	begin(SYS_dup3);
	r = dup2(fd, to);
	judge("dup2", r, to);
	if (r >= 0)
		owns(to, fake.file[fd]);
	return r;
}

HELPER int do_fcntl(int fd, int cmd, long arg)
{
	int r;

	begin(SYS_fcntl);
	r = fcntl(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return got_fd("F_DUPFD", r, fake.file[fd]);
	judge("fcntl", r, 0);
	return r;
}

HELPER int do_lock(int fd, int cmd, short type, off_t from, off_t len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = len };

	return do_fcntl(fd, cmd, (long)(uintptr_t)&fl);
}

HELPER void do_seek(int fd, int64_t to)
{
	model_step++;
	if (fd >= 0 && lseek(fd, to, SEEK_SET) != to)
		wrong("lseek");
}

HELPER void do_truncate(int fd, int64_t size)
{
	struct model *m = &model[(int)fake.file[fd]];

	begin(SYS_ftruncate);
	clock_stamp(fd);
	if (ftruncate(fd, size) == 0) {
		if ((size_t)size > m->size)
			memset(m->data + m->size, 0, (size_t)size - m->size);
		m->size = (size_t)size;
		judge("ftruncate", 0, 0);
	} else {
		judge("ftruncate", -1, 0);
	}
}

/* ---- data -------------------------------------------------------------------- */

enum how { RW, PRW, RWV, PRWV, PRWV2 };
enum { WHOLE = 0, BLOCKS = 4096, ODD = 3001 };	/* pieces of an iovec: bytes each */

#define HERE (-1)	/* offset: the descriptor's own */
static long natural_nr(enum how how, bool rd)
{
	switch (how) {
	case RW:	return rd ? SYS_read : SYS_write;
	case PRW:	return rd ? SYS_pread64 : SYS_pwrite64;
	case RWV:	return rd ? SYS_readv : SYS_writev;
	case PRWV:	return rd ? SYS_preadv : SYS_pwritev;
	case PRWV2:
	default:	return rd ? SYS_preadv2 : SYS_pwritev2;
	}
}

static int pieces_of(char *at, size_t n, size_t each, struct iovec *iov)
{
	int k = 0;

	if (each == WHOLE || n / each >= IOV_MAX)
		each = n ? n : 1;
	for (; n > 0; k++) {
		size_t len = n < each ? n : each;

		iov[k] = (struct iovec){ at, len };
		at += len;
		n -= len;
	}
	return k;
}

static ssize_t call(bool rd, enum how how, int fd, char *at, size_t n, int64_t off, size_t each,
		    int flags)
{
	static struct iovec iov[IOV_MAX];
	int k = how >= RWV ? pieces_of(at, n, each, iov) : 0;

	switch (how) {
	case RW:	return rd ? read(fd, at, n) : write(fd, at, n);
	case PRW:	return rd ? pread(fd, at, n, off) : pwrite(fd, at, n, off);
	case RWV:	return rd ? readv(fd, iov, k) : writev(fd, iov, k);
	case PRWV:	return rd ? preadv(fd, iov, k, off) : pwritev(fd, iov, k, off);
	case PRWV2:
	default:	return rd ? preadv2(fd, iov, k, off, flags) : pwritev2(fd, iov, k, off, flags);
	}
}

static void begin_io(int fd, enum how how, bool rd, const char *at, size_t n, int64_t off)
{
	begin(natural_nr(how, rd));
	fake.rescue = disk_is_direct(fd);
	misfit = fake.rescue && ((uintptr_t)at | n | (size_t)off) % DISK_BLOCK != 0;
	if (!rd)
		clock_stamp(fd);	/* also what passes by real.* */
}

static void moved_to(int fd, const char *what, int64_t before, ssize_t r, bool moves)
{
	int64_t want = moves && r > 0 ? before + r : before, now = offset_of(fd);

	/* What appends on the twin takes the program's offset along by lseek. */
	if (now != want && !(fake.rescue && fake.nr == SYS_lseek))
		wrong("%s: the offset is %lld, not %lld", what, (long long)now, (long long)want);
}

HELPER ssize_t do_read(int fd, enum how how, size_t n, int64_t off, size_t skew, size_t each)
{
	char *at = model_room + 4096 + skew;
	int64_t before = offset_of(fd), from = off == HERE ? before : off;
	const struct model *m = &model[(int)fake.file[fd]];
	size_t want = (size_t)from >= m->size ? 0 : m->size - (size_t)from;
	ssize_t r;

	if (want > n)
		want = n;
	memset(at - 64, 0x5a, n + 128 + 4096);
	begin_io(fd, how, true, at, n | (each % DISK_BLOCK), from);
	r = call(true, how, fd, at, n, off, each, 0);
	judge("read", r, (long)want);
	moved_to(fd, "read", before, r, off == HERE);
	if (r > 0 && memcmp(at, m->data + from, (size_t)r) != 0)
		wrong("read of %zu at %lld: other bytes", n, (long long)from);
	for (size_t i = 0; i < 64; i++)
		if (at[-1 - (int)i] != 0x5a)
			wrong("read: memory in front of the buffer was written");
	want = fake.rescue ? n : want;	/* the program's own O_DIRECT may zero past the file's end */
	for (size_t i = want; i < n + 64 + 4096; i++)
		if (at[i] != 0x5a) {
			wrong("read of %zu at %lld: memory behind byte %zu was written", n,
			      (long long)from, i);
			break;
		}
	return r;
}

static uint64_t rewritten(void)
{
	return book_now()->counters[COUNTER_rewritten_bytes];
}

/* r bytes of a file are now those at from. */
static void wrote(struct model *m, int64_t to, const char *from, ssize_t r)
{
	if (r <= 0)
		return;
	if ((size_t)to > m->size)
		memset(m->data + m->size, 0, (size_t)to - m->size);
	memcpy(m->data + to, from, (size_t)r);
	if ((size_t)to + (size_t)r > m->size)
		m->size = (size_t)to + (size_t)r;
}

/*
 * Bytes may be there though a failed call does not count them: those of a
 * direct write that was to be made a second time (raced), and what Linux 6.18
 * had written when it found the rest misaligned. Old ones or new, no others.
 */
static void part_written(struct model *m, int64_t to, const char *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = (size_t)to + i;
		char now = 0;

		if (sys_kernel(SYS_pread64, m->probe, sys_ptr(&now), 1, (long)at, 0, 0) != 1)
			break;
		if (now != from[i] && now != (at < m->size ? m->data[at] : 0))
			wrong("write: byte %zu is neither old nor new", at);
		m->data[at] = now;
		if (at >= m->size)
			m->size = at + 1;
	}
}

HELPER ssize_t do_write(int fd, enum how how, size_t n, int64_t off, size_t skew, size_t each)
{
	char *at = model_room + 4096 + skew;
	struct model *m = &model[(int)fake.file[fd]];
	bool append = sys_kernel(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0) & O_APPEND;
	const uint64_t twice = rewritten();
	int64_t before = offset_of(fd), to = append ? (int64_t)m->size : off == HERE ? before : off;
	ssize_t r;

	model_salt += 77;
	for (size_t i = 0; i < n; i++)
		at[i] = (char)((i + model_salt) * 2654435761u >> 13);
	begin_io(fd, how, false, at, n | (each % DISK_BLOCK), to);
	r = call(false, how, fd, at, n, off, each, 0);
	judge("write", r, (long)n);
	moved_to(fd, "write", off == HERE && append && r > 0 ? to : before, r, off == HERE);
	wrote(m, to, at, r);
	if (r < (ssize_t)n && (misfit || rewritten() != twice))
		part_written(m, to, at, n);
	return r;
}

#endif

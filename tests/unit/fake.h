/*
 * fake: every call that the shim makes, to fail any of them. Stands in for
 * sys_call (the shim's own system calls) and for the table real.* (what
 * passes through on the program's descriptors).
 *
 * A fault says which call, counted from 1, what it is answered, and whether
 * all after it too. A negative answer is -errno, and nothing was done; any
 * other cuts a transfer down to so many bytes. Each is booked as the
 * program's (an answer of its own descriptor, that it has to see) or the
 * shim's (that nobody may see).
 */
#ifndef DIOSHIM_FAKE_H
#define DIOSHIM_FAKE_H

#include "disk.h"
#include "fdtab.h"
#include "real.h"

#include <stdarg.h>
#include <sys/sendfile.h>
#include <unistd.h>

#undef real

#define FAKE_FDS 1024	/* the program's descriptors lie below */
#define FAKE_NRS 512
#define FAKE_SITES 512

enum fake_whose { FAKE_SHIM, FAKE_PROGRAM, FAKE_EITHER };

static struct fake {
	/* what to do */
	bool armed;
	long nth;		/* 0: only count */
	bool for_good;
	long nr;		/* of calls with this number only; 0: all that count */
	long site;		/* of calls made from here only: bytes from this structure */
	bool transfers;		/* of those that move bytes only */
	long answer;
	/* old kernels: may answer a call before anything else does */
	bool (*persona)(long nr, const long *a, long *answer);
	long persona_hits;
	int (*beside)(int fd);	/* another descriptor of that file, not direct */
	/* what happened */
	long seen, fired, fired_nr;
	/* and since the program's last call: */
	int shims, programs, eithers;
	long err[8];		/* what it may see of that: -errno, or a short count */
	/* what the program has open, and what call it is in */
	signed char file[FAKE_FDS];	/* 0: not the program's */
	long natural;
	bool rescue;		/* on an O_DIRECT descriptor: both answer for it */
} fake;

/* Which calls a run made, from where: shared with who tries them all. */
static struct fake_census {
	long seen, fired, fired_nr;
	bool lost;		/* completions of asynchronous reads were never seen */
	unsigned nrs[FAKE_NRS];
	struct { long site, nr; unsigned n; } site[FAKE_SITES];
	int sites;
	char wrong[512];
} *fake_census;
static int fake_census_fd;

static struct real fake_under;
static sys_call_fn fake_call;

/*
 * What the kernel does not fail once in a while: asked for by number alone,
 * and then always. lseek on a file: a reservation could not be given back.
 */
static bool fake_never_once(long nr)
{
	return nr == SYS_lseek || nr == SYS_rt_sigprocmask || nr == SYS_getpid ||
	       nr == SYS_nanosleep || nr == SYS_clock_gettime || nr == SYS_getppid;
}

/* A call that the program made, or one as old and as common. */
static bool natural(long nr)
{
	if (nr == fake.natural || (fake.for_good && !fake.nr && !fake.site))
		return true;	/* it made this one, or would have been refused its own too */
	switch (nr) {
	case SYS_preadv: case SYS_pwritev:
		return fake.natural != SYS_read && fake.natural != SYS_write &&
		       fake.natural != SYS_pread64 && fake.natural != SYS_pwrite64;
	default:
		return nr == SYS_pread64 || nr == SYS_pwrite64;
	}
}

/*
 * The answer of the program's own descriptor, or something of ours? That a
 * call is not there, or not allowed, the program sees only if it made it.
 */
static enum fake_whose fake_whose(long nr, long fd, long answer)
{
	if (fake.rescue && disk_moves(nr) && fdtab_is_own((int)fd))
		return FAKE_EITHER;
	if (nr == SYS_close_range)
		return FAKE_PROGRAM;
	if ((!disk_moves(nr) && nr != SYS_close) || fd < 0 || fd >= FAKE_FDS || !fake.file[fd] ||
	    fdtab_is_own((int)fd))
		return FAKE_SHIM;
	if (nr == SYS_close)
		return FAKE_PROGRAM;
	if ((answer == -ENOSYS || answer == -EPERM || answer == -EOPNOTSUPP) && !natural(nr))
		return FAKE_SHIM;
	return disk_is_direct(fd) ? FAKE_EITHER : FAKE_PROGRAM;
}

static void fake_count(long nr, long site)
{
	struct fake_census *c = fake_census;
	int i;

	fake.seen++;
	if (!c)
		return;
	c->nrs[nr % FAKE_NRS]++;
	for (i = 0; i < c->sites && (c->site[i].site != site || c->site[i].nr != nr); i++)
		;
	if (i < FAKE_SITES) {
		c->site[i].site = site;
		c->site[i].nr = nr;
		c->site[i].n++;
		if (i == c->sites)
			c->sites++;
	}
	if (c->seen < fake.seen)	/* a fork child counts on for itself */
		c->seen = fake.seen;
}

/* Is this the call to fail? */
static bool fake_fires(long nr, enum fake_whose whose, const char *from)
{
	const long site = from - (const char *)&fake;

	if (!fake.armed || (fake.nr ? nr != fake.nr : fake_never_once(nr)) ||
	    (fake.site && site != fake.site) || (fake.transfers && !disk_moves(nr)))
		return false;
	if (fake.answer >= 0 && !disk_moves(nr) && nr != SYS_io_getevents)
		return false;
	fake_count(nr, site);
	if (!fake.nth || (fake.for_good ? fake.seen < fake.nth : fake.seen != fake.nth))
		return false;
	fake.fired++;
	fake.fired_nr = nr;
	if (fake_census) {
		fake_census->fired++;
		fake_census->fired_nr = nr;
		fake_census->lost |= nr == SYS_io_getevents;
	}
	if (whose == FAKE_SHIM)
		fake.shims++;
	else
		fake.err[(whose == FAKE_PROGRAM ? fake.programs++ : fake.eithers++) & 7] = fake.answer;
	return true;
}

/* Since the program's last call nothing has failed. */
static void fake_mark(long natural)
{
	fake.shims = fake.programs = fake.eithers = 0;
	fake.natural = natural;
}

/* The first n bytes of an iovec. */
static int fake_cut_iov(const struct iovec *from, int pieces, long n, struct iovec *to)
{
	int used = 0;

	for (; used < pieces && used < IOV_MAX && n > 0; used++) {
		to[used] = from[used];
		if ((long)to[used].iov_len > n)
			to[used].iov_len = (size_t)n;
		n -= (long)to[used].iov_len;
	}
	return used;
}

/* A cut transfer on a direct descriptor: whole blocks for the kernel, the count as asked. */
static long fake_cut_direct(long nr, const long *a, long n)
{
	static struct iovec cut[IOV_MAX];
	long r, fd;

	if (!disk_writes(nr)) {
		r = disk_call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		return r > n ? n : r;
	}
	/* So many bytes exactly: on a descriptor that is not direct. */
	fd = fake.beside ? fake.beside((int)a[0]) : -1;
	if (fd < 0)
		return -EIO;
	if (nr == SYS_pwrite64)
		return sys_kernel(nr, fd, a[1], n < a[2] ? n : a[2], a[3], 0, 0);
	return sys_kernel(SYS_pwritev, fd, sys_ptr(cut),
			  fake_cut_iov((const struct iovec *)a[1], (int)a[2], n, cut), a[3], 0, 0);
}

static long fake_cut(long nr, const long *a, long n)
{
	static struct iovec cut[IOV_MAX];

	if (disk_is_direct(a[0]) && nr != SYS_read && nr != SYS_write && nr != SYS_readv &&
	    nr != SYS_writev)
		return fake_cut_direct(nr, a, n);
	switch (nr) {
	case SYS_read: case SYS_write: case SYS_pread64: case SYS_pwrite64:
		return disk_call(nr, a[0], a[1], n < a[2] ? n : a[2], a[3], 0, 0);
	default:
		return disk_call(nr, a[0], sys_ptr(cut),
				  fake_cut_iov((const struct iovec *)a[1], (int)a[2], n, cut), a[3],
				  a[4], a[5]);
	}
}

/* Completions of asynchronous reads, as if they had come short. */
static long fake_short_events(const long *a, long n)
{
	long r = disk_call(SYS_io_getevents, a[0], a[1], a[2], a[3], a[4], 0);
	struct io_event *ev = (struct io_event *)a[3];

	for (long i = 0; i < r; i++)
		if (ev[i].res > n)
			ev[i].res = n;
	return r;
}

static long fake_call(long nr, long a, long b, long c, long d, long e, long f)
{
	const long arg[6] = { a, b, c, d, e, f };
	long answer;

	if (fake.persona && fake.armed && fake.persona(nr, arg, &answer)) {
		fake.persona_hits++;
		return answer;
	}
	if (!fake_fires(nr, fake_whose(nr, a, fake.answer), __builtin_return_address(0)))
		return disk_call(nr, a, b, c, d, e, f);
	if (fake.answer < 0) {
		if (nr == SYS_close)	/* closed all the same */
			sys_kernel(nr, a, 0, 0, 0, 0, 0);
		return fake.answer;
	}
	return nr == SYS_io_getevents ? fake_short_events(arg, fake.answer) :
					fake_cut(nr, arg, fake.answer);
}

/* ---- the table real.* ------------------------------------------------------ */

/* True: the call fails, or is cut to *n bytes when it has been asked how many. */
static size_t fake_whole;	/* calls without a count */

static bool fake_refuses(long nr, size_t *n, const char *site)
{
	if ((fake.answer >= 0 && n == &fake_whole) || !fake_fires(nr, FAKE_PROGRAM, site))
		return false;
	if (fake.answer >= 0) {
		if (*n > (size_t)fake.answer)
			*n = (size_t)fake.answer;
		return false;
	}
	errno = (int)-fake.answer;
	return true;
}

#define FAKE_SITE __builtin_return_address(0)
#define FAKE(type, name, nr, params, args, count)                        \
	static type fake_##name params                                   \
	{                                                                \
		return fake_refuses(nr, count, FAKE_SITE) ? (type)-1 : fake_under.name args; \
	}
FAKE(int, openat, SYS_openat, (int d, const char *p, int fl, ...), (d, p, fl, 0600), &fake_whole)
FAKE(int, open, SYS_openat, (const char *p, int fl, ...), (p, fl, 0600), &fake_whole)
FAKE(int, creat, SYS_openat, (const char *p, mode_t m), (p, m), &fake_whole)
FAKE(ssize_t, read, SYS_read, (int fd, void *b, size_t n), (fd, b, n), &n)
FAKE(ssize_t, write, SYS_write, (int fd, const void *b, size_t n), (fd, b, n), &n)
FAKE(ssize_t, pread, SYS_pread64, (int fd, void *b, size_t n, off_t o), (fd, b, n, o), &n)
FAKE(ssize_t, pwrite, SYS_pwrite64, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o), &n)
FAKE(ssize_t, readv, SYS_readv, (int fd, const struct iovec *v, int n), (fd, v, n), &fake_whole)
FAKE(ssize_t, writev, SYS_writev, (int fd, const struct iovec *v, int n), (fd, v, n), &fake_whole)
FAKE(ssize_t, preadv, SYS_preadv, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o), &fake_whole)
FAKE(ssize_t, pwritev, SYS_pwritev, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o), &fake_whole)
FAKE(ssize_t, preadv2, SYS_preadv2, (int fd, const struct iovec *v, int n, off_t o, int fl),
     (fd, v, n, o, fl), &fake_whole)
FAKE(ssize_t, pwritev2, SYS_pwritev2, (int fd, const struct iovec *v, int n, off_t o, int fl),
     (fd, v, n, o, fl), &fake_whole)
FAKE(ssize_t, copy_file_range, SYS_copy_file_range,
     (int in, off_t *ai, int out, off_t *ao, size_t n, unsigned fl), (in, ai, out, ao, n, fl), &n)
FAKE(ssize_t, sendfile, SYS_sendfile, (int out, int in, off_t *at, size_t n), (out, in, at, n), &n)
FAKE(int, dup, SYS_dup, (int fd), (fd), &fake_whole)
FAKE(int, dup2, SYS_dup3, (int fd, int to), (fd, to), &fake_whole)
FAKE(int, dup3, SYS_dup3, (int fd, int to, int fl), (fd, to, fl), &fake_whole)
FAKE(int, lockf, SYS_fcntl, (int fd, int cmd, off_t n), (fd, cmd, n), &fake_whole)
FAKE(int, ftruncate, SYS_ftruncate, (int fd, off_t n), (fd, n), &fake_whole)
FAKE(void *, mmap, SYS_mmap, (void *at, size_t n, int prot, int fl, int fd, off_t o),
     (at, n, prot, fl, fd, o), &fake_whole)

static int fake_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fake_refuses(SYS_fcntl, &fake_whole, FAKE_SITE) ? -1 : fake_under.fcntl(fd, cmd, arg);
}

/* Linux closes even where it reports an error. */
static int fake_close(int fd)
{
	bool no = fake_refuses(SYS_close, &fake_whole, FAKE_SITE);
	int r = fake_under.close(fd);

	if (no)
		errno = (int)-fake.answer;
	return no ? -1 : r;
}

/* The census, in a memory file: programs that are started share it. */
static bool fake_share(int fd)
{
	void *at = MAP_FAILED;

	fake_census_fd = fd;
	if (fd >= 0 && sys_kernel(SYS_ftruncate, fd, sizeof(*fake_census), 0, 0, 0, 0) == 0)
		at = (void *)sys_kernel(SYS_mmap, 0, sizeof(*fake_census), PROT_READ | PROT_WRITE,
					MAP_SHARED, fd, 0);
	fake_census = (long)at < 0 && (long)at > -4096 ? NULL : at;
	return fake_census != NULL;
}

static __attribute__((unused)) bool fake_install(void)
{
	if (!fake_share(disk_file()))
		return false;
	fake_under = *real_get();
#define INSTALL(name) real_table.name = fake_##name
	INSTALL(open); INSTALL(openat); INSTALL(creat); INSTALL(close);
	INSTALL(read); INSTALL(pread); INSTALL(readv); INSTALL(preadv); INSTALL(preadv2);
	INSTALL(write); INSTALL(pwrite); INSTALL(writev); INSTALL(pwritev); INSTALL(pwritev2);
	INSTALL(copy_file_range); INSTALL(sendfile); INSTALL(dup); INSTALL(dup2); INSTALL(dup3);
	INSTALL(fcntl); INSTALL(lockf); INSTALL(ftruncate); INSTALL(mmap);
#undef INSTALL
	real_io_is_libc = 0;	/* no call goes past the table */
	disk_start();
	sys_call = fake_call;
	return true;
}

#endif

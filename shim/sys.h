/*
 * sys: system calls as the shim itself makes them.
 *
 * Straight to the kernel: no errno, no cancellation point, no re-entry into
 * our own wrapped symbols, nothing to resolve. Every function returns what
 * the kernel returned: a result, or -errno. All of them go through the one
 * pointer sys_call, so that a test can fail any of them.
 * Depends on: nothing.
 */
#ifndef DIOSHIM_SYS_H
#define DIOSHIM_SYS_H

/* First: `make` shows these lines alone. */
#ifndef __LP64__
#error 64 bits are needed: the ledger and the system calls are those of x86-64 and aarch64
#else
#include <features.h>
#ifndef __GLIBC__
#error glibc is needed: the library wraps its symbols (open64, __read_chk, ...) and relies on its loader
#endif
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/* linux/mman.h and linux/stat.h of older headers lack these. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22	/* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

#define SYS_STATX_DIOALIGN	0x2000u		/* Linux 6.1 */
#define SYS_STATX_DIO_READ_ALIGN 0x20000u	/* Linux 6.14 */

/* struct statx as of Linux 6.14 (include/uapi/linux/stat.h). */
struct sys_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad0;
	uint64_t ino, size, blocks, attributes_mask;
	struct { int64_t sec; uint32_t nsec; int32_t pad; } atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id;
	uint32_t dio_mem_align, dio_offset_align;
	uint64_t subvol;
	uint32_t atomic_write_unit_min, atomic_write_unit_max;
	uint32_t atomic_write_segments_max, dio_read_offset_align;
	uint64_t spare[9];
};
_Static_assert(sizeof(struct sys_statx) == 256, "struct statx is 256 bytes");

struct sys_cachestat_range { uint64_t off, len; };
struct sys_cachestat {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;	/* pages */
};

/* What Linux moves at most in one call: INT_MAX rounded down to a page. */
#define SYS_MAX_RW ((size_t)0x7ffff000)

typedef long sys_call_fn(long nr, long a, long b, long c, long d, long e, long f);
extern sys_call_fn *sys_call;
sys_call_fn sys_kernel;		/* the real thing: what sys_call points to */

/*
 * A call with three arguments, inline where that is possible: after a return
 * from the kernel the processor has forgotten where calls return to, and every
 * frame between costs some 7 ns. Not for what a test may want to fail.
 */
static inline long sys_inline3(long nr, long a, long b, long c)
{
#if defined(__x86_64__)
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
#else
	return sys_kernel(nr, a, b, c, 0, 0, 0);
#endif
}

static inline long sys_inline4(long nr, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
#else
	return sys_kernel(nr, a, b, c, d, 0, 0);
#endif
}

static inline long sys_ptr(const volatile void *p)
{
	return (long)(uintptr_t)p;
}

static inline int sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	return (int)sys_call(SYS_openat, dir, sys_ptr(path), flags, (long)mode, 0, 0);
}

static inline int sys_close(int fd)
{
	return (int)sys_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline int sys_fstat(int fd, struct stat *st)
{
	return (int)sys_call(SYS_fstat, fd, sys_ptr(st), 0, 0, 0, 0);
}

static inline int sys_fstatfs(int fd, struct statfs *st)
{
	return (int)sys_call(SYS_fstatfs, fd, sys_ptr(st), 0, 0, 0, 0);
}

static inline int sys_fstatx(int fd, uint32_t mask, struct sys_statx *stx)
{
	return (int)sys_call(SYS_statx, fd, sys_ptr(""), 0x1000 /* AT_EMPTY_PATH */,
			     mask, sys_ptr(stx), 0);
}

struct sys_time {
	int64_t sec;
	int64_t nsec;
};

/* What says which file a descriptor is, how large, and when it last changed. */
struct sys_identity {
	uint64_t dev, ino, size;
	struct sys_time ctime;	/* only if asked for; else 0 */
};

/*
 * Not fstat: that asks for ctime as well, and on kernels with multigrain
 * timestamps (6.13) a ctime that was asked for makes the next write to the
 * file update its inode anew, which doubles the cost of a small write. So it
 * is asked for only where it is needed. Where there is no statx (before Linux
 * 4.11), or a filter refuses it, fstat has to do.
 */
static inline int sys_identify(int fd, bool ctime, struct sys_identity *id)
{
	const uint32_t mask = 0x100 /* STATX_INO */ | 0x200 /* STATX_SIZE */;
	struct sys_statx stx;
	int r = sys_fstatx(fd, ctime ? mask | 0x80 /* STATX_CTIME */ : mask, &stx);
	struct stat st;

	if (r == -ENOSYS || r == -EPERM) {
		r = sys_fstat(fd, &st);
		if (r == 0)
			*id = (struct sys_identity){ st.st_dev, st.st_ino, (uint64_t)st.st_size,
						     { st.st_ctim.tv_sec, st.st_ctim.tv_nsec } };
	} else if (r == 0) {
		*id = (struct sys_identity){ makedev(stx.dev_major, stx.dev_minor), stx.ino,
					     stx.size, { 0, 0 } };
		if (ctime)
			id->ctime = (struct sys_time){ stx.ctime.sec, stx.ctime.nsec };
	}
	return r;
}

/* Is fd that file? 1: yes. 0: another, or none any more. -errno: it would not be told. */
static inline int sys_is_file(int fd, uint64_t dev, uint64_t ino)
{
	struct sys_identity id;
	int r = sys_identify(fd, false, &id);

	if (r == 0)
		return id.ino == ino && id.dev == dev;
	return r == -EBADF ? 0 : r;
}

static inline int sys_fcntl(int fd, int cmd, long arg)
{
	return (int)sys_call(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

static inline int sys_ioctl(int fd, unsigned long cmd, void *arg)
{
	return (int)sys_call(SYS_ioctl, fd, (long)cmd, sys_ptr(arg), 0, 0, 0);
}

static inline int64_t sys_lseek(int fd, int64_t off, int whence)
{
	return sys_call(SYS_lseek, fd, off, whence, 0, 0, 0);
}

static inline ssize_t sys_read(int fd, void *buf, size_t n)
{
	return sys_call(SYS_read, fd, sys_ptr(buf), (long)n, 0, 0, 0);
}

static inline ssize_t sys_write(int fd, const void *buf, size_t n)
{
	return sys_call(SYS_write, fd, sys_ptr(buf), (long)n, 0, 0, 0);
}

static inline ssize_t sys_pread(int fd, void *buf, size_t n, int64_t off)
{
	return sys_call(SYS_pread64, fd, sys_ptr(buf), (long)n, off, 0, 0);
}

static inline ssize_t sys_pwrite(int fd, const void *buf, size_t n, int64_t off)
{
	return sys_call(SYS_pwrite64, fd, sys_ptr(buf), (long)n, off, 0, 0);
}

/* Scattered; the plain call for one piece, which every seccomp filter knows. */
static inline ssize_t sys_preadv(int fd, const struct iovec *iov, int n, int64_t off)
{
	if (n == 1)
		return sys_pread(fd, iov->iov_base, iov->iov_len, off);
	return sys_call(SYS_preadv, fd, sys_ptr(iov), n, off, 0, 0);
}

static inline ssize_t sys_pwritev(int fd, const struct iovec *iov, int n, int64_t off)
{
	if (n == 1)
		return sys_pwrite(fd, iov->iov_base, iov->iov_len, off);
	return sys_call(SYS_pwritev, fd, sys_ptr(iov), n, off, 0, 0);
}

static inline int sys_fadvise(int fd, int64_t off, int64_t len, int advice)
{
	return (int)sys_call(SYS_fadvise64, fd, off, len, advice, 0, 0);
}

static inline int sys_sync_range(int fd, int64_t off, int64_t len, unsigned flags)
{
	return (int)sys_call(SYS_sync_file_range, fd, off, len, flags, 0, 0);
}

static inline int sys_cachestat_of(int fd, uint64_t off, uint64_t len, struct sys_cachestat *cs)
{
	struct sys_cachestat_range range = { off, len };

	return (int)sys_call(SYS_cachestat, fd, sys_ptr(&range), sys_ptr(cs), 0, 0, 0);
}

static inline long sys_mmap(void *at, size_t n, int prot, int flags, int fd, int64_t off)
{
	return sys_call(SYS_mmap, sys_ptr(at), (long)n, prot, flags, fd, off);
}

static inline int sys_munmap(void *at, size_t n)
{
	return (int)sys_call(SYS_munmap, sys_ptr(at), (long)n, 0, 0, 0, 0);
}

static inline int sys_madvise(const void *at, size_t n, int advice)
{
	return (int)sys_call(SYS_madvise, sys_ptr(at), (long)n, advice, 0, 0, 0);
}

static inline int sys_fallocate(int fd, int mode, int64_t off, int64_t len)
{
	return (int)sys_call(SYS_fallocate, fd, mode, off, len, 0, 0);
}

static inline ssize_t sys_readlinkat(int dir, const char *path, char *buf, size_t n)
{
	return sys_call(SYS_readlinkat, dir, sys_ptr(path), sys_ptr(buf), (long)n, 0, 0);
}

static inline int sys_getpid(void)
{
	return (int)sys_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static inline int sys_getppid(void)
{
	return (int)sys_call(SYS_getppid, 0, 0, 0, 0, 0, 0);
}

static inline int sys_getrlimit(int what, struct rlimit *r)
{
	return (int)sys_call(SYS_prlimit64, 0, what, 0, sys_ptr(r), 0, 0);
}

static inline int sys_getrusage(int who, struct rusage *ru)
{
	return (int)sys_call(SYS_getrusage, who, sys_ptr(ru), 0, 0, 0, 0);
}

static inline int sys_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)sys_call(SYS_clock_gettime, clock, sys_ptr(ts), 0, 0, 0, 0);
}

static inline uint64_t sys_now_ns(clockid_t clock)
{
	struct timespec ts = { 0, 0 };

	sys_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline int sys_nanosleep(long ns)
{
	struct timespec ts = { 0, ns };

	return (int)sys_call(SYS_nanosleep, sys_ptr(&ts), 0, 0, 0, 0, 0);
}

static inline int sys_io_setup(unsigned n, aio_context_t *ctx)
{
	return (int)sys_call(SYS_io_setup, n, sys_ptr(ctx), 0, 0, 0, 0);
}

static inline int sys_io_submit(aio_context_t ctx, long n, struct iocb **iocb)
{
	return (int)sys_call(SYS_io_submit, (long)ctx, n, sys_ptr(iocb), 0, 0, 0);
}

/* Waits for min events, no longer than timeout unless that is NULL. */
static inline int sys_io_getevents(aio_context_t ctx, long min, long max, struct io_event *ev,
				   const struct timespec *timeout)
{
	return (int)sys_call(SYS_io_getevents, (long)ctx, min, max, sys_ptr(ev), sys_ptr(timeout), 0);
}

#endif

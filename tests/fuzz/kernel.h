/*
 * kernel: a stand-in for the system calls of the shim: one file on two
 * descriptors, PROGRAM and TWIN, by the kernel's rules (disk.h). What is about
 * memory and threads goes to the real one.
 *
 * Faults are numbers of direct transfers, submissions and the like: the nth gets
 * that answer. They never touch what the program itself could see.
 * Depends on: disk.h, the shim's sys.h.
 */
#ifndef DIOSHIM_FUZZ_KERNEL_H
#define DIOSHIM_FUZZ_KERNEL_H

#include "disk.h"
#include "fuzz.h"
#include "sys.h"

#include <limits.h>
#include <linux/fs.h>
#include <sys/mman.h>

#define PROGRAM 10
#define TWIN 7170
#define EVENTS 64

static struct kernel {
	struct disk *disk;
	struct disk_rule rule;
	int flags;		/* of the program's descriptor */
	bool rescue;		/* which is then the direct one */
	int64_t offset, twin_offset;
	uint64_t limit;		/* RLIMIT_FSIZE */
	bool signal;		/* SIGXFSZ was sent */
	uint64_t rchar, wchar;
	uint8_t fault[8];	/* what to do with the nth thing that can fail */
	unsigned faults;
	unsigned dirty;		/* cachestat: how often pages are dirty yet */
	int aio;		/* 0: refused; else events may come in any order */
	struct io_event event[EVENTS];
	struct iocb flying[EVENTS];
	int flying_n;
} k;

enum { FAULT_NONE, FAULT_EIO, FAULT_EINVAL, FAULT_ENOSPC, FAULT_AGAIN, FAULT_SHORT, FAULT_ZERO };

static unsigned fault(void)
{
	unsigned n = k.faults++;

	return n < sizeof(k.fault) ? k.fault[n] % 16 : FAULT_NONE;
}

/* How many bytes of a write at off the limit leaves; -EFBIG: none, and a signal. */
static ssize_t limited(uint64_t off, size_t len)
{
	if (len == 0 || off + len <= k.limit)
		return (ssize_t)len;
	if (off < k.limit)
		return (ssize_t)(k.limit - off);
	k.signal = true;
	return -EFBIG;
}

static size_t length(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

static ssize_t transfer(int fd, bool read, const struct iovec *iov, int n, uint64_t off)
{
	const bool direct = (fd == PROGRAM) == k.rescue;
	size_t len = length(iov, n);
	ssize_t max = read ? (ssize_t)len : limited(off, len);
	ssize_t r;

	must(fd == PROGRAM || fd == TWIN, "a transfer on descriptor %d", fd);
	if ((k.flags & O_ACCMODE) == (read ? O_WRONLY : O_RDONLY))
		return -EBADF;
	if (max < 0)
		return max;
	if (direct && fd == TWIN) {
		must(read || (size_t)max == len, "a direct write across the limit");
		must(read || disk_aligned(&k.rule, read, iov, n, off), "a misaligned direct write");
		switch (fault()) {
		case FAULT_EIO: return -EIO;
		case FAULT_EINVAL: return -EINVAL;
		case FAULT_ENOSPC: return -ENOSPC;
		case FAULT_AGAIN: return -EAGAIN;
		case FAULT_ZERO: return 0;
		case FAULT_SHORT: max = max / 2 / 4096 * 4096; break;
		default: break;
		}
	}
	if (direct && fd == PROGRAM && (size_t)max < len && !disk_aligned(&k.rule, false, iov, n, off))
		return -EINVAL;
	r = direct ? disk_direct(k.disk, &k.rule, read, iov, n, off, (size_t)max) :
		     disk_move(k.disk, read, iov, n, off, (size_t)max);
	if (r > 0)
		*(read ? &k.rchar : &k.wchar) += (uint64_t)r;
	return r;
}

/* At off, or at the descriptor's own offset, which moves on. */
static ssize_t at_offset(int fd, bool read, const struct iovec *iov, int n, int64_t off, int rwf)
{
	const bool append = !read && ((k.flags & O_APPEND) || (rwf & RWF_APPEND));
	int64_t *own = fd == TWIN ? &k.twin_offset : &k.offset;
	uint64_t at = append ? k.disk->size : (uint64_t)(off < 0 ? *own : off);
	ssize_t r = transfer(fd, read, iov, n, at);

	if (r > 0 && off < 0)
		*own = (int64_t)at + r;
	return r;
}

static long vector(long nr, long fd, long iov, long n, long off, long rwf)
{
	const struct iovec *v = (const struct iovec *)iov;
	bool read = nr == SYS_readv || nr == SYS_preadv || nr == SYS_preadv2;

	if (nr == SYS_readv || nr == SYS_writev)
		off = -1;
	else if (off < 0 && nr != SYS_preadv2 && nr != SYS_pwritev2)
		return -EINVAL;
	if (n > IOV_MAX)
		return -EINVAL;
	return at_offset((int)fd, read, v, (int)n, off, (int)rwf);
}

static long plain_buffer(long nr, long fd, long buf, long n, long off)
{
	struct iovec v = { (void *)buf, (size_t)n };

	if ((nr == SYS_pread64 || nr == SYS_pwrite64) && off < 0)
		return -EINVAL;
	return at_offset((int)fd, nr == SYS_read || nr == SYS_pread64, &v, 1,
			 nr == SYS_read || nr == SYS_write ? -1 : off, 0);
}

static long seek(long fd, long off, long whence)
{
	int64_t *own = fd == TWIN ? &k.twin_offset : &k.offset;
	int64_t to = whence == SEEK_CUR ? *own + off : off;

	return to < 0 ? -EINVAL : (*own = to);
}

static long stat_of(struct sys_statx *stx)
{
	*stx = (struct sys_statx){ .mode = S_IFREG | 0600, .ino = 7, .size = k.disk->size, .dev_minor = 1 };
	return 0;
}

static long cached_pages(struct sys_cachestat *cs)
{
	*cs = (struct sys_cachestat){ 0 };
	if (k.dirty == 0)
		return 0;
	k.dirty--;
	cs->cache = 1 + k.dirty % 3;
	cs->dirty = k.dirty % 2;
	return 0;
}

static long submit(struct iocb **list)
{
	unsigned what = fault();

	if (what == FAULT_AGAIN || k.flying_n == EVENTS)
		return -EAGAIN;
	if (what == FAULT_EINVAL)
		return -EINVAL;
	k.flying[k.flying_n++] = *list[0];
	return 1;
}

/* The reads happen only now, one or all, the latest first where aio is odd. */
static long get_events(struct io_event *ev)
{
	int n = 0;

	must(k.flying_n > 0, "waits for what is not in flight");
	do {
		int i = k.aio & 1 ? k.flying_n - 1 : 0;
		struct iocb cb = k.flying[i];
		struct iovec v = { (void *)(uintptr_t)cb.aio_buf, cb.aio_nbytes };
		uint64_t before = k.rchar;

		must(cb.aio_lio_opcode == IOCB_CMD_PREAD, "an asynchronous write");
		ev[n].data = cb.aio_data;
		ev[n++].res = transfer((int)cb.aio_fildes, true, &v, 1, (uint64_t)cb.aio_offset);
		k.rchar = before;	/* not counted there */
		memmove(k.flying + i, k.flying + i + 1, (size_t)(--k.flying_n - i) * sizeof(cb));
	} while (k.aio & 2 && k.flying_n > 0 && n < 8);
	return n;
}

static long advise(long at, long n, long advice, long nr)
{
	if (advice != MADV_POPULATE_READ && advice != MADV_POPULATE_WRITE)
		return sys_kernel(nr, at, n, advice, 0, 0, 0);
	return disk_good((void *)at, (size_t)n) < (size_t)n ? -EFAULT : 0;
}

static long kernel_call(long nr, long a, long b, long c, long d, long e, long f)
{
	switch (nr) {
	case SYS_read: case SYS_write: case SYS_pread64: case SYS_pwrite64:
		return plain_buffer(nr, a, b, c, d);
	case SYS_readv: case SYS_writev: case SYS_preadv: case SYS_pwritev:
		return vector(nr, a, b, c, d, 0);
	case SYS_preadv2: case SYS_pwritev2:
		return vector(nr, a, b, c, d, f);
	case SYS_lseek:
		return seek(a, b, c);
	case SYS_statx:
		return stat_of((struct sys_statx *)e);
	case SYS_fcntl:
		must(b == F_GETFL, "fcntl %ld", b);
		return k.flags;
	case SYS_cachestat:
		return cached_pages((struct sys_cachestat *)c);
	case SYS_prlimit64:
		*(struct rlimit *)d = (struct rlimit){ k.limit, k.limit };
		return 0;
	case SYS_fstatfs:	/* room for hundreds of MiB, or for none: by the seed's limit */
		*(struct statfs *)b = (struct statfs){ .f_bsize = 4096,
						       .f_bavail = k.limit & 1 ? 1 << 20 : 0 };
		return 0;
	case SYS_sync_file_range: case SYS_fadvise64: case SYS_nanosleep:
		return 0;
	case SYS_io_setup:
		*(aio_context_t *)b = 4096;
		return k.aio ? 0 : -EAGAIN;
	case SYS_io_submit:
		return submit((struct iocb **)c);
	case SYS_io_getevents:
		return get_events((struct io_event *)d);
	case SYS_madvise:
		return advise(a, b, c, nr);
	case SYS_mmap: case SYS_munmap: case SYS_getpid: case SYS_clock_gettime:
	case SYS_process_vm_readv: case SYS_process_vm_writev:
		return sys_kernel(nr, a, b, c, d, e, f);
	default:
		must(false, "system call %ld", nr);
	}
}

#endif

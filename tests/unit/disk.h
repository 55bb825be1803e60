/*
 * disk: a disk in memory, so that thousands of runs take seconds: memory files
 * that the shim takes for files of ext4 on a disk with blocks of 512 bytes,
 * and direct I/O that wants and does what such a disk's does. Where the
 * kernel has no direct I/O on memory files (before 6.6), and with FAULTS_DISK
 * in the environment, the files are real ones.
 */
#ifndef DIOSHIM_DISK_H
#define DIOSHIM_DISK_H

#include "clock.h"
#include "sys.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DISK_BLOCK 512
#define DISK_EXT4 0xef53
#define DISK_TMPFS 0x01021994

static bool disk_in_memory;
static bool (*disk_aio)(long nr, const long *a, long *answer);	/* instead of the kernel's, if any */
static int disk_text;		/* a file that reads "512": /sys/dev/block/.../logical_block_size */

static bool disk_is_direct(long fd)
{
	long flags = sys_kernel(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);

	return flags >= 0 && (flags & O_DIRECT);
}

static bool disk_is_here(long fd)
{
	struct statfs fs;

	return sys_kernel(SYS_fstatfs, fd, sys_ptr(&fs), 0, 0, 0, 0) == 0 && fs.f_type == DISK_TMPFS;
}

static bool misfits(const struct iovec *iov, long n, long off)
{
	unsigned long all = (unsigned long)off;

	for (long i = 0; i < n; i++)
		all |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
	return all % DISK_BLOCK != 0;
}

/* A direct read zeroes the buffer to the end of the file's last block. */
static void zero_tail(const struct iovec *iov, long n, long done)
{
	long end = (done + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK, at = 0;

	for (long i = 0; i < n; at += (long)iov[i].iov_len, i++)
		for (long k = 0; k < (long)iov[i].iov_len; k++)
			if (at + k >= done && at + k < end)
				((char *)iov[i].iov_base)[k] = 0;
}

/* A transfer on a direct descriptor. */
static long disk_transfer(long nr, const long *a)
{
	const bool vector = nr == SYS_readv || nr == SYS_writev || nr == SYS_preadv ||
			    nr == SYS_pwritev || nr == SYS_preadv2 || nr == SYS_pwritev2;
	const bool at = nr != SYS_read && nr != SYS_write && nr != SYS_readv && nr != SYS_writev;
	struct iovec one = { (void *)a[1], (size_t)a[2] };
	const struct iovec *iov = vector ? (const struct iovec *)a[1] : &one;
	const long n = vector ? a[2] : 1;
	long off = at ? a[3] : sys_kernel(SYS_lseek, a[0], 0, SEEK_CUR, 0, 0, 0), r;
	struct stat st;
	const bool rd = nr == SYS_read || nr == SYS_readv || nr == SYS_pread64 ||
			nr == SYS_preadv || nr == SYS_preadv2;

	sys_kernel(SYS_fstat, a[0], sys_ptr(&st), 0, 0, 0, 0);
	if ((sys_kernel(SYS_fcntl, a[0], F_GETFL, 0, 0, 0, 0) & O_APPEND) && !rd)
		off = st.st_size;
	if (rd && off >= st.st_size)
		return 0;
	if (misfits(iov, n, off))
		return -EINVAL;
	r = sys_kernel(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r > 0 && rd)
		zero_tail(iov, n, r);
	return r;
}

static long disk_statx(const long *a)
{
	struct sys_statx *stx = (struct sys_statx *)a[4];
	long r = sys_kernel(SYS_statx, a[0], a[1], a[2], a[3], a[4], 0);

	if (r == 0 && (a[3] & SYS_STATX_DIOALIGN) && disk_is_here(a[0])) {
		stx->mask |= SYS_STATX_DIOALIGN;
		stx->dio_mem_align = stx->dio_offset_align = DISK_BLOCK;
	}
	return r;
}

static bool disk_moves(long nr)
{
	switch (nr) {
	case SYS_read: case SYS_pread64: case SYS_readv: case SYS_preadv: case SYS_preadv2:
	case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2:
		return true;
	default:
		return false;
	}
}

static bool disk_writes(long nr)
{
	return nr == SYS_write || nr == SYS_pwrite64 || nr == SYS_writev || nr == SYS_pwritev ||
	       nr == SYS_pwritev2;
}

static long disk_answer(long nr, long a, long b, long c, long d, long e, long f)
{
	const long arg[6] = { a, b, c, d, e, f };
	long r;

	if (!disk_in_memory)
		return sys_kernel(nr, a, b, c, d, e, f);
	if (disk_moves(nr) && disk_is_direct(a))
		return disk_transfer(nr, arg);
	switch (nr) {
	case SYS_statx:
		return disk_statx(arg);
	case SYS_fstatfs:
		r = sys_kernel(nr, a, b, 0, 0, 0, 0);
		if (r == 0 && ((struct statfs *)b)->f_type == DISK_TMPFS)
			((struct statfs *)b)->f_type = DISK_EXT4;
		return r;
	case SYS_cachestat:	/* what is in memory is on this disk: the cache is empty */
		if (!disk_is_here(a))
			break;
		memset((void *)c, 0, sizeof(struct sys_cachestat));
		return 0;
	case SYS_readlinkat:
		if (strncmp((const char *)b, "/sys/dev/block/", 15) != 0)
			break;
		r = snprintf((char *)c, (size_t)d, "../../devices/pci/block/vda");
		return r;
	case SYS_openat:
		if (strncmp((const char *)b, "/sys/dev/block/", 15) != 0)
			break;
		sys_kernel(SYS_lseek, disk_text, 0, SEEK_SET, 0, 0, 0);
		return sys_kernel(SYS_fcntl, disk_text, F_DUPFD_CLOEXEC, 0, 0, 0, 0);
	default:
		break;
	}
	return sys_kernel(nr, a, b, c, d, e, f);
}

/* A system call, to the kernel or to this disk. */
static long disk_call(long nr, long a, long b, long c, long d, long e, long f)
{
	const long arg[6] = { a, b, c, d, e, f };
	long r;

	if (disk_aio && disk_aio(nr, arg, &r))
		return r;
	if (disk_clock.on && disk_writes(nr))	/* before the first byte */
		clock_stamp((int)a);
	r = disk_answer(nr, a, b, c, d, e, f);
	if (disk_clock.on && r == 0)
		clock_tell(nr, arg);
	return r;
}

/* One more memory file, at a number that the program does not reach; -1 where there is none. */
static int disk_file(void)
{
	long low = sys_kernel(SYS_memfd_create, sys_ptr("disk"), 0, 0, 0, 0, 0), high;

	if (low < 0)
		return -1;
	high = sys_kernel(SYS_fcntl, low, F_DUPFD_CLOEXEC, 900, 0, 0, 0);
	sys_kernel(SYS_close, low, 0, 0, 0, 0, 0);
	return (int)high;
}

/* Has the kernel direct I/O on memory files? */
static void disk_start(void)
{
	char name[64];
	long fd;

	disk_text = disk_file();
	if (getenv("FAULTS_DISK") || disk_text < 0)
		return;
	sys_kernel(SYS_write, disk_text, sys_ptr("512\n"), 4, 0, 0, 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", disk_text);
	fd = sys_kernel(SYS_openat, AT_FDCWD, sys_ptr(name), O_RDWR | O_DIRECT, 0, 0, 0);
	disk_in_memory = fd >= 0;
	sys_kernel(SYS_close, fd, 0, 0, 0, 0, 0);
}

#endif

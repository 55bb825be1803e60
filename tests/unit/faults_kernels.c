/*
 * Older kernels, other devices and file systems, filters: what such a system
 * answers differently, through a whole scenario. The program sees none of it.
 * And on some of them every call is failed as well, for they have more.
 */
#include "copies.h"
#include "faults.h"

#include <linux/fs.h>
#include <sys/utsname.h>

#define DIO_SAID SYS_STATX_DIOALIGN

static void work(void)
{
	int fd = do_open(1, O_RDWR | O_CREAT | O_TRUNC), out = do_open(2, O_RDWR | O_CREAT | O_TRUNC);

	if (fd < 0 || out < 0) {
		do_close(fd);
		do_close(out);
		return;
	}
	do_write(fd, RW, 81920, HERE, 0, 0);
	do_write(fd, RW, 70001, HERE, 1, 0);
	do_write(fd, PRWV, 8192, 8192, 0, BLOCKS);
	do_write(fd, PRW, 9000, 100, 512, 0);
	do_seek(fd, 0);
	do_read(fd, RW, 8192, HERE, 512, 0);
	do_read(fd, RW, 150000, HERE, 3, 0);
	do_read(fd, PRWV, 12288, 0, 0, BLOCKS);
	do_read(fd, PRWV2, 9000, 5, 0, 90);
	do_read(fd, PRW, 8292, 4000, 4000, 0);
	do_copy(fd, 0, out, HERE, 140000, false);
	do_read(out, PRW, 200000, 0, 0, 0);
	do_close(fd);
	do_close(out);
	fd = do_open(3, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT);
	if (fd < 0)
		return;
	do_write(fd, RW, 16384, HERE, 0, 0);
	do_read(fd, PRW, 8192, 4096, 0, 0);
	do_close(fd);
}

/* ---- kernels -------------------------------------------------------------------- */

static bool linux_6_4(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -ENOSYS;
	return nr == SYS_cachestat;
}

/* No STATX_DIOALIGN: alignment from sysfs. No pinning of pages: whole ones only. */
static bool linux_6_0(long nr, const long *a, long *answer)
{
	if (nr == SYS_uname) {
		*answer = sys_kernel(nr, a[0], 0, 0, 0, 0, 0);
		strcpy(((struct utsname *)a[0])->release, "6.0.19-old");
		return true;
	}
	if (nr == SYS_statx && (a[3] & DIO_SAID)) {
		*answer = sys_kernel(nr, a[0], a[1], a[2], a[3] & ~(DIO_SAID | SYS_STATX_DIO_READ_ALIGN),
				     a[4], 0);
		((struct sys_statx *)a[4])->mask &= ~DIO_SAID;
		return true;
	}
	return linux_6_4(nr, a, answer);
}

/* No MADV_POPULATE_: what would have to be copied goes through the cache. */
static bool linux_5_13(long nr, const long *a, long *answer)
{
	if (nr == SYS_madvise && (a[2] == MADV_POPULATE_READ || a[2] == MADV_POPULATE_WRITE)) {
		*answer = -EINVAL;
		return true;
	}
	return linux_6_0(nr, a, answer);
}

/* No statx, no close_range, no preadv2 that a plain read would need. */
static bool linux_4_5(long nr, const long *a, long *answer)
{
	*answer = -ENOSYS;
	if (nr == SYS_statx || nr == SYS_close_range || nr == SYS_preadv2 || nr == SYS_pwritev2)
		return true;
	return linux_5_13(nr, a, answer);
}

static bool linux_3_14(long nr, const long *a, long *answer)
{
	if (nr == SYS_fcntl && a[1] == F_OFD_GETLK) {
		*answer = -EINVAL;
		return true;
	}
	return linux_4_5(nr, a, answer);
}

/* ---- devices and file systems ------------------------------------------------------ */

static bool say_alignment(long nr, const long *a, long *answer, uint32_t mem, uint32_t offset,
			  uint32_t reads)
{
	struct sys_statx *stx = (struct sys_statx *)a[4];

	if (nr != SYS_statx || !(a[3] & DIO_SAID))
		return false;
	*answer = disk_call(nr, a[0], a[1], a[2], a[3], a[4], 0);
	stx->mask |= DIO_SAID;
	stx->dio_mem_align = mem;
	stx->dio_offset_align = offset;
	stx->mask &= ~SYS_STATX_DIO_READ_ALIGN;
	if (reads)
		stx->mask |= SYS_STATX_DIO_READ_ALIGN;
	stx->dio_read_offset_align = reads;
	return true;
}

static bool no_direct(long nr, const long *a, long *answer)
{
	return say_alignment(nr, a, answer, 0, 0, 0);
}

static bool blocks_of_4096(long nr, const long *a, long *answer)
{
	return say_alignment(nr, a, answer, 512, 4096, 0);
}

static bool reads_of_512(long nr, const long *a, long *answer)
{
	return say_alignment(nr, a, answer, 4, 8192, 512);
}

static bool blocks_too_large(long nr, const long *a, long *answer)
{
	return say_alignment(nr, a, answer, 512, 128 << 10, 0);
}

static bool dax(long nr, const long *a, long *answer)
{
	if (!say_alignment(nr, a, answer, 512, 512, 0))
		return false;
	((struct sys_statx *)a[4])->attributes |= 0x200000;
	return true;
}

static bool on_zram(long nr, const long *a, long *answer)
{
	if (nr != SYS_readlinkat || strncmp((const char *)a[1], "/sys/dev/block/", 15) != 0)
		return false;
	*answer = snprintf((char *)a[2], (size_t)a[3], "../../devices/virtual/block/zram0");
	return true;
}

static bool with_magic(long nr, const long *a, long *answer, long magic)
{
	if (nr != SYS_fstatfs)
		return linux_6_0(nr, a, answer);
	*answer = sys_kernel(nr, a[0], a[1], 0, 0, 0, 0);
	((struct statfs *)a[1])->f_type = (typeof(((struct statfs *)0)->f_type))magic;
	return true;
}

static bool btrfs(long nr, const long *a, long *answer)
{
	return with_magic(nr, a, answer, 0x9123683e);
}

static bool btrfs_nodatacow(long nr, const long *a, long *answer)
{
	if (nr == SYS_ioctl && a[1] == (long)FS_IOC_GETFLAGS) {
		*(int *)a[2] = FS_NOCOW_FL;
		*answer = 0;
		return true;
	}
	return with_magic(nr, a, answer, 0x9123683e);
}

static bool unknown_filesystem(long nr, const long *a, long *answer)
{
	return with_magic(nr, a, answer, 0x1234567);
}

/* The logical block of a partition is its disk's; or cannot be read. */
static bool in_sysfs(long nr, const long *a, long *answer, bool nowhere)
{
	const char *path = nr == SYS_openat ? (const char *)a[1] : "";

	*answer = -ENOENT;
	if (strncmp(path, "/sys/dev/block/", 15) == 0 && (nowhere || !strstr(path, "/../queue")))
		return true;
	return linux_6_0(nr, a, answer);
}

static bool partition(long nr, const long *a, long *answer)
{
	return in_sysfs(nr, a, answer, false);
}

static bool no_sysfs(long nr, const long *a, long *answer)
{
	return in_sysfs(nr, a, answer, true);
}

/* ---- the page cache ------------------------------------------------------------------ */

static int cached_pages, dirty_pages;

/* cachestat as told; the advice to drop clean pages drops them. */
static bool page_cache(long nr, const long *a, long *answer)
{
	struct sys_cachestat *cs = (struct sys_cachestat *)a[2];

	*answer = 0;
	if (nr == SYS_cachestat) {
		*cs = (struct sys_cachestat){ .cache = (uint64_t)cached_pages,
					      .dirty = (uint64_t)dirty_pages };
		return true;
	}
	return nr == SYS_sync_file_range;
}

static bool cached(long nr, const long *a, long *answer)
{
	cached_pages = nr == SYS_fadvise64 ? 0 : nr == SYS_cachestat ? cached_pages : 4;
	return page_cache(nr, a, answer);
}

static bool written_back(long nr, const long *a, long *answer)
{
	if (nr == SYS_sync_file_range || (disk_writes(nr) && fdtab_is_own((int)a[0])))
		cached_pages = dirty_pages = 0;
	else if (nr != SYS_cachestat && nr != SYS_fadvise64)
		cached_pages = dirty_pages = 4;
	return page_cache(nr, a, answer);
}

static bool always_dirty(long nr, const long *a, long *answer)
{
	cached_pages = dirty_pages = 4;
	return page_cache(nr, a, answer);
}

/* Nobody's before the direct write, dirty after it: somebody stored meanwhile. */
static bool raced(long nr, const long *a, long *answer)
{
	if (nr != SYS_cachestat)
		cached_pages = dirty_pages = disk_writes(nr) && fdtab_is_own((int)a[0]);
	return page_cache(nr, a, answer);
}

static bool cachestat_fails(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -EIO;
	return nr == SYS_cachestat;
}

/* ---- what may be refused ---------------------------------------------------------------- */

static bool no_aio(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -EAGAIN;
	return nr == SYS_io_setup;
}

static bool no_submit(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -EAGAIN;
	return nr == SYS_io_submit;
}

static bool no_proc(long nr, const long *a, long *answer)
{
	*answer = -ENOENT;
	return (nr == SYS_openat || nr == SYS_readlinkat) && a[0] == own_proc && own_proc >= 0;
}

static bool no_memory(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -ENOMEM;
	return nr == SYS_mmap;
}

static bool leased(long nr, const long *a, long *answer)
{
	*answer = F_RDLCK;
	return nr == SYS_fcntl && a[1] == F_GETLEASE;
}

static bool no_limits(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -EPERM;
	return nr == SYS_prlimit64;
}

#define CASE(name, why, direct, answered) { #name, work, name, why, direct, answered }

int main(void)
{
	static const struct scenario all[] = {
		CASE(linux_5_13, REASON_bad_address, 1, 5),
		CASE(raced, REASON_raced, 1, 2),
		CASE(written_back, 0, 1, 4),
		CASE(linux_6_4, 0, 1, 1),
		CASE(linux_6_0, REASON_memory, 1, 2),
		CASE(linux_4_5, 0, 0, 4),
		CASE(linux_3_14, REASON_locked, -1, 4),
		CASE(no_direct, REASON_no_direct, -1, 1),
		CASE(blocks_of_4096, 0, 1, 1),
		CASE(reads_of_512, 0, 1, 1),
		CASE(blocks_too_large, REASON_unknown_align, -1, 1),
		CASE(dax, REASON_no_direct, -1, 1),
		CASE(on_zram, REASON_memory, 1, 1),
		CASE(btrfs, REASON_btrfs_checksums, 1, 2),
		CASE(btrfs_nodatacow, 0, 1, 3),
		CASE(unknown_filesystem, REASON_unknown_align, -1, 2),
		CASE(partition, 0, 1, 2),
		CASE(no_sysfs, REASON_unknown_align, -1, 2),
		CASE(cached, 0, 1, 4),
		CASE(always_dirty, REASON_dirty, 1, 4),
		CASE(cachestat_fails, REASON_dirty, 1, 2),
		CASE(no_aio, 0, 1, 1),
		CASE(no_submit, 0, 1, 1),
		CASE(no_proc, REASON_refused, -1, 1),
		CASE(no_memory, REASON_pool_empty, 1, 1),
		CASE(leased, REASON_refused, -1, 1),
		CASE(no_limits, REASON_file_limit, 1, 1),
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), 3);
}

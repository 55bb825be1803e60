#include "book_map.h"

#include "own.h"
#include "sys.h"
#include "text.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>

/* A file "dioshim.PID.N" that did not exist; -errno. A pid that execs takes the next N. */
static int create(char *name)
{
	for (unsigned long n = 0; n < 10000; n++) {
		size_t at = strlen("dioshim.");
		int fd;

		memcpy(name, "dioshim.", at);
		at += text_number(name + at, (unsigned long)sys_getpid());
		name[at++] = '.';
		text_number(name + at, n);
		fd = sys_openat(own_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
				0600);
		if (fd != -EEXIST)
			return fd;
	}
	return -EEXIST;
}

bool book_may_grow(size_t size)
{
	struct rlimit r;

	return sys_getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur >= size;
}

#define MAGIC_BCACHEFS	0xca451a4eu
#define MAGIC_ZFS	0x2fc12fc1u

/*
 * These write elsewhere what is written again: a store into a page that was
 * written back needs room again, and on a full one is SIGBUS, or waits long
 * (btrfs also without copy-on-write: it first looks for room to reclaim).
 */
static bool writes_elsewhere(int fd)
{
	struct statfs fs = { 0 };
	uint32_t magic;

	if (sys_fstatfs(fd, &fs) != 0)
		return true;
	magic = (uint32_t)fs.f_type;
	return magic == BTRFS_SUPER_MAGIC || magic == MAGIC_BCACHEFS || magic == MAGIC_ZFS;
}

/*
 * Blocks for all of the file: a store into a hole of a full file system is
 * SIGBUS. Where they cannot be had at once, zeroes are written.
 */
static int make_blocks(int fd, size_t size, uint64_t *zeroed)
{
	static const char zeroes[4096];
	int r;

	if (!book_may_grow(size))
		return -EFBIG;
	r = sys_fallocate(fd, 0, 0, (int64_t)size);
	if (r != -EOPNOTSUPP)
		return r;
	for (size_t at = 0; at < size;) {
		size_t left = size - at;
		ssize_t n = sys_pwrite(fd, zeroes, left < sizeof(zeroes) ? left : sizeof(zeroes),
				       (int64_t)at);

		if (n <= 0)
			return -ENOSPC;
		*zeroed += (size_t)n;
		at += (size_t)n;
	}
	return 0;
}

struct ledger *book_map(char *name, size_t size, bool *aside, uint64_t *zeroed)
{
	bool gate = own_open_begin();
	int fd = !gate || own_mine(&own_dir) < 0 ? -ENOENT : create(name);
	long at = -1;

	if (fd < 0)
		name[0] = '\0';
	*aside = false;
	if (fd >= 0) {
		if (writes_elsewhere(fd))
			*aside = true;
		else if (make_blocks(fd, size, zeroed) == 0)
			at = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		sys_close(fd);
	}
	if (gate)
		own_open_end();
	if (at < 0 && at > -4096)
		at = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at < 0 && at > -4096 ? NULL : (struct ledger *)at;
}

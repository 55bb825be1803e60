/*
 * file: small services for files that the page cache should not notice.
 *
 *	file fill FILE BYTES	write so many random bytes, sync, leave no page behind
 *	file first FILE		read it once with O_DIRECT (the first touch is slow)
 *	file drop FILE...	sync and drop their pages
 *	file resident FILE...	print the bytes of them in the page cache; no file: none
 *	file align FILE		print "MEM OFFSET" of statx, or "none"
 *	file system FILE	print the name of the file system; exit 1 if it is memory
 *	file device FILE	print MAJOR:MINOR of the device it lies on
 *	file kernel FILE	print what of use the kernel has; FILE is written to
 *
 * fill and first use the whole-block O_DIRECT where they can.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	CHUNK = 1 << 20,
	WANT_DIOALIGN = 0x2000,
	CACHESTAT = 451,	/* the same on all architectures we run on */
	DONTCACHE = 0x80,
};

/* struct statx of the kernel, as far as it is read here; libc's may be older. */
struct statx_dio {
	uint32_t mask;
	uint32_t before[37];
	uint32_t mem_align, offset_align;
	uint32_t after[24];
};
_Static_assert(sizeof(struct statx_dio) == 256, "struct statx is 256 bytes");

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT, 0644);

	if (fd < 0)
		fd = open(path, flags, 0644);
	if (fd < 0)
		die(path);
	return fd;
}

static uint64_t *chunk(void)
{
	uint64_t *p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int drop(const char *path)
{
	const int fd = open(path, O_RDONLY);
	int bad;

	if (fd < 0 || fsync(fd))
		die(path);
	bad = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	return bad ? 1 : 0;
}

static int fill(const char *path, long long bytes)
{
	const int fd = open_direct(path, O_RDWR | O_CREAT | O_TRUNC);
	uint64_t *p = chunk(), x = 0x9e3779b97f4a7c15;

	for (long long done = 0; done < bytes; done += CHUNK) {
		for (size_t i = 0; i < CHUNK / sizeof(*p); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p[i] = x;
		}
		if (write(fd, p, CHUNK) != CHUNK)
			die(path);
	}
	close(fd);
	return drop(path);
}

static int first(const char *path)
{
	const int fd = open_direct(path, O_RDONLY);
	uint64_t *p = chunk();
	ssize_t r;

	while ((r = read(fd, p, CHUNK)) > 0)
		;
	return r < 0;
}

static size_t resident(const char *path)
{
	const int fd = open(path, O_RDONLY);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct stat st;
	size_t pages, in = 0;
	unsigned char *v;
	void *map;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st))
		die(path);
	if (!st.st_size)
		return 0;
	pages = ((size_t)st.st_size + page - 1) / page;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	v = malloc(pages + 1);
	if (map == MAP_FAILED || !v || mincore(map, (size_t)st.st_size, v))
		die(path);
	for (size_t i = 0; i < pages; i++)
		in += v[i] & 1;
	munmap(map, (size_t)st.st_size);
	free(v);
	close(fd);
	return in * page;
}

static int align(const char *path)
{
	struct statx_dio s = { 0 };

	if (syscall(SYS_statx, AT_FDCWD, path, 0, WANT_DIOALIGN, &s))
		die(path);
	if (s.mask & WANT_DIOALIGN)
		printf("%u %u\n", s.mem_align, s.offset_align);
	else
		puts("none");
	return 0;
}

static int file_system(const char *path)
{
	static const struct {
		unsigned int magic;
		const char *name;
	} known[] = {
		{ EXT4_SUPER_MAGIC, "ext4" }, { XFS_SUPER_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" }, { OVERLAYFS_SUPER_MAGIC, "overlay" },
		{ F2FS_SUPER_MAGIC, "f2fs" }, { 0x2fc12fc1, "zfs" },
		{ TMPFS_MAGIC, "tmpfs" }, { RAMFS_MAGIC, "ramfs" },
	};
	struct statfs fs;
	unsigned int magic;

	if (statfs(path, &fs))
		die(path);
	magic = (unsigned int)fs.f_type;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].magic == magic) {
			puts(known[i].name);
			return magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
		}
	}
	printf("0x%x\n", magic);
	return 0;
}

static int device(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		die(path);
	printf("%u:%u\n", major(st.st_dev), minor(st.st_dev));
	return 0;
}

/* Does ctime show each of many writes between which nobody sleeps? */
static bool multigrain(int fd)
{
	struct stat before, after;

	for (int i = 0; i < 100; i++) {
		if (fstat(fd, &before) || pwrite(fd, "", 1, 0) != 1 || fstat(fd, &after))
			die("file kernel");
		if (before.st_ctim.tv_nsec == after.st_ctim.tv_nsec)
			return false;
	}
	return true;
}

static int kernel(const char *path)
{
	const int fd = open(path, O_RDWR);
	const struct iovec byte = { .iov_base = "", .iov_len = 1 };
	uint64_t range[2] = { 0, 4096 }, counts[5];

	if (fd < 0)
		die(path);
	printf("cachestat %s, RWF_DONTCACHE %s, multigrain ctime %s\n",
	       syscall(CACHESTAT, fd, range, counts, 0) ? "no" : "yes",
	       pwritev2(fd, &byte, 1, 0, DONTCACHE) == 1 ? "yes" : "no",
	       multigrain(fd) ? "yes" : "no");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "", *path = argc > 2 ? argv[2] : "";

	if (!strcmp(what, "fill") && argc == 4)
		return fill(path, atoll(argv[3]));
	if (!strcmp(what, "first"))
		return first(path);
	if (!strcmp(what, "drop")) {
		int bad = 0;

		for (int i = 2; i < argc; i++)
			bad |= drop(argv[i]);
		return bad;
	}
	if (!strcmp(what, "resident")) {
		size_t sum = 0;

		for (int i = 2; i < argc; i++)
			sum += resident(argv[i]);
		printf("%zu\n", sum);
		return 0;
	}
	if (!strcmp(what, "align"))
		return align(path);
	if (!strcmp(what, "system"))
		return file_system(path);
	if (!strcmp(what, "device"))
		return device(path);
	if (!strcmp(what, "kernel"))
		return kernel(path);
	return 2;
}

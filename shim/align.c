#include "align.h"

#include "text.h"

#include <linux/fs.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

/* linux/magic.h, and the file systems' own sources where that lacks them. */
#define MAGIC_PROC	0x00009fa0u
#define MAGIC_SYSFS	0x62656572u
#define MAGIC_CGROUP	0x0027e0ebu
#define MAGIC_CGROUP2	0x63677270u
#define MAGIC_DEBUGFS	0x64626720u
#define MAGIC_TRACEFS	0x74726163u
#define MAGIC_SECURITYFS 0x73636673u
#define MAGIC_CONFIGFS	0x62656570u
#define MAGIC_BPF	0xcafe4a11u
#define MAGIC_PSTORE	0x6165676cu
#define MAGIC_TMPFS	0x01021994u
#define MAGIC_RAMFS	0x858458f6u
#define MAGIC_HUGETLBFS	0x958458f6u
#define MAGIC_FUSE	0x65735546u
#define MAGIC_EXT4	0x0000ef53u
#define MAGIC_XFS	0x58465342u
#define MAGIC_F2FS	0xf2f52010u
#define MAGIC_BTRFS	0x9123683eu
#define MAGIC_BCACHEFS	0xca451a4eu
#define MAGIC_NFS	0x00006969u
#define MAGIC_CIFS	0xff534d42u
#define MAGIC_SMB2	0xfe534d42u
#define MAGIC_OCFS2	0x7461636fu
#define MAGIC_OVERLAY	0x794c7630u

#define STATX_ATTR_DAX_BIT 0x200000ull

static bool listed(const uint32_t *list, size_t n, uint32_t magic)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == magic)
			return true;
	return false;
}

/* Memory already, virtual, or decided by another process. */
static bool on_refusal_list(uint32_t magic)
{
	static const uint32_t list[] = {
		MAGIC_PROC, MAGIC_SYSFS, MAGIC_CGROUP, MAGIC_CGROUP2, MAGIC_DEBUGFS, MAGIC_TRACEFS,
		MAGIC_TMPFS, MAGIC_RAMFS, MAGIC_HUGETLBFS, MAGIC_FUSE, MAGIC_BPF, MAGIC_PSTORE,
		MAGIC_SECURITYFS, MAGIC_CONFIGFS,
	};

	return listed(list, sizeof(list) / sizeof(list[0]), magic);
}

static bool may_share_extents(uint32_t magic)
{
	static const uint32_t list[] = {
		MAGIC_XFS, MAGIC_BTRFS, MAGIC_BCACHEFS, MAGIC_NFS, MAGIC_CIFS, MAGIC_SMB2,
		MAGIC_OCFS2, MAGIC_OVERLAY,
	};

	return listed(list, sizeof(list) / sizeof(list[0]), magic);
}

/*
 * Local, and tried: ctime moves with each write, truncation, hole and first
 * store through a mapping. Of overlayfs it is the file's below.
 */
static bool ctime_tells(uint32_t magic)
{
	static const uint32_t list[] = { MAGIC_EXT4, MAGIC_XFS, MAGIC_BTRFS, MAGIC_OVERLAY };

	return listed(list, sizeof(list) / sizeof(list[0]), magic);
}

/* Appends text to s (of size max); the result is cut, never unterminated. */
static void append(char *s, size_t max, const char *text)
{
	size_t n = strlen(s), more = strlen(text);

	if (more > max - 1 - n)
		more = max - 1 - n;
	memcpy(s + n, text, more);
	s[n + more] = '\0';
}

static void device_path(char *s, size_t max, dev_t dev)
{
	char number[TEXT_NUMBER];

	s[0] = '\0';
	append(s, max, "/sys/dev/block/");
	text_number(number, major(dev));
	append(s, max, number);
	append(s, max, ":");
	text_number(number, minor(dev));
	append(s, max, number);
}

/*
 * Devices known to take memory as statx says. zram says 512 and corrupts
 * whatever is not page-aligned (FACTS); device-mapper may sit on one, and
 * devices without a name here (overlay, btrfs) may too.
 */
static bool device_trusted(dev_t dev)
{
	static const char *const good[] = { "sd", "vd", "xvd", "nvme", "mmcblk", "loop", "hd", "nbd" };
	char path[64], link[256];
	const char *name;
	ssize_t n;

	device_path(path, sizeof(path), dev);
	n = sys_readlinkat(AT_FDCWD, path, link, sizeof(link) - 1);
	if (n <= 0)
		return false;
	link[n] = '\0';
	/* ".../block/vda/vda1", ".../nvme/nvme0/nvme0n1": a partition is called after its disk. */
	name = strrchr(link, '/');
	if (!name)
		return false;
	name++;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (strncmp(name, good[i], strlen(good[i])) == 0)
			return true;
	return false;
}

/* Before Linux 6.3 a fork beside a direct read can corrupt a page it shares. */
static bool kernel_pins_pages(void)
{
	struct utsname u;
	unsigned long v[2] = { 0, 0 };
	const char *s = u.release;

	if (sys_call(SYS_uname, sys_ptr(&u), 0, 0, 0, 0, 0) != 0)
		return false;
	for (int i = 0; i < 2; i++) {
		while (*s >= '0' && *s <= '9')
			v[i] = v[i] * 10 + (unsigned long)(*s++ - '0');
		if (*s == '.')
			s++;
	}
	return v[0] > 6 || (v[0] == 6 && v[1] >= 3);
}

/* queue/logical_block_size of a device, of the whole disk for a partition; 0: not readable. */
static uint32_t sysfs_logical_block(dev_t dev)
{
	static const char *const tail[] = { "/queue/logical_block_size",
					    "/../queue/logical_block_size" };
	uint32_t x = 0;

	for (int i = 0; i < 2 && x == 0; i++) {
		char path[128], text[16];
		ssize_t n;
		int fd;

		device_path(path, sizeof(path), dev);
		append(path, sizeof(path), tail[i]);
		fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
		if (fd < 0)
			continue;
		n = sys_read(fd, text, sizeof(text));
		sys_close(fd);
		for (ssize_t k = 0; k < n && text[k] >= '0' && text[k] <= '9'; k++)
			x = x * 10 + (uint32_t)(text[k] - '0');
	}
	return x;
}

static bool usable(uint32_t a)
{
	return a > 0 && (a & (a - 1)) == 0 && a <= (32u << 10)	/* two fit into the smallest chunk */;
}

static enum reason from_statx(const struct sys_statx *stx, struct align_facts *facts)
{
	struct align *al = &facts->align;

	if (stx->dio_mem_align == 0 || stx->dio_offset_align == 0)
		return REASON_no_direct;
	al->mem = stx->dio_mem_align;
	al->write = stx->dio_offset_align;
	al->read = (stx->mask & SYS_STATX_DIO_READ_ALIGN) && stx->dio_read_offset_align ?
			   stx->dio_read_offset_align : stx->dio_offset_align;
	facts->from = ALIGN_statx;
	return REASON_NONE;
}

static enum reason from_block_device(int fd, struct align_facts *facts)
{
	int block = 0;

	if (sys_ioctl(fd, BLKSSZGET, &block) != 0 || block <= 0 ||
	    sys_ioctl(fd, BLKGETSIZE64, &facts->device_size) != 0)
		return REASON_unknown_align;
	facts->align.mem = facts->align.read = facts->align.write = (uint32_t)block;
	facts->from = ALIGN_blksszget;
	return REASON_NONE;
}

/* Kernels before 6.1, and btrfs, which reports nothing to this day. */
static enum reason from_magic(int fd, const struct stat *st, const struct statfs *fs,
			      struct align_facts *facts)
{
	const uint32_t magic = (uint32_t)fs->f_type;
	struct align *al = &facts->align;
	uint32_t block;
	int flags = 0;

	if (magic == MAGIC_BTRFS) {
		/* Its sectors, which may be larger than 4096. */
		al->mem = 4096;
		al->read = al->write = fs->f_bsize > 4096 ? (uint32_t)fs->f_bsize : 4096;
		if (sys_ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0 || !(flags & FS_NOCOW_FL))
			facts->writes_are_cached = true;
		facts->from = ALIGN_btrfs;
		return REASON_NONE;
	}
	if (magic != MAGIC_EXT4 && magic != MAGIC_XFS && magic != MAGIC_F2FS)
		return REASON_unknown_align;
	block = sysfs_logical_block(st->st_dev);
	if (block == 0)
		return REASON_unknown_align;
	al->mem = al->read = al->write = block;
	facts->from = ALIGN_sysfs;
	return REASON_NONE;
}

enum reason align_discover(int fd, const struct stat *st, struct align_facts *facts)
{
	const bool block_device = S_ISBLK(st->st_mode);
	struct sys_statx stx = { 0 };
	struct statfs fs = { 0 };
	enum reason why;
	uint32_t magic;

	*facts = (struct align_facts){ 0 };
	if (sys_fstatfs(fd, &fs) != 0)
		return REASON_unknown_align;
	magic = (uint32_t)fs.f_type;
	if (!block_device && on_refusal_list(magic))
		return REASON_filesystem;
	if (sys_fstatx(fd, SYS_STATX_DIOALIGN | SYS_STATX_DIO_READ_ALIGN, &stx) != 0)
		stx.mask = 0;
	if (stx.attributes & STATX_ATTR_DAX_BIT)
		return REASON_no_direct;
	if (block_device) {
		why = from_block_device(fd, facts);
		if (why == REASON_NONE && (stx.mask & SYS_STATX_DIOALIGN))
			why = from_statx(&stx, facts);
	} else if (stx.mask & SYS_STATX_DIOALIGN) {
		why = from_statx(&stx, facts);
	} else {
		why = from_magic(fd, st, &fs, facts);
	}
	if (why != REASON_NONE)
		return why;
	if (!usable(facts->align.mem) || !usable(facts->align.read) || !usable(facts->align.write))
		return REASON_unknown_align;
	facts->tells_changes = !block_device && ctime_tells(magic);
	facts->shares_extents = !block_device && may_share_extents(magic);
	if (facts->align.mem < 4096 &&
	    (!kernel_pins_pages() || !device_trusted(block_device ? st->st_rdev : st->st_dev))) {
		facts->align.mem = 4096;
		facts->align.pages_only = true;
	}
	return REASON_NONE;
}

enum reason align_refusal(int err)
{
	switch (err) {
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return REASON_no_descriptor;
	case -EINVAL:
		return REASON_no_direct;
	default:
		return REASON_refused;
	}
}

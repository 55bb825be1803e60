#include "place.h"

#include "names.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FD_PATH 32		/* "/proc/self/fd/N" */
#define ENTRIES_MAX 1000	/* of a folder, to find a file that can be opened */

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "regular file";
	case S_IFDIR: return "folder";
	case S_IFBLK: return "block device";
	case S_IFCHR: return "character device";
	case S_IFIFO: return "FIFO";
	case S_IFSOCK: return "socket";
	default: return "special file";
	}
}

static void refuse(struct place *p, enum reason why)
{
	p->direct = ANSWER_NO;
	p->reason = why;
	snprintf(p->why, sizeof(p->why), "%s", reason_sentences[why]);
}

static void untold(struct place *p, const char *what, int err)
{
	p->direct = ANSWER_UNTOLD;
	snprintf(p->why, sizeof(p->why), "%s: %s", what, strerror(err));
}

/* What fd is, once more: so nothing else can have come to its path meanwhile. */
static int reopen(int fd, int flags)
{
	char path[FD_PATH];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* O_NONBLOCK as the library does: no waiting for a lease or a medium. */
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static void path_of(int fd, char *path, size_t room)
{
	char name[FD_PATH];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, room - 1);
	path[n > 0 ? n : 0] = '\0';
}

/* ---- file system and device ------------------------------------------------ */

static int mount_id(int fd)
{
	char path[FD_PATH], line[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "mnt_id: %d", &id) == 1)
			break;
	if (f)
		fclose(f);
	return id;
}

/* The type of fd's file system, and what it is mounted from ("none", "/dev/vda1"). */
static void filesystem_of(int fd, char *type, size_t room, char source[PATH_MAX])
{
	const int wanted = mount_id(fd);
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, name[64];
	size_t size = 0;

	source[0] = '\0';
	while (f && getline(&line, &size, f) > 0) {
		const char *tail = strstr(line, " - ");

		if (!tail || atoi(line) != wanted)
			continue;
		if (sscanf(tail, " - %63s %4095s", name, source) == 2)
			snprintf(type, room, "%s", name);
		break;
	}
	free(line);
	if (f)
		fclose(f);
}

/* queue/NAME of a device, of the whole disk for a partition. */
static uint32_t queue_figure(dev_t dev, const char *name)
{
	static const char *const where[] = { "", "../" };
	unsigned value = 0;

	for (int i = 0; i < 2 && value == 0; i++) {
		char path[128];
		FILE *f;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev), minor(dev),
			 where[i], name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%u", &value) != 1)
			value = 0;
		if (f)
			fclose(f);
	}
	return value;
}

static void device_of(struct place *p, int fd, const struct stat *st)
{
	char source[PATH_MAX], path[64], link[PATH_MAX];
	const char *name;
	struct stat of;
	ssize_t n;

	filesystem_of(fd, p->filesystem, sizeof(p->filesystem), source);
	p->dev = S_ISBLK(st->st_mode) ? st->st_rdev : st->st_dev;
	/* btrfs has numbers of its own; one of its devices is better than none. */
	if (major(p->dev) == 0 && *source == '/' && stat(source, &of) == 0 && S_ISBLK(of.st_mode))
		p->dev = of.st_rdev;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(p->dev), minor(p->dev));
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	name = strrchr(link, '/');
	if (!name)
		return;
	snprintf(p->device, sizeof(p->device), "%.63s", name + 1);
	p->logical = queue_figure(p->dev, "logical_block_size");
	p->physical = queue_figure(p->dev, "physical_block_size");
}

/* ---- one file -------------------------------------------------------------- */

static void ask_statx(struct place *p, int fd)
{
	struct sys_statx stx = { 0 };

	if (sys_fstatx(fd, SYS_STATX_DIOALIGN | SYS_STATX_DIO_READ_ALIGN, &stx) != 0)
		return;
	p->said = stx.mask & SYS_STATX_DIOALIGN;
	p->read_said = stx.mask & SYS_STATX_DIO_READ_ALIGN;
	p->said_mem = stx.dio_mem_align;
	p->said_offset = stx.dio_offset_align;
	p->said_read = stx.dio_read_offset_align;
}

/* One block there and back; errno, 0 if it went well or the disk is full. */
static int write_block(int fd, const struct align *al)
{
	size_t n = al->write > 4096 ? al->write : 4096;
	void *block;
	int err = 0;

	if (al->read > n)
		n = al->read;
	if (posix_memalign(&block, n, n) != 0)
		return 0;
	memset(block, 0, n);
	if (pwrite(fd, block, n, 0) != (ssize_t)n)
		err = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? 0 : errno;
	else if (pread(fd, block, n, 0) != (ssize_t)n)
		err = errno;
	free(block);
	return err;
}

/* The real thing: a second descriptor with O_DIRECT, as the library opens it. */
static enum reason try_direct(struct place *p, int fd)
{
	enum reason why = REASON_NONE;
	int twin = reopen(fd, (p->temporary ? O_RDWR : O_RDONLY) | O_DIRECT);

	if (twin < 0) {
		p->trial_error = errno;
		why = align_refusal(-errno);
	} else if (p->temporary) {
		errno = 0;
		p->trial_error = write_block(twin, &p->facts.align);
		why = p->trial_error ? REASON_learned : REASON_NONE;
	}
	if (twin >= 0)
		close(twin);
	p->trial = p->trial_error ? TRIAL_FAILED : p->temporary ? TRIAL_WRITTEN : TRIAL_OPENED;
	return why;
}

/* path: what the patterns of the settings are matched with. */
static void look_at_file(struct place *p, int fd, const struct stat *st, const char *path,
			 const struct config *c)
{
	const bool block_device = S_ISBLK(st->st_mode);
	enum reason why;

	device_of(p, fd, st);
	ask_statx(p, fd);
	why = align_discover(fd, st, &p->facts);
	if (block_device || (S_ISREG(st->st_mode) && !p->temporary))
		p->size = block_device ? p->facts.device_size : (uint64_t)st->st_size;
	if (!config_allows(c, path, block_device))
		why = REASON_excluded;
	else if (c->mode == MODE_off)
		why = REASON_switched_off;
	else if (why == REASON_NONE)
		why = try_direct(p, fd);
	if (why == REASON_NONE && !p->temporary && !p->stands_in && p->size < c->min_file)
		why = REASON_min_file;
	if (why != REASON_NONE)
		refuse(p, why);
	else
		p->direct = ANSWER_YES;
}

/* fd is O_PATH: opened for good only where the file system is not refused anyway. */
static void look_at_path(struct place *p, int fd, const struct stat *st, const struct config *c)
{
	struct align_facts facts;
	int file;

	path_of(fd, p->tried, sizeof(p->tried));
	if (align_discover(fd, st, &facts) == REASON_filesystem) {
		look_at_file(p, fd, st, p->tried, c);
		return;
	}
	file = reopen(fd, O_RDONLY);
	if (file < 0) {
		device_of(p, fd, st);
		ask_statx(p, fd);
		untold(p, "it cannot be opened", errno);
		return;
	}
	look_at_file(p, file, st, p->tried, c);
	close(file);
}

/* ---- folders --------------------------------------------------------------- */

int place_temporary(int folder)
{
	int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char path[PATH_MAX + 32];

	if (fd >= 0 || errno == EACCES || errno == EPERM || errno == EROFS)
		return fd >= 0 ? fd : -errno;
	path_of(folder, path, PATH_MAX);
	strcat(path, "/.dioshim-doctor.XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* Any regular file of the folder that can be opened stands for a new one. */
static bool look_at_any(struct place *p, int folder, const struct config *c)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), left = ENTRIES_MAX;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && left-- && (entry = readdir(dir))) {
		int file = openat(folder, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (file < 0)
			continue;
		if (fstat(file, &st) == 0 && S_ISREG(st.st_mode)) {
			p->stands_in = true;
			look_at_path(p, file, &st, c);
			found = p->direct != ANSWER_UNTOLD;
		}
		close(file);
	}
	closedir(dir);
	return found;
}

static void look_at_folder(struct place *p, int folder, const struct stat *st, const struct config *c)
{
	char path[PATH_MAX + 16];
	struct align_facts facts;
	struct stat of = { 0 };
	int fd;

	path_of(folder, p->tried, sizeof(p->tried));
	snprintf(path, sizeof(path), "%s/new-file", strcmp(p->tried, "/") == 0 ? "" : p->tried);
	if (align_discover(folder, st, &facts) == REASON_filesystem) {
		look_at_file(p, folder, st, path, c);
		return;
	}
	fd = place_temporary(folder);
	if (fd >= 0) {
		p->temporary = true;
		fstat(fd, &of);
		look_at_file(p, fd, &of, path, c);
		close(fd);
	} else if (!look_at_any(p, folder, c)) {
		path_of(folder, p->tried, sizeof(p->tried));
		p->stands_in = false;
		device_of(p, folder, st);
		untold(p, "nothing can be made in the folder, and it holds no file that can be opened", -fd);
	}
}

void place_look(struct place *p, const char *path, const struct config *c)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	*p = (struct place){ .path = path, .direct = ANSWER_UNTOLD, .reason = REASON_NONE };
	if (fd < 0 || fstat(fd, &st) != 0) {
		p->error = errno;
		untold(p, "it cannot be looked at", p->error);
		if (fd >= 0)
			close(fd);
		return;
	}
	p->kind = kind_of(st.st_mode);
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
		look_at_path(p, fd, &st, c);
	} else if (S_ISDIR(st.st_mode)) {
		look_at_folder(p, fd, &st, c);
	} else {
		p->direct = ANSWER_NO;
		snprintf(p->why, sizeof(p->why), "neither a regular file nor a block device: passed through");
	}
	close(fd);
}

/*
 * The files, their names and first contents.
 */
#include "stale.h"
#include <sys/stat.h>

void file_path(const struct track *t, enum name name, char *path, size_t room)
{
	static const char *const ends[] = { [PATH] = "", [KEPT] = ".kept", [NEXT] = ".next" };

	snprintf(path, room, "%s/file%u%s", st->folder, t->number, ends[name]);
}

static int open_name(const struct track *t, enum name name, int flags)
{
	char path[4100];
	int fd;

	file_path(t, name, path, sizeof(path));
	fd = open(path, flags | O_CLOEXEC, 0666);
	if (fd < 0 && flags & O_DIRECT)
		fd = open(path, (flags & ~O_DIRECT) | O_CLOEXEC);	/* not on every file system */
	return fd;
}

int file_open(const struct track *t, int flags)
{
	int fd = open_name(t, KEPT, flags);

	NEED(fd >= 0);
	return fd;
}

/* By the name that is replaced at times; the file itself all the same. */
int file_open_by_path(const struct track *t, int flags)
{
	int fd = open_name(t, PATH, flags);
	struct stat s;

	if (fd >= 0 && fstat(fd, &s) == 0 && s.st_ino == t->ino)
		return fd;
	if (fd >= 0)
		close(fd);
	return file_open(t, flags);
}

/* Version 1 all over, on disk. */
void file_make(struct track *t, int64_t size)
{
	const uint32_t n = (uint32_t)(size / BLOCK);
	unsigned char *p = malloc((size_t)size);
	char path[4100], kept[4100];
	struct stat s;
	int fd;

	NEED(p);
	for (uint32_t b = 0; b < n; b++) {
		block_fill(p + b * BLOCK, t->number, b, 1);
		t->blocks[b] = (struct block){ .started = 1, .done = 1 };
	}
	fd = open_name(t, PATH, O_RDWR | O_CREAT | O_TRUNC);
	NEED(fd >= 0 && pwrite(fd, p, (size_t)size, 0) == size && fsync(fd) == 0 && fstat(fd, &s) == 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	free(p);
	file_path(t, PATH, path, sizeof(path));
	file_path(t, KEPT, kept, sizeof(kept));
	unlink(kept);
	NEED(link(path, kept) == 0);
	t->ino = s.st_ino;
	t->size_low = t->size_high = size;
}

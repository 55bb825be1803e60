#include "resident.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW	((off_t)1 << 30)	/* mapped at once, bytes */

static int by_text(const void *x, const void *y)
{
	return strcmp(x, y);
}

static void keep_each_once(struct resident *r)
{
	size_t kept = 0;

	if (!r->n)
		return;
	qsort(r->paths, r->n, sizeof(*r->paths), by_text);
	for (size_t i = 1; i < r->n; i++)
		if (strcmp(r->paths[kept], r->paths[i]) != 0)
			memmove(r->paths[++kept], r->paths[i], sizeof(*r->paths));
	r->n = kept + 1;
}

void resident_learn(struct resident *r, const struct report *report)
{
	r->paths = reallocarray(r->paths, r->n + report->files_n + 1, sizeof(*r->paths));
	if (!r->paths) {
		complain("out of memory");
		exit(STATUS_OWN);
	}
	for (size_t i = 0; i < report->files_n; i++) {
		const char *path = report->files[i].path;

		/* A long path is kept from its end; "(other files)" is none. */
		if (path[0] == '/' && strlen(path) < LEDGER_PATH - 1)
			strcpy(r->paths[r->n++], path);
	}
	keep_each_once(r);
}

/* A regular file that may be read; -1 and errno. Devices are not opened. */
static int open_file(const char *path, struct stat *st)
{
	int fd;

	if (stat(path, st) != 0 || !S_ISREG(st->st_mode)) {
		errno = ENOENT;
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		errno = ENOENT;
		return -1;
	}
	return fd;
}

/* To others the kernel says of every page that it is there. */
static bool may_ask(const char *path, const struct stat *st)
{
	return geteuid() == 0 || st->st_uid == geteuid() || access(path, W_OK) == 0;
}

static bool count_window(int fd, off_t at, size_t len, uint64_t *pages)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (len + page - 1) / page;
	unsigned char *there = malloc(n);
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, at);
	bool good = there && map != MAP_FAILED && mincore(map, len, there) == 0;

	for (size_t i = 0; good && i < n; i++)
		*pages += there[i] & 1;
	if (map != MAP_FAILED)
		munmap(map, len);
	free(there);
	return good;
}

static bool count_file(const char *path, uint64_t *pages)
{
	struct stat st;
	int fd = open_file(path, &st);
	bool good = true;

	if (fd < 0)
		return errno == ENOENT;
	good = may_ask(path, &st);
	for (off_t at = 0; good && at < st.st_size; at += WINDOW) {
		off_t left = st.st_size - at;

		good = count_window(fd, at, (size_t)(left < WINDOW ? left : WINDOW), pages);
	}
	close(fd);
	return good;
}

uint64_t resident_bytes(const struct resident *r, size_t *untold)
{
	uint64_t pages = 0;

	*untold = 0;
	for (size_t i = 0; i < r->n; i++)
		*untold += !count_file(r->paths[i], &pages);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void resident_drop(const struct resident *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct stat st;
		int fd = open_file(r->paths[i], &st);

		if (fd < 0)
			continue;
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
}

bool resident_drop_all(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	sync();
	good = write(fd, "1\n", 2) == 2;
	close(fd);
	return good;
}

void resident_free(struct resident *r)
{
	free(r->paths);
	*r = (struct resident){ 0 };
}

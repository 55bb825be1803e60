#include "entry.h"

#include <fcntl.h>
#include <stdarg.h>

/* glibc declares these only to fortified programs. */
EXPORT int __open_2(const char *path, int flags);
EXPORT int __openat_2(int dir, const char *path, int flags);

/*
 * Opening changes nothing: a file is adopted at its first data call. Only
 * what the table knew of that number is stale.
 */
static int opened(int fd)
{
	if (fd >= 0 && fdtab_get(fd) == 0 && state_ready()) {
		fdtab_replace(fd, 0, FD_PRIVATE);
	} else if (fd >= 0 && state_ready()) {
		uint64_t held = state_hold();

		file_opened(fd);
		state_free(held);
	}
	return fd;
}

/* mode is there only when a file may be made; O_TMPFILE contains O_DIRECTORY. */
static bool takes_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define MODE_OF(flags, mode)                      \
	do {                                      \
		if (takes_mode(flags)) {          \
			va_list ap;               \
						  \
			va_start(ap, flags);      \
			mode = va_arg(ap, mode_t); \
			va_end(ap);               \
		}                                 \
	} while (0)

EXPORT int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	int fd;

	MODE_OF(flags, mode);
	ENTRY_WITH_ROOM(fd, real.open(path, flags, mode));
	return opened(fd);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	int fd;

	MODE_OF(flags, mode);
	ENTRY_WITH_ROOM(fd, real.openat(dir, path, flags, mode));
	return opened(fd);
}

EXPORT int creat(const char *path, mode_t mode)
{
	int fd;

	ENTRY_WITH_ROOM(fd, real.creat(path, mode));
	return opened(fd);
}

/* Fortified: no mode; glibc's own stops a program that forgot one. */
EXPORT int __open_2(const char *path, int flags)
{
	int fd;

	ENTRY_WITH_ROOM(fd, real.__open_2(path, flags));
	return opened(fd);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
	int fd;

	ENTRY_WITH_ROOM(fd, real.__openat_2(dir, path, flags));
	return opened(fd);
}

#define TWIN_open(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

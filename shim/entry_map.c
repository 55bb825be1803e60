#include "entry.h"

#include "mapped.h"
#include "memory.h"
#include "sys.h"

#include <sys/mman.h>

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif

/* Is fd a regular file or block device that shared mappings can write to? */
static bool writable_file(int fd, struct stat *st)
{
	int flags;

	if (sys_fstat(fd, st) != 0 || (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode)))
		return false;
	flags = sys_fcntl(fd, F_GETFL, 0);
	return flags >= 0 && (flags & O_ACCMODE) == O_RDWR;
}

EXPORT void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	const int type = flags & 0xf;
	bool shared = (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) && fd >= 0 &&
		      !(flags & MAP_ANONYMOUS);
	struct stat st;

	if (fd >= 0 && entry_not_yours(fd))
		return MAP_FAILED;
	if (fd >= 0 && !(flags & MAP_ANONYMOUS))
		memory_maps_files = true;
	if (shared && state_ready() && writable_file(fd, &st)) {
		book_count(COUNTER_descriptor_calls, 1);
		mapped_mark(st.st_dev, st.st_ino);
	}
	return real.mmap(at, n, prot, flags, fd, off);
}

#define TWIN_map(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

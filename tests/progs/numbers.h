/*
 * numbers: descriptors that a program finds open though it did not open them.
 * Plain there are none; under the shim they are the shim's own.
 */
#ifndef NUMBERS_H
#define NUMBERS_H

#include "transcript.h"
#include <dirent.h>

/* Those above 10. */
static UNUSED int strangers(int *list, int most)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int n = 0;

	NEED(d);
	while ((e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd > 10 && fd != dirfd(d) && n < most)
			list[n++] = fd;
	}
	closedir(d);
	return n;
}

/* Page 1 is read as it is, and written back. */
static UNUSED bool works(int fd)
{
	char b[4096] __attribute__((aligned(4096))), w[4096];

	NEED(syscall(SYS_pread64, fd, w, sizeof(w), 4096) == 4096);
	return pread(fd, b, sizeof(b), 4096) == 4096 && !memcmp(b, w, 4096) &&
	       pwrite(fd, b, sizeof(b), 4096) == 4096;
}

#endif

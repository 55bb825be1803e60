/*
 * hz_process: what the programs about children share: three files, a look at
 * a descriptor, and what a child does to see that it can.
 */
#ifndef HZ_PROCESS_H
#define HZ_PROCESS_H

#include "numbers.h"

static char *buf;

static UNUSED void files(void)
{
	make_file("A", 100000, 1);
	make_file("B", 100000, 2);
	make_file("C", 100000, 3);
}

static UNUSED void look(int fd, const char *what)
{
	memset(buf, 0, 16384);
	long r = pread(fd, buf, 8192, 0);
	printf("%s: pread %ld %016llx", what, r, (unsigned long long)hash(buf, 16384));
	r = read(fd, buf + 1, 5000);
	printf(" read %ld %016llx\n", r, (unsigned long long)hash(buf, 16384));
}

static UNUSED int child_io(int fd, long i)
{
	char mine[5000], back[5000];
	int own = open("own", O_RDWR | O_CREAT, 0666);

	fill(mine, sizeof(mine), (uint64_t)i);
	if (pread(fd, back, 4096, 4096) != 4096)
		return 1;
	if (pwrite(own, mine, sizeof(mine), i * 7) != sizeof(mine))
		return 2;
	if (pread(own, back, sizeof(back), i * 7) != sizeof(back) || memcmp(mine, back, sizeof(mine)))
		return 3;
	if (pwrite(fd, mine, 4096, 50000) != 4096 || close(own) || close(fd))
		return 4;
	return 0;
}

/* Descriptors that the program did not open: before and after, as many. */
static UNUSED int extra(void)
{
	int list[256];

	return strangers(list, COUNT(list));
}

#endif

/*
 * early: a library that does file I/O in its constructor and its destructor,
 * before and after any other library had its turn. Built as a shared object
 * and preloaded around the shim by the test; as a program it is a program
 * with a constructor, a destructor and an atexit function of its own.
 */
#include "transcript.h"

static char mine[9000] __attribute__((aligned(4096)));

static void io(const char *when)
{
	int fd = open("early.file", O_RDWR | O_CREAT, 0666);
	long w = pwrite(fd, mine, 8192, 4096), w2 = write(fd, when, strlen(when)), r = pread(fd, mine + 1, 5000, 3);
	char line[128];
	int n = snprintf(line, sizeof(line), "%s: fd %d: %ld %ld %ld %016llx\n", when, fd, w, w2, r,
			 (unsigned long long)hash(mine, sizeof(mine)));

	w = dup2(fd, 50);
	close(fd);
	r = pread(50, mine, 4096, 0);
	close(50);
	if (write(1, line, (size_t)n) != n || w != 50 || r != 4096)
		_exit(98);
}

__attribute__((constructor(101))) static void first(void)
{
	io("constructor");
}

__attribute__((destructor(101))) static void last(void)
{
	io("destructor");
}

static void at_exit(void)
{
	io("atexit");
}

__attribute__((weak)) int main(void)
{
	atexit(at_exit);
	io("main");
	return 7;
}

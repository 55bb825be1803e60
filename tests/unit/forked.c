/*
 * A child that nobody announced (a raw clone): the kernel copied the
 * descriptors a moment before the memory, so that the table may say of a number
 * what is not so. The program must not lose what it opens there.
 */
#include "entry.h"
#include "own.h"
#include "tap.h"

#include <sys/wait.h>
#include <unistd.h>

static int lowest(void)
{
	int fd = (int)sys_kernel(SYS_dup, 0, 0, 0, 0, 0, 0);

	sys_kernel(SYS_close, fd, 0, 0, 0, 0, 0);
	return fd;
}

/* What a thread that raises a descriptor leaves in the table; then the child. */
static int in_child(int number, int (*what)(int number))
{
	int st = -1;
	long pid;

	fdtab_set(number, fdtab_own(0));
	pid = sys_kernel(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
	if (pid == 0)
		sys_kernel(SYS_exit_group, what(number), 0, 0, 0, 0, 0);
	fdtab_set(number, 0);
	waitpid((pid_t)pid, &st, 0);
	return st;
}

static int reads(int fd)
{
	char c;

	return read(fd, &c, 1) == 1 ? 0 : 1;
}

static int opens(int number)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	return fd == number ? reads(fd) : 2;
}

static int opens_cloexec(int number)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	return fd == number ? reads(fd) : 2;
}

static int duplicates(int number)
{
	return dup(100) == number ? reads(number) : 2;
}

/* A call that is not wrapped gives the number out; the first wrapped one comes later. */
static int pipes(int number)
{
	int ends[2];

	if (sys_kernel(SYS_pipe2, sys_ptr(ends), 0, 0, 0, 0, 0) != 0 || ends[0] != number)
		return 2;
	return write(ends[1], "x", 1) == 1 ? reads(ends[0]) : 3;
}

/* What was on its way up is closed: the number is free. */
static int finds_it_closed(int number)
{
	return opens(number);
}

int main(void)
{
	int exe = open("/proc/self/exe", O_RDONLY), number, twin;

	ok(exe >= 0 && dup2(exe, 100) == 100, "a start");
	ok(reads(exe) == 0, "the shim runs");
	number = lowest();
	is_int(in_child(number, opens), 0, "open, the child's first call");
	is_int(in_child(number, opens_cloexec), 0, "the same, close-on-exec");
	is_int(in_child(number, duplicates), 0, "dup");
	is_int(in_child(number, pipes), 0, "a pipe, by a call that is not wrapped");
	twin = (int)sys_kernel(SYS_openat, AT_FDCWD, sys_ptr("/proc/self/exe"),
			       O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, 0, 0);
	ok(twin == number, "one of ours at the lowest number");
	is_int(in_child(number, finds_it_closed), 0, "a descriptor of ours on its way up is closed");
	return done_testing();
}

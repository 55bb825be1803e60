/*
 * Children that come into being in the middle of something.
 *
 * One that nobody announced (a raw clone): the kernel copied the
 * descriptors a moment before the memory, so that the table may say of a number
 * what is not so. The program must not lose what it opens there. And one that a signal handler makes
 * while a call is under way: what it comes back into was its parent's call, and is
 * booked there alone.
 */
#include "book.h"
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

/* ---- a handler that forks, at the return of the program's call ---------------------- */

#undef real
static long (*fork_here)(void);
static pid_t child = -1;

static long announced(void)
{
	return fork();
}

static long unannounced(void)
{
	return sys_kernel(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

static ssize_t read_and_fork(int fd, void *buf, size_t n)
{
	ssize_t r = sys_kernel(SYS_read, fd, sys_ptr(buf), (long)n, 0, 0, 0);

	child = (pid_t)fork_here();
	return r;
}

static uint64_t booked(const struct ledger *l)
{
	uint64_t sum = l->counters[COUNTER_asked_bytes] + l->counters[COUNTER_seen_rchar] +
		       l->counters[COUNTER_calls];

	for (int i = 0; i < ROUTES; i++)
		sum += l->routes[i].bytes + l->routes[i].calls;
	for (unsigned i = 0; i < l->files_n; i++)
		sum += l->files[i].read_bytes;
	return sum;
}

/* What the parent and the child booked of one read of 100 bytes in which the fork came. */
static void forks_in_read(int fd, const char *what)
{
	struct ledger *l = book_now();
	uint64_t bytes = l->counters[COUNTER_asked_bytes], calls = l->counters[COUNTER_calls];
	int st = -1;
	char buf[100];

	if (read(fd, buf, sizeof(buf)) != sizeof(buf))
		child = -1;
	if (child == 0)	/* it has read /proc/self/cmdline of its own, no more */
		sys_kernel(SYS_exit_group, book_ledger == l || booked(book_now()) !=
			   book_now()->counters[COUNTER_seen_rchar], 0, 0, 0, 0, 0);
	waitpid(child, &st, 0);
	is_int(st, 0, "%s: nothing in the child's ledger", what);
	is_int((long long)(l->counters[COUNTER_asked_bytes] - bytes), 100, "%s: once in the parent's", what);
	is_int((long long)(l->counters[COUNTER_calls] - calls), 1, "%s: one call", what);
}

static void books(void)
{
	const int maps = open("/proc/self/maps", O_RDONLY);	/* excluded: the call is the kernel's */

	int ends[2];
	char text[300] = { 0 };

	if (pipe(ends) != 0 || write(ends[1], text, sizeof(text)) != sizeof(text))
		return;
	real_table.read = read_and_fork;
	real_io_is_libc = false;
	fork_here = announced;
	forks_in_read(maps, "a file, fork");
	forks_in_read(ends[0], "a pipe, fork");
	fork_here = unannounced;
	forks_in_read(maps, "a file, clone");
	forks_in_read(ends[0], "a pipe, clone");
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
	books();
	return done_testing();
}

/*
 * locks: after each step, another process (without the shim) lists every lock
 * it finds on the file. A shim that closes a descriptor of its own at the wrong
 * moment drops the program's POSIX locks; one that keeps a copy of the
 * program's open file keeps flock and OFD locks alive.
 */
#ifndef LOCKS_H
#define LOCKS_H

#include "transcript.h"
#include <sys/file.h>

static char *buf;

/* The other process. */
static UNUSED int probe(const char *path)
{
	static const char *const types[] = { "read", "write", "none" };
	int fd = raw_open(path, O_RDWR, 0);
	off_t at = 0;

	for (int guard = 0; guard < 20; guard++) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at };

		NEED(fcntl(fd, F_GETLK, &l) == 0);
		if (l.l_type == F_UNLCK)
			break;
		printf(" %s %lld+%lld %s", types[l.l_type == F_WRLCK], (long long)l.l_start, (long long)l.l_len,
		       l.l_pid == -1 ? "ofd" : l.l_pid == getppid() ? "posix" : "posix of another");
		if (!l.l_len)
			break;
		at = l.l_start + l.l_len;
	}
	printf("%s", flock(fd, LOCK_EX | LOCK_NB) ? " flock" : "");
	printf(".\n");
	return 0;
}

static UNUSED void look(const char *path, const char *when)
{
	char *argv[] = { "locks", "probe", (char *)(uintptr_t)path, NULL }, *env[] = { NULL };

	printf("%s: %s:", when, path);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		syscall(SYS_execve, "/proc/self/exe", argv, env);
		_exit(127);
	}
	int st;
	NEED(waitpid(pid, &st, 0) == pid && st == 0);
}

static UNUSED long set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

static UNUSED int fresh(const char *path)
{
	make_file(path, 50000, 3);
	int fd = open(path, O_RDWR);

	NEED(fd >= 0);
	return fd;
}

static UNUSED void traffic(int fd)
{
	say(pread(fd, buf, 4096, 4096), "pread");
	say(pread(fd, buf + 1, 1000, 33), "pread, odd");
	say(pwrite(fd, buf, 8192, 8192), "pwrite");
	say(pwrite(fd, buf + 3, 5000, 77), "pwrite, odd");
	say(read(fd, buf, 4096), "read");
	say(write(fd, buf, 4096), "write");
}

#endif

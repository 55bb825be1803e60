/*
 * locks: after each step, another process (without the shim) lists every lock
 * it finds on the file. A shim that closes a descriptor of its own at the wrong
 * moment drops the program's POSIX locks; one that keeps a copy of the
 * program's open file keeps flock and OFD locks alive.
 */
#include "transcript.h"
#include <spawn.h>
#include <sys/file.h>

static char *buf;

/* The other process. */
static int probe(const char *path)
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

static void look(const char *path, const char *when)
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

static long set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

static int fresh(const char *path)
{
	make_file(path, 50000, 3);
	int fd = open(path, O_RDWR);

	NEED(fd >= 0);
	return fd;
}

static void traffic(int fd)
{
	say(pread(fd, buf, 4096, 4096), "pread");
	say(pread(fd, buf + 1, 1000, 33), "pread, odd");
	say(pwrite(fd, buf, 8192, 8192), "pwrite");
	say(pwrite(fd, buf + 3, 5000, 77), "pwrite, odd");
	say(read(fd, buf, 4096), "read");
	say(write(fd, buf, 4096), "write");
}

static void around_io(void)
{
	int fd = fresh("a"), other;

	say(set(fd, F_SETLK, F_WRLCK, 100, 10), "lock before any I/O");
	look("a", "locked");
	traffic(fd);
	look("a", "after traffic");
	for (int i = 0; i < 20; i++) {
		other = fresh("b");
		pread(other, buf, 4096, 0);
		pwrite(other, buf, 4096, 0);
		close(other);
	}
	look("a", "after other files");
	say(set(fd, F_SETLK, F_RDLCK, 200, 50), "another range");
	say(set(fd, F_SETLK, F_UNLCK, 105, 2), "a hole in the first");
	traffic(fd);
	look("a", "ranges");
	say(lockf(fd, F_TLOCK, 500), "lockf from the offset");
	say(lockf(fd, F_TEST, 10), "lockf F_TEST");
	traffic(fd);
	look("a", "lockf");
	say(set(fd, F_SETLK, F_UNLCK, 0, 0), "unlock all");
	look("a", "unlocked");
	say(set(fd, F_SETLKW, F_WRLCK, 0, 0), "F_SETLKW");
	traffic(fd);
	say(close(fd), "close");
	look("a", "closed");
}

/* Two descriptors of one file. */
static void siblings(void)
{
	int a = fresh("a"), b = open("a", O_RDWR), c;

	say(set(a, F_SETLK, F_WRLCK, 0, 10), "lock on one");
	traffic(b);
	look("a", "first I/O on the other");
	traffic(a);
	look("a", "I/O on both");
	c = open("a", O_RDONLY);
	say(pread(c, buf, 4096, 0), "a third");
	look("a", "three open");
	say(close(c), "close the third: the kernel drops the lock");
	look("a", "dropped");
	say(set(b, F_SETLK, F_WRLCK, 20, 10), "lock on the other");
	c = dup(a);
	say(pwrite(c, buf, 4096, 0), "write to a dup");
	look("a", "dup");
	say(dup2(1, c), "dup2 over the dup");
	look("a", "dropped by dup2");
	close(c);
	set(a, F_SETLK, F_WRLCK, 30, 10);
	traffic(a);
	say(fcntl(a, F_SETFL, O_APPEND), "F_SETFL O_APPEND");
	traffic(a);
	look("a", "O_APPEND");
	say(fcntl(a, F_SETFL, 0), "F_SETFL back");
	traffic(a);
	look("a", "not O_APPEND");
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
	NEED(m != MAP_FAILED);
	m[5000] = 1;
	traffic(a);
	look("a", "mapped");
	munmap(m, 8192);
	traffic(b);
	say(rename("a", "renamed"), "rename");
	traffic(a);
	look("renamed", "renamed");
	say(close(b), "close");
	look("renamed", "other closed");
	set(a, F_SETLK, F_WRLCK, 40, 10);
	traffic(a);
	FILE *f = fopen("renamed", "r");
	look("renamed", "fopen");
	fclose(f);
	look("renamed", "fclose: dropped");
	traffic(a);
	close(a);
}

/* Closed unseen, the number reused; found out about after the lock. */
static void unseen(void)
{
	int a = fresh("a"), b = open("a", O_RDWR), y;

	make_file("y", 9999, 4);
	traffic(a);
	traffic(b);
	syscall(SYS_close, b);
	y = open("y", O_RDWR);
	say(y - b, "number reused");
	say(set(a, F_SETLK, F_WRLCK, 0, 10), "lock");
	traffic(y);
	look("a", "the reused number used");
	traffic(a);
	syscall(SYS_dup2, a, y);	/* now it is the first file again */
	traffic(y);
	look("a", "and again");
	FILE *f = fdopen(y, "r");
	fclose(f);
	look("a", "closed by fclose: dropped");
	set(a, F_SETLK, F_WRLCK, 7, 7);
	y = open("y", O_RDWR);
	traffic(y);
	close(y);
	for (int i = 3; i < 700; i++)
		if (i != a)
			close(i);
	look("a", "after a closing loop");
	close_range((unsigned)a + 1, ~0U, 0);
	look("a", "after close_range");
	traffic(a);
	look("a", "traffic");
	say(close(a), "close");
	look("a", "closed");
}

/* More files than any table holds, while a lock is held. */
static void many(void)
{
	int a = fresh("a"), fds[600];
	char n[32];

	set(a, F_SETLK, F_WRLCK, 3, 3);
	traffic(a);
	for (int i = 0; i < 600; i++) {
		snprintf(n, sizeof(n), "many%d", i);
		fds[i] = open(n, O_RDWR | O_CREAT, 0666);
		if (fds[i] >= 0 && pwrite(fds[i], buf, 4096, 0) != 4096)
			printf("short\n");
		unlink(n);
	}
	look("a", "600 files open");
	for (int i = 0; i < 600; i++)
		close(fds[i]);
	look("a", "closed again");
	traffic(a);
	look("a", "traffic");
	close(a);
}

static void open_file_locks(void)
{
	int a = fresh("a"), b = open("a", O_RDWR), c;

	say(set(a, F_OFD_SETLK, F_WRLCK, 10, 10), "OFD lock");
	traffic(a);
	traffic(b);
	look("a", "OFD");
	say(set(b, F_OFD_SETLK, F_WRLCK, 10, 10), "the other descriptor cannot");
	say(set(b, F_SETLK, F_WRLCK, 10, 10), "nor a POSIX lock");
	close(b);
	look("a", "still OFD");
	c = dup(a);
	close(a);
	look("a", "kept by the dup");
	traffic(c);
	close(c);
	look("a", "gone");
	a = fresh("a");
	traffic(a);
	say(flock(a, LOCK_EX), "flock");
	traffic(a);
	b = open("a", O_RDWR);
	traffic(b);
	say(flock(b, LOCK_EX | LOCK_NB), "flock elsewhere");
	close(b);
	look("a", "flock");
	close(a);
	look("a", "gone");
	a = fresh("a");
	flock(a, LOCK_SH);
	set(a, F_SETLK, F_WRLCK, 1, 1);
	traffic(a);
	look("a", "flock and POSIX");
	FILE *f = fdopen(a, "r+");
	fclose(f);
	look("a", "fclosed");
}

static void children(void)
{
	int a = fresh("a");

	set(a, F_SETLK, F_WRLCK, 5, 5);
	traffic(a);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		say(set(a, F_SETLK, F_WRLCK, 5, 5), "child's lock");
		say(set(a, F_SETLK, F_WRLCK, 50, 5), "child's own lock");
		traffic(a);
		say(close(a), "child's close");
		a = open("a", O_RDWR);
		traffic(a);
		fflush(stdout);
		_exit(0);
	}
	say_child("child", pid);
	look("a", "after the child");
	char *argv[] = { "true", NULL };
	for (int i = 0; i < 3; i++) {
		NEED(posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0);
		say_child("spawned", pid);
	}
	pid = vfork();
	if (!pid) {
		close(a);
		execlp("true", "true", NULL);
		_exit(127);
	}
	say_child("vforked", pid);
	say(system("exit 3") >> 8, "system");
	look("a", "after more children");
	traffic(a);
	look("a", "traffic");
	close(a);
}

/* In the program that the lock is held over exec into. */
static int after_exec(int argc, char **argv)
{
	int fd = argc > 2 ? atoi(argv[2]) : -1;

	look("a", "after exec");
	if (fd >= 0) {
		traffic(fd);
		look("a", "traffic after exec");
		if (argc > 3) {
			execl("/proc/self/exe", "locks", "after_exec", argv[2], NULL);
			_exit(127);
		}
		say(close(fd), "close after exec");
		look("a", "closed after exec");
	}
	return 0;
}

static void over_exec(void)
{
	for (int i = 0; i < 6; i++) {
		fflush(stdout);
		pid_t pid = fork();

		if (!pid) {
			int a = fresh("a"), b = i == 2 ? open("a", O_RDWR | O_CLOEXEC) : -1;
			char n[16];

			snprintf(n, sizeof(n), "%d", a);
			if (i != 3)
				traffic(a);
			if (b >= 0)
				traffic(b);
			set(a, F_SETLK, F_WRLCK, 5, 5);
			if (i == 3)
				set(a, F_OFD_SETLK, F_WRLCK, 500, 5);
			traffic(a);
			fcntl(a, F_SETFD, i == 1 ? FD_CLOEXEC : 0);
			look("a", "before exec");
			fflush(stdout);
			if (i == 4)	/* an exec that fails changes nothing */
				execl("./nothing", "nothing", NULL), look("a", "exec failed"), traffic(a), fflush(stdout);
			execl("/proc/self/exe", "locks", "after_exec", i == 1 ? NULL : n, i == 5 ? "once more" : NULL, NULL);
			_exit(127);
		}
		say_child("over exec", pid);
		look("a", "ended");
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "around_io", around_io }, { "siblings", siblings }, { "unseen", unseen }, { "many", many },
		{ "open_file_locks", open_file_locks }, { "children", children }, { "over_exec", over_exec },
	};

	if (argc == 3 && !strcmp(argv[1], "probe"))
		return probe(argv[2]);
	buf = fenced(16384);
	fill(buf, 16384, 2);
	if (argc > 1 && !strcmp(argv[1], "after_exec"))
		return after_exec(argc, argv);
	return run_steps(steps, COUNT(steps), argc, argv);
}

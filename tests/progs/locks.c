/*
 * locks: held by one process while it reads, writes, opens and closes.
 */
#include "locks.h"

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
static void reused_with(int flags)
{
	int a = fresh("a"), b = open("a", flags), y;

	make_file("y", 9999, 4);
	traffic(a);
	traffic(b);
	unseen(SYS_close, b);
	y = raw_open("y", O_RDWR, 0);
	say(y - b, "number reused");
	say(set(a, F_SETLK, F_WRLCK, 0, 10), "lock");
	traffic(y);
	look("a", "the reused number used");
	traffic(a);
	unseen(SYS_dup3, a, y, 0);	/* now it is the first file again */
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

/* With a second opening of the same kind, and of another. */
static void reused(void)
{
	reused_with(O_RDWR);
	reused_with(O_RDONLY);
	reused_with(O_WRONLY | O_DSYNC);
}

/* More files than any table holds, while a lock is held. */
static void many(void)
{
	static int fds[5000];
	int a = fresh("a"), n_files = 600;
	char n[32];

	set(a, F_SETLK, F_WRLCK, 3, 3);
	traffic(a);
	for (int i = 0; i < n_files; i++) {
		snprintf(n, sizeof(n), "many%d", i);
		fds[i] = open(n, O_RDWR | O_CREAT, 0666);
		if (fds[i] >= 0 && pwrite(fds[i], buf, 4096, 0) != 4096)
			printf("short\n");
		unlink(n);
	}
	look("a", "many files open");
	for (int i = 0; i < n_files; i++)
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

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "around_io", around_io }, { "siblings", siblings }, { "reused", reused }, { "many", many },
		{ "open_file_locks", open_file_locks },
	};

	if (argc == 3 && !strcmp(argv[1], "probe"))
		return probe(argv[2]);
	buf = fenced(16384);
	fill(buf, 16384, 2);
	return run_steps(steps, COUNT(steps), argc, argv);
}

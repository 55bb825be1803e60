/*
 * hz_numbers: the shim's own descriptors, closed and replaced where it cannot
 * see that; numbers that mean something else than the table says; a limit
 * that is raised.
 */
#include "numbers.h"
#include <sys/resource.h>
#include <sys/socket.h>

static char *buf;

static int fresh(const char *name, int flags)
{
	make_file(name, 40000, (uint64_t)(unsigned char)name[0]);
	int fd = open(name, flags);

	NEED(fd >= 0);
	return fd;
}

static void limit(rlim_t soft)
{
	struct rlimit r;

	NEED(getrlimit(RLIMIT_NOFILE, &r) == 0);
	r.rlim_cur = soft < r.rlim_max ? soft : r.rlim_max;
	NEED(setrlimit(RLIMIT_NOFILE, &r) == 0);
}

/* Where the shim had a descriptor of A there is one of B now: A is A all the same. */
static void replaced(void)
{
	int list[64], n, a = fresh("A", O_RDWR), b = fresh("B", O_RDWR);

	printf("works %d\n", works(a));
	n = strangers(list, COUNT(list));
	for (int i = 0; i < n; i++)
		NEED(unseen(SYS_dup3, b, list[i], 0) == list[i]);
	fill(buf, 16384, 5);
	say(pwrite(a, buf, 8192, 8192), "pwrite A");
	say(pread(a, buf, 8192, 16384), "pread A");
	printf("%016llx\n", (unsigned long long)hash(buf, 16384));
	say(pwrite(a, buf + 1, 10000, 20000), "pwrite A");
	for (int i = 0; i < n; i++)
		unseen(SYS_close, list[i]);
	say(close(a), "close A");
	say_file("A");
	say_file("B");
	close(b);
}

/* Closed unseen, and then the kernel gives those very numbers to the program. */
static int given_out_by(bool dupfd)
{
	int list[64], n, a = fresh("A", O_RDWR), wrong = 0, fd, most = 0;

	wrong += !works(a);
	n = strangers(list, COUNT(list));
	for (int i = 0; i < n; i++) {
		unseen(SYS_close, list[i]);
		most = list[i] > most ? list[i] : most;
	}
	for (int i = 0; dupfd && i < n; i++) {
		fd = fcntl(a, F_DUPFD, list[i]);
		wrong += fd != list[i] || !works(fd) || fcntl(fd, F_GETFD) < 0;
		wrong += close(fd) != 0 || close(fd) == 0;
	}
	for (fd = a; fd < most;) {
		fd = fd & 1 ? open("A", O_RDWR) : dup(a);
		NEED(fd >= 0);
		wrong += !works(fd);
	}
	for (; fd > a; fd--)
		wrong += close(fd) != 0;
	return wrong + !works(a);
}

static void given_out(void)
{
	for (int way = 0; way < 2; way++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid)
			_exit(given_out_by(way));
		say_child("wrong", pid);
	}
}

/* What was no file when it was looked at is one now. */
static void no_file(void)
{
	int p[2];

	make_file("A", 40000, 1);
	for (int i = 0; i < 20; i++) {
		NEED(pipe(p) == 0 && write(p[1], buf, 10) == 10 && read(p[0], buf, 10) == 10);
		unseen(SYS_close, p[0]);
		unseen(SYS_close, p[1]);
		int a = open("A", O_RDWR), b = dup(a);

		say(a == p[0] && b == p[1], "the pipe's numbers");
		say(pread(a, buf, 8192, 4096) + pread(b, buf, 8192, 4096), "read");
		close(a);
		close(b);
	}
}

/* The file is the same, what its descriptor may do is not. */
static void other_flags(void)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR | O_APPEND, O_RDWR | O_DSYNC, O_RDWR };

	for (size_t from = 0; from < COUNT(flags); from++)
		for (size_t to = 0; to < COUNT(flags); to++) {
			int a = fresh("A", flags[from]), b;

			fill(buf, 8192, from);
			say(pread(a, buf + 8192, 8192, 0), "%zu to %zu: pread", from, to);
			say(pwrite(a, buf, 8192, 8192), "pwrite");
			unseen(SYS_close, a);
			b = raw_open("A", flags[to], 0);
			NEED(b == a);
			say(pwrite(b, buf, 8192, 4096), "pwrite");
			say(write(b, buf, 8192), "write");
			say(write(b, buf + 1, 5000), "write");
			say(pread(b, buf, 8192, 0), "pread");
			say(read(b, buf, 8192), "read");
			close(b);
			say_file("A");
		}
}

/*
 * Opened with O_DIRECT, which a plain program has to align for; closed unseen,
 * the number reused with O_APPEND. Everything is aligned, so that the plain run
 * and the other can be compared.
 */
static void other_direct(void)
{
	static const int flags[] = { O_RDWR | O_DIRECT, O_RDWR | O_DIRECT | O_APPEND, O_RDWR, O_RDWR | O_APPEND };
	char *page = fenced(8192);

	for (size_t from = 0; from < COUNT(flags); from++)
		for (size_t to = 0; to < COUNT(flags); to++) {
			make_file("A", 40960, 1);
			int a = open("A", flags[from]), b;

			fill(page, 8192, from + to);
			say(pread(a, page, 4096, 4096), "%zu to %zu: pread", from, to);
			unseen(SYS_close, a);
			b = raw_open("A", flags[to], 0);
			NEED(b == a);
			say(pwrite(b, page, 4096, 8192), "pwrite");
			say(write(b, page, 8192), "write");
			say(pread(b, page, 4096, 0), "pread");
			say(fcntl(b, F_SETFL, flags[from]), "F_SETFL");
			say(pwrite(b, page, 8192, 4096), "pwrite");
			say(write(b, page, 4096), "write");
			close(b);
			say_file("A");
		}
}

/* Everything closed, in ways that are seen: what is opened then is like the first. */
static void closings(void)
{
	for (int way = 0; way < 4; way++) {
		int a = fresh("A", O_RDONLY);

		say(pread(a, buf, 8192, 4096), "pread");
		switch (way) {
		case 0: close_range(3, ~0U, 0); break;
#if __GLIBC_PREREQ(2, 34)
		case 1: closefrom(3); break;
#endif
		case 2: syscall(SYS_close_range, 3, ~0U, 0); break;
		default:
			for (int fd = 3; fd < 20000; fd++)
				close(fd);
			break;
		}
		a = fresh("B", O_RDONLY);
		say(pread(a, buf, 8192, 4096), "way %d: pread", way);
		close(a);
	}
}

/* All of the shim's are files of the program now: nothing but its own words gets there. */
static void spilled(void)
{
	int list[64], n, a = fresh("A", O_RDWR);

	printf("works %d\n", works(a));
	n = strangers(list, COUNT(list));
	for (int i = 0; i < n; i++)
		NEED(unseen(SYS_dup3, a, list[i], 0) == list[i]);
	say(pwrite(a, buf, 8192, 4096), "pwrite");
	say(lseek(a, 0, SEEK_SET), "offset");
	say_file("A");
}

/*
 * O_APPEND comes and goes unseen. Under the shim opened with O_DIRECT too (by
 * "direct"), where what is not aligned goes through the shim's own descriptor.
 */
static int extra;

static void appended(void)
{
	static const int flags[] = { 0, O_APPEND };

	for (int from = 0; from < 2; from++) {
		int a = fresh("A", O_RDWR | flags[from] | extra), b;

		say(pread(a, buf, 100, 1), "%d: pread", from);
		say(write(a, buf, 777), "write");
		unseen(SYS_close, a);
		b = raw_open("A", O_RDWR | flags[!from] | extra, 0);
		NEED(b == a);
		say(write(b, buf + 1, 5000), "write");
		say(pwrite(b, buf + 1, 5000, 100), "pwrite");
		say_file("A");
		unseen(SYS_fcntl, b, F_SETFL, flags[from] | extra);
		say(write(b, buf + 3, 1000), "write");
		say(pwrite(b, buf + 3, 8192, 4096), "pwrite");
		say(lseek(b, 0, SEEK_CUR), "offset");
		close(b);
		say_file("A");
	}
}

/* The shim's numbers are in the middle, once the limit is raised. */
static void raised(void)
{
	int a, fd, last, wrong = 0, s;

	for (rlim_t low = 32; low <= 128; low += 48) {
		limit(low);
		a = last = fresh("A", O_RDWR);
		wrong += !works(a);
		limit(600);
		for (int i = 0; i < 200; i++) {
			fd = i % 3 == 0 ? open("A", O_RDWR) : i % 3 == 1 ? dup(a) : openat(AT_FDCWD, "A", O_RDONLY);
			wrong += fd != last + 1 || (i % 3 != 2 && !works(fd));
			last = fd;
		}
		printf("from %d: wrong %d\n", (int)low, wrong);
		wrong += dup2(a, 333) != 333 || !works(333) || fcntl(a, F_DUPFD, 300) != 300 || !works(300);
		s = socket(AF_UNIX, SOCK_DGRAM, 0);
		wrong += s < 0 || close(s);
		NEED(close_range((unsigned)a + 1, ~0U, 0) == 0);
		wrong += !works(a);
		close(a);
		printf("from %d: wrong %d\n", (int)low, wrong);
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "replaced", replaced }, { "given_out", given_out }, { "no_file", no_file },
		{ "other_flags", other_flags }, { "other_direct", other_direct }, { "raised", raised }, { "appended", appended }, { "spilled", spilled }, { "closings", closings },
	};

	buf = fenced(16384);
	fill(buf, 16384, 3);
	close_range(3, ~0U, 0);		/* what was inherited is no stranger */
	extra = argc > 2 && !strcmp(argv[2], "direct") ? O_DIRECT : 0;
	return run_steps(steps, COUNT(steps), argc, argv);
}

/*
 * fortify: what a hardened build calls instead of read, pread, open and their
 * like: __read_chk, __pread_chk, __pread64_chk, __open_2, __open64_2,
 * __openat_2, __openat64_2. An overflow they find is still death.
 */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 2
#include "transcript.h"

static volatile size_t n = 100;	/* a length that the compiler cannot know */
static volatile int flags = O_RDWR;

static void reads(void)
{
	char b[8192] __attribute__((aligned(4096)));
	int fd = open("A", flags), fd64 = open64("A", flags | O_CLOEXEC), at = openat(AT_FDCWD, "A", flags);
	int at64 = openat64(AT_FDCWD, "A", flags & ~O_ACCMODE);
	static const size_t lens[] = { 0, 1, 512, 4096, 4097, 8191, 8192 };

	printf("%d %d %d %d\n", fd, fd64, at, at64);
	for (size_t i = 0; i < COUNT(lens); i++) {
		n = lens[i];
		memset(b, 0, sizeof(b));
		say(read(fd, b, n), "read %zu", n);
		say(pread(fd64, b + 8192 - n, n, (off_t)i * 100), "pread %zu", n);
		say(pread64(at, b, n, 4096), "pread64 %zu", n);
		say(read(at64, b, n / 2), "read %zu", n / 2);
		printf("%016llx\n", (unsigned long long)hash(b, sizeof(b)));
		say(pwrite(fd, b, n, 20000), "pwrite %zu", n);
		say(write(at, b, n), "write %zu", n);
	}
	say(read(-1, b, n), "bad descriptor");
	say(open("nothing", flags), "open of nothing");
	say(close(fd) | close(fd64) | close(at) | close(at64), "close");
	say_file("A");
}

static void overflow(void)
{
	for (int i = 0; i < 5; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			char b[100];
			int fd = open("A", flags);

			(void)!freopen("/dev/null", "w", stderr);
			(void)!close(2);
			n = i == 4 ? 100 : 101;
			(void)!pread(fd, b, 100, 0);
			if (i == 0)
				(void)!read(fd, b, n);
			else if (i == 1)
				(void)!pread(fd, b, n, 0);
			else if (i == 2)
				(void)!pread64(fd, b, n, 512);
			else if (i == 3)
				flags |= O_CREAT, (void)!open("B", flags);
			_exit(b[0] == 0);
		}
		say_child("overflow", pid);
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = { { "reads", reads }, { "overflow", overflow } };

	make_file("A", 40000, 1);
	return run_steps(steps, COUNT(steps), argc, argv);
}

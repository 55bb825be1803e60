/*
 * fds: descriptor numbers. Random opens, dups and closes, seen and unseen by
 * an interposer, between reads and writes: every number and every byte as
 * without the shim. Then the numbers at which the shim keeps its own.
 *
 *   fds random SEED CALLS      then any of: own exhaust lowered moved
 */
#include "numbers.h"
#include <sys/resource.h>
#include <sys/socket.h>

#define FILES 8
#define LOW 64		/* numbers that the random part plays with: 3..LOW-1 */

static uint64_t rnd;
static char *buf;
static int top = LOW;

static long pick(long n)
{
	return (long)(next_random(&rnd) % (uint64_t)n);
}

static const char *name(long i)
{
	static char n[4][16];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(n[turn], sizeof(n[0]), "file%ld", i);
	return n[turn];
}

static int any_open(void)
{
	for (int tries = 0; tries < 200; tries++) {
		int fd = 3 + (int)pick(top - 3);

		if (fcntl(fd, F_GETFD) >= 0)
			return fd;
	}
	return 3;
}

static void data(void)
{
	int fd = any_open();
	size_t n = pick(3) ? 512 * (size_t)(1 + pick(16)) : (size_t)pick(9000);
	off_t off = pick(2) ? 512 * pick(100) : pick(50000);
	struct stat st;
	long r;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	memset(buf, 0, 16384);
	switch (pick(5)) {
	case 0: r = read(fd, buf + pick(2), n); break;
	case 1: r = pread(fd, buf + pick(2), n, off); break;
	case 2: fill(buf, n, rnd); r = write(fd, buf, n); break;
	case 3: fill(buf, n, rnd); r = pwrite(fd, buf, n, off); break;
	default: r = lseek(fd, off, SEEK_SET); break;
	}
	say(r, "data %d n=%zu off=%lld %016llx", fd, n, (long long)off,
	    (unsigned long long)hash(buf, 16384));
	if (st.st_size > 300000)
		NEED(ftruncate(fd, 50000) == 0 || errno == EINVAL);
}

static void opening(void)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_RDWR | O_CLOEXEC, O_WRONLY, O_RDWR | O_APPEND, O_RDWR | O_CREAT };
	char template[] = "tmpXXXXXX";
	int p[2] = { -1, -1 }, f = flags[pick((long)COUNT(flags))];
	const char *n = name(pick(FILES));

	switch (pick(9)) {
	case 0: case 1: say(open(n, f, 0666), "open"); break;
	case 2: say(open64(n, f, 0666), "open64"); break;
	case 3: say(openat(AT_FDCWD, n, f, 0666), "openat"); break;
	case 4: say(creat(n, 0666), "creat"); break;
	case 5:
		if (pipe2(p, pick(2) ? O_CLOEXEC : 0))
			p[0] = p[1] = -1;
		say(p[0], "pipe %d", p[1]);
		break;
	case 6: say(socket(AF_UNIX, SOCK_DGRAM, 0), "socket"); break;
	case 7:
		say(mkstemp(template), "mkstemp");
		unlink(template);
		break;
	default: say(open(".", O_RDONLY | O_DIRECTORY), "open ."); break;
	}
}

static void copying(void)
{
	int fd = any_open(), to = 3 + (int)pick(top - 3);

	switch (pick(5)) {
	case 0: say(dup(fd), "dup %d", fd); break;
	case 1: say(dup2(fd, to), "dup2 %d %d", fd, to); break;
	case 2: say(dup3(fd, to, pick(2) ? O_CLOEXEC : 0), "dup3 %d %d", fd, to); break;
	case 3: say(fcntl(fd, F_DUPFD, to), "F_DUPFD %d %d", fd, to); break;
	default: say(fcntl(fd, F_DUPFD_CLOEXEC, to), "F_DUPFD_CLOEXEC %d %d", fd, to); break;
	}
}

static void closing(void)
{
	int fd = any_open(), to = 3 + (int)pick(top - 3);
	FILE *f;

	switch (pick(10)) {
	case 0: say(pick(2) ? syscall(SYS_close, fd) : unseen(SYS_close, fd), "raw close %d", fd); break;
	case 1:
		f = fdopen(fd, "r");
		say(f ? fclose(f) : -1, "fdopen and fclose %d", fd);
		break;
	case 2:
		f = fopen(name(pick(FILES)), "r+");
		say(f ? fileno(f) : -1, "fopen");
		if (f && pick(2))
			f = freopen(name(pick(FILES)), "r", f);
		say(f ? fileno(f) : -1, "freopen");
		if (f)
			say((long)fread(buf, 1, 1000, f), "fread"), fclose(f);
		break;
	case 3: say(close_range((unsigned)fd, (unsigned)fd + (unsigned)pick(5), 0), "close_range %d", fd); break;
	case 4:
		if (pick(8))
			break;
		say(close_range(3 + (unsigned)pick(40), ~0U, 0), "close_range to the end");
		break;
	case 5:
#if __GLIBC_PREREQ(2, 34)
		if (pick(8))
			break;
		closefrom(3 + (int)pick(40));
		say(0, "closefrom");
#endif
		break;
	case 6:
		/* a number closed unseen and taken by another file at once */
		unseen(SYS_close, fd);
		say(open(name(pick(FILES)), O_RDWR), "reused %d", fd);
		break;
	case 7: say(pick(2) ? syscall(SYS_dup3, fd, to, 0) : unseen(SYS_dup3, fd, to, 0), "raw dup3 %d %d", fd, to); break;
	default: say(close(fd), "close %d", fd); break;
	}
}

static void table(void)
{
	for (int fd = 3; fd < 200; fd++) {
		int flags = fcntl(fd, F_GETFL);
		struct stat st;

		if (flags < 0)
			continue;
		NEED(fstat(fd, &st) == 0);
		printf(" %d:%x/%x/%lld@%lld", fd, (unsigned)flags, (unsigned)fcntl(fd, F_GETFD),
		       S_ISREG(st.st_mode) ? (long long)st.st_size : -1LL, (long long)lseek(fd, 0, SEEK_CUR));
	}
	printf("\n");
}

static void random_calls(long calls)
{
	for (long i = 0; i < FILES; i++)
		make_file(name(i), 30000 + (size_t)i * 1111, (uint64_t)i + 50);
	for (long c = 0; c < calls; c++) {
		long p = pick(100);

		if (p < 50)
			data();
		else if (p < 70)
			opening();
		else if (p < 82)
			copying();
		else
			closing();
		if (c % 200 == 199)
			table();
	}
	close_range(3, ~0U, 0);
	table();
	for (long i = 0; i < FILES; i++)
		say_file(name(i));
}

static void reopened(const char *when, int *fd, int i)
{
	*fd = open(name(i), O_RDWR);
	printf("%s: %d works %d\n", when, *fd, works(*fd));
}

/* The shim's own numbers: high, out of the program's sight, indestructible. */
static void own(void)
{
	struct rlimit rl;
	int fds[3], list[64], n, floor, low = 0, seen = 0, wrong = 0, taken = 0;

	NEED(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	floor = rl.rlim_cur >= 1024 ? 512 : (int)rl.rlim_cur / 2;
	close_range(3, ~0U, 0);
	for (int i = 0; i < 3; i++) {
		make_file(name(i), 20000, (uint64_t)i);
		fds[i] = open(name(i), O_RDWR);
		wrong += !works(fds[i]);
	}
	n = strangers(list, 64);
	if (!n)		/* plain, or well hidden: any number will do */
		for (; n < 3; n++)
			list[n] = floor + 20 + n;
	for (int i = 0; i < n; i++) {
		int x = list[i];

		low += x < floor;
		seen += close(x) == 0 || fcntl(x, F_GETFD) >= 0 || fcntl(x, F_GETFL) >= 0 || dup(x) >= 0;
		seen += fcntl(x, F_DUPFD, 20) >= 0 || fcntl(x, F_SETFD, 0) >= 0 || dup2(x, 30) >= 0 || dup3(x, 31, 0) >= 0;
		seen += read(x, buf, 10) >= 0 || pread(x, buf, 10, 0) >= 0 || pwrite(x, buf, 10, 0) >= 0;
		seen += write(x, buf, 10) >= 0 || dup2(x, x) >= 0;
		wrong += !works(fds[0]) || !works(fds[1]) || !works(fds[2]);
	}
	printf("below the floor %d, visible %d, wrong %d\n", low, seen, wrong);
	for (int i = 0; i < n; i++)
		wrong += close_range((unsigned)list[i], (unsigned)list[i], 0) != 0 || !works(fds[i % 3]);
	printf("after close_range of them: wrong %d\n", wrong);
	for (int i = 0; i < n; i++) {		/* the program wants that very number */
		int x = dup2(fds[i % 3], list[i]);

		wrong += x != list[i] || !works(x) || !works(fds[0]) || !works(fds[1]) || !works(fds[2]);
		int next = fcntl(fds[1], F_DUPFD, list[i]);
		taken += next != x + 1;
		close(next);
		wrong += close(x) != 0 || !works(fds[i % 3]) || close(x) == 0;
	}
	printf("after dup2 onto them: wrong %d, number above taken %d\n", wrong, taken);
	NEED(close_range(3, ~0U, 0) == 0);
	for (int i = 0; i < 3; i++)
		reopened("again", &fds[i], i);
	NEED(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && close_range(3, ~0U, CLOSE_RANGE_UNSHARE) == 0);
	for (int i = 0; i < 3; i++)
		reopened("unshared", &fds[i], i);
	for (int i = 3; i < 1024; i++)		/* the closing loop of daemons */
		close(i);
	for (int i = 0; i < 3; i++)
		reopened("daemon", &fds[i], i);
	printf("strangers below the floor: ");
	n = strangers(list, 64);
	for (low = 0; n--;)
		low += list[n] < floor;
	printf("%d\n", low);
}

/* Every number used up: as many as there are. */
static void exhaust(void)
{
	struct rlimit rl;
	int n = 0, wrong = 0, last, first;

	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur > 2048)
		return;
	close_range(3, ~0U, 0);
	make_file("file0", 20000, 0);
	first = last = open("file0", O_RDWR);
	for (int fd = first; fd >= 0; n++) {
		wrong += n < 20 && !works(fd);
		fd = n & 1 ? open("file0", O_RDWR) : dup(first);
		if (fd >= 0 && fd != last + 1 && fd < (int)rl.rlim_cur / 2)
			wrong++;
		if (fd >= 0)
			last = fd;
	}
	say(-1, "in the end");
	wrong += !works(first) || !works(last);
	for (int fd = first + 1; fd <= last; fd++)
		close(fd);
	wrong += !works(first);
	printf("wrong %d, numbers %d\n", wrong, n);
	say(open("file0", O_RDWR) - first, "next");
}

static void lowered(void)
{
	struct rlimit rl, to;
	int fd, wrong = 0;

	close_range(3, ~0U, 0);
	make_file("file0", 20000, 0);
	getrlimit(RLIMIT_NOFILE, &rl);
	fd = open("file0", O_RDWR);
	wrong += !works(fd);
	for (int l = 20; l > 3; l -= 8) {
		to = (struct rlimit){ (rlim_t)l, rl.rlim_max };
		say(setrlimit(RLIMIT_NOFILE, &to), "limit %d", l);
		wrong += !works(fd);
		int a = open("file0", O_RDWR), b = open("file0", O_RDONLY);
		say(a, "open"), say(b, "open");
		wrong += a >= 0 && !works(a);
		say(pread(b, buf, 4096, 512), "pread");
		say(fcntl(fd, F_DUPFD, l), "F_DUPFD above the limit");
		close(a);
		close(b);
		say(close(fd), "close");
		fd = open("file0", O_RDWR);
		say(fd, "open");
	}
	setrlimit(RLIMIT_NOFILE, &rl);
	wrong += !works(fd);
	printf("wrong %d\n", wrong);
}

int main(int argc, char **argv)
{
	static const struct step steps[] = { { "own", own }, { "exhaust", exhaust }, { "lowered", lowered } };

	buf = fenced(16384);
	if (argc == 4 && !strcmp(argv[1], "random")) {
		setvbuf(stdout, NULL, _IOFBF, 1 << 16);
		rnd = (uint64_t)atol(argv[2]) * 2654435761u + 88172645463325252u;
		random_calls(atol(argv[3]));
		return 0;
	}
	return run_steps(steps, COUNT(steps), argc, argv);
}

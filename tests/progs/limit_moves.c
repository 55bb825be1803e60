/*
 * limit_moves: another process moves RLIMIT_FSIZE while this one writes. A write is cut at
 * one of the limits of its time or is told EFBIG with a SIGXFSZ. What was
 * answered is in the file.
 *
 *   limit_moves counted|ignored    what becomes of the signal
 */
#include "transcript.h"
#include "content.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static char *mem;
static volatile sig_atomic_t signals;

static void count(int sig)
{
	(void)sig;
	signals++;
}

static void move_limit(pid_t of, unsigned long writes, volatile unsigned long *done)
{
	static const rlim_t limits[] = { 8192, 10000, 65536, 100001, RLIM_INFINITY, 0, 250000 };

	for (unsigned i = 0; *done < writes; i++) {
		struct rlimit r = { limits[i % COUNT(limits)], RLIM_INFINITY };

		prlimit(of, RLIMIT_FSIZE, &r, NULL);
		usleep(i % 300);
	}
	prlimit(of, RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }, NULL);
	_exit(0);
}

/* The bytes [off, off + r) are in the file. */
static bool there(int fd, const char *bytes, off_t off, ssize_t r)
{
	static char is[1 << 18];

	return r <= 0 || (unseen(SYS_pread64, fd, is, r, off) == r && !memcmp(is, bytes, (size_t)r));
}

static void limit_moves(bool ignored)
{
	const unsigned long writes = 6000;
	volatile unsigned long *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0666), faults = 0, st;
	struct sigaction sa = { .sa_handler = ignored ? SIG_IGN : count };
	unsigned long refused = 0, cut = 0;
	uint64_t seed = 7;
	pid_t self = getpid(), mover;

	NEED(done != MAP_FAILED && fd >= 0 && sigaction(SIGXFSZ, &sa, NULL) == 0);
	mover = fork();
	if (!mover && !prctl(PR_SET_PDEATHSIG, SIGKILL))
		move_limit(self, writes, done);
	for (; *done < writes; (*done)++) {
		off_t off = (off_t)(next_random(&seed) % 48) * 4096 + (*done % 3 == 2 ? 777 : 0), got;
		size_t len = 1 + next_random(&seed) % 131072, skew = *done % 2 * 5;
		bool at_offset = *done % 4 == 3;
		ssize_t r;

		if (*done % 5 == 0)
			len = (len + 4095) & ~4095UL;
		if (*done % 7 == 0)
			NEED(ftruncate(fd, 0) == 0);
		content(mem + skew, off, len);
		lseek(fd, off, SEEK_SET);
		r = at_offset ? write(fd, mem + skew, len) : pwrite(fd, mem + skew, len, off);
		int e = errno;
		refused += r < 0;
		cut += r > 0 && r < (ssize_t)len;
		if ((r < 0 && e != EFBIG) || r == 0) {
			fprintf(stderr, "write of %zu at %lld: %zd %s\n", len, (long long)off, r, errno_name(e));
			faults++;
		}
		got = lseek(fd, 0, SEEK_CUR);
		if (got != off + (at_offset && r > 0 ? r : 0)) {
			fprintf(stderr, "write of %zu at %lld: %zd, offset %lld\n", len, (long long)off, r, (long long)got);
			faults++;
		}
		if (!there(fd, mem + skew, off, r)) {
			fprintf(stderr, "write of %zu at %lld: %zd, not there\n", len, (long long)off, r);
			faults++;
		}
	}
	NEED(waitpid(mover, &st, 0) == mover && st == 0);
	/*
	 * A write in two parts, the limit lowered between them, is cut like the
	 * plain one, but has had the signal.
	 */
	if (!ignored && ((unsigned long)signals < refused || (unsigned long)signals > refused + cut)) {
		fprintf(stderr, "%d signals, %lu writes refused\n", (int)signals, refused);
		faults++;
	}
	fprintf(stderr, "%lu refused, %lu cut\n", refused, cut);
	NEED(refused > 10 && cut > 10);
	printf("%s\n", faults ? "wrong" : "as it should be");
	fflush(stdout);
	unlink("limited");
}

int main(int argc, char **argv)
{
	NEED(argc == 2);
	mem = fenced(1 << 18);
	limit_moves(!strcmp(argv[1], "ignored"));
	return 0;
}

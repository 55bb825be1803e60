/*
 * truncated: files that another process cuts, extends, punches and replaces
 * while this one reads and writes them.
 *
 * Every byte of a file says where it belongs and in which file, or is zero. A
 * read gives such bytes and zeroes, no more of them than asked for, and never an
 * error; beyond what was answered the memory holds what it did, or zeroes. Where
 * nothing happened meanwhile (a sequence count tells), it gives exactly the file.
 *
 *   truncated read|write|mapped|replaced SEED ROUNDS
 */
#include "transcript.h"
#include "content.h"
#include <signal.h>
#include <sys/prctl.h>

#define FULL (1 << 20)
#define PAGES (FULL / (long)PAGE)

/* What the other process shares: odd while it is at it. */
static struct shared {
	unsigned long sequence, stop, operations;
	off_t size;
	unsigned char hole[PAGES];	/* pages that read as zeroes */
} *now;

static char *mem, *want;
static long faults, exact, calls;

#define FAULT(...) do { if (++faults < 10) fprintf(stderr, __VA_ARGS__); } while (0)

static void pause_a_little(uint64_t *seed)
{
	if (next_random(seed) % 3 == 0)
		usleep((useconds_t)(next_random(seed) % 700));
}

static void begin(void)
{
	__atomic_fetch_add(&now->sequence, 1, __ATOMIC_SEQ_CST);
}

static void end(void)
{
	__atomic_fetch_add(&now->sequence, 1, __ATOMIC_SEQ_CST);
	now->operations++;
}

static void cut(int fd, off_t size)
{
	long first = (size + (off_t)PAGE - 1) / (off_t)PAGE;

	NEED(unseen(SYS_ftruncate, fd, size) == 0);
	for (long p = first; p < PAGES; p++)
		now->hole[p] = 1;
	now->size = size;
}

static void write_all(int fd, off_t from, off_t to)
{
	static char buf[FULL];

	content(buf, from, (size_t)(to - from));
	NEED(unseen(SYS_pwrite64, fd, buf, to - from, from) == to - from);
}

/* The other process: never seen by the shim. */
static void changer(const char *name, uint64_t seed)
{
	int fd = raw_open(name, O_RDWR, 0);

	NEED(fd >= 0);
	while (!__atomic_load_n(&now->stop, __ATOMIC_SEQ_CST)) {
		uint64_t what = next_random(&seed) % 8;
		off_t at = (off_t)(next_random(&seed) % FULL);
		long page = at / (off_t)PAGE, pages = 1 + (long)(next_random(&seed) % 40);

		if (page + pages > PAGES)
			pages = PAGES - page;
		begin();
		if (what < 3) {		/* cut, at any byte; the rest of the page is zero from then on */
			at = what ? at : page * (off_t)PAGE;
			cut(fd, at < now->size ? at : now->size);
		} else if (what < 5) {	/* extended by a hole */
			if (now->size % (off_t)PAGE)
				cut(fd, now->size / (off_t)PAGE * (off_t)PAGE);
			cut(fd, FULL);
		} else if (what < 6) {
			if (unseen(SYS_fallocate, fd, 3, page * PAGE, pages * PAGE) == 0)
				memset(now->hole + page, 1, (size_t)pages);
		} else {		/* whole again */
			write_all(fd, 0, FULL);
			memset(now->hole, 0, sizeof(now->hole));
			now->size = FULL;
		}
		end();
		pause_a_little(&seed);
	}
	_exit(0);
}

static pid_t start_changer(const char *name, uint64_t seed)
{
	pid_t pid;
	int fd = raw_open(name, O_RDWR | O_CREAT | O_TRUNC, 0666);

	memset(now, 0, sizeof(*now));
	now->size = FULL;
	write_all(fd, 0, FULL);
	close(fd);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		changer(name, seed);
	}
	return pid;
}

static void stop_changer(pid_t pid)
{
	int st;

	__atomic_store_n(&now->stop, 1, __ATOMIC_SEQ_CST);
	NEED(waitpid(pid, &st, 0) == pid && st == 0);
}

/* What of [off, off + n) was read is the file's, or zero. */
static void check_loose(const char *got, off_t off, ssize_t n)
{
	content(want, off, (size_t)n);
	for (ssize_t i = 0; i < n; i++)
		if (got[i] && got[i] != want[i]) {
			FAULT("read at %lld: byte %zd is %02x, should be %02x or 0\n", (long long)off, i,
			      (unsigned char)got[i], (unsigned char)want[i]);
			return;
		}
}

static void check_exact(const char *got, off_t off, ssize_t r, size_t len, const struct shared *then)
{
	off_t there = off >= then->size ? 0 : then->size - off;

	exact++;
	if (r != (there < (off_t)len ? there : (off_t)len)) {
		FAULT("read of %zu at %lld of %lld: %zd\n", len, (long long)off, (long long)then->size, r);
		return;
	}
	content(want, off, (size_t)r);
	for (ssize_t i = 0; i < r; i++) {
		char is = then->hole[(off + i) / (off_t)PAGE] ? 0 : want[i];

		if (got[i] != is) {
			FAULT("read of %zu at %lld, file at rest: byte %zd is %02x, not %02x\n", len, (long long)off, i,
			      (unsigned char)got[i], (unsigned char)is);
			return;
		}
	}
}

#define CANARY 0x2a		/* no byte of the content is even */

static void one_read(int fd, uint64_t *seed)
{
	static struct shared before;
	off_t off = (off_t)(next_random(seed) % (FULL + 8192));
	size_t len = 1 + next_random(seed) % (next_random(seed) % 3 ? 20000 : 400000), skew = next_random(seed) % 3 * 7;
	unsigned long sequence;
	char *p = mem + skew;
	ssize_t r;

	if (next_random(seed) % 2) {
		off &= ~4095L;
		len = (len + 4095) & ~4095UL;
	} else if (next_random(seed) % 2) {
		skew = (size_t)off % PAGE;	/* co-aligned */
		p = mem + skew;
	}
	memset(p, CANARY, len);
	sequence = __atomic_load_n(&now->sequence, __ATOMIC_SEQ_CST);
	before = *now;
	if (next_random(seed) % 3 == 0) {
		lseek(fd, off, SEEK_SET);
		r = read(fd, p, len);
		if (r >= 0 && lseek(fd, 0, SEEK_CUR) != off + r)
			FAULT("read of %zu at %lld: %zd, offset %lld\n", len, (long long)off, r,
			      (long long)lseek(fd, 0, SEEK_CUR));
	} else {
		r = pread(fd, p, len, off);
	}
	calls++;
	if (r < 0 || r > (ssize_t)len) {
		FAULT("read of %zu at %lld: %zd %s\n", len, (long long)off, r, errno_name(errno));
		return;
	}
	if (!(sequence & 1) && __atomic_load_n(&now->sequence, __ATOMIC_SEQ_CST) == sequence)
		check_exact(p, off, r, len, &before);
	else
		check_loose(p, off, r);
	for (size_t i = (size_t)r; i < len; i++)
		if (p[i] != CANARY && p[i] != 0) {
			FAULT("read of %zu at %lld: %zd, but byte %zu is %02x\n", len, (long long)off, r, i,
			      (unsigned char)p[i]);
			break;
		}
}

static void reading(uint64_t seed, long rounds)
{
	pid_t pid = start_changer("changing", seed + 1);
	int fd = open("changing", O_RDONLY);

	for (long i = 0; i < rounds; i++) {
		one_read(fd, &seed);
		if (i % 500 == 499) {
			close(fd);
			NEED((fd = open("changing", i % 1000 == 999 ? O_RDONLY : O_RDWR)) >= 0);
		}
	}
	stop_changer(pid);
	close(fd);
}

/* What is written is the content too; so at rest the file is content or zeroes. */
static void writing(uint64_t seed, long rounds)
{
	pid_t pid = start_changer("changing", seed + 1);
	int fd = open("changing", O_RDWR);

	for (long i = 0; i < rounds; i++) {
		off_t off = (off_t)(next_random(&seed) % (FULL - 300000));
		size_t len = 1 + next_random(&seed) % (i % 3 ? 20000 : 300000), skew = next_random(&seed) % 3 * 7;
		ssize_t r;

		if (i % 2)
			off &= ~4095L;
		content(mem + skew, off, len);
		if (i % 3) {
			r = pwrite(fd, mem + skew, len, off);
		} else {
			lseek(fd, off, SEEK_SET);
			r = write(fd, mem + skew, len);
		}
		calls++;
		if (r != (ssize_t)len)
			FAULT("write of %zu at %lld: %zd %s\n", len, (long long)off, r, r < 0 ? errno_name(errno) : "");
		off = (off_t)(next_random(&seed) % FULL);
		memset(mem, CANARY, 70000);
		r = pread(fd, mem, 70000, off);
		if (r < 0)
			FAULT("read back at %lld: %s\n", (long long)off, errno_name(errno));
		else
			check_loose(mem, off, r);
	}
	stop_changer(pid);
	if (fsync(fd))
		FAULT("fsync: %s\n", errno_name(errno));
	for (off_t at = 0; at < FULL; at += 65536) {
		ssize_t r = unseen(SYS_pread64, fd, mem, 65536L, (long)at);

		if (r > 0)
			check_loose(mem, at, r);
	}
	exact = 100;
	close(fd);
}

/* A file is replaced by another of the same name: an open one stays what it was. */
static void replaced(uint64_t seed, long rounds)
{
	for (long i = 0; i < rounds / 50; i++) {
		size_t n = 5000 + next_random(&seed) % 200000;
		int fd, out;
		ssize_t r;

		make_file("name", n, (uint64_t)i);
		make_file("next", n + 4096, (uint64_t)i + 1000000);
		NEED((fd = open("name", O_RDONLY)) >= 0);
		NEED(pread(fd, mem, 4096, 0) == 4096);
		NEED(rename("next", "name") == 0);
		r = pread(fd, mem, n + 9000, 0);
		fill(want, n, (uint64_t)i);
		if (r != (ssize_t)n || memcmp(mem, want, n))
			FAULT("replaced, old one: %zd of %zu\n", r, n);
		NEED((out = open("name", O_RDONLY)) >= 0);
		r = read(out, mem + 3, n + 9000);
		fill(want, n + 4096, (uint64_t)i + 1000000);
		if (r != (ssize_t)n + 4096 || memcmp(mem + 3, want, n + 4096))
			FAULT("replaced, new one: %zd of %zu\n", r, n);
		close(fd);
		close(out);
		calls += 2;
	}
	exact = 100;
}

static void bus(int sig)
{
	static const char text[] = "SIGBUS inside a call\n";

	(void)sig;
	unseen(SYS_write, 2, text, sizeof(text) - 1);
	_exit(7);
}

/* The memory is a mapping of a file that is cut: the kernel says EFAULT, or moves what is there. */
static void mapped(uint64_t seed, long rounds)
{
	pid_t pid = start_changer("changing", seed + 1);
	int fd = raw_open("changing", O_RDWR, 0), out = open("out", O_RDWR | O_CREAT, 0666);
	char *map = mmap(NULL, FULL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	NEED(map != MAP_FAILED && out >= 0 && signal(SIGBUS, bus) != SIG_ERR);
	write_all(out, 0, FULL);
	for (long i = 0; i < rounds; i++) {
		off_t off = (off_t)(next_random(&seed) % (FULL / 2));
		size_t len = 1 + next_random(&seed) % (FULL / 2);
		ssize_t r;

		if (i % 3)
			r = pwrite(out, map + off, len, off + (i % 2 ? 4096 : 0));
		else
			r = pread(out, map + off + i % 5, len, off);
		calls++;
		if (r > (ssize_t)len || (r < 0 && errno != EFAULT))
			FAULT("mapped memory, %zu at %lld: %zd %s\n", len, (long long)off, r, errno_name(errno));
	}
	stop_changer(pid);
	exact = 100;
}

int main(int argc, char **argv)
{
	uint64_t seed;

	NEED(argc == 4);
	seed = strtoull(argv[2], NULL, 0) * 0x9E3779B97F4A7C15u + 1;
	mem = fenced(2 * FULL);
	want = fenced(2 * FULL);
	now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(now != MAP_FAILED);
	if (!strcmp(argv[1], "read"))
		reading(seed, atol(argv[3]));
	else if (!strcmp(argv[1], "write"))
		writing(seed, atol(argv[3]));
	else if (!strcmp(argv[1], "mapped"))
		mapped(seed, atol(argv[3]));
	else
		replaced(seed, atol(argv[3]));
	fprintf(stderr, "%ld calls, %ld at rest, %lu changes\n", calls, exact, now->operations);
	NEED(exact > 50);
	printf("%ld faults\n", faults);
	return faults != 0;
}

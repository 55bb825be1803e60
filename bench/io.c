/*
 * io: reads or writes of one size, the way a program makes them.
 *
 *	io [-duwcsr] [-b BYTES] [-m SKEW] [-o SKEW] [-k COUNT] [-n COUNT] FILE
 *
 *	-d  open with O_DIRECT		-w  write (default: read)
 *	-u  with RWF_DONTCACHE		-c  create FILE, and fsync it at the end
 *	-s  read() and write() at the descriptor's offset, not pread() and pwrite()
 *	-r  random offsets		-b  bytes per request
 *	-m  skew of the buffer's address from the page
 *	-o  skew of the file offsets
 *	-k  requests in a burst (a worker of versus): ns and CPU ns per request
 *	-n  no worker: so many requests, then exit; 0: as many as FILE has room for
 *
 * Without -c FILE has its full size already: writes overwrite it. Every count is
 * checked.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { DONTCACHE = 0x80 };	/* RWF_DONTCACHE, Linux 6.14; libc may not know it */

static bool direct, uncached, writing, create, at_offset, random_order;
static size_t bytes = 4096;
static off_t offset_skew;
static uint64_t slots, next_slot, seed;
static char *buf;
static int fd;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* The one way to pass a flag; offset -1 is the descriptor's own. */
static ssize_t dontcache(off_t at)
{
	const struct iovec v = { .iov_base = buf, .iov_len = bytes };

	return (writing ? pwritev2 : preadv2)(fd, &v, 1, at_offset ? -1 : at, DONTCACHE);
}

static void request(void)
{
	const uint64_t slot = random_order ? any() % slots : next_slot;
	const off_t at = (off_t)(slot * bytes) + offset_skew;
	ssize_t r;

	next_slot = slot + 1 < slots ? slot + 1 : 0;
	if (at_offset && slot == 0 && lseek(fd, offset_skew, SEEK_SET) < 0)
		die("lseek");
	if (uncached) {
		r = dontcache(at);
	} else if (at_offset) {
		r = writing ? write(fd, buf, bytes) : read(fd, buf, bytes);
	} else {
		r = writing ? pwrite(fd, buf, bytes, at) : pread(fd, buf, bytes, at);
	}
	if (r != (ssize_t)bytes) {
		fprintf(stderr, "io: %zd of %zu bytes at %lld: ", r, bytes, (long long)at);
		die("");
	}
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void work(long count)
{
	char go, line[80];

	while (read(0, &go, 1) == 1) {
		const double t = now(CLOCK_MONOTONIC), c = now(CLOCK_PROCESS_CPUTIME_ID);
		double wall, cpu;
		int len;

		for (long i = 0; i < count; i++)
			request();
		wall = now(CLOCK_MONOTONIC) - t;
		cpu = now(CLOCK_PROCESS_CPUTIME_ID) - c;
		len = snprintf(line, sizeof(line), "%.1f %.1f\n", wall / (double)count,
			       cpu / (double)count);
		if (write(1, line, (size_t)len) != len)
			break;
	}
}

static void prepare(const char *path, size_t skew)
{
	struct stat st;

	fd = open(path, (create ? O_WRONLY | O_CREAT : writing ? O_RDWR : O_RDONLY) |
			(direct ? O_DIRECT : 0), 0644);
	if (fd < 0 || fstat(fd, &st))
		die(path);
	slots = create ? UINT64_MAX : ((uint64_t)st.st_size - (uint64_t)offset_skew) / bytes;
	if (!slots) {
		fprintf(stderr, "io: %s is too small\n", path);
		exit(1);
	}
	buf = mmap(NULL, bytes + skew, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buf == MAP_FAILED)
		die("mmap");
	buf += skew;
	seed = (uint64_t)getpid() * 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < bytes; i += sizeof(seed)) {
		const uint64_t x = any();

		memcpy(buf + i, &x, bytes - i < sizeof(x) ? bytes - i : sizeof(x));
	}
	/* Workers that read the same file start at different places. */
	next_slot = at_offset || create ? 0 : any() % slots;
}

int main(int argc, char **argv)
{
	size_t skew = 0;
	long burst = 1, total = -1;
	int opt;

	while ((opt = getopt(argc, argv, "duwcsrb:m:o:k:n:")) != -1) {
		switch (opt) {
		case 'd': direct = true; break;
		case 'u': uncached = true; break;
		case 'w': writing = true; break;
		case 'c': create = writing = true; break;
		case 's': at_offset = true; break;
		case 'r': random_order = true; break;
		case 'b': bytes = strtoul(optarg, NULL, 0); break;
		case 'm': skew = strtoul(optarg, NULL, 0); break;
		case 'o': offset_skew = strtol(optarg, NULL, 0); break;
		case 'k': burst = atol(optarg); break;
		case 'n': total = atol(optarg); break;
		default: return 2;
		}
	}
	if (optind + 1 != argc || !bytes)
		return 2;
	prepare(argv[optind], skew);
	if (total < 0)
		work(burst);
	if (total == 0 && !create)
		total = (long)slots;
	for (long i = 0; i < total; i++)
		request();
	if (create && fsync(fd))
		die("fsync");
	return 0;
}

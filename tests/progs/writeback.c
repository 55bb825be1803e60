/*
 * writeback: who is told of a write that never reached the disk, and how often.
 *
 * On a disk some of whose blocks cannot be written: "bad" (all of it), "mixed"
 * (every other MiB from the second), "good". A descriptor that was open before
 * the failure is told once by fsync, one opened later as long as nobody was.
 * Reads see what was written as long as the page cache holds it. The
 * transcripts are compared; which of EIO and ENOSPC comes is the device's affair.
 *
 *   writeback write FILE...    every shape of write
 *   writeback read FILE        of a file whose blocks cannot be read past some point
 */
#include "transcript.h"

#define MB (1 << 20)

static char *mem;

static const char *told(long r)
{
	return r >= 0 ? "well" : errno == EIO || errno == ENOSPC ? "told" : errno_name(errno);
}

static int open_it(const char *name)
{
	int fd = open(name, O_RDWR);

	NEED(fd >= 0);
	return fd;
}

static void say_sync(const char *who, int fd)
{
	printf("  %s:", who);
	for (int i = 0; i < 3; i++)
		printf(" %s", told(i == 1 ? fdatasync(fd) : fsync(fd)));
	printf("\n");
}

/* What a write of one shape answers, at block `at`, and the bytes it leaves. */
enum shape { ALIGNED, SKEWED, EDGES, SMALL, OVER_DIRTY, VECTOR, OFFSET, SHAPES };
static const char *const shape_names[SHAPES] = {
	"aligned", "skewed memory", "edges", "small", "over dirty pages", "vector", "own offset",
};

static ssize_t put(int fd, enum shape shape, off_t at, size_t *len, off_t *off)
{
	struct iovec v[2] = { { mem, 8192 }, { mem + 16384, 61440 } };

	*off = at;
	*len = 65536;
	switch (shape) {
	case ALIGNED: return pwrite(fd, mem, 65536, at);
	case SKEWED: return pwrite(fd, mem + 7, 65536, at);
	case EDGES:
		*off = at + 100;
		return pwrite(fd, mem, 65536, at + 100);
	case SMALL:
		*len = 100;
		return pwrite(fd, mem, 100, at);
	case OVER_DIRTY:
		NEED(pwrite(fd, mem + 1, 100, at + 8000) == 100);
		return pwrite(fd, mem, 65536, at);
	case VECTOR:
		*len = 69632;
		return pwritev(fd, v, 2, at);
	case OFFSET:
		lseek(fd, at, SEEK_SET);
		return write(fd, mem + 3, 65536);
	case SHAPES: break;
	}
	abort();
}

static void first_write(const char *name, enum shape shape, off_t at)
{
	int fd = open_it(name), before = open_it(name), copy = dup(fd), later;
	char *back = mem + 2 * MB;
	size_t len;
	off_t off;
	ssize_t r = put(fd, shape, at, &len, &off);

	printf("%s, %s: %zd\n", name, shape_names[shape], r);
	/* Not synced: the page cache has it, and has it again. */
	for (int i = 0; i < 3; i++) {
		ssize_t n = pread(fd, back, len, off);

		printf("  read back: %zd %016llx\n", n, (unsigned long long)hash(back, n > 0 ? (size_t)n : 0));
	}
	say_sync("the writer", fd);
	say_sync("its copy", copy);
	say_sync("open before", before);
	later = open_it(name);
	say_sync("opened later", later);
	printf("  close: %s %s %s\n", told(close(fd)), told(close(before)), told(close(copy)));
	close(later);
}

/*
 * The failure happens while nobody waits for it; then an innocent writer comes
 * along, and only then one who opens the file and asks.
 */
static void unseen_failure(const char *name, enum shape shape, off_t at)
{
	int fd = open_it(name), other;
	size_t len;
	off_t off;
	ssize_t r;

	NEED(pwrite(fd, mem + 5, 100, at + MB + MB / 2) == 100);
	/* starts the write-back and looks at no error */
	NEED(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) == 0);
	usleep(100000);
	close(fd);
	other = open_it(name);
	r = put(other, shape, at, &len, &off);
	printf("%s, %s after a failure: %zd\n", name, shape_names[shape], r);
	close(other);
	other = open_it(name);
	say_sync("who opens then", other);
	close(other);
}

static void writes(const char *name)
{
	off_t at = 0;

	for (int shape = 0; shape < SHAPES; shape++, at += 2 * MB)
		first_write(name, (enum shape)shape, at % (6 * MB));
	for (int shape = 0; shape < SHAPES; shape++, at += 2 * MB)
		unseen_failure(name, (enum shape)shape, at % (6 * MB));
}

/* Up to the block that cannot be read, then EIO. */
static void reads(const char *name)
{
	static const size_t lens[] = { 4096, 65536, 100000, 1 << 20 };
	int fd = open(name, O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);	/* of a device too */

	NEED(fd >= 0 && size > 0);
	for (size_t l = 0; l < COUNT(lens); l++)
		for (int skew = 0; skew < 8; skew += 7)
			for (off_t at = skew * 100; at < size; at += 3 * MB / 8) {
				ssize_t r = pread(fd, mem + skew, lens[l], at);
				int e = errno;

				printf("read %zu at %lld: %zd %s %016llx\n", lens[l], (long long)at, r,
				       r < 0 ? errno_name(e) : "",
				       (unsigned long long)hash(mem + skew, r > 0 ? (size_t)r : 0));
				lseek(fd, at, SEEK_SET);
				r = read(fd, mem + skew, lens[l]);
				printf("  offset %lld after %s\n", (long long)lseek(fd, 0, SEEK_CUR) - at,
				       r < 0 ? errno_name(errno) : "bytes");
			}
	close(fd);
}

int main(int argc, char **argv)
{
	NEED(argc >= 3);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	mem = fenced(4 * MB);
	fill(mem, 2 * MB, 3);
	for (int i = 2; i < argc; i++)
		!strcmp(argv[1], "write") ? writes(argv[i]) : reads(argv[i]);
	return 0;
}

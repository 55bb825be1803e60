/*
 * strict [STEP] [direct]: data calls that a bare O_DIRECT open takes or refuses.
 * Its transcript with "direct", plain, must be that of the buffered program
 * under --mode strict.
 *
 * Two things that are misaligned a kernel or a file system may take all the
 * same: memory that is one piece within a page, and a read that is cut at the
 * end of the file. With "direct" these are EINVAL without being asked for.
 */
#include "transcript.h"

#define ROOM (1 << 20)
#define SIZE 20000	/* the file ends within a block */

static int extra;	/* O_DIRECT, or 0 */
static size_t mem = 512, block = 512;	/* what the file wants */
static char *memory;
static long source;	/* what is written lies so far behind: reads do not change it */

enum { READ, PREAD, READV, PREADV, PREADV2, PREADV2_HERE, WRITE, PWRITE, WRITEV, PWRITEV, PWRITEV2, PWRITEV2_HERE, CALLS };
static const char *const names[CALLS] = { "read", "pread", "readv", "preadv", "preadv2", "preadv2 here",
	"write", "pwrite", "writev", "pwritev", "pwritev2", "pwritev2 here" };

static void ask(int fd)
{
	struct statx stx;

	NEED(statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0);
	if ((stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_mem_align) {
		mem = stx.stx_dio_mem_align;
		block = stx.stx_dio_offset_align;
	}
}

static int file_of(size_t size, int flags)
{
	int fd;

	make_file("file", size, 7);
	fd = raw_open("file", O_RDWR, 0);
	NEED(fd >= 0 && unseen(SYS_fdatasync, fd) == 0 && unseen(SYS_close, fd) == 0);
	fd = open("file", flags | extra);
	NEED(fd >= 0);
	ask(fd);
	return fd;
}

/* Misaligned, and yet perhaps taken: one buffer, at off of a file of that size. */
static bool lenient(int which, const struct iovec *v, int n, size_t off, size_t size)
{
	const bool read = which < WRITE;
	size_t len = v->iov_len, at = (size_t)v->iov_base;

	if (!extra || n != 1 || len == 0 || (read && off >= size))
		return false;
	if (off % block == 0 && len % block == 0 && at % mem == 0)
		return false;
	if (read && off + len > size)
		return true;
	return at % mem && at / PAGE == (at + len - 1) / PAGE;
}

static void state(int fd)
{
	struct stat st;

	NEED(fstat(fd, &st) == 0);
	printf("   at %ld of %ld\n", (long)lseek(fd, 0, SEEK_CUR), (long)st.st_size);
}

static long call(int which, int fd, const struct iovec *v, int n, off_t off)
{
	switch (which) {
	case READ: return read(fd, v->iov_base, v->iov_len);
	case PREAD: return pread(fd, v->iov_base, v->iov_len, off);
	case READV: return readv(fd, v, n);
	case PREADV: return preadv(fd, v, n, off);
	case PREADV2: return preadv2(fd, v, n, off, 0);
	case PREADV2_HERE: return preadv2(fd, v, n, -1, 0);
	case WRITE: return write(fd, v->iov_base, v->iov_len);
	case PWRITE: return pwrite(fd, v->iov_base, v->iov_len, off);
	case WRITEV: return writev(fd, v, n);
	case PWRITEV: return pwritev(fd, v, n, off);
	case PWRITEV2: return pwritev2(fd, v, n, off, 0);
	default: return pwritev2(fd, v, n, -1, 0);
	}
}

static void one(int which, int fd, const struct iovec *of, int n, off_t off, size_t size)
{
	struct iovec v[4];
	const bool append = which >= WRITE && (fcntl(fd, F_GETFL) & O_APPEND);
	long r = -1;

	for (int i = 0; i < (n ? n : 1); i++)
		v[i] = (struct iovec){ (char *)of[i].iov_base + (which < WRITE ? 0 : source), of[i].iov_len };
	NEED(unseen(SYS_ftruncate, fd, size) == 0);
	NEED(lseek(fd, off, SEEK_SET) == off);
	errno = EINVAL;
	if (!lenient(which, v, n, append ? size : (size_t)off, size))
		r = call(which, fd, v, n, off);
	say(r, "%s at %ld, %d pieces, first %zu of address %% 4096 = %zu",
		names[which], (long)off, n, v->iov_len, (size_t)v->iov_base % 4096);
	if (r > 0 && which < WRITE) {	/* beyond the end of the file memory is nobody's business */
		uint64_t h = 0;

		for (long i = 0, left = r; left > 0; left -= (long)v[i++].iov_len)
			h = hash_more(h, v[i].iov_base, (long)v[i].iov_len < left ? v[i].iov_len : (size_t)left);
		printf("   %016llx\n", (unsigned long long)h);
	}
	state(fd);
}

/* One buffer: addresses, offsets and lengths, each alone and together. */
static void buffers(void)
{
	static const int skews[] = { 0, 1, 4, 8, 256, 511, 512, 1024, 4095 };
	static const long offs[] = { 0, 1, 511, 512, 513, 1024, 4096, 4097, 16384, 19456, 19968, 19999, 20000, 20001, 20480, 40960 };
	static const long lens[] = { 0, 1, 511, 512, 513, 1024, 4095, 4096, 4097, 8192, 30000, 32768 };
	int fd = file_of(SIZE, O_RDWR), turn = 0;

	for (int which = 0; which < CALLS; which++)
		for (size_t o = 0; o < COUNT(offs); o++)
			for (size_t l = 0; l < COUNT(lens); l++)
				for (size_t s = 0; s < COUNT(skews); s++) {
					struct iovec v = { memory + skews[s], (size_t)lens[l] };

					if (turn++ % 5 == 0)	/* each with each other in some call */
						one(which, fd, &v, 1, offs[o], SIZE);
				}
	NEED(close(fd) == 0);
}

static void vectors(void)
{
	static const struct { int n; struct { int at; size_t len; } piece[4]; } lists[] = {
		{ 0, { { 0, 0 } } },
		{ 1, { { 0, 4096 } } },
		{ 2, { { 0, 4096 }, { 8192, 4096 } } },
		{ 2, { { 0, 4096 }, { 8193, 4096 } } },
		{ 2, { { 1, 4096 }, { 8192, 4096 } } },
		{ 2, { { 0, 0 }, { 8192, 512 } } },
		{ 2, { { 1, 0 }, { 8192, 512 } } },
		{ 3, { { 0, 512 }, { 7, 0 }, { 8192, 512 } } },
		{ 3, { { 0, 512 }, { 4096, 1024 }, { 8192, 513 } } },
		{ 4, { { 0, 512 }, { 4096, 512 }, { 8192, 512 }, { 12288, 512 } } },
		{ 4, { { 512, 512 }, { 4096, 512 }, { 8192 + 512, 512 }, { 12288, 513 } } },
	};
	int fd = file_of(SIZE, O_RDWR);

	for (int which = READV; which < CALLS; which++) {
		if (which == WRITE || which == PWRITE)
			continue;
		for (size_t k = 0; k < COUNT(lists); k++)
			for (long off = 0; off <= 1024; off += 256) {
				struct iovec v[4];

				for (int i = 0; i < 4; i++)
					v[i] = (struct iovec){ memory + lists[k].piece[i].at, lists[k].piece[i].len };
				one(which, fd, v, lists[k].n, off, SIZE);
			}
	}
	NEED(close(fd) == 0);
}

/* Where it is written is where the file ends, whatever the offset. */
static void append(void)
{
	static const size_t sizes[] = { 16384, 20000, 20480, 512, 1 };
	static const size_t lens[] = { 512, 4096, 513, 480, 0 };
	int fd = file_of(SIZE, O_RDWR | O_APPEND), plain;

	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t l = 0; l < COUNT(lens); l++)
			for (int skew = 0; skew < 2; skew++) {
				struct iovec v = { memory + skew, lens[l] };

				one(WRITE, fd, &v, 1, 100, sizes[i]);
				one(PWRITE, fd, &v, 1, 1024, sizes[i]);
				one(WRITEV, fd, &v, 1, 513, sizes[i]);
				one(READ, fd, &v, 1, 1024, sizes[i]);
			}
	NEED(close(fd) == 0);
	plain = file_of(SIZE, O_RDWR);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct iovec v = { memory + source, 512 };

		NEED(ftruncate(plain, (off_t)sizes[i]) == 0);
		say(pwritev2(plain, &v, 1, 0, RWF_APPEND), "RWF_APPEND of 512 to %zu", sizes[i]);
		say(pwritev2(plain, &v, 1, -1, RWF_APPEND), "RWF_APPEND here");
		state(plain);
	}
	NEED(close(plain) == 0);
	/* Turned on and off later. */
	plain = file_of(SIZE, O_RDWR);
	say(write(plain, memory + source, 512), "write");
	NEED(fcntl(plain, F_SETFL, O_APPEND | extra) == 0);
	say(write(plain, memory + source, 512), "appended to %d", SIZE);
	NEED(fcntl(plain, F_SETFL, extra) == 0);
	NEED(lseek(plain, 512, SEEK_SET) == 512);
	say(write(plain, memory + source, 512), "write");
	state(plain);
	NEED(close(plain) == 0);
}

/* What is wrong already is not misaligned. */
static void wrong(void)
{
	struct iovec bad = { NULL, 4096 }, odd = { memory + 1, 4097 }, huge = { memory + 1, (size_t)-1 };
	int fd = file_of(SIZE, O_RDONLY), out;

	out = open("out", O_WRONLY | O_CREAT | O_TRUNC | extra, 0666);
	NEED(out >= 0);
	for (int which = 0; which < CALLS; which++) {
		say(call(which, which < WRITE ? fd : out, &bad, 1, 0), "%s of NULL", names[which]);
		say(call(which, -1, &odd, 1, 0), "%s of -1", names[which]);
		say(call(which, 200, &odd, 1, 0), "%s of 200", names[which]);
		say(call(which, which < WRITE ? out : fd, &odd, 1, 1), "%s the wrong way", names[which]);
		if (which != PREADV2 && which != PWRITEV2 && which != READ && which != WRITE)
			say(call(which, which < WRITE ? fd : out, &odd, 1, -2), "%s at -2", names[which]);
		say(call(which, which < WRITE ? fd : out, &huge, 1, 0), "%s of too much", names[which]);
		if (which == READ || which == PREAD || which == WRITE || which == PWRITE)
			continue;
		say(call(which, which < WRITE ? fd : out, (void *)16, 1, 0), "%s by a bad list", names[which]);
		say(call(which, which < WRITE ? fd : out, &odd, -1, 0), "%s of -1 pieces", names[which]);
		say(call(which, which < WRITE ? fd : out, &odd, 2000, 0), "%s of 2000 pieces", names[which]);
	}
	NEED(close(fd) == 0 && close(out) == 0);
}

/* Two numbers, one offset; a child; what is no file. */
static void others(void)
{
	int fd = file_of(SIZE, O_RDWR), two = dup(fd), three, p[2];
	pid_t pid;

	NEED(two >= 0 && pipe(p) == 0);
	say(read(fd, memory, 512), "read");
	say(read(two, memory, 512), "dup");
	NEED(lseek(two, 1, SEEK_SET) == 1);
	say(read(fd, memory, 512), "moved by the dup");
	NEED(lseek(two, 512, SEEK_SET) == 512);
	say(read(fd, memory, 512), "and back");
	NEED(unseen(SYS_lseek, fd, 7, SEEK_SET) == 7);
	say(read(fd, memory, 512), "moved unseen");
	NEED(unseen(SYS_lseek, fd, 1024, SEEK_SET) == 1024);
	say(read(fd, memory, 512), "and back");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		say(read(fd, memory, 512), "child");
		say(read(fd, memory + 1, 8192), "child, misaligned");
		fflush(stdout);
		_exit(0);
	}
	say_child("child", pid);
	say(read(fd, memory + 1, 8192), "misaligned");
	three = open("/proc/self/maps", O_RDONLY);
	NEED(three >= 0);
	say(read(three, memory + 1, 7), "of /proc");
	say(write(p[1], memory + 1, 7), "pipe");
	say(read(p[0], memory + 1, 7), "pipe");
	NEED(dup2(p[0], two) == two && unseen(SYS_dup3, p[1], fd, 0) == fd);
	say(write(fd, memory + 1, 7), "the number of a file, a pipe now");
	say(read(two, memory + 1, 7), "and the other");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "buffers", buffers }, { "vectors", vectors }, { "append", append }, { "wrong", wrong }, { "others", others },
	};

	if (argc > 1 && !strcmp(argv[argc - 1], "direct")) {
		extra = O_DIRECT;
		argc--;
	}
	memory = fenced(ROOM);
	source = ROOM / 2;
	fill(memory, ROOM, 3);
	return run_steps(steps, COUNT(steps), argc, argv);
}

/*
 * errors: every error that the data calls give for a bad descriptor, a wrong
 * access mode, a directory, a pipe, a bad length, offset, vector or flag.
 */
#include "matrix.h"

static char *mem;

static ssize_t quiet(enum op op, int fd, void *p, size_t len, off_t off)
{
	struct iovec v = { p, len };

	return call_op(op, fd, &v, 1, off, 0);
}

/* All calls, on one descriptor, with good memory, none, and length 0. */
static void all_calls(int fd, const char *what)
{
	for (enum op op = 0; op < OPS; op++) {
		printf("%s %s:", what, op_names[op]);
		for (int i = 0; i < 5; i++) {
			static const off_t offs[] = { 0, 512, 100, 4096, 0 };
			void *p = i == 3 ? NULL : mem + (i == 1 ? 3 : 0);
			size_t len = i == 2 || i == 3 ? 0 : i == 4 ? 8192 : 512;
			ssize_t r = quiet(op, fd, p, len, offs[i]);

			printf(" %zd%s%s", r, r < 0 ? " " : "", r < 0 ? errno_name(errno) : "");
		}
		printf(" pos %lld\n", (long long)lseek(fd, 0, SEEK_CUR));
	}
}

static void descriptors(void)
{
	int fd = open("errors.file", O_RDWR), low = dup(fd);

	NEED(fd >= 0 && low >= 0);
	NEED(quiet(OP_read, low, mem, 4096, 0) == 4096);	/* routed, then closed */
	NEED(quiet(OP_pwrite, fd, mem, 4096, 4096) == 4096);
	close(low);
	close(fd);
	all_calls(-1, "fd -1");
	all_calls(fd, "closed");
	all_calls(low, "closed dup");
	all_calls(9999, "fd 9999");
	all_calls(INT_MAX, "fd INT_MAX");
	all_calls(INT_MIN, "fd INT_MIN");
	all_calls(AT_FDCWD, "AT_FDCWD");
}

static void access_modes(void)
{
	static const struct { int flags; const char *name; } modes[] = {
		{ O_RDONLY, "O_RDONLY" }, { O_WRONLY, "O_WRONLY" }, { O_RDWR, "O_RDWR" }, { O_PATH, "O_PATH" },
		{ O_RDWR | O_APPEND, "O_RDWR|O_APPEND" }, { 3, "mode 3" },
		{ O_RDONLY | O_NOATIME, "O_NOATIME" }, { O_RDWR | O_NONBLOCK, "O_NONBLOCK" },
	};

	for (size_t i = 0; i < COUNT(modes); i++) {
		int fd = open("errors.file", modes[i].flags);

		NEED(fd >= 0);
		all_calls(fd, modes[i].name);
		say(fcntl(fd, F_GETFL) & ~O_LARGEFILE, "%s F_GETFL", modes[i].name);
		close(fd);
	}
	say_file("errors.file");
}

static void kinds(void)
{
	int fd, p[2];

	fd = open(".", O_RDONLY | O_DIRECTORY);
	all_calls(fd, "directory");
	close(fd);
	say(open(".", O_RDWR), "directory O_RDWR");
	fd = open("/dev/null", O_RDWR);
	all_calls(fd, "/dev/null");
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	all_calls(fd, "/dev/zero");
	close(fd);
	NEED(pipe(p) == 0);
	close(p[1]);
	all_calls(p[0], "pipe, read end");
	close(p[0]);
	NEED(pipe2(p, O_NONBLOCK) == 0);
	all_calls(p[1], "pipe, write end");
	all_calls(p[0], "pipe, nonblocking");
	close(p[0]);
	close(p[1]);
}

static void offsets(void)
{
	static const off_t places[] = {
		-1, -2, -512, -4096, LLONG_MIN, LLONG_MIN + 4096, LLONG_MAX, LLONG_MAX - 1, LLONG_MAX - 511,
		LLONG_MAX - 512, LLONG_MAX - 4095, LLONG_MAX - 4096, LLONG_MAX - 8191, 1LL << 62, 1LL << 44,
	};
	static const size_t lens[] = { 0, 1, 512, 4096, 8192 };
	int fd = open("errors.file", O_RDWR);

	NEED(fd >= 0);
	for (size_t i = 0; i < COUNT(places); i++)
		for (enum op op = 0; op < OPS; op++) {
			printf("%s at %llx:", op_names[op], (unsigned long long)places[i]);
			for (size_t l = 0; l < COUNT(lens); l++) {
				if (op_moves(op)) {
					off_t got = lseek(fd, places[i], SEEK_SET);

					printf(" seek %llx", (unsigned long long)got);
					if (got < 0)
						NEED(lseek(fd, 5000, SEEK_SET) == 5000);
					if (got < 0 && op_writes(op))
						continue;
				}
				ssize_t r = quiet(op, fd, mem + (l & 1), lens[l], places[i]);

				printf(" %zd%s%s", r, r < 0 ? " " : "", r < 0 ? errno_name(errno) : "");
			}
			printf(" pos %lld\n", (long long)lseek(fd, 0, SEEK_CUR));
		}
	close(fd);
	say_file("errors.file");
}

/* The largest file this file system holds, found by truncation, and beyond. */
static void largest(void)
{
	int fd = open("largest", O_RDWR | O_CREAT, 0666);
	off_t lo = 0, hi = LLONG_MAX;

	NEED(fd >= 0);
	while (lo < hi) {
		off_t mid = lo + (hi - lo) / 2 + 1;

		if (ftruncate(fd, mid) == 0)
			lo = mid;
		else
			hi = mid - 1;
	}
	printf("largest: %lld\n", (long long)lo);
	NEED(ftruncate(fd, 0) == 0);
	static const long before[] = { 8192, 8191, 4097, 4096, 4095, 513, 512, 511, 1, 0, -1, -4096 };
	for (size_t b = 0; b < COUNT(before); b++)
		for (enum op op = 0; op < OPS; op++) {
			off_t at = lo - before[b];
			off_t got = op_moves(op) ? lseek(fd, at, SEEK_SET) : at;
			struct stat st;

			printf("%s %ld before it:", op_names[op], before[b]);
			if (got != at) {
				printf(" no seek %s\n", errno_name(errno));
				continue;
			}
			for (int i = 0; i < 3; i++) {
				if (op_moves(op))
					lseek(fd, at, SEEK_SET);
				ssize_t r = quiet(op, fd, mem + i, (size_t)(i == 2 ? 12288 : 4096), at);

				NEED(fstat(fd, &st) == 0);
				printf(" %zd%s%s pos %lld size %lld", r, r < 0 ? " " : "", r < 0 ? errno_name(errno) : "",
				       (long long)lseek(fd, 0, SEEK_CUR), (long long)st.st_size);
			}
			putchar('\n');
			NEED(ftruncate(fd, op_writes(op) ? 0 : lo) == 0);
		}
	close(fd);
	unlink("largest");
}

static void lengths(void)
{
	static const size_t lens[] = { 0, SSIZE_MAX, (size_t)SSIZE_MAX + 1, SIZE_MAX, SIZE_MAX - 4095,
				       0x7ffff000, 0x7ffff001, 0x80000000, 0xffffffff, 0x100000000 };
	int fd = open("errors.file", O_RDONLY);

	/* all these reads end after the file's 20,000 bytes, if they begin at all */
	NEED(fd >= 0);
	make_file("errors.file", 20000, 6);
	for (size_t l = 0; l < COUNT(lens); l++)
		for (enum op op = 0; op < OPS; op += 2) {
			lseek(fd, 0, SEEK_SET);
			memset(mem, 0, 65536);
			say(quiet(op, fd, mem, lens[l], 0), "%s of %zx", op_names[op], lens[l]);
			lseek(fd, 4096, SEEK_SET);
			say(quiet(op, fd, mem + 1, lens[l], 100), "%s of %zx, skewed", op_names[op], lens[l]);
			printf("  pos %lld %016llx\n", (long long)lseek(fd, 0, SEEK_CUR), (unsigned long long)hash(mem, 65536));
		}
	close(fd);
}

static void flags(void)
{
	struct iovec v = { mem, 4096 };
	int fd = open("errors.file", O_RDWR), other[2];

	NEED(fd >= 0 && pipe(other) == 0);
	for (int bit = 0; bit < 31; bit++) {
		if (1 << bit == RWF_NOWAIT || 1 << bit == RWF_APPEND)
			continue;	/* depend on the cache; change the file: elsewhere */
		say(preadv2(fd, &v, 1, 0, 1 << bit), "preadv2 flag %d", bit);
		say(pwritev2(fd, &v, 1, 0, 1 << bit), "pwritev2 flag %d", bit);
		say(preadv2(other[1], &v, 1, -1, 1 << bit), "preadv2 on a pipe, flag %d", bit);
	}
	say(preadv2(fd, &v, 1, -2, 0), "preadv2 at -2");
	say(pwritev2(fd, &v, 1, -2, 0), "pwritev2 at -2");
	say(preadv2(other[0], &v, 1, 0, 0), "preadv2 on a pipe at 0");
	close(other[0]);
	close(other[1]);
	close(fd);
	say_file("errors.file");
}

static void opening(void)
{
	say(open("nothing", O_RDWR), "missing");
	say(open("nothing/below", O_RDWR | O_CREAT, 0666), "missing folder");
	say(open("errors.file/below", O_RDWR), "below a file");
	say(open("errors.file", O_RDWR | O_CREAT | O_EXCL, 0666), "O_EXCL");
	say(open("errors.file", O_RDONLY | O_DIRECTORY), "O_DIRECTORY");
	say(open((const char *)(uintptr_t)8, O_RDONLY), "bad address");
	say(openat(9999, "errors.file", O_RDONLY), "openat 9999");
	say(openat(-1, "errors.file", O_RDONLY), "openat -1");
	say(creat(".", 0666), "creat .");
	say(open("", O_RDONLY), "empty name");
	NEED(symlink("loop", "loop") == 0);
	say(open("loop", O_RDONLY), "loop");
	say(open("errors.file", O_RDWR | O_NOFOLLOW | O_CLOEXEC), "good one");
	say(close(-1), "close -1");
	say(close(9999), "close 9999");
	say(dup(-1), "dup -1");
	say(dup2(9999, 5), "dup2 9999");
	say(dup2(0, -1), "dup2 to -1");
	say(dup3(0, 0, 0), "dup3 same");
	say(dup3(0, 50, 12345), "dup3 flags");
	say(fcntl(9999, F_GETFL), "F_GETFL 9999");
	say(fcntl(0, 99999), "fcntl unknown");
	say(fcntl(0, F_DUPFD, -1), "F_DUPFD -1");
	say(close_range(9, 8, 0), "close_range backwards");
	say(close_range(3, 8, 99), "close_range flags");
	say(ftruncate(9999, 0), "ftruncate 9999");
	say(posix_fadvise(9999, 0, 0, 0), "posix_fadvise 9999");
	say(mprotect((void *)(uintptr_t)1, 1, PROT_READ), "mprotect odd");
	say(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0, "mmap of nothing");
	say(mmap(NULL, 4096, PROT_READ, MAP_SHARED, 9999, 0) == MAP_FAILED ? -1 : 0, "mmap 9999");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "descriptors", descriptors }, { "access_modes", access_modes }, { "kinds", kinds },
		{ "offsets", offsets }, { "largest", largest }, { "lengths", lengths }, { "flags", flags },
		{ "opening", opening },
	};

	mem = fenced(65536);
	matrix_arena(65536);
	fill(mem, 65536, 5);
	make_file("errors.file", 20000, 6);
	return run_steps(steps, COUNT(steps), argc, argv);
}

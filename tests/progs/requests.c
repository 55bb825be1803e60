/*
 * requests SEED COUNT: random aligned and misaligned requests on one file, the
 * same ones for a seed: what they are to direct I/O must not depend on the mode
 * that tells.
 */
#include "transcript.h"

#define SIZE (1 << 20)
#define ROOM (1 << 18)

static uint64_t seed;

static size_t below(size_t n)
{
	return (size_t)(next_random(&seed) % n);
}

/* A number that is round, or nearly, or not at all. */
static size_t number(size_t most)
{
	static const size_t units[] = { 1, 512, 512, 4096, 4096, 4096, 65536 };
	size_t unit = units[below(COUNT(units))];

	return below(most / unit + 1) * unit + (below(8) == 0 ? below(600) : 0);
}

static void one(int fd, char *memory)
{
	struct iovec v[3];
	const size_t len = number(60000), off = number(SIZE + 8192);
	const int n = 1 + (int)below(3);

	for (int i = 0; i < n; i++)
		v[i] = (struct iovec){ memory + i * 81920 + number(4096), i ? number(8192) : len };
	if (below(2))
		lseek(fd, (off_t)off, SEEK_SET);
	switch (below(8)) {
	case 0: say(read(fd, v->iov_base, len), "read"); break;
	case 1: say(pread(fd, v->iov_base, len, (off_t)off), "pread"); break;
	case 2: say(readv(fd, v, n), "readv"); break;
	case 3: say(preadv(fd, v, n, (off_t)off), "preadv"); break;
	case 4: say(write(fd, v->iov_base, len), "write"); break;
	case 5: say(pwrite(fd, v->iov_base, len, (off_t)off), "pwrite"); break;
	case 6: say(writev(fd, v, n), "writev"); break;
	default: say(pwritev(fd, v, n, (off_t)off), "pwritev"); break;
	}
}

int main(int argc, char **argv)
{
	char *memory = fenced(ROOM);
	int fd[3];

	NEED(argc == 3);
	seed = strtoull(argv[1], NULL, 10) * 0x9E3779B97F4A7C15u + 1;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	make_file("file", SIZE + 700, 5);
	fd[0] = open("file", O_RDWR);
	fd[1] = open("file", O_RDWR);
	fd[2] = open("log", O_RDWR | O_CREAT | O_APPEND, 0666);
	NEED(fd[0] >= 0 && fd[1] >= 0 && fd[2] >= 0);
	for (long i = atol(argv[2]); i > 0; i--)
		one(fd[below(10) ? below(2) : 2], memory);
	fflush(stdout);
	return 0;
}

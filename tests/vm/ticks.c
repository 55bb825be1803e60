/*
 * ticks: a reader beside a writer who announces each write when it is done, on
 * kernels where ctime moves in ticks. What was announced before a read began
 * must be in what it returned.
 *
 *   ticks count FILE N                  how many of N writes, each right behind an
 *                                       fstat, did not show in ctime
 *   ticks write FILE BOARD SECONDS AGE
 *   ticks read FILE BOARD               sequentially, until the writer is done
 *
 * The board is a file in memory. The writer, who makes both files, writes some
 * blocks in a row, a few reads apart, the first one right behind a tick: often
 * all have one ctime then. And then nothing for about AGE ms, for a stream that
 * began between them would show what was before the last until the next row.
 * Reader and writer are processes of their own: one may be preloaded alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS	1024
#define BLOCK	4096
#define WORDS	(BLOCK / sizeof(uint64_t))
#define NEAR	5		/* ahead of the reader, as a power of two of blocks, at most */
#define ROW	4		/* writes, at most */
#define ASK_MAX	(128u << 10)	/* bytes a read may want */

struct board {
	uint32_t ready, over;
	uint32_t at;			/* the block that the reader is about to read */
	uint32_t reads;			/* that it has done */
	uint64_t version[BLOCKS];	/* of each block, announced */
};

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "ticks: %s: %s\n", what, strerror(errno));
	exit(2);
}

static struct board *open_board(const char *path, int flags)
{
	int fd = open(path, O_RDWR | flags, 0600);
	struct board *b;

	check(fd >= 0 && ftruncate(fd, sizeof(*b)) == 0, path);
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(b != MAP_FAILED, path);
	close(fd);
	return b;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static int same_ctime(const struct stat *a, const struct stat *b)
{
	return a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int count(const char *path, int n)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), missed = 0;
	struct stat before, after;

	check(fd >= 0, path);
	for (int i = 0; i < n; i++) {
		fstat(fd, &before);
		check(pwrite(fd, "x", 1, 0) == 1, path);
		fstat(fd, &after);
		missed += same_ctime(&before, &after);
	}
	printf("%d of %d writes did not change ctime\n", missed, n);
	return 0;
}

/* ---- the writer ---------------------------------------------------------------------- */

static unsigned next_pause(unsigned age)
{
	switch (rand() % 8) {
	case 0: return 0;
	case 1: return age / 4;
	case 2: return age - 3;
	case 3: return age;
	case 4: return age + (unsigned)rand() % 6;
	case 5: return age + age / 4 + (unsigned)rand() % (age / 2);
	case 6: return 2 * age + (unsigned)rand() % age;
	default: return 3 * age;
	}
}

static void await_tick(void)
{
	struct timespec from, t;

	clock_gettime(CLOCK_REALTIME_COARSE, &from);
	do
		clock_gettime(CLOCK_REALTIME_COARSE, &t);
	while (t.tv_nsec == from.tv_nsec);
}

/* Until some more reads are done; but the reader may be just waiting for us. */
static void await_reads(const struct board *b, unsigned more)
{
	uint32_t since = __atomic_load_n(&b->reads, __ATOMIC_SEQ_CST);
	double end = now() + 0.005;

	while (__atomic_load_n(&b->reads, __ATOMIC_SEQ_CST) - since < more && now() < end)
		sched_yield();
}

static int writer(const char *path, const char *board, double seconds, unsigned age)
{
	struct board *b = open_board(board, O_CREAT | O_TRUNC);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint64_t block[WORDS] = { 0 }, version = 1;
	double end;
	int left = 0;

	srand((unsigned)getpid());
	check(fd >= 0, path);
	for (int i = 0; i < BLOCKS; i++)
		check(write(fd, block, BLOCK) == BLOCK, path);
	check(fsync(fd) == 0, path);
	end = now() + seconds;
	__atomic_store_n(&b->ready, 1, __ATOMIC_SEQ_CST);
	for (; now() < end; version++) {
		unsigned ahead = 1 + (unsigned)rand() % (2u << rand() % NEAR);
		size_t i = (__atomic_load_n(&b->at, __ATOMIC_SEQ_CST) + ahead) % BLOCKS;

		for (size_t w = 0; w < WORDS; w++)
			block[w] = version;
		check(pwrite(fd, block, BLOCK, (off_t)(i * BLOCK)) == BLOCK, path);
		__atomic_store_n(&b->version[i], version, __ATOMIC_SEQ_CST);
		if (left-- > 0) {
			await_reads(b, 1 + (unsigned)rand() % 4);
		} else {
			pause_ms(next_pause(age));
			left = rand() % ROW;
			await_tick();
		}
	}
	__atomic_store_n(&b->over, 1, __ATOMIC_SEQ_CST);
	printf("%lu writes\n", (unsigned long)version - 1);
	return 0;
}

/* ---- the reader ---------------------------------------------------------------------- */

struct seen {
	long reads, blocks, fresh, stale;
	uint64_t newest;
};

/* Bytes [off, off + n) of the file; each word of a block may be newer than was announced, never older. */
static void judge(struct seen *s, const uint64_t *word, const uint64_t *announced, size_t off, size_t n)
{
	size_t told = BLOCKS;

	for (size_t i = 0; i < n / sizeof(*word); i++) {
		size_t block = (off + i * sizeof(*word)) / BLOCK;

		if (word[i] < announced[block] && block != told) {
			told = block;
			if (s->stale++ < 5)
				fprintf(stderr, "ticks: block %zu has version %lu, %lu was announced\n",
					block, (unsigned long)word[i], (unsigned long)announced[block]);
		}
		if (word[i] > s->newest) {
			s->newest = word[i];
			s->fresh++;
		}
	}
	s->blocks += (long)(n / BLOCK);
}

static int reader(const char *path, const char *board)
{
	static const size_t asks[] = { BLOCK, 3000, 16384, BLOCK, 65536, 1000, ASK_MAX };
	struct board *b = open_board(board, O_CREAT);
	uint64_t *buf = aligned_alloc(BLOCK, ASK_MAX), announced[BLOCKS];
	struct seen s = { 0 };
	int fd;

	check(buf != NULL, "memory");
	while (!__atomic_load_n(&b->ready, __ATOMIC_SEQ_CST))
		pause_ms(1);
	fd = open(path, O_RDONLY);
	check(fd >= 0, path);
	for (unsigned pass = 0; !__atomic_load_n(&b->over, __ATOMIC_SEQ_CST); pass++) {
		size_t ask = asks[pass % (sizeof(asks) / sizeof(*asks))], off = 0;
		ssize_t n = 1;

		lseek(fd, 0, SEEK_SET);
		for (; n > 0; off += (size_t)n, s.reads++) {
			__atomic_store_n(&b->at, (uint32_t)(off / BLOCK), __ATOMIC_SEQ_CST);
			for (size_t i = 0; i < BLOCKS; i++)
				announced[i] = __atomic_load_n(&b->version[i], __ATOMIC_SEQ_CST);
			n = read(fd, buf, ask);
			__atomic_add_fetch(&b->reads, 1, __ATOMIC_SEQ_CST);
			check(n >= 0 && (n > 0 || off == (size_t)BLOCKS * BLOCK), path);
			judge(&s, buf, announced, off, (size_t)n);
		}
	}
	printf("%ld reads, %ld blocks, %ld times something new, %ld older than announced\n",
	       s.reads, s.blocks, s.fresh, s.stale);
	return s.stale != 0;
}

int main(int argc, char **argv)
{
	/* Whatever hangs, ends. */
	alarm(300);
	if (argc == 4 && strcmp(argv[1], "count") == 0)
		return count(argv[2], atoi(argv[3]));
	if (argc == 6 && strcmp(argv[1], "write") == 0)
		return writer(argv[2], argv[3], atof(argv[4]), (unsigned)atoi(argv[5]));
	if (argc == 4 && strcmp(argv[1], "read") == 0)
		return reader(argv[2], argv[3]);
	fprintf(stderr, "usage: ticks count FILE N | write FILE BOARD SECONDS AGE | read FILE BOARD\n");
	return 2;
}

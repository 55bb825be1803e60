/*
 * mapped: stores through writable shared mappings beside write calls on the
 * same file, in the same page and in neighbours. A model in memory says what
 * the file must hold; fsync must never report an error.
 */
#include "transcript.h"
#include <pthread.h>

#define SIZE (64 * 4096)
#define ROUNDS 200

static unsigned char model[SIZE];
static char *buf;
static long wrong, failed;
static uint64_t rnd = 99;

static long pick(long n)
{
	return (long)(next_random(&rnd) % (uint64_t)n);
}

static int fresh(void)
{
	make_file("mapped", SIZE, 17);
	int fd = open("mapped", O_RDWR);

	NEED(fd >= 0 && unseen(SYS_pread64, fd, model, SIZE, 0) == SIZE);
	wrong = failed = 0;
	return fd;
}

static void write_some(int fd, long off, long n)
{
	if (off + n > SIZE)
		n = SIZE - off;
	fill(buf + 1, (size_t)n, next_random(&rnd));
	char *from = off & 1 ? buf + 1 : memmove(buf, buf + 1, (size_t)n);
	memcpy(model + off, from, (size_t)n);
	failed += pwrite(fd, from, (size_t)n, off) != n;
}

static void store_some(unsigned char *map, long off, long n)
{
	for (; n-- && off < SIZE; off++)
		map[off] = model[off] = (unsigned char)next_random(&rnd);
}

static void check(int fd)
{
	static unsigned char seen[SIZE] __attribute__((aligned(4096)));

	failed += pread(fd, seen, SIZE, 0) != SIZE;
	wrong += memcmp(seen, model, SIZE) != 0;
	failed += unseen(SYS_pread64, fd, seen, SIZE, 0) != SIZE;
	wrong += memcmp(seen, model, SIZE) != 0;
}

static long tolerated;

static void result(const char *what, int fd)
{
	int direct;

	check(fd);
	failed += fsync(fd) != 0;
	failed += close(fd) != 0;
	direct = raw_open("mapped", O_RDONLY | O_DIRECT, 0);
	if (direct >= 0)
		check(direct), unseen(SYS_close, direct);
	printf("%s: wrong %ld failed %ld\n", what, wrong, failed > tolerated ? failed : 0);
	say_file("mapped");
}

static void round_of(int fd, unsigned char *map)
{
	long page = pick(60) * 4096;

	store_some(map, page + pick(4096), 1 + pick(100));
	switch (pick(6)) {
	case 0: write_some(fd, page, 4096); break;
	case 1: write_some(fd, page + 4096, 8192); break;
	case 2: write_some(fd, page + pick(4096), 1 + pick(10000)); break;
	case 3: write_some(fd, page - page % 65536, 65536); break;
	case 4: write_some(fd, page + 512, 512); break;
	default: store_some(map, page + 4000, 200); write_some(fd, page + 4096, 4096); break;
	}
	store_some(map, page + pick(8192), 1 + pick(100));
	if (pick(20) == 0)
		failed += msync(map, SIZE, pick(2) ? MS_SYNC : MS_ASYNC) != 0;
	if (pick(20) == 0)
		failed += fsync(fd) != 0;
	if (pick(10) == 0)
		check(fd);
}

enum { PLAIN_MMAP, RAW_MMAP, MPROTECT, MREMAP, OTHER_FD, WRITTEN_BEFORE, KINDS };

static unsigned char *map_it(int fd, int kind)
{
	int other = kind == OTHER_FD ? open("mapped", O_RDWR) : -1;
	void *m;

	switch (kind) {
	case RAW_MMAP:
		m = (void *)unseen(SYS_mmap, NULL, (long)SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L);
		break;
	case MPROTECT:
		m = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
		write_some(fd, 4096, 8192);
		NEED(m != MAP_FAILED && mprotect(m, SIZE, PROT_READ | PROT_WRITE) == 0);
		break;
	case MREMAP:
		m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		write_some(fd, 4096, 8192);
		NEED(m != MAP_FAILED);
		m = mremap(m, 4096, SIZE, MREMAP_MAYMOVE);
		NEED(m != MAP_FAILED && mprotect(m, SIZE, PROT_READ | PROT_WRITE) == 0);
		break;
	case OTHER_FD:
		m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
		close(other);
		break;
	case WRITTEN_BEFORE:
		for (int i = 0; i < 5; i++)
			write_some(fd, pick(SIZE), 1 + pick(50000));
		/* fall through */
	default:
		m = mmap64(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		break;
	}
	NEED(m != MAP_FAILED);
	return m;
}

static void one_process(void)
{
	static const char *const names[KINDS] = { "mmap", "raw mmap", "mprotect", "mremap", "other descriptor", "written before" };

	for (int kind = 0; kind < KINDS; kind++) {
		int fd = fresh();
		unsigned char *m = map_it(fd, kind);

		for (int i = 0; i < ROUNDS; i++)
			round_of(fd, m);
		NEED(munmap(m, SIZE) == 0);
		for (int i = 0; i < 20; i++)	/* dirty pages without a mapping */
			write_some(fd, pick(SIZE), 1 + pick(20000));
		result(names[kind], fd);
	}
}

/*
 * Only mappings that a wrapper sees being made: for where the page cache does
 * not tell of mapped pages.
 */
static void seen(void)
{
	static const int kinds[] = { PLAIN_MMAP, MPROTECT, OTHER_FD, WRITTEN_BEFORE };

	for (size_t k = 0; k < COUNT(kinds); k++)
		for (int again = 0; again < 3; again++) {
			int fd = fresh();

			write_some(fd, 0, 65536);
			unsigned char *m = map_it(fd, kinds[k]);
			int other = open("mapped", O_WRONLY);	/* opened when it was mapped already */
			for (int i = 0; i < ROUNDS; i++)
				round_of(i & 1 ? fd : other, m);
			close(other);
			result("seen", fd);
			NEED(munmap(m, SIZE) == 0);
		}
}

/* Mapped, written, unmapped again and again. */
static void comings_and_goings(void)
{
	int fd = fresh();

	for (int i = 0; i < ROUNDS; i++) {
		unsigned char *m = map_it(fd, (int)pick(KINDS));

		round_of(fd, m);
		failed += munmap(m, SIZE) != 0;
		write_some(fd, pick(SIZE), 1 + pick(20000));
	}
	result("comings and goings", fd);
}

/*
 * Another process stores into the even bytes of pages 0..31 while this one
 * writes the pages 32..63, which may share large folios with them.
 */
static void other_process(void)
{
	int fd = fresh(), go[2];

	NEED(pipe(go) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		int mine = open("mapped", O_RDWR);
		unsigned char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mine, 0);
		struct { int i; } stop = { 0 };

		NEED(m != MAP_FAILED && fcntl(go[0], F_SETFL, O_NONBLOCK) == 0);
		while (read(go[0], &stop, sizeof(stop)) < 0)
			for (int at = 0; at < 32 * 4096; at += 2)
				m[at] = 0x55;
		for (int at = 0; at < 32 * 4096; at += 2)
			m[at] = 0x66;
		_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		write_some(fd, (32 + pick(31)) * 4096, 4096 * (1 + pick(4)));
		write_some(fd, 32 * 4096 + pick(100000), 1 + pick(9000));
	}
	NEED(write(go[1], &pid, sizeof(pid)) == sizeof(pid));
	say_child("other process", pid);
	for (int at = 0; at < 32 * 4096; at += 2)
		model[at] = 0x66;
	result("other process", fd);
	close(go[0]);
	close(go[1]);
}

/*
 * Someone stores into the even bytes of the very pages that are written here
 * in whole blocks. In the end the odd bytes must be those written last.
 */
#define STORED (16 * 4096)

static int *stop;	/* shared with the other process */

static void store_all(unsigned char *m)
{
	while (!__atomic_load_n(stop, __ATOMIC_SEQ_CST))
		for (int at = 0; at < STORED; at += 2)
			((volatile unsigned char *)m)[at] = 0x55;
	for (int at = 0; at < STORED; at += 2)
		m[at] = 0x66;
}

static void *store_thread(void *arg)
{
	store_all(arg);
	return NULL;
}

static void same_pages(int who, const char *name)
{
	int fd = fresh();
	unsigned char *m = NULL;
	pthread_t t;
	pid_t pid = -1;

	/* The kernel tells one fsync of a store, unseen by the shim, amid a direct write. */
	tolerated = who != 1;
	*stop = 0;
	fflush(stdout);
	if (who == 0)
		pid = fork();
	if (pid == 0 || who == 1)
		m = map_it(fd, PLAIN_MMAP);
	else if (who == 2)
		m = map_it(fd, RAW_MMAP);
	if (pid == 0) {
		store_all(m);
		_exit(0);
	}
	if (who)
		NEED(pthread_create(&t, NULL, store_thread, m) == 0);
	for (int i = 0; i < 3000; i++)
		write_some(fd, pick(15) * 4096, i % 3 ? 4096 : 8192);
	*stop = 1;
	if (who)
		pthread_join(t, NULL);
	else
		say_child("the other", pid);
	for (int at = 0; at < STORED; at += 2)
		model[at] = 0x66;
	result(name, fd);
	tolerated = 0;
}

static void map_stop(void)
{
	stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(stop != MAP_FAILED);
}

static void seen_meanwhile(void)
{
	map_stop();
	same_pages(1, "a thread");
}

static void stored_meanwhile(void)
{
	map_stop();
	same_pages(0, "another process");
	same_pages(1, "a thread");
	same_pages(2, "a thread, mapped unseen");
}

/* What is read through mappings is what was written. */
static void read_mappings(void)
{
	int fd = fresh();
	unsigned char *shared = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char *private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	NEED(shared != MAP_FAILED && private != MAP_FAILED);
	for (int i = 0; i < ROUNDS; i++) {
		write_some(fd, pick(60) * 4096, 4096 * (1 + pick(4)));
		wrong += memcmp(shared, model, SIZE) != 0;
		write_some(fd, pick(SIZE), 1 + pick(9000));
		wrong += memcmp(shared, model, SIZE) != 0;
		wrong += memcmp(private, model, SIZE) != 0;
	}
	munmap(shared, SIZE);
	munmap(private, SIZE);
	result("read mappings", fd);
}

/* The program's buffer is a mapping of the file itself. */
static void self_buffer(void)
{
	int fd = fresh();
	unsigned char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned char *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	NEED(m != MAP_FAILED && p != MAP_FAILED);
	for (int i = 0; i < 50; i++) {
		long to = pick(16) * 8192, from = (32 + pick(15)) * 4096, n = i % 2 ? 8192 : 5000;

		failed += pwrite(fd, (i & 4 ? m : p) + from, (size_t)n, to) != n;
		memcpy(model + to, model + from, (size_t)n);
		failed += pread(fd, m + to, (size_t)n, from + 8192) != n;
		memcpy(model + to, model + from + 8192, (size_t)n);
	}
	munmap(m, SIZE);
	munmap(p, SIZE);
	result("self buffer", fd);
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "one_process", one_process }, { "seen", seen }, { "comings_and_goings", comings_and_goings },
		{ "other_process", other_process }, { "read_mappings", read_mappings }, { "self_buffer", self_buffer },
		{ "stored_meanwhile", stored_meanwhile }, { "seen_meanwhile", seen_meanwhile },
	};

	buf = fenced(SIZE + 4096);
	return run_steps(steps, COUNT(steps), argc, argv);
}

/*
 * shared: processes and threads that share an offset, a file, a block. Every
 * record is read exactly once; nothing written is lost. What is printed does
 * not depend on who came first.
 */
#include "transcript.h"
#include <pthread.h>

#define WORKERS 4
#define RECORDS 6000

static unsigned *counts;	/* shared with the children */
static long *tally;		/* wrong records, failures */
static int the_fd;
static long record_size;

static void record(unsigned char *r, long i, long size)
{
	uint32_t n = (uint32_t)i;

	fill(r, (size_t)size, (uint64_t)i + 1);
	memcpy(r, &n, sizeof(n));
}

static void start(long size)
{
	memset(counts, 0, RECORDS * sizeof(*counts));
	memset(tally, 0, 2 * sizeof(*tally));
	record_size = size;
}

static void make_records(const char *path, long size)
{
	unsigned char *all = malloc((size_t)(RECORDS * size));

	for (long i = 0; i < RECORDS; i++)
		record(all + i * size, i, size);
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	NEED(syscall(SYS_write, fd, all, RECORDS * size) == RECORDS * size);
	syscall(SYS_close, fd);
	free(all);
}

static void seen(const unsigned char *r)
{
	unsigned char want[4200];
	uint32_t n;

	memcpy(&n, r, sizeof(n));
	record(want, n, record_size);
	if (n >= RECORDS || memcmp(r, want, (size_t)record_size))
		__atomic_add_fetch(&tally[0], 1, __ATOMIC_RELAXED);
	else
		__atomic_add_fetch(&counts[n], 1, __ATOMIC_RELAXED);
}

static void result(const char *what)
{
	long never = 0, twice = 0;

	for (long i = 0; i < RECORDS; i++) {
		never += !counts[i];
		twice += counts[i] > 1;
	}
	printf("%s, records of %ld: never %ld, twice %ld, wrong %ld, failed %ld\n", what, record_size,
	       never, twice, tally[0], tally[1]);
}

static void fail(void)
{
	__atomic_add_fetch(&tally[1], 1, __ATOMIC_RELAXED);
}

static void *reader(void *arg)
{
	unsigned char r[4200];
	ssize_t n;

	(void)arg;
	while ((n = read(the_fd, r, (size_t)record_size)) == record_size)
		seen(r);
	if (n)
		fail();
	return NULL;
}

static void *writer(void *arg)
{
	unsigned char r[4200];

	for (long i = (long)(intptr_t)arg; i < RECORDS; i += WORKERS) {
		record(r, i, record_size);
		if (write(the_fd, r, (size_t)record_size) != record_size)
			fail();
	}
	return NULL;
}

static void *placer(void *arg)
{
	unsigned char r[4200];

	for (long i = (long)(intptr_t)arg; i < RECORDS; i += WORKERS) {
		record(r, i, record_size);
		if (pwrite(the_fd, r, (size_t)record_size, i * record_size) != record_size)
			fail();
		if (i % 16 == 0 && (pread(the_fd, r, (size_t)record_size, i * record_size) != record_size || (seen(r), 0)))
			fail();
	}
	return NULL;
}

/* Run by processes, or threads. */
static void workers(void *(*work)(void *), bool threads)
{
	pthread_t t[WORKERS];
	pid_t p[WORKERS];

	fflush(stdout);
	for (long i = 0; i < WORKERS; i++) {
		if (threads) {
			NEED(pthread_create(&t[i], NULL, work, (void *)(intptr_t)i) == 0);
		} else if (!(p[i] = fork())) {
			work((void *)(intptr_t)i);
			_exit(0);
		}
	}
	for (int i = 0; i < WORKERS; i++) {
		if (threads)
			pthread_join(t[i], NULL);
		else
			NEED(waitpid(p[i], NULL, 0) == p[i]);
	}
}

static void read_back(const char *path)
{
	unsigned char r[4200];
	int fd = raw_open(path, O_RDONLY, 0);

	memset(counts, 0, RECORDS * sizeof(*counts));
	while (syscall(SYS_read, fd, r, record_size) == record_size)
		seen(r);
	syscall(SYS_close, fd);
}

static const long sizes[] = { 37, 512, 1000, 4097 };

static void readers(void)
{
	for (size_t s = 0; s < COUNT(sizes); s++)
		for (int threads = 0; threads < 2; threads++) {
			start(sizes[s]);
			make_records("records", sizes[s]);
			the_fd = open("records", O_RDONLY);
			workers(reader, threads);
			say(lseek(the_fd, 0, SEEK_CUR), "offset");
			close(the_fd);
			result(threads ? "threads read" : "processes read");
		}
}

static void writers(void)
{
	static const struct { const char *name; int flags; } kinds[] = { { "write", 0 }, { "append", O_APPEND } };

	for (size_t s = 0; s < COUNT(sizes); s++)
		for (size_t k = 0; k < COUNT(kinds); k++)
			for (int threads = 0; threads < 2; threads++) {
				start(sizes[s]);
				unlink("records");
				the_fd = open("records", O_WRONLY | O_CREAT | kinds[k].flags, 0666);
				workers(writer, threads);
				say(lseek(the_fd, 0, SEEK_CUR), "offset");
				close(the_fd);
				read_back("records");
				result(kinds[k].name);
			}
	unlink("records");	/* in whatever order the records came */
}

static void placers(void)
{
	for (size_t s = 0; s < COUNT(sizes); s++)
		for (int threads = 0; threads < 2; threads++) {
			start(sizes[s]);
			unlink("records");
			the_fd = open("records", O_RDWR | O_CREAT, 0666);
			workers(placer, threads);
			close(the_fd);
			read_back("records");
			result(threads ? "threads place" : "processes place");
			say_file("records");
		}
}

/* Readers that share an offset at the end of a file that grows, as of a log. */
static void *follower(void *arg)
{
	unsigned char r[4200];
	ssize_t n;

	(void)arg;
	for (;;) {
		bool over = __atomic_load_n(&tally[2], __ATOMIC_SEQ_CST);

		n = read(the_fd, r, (size_t)record_size);
		if (n == record_size)
			seen(r);
		else if (n)
			fail();
		else if (over)
			return NULL;
	}
}

static void followers(void)
{
	static const long lengths[] = { 64, 512, 4096 };	/* none crosses a page */

	for (size_t s = 0; s < COUNT(lengths); s++)
		for (int threads = 0; threads < 2; threads++) {
			start(lengths[s]);
			tally[2] = 0;
			unlink("records");
			close(open("records", O_WRONLY | O_CREAT, 0666));
			the_fd = open("records", O_RDONLY);
			fflush(stdout);
			pid_t pid = fork();
			if (!pid) {
				unsigned char r[4200];
				int out = open("records", O_WRONLY | O_APPEND);

				for (long i = 0; i < RECORDS; i++) {
					record(r, i, record_size);
					if (write(out, r, (size_t)record_size) != record_size)
						fail();
					if (i % 2)
						usleep(1);	/* readers catch up: the end of the file is near */
				}
				__atomic_store_n(&tally[2], 1, __ATOMIC_SEQ_CST);
				_exit(0);
			}
			workers(follower, threads);
			say_child("writer", pid);
			close(the_fd);
			result("follow");
		}
}

/*
 * Several processes with descriptors of their own, every second one a program
 * that nothing is preloaded into: appending, and writing neighbouring records.
 */
static void mixed_worker(const char *what, long i)
{
	the_fd = open("records", !strcmp(what, "append") ? O_WRONLY | O_APPEND : O_RDWR);
	NEED(the_fd >= 0);
	if (!strcmp(what, "append"))
		writer((void *)(intptr_t)i);
	else
		placer((void *)(intptr_t)i);
	_exit(tally[0] || tally[1]);
}

static void mixed(void)
{
	static const char *const kinds[] = { "append", "place" };

	for (size_t k = 0; k < COUNT(kinds); k++)
		for (size_t s = 0; s < COUNT(sizes); s++) {
			pid_t p[WORKERS];
			char size[16], number[16];

			start(sizes[s]);
			unlink("records");
			close(open("records", O_WRONLY | O_CREAT, 0666));
			fflush(stdout);
			for (long i = 0; i < WORKERS; i++)
				if (!(p[i] = fork())) {
					char *argv[] = { "shared", "worker", (char *)(uintptr_t)kinds[k], size, number, NULL };
					char *none[] = { NULL };

					snprintf(size, sizeof(size), "%ld", sizes[s]);
					snprintf(number, sizeof(number), "%ld", i);
					syscall(SYS_execve, "/proc/self/exe", argv, i & 1 ? none : environ);
					_exit(127);
				}
			for (int i = 0; i < WORKERS; i++)
				say_child("worker", p[i]);
			read_back("records");
			result(kinds[k]);
			struct stat st;
			NEED(stat("records", &st) == 0);
			say(st.st_size, "size");
		}
}

/* No read returns what is older than the last write that had returned. */
static void freshness(void)
{
	static const struct { long size, at; } places[] = { { 8, 100 }, { 4096, 4096 }, { 5000, 8100 }, { 65536, 65536 } };
	volatile uint64_t *done = (volatile uint64_t *)(void *)tally + 8;
	uint64_t *data = calloc(1, 65536 + 8), stale = 0;

	make_file("records", 200000, 1);
	for (size_t p = 0; p < COUNT(places); p++) {
		int fd = open("records", O_RDWR);

		NEED(pwrite(fd, data, (size_t)places[p].size, places[p].at) == places[p].size);
		*done = 0;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			int mine = open("records", O_WRONLY);

			for (uint64_t v = 1; v <= 1500; v++) {
				for (long i = 0; i < places[p].size / 8; i++)
					data[i] = v;
				if (pwrite(mine, data, (size_t)places[p].size, places[p].at) != places[p].size)
					_exit(1);
				__atomic_store_n(done, v, __ATOMIC_SEQ_CST);
			}
			_exit(0);
		}
		for (uint64_t before = 0; before < 1500;) {
			before = __atomic_load_n(done, __ATOMIC_SEQ_CST);
			if (pread(fd, data, (size_t)places[p].size, places[p].at) != places[p].size)
				stale += 1000000;
			stale += data[0] < before || data[places[p].size / 8 - 1] < before;
			int st;
			if (before < 1500 && waitpid(pid, &st, WNOHANG) == pid) {
				before = 1500;
				pid = 0;
			}
		}
		if (pid)
			NEED(waitpid(pid, NULL, 0) == pid);
		close(fd);
		printf("%ld at %ld: stale %lu\n", places[p].size, places[p].at, (unsigned long)stale);
	}
	free(data);
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "readers", readers }, { "writers", writers }, { "followers", followers }, { "placers", placers }, { "mixed", mixed },
		{ "freshness", freshness },
	};

	counts = mmap(NULL, RECORDS * sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tally = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(counts != MAP_FAILED && tally != MAP_FAILED);
	if (argc == 5 && !strcmp(argv[1], "worker")) {
		record_size = atol(argv[3]);
		mixed_worker(argv[2], atol(argv[4]));
	}
	return run_steps(steps, COUNT(steps), argc, argv);
}

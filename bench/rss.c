/*
 * rss: the resident memory of this process while it does file I/O.
 *
 *	rss FILE [THREADS SECONDS]
 *
 * Prints "idle RSS PRIVATE MAPPED" in bytes after calls that need no bounce: pipe
 * I/O and aligned reads of FILE. MAPPED is the part of mappings named *dioshim*
 * (the library and its ledger). With THREADS: "busy RSS", the highest of many
 * samples while every thread reads 8 MiB at a time into a misaligned buffer.
 * All the program's own buffers are touched before the first figure.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 16, REQUEST = 8 << 20, SKEW = 13 };

static const char *path;
static char *buffers[THREADS];
static atomic_bool stop;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Sums of a file of /proc without stdio: its buffers would be in the figure. */
static void read_all(const char *name, char *text, size_t size)
{
	const int fd = open(name, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t r;

	if (fd < 0)
		die(name);
	while (got + 1 < size && (r = read(fd, text + got, size - 1 - got)) > 0)
		got += (size_t)r;
	text[got] = 0;
	close(fd);
}

static long field(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? atol(p + strlen(name)) * 1024 : 0;
}

static long mapped(const char *text, const char *name)
{
	const char *line = text;
	long sum = 0;
	bool ours = false;

	while (line && *line) {
		const char *end = strchr(line, '\n');
		const size_t n = end ? (size_t)(end - line) : strlen(line);

		if (n > 4 && strncmp(line, "Rss:", 4) == 0)
			sum += ours ? atol(line + 4) * 1024 : 0;
		else if (*line < 'A' || *line > 'Z')	/* the first line of a mapping */
			ours = memmem(line, n, name, strlen(name)) != NULL;
		line = end ? end + 1 : NULL;
	}
	return sum;
}

static void *reader(void *arg)
{
	char *buf = arg;
	const int fd = open(path, O_RDONLY);
	struct stat st;
	off_t at = 0;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	while (!atomic_load(&stop)) {
		if (pread(fd, buf + SKEW, REQUEST, at) != REQUEST)
			die("pread");
		at = at + 2 * REQUEST <= st.st_size ? at + REQUEST : 0;
	}
	close(fd);
	return NULL;
}

static void idle_calls(void)
{
	const int fd = open(path, O_RDONLY);
	int p[2];
	char byte = 0;

	if (fd < 0 || pipe(p))
		die(path);
	for (int i = 0; i < 64; i++)
		if (write(p[1], &byte, 1) != 1 || read(p[0], &byte, 1) != 1 ||
		    pread(fd, buffers[0], 65536, i * 65536) != 65536)
			die("idle calls");
	close(fd);
	close(p[0]);
	close(p[1]);
}

static long busiest(int threads, double seconds, char *text, size_t size)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	pthread_t id[THREADS];
	struct timespec t0, t;
	long most = 0;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&id[i], NULL, reader, buffers[i]))
			die("pthread_create");
	do {
		long rss;

		nanosleep(&pause, NULL);
		read_all("/proc/self/smaps_rollup", text, size);
		rss = field(text, "\nRss:");
		most = rss > most ? rss : most;
		clock_gettime(CLOCK_MONOTONIC, &t);
	} while ((double)(t.tv_sec - t0.tv_sec) + 1e-9 * (double)(t.tv_nsec - t0.tv_nsec) < seconds);
	atomic_store(&stop, true);
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	return most;
}

int main(int argc, char **argv)
{
	static char text[256 << 10];
	const int threads = argc > 3 ? atoi(argv[2]) : 1;
	long rss, private;

	if (argc < 2 || threads < 1 || threads > THREADS)
		return 2;
	path = argv[1];
	memset(text, 1, sizeof(text));
	for (int i = 0; i < threads; i++) {
		buffers[i] = mmap(NULL, REQUEST + 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (buffers[i] == MAP_FAILED)
			die("mmap");
		memset(buffers[i], 1, REQUEST + 4096);
	}
	idle_calls();
	read_all("/proc/self/smaps_rollup", text, sizeof(text));
	rss = field(text, "\nRss:");
	private = field(text, "Private_Clean:") + field(text, "Private_Dirty:");
	read_all("/proc/self/smaps", text, sizeof(text));
	dprintf(1, "idle %ld %ld %ld\n", rss, private, mapped(text, "dioshim"));
	if (argc > 3)
		dprintf(1, "busy %ld\n", busiest(threads, atof(argv[3]), text, sizeof(text)));
	return 0;
}

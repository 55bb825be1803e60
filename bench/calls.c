/*
 * calls: what a call costs on a descriptor that is no file.
 *
 *	calls zero|null|pipe COUNT [threads]
 *
 * A worker of versus: ns per call over a burst of COUNT calls. zero: read one
 * byte of /dev/zero; null: write one byte to /dev/null; pipe: write one byte to a
 * pipe and read it back (two calls, ns for each). threads: a second thread
 * sleeps beside, as in any program that has threads.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int in, out;
static char byte;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void burst_read(long n)
{
	for (long i = 0; i < n; i++)
		if (read(in, &byte, 1) != 1)
			die("read");
}

static void burst_write(long n)
{
	for (long i = 0; i < n; i++)
		if (write(out, &byte, 1) != 1)
			die("write");
}

static void burst_pipe(long n)
{
	for (long i = 0; i < n; i += 2)
		if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
			die("pipe");
}

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const long n = argc > 2 ? atol(argv[2]) : 10000;
	void (*burst)(long n);
	char go, line[64];
	pthread_t id;
	int p[2];

	if (!strcmp(what, "zero")) {
		in = open("/dev/zero", O_RDONLY);
		burst = burst_read;
	} else if (!strcmp(what, "null")) {
		out = open("/dev/null", O_WRONLY);
		burst = burst_write;
	} else if (!strcmp(what, "pipe")) {
		if (pipe(p))
			die("pipe");
		in = p[0];
		out = p[1];
		burst = burst_pipe;
	} else {
		return 2;
	}
	if (argc > 3 && pthread_create(&id, NULL, sleeper, NULL))
		die("pthread_create");
	while (read(0, &go, 1) == 1) {
		const double t = now();
		int len;

		burst(n);
		len = snprintf(line, sizeof(line), "%.3f\n", (now() - t) / (double)n);
		if (write(1, line, (size_t)len) != len)
			break;
	}
	return 0;
}

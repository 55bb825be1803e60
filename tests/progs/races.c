/*
 * Another thread changes what a number means while a request uses it. dup2 is
 * atomic: a write lands whole in one file or in the other, a read comes whole
 * from one of them, and a number that nobody else uses stays what it was made.
 *
 *     races write|read|number
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEN 20000
#define OFF 100
#define SECONDS 3

static int a, b, number;
static volatile int stop;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *flip(void *arg)
{
	(void)arg;
	while (!stop) {
		dup2(a, number);
		dup2(b, number);
	}
	return NULL;
}

static int make(const char *name, char fill, size_t size)
{
	static char block[1 << 20];
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(block, fill, sizeof(block));
	for (size_t at = 0; at < size; at += sizeof(block))
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			perror(name);
	return fd;
}

/* How many of the bytes in the file are those of this write? */
static long count(int fd, char mark)
{
	static char got[LEN];
	long n = 0;

	if (pread(fd, got, LEN, OFF) != LEN)
		return -1;
	for (int i = 0; i < LEN; i++)
		n += got[i] == mark;
	return n;
}

static void writes(void)
{
	static char data[LEN];
	long torn = 0, lost = 0;

	for (double end = now() + SECONDS; now() < end;) {
		static char mark;
		long in_a, in_b;

		mark = (char)(mark % 100 + 1);
		memset(data, mark, LEN);
		if (pwrite(number, data, LEN, OFF) != LEN)
			lost++;
		in_a = count(a, mark);
		in_b = count(b, mark);
		torn += in_a > 0 && in_a < LEN;
		torn += in_b > 0 && in_b < LEN;
		lost += in_a <= 0 && in_b <= 0;
		/* For the next round neither may hold its mark. */
		memset(data, 0, LEN);
		if (pwrite(a, data, LEN, OFF) != LEN || pwrite(b, data, LEN, OFF) != LEN)
			lost++;
	}
	printf("writes: %ld torn between two files, %ld lost\n", torn, lost);
}

static void reads(void)
{
	static char got[LEN];
	long mixed = 0;

	for (double end = now() + SECONDS; now() < end;) {
		ssize_t n = pread(number, got, LEN, OFF + 37);

		for (ssize_t i = 1; i < n; i++)
			if (got[i] != got[0]) {
				mixed++;
				break;
			}
	}
	printf("reads: %ld from two files at once\n", mixed);
}

/*
 * The first read after each dup2 makes the shim open the file once more, at
 * the lowest free number: one of those that numbers() uses.
 */
#define AGAIN 30
static int source;

static void *adopt(void *arg)
{
	char c;

	while (!stop) {
		dup2(source, AGAIN);
		if (pread(AGAIN, &c, 1, 0) != 1)
			*(long *)arg += 1;
	}
	return NULL;
}

static void numbers(void)
{
	struct stat want, is;
	long gone = 0;

	fstat(b, &want);
	for (double end = now() + SECONDS; now() < end;) {
		for (int n = 40; n < 60; n++) {
			dup2(b, n);
			for (int i = 0; i < 20; i++)
				if (fstat(n, &is) != 0 || is.st_ino != want.st_ino) {
					gone++;
					break;
				}
			close(n);
		}
	}
	printf("numbers: %ld descriptors closed behind the program's back\n", gone);
}

int main(int argc, char **argv)
{
	pthread_t t;
	long failed = 0;

	if (argc != 2)
		return 2;
	a = make("a", 'a', 1 << 20);
	b = make("b", 'b', 1 << 20);
	number = dup(a);
	source = make("c", 'c', 1 << 20);
	if (!strcmp(argv[1], "number")) {
		close(source);		/* its second descriptor goes */
		source = open("c", O_RDONLY);
		while (open("/dev/null", O_RDONLY) < 39)
			;
		pthread_create(&t, NULL, adopt, &failed);
		numbers();
	} else {
		pthread_create(&t, NULL, flip, NULL);
		if (!strcmp(argv[1], "write"))
			writes();
		else
			reads();
	}
	stop = 1;
	pthread_join(t, NULL);
	printf("%ld reads failed\n", failed);
	return 0;
}

/*
 * hz_cancel: threads cancelled in the middle of reads and writes, deferred and
 * at any moment. Their cleanup handlers run, and nothing of theirs stays behind.
 */
#include "numbers.h"
#include <pthread.h>

#define BIG (1 << 20)

static char *expect;	/* what A and M hold */
static char *buf;
static int other_fd;

static void files(void)
{
	make_file("A", BIG, 1);
	make_file("M", BIG, 1);
	if (!expect)
		expect = malloc(BIG);
	fill(expect, BIG, 1);
}

static int io_round(int m, long i)
{
	long len = 1 + i * 7919 % 100000, off = i * 104729 % 900000;

	return (pwrite(m, expect + off, (size_t)len, off) != len) +
	       (pread(m, buf + i % 3, (size_t)len, off) != len || memcmp(buf + i % 3, expect + off, (size_t)len));
}

static int cleaned;
static void cleanup(void *arg)
{
	(void)arg;
	cleaned++;
}

static void any_moment(void)
{
	NEED(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
}

static int asynchronous;

static void *blocked(void *arg)
{
	char b[100];

	pthread_cleanup_push(cleanup, NULL);
	if (asynchronous)
		any_moment();
	if (read(*(int *)arg, b, sizeof(b)) >= 0)
		printf("not blocked\n");
	pthread_cleanup_pop(0);
	return NULL;
}

static void *looping(void *arg)
{
	char *mine = buf;	/* all of them: nobody looks */
	int m = *(int *)arg;

	pthread_cleanup_push(cleanup, NULL);
	if (asynchronous)
		any_moment();
	for (long i = 0;; i++) {
		if (i % 3 == 0)
			(void)!pread(m, mine + 1, 66000, i * 4099 % 900000);
		else if (i % 3 == 1)
			(void)!pwrite(m, expect + 12288 + i % 2, 33000, 12288 + i % 2);
		else
			(void)!read(m, mine, 4096);
		if (i % 100 == 0)
			lseek(m, 0, SEEK_SET);
	}
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancelled(void *(*run)(void *), int *fd, int times, int *wrong)
{
	pthread_t t;
	void *r;

	cleaned = 0;
	for (int i = 0; i < times; i++) {
		NEED(pthread_create(&t, NULL, run, fd) == 0);
		usleep(300 + i * 37 % 1500);
		*wrong += pthread_cancel(t) || pthread_join(t, &r) || r != PTHREAD_CANCELED;
	}
	/* At any moment: perhaps before it has its handler. */
	printf("wrong %d, cleaned %d\n", *wrong, asynchronous ? cleaned > times / 2 : cleaned);
}

/* More often than any pool has chunks. */
static void both(void)
{
	int p[2], wrong = 0, m, before, list[64];

	files();
	m = open("M", O_RDWR);
	NEED(pipe(p) == 0);
	for (long k = 0; k < 20; k++)
		wrong += io_round(m, k);
	before = strangers(list, COUNT(list));
	cancelled(blocked, &p[0], 20, &wrong);
	cancelled(looping, &m, 200, &wrong);
	for (long k = 0; k < 100; k++)
		wrong += io_round(m, k);
	printf("afterwards: wrong %d, descriptors more %d\n", wrong,
	       strangers(list, COUNT(list)) - before);
	close(m);
	close(p[0]);
	close(p[1]);
	say_file("M");
}

static void deferred(void)
{
	asynchronous = 0;
	both();
}

static void any_time(void)
{
	asynchronous = 1;
	both();
}

/* Which calls act on a cancellation that is pending already? */
static int point_fd;
static volatile int reached;

static void *point(void *arg)
{
	long which = (long)(intptr_t)arg;
	struct iovec v = { buf, 4096 };
	off_t o = 0;

	pthread_cancel(pthread_self());
	switch (which) {
	case 0: (void)!read(point_fd, buf, 4096); break;
	case 1: (void)!write(point_fd, buf, 4096); break;
	case 2: (void)!pread(point_fd, buf, 100, 5); break;
	case 3: (void)!pwrite(point_fd, buf, 100, 5); break;
	case 4: (void)!readv(point_fd, &v, 1); break;
	case 5: (void)!writev(point_fd, &v, 1); break;
	case 6: (void)!preadv(point_fd, &v, 1, 0); break;
	case 7: (void)!pwritev(point_fd, &v, 1, 0); break;
	case 8: (void)!preadv2(point_fd, &v, 1, 0, 0); break;
	case 9: (void)!pwritev2(point_fd, &v, 1, 0, 0); break;
	case 10: close(open("M", O_RDONLY)); break;
	case 11: close(openat(AT_FDCWD, "M", O_RDONLY)); break;
	case 12: close(creat("made", 0666)); break;
	case 13: close(dup(point_fd)); break;
	case 14: lockf(point_fd, F_LOCK, 1); break;
	case 15: (void)!copy_file_range(other_fd, &o, point_fd, &o, 4096, 0); break;
	case 16: (void)!ftruncate(point_fd, BIG); break;
	case 17: lseek(point_fd, 0, SEEK_SET); break;
	case 18: posix_fadvise(point_fd, 0, 0, 0); break;
	case 19: fcntl(point_fd, F_GETFL); break;
	case 20: (void)!pread(-1, buf, 100, 5); break;
	default: fsync(point_fd); break;
	}
	reached = 1;
	return NULL;
}

static void points(void)
{
	pthread_t t;
	void *r;

	files();
	other_fd = open("A", O_RDWR);
	for (long i = 0; i < 22; i++) {
		point_fd = open("M", O_RDWR);
		reached = 0;
		NEED(pthread_create(&t, NULL, point, (void *)(intptr_t)i) == 0);
		pthread_join(t, &r);
		printf("call %ld: cancelled %d reached %d offset %lld\n", i, r == PTHREAD_CANCELED, reached,
		       (long long)lseek(point_fd, 0, SEEK_CUR));
		close(point_fd);
	}
	close_range(3, ~0U, 0);
	say_file("M");
}

/* A process of one thread that has cancelled itself: each call is its end. */
static void alone(void)
{
	make_file("M", BIG, 1);
	for (int i = 0; i < 4; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			int p[2], m = open("M", O_RDWR);

			NEED(pipe(p) == 0 && write(p[1], buf, 100) == 100 && read(p[0], buf, 10) == 10);
			NEED(pread(m, buf, 4096, 0) == 4096);
			pthread_cancel(pthread_self());
			switch (i) {
			case 0: (void)!read(p[0], buf, 10); break;
			case 1: (void)!write(p[1], buf, 10); break;
			case 2: (void)!pread(m, buf, 4096, 0); break;
			default: close(m); break;
			}
			_exit(7);
		}
		say_child("cancelled itself", pid);
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "deferred", deferred }, { "any_time", any_time }, { "points", points }, { "alone", alone },
	};

	buf = fenced(BIG);
	return run_steps(steps, COUNT(steps), argc, argv);
}

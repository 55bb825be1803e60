/*
 * hz_signal: signal handlers that do I/O in the middle of I/O, jumps out of
 * them, cancelled threads, small stacks. Counts of what went wrong: none.
 */
#include "transcript.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define BIG (1 << 20)

static int handler_fd, log_fd, main_fd;
static volatile long handled, handler_bad, logged;
static char *expect;	/* what A holds */
static char *buf;
static sigjmp_buf jump;
static volatile sig_atomic_t may_jump;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void on_timer(int sig)
{
	static char mine[5000];
	int e = errno;
	long off = handled * 4099 % 900000;

	(void)sig;
	if (pread(handler_fd, mine, sizeof(mine), off) != sizeof(mine) || memcmp(mine, expect + off, sizeof(mine)))
		handler_bad++;
	if (pread(main_fd, mine, 4096, 8192) != 4096 || memcmp(mine, expect + 8192, 4096))
		handler_bad++;
	if (handled % 7 == 0) {
		int fd = open("A", O_RDONLY);
		if (read(fd, mine, 3000) != 3000 || memcmp(mine, expect, 3000) || close(fd))
			handler_bad++;
	}
	if (write(log_fd, "handled one signal\n", 19) != 19)
		handler_bad++;
	logged += 19;
	handled++;
	errno = e;
	if (may_jump) {
		may_jump = 0;
		siglongjmp(jump, 1);
	}
}

static void every(long us)
{
	struct itimerval t = { { 0, us }, { 0, us } };

	NEED(setitimer(ITIMER_REAL, &t, NULL) == 0);
}

static void files(void)
{
	make_file("A", BIG, 1);
	make_file("M", BIG, 1);
	if (!expect)
		expect = malloc(BIG);
	fill(expect, BIG, 1);
	handler_fd = open("A", O_RDONLY);
	main_fd = open("A", O_RDWR);
	log_fd = open("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
	NEED(handler_fd >= 0 && main_fd >= 0 && log_fd >= 0);
	handled = handler_bad = logged = 0;
}

static void done(void)
{
	struct stat st;

	every(0);
	NEED(fstat(log_fd, &st) == 0);
	printf("handler wrong %ld, log wrong %d, handled some %d\n", handler_bad, st.st_size != logged, handled > 50);
	close(handler_fd);
	close(main_fd);
	close(log_fd);
	unlink("log");
}

/* One round of reading and writing; the number of things that went wrong. */
static int io_round(int m, long i)
{
	long len = 1 + i * 7919 % 100000, off = i * 104729 % 900000;
	int wrong = 0;

	if (i % 3 == 0)
		len = 65536, off &= ~4095L;
	wrong += pwrite(m, expect + off, (size_t)len, off) != len;
	wrong += pread(m, buf + i % 3, (size_t)len, off) != len || memcmp(buf + i % 3, expect + off, (size_t)len);
	lseek(m, off, SEEK_SET);
	wrong += read(m, buf, (size_t)len) != len || memcmp(buf, expect + off, (size_t)len);
	wrong += lseek(m, 0, SEEK_CUR) != off + len;
	return wrong;
}

/* No SA_RESTART: calls on files are not interrupted all the same. */
static void timer(void)
{
	struct sigaction sa = { .sa_handler = on_timer };
	double end = now() + 3;
	int wrong = 0, m;

	files();
	m = open("M", O_RDWR);
	sigaction(SIGALRM, &sa, NULL);
	every(1000);
	for (long i = 0; now() < end; i++)
		wrong += io_round(m, i);
	done();
	printf("wrong %d\n", wrong);
	close(m);
	say_file("M");
}

/* Jumps out of the handler, and so out of whatever call was running. */
static void jumps(void)
{
	struct sigaction sa = { .sa_handler = on_timer };
	volatile int wrong = 0, jumped = 0;
	volatile long i = 0;
	volatile double end = now() + 2;
	int m;

	files();
	m = open("M", O_RDWR);
	sigaction(SIGALRM, &sa, NULL);
	every(1000);
	while (now() < end) {
		if (sigsetjmp(jump, 1)) {
			jumped++;
			continue;
		}
		may_jump = 1;
		io_round(m, i++);
		may_jump = 0;
	}
	may_jump = 0;
	done();
	printf("jumped some %d\n", jumped > 50);
	for (long k = 0; k < 300; k++)
		wrong += io_round(m, k);
	printf("wrong afterwards %d\n", wrong);
	close(m);
}

/*
 * The handler forks, and the child returns from it, into the middle of
 * whatever its parent was doing.
 */
static volatile pid_t in_child;

static void on_timer_fork(int sig)
{
	(void)sig;
	if (in_child || handled >= 100)
		return;
	handled++;
	pid_t pid = fork();
	if (!pid) {
		in_child = getpid();
		alarm(10);	/* if it hangs */
	} else if (pid > 0) {
		int st;

		if (waitpid(pid, &st, 0) != pid || st)
			handler_bad++;
	}
}

/* Without the file offset, which the child shares. */
static int placed_round(int m, long i)
{
	long len = 1 + i * 7919 % 300000, off = i * 104729 % 700000;

	if (i % 3 == 0)
		len = 65536, off &= ~4095L;
	return (pread(m, buf + i % 3, (size_t)len, off) != len || memcmp(buf + i % 3, expect + off, (size_t)len)) +
	       (pwrite(m, expect + off, (size_t)len, off) != len);
}

static void handler_forks(void)
{
	struct sigaction sa = { .sa_handler = on_timer_fork, .sa_flags = SA_RESTART };
	int wrong = 0, m;

	files();
	m = open("M", O_RDWR);
	sigaction(SIGALRM, &sa, NULL);
	every(2000);
	for (long i = 0; handled < 100; i++) {
		wrong += placed_round(m, i);
		if (in_child) {
			wrong += placed_round(m, i);
			_exit(wrong);
		}
	}
	every(0);
	printf("children wrong %ld, wrong %d\n", handler_bad, wrong);
	close(m);
	close_range(3, ~0U, 0);
	unlink("log");
}

/* The handler on a small stack of its own; threads with small stacks. */
static void *small_thread(void *arg)
{
	long wrong = 0;
	int m = open("M", O_RDWR);

	for (long i = 0; i < 50; i++) {
		char b[600];

		wrong += pread(m, b, sizeof(b), i * 700) != sizeof(b) || memcmp(b, expect + i * 700, sizeof(b));
		wrong += pwrite(m, expect + i * 4000, 9000, i * 4000) != 9000;
		struct iovec v[8];
		for (int k = 0; k < 8; k++)
			v[k] = (struct iovec){ expect + i * 100 + k * 1000, 1000 };
		wrong += pwritev(m, v, 8, i * 100) != 8000;
	}
	close(m);
	*(long *)arg += wrong;
	return NULL;
}

static void small_stacks(void)
{
	stack_t ss = { .ss_sp = fenced(16384), .ss_size = 16384 };
	struct sigaction sa = { .sa_handler = on_timer, .sa_flags = SA_ONSTACK };
	pthread_attr_t attr;
	pthread_t t;
	long wrong = 0;
	int m;

	files();
	m = open("M", O_RDWR);
	NEED(sigaltstack(&ss, NULL) == 0);
	sigaction(SIGALRM, &sa, NULL);
	every(1000);
	for (long i = 0; handled < 100; i++)
		wrong += io_round(m, i);
	done();
	close(m);
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)sysconf(_SC_THREAD_STACK_MIN) + 4096);
	for (int i = 0; i < 5; i++) {
		NEED(pthread_create(&t, &attr, small_thread, &wrong) == 0);
		pthread_join(t, NULL);
	}
	printf("wrong %ld\n", wrong);
}

static int cleaned;
static void cleanup(void *arg)
{
	(void)arg;
	cleaned++;
}

static void *blocked(void *arg)
{
	char b[100];

	pthread_cleanup_push(cleanup, NULL);
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

static void cancel(void)
{
	pthread_t t;
	void *r;
	int p[2], wrong = 0, m;

	files();
	m = open("M", O_RDWR);
	NEED(pipe(p) == 0);
	cleaned = 0;
	for (int i = 0; i < 20; i++) {
		NEED(pthread_create(&t, NULL, blocked, &p[0]) == 0);
		usleep(i % 4 * 500);
		wrong += pthread_cancel(t) || pthread_join(t, &r) || r != PTHREAD_CANCELED;
	}
	printf("pipe: wrong %d, cleaned %d\n", wrong, cleaned);
	for (int i = 0; i < 200; i++) {		/* more than any pool has chunks */
		NEED(pthread_create(&t, NULL, looping, &m) == 0);
		usleep(500 + i * 37 % 1500);
		wrong += pthread_cancel(t) || pthread_join(t, &r) || r != PTHREAD_CANCELED;
	}
	printf("file: wrong %d, cleaned %d\n", wrong, cleaned);
	for (long k = 0; k < 100; k++)
		wrong += io_round(m, k);
	printf("afterwards: wrong %d\n", wrong);
	close(m);
	close(p[0]);
	close(p[1]);
	close(handler_fd);
	close(main_fd);
	close(log_fd);
	say_file("M");
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
	case 15: (void)!copy_file_range(main_fd, &o, point_fd, &o, 4096, 0); break;
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

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "timer", timer }, { "jumps", jumps }, { "handler_forks", handler_forks }, { "small_stacks", small_stacks }, { "cancel", cancel }, { "points", points },
	};

	buf = fenced(BIG);
	return run_steps(steps, COUNT(steps), argc, argv);
}

/*
 * hz_signal: signal handlers that do I/O in the middle of I/O, jumps out of
 * them, forks inside them, small stacks. Counts of what went wrong: none.
 *
 *   hz_signal [seconds=N] [STEP...]      N for each of timer and jumps
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
static double seconds;

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
	double end = now() + (seconds > 0 ? seconds : 3);
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
	volatile double end = now() + (seconds > 0 ? seconds : 2);
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

		if (waitpid(pid, &st, 0) != pid || st) {
			handler_bad++;
			fprintf(stderr, "child's status %#x\n", st);
		}
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

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "timer", timer }, { "jumps", jumps }, { "handler_forks", handler_forks }, { "small_stacks", small_stacks },
	};

	buf = fenced(BIG);
	if (argc > 1 && sscanf(argv[1], "seconds=%lf", &seconds) == 1)
		argv++, argc--;
	return run_steps(steps, COUNT(steps), argc, argv);
}

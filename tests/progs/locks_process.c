/*
 * locks_process: held over exec, beside children, neighbours and threads that
 * wait for them.
 */
#include "locks.h"
#include <pthread.h>
#include <spawn.h>

static void children(void)
{
	int a = fresh("a");

	set(a, F_SETLK, F_WRLCK, 5, 5);
	traffic(a);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		say(set(a, F_SETLK, F_WRLCK, 5, 5), "child's lock");
		say(set(a, F_SETLK, F_WRLCK, 50, 5), "child's own lock");
		traffic(a);
		say(close(a), "child's close");
		a = open("a", O_RDWR);
		traffic(a);
		fflush(stdout);
		_exit(0);
	}
	say_child("child", pid);
	look("a", "after the child");
	char *argv[] = { "true", NULL };
	for (int i = 0; i < 3; i++) {
		NEED(posix_spawnp(&pid, "true", NULL, NULL, argv, environ) == 0);
		say_child("spawned", pid);
	}
	pid = vfork();
	if (!pid) {
		close(a);
		execlp("true", "true", NULL);
		_exit(127);
	}
	say_child("vforked", pid);
	say(system("exit 3") >> 8, "system");
	look("a", "after more children");
	traffic(a);
	look("a", "traffic");
	close(a);
}

/* A child has none of its parent's locks: what they forbade is free for it. */
static void child_routes(void)
{
	int a = fresh("a");

	set(a, F_SETLK, F_WRLCK, 5, 5);
	for (int i = 0; i < 3; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			int b = open("a", O_WRONLY);

			say(pwrite(b, buf, 8192, 4096 + i * 8192), "the child's write");
			close(b);
			fflush(stdout);
			_exit(0);
		}
		say_child("child", pid);
	}
	look("a", "after the children");
	close(a);
}

/*
 * Another process that locks the first ten bytes of "a", until the writing
 * end of q is closed.
 */
static pid_t neighbour(short type, int p[2], int q[2])
{
	char c = 0;

	NEED(pipe(p) == 0 && pipe(q) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		int mine = open("a", O_RDWR);

		NEED(set(mine, F_SETLK, type, 0, 10) == 0 && write(p[1], &c, 1) == 1);
		NEED(close(q[1]) == 0 && read(q[0], &c, 1) == 0);
		_exit(0);
	}
	NEED(read(p[0], &c, 1) == 1);
	return pid;
}

/* Another process's lock stands before ours in the kernel's list. */
static void neighbours(void)
{
	int a = fresh("a"), p[2], q[2];
	pid_t pid = neighbour(F_RDLCK, p, q);

	say(set(a, F_SETLK, F_RDLCK, 5, 20), "shared with a neighbour");
	traffic(a);
	for (int i = 0; i < 3; i++) {
		int b = open("b", O_RDWR | O_CREAT, 0666);

		say(pwrite(b, buf, 4096, 0), "another file");
		close(b);
		say(fcntl(a, F_SETFL, i % 2 ? 0 : O_APPEND), "other flags");
		traffic(a);
	}
	look("a", "two holders");
	say(set(a, F_SETLK, F_WRLCK, 0, 5), "the neighbour's");
	close(q[1]);
	say_child("neighbour", pid);
	look("a", "one holder");
	traffic(a);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(a);
}

/* A thread waits for a lock; meanwhile others work, and fork. */
static void *waiter(void *arg)
{
	return (void *)(intptr_t)set(*(int *)arg, F_SETLKW, F_WRLCK, 0, 10);
}

static void waiting(void)
{
	int a = fresh("a"), b, p[2], q[2];
	pthread_t t;
	void *r;
	pid_t pid = neighbour(F_WRLCK, p, q);

	NEED(pthread_create(&t, NULL, waiter, &a) == 0);
	usleep(50000);
	b = fresh("b");
	traffic(b);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		int d = fresh("d");

		close(q[1]);
		say(set(d, F_SETLK, F_WRLCK, 0, 10), "the child's lock");
		traffic(d);
		close(b);
		look("d", "child");
		fflush(stdout);
		_exit(0);
	}
	say_child("child", child);
	close(q[1]);
	pthread_join(t, &r);
	say((long)(intptr_t)r, "waited");
	say_child("holder", pid);
	traffic(a);
	traffic(b);
	look("a", "ours now");
	close(b);
	close(a);
}

/* In the program that the lock is held over exec into. */
static int after_exec(int argc, char **argv)
{
	int fd = argc > 2 ? atoi(argv[2]) : -1;

	look("a", "after exec");
	if (fd >= 0) {
		if (argc > 3 && !strcmp(argv[3], "loop")) {
			for (int i = 3; i < 20000; i++)	/* all but the locked one */
				if (i != fd)
					close(i);
			look("a", "closing loop after exec");
			traffic(fd);
			look("a", "traffic after exec");
			return 0;
		}
		traffic(fd);
		look("a", "traffic after exec");
		if (argc > 3) {
			execl("/proc/self/exe", "locks_process", "after_exec", argv[2], NULL);
			_exit(127);
		}
		say(close(fd), "close after exec");
		look("a", "closed after exec");
	}
	return 0;
}

static void over_exec(void)
{
	for (int i = 0; i < 7; i++) {
		fflush(stdout);
		pid_t pid = fork();

		if (!pid) {
			int a = fresh("a"), b = i == 2 ? open("a", O_RDWR | O_CLOEXEC) : -1;
			char n[16];

			snprintf(n, sizeof(n), "%d", a);
			if (i != 3)
				traffic(a);
			if (b >= 0)
				traffic(b);
			set(a, F_SETLK, F_WRLCK, 5, 5);
			if (i == 3)
				set(a, F_OFD_SETLK, F_WRLCK, 500, 5);
			traffic(a);
			fcntl(a, F_SETFD, i == 1 ? FD_CLOEXEC : 0);
			look("a", "before exec");
			fflush(stdout);
			if (i == 4)	/* an exec that fails changes nothing */
				execl("./nothing", "nothing", NULL), look("a", "exec failed"), traffic(a), fflush(stdout);
			execl("/proc/self/exe", "locks_process", "after_exec", i == 1 ? NULL : n, i == 5 ? "once more" : i == 6 ? "loop" : NULL, NULL);
			_exit(127);
		}
		say_child("over exec", pid);
		look("a", "ended");
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "children", children }, { "child_routes", child_routes }, { "over_exec", over_exec }, { "neighbours", neighbours }, { "waiting", waiting },
	};

	if (argc == 3 && !strcmp(argv[1], "probe"))
		return probe(argv[2]);
	buf = fenced(16384);
	fill(buf, 16384, 2);
	if (argc > 1 && !strcmp(argv[1], "after_exec"))
		return after_exec(argc, argv);
	return run_steps(steps, COUNT(steps), argc, argv);
}

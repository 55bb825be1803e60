/*
 * hz_clone: children that libc knows nothing about: raw clone and fork, shared
 * descriptors, shared memory, a thread with descriptors of its own.
 */
#include "hz_process.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>

/* Children that libc knows nothing about. */
static void raw_children(void)
{
	files();
	int fd = open("A", O_RDWR);

	look(fd, "A");
	for (long i = 0; i < 30; i++) {
		fflush(stdout);
		long pid = i % 3 == 0 ? syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L) :
#ifdef SYS_fork
			   i % 3 == 1 ? syscall(SYS_fork) :
#endif
			   syscall(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
		if (!pid) {
			alarm(20);
			syscall(SYS_exit_group, child_io(fd, i));
		}
		int st;
		NEED(pid > 0 && waitpid((pid_t)pid, &st, 0) == pid);
		if (st)
			printf("raw child %ld: status %x\n", i, st);
		look(fd, "A");
	}
	close(fd);
	say_file("A");
	say_file("own");
	unlink("own");
}

/* A child that shares the descriptors but not the memory, or the reverse. */
static int shares(void *arg)
{
	int *fds = arg;

	close(fds[0]);
	return open("B", O_RDWR) == fds[0] ? 0 : 1;
}

static void clones(void)
{
	char *stack = fenced(65536);
	int st, before = extra();

	files();
	for (int i = 0; i < 3; i++) {
		int a = open("A", O_RDWR);
		int flags = i == 0 ? CLONE_FILES : i == 1 ? CLONE_VM | CLONE_VFORK : CLONE_VM | CLONE_FILES | CLONE_VFORK;

		look(a, "A");
		fflush(stdout);
		pid_t pid = clone(shares, stack + 65536, flags | SIGCHLD, &a);
		NEED(pid > 0 && waitpid(pid, &st, 0) == pid);
		printf("clone %d: %x\n", i, (unsigned)st);
		look(a, i == 1 ? "still A" : "B now");
		say(pwrite(a, "where is this", 13, 70000 + i), "pwrite");
		close(a);
		say_file("A");
		say_file("B");
	}
	printf("descriptors more %d\n", extra() - before);
}

/*
 * Another process in the same memory, with the same descriptors, and at the
 * same time. Both open and close; so numbers are not told.
 */
static int clone_bad, clone_over;

static void both_work(const char *name, int rounds)
{
	static __attribute__((aligned(4096))) char pages[2][16384];
	char *mine = pages[*name == 'A'], *want = malloc(100000);
	int wrong = 0;

	fill(want, 100000, *name == 'A' ? 1 : 2);
	for (int i = 0; i < rounds; i++) {
		int fd = open(name, O_RDWR), n = i % 3 ? 8192 : 777, off = i * 331 % 80000;

		wrong += pread(fd, mine + i % 2, (size_t)n, off) != n || memcmp(mine + i % 2, want + off, (size_t)n);
		wrong += pwrite(fd, want + off / 4096 * 4096, 8192, off / 4096 * 4096) != 8192;
		wrong += read(fd, mine, 5000) != 5000 || memcmp(mine, want, 5000);
		wrong += close(fd) != 0;
	}
	free(want);
	__atomic_add_fetch(&clone_bad, wrong, __ATOMIC_SEQ_CST);
}

static int beside(void *arg)
{
	(void)arg;
	both_work("B", 300);
	__atomic_store_n(&clone_over, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_exit, 0);
	return 0;
}

static void same_memory(void)
{
	char *stack = fenced(1 << 18);
	int st, before = extra();

	files();
	for (int i = 0; i < 2; i++) {
		clone_bad = clone_over = 0;
		fflush(stdout);
		pid_t pid = clone(beside, stack + (1 << 18), CLONE_VM | (i ? CLONE_FILES : 0) | SIGCHLD, NULL);
		NEED(pid > 0);
		if (i)		/* at the same time */
			both_work("A", 300);
		NEED(waitpid(pid, &st, 0) == pid);
		both_work("A", 100);
		printf("descriptors %s: status %x wrong %d\n", i ? "shared" : "copied", (unsigned)st, clone_bad);
	}
	say_file("A");
	say_file("B");
	printf("descriptors more %d\n", extra() - before);
}

/*
 * Threads whose files are opened a second time all the while; a child must not
 * find a low number open that was on its way up in the parent, nor wait for
 * requests of threads that it does not have.
 */
#define SLOT 30
static int adopting, source, sources[3];

/* The first call after each dup2 opens the file once more. */
static void *adopter(void *arg)
{
	int k = (int)(intptr_t)arg;
	char *b = fenced(65536);

	for (long i = 0; __atomic_load_n(&adopting, __ATOMIC_SEQ_CST); i++) {
		long n = i % 4 ? 0 : 50000;

		dup2(sources[k], SLOT + k);
		NEED(pread(SLOT + k, b + 1, (size_t)n, 1) == n);
	}
	return NULL;
}

static int stray_child(void)
{
	char b[4096];

	alarm(8);	/* should it wait */
	if (pread(source, b, sizeof(b), 0) != sizeof(b))
		return 1;
	for (int fd = 3; fd < 200; fd++)
		if (fd > sources[2] && (fd < SLOT || fd > SLOT + 2) && unseen(SYS_fcntl, fd, F_GETFD) >= 0)
			return 2;
	for (int i = 0; i < 3; i++)
		close(SLOT + i);
	return 0;
}

static void strays_of(bool raw)
{
	pthread_t t[3];
	int st, wrong[4] = { 0 };

	files();
	close_range(3, ~0U, 0);
	source = open("A", O_RDWR);
	for (int i = 0; i < 3; i++) {
		sources[i] = open(i ? i == 1 ? "B" : "C" : "A", O_RDONLY);
		dup2(sources[i], SLOT + i);
	}
	adopting = 1;
	for (long i = 0; i < 3; i++)
		NEED(pthread_create(&t[i], NULL, adopter, (void *)(intptr_t)i) == 0);
	fflush(stdout);
	for (int i = 0; i < 150; i++) {
		pid_t pid = raw ? (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L) : fork();

		if (!pid)
			syscall(SYS_exit_group, stray_child());
		NEED(pid > 0 && waitpid(pid, &st, 0) == pid);
		wrong[WIFSIGNALED(st) ? 3 : WEXITSTATUS(st) < 3 ? WEXITSTATUS(st) : 3]++;
		if (WIFSIGNALED(st))
			break;
	}
	adopting = 0;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	/* A raw clone takes the descriptors and the memory at two moments: no one can say of all of them whose they are. */
	if (raw)
		wrong[0] += wrong[2], wrong[2] = 0;
	printf("%s: right %d, cannot read %d, found a stranger %d, else %d\n", raw ? "raw clone" : "fork", wrong[0], wrong[1],
	       wrong[2], wrong[3]);
	close_range(3, ~0U, 0);
}

static void strays(void)
{
	strays_of(false);
}

static void raw_strays(void)
{
	strays_of(true);
}

/* A thread with a table of descriptors of its own: its numbers mean other files. */
static void *unshared_thread(void *arg)
{
	int *fds = arg;

	NEED(unshare(CLONE_FILES) == 0);
	look(fds[0], "thread, inherited A");
	close(fds[0]);
	fds[2] = open("C", O_RDWR);
	printf("thread: C at A's number %d\n", fds[2] == fds[0]);
	look(fds[2], "thread, C");
	say(pwrite(fds[2], "the thread's", 12, 8190), "thread, pwrite C");
	look(fds[1], "thread, B");
	close(fds[1]);
	fds[3] = open("A", O_RDONLY);
	look(fds[3], "thread, A");
	say(close_range(3, ~0U, 0), "thread, close_range");
	return NULL;
}

static void unshared(void)
{
	pthread_t t;
	int fds[4];

	files();
	for (int i = 0; i < 3; i++) {
		fds[0] = open("A", O_RDWR);
		fds[1] = open("B", O_RDWR);
		if (i)
			look(fds[0], "A");
		if (i == 2)
			look(fds[1], "B");
		NEED(pthread_create(&t, NULL, unshared_thread, fds) == 0);
		pthread_join(t, NULL);
		look(fds[0], "A again");
		look(fds[1], "B again");
		say(pwrite(fds[0], buf, 8192, 8192), "pwrite A");
		close(fds[0]);
		close(fds[1]);
	}
	say_file("A");
	say_file("B");
	say_file("C");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "raw_children", raw_children }, { "clones", clones }, { "same_memory", same_memory }, { "strays", strays }, { "raw_strays", raw_strays },
		{ "unshared", unshared },
	};

	buf = fenced(16384);
	return run_steps(steps, COUNT(steps), argc, argv);
}

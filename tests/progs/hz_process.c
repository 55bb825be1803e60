/*
 * hz_process: vfork, posix_spawn, fork beside threads, _Fork, raw clone and
 * exec: children that run in the parent's memory, or with a copy of it that
 * nobody prepared, or after it is gone.
 */
#include "transcript.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>

static char *buf;

static void files(void)
{
	make_file("A", 100000, 1);
	make_file("B", 100000, 2);
	make_file("C", 100000, 3);
}

static void look(int fd, const char *what)
{
	memset(buf, 0, 16384);
	long r = pread(fd, buf, 8192, 0);
	printf("%s: pread %ld %016llx", what, r, (unsigned long long)hash(buf, 16384));
	r = read(fd, buf + 1, 5000);
	printf(" read %ld %016llx\n", r, (unsigned long long)hash(buf, 16384));
}

/* The child's dup2 and close happen in the parent's memory. */
static void vforked(void)
{
	files();
	static int a, b, c;	/* static: kept across vfork */
	char *argv[] = { "sh", "-c", "echo to stdout; cat >&2; echo end >&2", NULL };

	a = open("A", O_RDWR);
	b = open("B", O_RDWR);
	look(a, "A");
	look(b, "B");
	for (int i = 0; i < 4; i++) {
		c = open("C", O_RDWR | O_APPEND);
		NEED(pwrite(c, "x", 1, 0) == 1);
		fflush(stdout);
		pid_t pid = vfork();
		if (!pid) {
			dup2(a, 0);		/* A becomes the child's stdin */
			dup2(c, 1);
			dup2(c, 2);
			if (i & 1)
				dup2(0, b);	/* and stands where B is */
			if (i & 2)
				close_range(3, ~0U, 0);
			close(a);
			close(c);
			if (i == 3)
				_exit(9);
			execvp("sh", argv);
			_exit(127);
		}
		say_child("vforked", pid);
		look(a, "A");
		look(b, "B");
		say(write(c, buf, 4096), "append");
		close(c);
	}
	say(pwrite(b, buf, 8192, 8192), "B written");
	close(a);
	close(b);
	say_file("A");
	say_file("B");
	say_file("C");
}

static void spawned(void)
{
	char *argv[] = { "sh", "-c", "cat; echo spawned; echo error >&2", NULL };
	posix_spawn_file_actions_t fa;
	int st;
	pid_t pid;

	files();
	for (int i = 0; i < 3; i++) {
		int a = open("A", O_RDONLY | (i ? O_CLOEXEC : 0)), c = open("C", O_RDWR | O_APPEND);

		look(a, "A");
		lseek(a, 99990, SEEK_SET);
		posix_spawn_file_actions_init(&fa);
		posix_spawn_file_actions_adddup2(&fa, a, 0);
		posix_spawn_file_actions_addopen(&fa, 1, "out", O_WRONLY | O_CREAT | O_APPEND, 0666);
		posix_spawn_file_actions_adddup2(&fa, c, 2);
		posix_spawn_file_actions_addclose(&fa, c);
#if __GLIBC_PREREQ(2, 34)
		if (i == 2)
			posix_spawn_file_actions_addclosefrom_np(&fa, 3);
#endif
		say(posix_spawnp(&pid, "sh", &fa, NULL, argv, environ), "posix_spawn");
		NEED(waitpid(pid, &st, 0) == pid);
		say(st, "status");
		posix_spawn_file_actions_destroy(&fa);
		say(lseek(a, 0, SEEK_CUR), "offset");
		say(write(c, buf, 100), "append");
		look(a, "A");
		close(a);
		close(c);
	}
	say(posix_spawn(&pid, "./nothing", NULL, NULL, argv, environ), "posix_spawn of nothing");
	FILE *p = popen("cat A | wc -c", "r");
	char line[64] = "";
	if (!fgets(line, sizeof(line), p))
		printf("nothing\n");
	printf("popen: %s", line);
	say(pclose(p), "pclose");
	say_file("out");
	say_file("C");
}

/* Threads in the middle of I/O while others fork. */
static int stop;
static long bad;

static void *busy(void *arg)
{
	long n = (long)(intptr_t)arg;
	char *mine = fenced(16384), *back = fenced(16384);
	char name[16];

	snprintf(name, sizeof(name), "busy%ld", n);
	int fd = open(name, O_RDWR | O_CREAT, 0666);
	for (long i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		long len = 1 + i * 977 % 12000, off = i * 331 % 50000;

		fill(mine, (size_t)len, (uint64_t)i);
		if (pwrite(fd, mine, (size_t)len, off) != len || pread(fd, back + i % 7, (size_t)len, off) != len ||
		    memcmp(mine, back + i % 7, (size_t)len))
			__atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
		if (i % 50 == 0) {
			close(fd);
			fd = open(name, O_RDWR);
		}
	}
	close(fd);
	return NULL;
}

static int child_io(int fd, long i)
{
	char mine[5000], back[5000];
	int own = open("own", O_RDWR | O_CREAT, 0666);

	fill(mine, sizeof(mine), (uint64_t)i);
	if (pread(fd, back, 4096, 4096) != 4096)
		return 1;
	if (pwrite(own, mine, sizeof(mine), i * 7) != sizeof(mine))
		return 2;
	if (pread(own, back, sizeof(back), i * 7) != sizeof(back) || memcmp(mine, back, sizeof(mine)))
		return 3;
	if (pwrite(fd, mine, 4096, 50000) != 4096 || close(own) || close(fd))
		return 4;
	return 0;
}

static void forks_and_threads(void)
{
	pthread_t t[3];
	int st, wrong = 0;

	files();
	stop = 0;
	bad = 0;
	int fd = open("A", O_RDWR);
	look(fd, "A");
	fflush(stdout);
	for (long i = 0; i < 3; i++)
		NEED(pthread_create(&t[i], NULL, busy, (void *)(intptr_t)i) == 0);
	for (long i = 0; i < 200; i++) {
#if __GLIBC_PREREQ(2, 34)
		pid_t pid = i % 3 == 2 ? _Fork() : fork();
#else
		pid_t pid = fork();
#endif
		if (!pid) {
			alarm(20);	/* a deadlock is death */
			_exit(child_io(fd, i));
		}
		NEED(pid > 0 && waitpid(pid, &st, 0) == pid);
		if (st)
			printf("child %ld: status %x\n", i, st);
		wrong += st != 0;
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("children wrong %d, threads wrong %ld\n", wrong, bad);
	look(fd, "A");
	close(fd);
	unlink("own");
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "busy%d", i);
		unlink(name);
	}
}

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
	int st;

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

/* Buffers, descriptors and offsets over exec. */
static void execs(void)
{
	files();
	for (int i = 0; i < 3; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			int a = open("A", O_RDWR), b = open("B", O_RDWR | O_CLOEXEC);
			char n[16];

			look(a, "before exec");
			look(b, "before exec");
			fflush(stdout);
			snprintf(n, sizeof(n), "%d", a);
			if (i == 0)
				execl("/proc/self/exe", "hz_process", "inherit", n, NULL);
			else if (i == 1)
				fexecve(open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
					(char *[]){ "hz_process", "inherit", n, NULL }, environ);
			else
				syscall(SYS_execve, "/proc/self/exe", (char *[]){ "hz_process", "inherit", n, NULL }, environ);
			_exit(127);
		}
		say_child("exec", pid);
		say_file("A");
	}
}

static int inherit(int fd)
{
	say(lseek(fd, 0, SEEK_CUR), "inherited, offset");
	look(fd, "inherited");
	say(write(fd, buf, 4096), "write");
	say(fcntl(fd + 1, F_GETFD), "the other one");
	say(open("B", O_RDONLY) - fd, "next number");
	fflush(stdout);
	close(fd);
	return 0;
}

/* Every way to end; what was written is there. */
static void ends(void)
{
	files();
	for (int i = 0; i < 6; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			int a = open("A", O_RDWR);

			NEED(pwrite(a, "the end is near", 15, 4090 + i * 10000) == 15);
			NEED(pwrite(a, buf, 8192, 8192 + i * 8192) == 8192);
			switch (i) {
			case 0: exit(3);
			case 1: _exit(4);
			case 2: setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); abort();
			case 3: kill(getpid(), SIGKILL); pause(); break;
			case 4: syscall(SYS_exit_group, 5); break;
			default: quick_exit(6);
			}
		}
		say_child("ended", pid);
		say_file("A");
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "vforked", vforked }, { "spawned", spawned }, { "forks_and_threads", forks_and_threads },
		{ "raw_children", raw_children }, { "clones", clones }, { "unshared", unshared }, { "execs", execs }, { "ends", ends },
	};

	buf = fenced(16384);
	if (argc == 3 && !strcmp(argv[1], "inherit"))
		return inherit(atoi(argv[2]));
	return run_steps(steps, COUNT(steps), argc, argv);
}

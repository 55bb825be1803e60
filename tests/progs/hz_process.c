/*
 * hz_process: vfork, posix_spawn, fork beside threads, exec and every end:
 * children that run in the parent's memory, or with a copy of it, or after it
 * is gone.
 */
#include "hz_process.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>

/* The child's dup2 and close happen in the parent's memory. */
static void vforked(void)
{
	files();
	static int a, b, c, before;	/* static: kept across vfork */
	char *argv[] = { "sh", "-c", "echo to stdout; cat >&2; echo end >&2", NULL };

	a = open("A", O_RDWR);
	b = open("B", O_RDWR);
	look(a, "A");
	look(b, "B");
	before = extra();
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
	printf("descriptors more %d\n", extra() - before);
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

/* What a program finds when it starts: "hz_process found", or "bare", with nothing preloaded. */
static int found(bool bare)
{
	unsigned long mask = 0, ignored = 0;
	struct sigaction sa;

	unseen(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8L);
	for (int i = 1; i < 32; i++)
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			ignored |= 1UL << i;
	printf("blocked %lx ignored %lx, group %d session %d, open", mask, ignored, getpgrp() == getpid(), getsid(0) == getpid());
	for (int i = 0; i < 40; i++)
		if (unseen(SYS_fcntl, i, F_GETFD) >= 0)
			printf(" %d", i);
	if (bare)
		printf(", above that %d", extra());
	printf("\n");
	fflush(stdout);
	return 0;
}

/* In the middle of I/O: signal masks, groups and handlers are those asked for. */
static void attributes(void)
{
	static const short flags[] = { 0, POSIX_SPAWN_SETSIGMASK, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF,
		POSIX_SPAWN_SETPGROUP, POSIX_SPAWN_SETSID, POSIX_SPAWN_USEVFORK | POSIX_SPAWN_RESETIDS };
	char *argv[] = { "hz_process", "found", NULL };
	char self[PATH_MAX], line[4200];
	posix_spawnattr_t attr;
	sigset_t set;
	pid_t pid;

	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	NEED(length > 0);
	self[length] = '\0';
	files();
	int a = open("A", O_RDWR), b = open("B", O_RDWR | O_CLOEXEC);
	look(a, "A");
	look(b, "B");
	signal(SIGUSR2, SIG_IGN);
	for (size_t i = 0; i < COUNT(flags); i++) {
		sigemptyset(&set);
		sigaddset(&set, i == 2 ? SIGUSR2 : SIGUSR1);
		NEED(posix_spawnattr_init(&attr) == 0 && posix_spawnattr_setflags(&attr, flags[i]) == 0);
		NEED(posix_spawnattr_setsigmask(&attr, &set) == 0 && posix_spawnattr_setsigdefault(&attr, &set) == 0);
		say(pread(a, buf, 8192, 4096), "pread");
		fflush(stdout);
		say(posix_spawn(&pid, self, NULL, &attr, argv, environ), "flags %d", flags[i]);
		say_child("spawned", pid);
		posix_spawnattr_destroy(&attr);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 5; i++) {
		look(b, "B");
		fflush(stdout);
		pid = i % 3 == 0 ? fork() : vfork();
		if (!pid) {
			if (i < 2)
				execv(self, argv);
			if (i > 2)
				execve(self, (char *[]){ "hz_process", "bare", NULL }, argv + 2);
			execlp(self, "hz_process", "found", NULL);
			_exit(127);
		}
		say_child("forked", pid);
	}
	snprintf(line, sizeof(line), "exec %s found", self);
	fflush(stdout);
	say(system(line), "system");
	FILE *p = popen(line, "w");
	NEED(p && pclose(p) == 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGUSR2, SIG_DFL);
	close(a);
	close(b);
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
		{ "vforked", vforked }, { "spawned", spawned }, { "attributes", attributes },
		{ "forks_and_threads", forks_and_threads }, { "execs", execs }, { "ends", ends },
	};

	buf = fenced(16384);
	if (argc == 2 && (!strcmp(argv[1], "found") || !strcmp(argv[1], "bare")))
		return found(argv[1][0] == 'b');
	if (argc == 3 && !strcmp(argv[1], "inherit"))
		return inherit(atoi(argv[2]));
	return run_steps(steps, COUNT(steps), argc, argv);
}

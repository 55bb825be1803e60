/*
 * hz_close: descriptors closed where an interposer cannot see it, and their
 * numbers used again; closing everything; constructors and destructors of
 * other libraries; ETXTBSY.
 */
#include "transcript.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/resource.h>

static char *buf;

static void files(void)
{
	make_file("A", 40000, 1);
	make_file("B", 40000, 2);
}

static void look(int fd, const char *what)
{
	memset(buf, 0, 16384);
	long r = read(fd, buf, 8192);
	printf("%s: fd %d read %ld %016llx", what, fd, r, (unsigned long long)hash(buf, 16384));
	r = pread(fd, buf + 1, 5000, 100);
	printf(" pread %ld %016llx", r, (unsigned long long)hash(buf, 16384));
	r = pwrite(fd, "written here", 12, 20000);
	printf(" pwrite %ld pos %lld\n", r, (long long)lseek(fd, 0, SEEK_CUR));
}

/* A is used, its number closed unseen, and given to B. */
static void reuse(void)
{
	files();
	for (int way = 0; way < 7; way++) {
		int a = open("A", O_RDWR), b = -1;
		FILE *f = NULL;

		look(a, "A");
		switch (way) {
		case 0:
			fclose(fdopen(a, "r"));
			b = open("B", O_RDWR);
			break;
		case 1:
			unseen(SYS_close, a);
			f = fopen("B", "r+");
			b = fileno(f);
			break;
		case 2:
			b = raw_open("B", O_RDWR, 0);
			unseen(SYS_dup3, b, a, 0);
			unseen(SYS_close, b);
			b = a;
			break;
		case 3:
			f = freopen("B", "r+", fdopen(a, "r+"));
			b = fileno(f);
			break;
		case 4:
			syscall(SYS_close_range, a, a, 0);
			b = raw_open("B", O_RDONLY, 0);
			break;
		case 5:		/* the same file, another mode: reading only */
			unseen(SYS_close, a);
			b = raw_open("A", O_RDONLY, 0);
			break;
		default:	/* the same file, appending */
			unseen(SYS_close, a);
			b = raw_open("A", O_RDWR | O_APPEND, 0);
			say(write(b, buf, 4096), "append");
			lseek(b, 0, SEEK_SET);
			break;
		}
		printf("number reused %d\n", b == a);
		look(b, "then");
		if (f)
			fclose(f);
		else
			close(b);
		say_file("A");
		say_file("B");
	}
}

static void replaced(void)
{
	files();
	int a = open("A", O_RDWR);
	look(a, "A");
	NEED(rename("B", "A") == 0);	/* the old A has no name now */
	look(a, "renamed over");
	int b = open("A", O_RDWR);
	look(b, "the new A");
	unlink("A");
	look(b, "unlinked");
	close(a);
	/* the inode number may come back for another file */
	for (int i = 0; i < 5; i++) {
		make_file("C", 30000 + 100 * (size_t)i, 77 + (uint64_t)i);
		int c = open("C", O_RDWR);
		look(c, "C");
		unlink("C");
		unseen(SYS_close, c);
	}
	look(b, "unlinked");
	close(b);
}

/* What daemons do, and what some libraries do before exec. */
static void close_all(void)
{
	files();
	for (int way = 0; way < 6; way++) {
		int a = open("A", O_RDWR), b = open("B", O_RDWR);
		struct rlimit rl;

		look(a, "A");
		look(b, "B");
		getrlimit(RLIMIT_NOFILE, &rl);
		switch (way) {
		case 0:
			for (int i = 3; i < (int)(rl.rlim_cur < 70000 ? rl.rlim_cur : 70000); i++)
				close(i);
			break;
		case 1: close_range(3, ~0U, 0); break;
		case 2:
#if __GLIBC_PREREQ(2, 34)
			closefrom(3);
#endif
			break;
		case 3: syscall(SYS_close_range, 3, ~0U, 0); break;
		case 4: unseen(SYS_close_range, 3, ~0U, 0); break;	/* the shim's die too */
		default:
			for (int i = 3; i < 20000; i++)
				unseen(SYS_close, i);
			break;
		}
		a = open("B", O_RDWR);
		b = open("A", O_RDWR);
		look(a, "B again");
		look(b, "A again");
		close(a);
		close(b);
	}
}

/* Descriptors 0, 1, 2 too; the transcript comes out through a pipe. */
static void daemon_like(void)
{
	int p[2];
	char text[4096];
	ssize_t n = 0, r;

	files();
	NEED(pipe(p) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		dup2(p[1], 200);
		for (int i = 0; i < 64; i++)
			if (i != 200)
				close(i);
		setsid();
		int a = open("A", O_RDWR), b = open("B", O_RDWR), c = open("/dev/null", O_RDWR);
		long got[5] = { a, b, c };
		got[3] = read(a, buf, 8192);
		got[4] = pwrite(b, buf + 1, 8192, 5);
		n = snprintf(text, sizeof(text), "daemon %ld %ld %ld: %ld %ld %016llx\n", got[0], got[1], got[2], got[3], got[4],
			     (unsigned long long)hash(buf, 8192));
		_exit(write(200, text, (size_t)n) != n);
	}
	close(p[1]);
	while ((r = read(p[0], text + n, sizeof(text) - (size_t)n)) > 0)
		n += r;
	printf("%.*s", (int)n, text);
	close(p[0]);
	say_child("daemon", pid);
	say_file("B");
}

/* Standard output onto a file and back, as shells do it. */
static void redirection(void)
{
	int out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0666), keep = fcntl(1, F_DUPFD, 10);

	fflush(stdout);
	NEED(dup2(out, 1) == 1);
	close(out);
	for (int i = 0; i < 50; i++) {
		NEED(write(1, "through write\n", 14) == 14);
		printf("through stdio %d\n", i);
		if (i % 7 == 0)
			fflush(stdout);
	}
	fflush(stdout);
	say(lseek(1, 0, SEEK_CUR), "in the file, offset");
	fflush(stdout);
	NEED(dup2(keep, 1) == 1);
	close(keep);
	say_file("out");
	/* stdio and calls on one descriptor, reading */
	FILE *f = fopen("out", "r+");
	char line[64];
	for (int i = 0; i < 5; i++)
		printf("%s", fgets(line, sizeof(line), f));
	fseek(f, 100, SEEK_SET);
	long r = read(fileno(f), buf, 50);
	printf("%.*s, at %ld\n", (int)r, buf, ftell(f));
	fclose(f);
}

/* A program written, closed, and started at once. */
static void text_busy(void)
{
	static size_t n;	/* static: kept across vfork */
	static int in, bad;
	char *self = malloc(1 << 20);

	in = open("/bin/true", O_RDONLY);
	for (ssize_t r; (r = read(in, self + n, (1 << 20) - n)) > 0;)
		n += (size_t)r;
	close(in);
	for (int i = 0; i < 60; i++) {
		char *argv[] = { "prog", NULL };
		int fd = open("prog", O_WRONLY | O_CREAT | O_TRUNC, 0777), st;
		pid_t pid;

		NEED(fd >= 0);
		/* whole blocks, odd pieces, all ways to close */
		if (i & 1)
			NEED(write(fd, self, n) == (ssize_t)n);
		else
			for (size_t at = 0; at < n; at += 4096)
				NEED(pwrite(fd, self + at, n - at < 4096 ? n - at : 4096, (off_t)at) > 0);
		switch (i % 5) {
		case 0: close(fd); break;
		case 1: dup2(in = open(".", O_RDONLY), fd); close(in); close(fd); break;
		case 2: close_range((unsigned)fd, (unsigned)fd, 0); break;
		case 3: fclose(fdopen(fd, "w")); break;
		default: in = dup(fd); close(fd); close(in); break;
		}
		if (i % 3 == 0)
			pid = fork();
		else if (i % 3 == 1)
			pid = vfork();
		else if (posix_spawn(&pid, "./prog", NULL, NULL, argv, environ))
			pid = -1;
		if (pid == 0) {
			execv("./prog", argv);
			_exit(100 + errno);
		}
		if (pid < 0 || waitpid(pid, &st, 0) != pid || st) {
			bad++;
			printf("closed by way %d, started by way %d: status %x\n", i % 5, i % 3, pid < 0 ? -1 : st);
		}
		unlink("prog");
	}
	/* a program that is open for reading, and read, runs all the same */
	in = open("prog", O_WRONLY | O_CREAT | O_TRUNC, 0777);
	NEED(write(in, self, n) == (ssize_t)n && close(in) == 0);
	in = open("prog", O_RDONLY);
	NEED(pread(in, self, 4096, 0) == 4096);
	say(system("./prog"), "open for reading");
	say(pread(in, self, 4096, 1), "read");
	say(close(in), "close");
	unlink("prog");
	printf("busy %d\n", bad);
	free(self);
}

/*
 * Threads that write programs and run them, while one does nothing but fork.
 * A lock, as careful programs have, keeps writing and forking apart: plain,
 * nothing is ever busy.
 */
static pthread_rwlock_t forking = PTHREAD_RWLOCK_INITIALIZER;
static char *image;
static size_t image_size;
static int builders, busy_programs;

static int run_program(char *path)
{
	char *argv[] = { path, NULL };
	int st = -1;
	pid_t pid;

	pthread_rwlock_wrlock(&forking);
	if (posix_spawn(&pid, path, NULL, NULL, argv, environ))
		pid = -1;
	pthread_rwlock_unlock(&forking);
	return pid > 0 && waitpid(pid, &st, 0) == pid ? st : -1;
}

static void *builder(void *arg)
{
	char path[16];

	snprintf(path, sizeof(path), "./prog%ld", (long)(intptr_t)arg);
	for (int i = 0; i < 40; i++) {
		pthread_rwlock_rdlock(&forking);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0777);
		NEED(write(fd, image, image_size) == (ssize_t)image_size);
		if (i & 1)
			fclose(fdopen(fd, "w"));
		else
			close(fd);
		pthread_rwlock_unlock(&forking);
		if (run_program(path))
			__atomic_add_fetch(&busy_programs, 1, __ATOMIC_SEQ_CST);
		unlink(path);
	}
	__atomic_sub_fetch(&builders, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void busy_threads(void)
{
	pthread_t t[3];
	int in = open("/bin/true", O_RDONLY);

	image = malloc(1 << 20);
	for (ssize_t r; (r = read(in, image + image_size, (1 << 20) - image_size)) > 0;)
		image_size += (size_t)r;
	close(in);
	builders = 3;
	for (long k = 0; k < 3; k++)
		NEED(pthread_create(&t[k], NULL, builder, (void *)(intptr_t)k) == 0);
	while (__atomic_load_n(&builders, __ATOMIC_SEQ_CST) > 0) {
		pthread_rwlock_wrlock(&forking);
		pid_t pid = fork();
		if (!pid) {
			usleep(3000);
			_exit(0);
		}
		pthread_rwlock_unlock(&forking);
		NEED(pid > 0 && waitpid(pid, NULL, 0) == pid);
	}
	for (int k = 0; k < 3; k++)
		pthread_join(t[k], NULL);
	printf("busy or failed %d\n", busy_programs);
}

/* Threads that open and close all the time get each other's numbers. */
static long race_bad;

static void *racer(void *arg)
{
	char name[16], *want = fenced(8192), *got = fenced(8192);
	long k = (long)(intptr_t)arg;

	snprintf(name, sizeof(name), "race%ld", k);
	fill(want, 8192, (uint64_t)k + 1);
	for (int i = 0; i < 1500; i++) {
		int fd = open(name, O_RDWR), n = i % 3 ? 4096 : 777;

		if (pread(fd, got + i % 2, (size_t)n, i % 2) != n || memcmp(got + i % 2, want + i % 2, (size_t)n))
			__atomic_add_fetch(&race_bad, 1, __ATOMIC_RELAXED);
		if (pwrite(fd, want, i % 3 ? 8192 : 100, 0) <= 0)
			__atomic_add_fetch(&race_bad, 1, __ATOMIC_RELAXED);
		if (i % 5 == 0)
			dup2(fd, 100 + (int)k), close(100 + (int)k);
		if (i % 7)
			close(fd);
		else
			unseen(SYS_close, fd);
	}
	return NULL;
}

static void races(void)
{
	pthread_t t[4];
	char name[16];

	for (long k = 0; k < 4; k++) {
		snprintf(name, sizeof(name), "race%ld", k);
		make_file(name, 8192, (uint64_t)k + 1);
		NEED(pthread_create(&t[k], NULL, racer, (void *)(intptr_t)k) == 0);
	}
	for (int k = 0; k < 4; k++)
		pthread_join(t[k], NULL);
	printf("wrong %ld\n", race_bad);
	say(open("race0", O_RDONLY), "the next number");
	for (int k = 0; k < 4; k++) {
		snprintf(name, sizeof(name), "race%d", k);
		say_file(name);
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "reuse", reuse }, { "replaced", replaced }, { "close_all", close_all }, { "daemon_like", daemon_like },
		{ "redirection", redirection }, { "text_busy", text_busy }, { "busy_threads", busy_threads }, { "races", races },
	};

	buf = fenced(16384);
	return run_steps(steps, COUNT(steps), argc, argv);
}

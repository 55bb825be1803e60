/*
 * hz_stream: what a sequential reader may do, and have done to its file, in
 * the middle of a stream. Run with --stream-age=20: aged() waits longer.
 */
#include "transcript.h"
#include "content.h"

#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <time.h>

#define SIZE ((6 << 20) + 12345)

static char *buf;	/* 1 MiB between fences */
static char want[1 << 20];

static void aged(void)
{
	const struct timespec t = { 0, 60000000 };

	nanosleep(&t, NULL);
}

static void make(const char *path, off_t size)
{
	int fd;

	unlink(path);
	fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	NEED(fd >= 0);
	for (off_t at = 0; at < size; at += sizeof(want)) {
		size_t n = size - at < (off_t)sizeof(want) ? (size_t)(size - at) : sizeof(want);

		content(want, at, n);
		NEED(unseen(SYS_write, fd, want, n) == (ssize_t)n);
	}
	NEED(unseen(SYS_fsync, fd) == 0 && unseen(SYS_close, fd) == 0);
	aged();
}

/* Reads n bytes in requests of `each` to memory at buf + skew; how many were not content. */
static long read_on(int fd, off_t at, size_t n, size_t each, size_t skew)
{
	long wrong = 0;

	for (size_t done = 0; done < n;) {
		ssize_t r = read(fd, buf + skew, each < n - done ? each : n - done);

		if (r <= 0) {
			printf("at %lld: %zd %s\n", (long long)at + (long long)done, r, r ? errno_name(errno) : "");
			break;
		}
		content(want, at + (off_t)done, (size_t)r);
		for (ssize_t i = 0; i < r; i++)
			wrong += buf[skew + (size_t)i] != want[i];
		done += (size_t)r;
	}
	return wrong;
}

static void say_place(int fd, long wrong)
{
	printf("wrong %ld, offset %lld\n", wrong, (long long)lseek(fd, 0, SEEK_CUR));
}

static void whole(void)
{
	static const size_t each[] = { 512, 1000, 4096, 10000, 32768, 65536, 131072, 131073, 300000, 1 << 20 };

	make("file", SIZE);
	for (size_t i = 0; i < COUNT(each); i++)
		for (size_t skew = 0; skew < 2; skew++) {
			int fd = open("file", i % 2 ? O_RDONLY : O_RDWR);

			NEED(fd >= 0);
			say_place(fd, read_on(fd, 0, SIZE + 1, each[i] - (each[i] == 1 << 20 ? 1 : 0), skew));
			NEED(close(fd) == 0);
		}
}

static void seeks(void)
{
	int fd;
	uint64_t s = 7;

	make("file", SIZE);
	NEED((fd = open("file", O_RDONLY)) >= 0);
	for (int i = 0; i < 60; i++) {
		off_t at = (off_t)(next_random(&s) % SIZE);
		size_t each = 1 + next_random(&s) % 40000, n = next_random(&s) % (700 << 10);

		if (at + (off_t)n > SIZE)
			n = (size_t)(SIZE - at);
		NEED(lseek(fd, at, SEEK_SET) == at);
		say_place(fd, read_on(fd, at, n, each, i % 3));
		if (i % 4 == 0 && n > 5000) {	/* back a little, inside the window */
			NEED(lseek(fd, -5000, SEEK_CUR) >= 0);
			say_place(fd, read_on(fd, at + (off_t)n - 5000, 5000, 700, 0));
		}
	}
	for (int i = 0; i < 4; i++) {	/* near the end, then elsewhere: nothing is cut short */
		NEED(lseek(fd, SIZE - 100000, SEEK_SET) >= 0);
		say_place(fd, read_on(fd, SIZE - 100000, (size_t)(90000 + i * 2000), 5000, 0));
		NEED(lseek(fd, i * 1000, SEEK_SET) >= 0);
		say(read(fd, buf, 200000), "a large read after a small one near the end");
		say_place(fd, 0);
	}
	close(fd);
}

static void positional(void)
{
	int fd;
	long wrong = 0;

	make("file", SIZE);
	NEED((fd = open("file", O_RDONLY)) >= 0);
	for (off_t at = 0; at < SIZE; at += 20000) {	/* three sequences in one file */
		for (int k = 0; k < 3; k++) {
			off_t o = at + (off_t)k * (2 << 20);
			struct iovec iov[3] = { { buf, 7000 }, { buf + 7001, 1 }, { buf + 9000, 12999 } };
			ssize_t r = k == 1 ? preadv(fd, iov, 3, o) : pread(fd, buf, 20000, o);

			if (o >= SIZE || r <= 0) {
				wrong += r != 0;
				continue;
			}
			content(want, o, (size_t)r);
			for (ssize_t i = 0; i < r; i++)
				wrong += want[i] != (k != 1 ? buf[i] : i < 7000 ? buf[i] : i < 7001 ? buf[7001] : buf[9000 + i - 7001]);
		}
	}
	say_place(fd, wrong);
	close(fd);
}

/* The file is changed in front of the reader, each way; it has to see that at once. */
static void changed(void)
{
	/* A mapping comes last: the next file may have its inode's number, which counts as mapped now. */
	static const char *const how[] = { "pwrite", "pwrite 1 byte", "direct", "punch", "zero", "truncate",
					   "grow", "copy", "mapping" };
	char *block = fenced(8192);

	fill(block, 8192, 5);
	make("other", 1 << 20);
	for (size_t i = 0; i < COUNT(how); i++) {
		make("file", SIZE);
		int fd = open("file", O_RDONLY), w = open("file", O_RDWR), o = open("other", O_RDONLY), d;
		off_t at = 1 << 20, x = 0, y;
		long r = 0;
		char *map;

		NEED(fd >= 0 && w >= 0 && o >= 0);
		r = read_on(fd, 0, (1 << 20) - 8192, 8192, 0);
		switch (i) {
		case 0: r += pwrite(w, block, 8192, at); break;
		case 1: r += pwrite(w, block, 1, at + 77); break;
		case 2:
			d = open("file", O_RDWR | O_DIRECT);
			r += pwrite(d < 0 ? w : d, block, 8192, at);
			if (d >= 0)
				close(d);
			break;
		case 3: r += fallocate(w, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 8192); break;
		case 4: r += fallocate(w, FALLOC_FL_ZERO_RANGE, at + 100, 6000); break;
		case 5: r += ftruncate(w, at + 100); break;
		case 6: r += ftruncate(w, at + 100) + ftruncate(w, at + 9000); break;
		case 7:
			y = at;
			r += copy_file_range(o, &x, w, &y, 8192, 0);
			break;
		default:
			map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, w, at);
			NEED(map != MAP_FAILED);
			memcpy(map + 100, block, 5000);
			munmap(map, 8192);
			break;
		}
		printf("%s: %ld\n", how[i], r);
		for (int k = 0; k < 6; k++) {
			r = read(fd, buf, 8192);
			printf("%ld %016llx\n", r, r > 0 ? (unsigned long long)hash(buf, (size_t)r) : 0);
		}
		close(o);
		close(w);
		close(fd);
	}
}

/* At the end of a file that grows. */
static void growing(void)
{
	int fd, w;

	make("file", 300000);
	NEED((fd = open("file", O_RDONLY)) >= 0 && (w = open("file", O_WRONLY | O_APPEND)) >= 0);
	say_place(fd, read_on(fd, 0, 300000, 10000, 0));
	for (int i = 0; i < 20; i++) {
		ssize_t r;

		content(want, 300000 + i * 7777, 7777);
		NEED(write(w, want, 7777) == 7777);
		if (i % 5 == 0)
			aged();
		r = read(fd, buf, 10000);
		printf("%zd %016llx\n", r, r > 0 ? (unsigned long long)hash(buf, (size_t)r) : 0);
	}
	close(w);
	close(fd);
}

static void sharing(void)
{
	int fd, pipes[2];

	make("file", SIZE);
	NEED((fd = open("file", O_RDONLY)) >= 0 && pipe(pipes) == 0);
	say_place(fd, read_on(fd, 0, 1 << 20, 4096, 0));
	for (int i = 0; i < 6; i++) {	/* children, one way and another, go on where we are, and we where they are */
		off_t at = lseek(fd, 0, SEEK_CUR);
		pid_t pid;

		fflush(stdout);
		pid = i % 2 ? fork() : (pid_t)unseen(SYS_clone, SIGCHLD, 0L, 0L, 0L, 0L);
		if (pid == 0) {
			long wrong = read_on(fd, at, 200000, 5000, 0);

			_exit(wrong == 0 && lseek(fd, 0, SEEK_CUR) == at + 200000 ? 0 : 1);
		}
		NEED(pid > 0);
		say_child("child", pid);
		say_place(fd, read_on(fd, at + 200000, 100000, 5000, 0));
	}
	close(fd);
}

static void descriptors(void)
{
	int fd, two, three;

	make("file", SIZE);
	make("file2", SIZE);
	NEED((fd = open("file", O_RDONLY)) >= 0);
	say_place(fd, read_on(fd, 0, 1 << 20, 4096, 0));
	say(two = dup(fd), "dup");
	say_place(two, read_on(two, 1 << 20, 1 << 20, 4096, 0));
	say_place(fd, read_on(fd, 2 << 20, 100000, 4096, 0));
	say(three = open("file2", O_RDONLY), "open");
	say(dup2(three, fd), "dup2");
	say_place(fd, read_on(fd, 0, 1 << 20, 4096, 0));
	say(close(two), "close");
	say(two = open("file", O_RDONLY), "open");
	say_place(two, read_on(two, 0, 1 << 20, 3000, 0));
	NEED(rename("file2", "file") == 0 && unlink("file") == 0);
	say_place(two, read_on(two, 1 << 20, 1 << 20, 3000, 0));
	say_place(three, read_on(three, 1 << 20, 1 << 20, 3000, 0));
	for (int i = 3; i < 60; i++)
		if (fcntl(i, F_GETFD) >= 0)
			printf("open: %d\n", i);
	close(fd);
	close(two);
	close(three);
}

/* A program file, open for writing and read ahead a moment ago, can be executed. */
static void executed(void)
{
	char *const argv[] = { "./file", NULL }, *const envp[] = { NULL };
	static long n;

	say(system("cp /bin/true file; head -c 8M /dev/zero >>file"), "cp");
	NEED(chmod("file", 0755) == 0);
	for (int i = 0; i < 40; i++) {
		int fd = open("file", O_RDWR), st;
		pid_t pid;

		NEED(fd >= 0);
		aged();
		for (int k = 0; k < 40; k++)
			n += read(fd, buf, 8192);
		NEED(close(fd) == 0);
		fflush(stdout);
		pid = vfork();
		if (pid == 0) {
			execve("./file", argv, envp);
			_exit(errno);
		}
		NEED(waitpid(pid, &st, 0) == pid);
		printf("%s", st ? errno_name(WEXITSTATUS(st)) : ".");
	}
	printf(" %ld\n", n);
}

static void advised(void)
{
	static const int advice[] = { POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM, POSIX_FADV_NORMAL,
				      POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE, 77 };
	int fd;

	make("file", SIZE);
	NEED((fd = open("file", O_RDONLY)) >= 0);
	for (size_t i = 0; i < 3 * COUNT(advice); i++) {
		off_t at = (off_t)i * 200000;

		say(posix_fadvise(fd, 0, 0, advice[i % COUNT(advice)]), "advice");
		say_place(fd, read_on(fd, at, 200000, 8192, 0));
	}
	NEED(lseek(fd, 0, SEEK_SET) == 0);
	say_place(fd, read_on(fd, 0, SIZE, 50000, 1));
	close(fd);
}

/* ---- threads ------------------------------------------------------------- */

#define RECORD 8192
#define RECORDS 3000

static int shared_fd;
static unsigned char times[RECORDS];
static long torn;

static void *taker(void *arg)
{
	char *mine = malloc(RECORD + 1), *good = malloc(RECORD);

	mine += (intptr_t)arg & 1;
	for (ssize_t r; (r = read(shared_fd, mine, RECORD)) == RECORD;) {
		uint32_t n;

		memcpy(&n, mine, sizeof(n));
		content(good, (off_t)n * RECORD, RECORD);
		if (n >= RECORDS || memcmp(mine + 4, good + 4, RECORD - 4) != 0)
			__atomic_fetch_add(&torn, 1, __ATOMIC_RELAXED);
		else
			__atomic_fetch_add(&times[n], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Each record goes to one thread, whole. */
static void threads(void)
{
	int fd = raw_open("file", O_WRONLY | O_CREAT | O_TRUNC, 0666), wrong = 0;
	pthread_t t[4];

	for (uint32_t i = 0; i < RECORDS; i++) {
		content(want, (off_t)i * RECORD, RECORD);
		memcpy(want, &i, sizeof(i));
		NEED(unseen(SYS_write, fd, want, RECORD) == RECORD);
	}
	NEED(unseen(SYS_close, fd) == 0);
	for (int round = 0; round < 4; round++) {
		aged();
		memset(times, 0, sizeof(times));
		NEED((shared_fd = open("file", O_RDONLY)) >= 0);
		for (intptr_t i = 0; i < 4; i++)
			NEED(pthread_create(&t[i], NULL, taker, (void *)i) == 0);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
		for (int i = 0; i < RECORDS; i++)
			wrong += times[i] != 1;
		close(shared_fd);
	}
	printf("not read once: %d, torn: %ld\n", wrong, torn);
}

/* The end comes in the middle. */
static void ended(void)
{
	char *const argv[] = { "/bin/true", NULL };
	int fd;

	make("file", SIZE);
	for (int i = 0; i < 4; i++) {
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			NEED((fd = open("file", O_RDONLY)) >= 0);
			read_on(fd, 0, 2 << 20, 4096, 0);
			if (i == 0)
				exit(7);
			if (i == 1)
				_exit(8);
			if (i == 2)
				abort();
			execv("/bin/true", argv);
		}
		say_child("ended", pid);
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "whole", whole }, { "seeks", seeks }, { "positional", positional }, { "changed", changed },
		{ "growing", growing }, { "sharing", sharing }, { "descriptors", descriptors },
		{ "executed", executed }, { "advised", advised }, { "threads", threads }, { "ended", ended },
	};

	buf = fenced(1 << 20);
	return run_steps(steps, COUNT(steps), argc, argv);
}

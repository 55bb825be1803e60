/*
 * offsets STEP: reads of one sector each, whose offset is moved in every way. It
 * prints how many of them began at a multiple of a sector: "as_is LEAST MOST of
 * ALL". LEAST and MOST differ where the offset moves unseen, which a look every
 * LOOK calls of a thread finds out.
 */
#include "transcript.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/sendfile.h>

#define SECTOR 512L
#define LOOK 61
#define SIZE (1 << 20)

extern char **environ;
static char *memory;
static int fd;
static long all, least, most;	/* reads */

/* n reads by that descriptor; good: they begin at multiples of a sector. */
static void reads_of(int by, long n, bool good)
{
	for (long i = 0; i < n; i++)
		NEED(read(by, memory, SECTOR) == SECTOR);
	all += n;
	least += good ? n : 0;
	most += good ? n : 0;
}

static void reads(long n, bool good)
{
	reads_of(fd, n, good);
}

/* The same, when the offset was moved unseen: so many may be taken for what they were before. */
static void reads_late(long n, bool good, long late)
{
	NEED(n > late);
	reads(n, good);
	if (good)
		least -= late;
	else
		most += late;
}

static void seek(void)
{
	reads(10, true);
	NEED(lseek(fd, 1, SEEK_CUR) > 0);
	reads(10, false);
	NEED(lseek(fd, SECTOR, SEEK_SET) == SECTOR);
	reads(10, true);
	NEED(lseek(fd, -100 * SECTOR, SEEK_END) > 0);
	reads(10, true);
	NEED(lseek(fd, -100 * SECTOR + 7, SEEK_END) > 0);
	reads(10, false);
	NEED(lseek(fd, -1, SEEK_SET) == -1);
	reads(10, false);
	NEED(lseek(fd, 0, SEEK_DATA) == 0);
	reads(10, true);
}

static void dups(void)
{
	int two = dup(fd), three;

	reads(10, true);
	NEED(two >= 0 && read(two, memory, 1) == 1);	/* "all" leaves it out */
	reads(10, false);
	reads_of(two, 10, false);
	NEED(lseek(two, 0, SEEK_SET) == 0);
	reads(10, true);
	three = fcntl(fd, F_DUPFD, 50);
	NEED(three == 50 && lseek(three, 3, SEEK_SET) == 3);
	reads(10, false);
	NEED(dup2(fd, 60) == 60 && lseek(60, 0, SEEK_SET) == 0);
	reads_of(three, 10, true);
	reads(10, true);
}

static void child_reads(void)
{
	NEED(unseen(SYS_read, fd, memory, 1) == 1);
	_exit(0);
}

static void forked(void)
{
	pid_t pid;

	reads(10, true);
	pid = fork();
	if (!pid)
		child_reads();
	NEED(waitpid(pid, NULL, 0) == pid);
	reads(10, false);
	NEED(lseek(fd, 0, SEEK_SET) == 0);
	reads(10, true);
	pid = vfork();
	if (!pid) {
		unseen(SYS_read, fd, memory, 1);
		_exit(0);
	}
	NEED(waitpid(pid, NULL, 0) == pid);
	reads(10, false);
}

static void spawned(void)
{
	char *words[] = { "sh", "-c", "dd bs=1 count=1 of=/dev/null status=none", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	reads(10, true);
	NEED(posix_spawn_file_actions_init(&actions) == 0);
	NEED(posix_spawn_file_actions_adddup2(&actions, fd, 0) == 0);
	unsetenv("LD_PRELOAD");
	NEED(posix_spawn(&pid, "/bin/sh", &actions, NULL, words, environ) == 0);
	NEED(waitpid(pid, NULL, 0) == pid);
	reads(10, false);
}

static void sent(void)
{
	int p[2], out = open("out", O_RDWR | O_CREAT, 0666);
	off_t at = 7;

	NEED(pipe(p) == 0 && out >= 0);
	reads(10, true);
	NEED(sendfile(p[1], fd, &at, 100) == 100);
	reads(10, true);
	NEED(sendfile(p[1], fd, NULL, 100) == 100);
	reads(10, false);
	NEED(lseek(fd, 0, SEEK_SET) == 0);
	reads(10, true);
	NEED(copy_file_range(fd, NULL, out, NULL, 100, 0) == 100);
	reads(10, false);
}

/* By the C library itself: a block, from 1 on. */
static void stdio(void)
{
	FILE *f = fdopen(fd, "r");

	reads(100, true);
	NEED(f && fseek(f, 1, SEEK_SET) == 0 && fread(memory, 1, 1, f) == 1);
	NEED(unseen(SYS_lseek, fd, 0, SEEK_CUR) % SECTOR == 1);
	reads_late(200, false, LOOK);
}

/* By raw calls. */
static void raw(void)
{
	reads(100, true);
	NEED(unseen(SYS_lseek, fd, 1, SEEK_SET) == 1);
	reads_late(200, false, LOOK);
	NEED(unseen(SYS_lseek, fd, 0, SEEK_SET) == 0);
	reads_late(200, true, LOOK);
}

/* Several descriptors in turns, and one of them moved unseen. */
static void turns(int n)
{
	int others[8];

	for (int i = 0; i < n; i++)
		NEED((others[i] = open("file", O_RDONLY)) >= 0);
	for (int k = 0; k < n; k++) {
		reads_of(others[k], 1, true);
		NEED(unseen(SYS_lseek, others[k], 1, SEEK_SET) == 1);
	}
	for (int round = 0; round < 8 * LOOK; round++)
		for (int k = 0; k < n; k++)
			reads_of(others[k], 1, false);
	most += n * LOOK;
}

static void turns2(void) { turns(2); }
static void turns4(void) { turns(4); }
static void turns8(void) { turns(8); }

static void *thread_reads(void *arg)
{
	char *mine = fenced(PAGE);

	for (int i = 0; i < 400; i++)
		NEED(read(fd, mine, SECTOR) == SECTOR);
	return arg;
}

static void threads(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&t[i], NULL, thread_reads, NULL) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	all += 1600;
	least += 1600;
	most += 1600;
}

static void writes(int by, long n, bool good)
{
	for (long i = 0; i < n; i++)
		NEED(write(by, memory, PAGE) == PAGE);
	all += n * (long)PAGE / SECTOR;
	least += good ? n * (long)PAGE / SECTOR : 0;
	most += good ? n * (long)PAGE / SECTOR : 0;
}

/* What appends is nothing for direct I/O. */
static void append(void)
{
	int log = open("log", O_RDWR | O_CREAT | O_APPEND, 0666), out = open("out", O_RDWR | O_CREAT, 0666);
	struct iovec v = { memory, PAGE };

	NEED(log >= 0 && out >= 0);
	writes(log, 10, false);
	NEED(fcntl(log, F_SETFL, 0) == 0);
	writes(log, 10, true);
	writes(out, 10, true);
	NEED(fcntl(out, F_SETFL, O_APPEND) == 0);
	writes(out, 10, false);
	NEED(fcntl(out, F_SETFL, 0) == 0);
	writes(out, 10, true);
	NEED(close(out) == 0);
	NEED((out = open("out", O_RDWR)) >= 0);
	NEED(ftruncate(out, 100 * PAGE + 1) == 0);
	writes(out, 1, true);
	NEED(pwritev2(out, &v, 1, -1, RWF_APPEND) == PAGE);
	all += PAGE / SECTOR;
	writes(out, 3, false);
}

/* The number becomes another file's, unseen. */
static void reused(void)
{
	int other;

	make_file("other", SIZE, 3);
	reads(100, true);
	NEED(unseen(SYS_close, fd) == 0);
	other = raw_open("other", O_RDONLY, 0);
	NEED(other == fd && unseen(SYS_lseek, fd, 1, SEEK_SET) == 1);
	reads_late(300, false, LOOK);
}

static void positional(void)
{
	reads(10, true);
	NEED(pread(fd, memory, 1, 1) == 1 && pread(fd, memory, SECTOR, 3) == SECTOR);
	all += 1;
	reads(10, true);
	NEED(pread(fd, memory, 1, 2 * SIZE) == 0 && read(fd, memory + PAGE, SECTOR) == -1);
	reads(10, true);
	NEED(lseek(fd, 0, SEEK_END) == SIZE && read(fd, memory, SECTOR) == 0);
	NEED(lseek(fd, -SECTOR, SEEK_CUR) > 0);
	reads(1, true);
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "seek", seek }, { "dups", dups }, { "forked", forked }, { "spawned", spawned }, { "sent", sent },
		{ "stdio", stdio }, { "raw", raw }, { "turns2", turns2 }, { "turns4", turns4 }, { "turns8", turns8 },
		{ "threads", threads }, { "append", append }, { "reused", reused }, { "positional", positional },
	};

	memory = fenced(PAGE);
	make_file("file", SIZE, 1);
	fd = open("file", O_RDWR);
	NEED(argc == 2 && fd >= 0);
	run_steps(steps, COUNT(steps), argc, argv);
	printf("as_is %ld %ld of %ld\n", least * SECTOR, most * SECTOR, all * SECTOR);
	return 0;
}

/*
 * mapped_races: stores through shared mappings that come in the very middle of
 * a write: from another process whose pages come and go, and from a thread
 * that maps the file while another writes it. Stores go to even bytes, and
 * what is written last must be in the odd ones.
 */
#include "transcript.h"
#include <pthread.h>

#define PAGES 4
#define LARGE (1 << 20)

static char *data;

/* Odd bytes of [0, n) that are not v, as seen through the page cache and on disk. */
static long lost(const char *path, size_t n, unsigned char v)
{
	static unsigned char got[LARGE] __attribute__((aligned(4096)));
	long bad = 0;

	for (int way = 0; way < 2; way++) {
		int fd = raw_open(path, O_RDONLY | (way ? O_DIRECT : 0), 0);

		if (fd < 0)
			continue;
		NEED(unseen(SYS_pread64, fd, got, n, 0) == (long)n);
		for (size_t i = 1; i < n; i += 2)
			bad += got[i] != v;
		unseen(SYS_close, fd);
	}
	return bad;
}

static void store(unsigned char *m, size_t n)
{
	for (size_t i = 0; i < n; i += 512)
		((volatile unsigned char *)m)[i] = 0x55;
}

enum { GO, STOP, PAUSE, PAUSED };

/* The other process lets go of its pages, so that they can leave the cache, and stores again. */
static void other_process(void)
{
	int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long bad = 0, failed = 0, unsynced = 0;

	make_file("other", PAGES * PAGE, 1);	/* all of a large folio, if it is one */
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		int fd = open("other", O_RDWR);
		unsigned char *m = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		NEED(m != MAP_FAILED);
		for (int word; (word = __atomic_load_n(stop, __ATOMIC_SEQ_CST)) != STOP;) {
			if (word != GO) {
				word = PAUSE;	/* never over what it is told meanwhile */
				__atomic_compare_exchange_n(stop, &word, PAUSED, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
				usleep(100);
				continue;
			}
			store(m, PAGES * PAGE);
			madvise(m, PAGES * PAGE, MADV_DONTNEED);
		}
		_exit(0);
	}
	int fd = open("other", O_RDWR);
	for (int i = 0; i < 800; i++) {
		unsigned char v = (unsigned char)i;

		memset(data, v, PAGES * PAGE);
		if (i % 3 == 0) {	/* what was learned of pages that stay is forgotten */
			close(fd);
			fd = open("other", O_RDWR);
		}
		if (i % 99 == 0) {	/* now and then they are certainly clean, so that some writes are direct */
			__atomic_store_n(stop, PAUSE, __ATOMIC_SEQ_CST);
			for (int n = 0; n < 100000 && __atomic_load_n(stop, __ATOMIC_SEQ_CST) != PAUSED; n++)
				usleep(100);
			unsynced += fsync(fd) != 0;
		}
		failed += pwrite(fd, data, PAGES * PAGE, 0) != PAGES * PAGE;
		__atomic_store_n(stop, GO, __ATOMIC_SEQ_CST);
		if (i % 5 == 4) {
			unsynced += fsync(fd) != 0;
			bad += lost("other", PAGES * PAGE, v);
		}
	}
	__atomic_store_n(stop, STOP, __ATOMIC_SEQ_CST);
	say_child("the other", pid);
	unsynced += fsync(fd) != 0;
	bad += lost("other", PAGES * PAGE, (unsigned char)799);
	close(fd);
	unlink("other");
	/*
	 * The kernel tells of a store in the middle of a direct write by an error
	 * at the next fsync. Once: then the shim knows better.
	 */
	printf("another process: lost %ld, failed %ld, fsync failed more than once %d\n", bad, failed, unsynced > 1);
}

/* One thread writes; the file is mapped, and stored to, while it does. */
static int the_fd, started;

static void *writer(void *arg)
{
	long failed = 0;

	for (int i = 0; i < 3; i++) {
		__atomic_store_n(&started, i + 1, __ATOMIC_SEQ_CST);
		failed += pwrite(the_fd, data, LARGE, 0) != LARGE;
	}
	*(long *)arg += failed;
	return NULL;
}

static void a_thread(void)
{
	long bad = 0, failed = 0;
	pthread_t t;

	for (int i = 0; i < 28; i++) {
		unsigned char v = (unsigned char)(i + 1), *m;
		char mine[16];

		/* Each time an inode that is not known to be mapped. */
		snprintf(mine, sizeof(mine), "mine%d", i);
		make_file(mine, LARGE, 1);
		the_fd = open(mine, O_RDWR);
		failed += fsync(the_fd) != 0;
		memset(data, v, LARGE);
		m = mmap(NULL, LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		NEED(m != MAP_FAILED);
		started = 0;
		NEED(pthread_create(&t, NULL, writer, &failed) == 0);
		while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < 1 + i % 3)
			;
		usleep((unsigned)(i % 7) * 50);
		m = mmap(m, LARGE, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, the_fd, 0);
		NEED(m != MAP_FAILED && mprotect(m, LARGE, PROT_READ | PROT_WRITE) == 0);
		store(m, LARGE);
		pthread_join(t, NULL);
		failed += fsync(the_fd) != 0;
		bad += lost(mine, LARGE, v);
		munmap(m, LARGE);
		close(the_fd);
	}
	for (int i = 0; i < 28; i++) {	/* which stores are below a write is chance */
		char mine[16];

		snprintf(mine, sizeof(mine), "mine%d", i);
		unlink(mine);
	}
	printf("a thread: lost %ld, failed %ld\n", bad, failed);
}

int main(int argc, char **argv)
{
	static const struct step steps[] = { { "other_process", other_process }, { "a_thread", a_thread } };

	data = fenced(LARGE);
	return run_steps(steps, COUNT(steps), argc, argv);
}

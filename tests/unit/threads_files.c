/*
 * Threads, the same way (threads.c): mappings beside direct writes, requests
 * beside whoever replaces their descriptor, parked descriptors, the start.
 */
#include "book.h"
#include "file.h"
#include "mapped.h"
#include "race.h"
#include "seg.h"
#include "tap.h"

#include <unistd.h>

/* ---- mappings and direct writes ------------------------------------------------------ */

#define MAPPED_INO 77
static uint32_t flying;			/* direct writes in the kernel */
static struct file *written;

/* A disk that takes its time, on a kernel without cachestat. */
static long slow_disk(long nr, long a, long b, long c, long d, long e, long f)
{
	if (nr == SYS_cachestat)
		return -ENOSYS;
	if (nr != SYS_pwrite64)
		return sys_kernel(nr, a, b, c, d, e, f);
	__atomic_fetch_add(&flying, 1, __ATOMIC_SEQ_CST);
	sched_yield();
	__atomic_fetch_sub(&flying, 1, __ATOMIC_SEQ_CST);
	return c;
}

static void *map_or_write(void *arg)
{
	static char block[4096];
	struct iovec iov = { block, sizeof(block) };
	enum reason why = REASON_NONE;
	bool refused = false;

	pthread_barrier_wait(&line);
	if (arg) {
		for (bool last = false; !last && why != REASON_mapped;) {
			last = stopped();
			seg_guarded_write(written, 1000, 1001, &iov, 1, 0, iov.iov_len, &why, &refused);
			see(!last || why == REASON_mapped);
		}
		return NULL;
	}
	for (uint64_t i = 0; i < 100; i++) {
		mapped_mark(1, 1000 + i);
		see(mapped_is(1, 1000 + i) && !mapped_is(2, 1000 + i));
	}
	mapped_mark(1, MAPPED_INO);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 1000; i++)
		see(__atomic_load_n(&flying, __ATOMIC_SEQ_CST) == 0);
	return NULL;
}

static void mappings(void)
{
	written = file_new();
	written->dev = 1;
	written->ino = MAPPED_INO;
	__atomic_store_n(&written->refs, 1, __ATOMIC_SEQ_CST);
	fdtab_set(1000, fdtab_own(file_word(written)));
	sys_call = slow_disk;
	is_int(race(map_or_write), 0, "mapped: after the mark no direct write is under way");
	sys_call = sys_kernel;
	fdtab_set(1000, 0);
	file_release(written);
}

/* ---- real files --------------------------------------------------------------------- */

#define SIZE (1 << 20)

static int of[2];	/* files full of 'A' and of 'B' */
static int number;	/* which is sometimes the one, sometimes the other */
static char *room[THREADS];

static int make_file(char mark)
{
	const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : getenv("DIOSHIM_BUILD");
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/threads.XXXXXX", folder ? folder : ".");
	fd = mkstemp(name);
	if (fd < 0)
		return fd;
	unlink(name);
	memset(room[0], mark, SIZE);
	if (pwrite(fd, room[0], SIZE, 0) != SIZE || fsync(fd) != 0)
		return -1;
	return fd;
}

static bool all_of(const char *b, size_t n, char first)
{
	for (size_t i = 0; i < n; i++)
		if (b[i] != first)
			return false;
	return first == 'A' || first == 'B';
}

/* Reads of all kinds; half of one must not be of the other file. */
static void read_number(char *b, unsigned i)
{
	size_t n = i % 7 == 0 ? 300001 : i % 2 ? 8192 : 5000 + i % 999, at = i % 3 ? 4096 * (i % 9) : i % 777;
	ssize_t r = i % 4 ? pread(number, b + i % 2, n, (off_t)at) : read(of[i / 4 % 2], b + i % 2, n);

	if (r > 0)
		see(all_of(b + i % 2, (size_t)r, b[i % 2]));
	else
		see(r == 0 && i % 4 == 0);
}

static void lock(bool on)
{
	struct flock fl = { .l_type = on ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET, .l_len = 1 };

	see(fcntl(of[0], F_SETLK, &fl) == 0);
}

static void *requests(void *arg)
{
	const long me = (long)arg;

	pthread_barrier_wait(&line);
	if (me == 0) {
		for (unsigned i = 0; i < 1500; i++) {
			see(dup2(of[i % 2], number) == number);
			if (i % 16 == 0)
				lock(i % 32 == 0);
		}
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
		return NULL;
	}
	for (unsigned i = (unsigned)me * 1000; !stopped(); i++) {
		int fd;

		read_number(room[me], i);
		if (me == 1 && i % 5 == 0 && (fd = dup(of[i % 2])) >= 0)
			see(close(fd) == 0);
		if (i % 64 == 0)
			lseek(of[i / 64 % 2], 0, SEEK_SET);
	}
	return NULL;
}

/* Descriptors of the shim that are open: in the table, and in the kernel. */
static int ours(void)
{
	int n = 0;

	for (int fd = 0; (fd = fdtab_next(fd, FDTAB_TAG, FD_OWN)) >= 0; fd++)
		n += sys_fcntl(fd, F_GETFD, 0) >= 0;
	return n;
}

static void files(void)
{
	int before = ours();

	for (int i = 0; i < THREADS; i++)
		room[i] = aligned_alloc(4096, SIZE + 4096);
	of[0] = make_file('A');
	of[1] = make_file('B');
	number = dup(of[0]);
	if (of[0] < 0 || of[1] < 0 || number < 0) {
		skip(2, "no scratch folder");
		return;
	}
	is_int(race(requests), 0, "files: no read is half of another file, whatever becomes of the number");
	lock(false);
	close(number);
	close(of[0]);
	close(of[1]);
	is_int(ours(), before, "files: no descriptor of ours is left, none is parked");
	for (int i = 0; i < THREADS; i++)
		free(room[i]);
}

/* ---- the start of a fork child with threads --------------------------------------------- */

static void *start(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&line);
	for (int i = 0; i < 20000 && !state_ready(); i++)
		usleep(500);
	see(state_ready());
	see(book_now() != NULL);
	return NULL;
}

static void starts(void)
{
	long bad = 0;

	for (int i = 0; i < 20; i++) {
		__atomic_store_n(&state_fence.state, STATE_COLD, __ATOMIC_RELEASE);
		bad += race(start);
	}
	is_int(bad, 0, "start: once, by whichever thread comes first");
}

int main(void)
{
	files();
	mappings();
	starts();
	return done_testing();
}

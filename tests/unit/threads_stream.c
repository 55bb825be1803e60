/*
 * Threads (see threads.c) that read one file in sequence, all through the same
 * streams, while it is written now and then, its numbers come and go, and
 * the pool is empty for moments. Every byte is looked at.
 */
#include "book.h"
#include "pool.h"
#include "race.h"
#include "tap.h"
#include "window.h"

#include <string.h>
#include <unistd.h>

#define SIZE (4u << 20)
#define BLOCK 512u
#define BLOCKS (SIZE / BLOCK)

static int shared = -1, apart[THREADS], writer = -1;
static char name[4096];
/* Block b is full of bytes that say how often it was written; these are that many, before and after. */
static uint32_t begun[BLOCKS], done[BLOCKS];

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static bool make_file(void)
{
	const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : getenv("DIOSHIM_BUILD");
	static char block[1 << 16];

	snprintf(name, sizeof(name), "%s/stream.XXXXXX", folder ? folder : ".");
	writer = mkstemp(name);
	for (unsigned at = 0; writer >= 0 && at < SIZE; at += sizeof(block))
		if (write(writer, block, sizeof(block)) != (ssize_t)sizeof(block))
			return false;
	if (writer < 0 || fsync(writer) != 0)
		return false;
	shared = open(name, O_RDONLY);
	for (int i = 0; i < THREADS; i++)
		apart[i] = open(name, O_RDONLY);
	return shared >= 0;
}

static uint32_t look(uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

/* As new as the last write that was complete when the read began, not newer than the last begun. */
static void check(const char *got, size_t n, size_t off, const uint32_t *complete)
{
	for (size_t i = 0; i < n; i++) {
		size_t b = (off + i) / BLOCK;
		unsigned char lag = (unsigned char)(got[i] - (char)complete[b]);

		if (lag > (unsigned char)(look(&begun[b]) - complete[b])) {
			see(false);
			return;
		}
	}
}

/* One read, by offset or by the descriptor's own; where it was is known of the first kind alone. */
static void read_at(int fd, char *room, size_t n, size_t off, uint32_t *complete)
{
	ssize_t r;

	for (size_t b = off / BLOCK; b < BLOCKS && b <= (off + n) / BLOCK; b++)
		complete[b] = look(&done[b]);
	r = pread(fd, room, n, (off_t)off);
	see(r == (ssize_t)(off + n > SIZE ? SIZE - off : n));
	if (r > 0)
		check(room, (size_t)r, off, complete);
}

/* ---- what the threads do ----------------------------------------------------------- */

static long rounds;
static bool writes;

/* A sequence of its own, with others in the same file and beside its own. */
static void sequences(int me, int fd, char *room, uint32_t *complete)
{
	unsigned seed = (unsigned)me + 1;

	for (size_t off = 0; off < SIZE;) {
		size_t n = 1 + next(&seed) % 30000;

		read_at(fd, room, n, off, complete);
		off += n;
		if (next(&seed) % 50 == 0)
			read_at(fd, room, n, next(&seed) % SIZE, complete);
	}
}

static void write_some(unsigned *seed)
{
	static char full[16 * BLOCK];
	size_t b = next(seed) % (BLOCKS - 16), n = 1 + next(seed) % 16;

	for (size_t i = 0; i < n; i++)
		memset(full + i * BLOCK, (int)__atomic_add_fetch(&begun[b + i], 1, __ATOMIC_SEQ_CST), BLOCK);
	see(pwrite(writer, full, n * BLOCK, (off_t)(b * BLOCK)) == (ssize_t)(n * BLOCK));
	for (size_t i = 0; i < n; i++)
		__atomic_add_fetch(&done[b + i], 1, __ATOMIC_SEQ_CST);
}

/* The pool is emptied for a moment, the numbers are opened anew. */
static void disturb(unsigned *seed)
{
	char *c[64];
	int n = 0, fd;

	while (n < 64 && (c[n] = pool_get(next(seed) % 2 ? 1 : 1 << 20))) {
		c[n][next(seed) % 4096] = 0x77;
		n++;
	}
	sched_yield();
	while (n > 0)
		pool_put(c[--n]);
	fd = open(name, O_RDONLY);
	see(fd >= 0);
	see(dup2(fd, apart[0]) == apart[0]);
	see(close(fd) == 0);
}

static void *work(void *arg)
{
	const int me = (int)(long)arg;
	char *room = malloc(65536);
	uint32_t *complete = calloc(BLOCKS + 1, sizeof(uint32_t));
	unsigned seed = (unsigned)me + 77;

	pthread_barrier_wait(&line);
	for (long i = 0; me < THREADS - 1 && i < rounds; i++)
		sequences(me, me == 2 ? apart[0] : apart[1], room, complete);
	if (me == 0)
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	while (me == THREADS - 1 && !stopped()) {
		disturb(&seed);
		if (writes && next(&seed) % 16 == 0)	/* rests longer than the age between */
			write_some(&seed);
		usleep(3000);
	}
	free(room);
	free(complete);
	return NULL;
}

/* All with read() on one descriptor: each byte is read once, by one of them. */
static uint32_t times[BLOCKS];

static void *read_shared(void *arg)
{
	char *room = malloc(BLOCK * 40);
	unsigned seed = (unsigned)(long)arg + 5;
	ssize_t r;

	pthread_barrier_wait(&line);
	while ((r = read(shared, room, BLOCK * (1 + next(&seed) % 40))) > 0) {
		see(r % BLOCK == 0);
		for (ssize_t i = 0; i < r; i += BLOCK) {
			uint32_t b;

			memcpy(&b, room + i, sizeof(b));
			see(b < BLOCKS && room[i + BLOCK - 1] == (char)b);
			if (b < BLOCKS)
				__atomic_add_fetch(&times[b], 1, __ATOMIC_RELAXED);
		}
	}
	see(r == 0);
	free(room);
	return NULL;
}

static void number_blocks(void)
{
	static char block[BLOCK];

	for (uint32_t b = 0; b < BLOCKS; b++) {
		memset(block, (int)b, BLOCK);
		memcpy(block, &b, sizeof(b));
		if (pwrite(writer, block, BLOCK, (off_t)b * BLOCK) != (ssize_t)BLOCK)
			see(false);
	}
	fsync(writer);
	usleep(30000);		/* a tick of the clock, and the age */
}

static void run_shared(void)
{
	long bad = 0, twice = 0;

	number_blocks();
	for (int i = 0; i < 4; i++) {
		lseek(shared, 0, SEEK_SET);
		memset(times, 0, sizeof(times));
		bad += race(read_shared);
		for (uint32_t b = 0; b < BLOCKS; b++)
			twice += times[b] != 1;
	}
	is_int(bad, 0, "one descriptor: every byte is its own");
	is_int(twice, 0, "one descriptor: every block is read once");
}

static unsigned chunks_left(void)
{
	char *c[65];
	unsigned n = 0;

	while (n < 65 && (c[n] = pool_get(1)))
		n++;
	for (unsigned i = 0; i < n; i++)
		pool_put(c[i]);
	return n;
}

int main(void)
{
	const struct ledger *l = book_now();
	long old = 0, races = 0;

	pool_configure(12 * (256u << 10), 256u << 10);
	state_config.stream = 1u << 20;
	state_config.stream_age_ns = 20000000;
	if (!make_file())
		skip_all("no scratch folder");
	usleep(30000);
	rounds = 3;
	is_int(race(work), 0, "sequences beside an empty pool and new numbers");
	ok(l->routes[ROUTE_staged].bytes > SIZE, "streams served %llu bytes of %llu",
	   (unsigned long long)l->routes[ROUTE_staged].bytes, (unsigned long long)rounds * SIZE * 3);
	ahead_async_after = 0;
	is_int(race(work), 0, "the same by asynchronous reads");
	writes = true;
	do
		old += race(work);
	while (l->counters[COUNTER_streams_changed] == 0 && ++races < 30);
	is_int(old, 0, "and beside a writer, nothing old is read");
	ok(l->counters[COUNTER_streams_changed] > 0, "streams ended for it");
	run_shared();
	for (int i = 0; i < THREADS; i++)
		close(apart[i]);
	close(shared);
	close(writer);
	unlink(name);
	is_int(chunks_left(), pool_count(), "no chunk is left behind");
	return done_testing();
}

/*
 * The windows of streams: how large, how many, and what of the pool they hold.
 */
#include "late.h"

#include "pool.h"

#define SIZE (2u << 20)
#define STEP 16384u

static void pool_of(unsigned chunks, size_t chunk)
{
	pool_configure((uint64_t)chunks * chunk, chunk);
}

/* The first is small, for who reads no more; each is twice the last one. */
static void ramp(void)
{
	int fd;

	pool_of(64, 1u << 20);
	late.eager = true;
	fd = quiet_file(1, SIZE, O_RDONLY);
	begin_stream(fd, STEP);
	EXPECT(only_stream() && only_stream()->a.slot[0].len == 4 * STEP);
	EXPECT(late.submits == 1 && held() == 1);
	do_read(fd, RW, STEP, HERE, 0, 0);	/* it is read on: now there are two */
	EXPECT(only_stream()->a.slot[1].len == 8 * STEP && late.submits == 2);
	read_on(fd, STEP);
	EXPECT(late.longest == 512u << 10 && late.submits == 7);
	EXPECT(late.waits == 0 && held() == 0);
	do_close(fd);
}

/* A first request that is larger; all at once where the program says how it reads. */
static void first_window(void)
{
	int fd;

	pool_of(64, 1u << 20);
	fd = quiet_file(1, SIZE, O_RDONLY);
	do_read(fd, RW, 200001, HERE, 0, 0);
	do_read(fd, RW, 200001, HERE, 0, 0);
	EXPECT(only_stream()->a.slot[0].len == ((200001 + 4095 + 200001 % 4096) & ~4095));
	do_close(fd);
	fd = quiet_file(1, SIZE, O_RDONLY);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	do_read(fd, RW, 100, HERE, 0, 0);
	EXPECT(only_stream()->a.slot[0].len == 512u << 10);
	do_close(fd);
}

/* A reader that waits gets more windows; one that finds them there, fewer. */
static void depth(void)
{
	int fd;

	pool_of(64, 16u << 10);
	state_config.stream = 96u << 10;
	fd = quiet_file(1, SIZE, O_RDONLY);
	begin_stream(fd, 1000);
	for (int i = 0; i < 150; i++)
		do_read(fd, RW, 1000, HERE, 0, 0);
	EXPECT(late.waits > 3 && held() == 6);
	late.eager = true;
	for (int i = 0; i < 1300; i++) {	/* 79 windows */
		do_read(fd, RW, 1000, HERE, 0, 0);
		EXPECT(held() == 5 || (held() == 6 && i < 1270));
	}
	late.eager = false;
	for (int i = 0; i < 200; i++)
		do_read(fd, RW, 1000, HERE, 0, 0);
	EXPECT(held() == 6);
	do_close(fd);
}

/* ---- a long file, whose bytes tell where they are ------------------------------------- */

static void long_file(uint64_t size)
{
	uint64_t *word = (uint64_t *)(void *)model_room;

	for (uint64_t at = 0; at < size; at += SIZE) {
		for (uint64_t i = 0; i < SIZE / 8; i++)
			word[i] = at + 8 * i;
		sys_kernel(SYS_pwrite64, model[1].probe, sys_ptr(word), SIZE, (long)at, 0, 0);
	}
}

static bool words_are(uint64_t at, size_t n)
{
	const uint64_t *word = (const uint64_t *)(void *)model_room;

	for (uint64_t i = 0; i < n / 8; i++)
		if (word[i] != at + 8 * i)
			return false;
	return true;
}

/* What is given back is somebody else's. */
static void use_the_rest(void)
{
	char *other[64];
	unsigned n = 0;

	while (n < 64 && n + held() < pool_count() && (other[n] = pool_get(1)))
		memset(other[n++], 0x77, pool_chunk());
	while (n > 0)
		pool_put(other[--n]);
}

/* The reader first waits for its windows, then finds them there, then waits again. */
static void read_long_file(int fd, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += 65536) {
		late.eager = at > size / 20 && at < size - size / 20;
		if (read(fd, model_room, 65536) != 65536 || !words_are(at, 65536))
			wrong("other bytes at %llu", (unsigned long long)at);
		EXPECT((held() > 0) == (only_stream() != NULL));
		use_the_rest();
	}
}

/* Windows do not fill the last chunk, or one chunk holds them all. */
static void uneven(void)
{
	const uint64_t size = 44u << 20;
	int fd;

	pool_of(8, 1u << 20);
	state_config.stream = 1536u << 10;
	fd = quiet_file(1, 4096, O_RDONLY);
	long_file(size);
	read_long_file(fd, size);
	EXPECT(moved(ROUTE_staged) > size - (1u << 20) && late.waits > 0);
	sys_kernel(SYS_ftruncate, model[1].probe, 4096, 0, 0, 0, 0);
	sys_kernel(SYS_pread64, model[1].probe, sys_ptr(model[1].data), 4096, 0, 0, 0);
	do_close(fd);
}

/* ---- settings ---------------------------------------------------------------------------- */

static void read_with(unsigned chunks, size_t chunk, uint64_t stream)
{
	int fd;

	pool_of(chunks, chunk);
	state_config.stream = stream;
	fd = quiet_file(1, SIZE - 777, O_RDONLY);
	while (do_read(fd, RW, 30001, HERE, 3, 0) > 0)
		EXPECT(held() <= chunks / 2);
	EXPECT((moved(ROUTE_staged) > SIZE - (128u << 10)) == (chunks > 1));
	EXPECT(late.longest <= (stream < chunk ? stream : chunk) && late.longest <= 512u << 10);
	EXPECT(held() == 0);
	do_close(fd);
}

static void small_stream(void)		{ read_with(64, 1u << 20, 64u << 10); }
static void odd_stream(void)		{ read_with(64, 1u << 20, 100000); }
static void small_chunks(void)		{ read_with(64, 64u << 10, 2u << 20); }
static void large_chunks(void)		{ read_with(4, 16u << 20, 2u << 20); }
static void large_stream(void)		{ read_with(64, 1u << 20, 16u << 20); }
static void one_chunk(void)		{ read_with(1, 1u << 20, 2u << 20); }
static void two_chunks(void)		{ read_with(2, 64u << 10, 2u << 20); }
static void four_chunks(void)		{ read_with(4, 64u << 10, 2u << 20); }

/* ---- the pool ------------------------------------------------------------------------------ */

/* Three files at a time, from a pool that has not enough for all. */
static void shared_pool(void)
{
	int fd[3];

	pool_of(4, CHUNK);
	for (int i = 0; i < 3; i++)
		fd[i] = quiet_file(i + 1, 600000, O_RDONLY);
	for (int n = 0; n < 300; n++)
		for (int i = 0; i < 3; i++) {
			do_read(fd[i], RW, 3000, HERE, 0, 0);
			EXPECT(held() <= 2);
		}
	EXPECT(counted(COUNTER_streams) > 0);
	for (int i = 0; i < 3; i++)
		do_close(fd[i]);
}

/* Who needs a chunk gets a stream's. */
static void pressure(void)
{
	char *mine[4];
	int fd;

	pool_of(4, CHUNK);
	fd = quiet_file(1, SIZE, O_RDONLY);
	do_read(fd, RW, 50000, HERE, 0, 0);
	do_read(fd, RW, 50000, HERE, 0, 0);
	do_read(fd, RW, 50000, HERE, 0, 0);
	EXPECT(held() == 2);
	mine[0] = pool_get(1);
	mine[1] = pool_get(1);
	EXPECT(mine[0] && mine[1] && held() == 2);
	mine[2] = pool_get(1);
	EXPECT(mine[2] && held() == 0);
	mine[3] = pool_get(1);
	EXPECT(mine[3] && !pool_get(1));
	pool_put(mine[2]);
	do_read(fd, PRW, 9001, 1234567, 1, 0);	/* bounced, in the last one */
	EXPECT(moved(ROUTE_bounced) > 9000);
	pool_put(mine[3]);
	pool_put(mine[0]);
	pool_put(mine[1]);
	read_on(fd, 50000);
	do_close(fd);
}

/* A bounce that finds the pool empty, and a stream that holds what it needs. */
static void pressed_by_bounce(void)
{
	char *mine[2];
	int fd;

	pool_of(4, CHUNK);
	fd = quiet_file(1, SIZE, O_RDONLY);
	for (int i = 0; i < 3; i++)
		do_read(fd, RW, 50000, HERE, 0, 0);
	mine[0] = pool_get(1);
	mine[1] = pool_get(1);
	do_read(fd, PRW, 9001, 1234567, 1, 0);
	EXPECT(book_now()->reasons[REASON_pool_empty].bytes == 0 && held() == 0);
	pool_put(mine[0]);
	pool_put(mine[1]);
	do_close(fd);
}

/* No chunk to begin with, often: nothing is used up by that. */
static void nothing_to_begin_with(void)
{
	char *mine[2];
	int fd;

	pool_of(2, CHUNK);
	fd = quiet_file(1, SIZE, O_RDONLY);
	mine[0] = pool_get(1);
	mine[1] = pool_get(1);
	for (int i = 0; i < 60; i++)
		do_read(fd, RW, 4096, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams) == 0 && held() == 0);
	pool_put(mine[0]);
	pool_put(mine[1]);
	read_on(fd, 4096);
	EXPECT(counted(COUNTER_streams) == 1 && late.submits > 20);
	do_close(fd);
}

/* Without asynchronous reads only one window is to come. */
static void synchronous(void)
{
	int fd;

	ahead_async_after = UINT64_MAX;
	fd = quiet_file(1, SIZE, O_RDONLY);
	begin_stream(fd, STEP);
	read_on(fd, STEP);
	EXPECT(late.setups == 0 && late.submits == 0 && moved(ROUTE_staged) == SIZE - STEP);
	do_close(fd);
}

/* Long enough was waited: from the next window on it is asynchronous. */
static void soon_asynchronous(void)
{
	int fd;

	ahead_async_after = 1;
	fd = quiet_file(1, SIZE, O_RDONLY);
	begin_stream(fd, STEP);
	read_on(fd, STEP);
	EXPECT(late.setups == 1 && late.submits > 2 && counted(COUNTER_streams) == 1);
	do_close(fd);
}

#define CASE(run_) { .name = #run_, .run = run_, .persona = late_kernel }

int main(void)
{
	static const struct scenario all[] = {
		CASE(ramp), CASE(first_window), CASE(depth), CASE(uneven), CASE(small_stream),
		CASE(odd_stream), CASE(small_chunks), CASE(large_chunks), CASE(large_stream),
		CASE(one_chunk), CASE(two_chunks), CASE(four_chunks), CASE(shared_pool),
		CASE(pressure), CASE(pressed_by_bounce), CASE(nothing_to_begin_with),
		CASE(synchronous), CASE(soon_asynchronous),
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), 0);
}

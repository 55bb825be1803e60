/*
 * Streams: which reads begin one, which end it, who may have none, and what a
 * program sees when something of it goes wrong.
 */
#include "late.h"

#include <sys/mman.h>

#define SIZE (1u << 20)
#define STEP 5000u

/* ---- when they begin --------------------------------------------------------------- */

static void second_request(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams) == 0 && moved(ROUTE_staged) == 0);
	do_read(fd, RW, STEP, HERE, 1, 0);
	EXPECT(counted(COUNTER_streams) == 1 && moved(ROUTE_staged) == STEP);
	do_read(fd, PRW, STEP, 2 * STEP, 3, 0);
	do_read(fd, RW, 1, HERE, 0, 0);
	EXPECT(moved(ROUTE_staged) == 2 * STEP + 1);
	read_on(fd, 4096);
	EXPECT(counted(COUNTER_streams) == 1 && counted(COUNTER_unused_bytes) <= 3 * STEP);
	EXPECT(moved(ROUTE_staged) == SIZE - STEP + STEP);	/* a part was read twice */
	EXPECT(held() == 0);
	do_close(fd);
}

static void at_random(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);
	uint64_t at = 77;

	for (int i = 0; i < 200; i++) {
		at = (at * 6364136223846793005ull + 1442695040888963407ull) % (SIZE - STEP);
		do_read(fd, PRW, STEP, (int64_t)at, 0, 0);
	}
	do_read(fd, PRW, STEP, 0, 0, 0);	/* the beginning, again and again */
	do_read(fd, PRW, STEP, 0, 0, 0);
	do_read(fd, PRW, STEP, SIZE - STEP, 0, 0);
	EXPECT(counted(COUNTER_streams) == 0 && moved(ROUTE_staged) == 0 && held() == 0);
	do_close(fd);
}

static void advise(int fd, int advice)
{
	begin(SYS_fadvise64);
	judge("posix_fadvise", posix_fadvise(fd, 0, 0, advice), 0);
}

static void advised(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	advise(fd, POSIX_FADV_SEQUENTIAL);
	do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams) == 1 && moved(ROUTE_staged) == STEP && held() > 0);
	advise(fd, POSIX_FADV_RANDOM);
	EXPECT(held() == 0);
	for (int i = 0; i < 100; i++)	/* more than any pause after one */
		do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams) == 1 && moved(ROUTE_staged) == STEP);
	advise(fd, POSIX_FADV_NORMAL);
	do_read(fd, RW, STEP, HERE, 0, 0);
	do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams) == 2 && moved(ROUTE_staged) >= 2 * STEP);
	do_close(fd);
	EXPECT(held() == 0);
}

/* Each its own stream, though they take turns. */
static void interleaved(void)
{
	static const int64_t from[] = { 0, 300000, 600000 };
	int fd = quiet_file(1, SIZE, O_RDONLY);

	for (uint64_t sequences = 2; sequences <= 3; sequences++) {
		uint64_t begun = counted(COUNTER_streams), staged = moved(ROUTE_staged);

		for (int64_t i = 0; i < 20; i++)
			for (uint64_t k = 0; k < sequences; k++)
				do_read(fd, PRW, STEP, from[k] + i * STEP, 0, 0);
		EXPECT(counted(COUNTER_streams) == begun + sequences);
		EXPECT(moved(ROUTE_staged) == staged + sequences * 19 * STEP);
		advise(fd, POSIX_FADV_RANDOM);
		advise(fd, POSIX_FADV_NORMAL);
	}
	do_close(fd);
}

/* Requests elsewhere: eight are forgiven. */
static void seek_away(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	begin_stream(fd, STEP);
	for (int64_t i = 0; i < 8; i++)
		do_read(fd, PRW, STEP, SIZE - STEP * (2 * i + 3), 0, 0);
	EXPECT(held() > 0);
	do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(moved(ROUTE_staged) == 2 * STEP);
	for (int64_t i = 0; i < 9; i++)
		do_read(fd, PRW, STEP, SIZE - STEP * (2 * i + 3) - 77, 0, 0);
	EXPECT(held() == 0 && counted(COUNTER_streams) == 1);
	EXPECT(counted(COUNTER_unused_bytes) > 0);
	do_close(fd);
}

/* A guess where the offset is may not decide how much is read. */
static void seek_back(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	do_seek(fd, SIZE - 4 * STEP);
	do_read(fd, RW, STEP, HERE, 0, 0);
	do_read(fd, RW, STEP, HERE, 0, 0);
	do_read(fd, RW, 2 * STEP - 100, HERE, 0, 0);
	EXPECT(moved(ROUTE_staged) == 3 * STEP - 100);
	do_seek(fd, 100);
	do_read(fd, RW, STEP, HERE, 0, 0);
	do_seek(fd, SIZE - 10);
	do_read(fd, RW, STEP, HERE, 0, 0);
	do_read(fd, RW, STEP, HERE, 0, 0);
	do_close(fd);
}

/* ---- who may have none ----------------------------------------------------------------- */

static void expect_none(int fd, size_t n)
{
	uint64_t staged = moved(ROUTE_staged);

	for (int i = 0; i < 4; i++)
		do_read(fd, PRW, n, (int64_t)n * i, 0, 0);
	EXPECT(moved(ROUTE_staged) == staged);
}

static void switched_off(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	state_config.stream = 0;
	expect_none(fd, STEP);
	do_close(fd);
}

static void rescued(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY | O_DIRECT);

	expect_none(fd, STEP);
	do_close(fd);
}

static void mapped(void)
{
	int fd = quiet_file(1, SIZE, O_RDWR);
	char *at;

	begin_stream(fd, STEP);
	EXPECT(moved(ROUTE_staged) == STEP);
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	at[10] = model[1].data[10] = 'm';	/* and no clock of ours is told */
	expect_none(fd, STEP);
	munmap(at, 4096);
	do_close(fd);
}

static void learned(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	begin_stream(fd, STEP);
	slot_of_fd(fd)->learned = 1;
	expect_none(fd, STEP);
	do_close(fd);
}

/* Zero-copy is faster for large ones; from 512 KiB on. */
static void large_and_aligned(void)
{
	int fd = quiet_file(1, 2 * SIZE, O_RDONLY);

	expect_none(fd, 512u << 10);
	for (int64_t i = 0; i < 4; i++)
		do_read(fd, PRW, (512u << 10) - 4096, ((512 << 10) - 4096) * i, 0, 0);
	EXPECT(moved(ROUTE_staged) > SIZE);
	EXPECT(counted(COUNTER_streams) == 1);
	do_close(fd);
}

/* What is not said to tell its changes by ctime; what is a device. */
static long magic;

static bool other_filesystem(long nr, const long *a, long *answer)
{
	if (nr != SYS_fstatfs)
		return false;
	*answer = sys_kernel(nr, a[0], a[1], 0, 0, 0, 0);
	((struct statfs *)a[1])->f_type = (__typeof__(((struct statfs *)0)->f_type))magic;
	return true;
}

static void on_f2fs(void)
{
	int fd;

	magic = 0xf2f52010;
	fd = quiet_file(1, SIZE, O_RDONLY);
	expect_none(fd, STEP);
	do_close(fd);
	magic = 0x58465342;	/* xfs */
	fd = quiet_file(2, SIZE, O_RDONLY);
	begin_stream(fd, STEP);
	EXPECT(moved(ROUTE_staged) == STEP);
	do_close(fd);
}

static bool device(long nr, const long *a, long *answer)
{
	if (nr != SYS_ioctl)
		return false;
	*(uint64_t *)a[2] = SIZE;
	*answer = 0;
	return true;
}

static void block_device(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	do_read(fd, PRW, STEP, SIZE / 2, 0, 0);
	slot_of_fd(fd)->block_device = true;
	expect_none(fd, STEP);
	slot_of_fd(fd)->block_device = false;
	do_close(fd);
}

/* ---- the age -------------------------------------------------------------------------- */

/* Does a stream begin where the clock says now and the file ctime? Ends as it began. */
static bool begins(int fd, int64_t ctime, int64_t now)
{
	uint64_t begun = counted(COUNTER_streams), no = counted(COUNTER_streams_refused);
	bool yes;

	slot_of_fd(fd)->patience = 0;
	memset(slot_of_fd(fd)->seq, 0, sizeof(slot_of_fd(fd)->seq));
	disk_clock.file[0].ctime = ctime;
	disk_clock.now = now;
	do_seek(fd, 0);
	begin_stream(fd, STEP);
	yes = counted(COUNTER_streams) > begun;
	EXPECT(yes != (counted(COUNTER_streams_refused) > no));
	window_end_of(slot_of_fd(fd));
	return yes;
}

static void ages(void)
{
	static const int64_t years[] = { -3000000000, -1, 1, 1700000000, 4000000000, 6000000000 };
	static const int64_t limits[] = { 20 * CLOCK_MS, 3 * CLOCK_S, 3600 * CLOCK_S, 999999999 };
	int fd = quiet_file(1, SIZE, O_RDONLY);

	do_read(fd, PRW, STEP, SIZE / 2, 0, 0);
	disk_clock.tick = 1;
	for (size_t y = 0; y < 6; y++)
		for (size_t l = 0; l < 4; l++) {
			const int64_t age = limits[l] + 10 * CLOCK_MS, s = years[y] * CLOCK_S;	/* and a tick */

			state_config.stream_age_ns = (uint64_t)limits[l];
			for (int64_t ns = 1; ns < CLOCK_S; ns += 199999999) {
				EXPECT(!begins(fd, s + ns, s + ns + age - 1));
				EXPECT(begins(fd, s + ns, s + ns + age));
				EXPECT(begins(fd, s + ns, s + ns + age + 1));
				EXPECT(begins(fd, s + ns, s + ns + age * 1000));
				EXPECT(!begins(fd, s + ns, s + ns));
				EXPECT(!begins(fd, s + ns, s + ns - 1));
				EXPECT(!begins(fd, s + ns, s + ns - age));
				EXPECT(!begins(fd, s + ns, s + ns - 2 * CLOCK_S));
			}
			EXPECT(!begins(fd, s, s + 100 * age));	/* no nanoseconds */
		}
	do_close(fd);
}

/* Refused, it is asked again only every so often. */
static void patience(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	disk_clock.now -= 3600 * CLOCK_S;
	for (int i = 0; i < 40; i++)
		do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams) == 0 && counted(COUNTER_streams_refused) == 3);
	disk_clock.now += 3600 * CLOCK_S;
	for (int i = 0; i < 16; i++)
		do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams) == 1);
	do_close(fd);
}

static bool no_clock(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -EPERM;
	return nr == SYS_clock_gettime;
}

static void clock_fails(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	expect_none(fd, STEP);
	EXPECT(counted(COUNTER_streams_refused) == 1);
	do_close(fd);
}

#define CASE(run_) { .name = #run_, .run = run_, .persona = late_kernel }
#define CASE_ON(run_, persona_) { .name = #run_, .run = run_, .persona = persona_ }

int main(void)
{
	static const struct scenario all[] = {
		CASE(second_request), CASE(at_random), CASE(advised), CASE(interleaved),
		CASE(seek_away), CASE(seek_back), CASE(switched_off), CASE(rescued), CASE(mapped),
		CASE(learned), CASE(large_and_aligned), CASE_ON(on_f2fs, other_filesystem),
		CASE_ON(block_device, device), CASE(ages), CASE(patience),
		CASE_ON(clock_fails, no_clock),
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), 0);
}

/*
 * Streams beside writers, on kernels whose timestamps move in ticks: no read
 * may give bytes that are older than the last write completed before it. A
 * writer changes the file at random moments, also in the middle of a read, and
 * takes its time: the data may come long after the timestamp.
 */
#include "quiet.h"

#define SIZE (384u << 10)
#define BLOCK 512u
#define BLOCKS (SIZE / BLOCK)
#define STEPS 6000

static struct world {
	const char *name;
	int64_t tick, grain, age;	/* ns */
	bool fine, no_statx, steps_back;
	bool never;		/* no stream can begin */
} world;

static uint64_t seed;
static unsigned char before[BLOCKS];	/* what each block was when the read began: its number of changes */

/* One write under way: stamped, the data to come. */
static struct { bool on; size_t from, n; int64_t due; } slow;

static uint64_t pick(uint64_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % n;
}

/* ---- the writer ------------------------------------------------------------------ */

static void change(size_t from, size_t n)
{
	struct model *m = &model[1];

	for (size_t b = from; b < from + n; b++) {
		memset(m->data + b * BLOCK, m->data[b * BLOCK] + 1, BLOCK);
		sys_kernel(SYS_pwrite64, m->probe, sys_ptr(m->data + b * BLOCK), BLOCK, (long)(b * BLOCK),
			   0, 0);
	}
}

static void start_write(void)
{
	if (slow.on)
		return;
	slow.from = pick(BLOCKS - 8);
	slow.n = 1 + pick(8);
	clock_stamp(model[1].probe);
	slow.on = pick(4) == 0;
	slow.due = disk_clock.now + (int64_t)pick((uint64_t)world.age);
	if (!slow.on)
		change(slow.from, slow.n);
}

static void pass(int64_t ns)
{
	if (slow.on && disk_clock.now + ns >= slow.due) {
		slow.on = false;
		change(slow.from, slow.n);
	}
	disk_clock.now += ns;
}

/* The clock is set back; its ticks fall elsewhere then. */
static void step_back(void)
{
	disk_clock.now -= (int64_t)pick(20) * CLOCK_S + (int64_t)pick(CLOCK_S);
	disk_clock.phase = (int64_t)pick((uint64_t)disk_clock.tick);
	if (slow.on && slow.due > disk_clock.now + world.age)
		slow.due = disk_clock.now + world.age - 1;
}

/* The world goes on beside the shim's calls. */
static bool meanwhile(long nr, const long *a, long *answer)
{
	(void)a;
	if (pick(16) == 0)
		pass((int64_t)pick(2 * CLOCK_MS));
	if (pick(300) == 0)
		start_write();
	*answer = -ENOSYS;
	return nr == SYS_statx && world.no_statx;
}

/* ---- the reader ------------------------------------------------------------------ */

static void check_read(size_t off, ssize_t r, size_t want, const char *got)
{
	if (r != (ssize_t)want) {
		wrong("read of %zu at %zu: %zd", want, off, r);
		return;
	}
	for (size_t i = 0; i < want; i++) {
		size_t b = (off + i) / BLOCK;
		unsigned char lag = (unsigned char)(got[i] - before[b]);

		if (lag > (unsigned char)(model[1].data[b * BLOCK] - before[b])) {
			wrong("%s: byte %zu is %d changes old", world.name, off + i, (signed char)-lag);
			return;
		}
	}
}

static void read_once(int fd)
{
	size_t n = 1 + pick(pick(8) ? 12000 : 200000), off, skew = pick(3) ? pick(4096) : 0;
	char *at = model_room + skew;

	if (pick(60) == 0)
		lseek(fd, (off_t)pick(SIZE), SEEK_SET);
	off = (size_t)offset_of(fd);
	if (off >= SIZE)
		off = (size_t)lseek(fd, 0, SEEK_SET);
	if (n > SIZE - off)
		n = SIZE - off;
	for (size_t b = 0; b < BLOCKS; b++)
		before[b] = (unsigned char)model[1].data[b * BLOCK];
	switch (pick(3)) {
	case 0:
		check_read(off, call(true, RW, fd, at, n, HERE, 0, 0), n, at);
		break;
	case 1:
		check_read(off, call(true, PRW, fd, at, n, (int64_t)off, 0, 0), n, at);
		lseek(fd, (off_t)(off + n), SEEK_SET);
		break;
	default:
		check_read(off, call(true, RWV, fd, at, n, HERE, ODD, 0), n, at);
	}
}

static void run(void)
{
	int fd;

	clock_start();
	disk_clock.tick = world.tick;
	disk_clock.grain = world.grain;
	disk_clock.fine = world.fine;
	state_config.stream_age_ns = (uint64_t)world.age;
	seed = 1;
	fd = quiet_file(1, SIZE, O_RDONLY);
	for (size_t b = 0; b < BLOCKS; b++)
		change(b, 1);
	for (int i = 0; i < STEPS; i++) {
		model_step = i;
		/* Mostly calm: a write every now and then, and rest enough for a stream to begin. */
		pass((int64_t)pick((uint64_t)(pick(30) ? world.age / 40 : 3 * world.age)));
		if (pick(150) == 0)
			start_write();
		if (world.steps_back && pick(200) == 0)
			step_back();
		read_once(fd);
	}
	pass(2 * world.age);
	EXPECT((moved(ROUTE_staged) > SIZE) == !world.never);
	EXPECT((counted(COUNTER_streams) > 20) == !world.never);
	EXPECT((counted(COUNTER_streams_changed) > 4) == !world.never);
	EXPECT(counted(COUNTER_streams_refused) > 10);
	do_close(fd);
}

#define WORLD(name_, ...)                                                          \
	static void name_(void)                                                    \
	{                                                                          \
		world = (struct world){ .name = #name_, __VA_ARGS__ };             \
		run();                                                             \
	}
#define AGE_MIN (20 * CLOCK_MS)
WORLD(ticks_of_4_ms, .tick = 4 * CLOCK_MS, .grain = 1, .age = 3 * CLOCK_S)
WORLD(ticks_of_4_ms_young, .tick = 4 * CLOCK_MS, .grain = 1, .age = AGE_MIN)
WORLD(ticks_of_10_ms, .tick = 10 * CLOCK_MS, .grain = 1, .age = 3 * CLOCK_S)
WORLD(ticks_of_10_ms_young, .tick = 10 * CLOCK_MS, .grain = 1, .age = AGE_MIN)
WORLD(seconds, .tick = 4 * CLOCK_MS, .grain = CLOCK_S, .age = 3 * CLOCK_S, .never = true)
WORLD(seconds_young, .tick = 10 * CLOCK_MS, .grain = CLOCK_S, .age = AGE_MIN, .never = true)
WORLD(multigrain, .tick = 4 * CLOCK_MS, .grain = 1, .age = AGE_MIN, .fine = true)
WORLD(no_statx, .tick = 10 * CLOCK_MS, .grain = 1, .age = AGE_MIN, .no_statx = true)
WORLD(no_statx_seconds, .tick = 4 * CLOCK_MS, .grain = CLOCK_S, .age = AGE_MIN, .no_statx = true,
      .never = true)
WORLD(set_back, .tick = 4 * CLOCK_MS, .grain = 1, .age = 3 * CLOCK_S, .steps_back = true)
WORLD(set_back_young, .tick = 4 * CLOCK_MS, .grain = 1, .age = AGE_MIN, .steps_back = true,
      .no_statx = true)

#define CASE(run_) { .name = #run_, .run = run_, .persona = meanwhile, .direct = 1 }

int main(void)
{
	static const struct scenario all[] = {
		CASE(ticks_of_4_ms), CASE(ticks_of_4_ms_young), CASE(ticks_of_10_ms),
		CASE(ticks_of_10_ms_young), CASE(seconds), CASE(seconds_young), CASE(multigrain),
		CASE(no_statx), CASE(no_statx_seconds), CASE(set_back), CASE(set_back_young),
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), 0);
}

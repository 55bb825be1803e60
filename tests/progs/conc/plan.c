/*
 * What a seed stands for: the sizes of slots and entries, the processes, what
 * each does, and how it moves bytes.
 */
#include "conc.h"

#define NOBODY	JOBS	/* owns slots that nobody writes */

static uint64_t rnd;

static long roll(long n)
{
	return below(&rnd, n);
}

static void plan_slots(void)
{
	const int64_t most = st->mapped ? 256 * KIB << roll(3) : 64 * KIB << roll(7);
	int64_t off = roll(2) ? 0 : roll(9000);

	for (; off < most && st->n_slots < SLOTS; st->n_slots++) {
		struct slot *s = &st->slots[st->n_slots];

		s->len = (uint32_t)odd_size(&rnd, most / 2);
		s->job = NOBODY;
		if (s->len % 512 == 0)
			off = (off + 4095) / 4096 * 4096;
		s->off = off;
		off += s->len;
	}
	st->region = off;
}

static void plan_entries(void)
{
	static const uint32_t lengths[] = { 64, 512, 4096 };	/* none crosses a page */

	st->tail_len = lengths[roll(3)];
	st->dole_len = (uint32_t)(roll(2) ? 16 + roll(200) : 16 + roll(5000));
	st->log_gaps = roll(3) == 0;
}

static uint32_t some_ways(uint32_t of)
{
	uint32_t ways;

	if (roll(4) == 0 && of & (ONE_CALL - 1))
		of &= ONE_CALL - 1;
	while (!(ways = (uint32_t)roll(1 << WAYS) & of))
		;
	return ways;
}

static enum kind some_kind(void)
{
	static const enum kind kinds[] = {
		JOB_PLACE, JOB_PLACE, JOB_PLACE, JOB_PLACE, JOB_LOOK, JOB_LOOK, JOB_LOOK, JOB_LOG, JOB_LOG,
		JOB_QUEUE, JOB_QUEUE, JOB_TAIL, JOB_TAIL, JOB_LINE, JOB_DOLE, JOB_DOLE, JOB_PUSH,
	};

	return kinds[roll(COUNT(kinds))];
}

static void add_job(struct process *p, enum kind kind, uint32_t ways)
{
	st->lines += kind == JOB_LINE;
	st->jobs[st->n_jobs] = (struct job){ .kind = kind, .ways = ways };
	p->job[p->jobs++] = st->n_jobs++;
}

/* A process of the jobs that were drawn for it, and of one more. */
static void add_process(bool with_shim, uint32_t writes, uint32_t reads, bool tails, enum kind kind, uint32_t ways)
{
	struct process *p = &st->processes[st->n_processes++];
	const long shim = roll(4), forks = roll(3), relay = roll(4), jobs = roll(PER_PROCESS);

	p->shim = with_shim && shim != 0;
	p->forks = forks == 0;
	p->relay = relay == 0;
	add_job(p, kind, ways);
	for (long j = 0; j < jobs; j++) {
		enum kind other = some_kind();

		if (kind == JOB_TAIL && other != JOB_LINE)
			other = JOB_TAIL;	/* many share the offset */
		else if (!tails && (other == JOB_LINE || other == JOB_TAIL))
			other = JOB_PLACE;
		add_job(p, other, some_ways(other == JOB_PLACE ? writes : reads));
	}
}

/*
 * Stores through a mapping beside a program's own direct writes lose data
 * without any shim, so one seed has either. A process that stores writes no
 * more directly, so these are processes of their own.
 */
static void plan_processes(bool with_shim)
{
	const uint32_t all = (1u << WAYS) - 1, stores = 1u << WAY_MAP, direct = 1u << WAY_DIRECT;
	const bool tails = roll(2) == 0, grows = roll(2) == 0;
	const uint32_t writes = all & ~stores & ~(st->mapped ? direct : 0);

	add_process(with_shim, writes, all, tails, JOB_PLACE, some_ways(writes));
	add_process(with_shim, writes, all, tails, JOB_PLACE, some_ways(writes));
	add_process(with_shim, writes, all, tails, JOB_LOOK, some_ways(all));
	for (long more = roll(3); more > 0; more--)
		add_process(with_shim, writes, all, tails, some_kind(), some_ways(writes));
	if (st->mapped)
		add_process(with_shim, stores, all, tails, JOB_PLACE, stores | (roll(2) ? some_ways(writes) : 0));
	if (tails) {
		add_process(with_shim, writes, all, true, JOB_LINE, 0);
		for (long more = 1 + roll(2); more > 0; more--)
			add_process(with_shim, writes, all, true, JOB_TAIL, 0);
	}
	if (grows)
		add_process(with_shim, writes, all, tails, JOB_GROW, 0);
	else
		st->log_gaps = 0;
}

/* Slots go to the writers in no order. */
static void plan_owners(void)
{
	uint32_t writers[JOBS], n = 0;

	for (uint32_t j = 0; j < st->n_jobs; j++)
		if (st->jobs[j].kind == JOB_PLACE)
			writers[n++] = j;
	for (uint32_t i = 0; i < st->n_slots; i++) {
		const long who = roll(n), nobody = roll(40);

		if (nobody)
			st->slots[i].job = writers[who];
	}
}

static void plan_files(void)
{
	unsigned char *p = malloc((size_t)ENTRIES * st->dole_len);
	int fd;

	NEED(p);
	for (uint32_t i = 0; i < ENTRIES; i++)
		entry_fill(p + (size_t)i * st->dole_len, JOBS, i, st->dole_len);
	fd = data_file("dole", O_RDWR | O_CREAT | O_TRUNC);
	for (int64_t at = 0, all = (int64_t)ENTRIES * st->dole_len; at < all;) {
		ssize_t n = write(fd, p + at, (size_t)(all - at));

		NEED(n > 0);
		at += n;
	}
	free(p);
	close(fd);
	fd = data_file("slots", O_RDWR | O_CREAT | O_TRUNC);
	NEED(ftruncate(fd, st->region) == 0);
	if (st->mapped) {	/* with blocks, so that direct writes do not wait for any */
		p = calloc(1, (size_t)st->region);
		NEED(p && pwrite(fd, p, (size_t)st->region, 0) == st->region);
		free(p);
	}
	st->grown = st->region;
	close(fd);
	close(data_file("log", O_RDWR | O_CREAT | O_TRUNC));
	close(data_file("queue", O_RDWR | O_CREAT | O_TRUNC));
	close(data_file("tail", O_RDWR | O_CREAT | O_TRUNC));
}

/* These are inherited by all, over exec. */
static int keep(const char *name, int flags)
{
	int fd = dup(data_file(name, flags));

	NEED(fd >= 0);
	return fd;
}

void plan_work(bool with_shim)
{
	rnd = st->seed * 0x2545f4914f6cdd1dul;
	st->mapped = roll(3) == 0;
	plan_slots();
	plan_entries();
	plan_processes(with_shim);
	plan_owners();
	plan_files();
	st->slots_fd = keep("slots", O_RDWR);
	st->log_fd = keep("log", O_RDWR | O_APPEND);
	st->queue_fd = keep("queue", O_RDWR);
	st->tail_fd = keep("tail", O_RDWR);
	st->dole_fd = keep("dole", O_RDONLY);
}

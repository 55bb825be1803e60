/*
 * stale FOLDER SEED MILLISECONDS [AGE]
 *
 * One seed's work in FOLDER, which must exist; started under the shim or
 * plain. AGE is that of the shim's --stream-age, ms. Counts go to stdout, below
 * them what was found; then the status is 1, and it ends early.
 */
#include "stale.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define PATIENCE 30000	/* ms for all to end, once told so */

struct state *st;

const char *const op_names[OPS] = { "pwrite", "odd", "pwritev", "raw", "direct", "flight", "store", "punch", "zero", "copy",
				    "cut", "append", "rename" };
const char *const place_names[PLACES] = { "thread", "shimmed", "plain" };
const char *const reading_names[READINGS] = { "read", "pread", "readv", "preadv", "shared read", "pread by turns" };
const char *const flavour_names[FLAVOURS] = { "cached", "mixed", "direct", "mapped" };

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000l + t.tv_nsec / 1000000;
}

void tell(const char *fmt, ...)
{
	char text[sizeof(st->found.text[0])];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	problem(&st->found, "%s", text);
	if (!get(&st->failed))
		set(&st->failed, now_ms());
}

/* ---- members ------------------------------------------------------------- */

static void *read_thread(void *arg)
{
	reader_job((uint32_t)(uintptr_t)arg);
	return NULL;
}

static void *write_thread(void *arg)
{
	writer_job((uint32_t)(uintptr_t)arg);
	return NULL;
}

/* One job alone has no thread: what a process of one thread does is another matter. */
static void run_member(const struct member *m)
{
	pthread_t threads[TRACKS * READERS];
	uint32_t n = 0;

	if (m->tracks == 1 && m->writers == 0) {
		reader_job(st->tracks[m->first_track].reader[0]);
		return;
	}
	for (uint32_t t = m->first_track; t < m->first_track + m->tracks; t++)
		for (uint32_t i = 0; i < st->tracks[t].readers; i++)
			NEED(pthread_create(&threads[n++], NULL, read_thread, (void *)(uintptr_t)st->tracks[t].reader[i]) == 0);
	for (uint32_t i = 0; i < m->writers; i++)
		NEED(pthread_create(&threads[n++], NULL, write_thread, (void *)(uintptr_t)(m->first_writer + i)) == 0);
	for (uint32_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static int member(char **argv)
{
	st = crew_map(atoi(argv[3]), sizeof(*st));
	run_member(&st->members[atoi(argv[2])]);
	return 0;
}

static void start(pid_t *pids, int memory)
{
	char index[12], fd[12];
	char *argv[] = { "stale", "member", index, fd, NULL };

	snprintf(fd, sizeof(fd), "%d", memory);
	for (uint32_t i = 0; i < st->n_members; i++) {
		snprintf(index, sizeof(index), "%u", i);
		if (!(pids[i] = fork()))
			crew_become(st->members[i].shim, argv);
	}
}

static void finish(const pid_t *pids)
{
	int64_t limit = now_ms() + PATIENCE;
	int status;

	for (uint32_t i = 0; i < st->n_members; i++) {
		while (waitpid(pids[i], &status, WNOHANG) == 0) {
			if (now_ms() > limit) {
				tell("process %u does not end", i);
				kill(pids[i], SIGKILL);
				limit += PATIENCE;
			}
			usleep(1000);
		}
		if (status)
			tell("process %u ended with %x", i, (unsigned)status);
	}
}

/* ---- phases -------------------------------------------------------------- */

/* Mostly a little more than the age: when a stream may just begin. */
static int64_t quiet_time(uint64_t *rnd)
{
	const long age = st->age;

	switch (below(rnd, 6)) {
	case 0: return age / 2 + below(rnd, age / 2);
	case 1: return age + below(rnd, 2 * age);
	default: return age + 20 + below(rnd, age / 4);
	}
}

static void next_phase(struct track *t, int64_t now, uint64_t *rnd)
{
	const bool low = st->age < DEFAULT_AGE;
	const enum phase was = (enum phase)t->phase;
	enum phase phase = QUIET;

	if (was == QUIET)
		phase = below(rnd, 5) < 3 ? SHARP : FLOW;
	else if (was == FLOW || (was == SHARP && one_in(rnd, 2)))
		phase = BURST;
	switch (phase) {
	case QUIET: t->until = now + quiet_time(rnd); break;
	case FLOW: t->until = now + 2 + below(rnd, low ? 20 : 150); break;
	case SHARP: t->until = now + (low ? 400 : 2500); break;
	case BURST: t->until = now + 2 + below(rnd, low ? 40 : 250); break;
	}
	if (phase == SHARP) {
		set(&t->sharp_left, t->readers);
		add(&t->cycle, 1);
	}
	set(&t->phase, phase);
}

static void lead(int64_t ms)
{
	uint64_t rnd = mix(st->seed + 1);
	int64_t now;

	st->begun = now_ms();
	for (uint32_t i = 0; i < st->n_tracks; i++)
		st->tracks[i].until += st->begun + st->age;
	while ((now = now_ms()) < st->begun + ms && (!get(&st->failed) || now < st->failed + 200)) {
		for (uint32_t i = 0; i < st->n_tracks; i++) {
			struct track *t = &st->tracks[i];

			if (now >= t->until || (t->phase == SHARP && !get(&t->sharp_left)))
				next_phase(t, now, &rnd);
		}
		usleep(st->age < DEFAULT_AGE ? 500 : 2000);
	}
}

/* ---- the end ------------------------------------------------------------- */

static void print_changes(void)
{
	for (uint32_t op = 0; op < OPS; op++) {
		uint64_t n[PLACES] = { 0 };

		for (uint32_t i = 0; i < st->n_writers; i++)
			n[st->writers[i].place] += st->writers[i].announced[op];
		if (n[THREAD] + n[SHIMMED] + n[PLAIN])
			printf("  %s %lu %lu %lu\n", op_names[op], n[THREAD], n[SHIMMED], n[PLAIN]);
	}
}

static void print(void)
{
	struct reader all = { 0 };
	uint64_t changes = 0, served = 0;

	for (uint32_t i = 0; i < st->n_readers; i++) {
		const struct reader *r = &st->readers[i];

		all.reads += r->reads;
		all.blocks += r->blocks;
		all.torn += r->torn;
		all.short_reads += r->short_reads;
		all.starts += r->starts;
		all.sharp += r->sharp;
		all.sharp_at_once += r->sharp_at_once;
		all.grown += r->grown;
	}
	for (uint32_t i = 0; i < st->n_writers; i++) {
		served += st->writers[i].served;
		for (uint32_t op = 0; op < OPS; op++)
			changes += st->writers[i].announced[op];
	}
	printf("seed %lu: age %u files %u readers %u writers %u reads %lu blocks %lu starts %lu short %lu torn %lu changes %lu "
	       "begged %lu sharp %lu at_once %lu grown %lu problems %u\n",
	       st->seed, st->age, st->n_tracks, st->n_readers, st->n_writers, all.reads, all.blocks, all.starts, all.short_reads,
	       all.torn, changes, served, all.sharp, all.sharp_at_once, all.grown, st->found.problems);
	if (st->found.problems)
		printf("  the first after %lld ms\n", (long long)(st->failed - st->begun));
	findings_print(&st->found);
	print_changes();
}

int main(int argc, char **argv)
{
	pid_t pids[MEMBERS] = { 0 };
	int fd;

	if (argc == 4 && !strcmp(argv[1], "member"))
		return member(argv);
	NEED(argc == 4 || argc == 5);
	crew_step_out(argv);
	fd = crew_memory(sizeof(*st));
	st = crew_map(fd, sizeof(*st));
	NEED(realpath(argv[1], st->folder));
	st->seed = strtoul(argv[2], NULL, 10);
	st->age = argc == 5 ? (uint32_t)atoi(argv[4]) : DEFAULT_AGE;
	plan_work(crew_has_shim());
	start(pids, fd);
	lead(atol(argv[3]));
	set(&st->stop, 1);
	finish(pids);
	print();
	return st->found.problems != 0;
}

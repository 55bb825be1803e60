#include "timeline.h"

#include "cli.h"
#include "gather.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef FIRST_INTERVAL_NS	/* the test is in a hurry */
#define FIRST_INTERVAL_NS 100000000u
#endif
#define COST_SHARE	50	/* a sample takes at most this part of the time */

struct sampler {
	struct timeline t;	/* first: one is freed as the other */
	const char *folder;
	uint64_t start_ns, interval_ns;	/* CLOCK_MONOTONIC */
	struct ledger *head;	/* a ledger's, without its files */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool read_head(int dir, const char *name, struct ledger *l)
{
	const size_t size = offsetof(struct ledger, files);
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, l, size, 0);
	close(fd);
	return n == (ssize_t)size && !ledger_wrong(l, size);
}

static void add_ledger(struct timeline_sample *s, const struct ledger *l)
{
	s->running += l->state == LEDGER_RUNNING;
	s->calls += l->counters[COUNTER_calls];
	for (unsigned i = 0; i < ROUTES; i++)
		s->routes[i] += l->routes[i].bytes;
}

static void take_sample(struct sampler *s)
{
	struct timeline_sample *to = &s->t.samples[s->t.n];
	DIR *dir = opendir(s->folder);
	struct dirent *e;

	if (!dir)
		return;
	*to = (struct timeline_sample){ .ms = (now_ns() - s->start_ns) / 1000000 };
	while ((e = readdir(dir)))
		if (is_ledger_name(e->d_name) && read_head(dirfd(dir), e->d_name, s->head) &&
		    s->head->start_ns >= s->t.began_ns)
			add_ledger(to, s->head);
	closedir(dir);
	s->t.n++;
}

/* Half as fine, over twice the time. */
static void thin_out(struct sampler *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->t.n; i += 2)
		s->t.samples[n++] = s->t.samples[i];
	s->t.n = n;
	s->interval_ns *= 2;
}

/* True: it is time; false: the end has come. */
static bool sleep_until(struct sampler *s, uint64_t ns)
{
	struct timespec at = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	pthread_mutex_lock(&s->lock);
	while (!s->stop && now_ns() < ns)
		pthread_cond_timedwait(&s->wake, &s->lock, &at);
	pthread_mutex_unlock(&s->lock);
	return !s->stop;
}

static void *run(void *arg)
{
	struct sampler *s = arg;
	uint64_t next = s->start_ns;

	do {
		uint64_t began = now_ns(), cost;

		if (s->t.n + 1 >= TIMELINE_SAMPLES)	/* one is for the end */
			thin_out(s);
		take_sample(s);
		cost = now_ns() - began;
		/* A folder of very many ledgers is read less often. */
		next += s->interval_ns;
		if (next < began + COST_SHARE * cost)
			next = began + COST_SHARE * cost;
	} while (sleep_until(s, next));
	take_sample(s);
	return NULL;
}

struct timeline *timeline_start(const char *folder, uint64_t began_ns)
{
	struct sampler *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;
	int e = ENOMEM;

	if (s)
		s->head = calloc(1, sizeof(*s->head));
	if (s && s->head) {
		s->t.began_ns = began_ns;
		s->folder = folder;
		s->start_ns = now_ns();
		s->interval_ns = FIRST_INTERVAL_NS;
		pthread_mutex_init(&s->lock, NULL);
		pthread_condattr_init(&monotonic);
		pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
		pthread_cond_init(&s->wake, &monotonic);
		e = pthread_create(&s->thread, NULL, run, s);
	}
	if (!e)
		return &s->t;
	complain("no timeline: %s", strerror(e));
	if (s)
		free(s->head);
	free(s);
	return NULL;
}

void timeline_stop(struct timeline *t)
{
	struct sampler *s = (struct sampler *)t;

	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	free(s->head);
	s->head = NULL;
}

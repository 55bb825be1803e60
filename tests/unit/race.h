/*
 * race: a few threads that start together, and what one of them sees that it
 * must not see. For ThreadSanitizer (make check-tsan) and without.
 */
#ifndef DIOSHIM_RACE_H
#define DIOSHIM_RACE_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define THREADS 4

static pthread_barrier_t line;
static long wrong;	/* what a thread saw that it must not see */
static uint32_t stop;

static void see(bool good)
{
	if (!good)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

/* All at once, each with its number; how often something was wrong. */
static long race(void *(*run)(void *))
{
	pthread_t t[THREADS];

	wrong = 0;
	__atomic_store_n(&stop, 0, __ATOMIC_RELEASE);
	pthread_barrier_init(&line, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, run, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&line);
	return wrong;
}

#endif

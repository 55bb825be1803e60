/* The pool: every chunk once, aligned, back again; ends; threads; exhaustion. */
#include "pool.h"
#include "tap.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

static long clashes;

/* Each thread writes its mark over a chunk and must find it whole. */
static void *churn(void *arg)
{
	char mark = (char)(uintptr_t)arg;

	for (int i = 0; i < 20000; i++) {
		char *c = pool_get(i % 2 ? POOL_SMALL : POOL_SMALL + 1);

		if (!c)
			continue;
		memset(c, mark, 256);
		for (int k = 0; k < 256; k++)
			if (c[k] != mark)
				__atomic_fetch_add(&clashes, 1, __ATOMIC_RELAXED);
		pool_put(c);
	}
	return NULL;
}

int main(void)
{
	const size_t chunk = 64 << 10;
	char *got[65];
	pthread_t t[8];
	int n = 0, bad = 0;

	pool_configure(64 * chunk, chunk);
	ok(pool_chunk() == chunk, "the chunk is as configured");
	while (n < 65 && (got[n] = pool_get(1)))
		n++;
	is_int(n, 64, "64 chunks, then none");
	for (int i = 0; i < n; i++) {
		bad += (uintptr_t)got[i] % 4096 != 0;
		memset(got[i], i, chunk);
		for (int k = 0; k < i; k++)
			bad += got[k] == got[i];
	}
	for (int i = 0; i < n; i++)
		bad += got[i][0] != (char)i || got[i][chunk - 1] != (char)i;
	is_int(bad, 0, "page-aligned, distinct, not overlapping");
	pool_put(got[17]);
	ok(pool_get(1 << 20) == got[17], "the one given back is the one found");
	for (int i = 0; i < n; i++)
		pool_put(got[i]);
	ok(pool_get(POOL_SMALL + 1) > pool_get(POOL_SMALL), "large requests from the high end");
	for (int i = 0; i < 2; i++)
		ok(pool_get(1) != NULL, "still some");
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	is_int(clashes, 0, "8 threads, no chunk with two owners");
	return done_testing();
}

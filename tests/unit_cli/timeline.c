/* timeline: however long it goes on, it has no more samples than fit, evenly spread, the end among them. */
#define FIRST_INTERVAL_NS 1000000u
#include "../../cli/timeline.c"

#include "tap.h"

/* The command's is beside its main(). */
void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

static void put_ledger(const char *name, uint64_t start_ns, uint64_t bytes)
{
	static struct ledger l;
	FILE *f = fopen(name, "w");

	memcpy(l.magic, LEDGER_MAGIC, sizeof(l.magic));
	l.version = LEDGER_VERSION;
	l.size = sizeof(l);
	l.routes_n = ROUTES;
	l.counters_n = COUNTERS;
	l.reasons_n = REASONS;
	l.files_n = LEDGER_FILES;
	l.start_ns = start_ns;
	l.routes[ROUTE_cached].bytes = bytes;
	if (f) {
		fwrite(&l, sizeof(l), 1, f);
		fclose(f);
	}
}

static void sleep_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

int main(void)
{
	char folder[] = "/tmp/timeline.XXXXXX";
	struct timeline *t;
	uint64_t widest = 0;

	if (!mkdtemp(folder) || chdir(folder) != 0)
		return 1;
	put_ledger("dioshim.1.0", 99, 1000);
	put_ledger("dioshim.2.0", 100, 10);
	t = timeline_start(".", 100);
	sleep_ms(1500);
	put_ledger("dioshim.3.0", 200, 5);
	timeline_stop(t);

	ok(t->n > 20 && t->n <= TIMELINE_SAMPLES, "%zu samples", t->n);
	for (size_t i = 1; i < t->n; i++)
		if (t->samples[i].ms - t->samples[i - 1].ms > widest)
			widest = t->samples[i].ms - t->samples[i - 1].ms;
	ok(widest < 1000, "none further from the next than %llu ms", (unsigned long long)widest);
	ok(t->samples[0].routes[ROUTE_cached] == 10, "ledgers that began before are not in it");
	ok(t->samples[t->n - 1].routes[ROUTE_cached] == 15, "the last sample is of the end");
	ok(t->samples[t->n - 1].ms >= 1490, "at %llu ms", (unsigned long long)t->samples[t->n - 1].ms);
	/* On a busy machine there may have been no need. */
	ok(((struct sampler *)t)->interval_ns > FIRST_INTERVAL_NS || t->n < TIMELINE_SAMPLES - 1, "full, the resolution is halved");

	unlink("dioshim.1.0");
	unlink("dioshim.2.0");
	unlink("dioshim.3.0");
	rmdir(folder);
	free(t);
	return done_testing();
}

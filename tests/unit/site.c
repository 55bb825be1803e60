/*
 * Call sites: the table and its overflow, modules by maps of every kind,
 * remainders, threads that meet in one place, signals in the middle.
 */
#include "site.h"
#include "own.h"
#include "sys.h"
#include "tap.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct {
	struct ledger l;
	struct ledger_sites s;
} one;

static struct ledger *fresh_ledger(void)
{
	memset(&one, 0, sizeof(one));
	one.l.has_sites = 1;
	return &one.l;
}

static const void *at(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

/* ---- /proc/self/maps as the test wants it ----------------------------------------- */

static const char *maps;	/* NULL: the real ones */
static size_t maps_at, maps_step;
static int maps_fd = -1;
static void (*while_filling)(void);

static long hook(long nr, long a, long b, long c, long d, long e, long f)
{
	long r;

	if (nr == SYS_openat && strcmp((const char *)b, "self/maps") == 0) {
		maps_at = 0;
		r = sys_kernel(nr, a, b, c, d, e, f);
		maps_fd = (int)r;
		if (while_filling)
			while_filling();
		return r;
	}
	if (nr == SYS_read && maps && (int)a == maps_fd) {
		size_t n = strlen(maps + maps_at);

		n = n < maps_step ? n : maps_step;
		n = n < (size_t)c ? n : (size_t)c;
		memcpy((void *)b, maps + maps_at, n);
		maps_at += n;
		return (long)n;
	}
	if (nr == SYS_close && (int)a == maps_fd)
		maps_fd = -1;
	return sys_kernel(nr, a, b, c, d, e, f);
}

/* ---- the table ---------------------------------------------------------------------- */

static void table(void)
{
	enum { SITES = 2000 };
	struct ledger *l = fresh_ledger();
	struct ledger_sites *s = &one.s;
	struct ledger_site *first[SITES], *others = &s->sites[LEDGER_SITES - 1];
	unsigned wrong = 0, used = 0, over = 0;
	uint64_t sum = 0;

	for (unsigned i = 0; i < SITES; i++) {
		first[i] = site_of(l, at(0x1000 + i), LEDGER_READ, 0);
		first[i]->calls++;
	}
	for (unsigned i = 0; i < SITES; i++) {
		struct ledger_site *again = site_of(l, at(0x1000 + i), LEDGER_READ, 0);

		wrong += again != first[i];
		over += again == others;
		if (again != others)
			wrong += again->frames[0].offset != 0x1000 + i || again->frames_n != 1 || again->calls != 1 || again->used != 1;
	}
	for (unsigned i = 0; i < LEDGER_SITES; i++) {
		used += s->sites[i].used;
		sum += s->sites[i].calls;
	}
	is_int(wrong, 0, "each site is found again");
	ok(used > LEDGER_SITES * 9 / 10 && over == SITES - (used - 1) && s->sites_used == used - 1,
	   "a full table: %u sites, %u calls gathered in the last one", used, over);
	is_int((long long)sum, SITES, "each call is counted once");
	ok(others->frames_n == 0 && site_number(l, others) == LEDGER_SITES && site_number(l, NULL) == 0, "numbers");

	l = fresh_ledger();
	ok(site_of(l, at(7), LEDGER_READ, 1) != site_of(l, at(7), LEDGER_WRITE, 1) &&
	   site_of(l, at(7), LEDGER_READ, 1) != site_of(l, at(7), LEDGER_READ, 2) &&
	   site_of(l, at(7), LEDGER_READ, 2) == site_of(l, at(7), LEDGER_READ, 2) &&
	   site_of(l, at(7), LEDGER_READ, 2) != site_of(l, at(8), LEDGER_READ, 2), "operation, file and caller make a site");
	l->has_sites = 0;
	ok(site_of(l, at(7), LEDGER_READ, 1) == NULL, "no sites, no site");
}

/* ---- modules ------------------------------------------------------------------------- */

static bool resolves(struct ledger *l, uint64_t address, const char *path, uint64_t ino, uint64_t offset)
{
	struct ledger_sites *s = &one.s;
	const struct ledger_frame *f = &site_of(l, at(address), LEDGER_READ, 0)->frames[0];
	const struct ledger_module *m = f->module ? &s->modules[f->module - 1] : NULL;

	if (f->offset == offset && (path ? m && strcmp(m->path, path) == 0 && m->ino == ino : !m))
		return true;
	diag("%#llx: module %s (%llu), offset %#llx", (unsigned long long)address, m ? m->path : "none",
	     m ? (unsigned long long)m->ino : 0, (unsigned long long)f->offset);
	return false;
}

static void modules(void)
{
	static char text[16384], name[3000];
	static const size_t steps[] = { 1, 7, 100, 1023, 4096 };
	char many[64];
	struct ledger *l;
	bool good;

	/* "0-f" and the like in a path are no addresses. */
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = "/0-7fffffffffff r-xp 00000000 00:00 5 /x"[i % 40];
	memcpy(name + sizeof(name) - 6, "/last", 6);
	snprintf(text, sizeof(text),
		 "1000-2000 r--p 00000000 fe:00 77                         /bin/program\n"
		 "2000-3000 r-xp 00001000 fe:00 77                         /bin/program\n"
		 "3000-4000 rwxp 00000000 00:00 0 \n"
		 "4000-5000 r-xp 00003000 fe:00 78                         /lib/with space.so (deleted)\n"
		 "5000-6000 r-xp 0000f000 fe:00 79                         %s\n"
		 "6000-7000 r-xp 00005000 fe:00 80                         /after\n"
		 "7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                  [vdso]\n"
		 "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
		 "8000-9000 r-xp 00006000 fe:00 81 /no/newline", name);
	maps = text;
	for (size_t i = 0; i < COUNT(steps); i++) {
		maps_step = steps[i];
		l = fresh_ledger();
		good = resolves(l, 0x1fff, "/bin/program", 77, 0xfff) && resolves(l, 0x2000, "/bin/program", 77, 0x1000) &&
		       resolves(l, 0x3abc, NULL, 0, 0x3abc) && resolves(l, 0x4001, "/lib/with space.so (deleted)", 78, 0x3001) &&
		       resolves(l, 0x5010, name + sizeof(name) - LEDGER_MODULE_PATH, 79, 0xf010) &&
		       resolves(l, 0x6000, "/after", 80, 0x5000) && resolves(l, 0x7000, NULL, 0, 0x7000) &&
		       resolves(l, 0x7ffd00000123, "[vdso]", 0, 0x123) &&
		       resolves(l, 0xffffffffff600800, "[vsyscall]", 0, 0x800) && resolves(l, 0x10, NULL, 0, 0x10);
		ok(good, "maps of every kind, %zu bytes at a time", maps_step);
		is_int(one.s.modules_used, 6, "each module once");
	}

	l = fresh_ledger();
	good = true;
	for (unsigned i = 0; i < LEDGER_MODULES + 20; i++) {
		snprintf(many, sizeof(many), "%x0000-%xf000 r-xp 00001000 fe:00 %u /m%u\n", i + 1, i + 1, i + 1, i);
		maps = many;
		snprintf(name, sizeof(name), "/m%u", i);
		good &= i < LEDGER_MODULES ? resolves(l, (i + 1) * 0x10000ull + 5, name, i + 1, 0x1005) :
					     resolves(l, (i + 1) * 0x10000ull + 5, NULL, 0, (i + 1) * 0x10000ull + 5);
	}
	ok(good && one.s.modules_used == LEDGER_MODULES, "more modules than there is room for");
	maps = NULL;
}

/* ---- remainders ------------------------------------------------------------------------ */

static void remainders(void)
{
	uint64_t seed = 88172645463325252u;
	unsigned wrong = 0;

	for (unsigned kinds = 1; kinds <= 40; kinds++) {
		struct ledger_rests r = { 0 };
		uint64_t truth[64] = { 0 }, counted = 0, n = 3000;

		for (uint64_t i = 0; i < n; i++) {
			unsigned k;

			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			k = (unsigned)(seed % kinds);
			k = seed >> 40 & 1 ? k : k / 5;	/* some are frequent */
			truth[k]++;
			site_rest(&r, k * 1000 + 1);
		}
		for (int i = 0; i < LEDGER_RESTS; i++) {
			const uint32_t rest = LEDGER_REST(r.slot[i]);
			const uint64_t c = LEDGER_REST_COUNT(r.slot[i]);

			counted += c;
			if (!r.slot[i])
				continue;
			wrong += (rest - 1) % 1000 != 0 || c == 0 || c > truth[rest / 1000] || truth[rest / 1000] - c > r.given;
			truth[rest / 1000] = 0;
		}
		for (unsigned k = 0; k < 64; k++)	/* what has no slot is rare */
			wrong += truth[k] > r.given;
		wrong += kinds <= LEDGER_RESTS && (r.given != 0 || counted != n);
		wrong += counted + r.given * (LEDGER_RESTS + 1) != n;
	}
	is_int(wrong, 0, "remainders: none counted too often, none more than `given` too little");
}

/* ---- threads -------------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 300 };
static pthread_barrier_t barrier;
static struct ledger *shared;

static void *hammer(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ledger_site *s;

		pthread_barrier_wait(&barrier);
		s = site_of(shared, at(0x100000 + i), LEDGER_READ, 0);
		book_add(&s->calls, 1);
		site_rest(&s->rests[0], 1 + i % 3);
	}
	return arg;
}

static void threads(void)
{
	pthread_t t[THREADS];
	const struct ledger_sites *s;
	unsigned wrong = 0, used = 0;

	shared = fresh_ledger();
	s = &one.s;
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, hammer, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < LEDGER_SITES - 1; i++) {
		if (!s->sites[i].used)
			continue;
		used++;
		wrong += s->sites[i].calls != THREADS || LEDGER_REST_COUNT(s->sites[i].rests[0].slot[0]) != THREADS;
	}
	wrong += s->sites[LEDGER_SITES - 1].calls != 0;
	ok(wrong == 0 && used == ROUNDS && s->sites_used == ROUNDS, "%d threads meet in each of %u new sites: %u wrong", THREADS, used, wrong);
}

/* ---- signals -------------------------------------------------------------------------- */

static volatile sig_atomic_t filling, came, came_in_between;
static struct ledger_site *handlers;

static void handler(int sig)
{
	char c;
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)sig;
	came++;
	came_in_between += filling;
	handlers = site_of(shared, at(0x5555), LEDGER_READ, 0);	/* the one being filled */
	handlers->calls++;
	site_of(shared, at(0x6666), LEDGER_READ, 0)->calls++;
	if (fd >= 0 && read(fd, &c, 1) == 1)
		close(fd);
}

static int sent;

static void send_one(void)
{
	while_filling = NULL;
	filling = 1;
	raise(sent);
	filling = 0;
}

static void signals(void)
{
	static const int list[] = { SIGUSR1, SIGSEGV };	/* the second one is not held */

	for (size_t i = 0; i < COUNT(list); i++) {
		struct ledger_site *s;

		shared = fresh_ledger();
		came = came_in_between = 0;
		sent = list[i];
		signal(sent, handler);
		while_filling = send_one;
		s = site_of(shared, at(0x5555), LEDGER_READ, 0);
		s->calls++;
		signal(sent, SIG_DFL);
		ok(came == 1 && handlers == s && s->calls == 2 && s->used == 1, "signal %d while a site is filled", sent);
		is_int(came_in_between, sent == SIGSEGV, "it waited, if it could");
	}
}

/* ---- chains ---------------------------------------------------------------------------- */

__attribute__((noinline)) static struct ledger_site *deep(int n)
{
	struct ledger_site *s = n > 0 ? deep(n - 1) : site_of(shared, __builtin_return_address(0), LEDGER_READ, 0);

	__asm__ volatile("" : "+r"(s));
	return s;
}

static void chains(void)
{
	const uint32_t before = state_config.backtrace;
	unsigned wrong = 0;

	shared = fresh_ledger();
	for (unsigned depth = 1; depth <= LEDGER_FRAMES; depth++) {
		const struct ledger_site *s;

		state_config.backtrace = depth;
		site_start();
		s = deep(20);
		wrong += s->frames_n != depth || deep(20) != s;
		for (unsigned i = 1; i < s->frames_n; i++)	/* all from one place in deep() */
			wrong += s->frames[i].offset != s->frames[0].offset || s->frames[i].module != s->frames[0].module || !s->frames[i].module;
		/* Not on the stack: the caller alone. */
		wrong += site_of(shared, at(0x77), LEDGER_READ, depth)->frames_n != 1;
	}
	is_int(wrong, 0, "chains of 1 to %d frames", LEDGER_FRAMES);
	state_config.backtrace = before;
}

int main(void)
{
	state_config.backtrace = 1;
	sys_call = hook;
	maps_step = 4096;
	table();
	modules();
	remainders();
	threads();
	signals();
	chains();
	return done_testing();
}

#include "pool.h"
#include "sys.h"

#include <sys/mman.h>

#define HUGE (2ul << 20)

static struct {
	size_t chunk;		/* bytes */
	unsigned n;		/* chunks, 1..64 */
	char *base;		/* NULL until first need */
	uint64_t used;		/* bit i: chunk i is taken */
} pool = { 1ul << 20, 64, NULL, 0 };

void pool_configure(uint64_t size, uint64_t chunk)
{
	uint64_t n = size / chunk;

	pool.chunk = chunk;
	pool.n = n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

size_t pool_chunk(void)
{
	return pool.chunk;
}

unsigned pool_count(void)
{
	return pool.n;
}

bool (*pool_pressure)(void);

void pool_stand_in(void)
{
	if (pool.base)
		sys_mmap(pool.base, pool.n * pool.chunk, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

void pool_forget(void)
{
	pool.base = NULL;
	pool.used = 0;
}

/* Where the program has to do with little memory, so have we. */
#define FRUGAL (4ul << 20)

static bool limited(int what)
{
	struct rlimit r;

	return sys_getrlimit(what, &r) != 0 || r.rlim_cur != RLIM_INFINITY;
}

/* Huge pages from the second 2 MiB on; threads that meet here keep the first mapping. */
static char *make(void)
{
	size_t size = pool.n * pool.chunk, room;
	long at;
	char *base, *none = NULL;

	if (size > FRUGAL && (limited(RLIMIT_AS) || limited(RLIMIT_DATA))) {
		pool.n = pool.chunk < FRUGAL ? (unsigned)(FRUGAL / pool.chunk) : 1;
		size = pool.n * pool.chunk;
	}
	room = size + HUGE;
	at = sys_mmap(NULL, room, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0 && at > -4096)
		return NULL;
	base = (char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));
	if (sys_madvise((char *)at, room, MADV_DONTFORK) != 0) {
		sys_munmap((char *)at, room);
		return NULL;
	}
	if (size > HUGE)
		sys_madvise(base + HUGE, size - HUGE, MADV_HUGEPAGE);
	sys_madvise(base, size < HUGE ? size : HUGE, MADV_NOHUGEPAGE);
	if (!__atomic_compare_exchange_n(&pool.base, &none, base, 0, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		sys_munmap((char *)at, room);
		return none;
	}
	return base;
}

static char *take(char *base, size_t want)
{
	uint64_t all, used;
	unsigned i;

	all = pool.n == 64 ? ~0ull : (1ull << pool.n) - 1;
	used = __atomic_load_n(&pool.used, __ATOMIC_RELAXED);
	do {
		uint64_t idle = ~used & all;

		if (idle == 0)
			return NULL;
		i = (unsigned)(want <= POOL_SMALL ? __builtin_ctzll(idle) :
						    63 - __builtin_clzll(idle));
	} while (!__atomic_compare_exchange_n(&pool.used, &used, used | 1ull << i, 1,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return base + i * pool.chunk;
}

char *pool_get(size_t want)
{
	char *base = __atomic_load_n(&pool.base, __ATOMIC_ACQUIRE), *chunk;

	if (!base && !(base = make()))
		return NULL;
	do
		chunk = take(base, want);
	while (!chunk && pool_pressure && pool_pressure());
	return chunk;
}

void pool_put(char *chunk)
{
	size_t i = (size_t)(chunk - __atomic_load_n(&pool.base, __ATOMIC_RELAXED)) / pool.chunk;

	__atomic_fetch_and(&pool.used, ~(1ull << i), __ATOMIC_RELEASE);
}

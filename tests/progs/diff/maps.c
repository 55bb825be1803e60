/* Mappings: looked at and stored into, never past the end of their files. */
#include "diff.h"

static struct map {
	char *at;
	long off, len;
	int fd;			/* a raw descriptor of its own: the slot's may go */
	bool stores, shared;
} maps[MAPS];

void act_map(struct act *a)
{
	bool stores = pick(a, 3), is_shared = pick(a, 4), later = one_in(a, 3);
	struct map *m = &maps[pick(a, MAPS)];

	find_able(a, &a->slot, true, stores && is_shared);

	int fd = slots[a->slot].fd;
	long off = likely_offset(a, size_of(fd)) & -4096L, len = 1 + likely(a, 300000);
	int prot = PROT_READ | (stores && !later ? PROT_WRITE : 0);
	char *p;

	put(" mmap %d %ld+%ld %s %s", fd, off, len, is_shared ? "shared" : "private",
	    stores ? later ? "stores later" : "stores" : "reads");
	errno = ECHILD;
	p = mmap(NULL, (size_t)len, prot, is_shared ? MAP_SHARED : MAP_PRIVATE, fd, off);
	put_result(p == MAP_FAILED ? -1 : 0);
	if (p == MAP_FAILED)
		return;
	if (stores && later && put_result(mprotect(p, (size_t)len, PROT_READ | PROT_WRITE)))
		stores = false;
	if (m->at) {
		munmap(m->at, (size_t)m->len);
		unseen(SYS_close, m->fd);
	}
	*m = (struct map){ p, off, len, (int)unseen(SYS_fcntl, fd, F_DUPFD, 300), stores, is_shared };
	NEED(m->fd >= 0);
}

/* How much of the mapping has a file behind it. */
static long backed(const struct map *m)
{
	long n = m->at ? size_of(m->fd) - m->off : 0;

	return n < 0 ? 0 : n < m->len ? n : m->len;
}

/* Part of a shared mapping of another file than not_fd's, for a data call; NULL: there is none. */
char *map_memory(struct act *a, int not_fd, bool store, size_t len)
{
	struct map *m = &maps[pick(a, MAPS)];
	long spare = backed(m) - (long)len, n = pick(a, 1 << 20);

	if (spare < 0 || !m->shared || (store && !m->stores) || same_file(m->fd, not_fd))
		return NULL;
	return m->at + n % (spare + 1);
}

static bool part(struct act *a, const struct map *m, const char *verb, long *from, long *len)
{
	long n = backed(m);

	*from = likely(a, 300000);
	*len = likely(a, 20000);
	if (*from >= n)
		*from = n / 2;
	if (*len > n - *from)
		*len = n - *from;
	put(" %s %ld+%ld of mapping %ld", verb, *from, *len, (long)(m - maps));
	return *len > 0;
}

void act_store(struct act *a)
{
	struct map *m = &maps[pick(a, MAPS)];
	long from, len;
	bool sync = one_in(a, 4);

	if (!part(a, m, "store", &from, &len) || !m->stores) {
		put(" nothing");
		return;
	}
	fill(m->at + from, (size_t)len, a->rng);
	if (sync)
		put(" msync %d", msync(m->at + (from & -4096L), (size_t)(len + (from & 4095)), MS_SYNC));
}

void act_load(struct act *a)
{
	struct map *m = &maps[pick(a, MAPS)];
	long from, len;

	if (part(a, m, "load", &from, &len))
		put(" %016llx", (unsigned long long)hash(m->at + from, (size_t)len));
}

void act_unmap(struct act *a)
{
	struct map *m = &maps[pick(a, MAPS)];

	put(" munmap %ld", (long)(m - maps));
	if (!m->at)
		return;
	put_result(munmap(m->at, (size_t)m->len));
	unseen(SYS_close, m->fd);
	m->at = NULL;
}

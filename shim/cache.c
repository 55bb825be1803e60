#include "cache.h"

#include "sys.h"

static uint32_t missing;	/* ENOSYS (before Linux 6.5), or a filter's EPERM */

bool cache_has(int fd, uint64_t off, size_t len, uint64_t *dirty)
{
	struct sys_cachestat cs = { 0 };
	int r;

	*dirty = 0;
	if (cache_untold())
		return false;
	r = sys_cachestat_of(fd, off, len, &cs);
	if (r == -ENOSYS || r == -EPERM) {
		__atomic_store_n(&missing, 1, __ATOMIC_RELAXED);
		return false;
	}
	if (r != 0)
		return true;	/* not known: as if it were */
	*dirty = cs.dirty + cs.writeback;
	return cs.cache > 0;
}

bool cache_pages(int fd, uint64_t off, size_t len, uint64_t *pages)
{
	struct sys_cachestat cs = { 0 };

	if (cache_untold() || sys_cachestat_of(fd, off, len, &cs) != 0)
		return false;
	*pages = cs.cache;
	return true;
}

bool cache_untold(void)
{
	return __atomic_load_n(&missing, __ATOMIC_RELAXED);
}

#include "mapped.h"

#include "file.h"

#define MAPPED_MAX 1024
#define RANGES_MAX 64

struct inode { uint64_t dev, ino; };

static struct inode inodes[MAPPED_MAX];
static uint32_t inodes_n;	/* grows only; past MAPPED_MAX every inode counts as mapped */

static struct range {
	uint32_t ready;
	uintptr_t from, to;
	struct inode inode;
} ranges[RANGES_MAX];
static uint32_t ranges_n;

bool mapped_is(uint64_t dev, uint64_t ino)
{
	uint32_t n = __atomic_load_n(&inodes_n, __ATOMIC_SEQ_CST);

	if (n > MAPPED_MAX)
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (__atomic_load_n(&inodes[i].ino, __ATOMIC_SEQ_CST) == ino &&
		    __atomic_load_n(&inodes[i].dev, __ATOMIC_SEQ_CST) == dev)
			return true;
	return false;
}

void mapped_mark(uint64_t dev, uint64_t ino)
{
	if (!mapped_is(dev, ino)) {
		uint32_t i = __atomic_fetch_add(&inodes_n, 1, __ATOMIC_SEQ_CST);

		if (i < MAPPED_MAX) {
			__atomic_store_n(&inodes[i].dev, dev, __ATOMIC_SEQ_CST);
			__atomic_store_n(&inodes[i].ino, ino, __ATOMIC_SEQ_CST);
		} else {	/* stay above the limit, however many come */
			__atomic_store_n(&inodes_n, MAPPED_MAX + 1, __ATOMIC_SEQ_CST);
		}
	}
	/* Again even if marked: the drain of whoever marked it may still run. */
	file_stop_direct_writes(dev, ino);
}

void mapped_remember(void *at, size_t n, uint64_t dev, uint64_t ino)
{
	uint32_t i = __atomic_fetch_add(&ranges_n, 1, __ATOMIC_RELAXED);

	if (i >= RANGES_MAX) {	/* full: as if it were writable */
		__atomic_store_n(&ranges_n, RANGES_MAX, __ATOMIC_RELAXED);
		mapped_mark(dev, ino);
		return;
	}
	ranges[i] = (struct range){ 0, (uintptr_t)at, (uintptr_t)at + n, { dev, ino } };
	__atomic_store_n(&ranges[i].ready, 1, __ATOMIC_RELEASE);
}

void mapped_protect(const void *at, size_t n)
{
	uintptr_t from = (uintptr_t)at;
	uint32_t known = __atomic_load_n(&ranges_n, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < known && i < RANGES_MAX; i++) {
		const struct range *r = &ranges[i];

		if (__atomic_load_n(&r->ready, __ATOMIC_ACQUIRE) && r->from < from + n && from < r->to)
			mapped_mark(r->inode.dev, r->inode.ino);
	}
}

#include "mapped.h"

#include "file.h"

#define MAPPED_MAX 1024

struct inode { uint64_t dev, ino; };

static struct inode inodes[MAPPED_MAX];
static uint32_t inodes_n;	/* grows only; past MAPPED_MAX every inode counts as mapped */

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

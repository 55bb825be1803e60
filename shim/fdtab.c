#include "fdtab.h"

#include "sys.h"

#include <string.h>
#include <sys/mman.h>

uint32_t fdtab_nobody;
int64_t fdtab_nowhere;
static struct fdtab_page first;
struct fdtab_page *fdtab_pages[FDTAB_PAGES] = { &first };

static struct fdtab_page *page_of(int fd, bool make)
{
	struct fdtab_page **at, *page, *none = NULL;
	long fresh;

	if ((unsigned)fd >= FDTAB_PAGE * FDTAB_PAGES)
		return NULL;
	at = &fdtab_pages[(unsigned)fd / FDTAB_PAGE];
	page = __atomic_load_n(at, __ATOMIC_ACQUIRE);
	if (page || !make)
		return page;
	fresh = sys_mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh < 0 && fresh > -4096)
		return NULL;
	page = (struct fdtab_page *)fresh;
	if (!__atomic_compare_exchange_n(at, &none, page, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		sys_munmap(page, sizeof(*page));
		return none;
	}
	return page;
}

uint64_t fdtab_set(int fd, uint64_t word)
{
	struct fdtab_page *page = page_of(fd, word != 0);

	return page ? __atomic_exchange_n(&page->word[(unsigned)fd % FDTAB_PAGE], word, __ATOMIC_SEQ_CST) :
		      0;
}

bool fdtab_replace(int fd, uint64_t expected, uint64_t word)
{
	struct fdtab_page *page = page_of(fd, word != 0);

	return page && __atomic_compare_exchange_n(&page->word[(unsigned)fd % FDTAB_PAGE], &expected,
						   word, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

void fdtab_forget_users(void)
{
	for (int p = 0; p < FDTAB_PAGES; p++)
		if (fdtab_pages[p])
			memset(fdtab_pages[p]->users, 0, sizeof(fdtab_pages[p]->users));
}

void fdtab_map(uint64_t (*each)(int fd, uint64_t word, void *arg), void *arg)
{
	for (int p = 0; p < FDTAB_PAGES; p++) {
		struct fdtab_page *page = __atomic_load_n(&fdtab_pages[p], __ATOMIC_ACQUIRE);

		for (int i = 0; page && i < FDTAB_PAGE; i++) {
			uint64_t word = __atomic_load_n(&page->word[i], __ATOMIC_ACQUIRE);

			if (word)
				__atomic_store_n(&page->word[i], each(p * FDTAB_PAGE + i, word, arg),
						 __ATOMIC_RELEASE);
		}
	}
}

int fdtab_next(int fd, uint64_t mask, uint64_t value)
{
	if (fd < 0)
		fd = 0;
	for (; fd < FDTAB_PAGE * FDTAB_PAGES; fd++) {
		if (!__atomic_load_n(&fdtab_pages[fd / FDTAB_PAGE], __ATOMIC_ACQUIRE))
			fd |= FDTAB_PAGE - 1;
		else if ((fdtab_get(fd) & mask) == value)
			return fd;
	}
	return -1;
}

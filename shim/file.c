#include "file.h"

#include "book.h"
#include "locks.h"
#include "mapped.h"
#include "own.h"
#include "state.h"

static struct file files[FILE_SLOTS];
static uint32_t files_high;	/* slots ever used: where scans stop */

static unsigned slot_of(const struct file *f)
{
	return (unsigned)(f - files);
}

uint64_t file_word(const struct file *f)
{
	return fdtab_file(slot_of(f), f->generation);
}

struct file *file_new(void)
{
	for (unsigned i = 0; i < FILE_SLOTS; i++) {
		struct file *f = &files[i];
		uint32_t no = 0, high = i + 1, seen;

		if (__atomic_load_n(&f->claimed, __ATOMIC_RELAXED) ||
		    !__atomic_compare_exchange_n(&f->claimed, &no, 1, 0, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			continue;
		seen = __atomic_load_n(&files_high, __ATOMIC_RELAXED);
		while (seen < high &&
		       !__atomic_compare_exchange_n(&files_high, &seen, high, 0, __ATOMIC_ACQ_REL,
						    __ATOMIC_RELAXED))
			;
		f->twin = -1;
		f->mapped = f->learned = f->direct_writes = f->row_epoch = 0;
		f->row = NULL;
		f->generation++;
		return f;
	}
	return NULL;
}

/* The last reference is gone: the second descriptor goes, or is parked. */
static void retire(struct file *f)
{
	if (f->twin >= 0) {
		uint64_t own = fdtab_own(file_word(f));

		/* Not ours any more if someone closed it unseen and the number came back. */
		if (file_twin_ok(f))
			locks_close_or_park(f->twin, f->ino);
		else
			fdtab_replace(f->twin, own, 0);
		f->twin = -1;
	}
	__atomic_store_n(&f->claimed, 0, __ATOMIC_RELEASE);
}

static bool reference(struct file *f)
{
	uint32_t refs = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);

	do {
		if (refs == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&f->refs, &refs, refs + 1, 1, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return true;
}

struct file *file_acquire(uint64_t word)
{
	unsigned slot = fdtab_slot(word);
	struct file *f;

	if (slot >= FILE_SLOTS)
		return NULL;
	f = &files[slot];
	if (!reference(f))
		return NULL;
	if (f->generation != fdtab_generation(word)) {
		file_release(f);
		return NULL;
	}
	return f;
}

void file_release(struct file *f)
{
	if (__atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL) == 1)
		retire(f);
}

/* The next live slot of the inode from *at on, referenced. */
static struct file *next_of(uint64_t dev, uint64_t ino, unsigned *at)
{
	uint32_t high = __atomic_load_n(&files_high, __ATOMIC_ACQUIRE);

	while (*at < high) {
		struct file *f = &files[(*at)++];

		if (__atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) == 0 || !reference(f))
			continue;
		if (f->ino == ino && f->dev == dev)
			return f;
		file_release(f);
	}
	return NULL;
}

struct file *file_find(uint64_t dev, uint64_t ino, uint32_t flags, bool rescue)
{
	unsigned at = 0;
	struct file *f;

	while ((f = next_of(dev, ino, &at))) {
		if (f->flags == flags && f->rescue == rescue && f->twin >= 0)
			return f;
		file_release(f);
	}
	return NULL;
}

void file_stop_direct_writes(uint64_t dev, uint64_t ino)
{
	unsigned at = 0;
	struct file *f;

	while ((f = next_of(dev, ino, &at))) {
		__atomic_store_n(&f->mapped, 1, __ATOMIC_SEQ_CST);
		/*
		 * Not from a signal handler that interrupted the very write; and
		 * not for ever, should a thread have been lost inside one.
		 */
		for (int i = 0; i < 40000 && state_quiet == 0; i++) {
			if (__atomic_load_n(&f->direct_writes, __ATOMIC_SEQ_CST) == 0)
				break;
			sys_nanosleep(50000);
		}
		file_release(f);
	}
}

struct file *file_drop_begin(int fd)
{
	uint64_t word = fdtab_get(fd);

	if (word == 0 || fdtab_tag(word) == FD_OWN || !state_owner())
		return NULL;
	if (!fdtab_replace(fd, word, 0) || fdtab_tag(word) != FD_FILE)
		return NULL;
	/* The table's reference is now the caller's. */
	return &files[fdtab_slot(word)];
}

void file_drop_end(struct file *f)
{
	if (f)
		file_release(f);
	locks_unpark();
}

void file_drop(int fd)
{
	file_drop_end(file_drop_begin(fd));
}

void file_fresh(int fd)
{
	uint64_t word = fdtab_get(fd);
	struct file *f;

	if (word == 0 || fdtab_tag(word) != FD_OWN) {
		if (word)
			file_drop(fd);
		return;
	}
	if (!state_owner() || !fdtab_replace(fd, word, 0))
		return;
	f = file_acquire((word & ~3ull) | FD_FILE);
	if (f) {
		if (f->twin == fd)
			f->twin = -1;
		file_release(f);
	}
}

void file_evict(int fd)
{
	uint64_t word = fdtab_get(fd), names;
	struct file *f;

	if (fdtab_tag(word) != FD_OWN || !state_owner())
		return;
	names = (word & ~3ull) | FD_FILE;
	f = file_acquire(names);
	if (!f) {	/* /proc, the ledger's folder, something parked */
		own_move(fd);
		return;
	}
	for (int n = 0; (n = fdtab_next(n, ~0ull, names)) >= 0; n++)
		if (fdtab_replace(n, names, 0))
			file_release(f);
	/* Ours is the last but for requests under way: wait for those, bounded. */
	for (int i = 0; i < 20000 && __atomic_load_n(&f->refs, __ATOMIC_ACQUIRE) > 1; i++)
		sys_nanosleep(50000);
	file_release(f);
}

void file_hold_locked(bool on)
{
	for (unsigned i = 0; i < __atomic_load_n(&files_high, __ATOMIC_ACQUIRE); i++) {
		struct file *f = &files[i];

		if (!reference(f))
			continue;
		if (f->twin >= 0 && locks_held(f->twin))
			sys_fcntl(f->twin, F_SETFD, on ? 0 : FD_CLOEXEC);
		file_release(f);
	}
}

static uint64_t recount(int fd, uint64_t word, void *arg)
{
	(void)fd;
	(void)arg;
	if (fdtab_tag(word) == FD_PLAIN)
		return 0;	/* its row lies in the parent's ledger */
	if (fdtab_tag(word) == FD_FILE)
		files[fdtab_slot(word)].refs++;
	return word;
}

void file_forked(void)
{
	for (unsigned i = 0; i < files_high; i++) {
		files[i].refs = 0;
		files[i].direct_writes = 0;
	}
	fdtab_map(recount, NULL);
	for (unsigned i = 0; i < files_high; i++) {
		struct file *f = &files[i];

		if (f->claimed && f->refs == 0)
			retire(f);
	}
}

bool file_twin_ok(const struct file *f)
{
	struct stat st;

	return f->twin >= 0 && sys_fstat(f->twin, &st) == 0 && st.st_ino == f->ino &&
	       st.st_dev == f->dev;
}

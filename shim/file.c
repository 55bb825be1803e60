#include "file.h"

#include "book.h"
#include "locks.h"
#include "own.h"
#include "state.h"

#include <string.h>

static struct file files[FILE_SLOTS];
void (*file_retiring)(struct file *f);
static uint32_t files_high;	/* slots ever used: where scans stop */

static unsigned slot_of(const struct file *f)
{
	return (unsigned)(f - files);
}

uint64_t file_word(const struct file *f)
{
	return fdtab_file(slot_of(f), f->generation, f->rescue);
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
		f->users = f->mapped = f->stayed = f->learned = f->direct_writes = f->row_epoch = 0;
		memset(f->seq, 0, offsetof(struct file, row_epoch) - offsetof(struct file, seq));	/* all hints */
		f->row = NULL;
		f->generation++;
		return f;
	}
	return NULL;
}

struct file *file_peek(uint64_t word)
{
	return &files[fdtab_slot(word) % FILE_SLOTS];
}

/* Is number fd certainly not f's? Closed unseen, and perhaps it came back. */
static bool gone(const struct file *f, int fd)
{
	return sys_is_file(fd, f->dev, f->ino) == 0;
}

bool file_still(const struct file *f, int fd, bool sure)
{
	/* No word: dropped, but perhaps not closed. */
	if (fdtab_still(fd, file_word(f)))
		return !sure || !gone(f, fd);
	return fdtab_get(fd) == 0 && !gone(f, fd);
}

/* The last reference is gone: the second descriptor goes, or is parked. */
static void retire(struct file *f)
{
	if (file_retiring)
		file_retiring(f);
	if (f->twin >= 0) {
		if (gone(f, f->twin))
			fdtab_replace(f->twin, fdtab_own(file_word(f)), 0);
		else
			locks_close_or_park(f->twin, f->ino);
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

	if (slot >= FILE_SLOTS || !reference(&files[slot]))
		return NULL;
	f = &files[slot];
	if (f->generation != fdtab_generation(word)) {
		file_release(f);
		return NULL;
	}
	return f;
}

struct file *file_enter(int fd, uint64_t word)
{
	struct file *f = file_acquire(word);

	if (!f)
		return NULL;
	__atomic_fetch_add(&f->users, 1, __ATOMIC_RELAXED);
	/* Counted, then the table looked at again: file_drop_begin does it the other way round. */
	__atomic_fetch_add(fdtab_users(fd), 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (fdtab_get(fd) == word)
		return f;
	file_leave(fd, f);
	return NULL;
}

void file_leave(int fd, struct file *f)
{
	__atomic_fetch_sub(fdtab_users(fd), 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&f->users, 1, __ATOMIC_RELAXED);
	file_release(f);
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

struct file *file_find(const struct file *like)
{
	unsigned at = 0;
	struct file *f;

	while ((f = next_of(like->dev, like->ino, &at))) {
		if (f->flags == like->flags && f->rescue == like->rescue &&
		    f->private == like->private && f->twin >= 0)
			return f;
		file_release(f);
	}
	return NULL;
}

bool file_elsewhere(const struct file *f)
{
	unsigned at = 0;
	struct file *other = next_of(f->dev, f->ino, &at);

	if (other == f) {
		file_release(other);
		other = next_of(f->dev, f->ino, &at);
	}
	if (other)
		file_release(other);
	return other != NULL;
}

void file_stop_direct_writes(uint64_t dev, uint64_t ino)
{
	unsigned at = 0;
	struct file *f;

	while ((f = next_of(dev, ino, &at))) {
		__atomic_store_n(&f->mapped, 1, __ATOMIC_SEQ_CST);
		/*
		 * Not from inside that very write; and not for ever (a minute),
		 * should a thread have been lost in one.
		 */
		for (int i = 0; i < 1200000 && state_quiet == 0; i++) {
			if (__atomic_load_n(&f->direct_writes, __ATOMIC_SEQ_CST) == 0)
				break;
			sys_nanosleep(50000);
		}
		file_release(f);
	}
}

/* Until *count is not above floor. False: patience is at its end. */
static bool wait_for(const uint32_t *count, uint32_t floor)
{
	uint64_t start = 0;

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) > floor) {
		uint64_t now = sys_now_ns(CLOCK_MONOTONIC);

		if (start == 0)
			start = now;
		else if (now - start > FILE_PATIENCE_NS)
			return false;
		sys_nanosleep(50000);
	}
	return true;
}

/* For whoever had just asked fdtab_still to be inside his system call. */
static void let_them_enter(void)
{
	sys_nanosleep(2000000);
}

struct file *file_drop_begin(int fd)
{
	uint64_t word;

	if (!state_owner())
		return NULL;
	/* Also where nothing is known: nothing must be adopted meanwhile. */
	word = fdtab_set(fd, FD_CHANGING);
	/*
	 * Requests under way use the number, whatever its word was by now: half
	 * of one must not reach another file. New ones see the change and go to
	 * the kernel in one call.
	 */
	if (!wait_for(fdtab_users(fd), 0)) {
		fdtab_set(fd, FD_REVOKED);
		let_them_enter();
	}
	/* The table's reference is now the caller's. */
	return fdtab_tag(word) == FD_FILE ? file_peek(word) : NULL;
}

void file_drop_end(int fd, struct file *f, uint64_t after)
{
	if (!fdtab_replace(fd, FD_CHANGING, after))
		fdtab_replace(fd, FD_REVOKED, after);
	if (f)
		file_release(f);
	locks_unpark();
}

void file_drop(int fd)
{
	uint64_t word = fdtab_get(fd);

	if (word == FD_CHANGING || word == FD_REVOKED)	/* not ours to end */
		return;
	if (fdtab_tag(word) == FD_PLAIN || fdtab_tag(word) == FD_UNKNOWN)
		fdtab_replace(fd, word, 0);
	else if (fdtab_tag(word) == FD_FILE && state_owner() && fdtab_replace(fd, word, 0))
		file_release(&files[fdtab_slot(word)]);
	locks_unpark();
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
	if (fdtab_is_parked(word))
		locks_unparked();
	own_lost(fd);
	f = file_acquire(fdtab_key(word) | FD_FILE);
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
	if (fdtab_is_parked(word) && fdtab_replace(fd, word, fdtab_own(0)))
		locks_unparked();
	f = file_acquire(fdtab_key(word) | FD_FILE);
	if (!f) {	/* /proc, the ledger's folder, something parked */
		own_move(fd);
		return;
	}
	names = file_word(f);
	for (int n = 0; (n = fdtab_next(n, ~0ull, names)) >= 0; n++)
		if (fdtab_replace(n, names, 0))
			file_release(f);
	if (!wait_for(&f->refs, 1)) {	/* but for requests under way ours is the last */
		f->twin = -1;
		fdtab_set(fd, 0);
		let_them_enter();
		sys_close(fd);
	}
	file_release(f);
}

void file_opened(int fd)
{
	file_fresh(fd);
	fdtab_replace(fd, 0, FD_PRIVATE);
}

/* The offset of a descriptor is not this process's alone any more, or not this number's. */
static void unplace(int fd, uint64_t word)
{
	if (word == FD_PRIVATE || (fdtab_tag(word) == FD_PLAIN && (word & FD_PLACED)))
		fdtab_replace(fd, word, word & ~(uint64_t)(FD_PRIVATE | FD_PLACED));
}

uint64_t file_word_of_dup(int fd)
{
	uint64_t word = fdtab_get(fd);

	if (fdtab_tag(word) == FD_FILE)
		return file_peek(word)->private ? FD_PRIVATE : 0;
	if (!config_observes(&state_config))
		return fdtab_tag(word) == FD_UNKNOWN ? word : 0;
	unplace(fd, word);	/* observed: two numbers, one offset */
	return 0;
}

void file_shared(void)
{
	for (unsigned i = 0; i < __atomic_load_n(&files_high, __ATOMIC_ACQUIRE); i++)
		files[i].private = false;
	for (int fd = 0; (fd = fdtab_next(fd, ~0ull, FD_PRIVATE)) >= 0; fd++)
		unplace(fd, FD_PRIVATE);
	for (int fd = 0; (fd = fdtab_next(fd, FD_PLACED | FDTAB_TAG, FD_PLACED | FD_PLAIN)) >= 0; fd++)
		unplace(fd, fdtab_get(fd));
}

void file_each(void (*each)(struct file *f))
{
	for (unsigned i = 0; i < __atomic_load_n(&files_high, __ATOMIC_ACQUIRE); i++)
		if (reference(&files[i])) {
			each(&files[i]);
			file_release(&files[i]);
		}
}

static uint64_t recount(int fd, uint64_t word, void *arg)
{
	(void)fd;
	(void)arg;
	if (fdtab_tag(word) == FD_PLAIN || fdtab_tag(word) == FD_UNKNOWN)
		return 0;	/* its row lies in the parent's ledger; it is shared */
	if (fdtab_tag(word) == FD_FILE)
		files[fdtab_slot(word)].refs++;
	return word;
}

void file_forked(void)
{
	for (unsigned i = 0; i < files_high; i++) {
		files[i].refs = 0;
		files[i].users = 0;
		files[i].private = false;
		files[i].direct_writes = 0;
		files[i].streams = 0;
		/* What is behind its parent's reader and writer is not for a child to drop. */
		files[i].lately.skim_start = files[i].lately.skim_from = files[i].lately.skim_to;
		files[i].lately.tail_to = 0;
	}
	fdtab_forget_users();
	fdtab_map(recount, NULL);
	for (unsigned i = 0; i < files_high; i++) {
		struct file *f = &files[i];

		if (f->claimed && f->refs == 0)
			retire(f);
	}
}

bool file_twin_ok(const struct file *f)
{
	return f->twin >= 0 && sys_is_file(f->twin, f->dev, f->ino) == 1;
}

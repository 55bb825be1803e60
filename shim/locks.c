#include "locks.h"

#include "book.h"
#include "fdtab.h"
#include "gate.h"
#include "own.h"
#include "sys.h"

#include <string.h>

#define GATES 64
#define SEEN_BITS 4096

static struct gate gates[GATES];		/* by inode number */
static uint64_t seen[SEEN_BITS / 64];		/* inodes that locks were asked for, by hash */
static uint32_t any_seen;
static uint32_t before_exec;			/* locks may come from the program before this one */
static uint32_t parked_n;			/* words of the table that are parked */

static struct gate *gate_of(uint64_t ino)
{
	return &gates[(uint32_t)ino % GATES];
}

static uint64_t *seen_word(uint64_t ino, uint64_t *bit)
{
	uint32_t hash = (uint32_t)ino * 2654435761u >> 20;	/* 12 bits */

	*bit = 1ull << hash % 64;
	return &seen[hash / 64];
}

/*
 * The kernel names one lock that stands in the way of ours. Our own: yes.
 * None: no. Somebody else's: one of ours may be hidden below it, if the
 * program ever asked for one.
 */
bool locks_held(int fd, uint64_t ino)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	uint64_t bit, *word = seen_word(ino, &bit);

	if (sys_fcntl(fd, F_OFD_GETLK, sys_ptr(&fl)) != 0)
		return true;
	if (fl.l_type == F_UNLCK)
		return false;
	if (fl.l_pid == sys_getpid())
		return true;
	return before_exec || (__atomic_load_n(word, __ATOMIC_SEQ_CST) & bit);
}

bool locks_ever(void)
{
	return any_seen || before_exec;
}

void locks_inherited(void)
{
	before_exec = 1;
}

bool locks_close_begin(uint64_t ino)
{
	return gate_try(gate_of(ino));
}

void locks_close_end(uint64_t ino)
{
	gate_done(gate_of(ino));
}

void locks_take_begin(uint64_t ino)
{
	uint64_t bit, *word = seen_word(ino, &bit);

	__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	any_seen = 1;
	gate_stop(gate_of(ino));
}

void locks_take_end(uint64_t ino)
{
	gate_go(gate_of(ino));
}

void locks_forked(void)
{
	memset(gates, 0, sizeof(gates));
	memset(seen, 0, sizeof(seen));
	any_seen = before_exec = 0;
}

static void park(int fd, uint64_t ino)
{
	if (!fdtab_is_parked(fdtab_set(fd, fdtab_parked(ino)))) {
		__atomic_fetch_add(&parked_n, 1, __ATOMIC_RELEASE);
		book_count(COUNTER_parked_descriptors, 1);
	}
}

void locks_close_or_park(int fd, uint64_t ino)
{
	if (locks_close_begin(ino)) {
		bool held = locks_held(fd, ino);

		if (!held)
			own_close(fd);
		locks_close_end(ino);
		if (!held)
			return;
	}
	park(fd, ino);
}

void locks_park(int fd)
{
	struct stat st;

	/* The variable is anybody's to set: only what one of ours looks like. */
	if (fd < OWN_FLOOR_MIN || !own_looks_it(fd) || sys_fstat(fd, &st) != 0)
		return;
	sys_fcntl(fd, F_SETFD, FD_CLOEXEC);
	park(fd, st.st_ino);
}

bool locks_parked(void)
{
	return __atomic_load_n(&parked_n, __ATOMIC_ACQUIRE) > 0;
}

void locks_unparked(void)
{
	__atomic_fetch_sub(&parked_n, 1, __ATOMIC_RELEASE);
}

static int next_parked(int fd)
{
	return fdtab_next(fd, FDTAB_TAG | FD_PARKED, FD_OWN | FD_PARKED);
}

void locks_unpark(void)
{
	if (!locks_parked())
		return;
	for (int fd = 0; (fd = next_parked(fd)) >= 0; fd++) {
		uint64_t word = fdtab_get(fd), ino = word >> 32;

		if (!locks_close_begin(ino))
			continue;
		/* Whoever takes the word closes: two threads may be here. */
		if (!locks_held(fd, ino) && fdtab_replace(fd, word, 0)) {
			locks_unparked();
			sys_close(fd);
		}
		locks_close_end(ino);
	}
}

void locks_hold_parked(bool on)
{
	if (locks_parked())
		for (int fd = 0; (fd = next_parked(fd)) >= 0; fd++)
			sys_fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

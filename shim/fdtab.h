/*
 * fdtab: descriptor number -> what the shim knows of it. One 64-bit word
 * each, changed by atomic exchange; a hint, never the truth (adopt.h, guard).
 *
 *   FD_UNKNOWN        nothing known yet (0), or only who opened it (FD_PRIVATE)
 *   FD_PLAIN          passes through: why (enum reason; REASON_NONE: not a file),
 *                     and the ledger's row
 *   FD_FILE           routed: slot and generation of its struct file
 *   FD_OWN            one of the shim's own descriptors, of that file or of none
 *
 * Depends on: ledger.h for reasons.
 */
#ifndef DIOSHIM_FDTAB_H
#define DIOSHIM_FDTAB_H

#include "ledger.h"

#include <stddef.h>
#include <stdint.h>

enum { FD_UNKNOWN = 0, FD_PLAIN = 1, FD_FILE = 2, FD_OWN = 3 };

#define FDTAB_PAGE	512			/* words */
#define FDTAB_PAGES	2048			/* so descriptors up to 1,048,575 */
#define FDTAB_NO_SLOT	0xffffffu
#define FDTAB_TAG	3ull			/* a mask: fdtab_next(fd, FDTAB_TAG, FD_OWN) */

/* Beside each word: requests under way on that number. */
struct fdtab_page {
	uint64_t word[FDTAB_PAGE];
	uint32_t users[FDTAB_PAGE];
	int64_t pos[FDTAB_PAGE];	/* of observed descriptors with FD_PLACED: the offset, bytes */
};
extern struct fdtab_page *fdtab_pages[FDTAB_PAGES];
extern uint32_t fdtab_nobody;
extern int64_t fdtab_nowhere;

static inline unsigned fdtab_tag(uint64_t word)
{
	return word & 3;
}

static inline uint64_t fdtab_plain(enum reason why, unsigned row)
{
	return FD_PLAIN | (uint64_t)why << 8 | (uint64_t)row << 32;
}

static inline enum reason fdtab_reason(uint64_t word)
{
	return (enum reason)(word >> 8 & 0xff);
}

static inline unsigned fdtab_row(uint64_t word)
{
	return (unsigned)(word >> 32);
}

#define FD_RESCUE 4u	/* in an FD_FILE word: the program's descriptor is O_DIRECT */

static inline uint64_t fdtab_file(unsigned slot, uint32_t generation, bool rescue)
{
	return FD_FILE | (rescue ? FD_RESCUE : 0) | (uint64_t)slot << 8 |
	       (uint64_t)generation << 32;
}

static inline unsigned fdtab_slot(uint64_t word)
{
	return (unsigned)(word >> 8) & 0xffffff;
}

static inline uint32_t fdtab_generation(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

/* The word of a file, or of a descriptor of ours that serves it, without its kind. */
static inline uint64_t fdtab_key(uint64_t word)
{
	return word & ~7ull;
}

/* The word of a descriptor of the shim that serves a file's word; 0: serves none. */
static inline uint64_t fdtab_own(uint64_t word)
{
	return word ? fdtab_key(word) | FD_OWN : FD_OWN | (uint64_t)FDTAB_NO_SLOT << 8;
}

/* Out of range counts as plain: such descriptors are never routed. */
static inline uint64_t fdtab_get(int fd)
{
	const struct fdtab_page *page;

	if ((unsigned)fd >= FDTAB_PAGE * FDTAB_PAGES)
		return fdtab_plain(REASON_NONE, 0);
	page = __atomic_load_n(&fdtab_pages[(unsigned)fd / FDTAB_PAGE], __ATOMIC_ACQUIRE);
	return page ? __atomic_load_n(&page->word[(unsigned)fd % FDTAB_PAGE], __ATOMIC_ACQUIRE) : 0;
}

static inline bool fdtab_is_own(int fd)
{
	return fdtab_tag(fdtab_get(fd)) == FD_OWN;
}

/*
 * While a number is being closed or replaced. With FD_REVOKED, whoever does it
 * has given up waiting for requests under way.
 */
#define FD_CHANGING	fdtab_plain(REASON_changing, 0)
#define FD_REVOKED	(FD_CHANGING | 1u << 16)

/*
 * Does number fd still stand for the file of that word? Asked by a request
 * before each system call but its first: it may have been waited for in vain.
 */
static inline bool fdtab_still(int fd, uint64_t of)
{
	uint64_t word = fdtab_get(fd);

	return word == FD_CHANGING ||
	       (fdtab_tag(word) >= FD_FILE && fdtab_key(word) == fdtab_key(of));
}

/* The count of requests on fd; of a number without a word, one that stays 0. */
static inline uint32_t *fdtab_users(int fd)
{
	struct fdtab_page *page = NULL;

	if ((unsigned)fd < FDTAB_PAGE * FDTAB_PAGES)
		page = __atomic_load_n(&fdtab_pages[(unsigned)fd / FDTAB_PAGE], __ATOMIC_ACQUIRE);
	return page ? &page->users[(unsigned)fd % FDTAB_PAGE] : &fdtab_nobody;
}

/* In an FD_PLAIN word with REASON_observed (observe.h): */
#define FD_DIRECT	(1u << 17)	/* opened O_DIRECT by the program */
#define FD_APPENDS	(1u << 18)	/* O_APPEND */
#define FD_PLACED	(1u << 19)	/* the offset is this process's alone, and kept */

static inline int64_t *fdtab_pos(int fd)
{
	struct fdtab_page *page = NULL;

	if ((unsigned)fd < FDTAB_PAGE * FDTAB_PAGES)
		page = __atomic_load_n(&fdtab_pages[(unsigned)fd / FDTAB_PAGE], __ATOMIC_ACQUIRE);
	return page ? &page->pos[(unsigned)fd % FDTAB_PAGE] : &fdtab_nowhere;
}

#define FD_PRIVATE 8u	/* in an FD_UNKNOWN word: opened by this process since its last fork */

#define FD_PARKED 4u	/* in an FD_OWN word: open only for the sake of POSIX locks */

/* A parked descriptor; of the inode number the low 32 bits are kept. */
static inline uint64_t fdtab_parked(uint64_t ino)
{
	return FD_OWN | FD_PARKED | (uint64_t)FDTAB_NO_SLOT << 8 | ino << 32;
}

static inline bool fdtab_is_parked(uint64_t word)
{
	return (word & (FDTAB_TAG | FD_PARKED)) == (FD_OWN | FD_PARKED);
}

/* What was there before. */
uint64_t fdtab_set(int fd, uint64_t word);

/* Stores word where expected stood; false, and nothing stored, where it did not. */
bool fdtab_replace(int fd, uint64_t expected, uint64_t word);

/* In a fork child: nobody else is at work. */
void fdtab_forget_users(void);

/* Calls each with every non-zero word; what it returns is stored. */
void fdtab_map(uint64_t (*each)(int fd, uint64_t word, void *arg), void *arg);

/* The lowest descriptor >= fd whose word, masked, is value; or -1. */
int fdtab_next(int fd, uint64_t mask, uint64_t value);

#endif

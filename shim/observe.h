/*
 * observe: the modes that leave every request to the program's own descriptor:
 * observe classifies it, strict refuses what a bare O_DIRECT open would refuse.
 *
 * The table's word of such a descriptor is FD_PLAIN with REASON_observed. Where
 * the offset belongs to this process alone it is kept beside the word, for a
 * read of the page cache costs little more than asking for it would.
 * Depends on: note, book, fdtab, engine.h's request.
 */
#ifndef DIOSHIM_OBSERVE_H
#define DIOSHIM_OBSERVE_H

#include "engine.h"
#include "note.h"

extern bool observe_strict;	/* mode strict */

static inline bool observe_is(uint64_t word)
{
	return fdtab_tag(word) == FD_PLAIN && fdtab_reason(word) == REASON_observed;
}

/*
 * After the kernel's answer to a call on an observed descriptor: ret bytes, or
 * -errno. Books it.
 */
void observe_book(struct ledger *l, uint64_t word, const struct request *rq, size_t asked,
		  ssize_t ret, uint64_t start_ns);

/* Mode strict: is the request to be refused with EINVAL? Booked if so. */
bool observe_refuses(struct ledger *l, uint64_t word, const struct request *rq);

/* The program moved the descriptor's offset to there; -1: somewhere. */
void observe_placed(int fd, int64_t off);

#endif

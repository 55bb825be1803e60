/*
 * site: call sites in the ledger: who asked, from which return address on.
 *
 * The table is found by a hash of return addresses, operation and file. A new
 * site's addresses are turned into modules and offsets at once, by
 * /proc/self/maps: a module may be gone at the end. Nothing is locked; a thread
 * that meets a site whose frames are just being filled in only counts.
 * Depends on: ledger.h, book, own, sys.
 */
#ifndef DIOSHIM_SITE_H
#define DIOSHIM_SITE_H

#include "book.h"

/* Before the first site that is more than one frame deep: libgcc is loaded, which allocates. */
void site_start(void);

/*
 * The site of a call whose wrapper was called from caller. NULL: the ledger
 * keeps none. file: the row's number + 1, or 0.
 */
struct ledger_site *site_of(struct ledger *l, const void *caller, enum ledger_op op, unsigned file);

/* Number + 1; 0 for NULL. */
unsigned site_number(const struct ledger *l, const struct ledger_site *s);

/* One more call that was off by rest. */
void site_rest(struct ledger_rests *r, uint32_t rest);

/* Index of the largest power of two that divides x: 0 .. LEDGER_POWERS - 1. */
static inline unsigned site_power(uint64_t x)
{
	unsigned n = x ? (unsigned)__builtin_ctzll(x) : LEDGER_POWERS - 1;

	return n < LEDGER_POWERS ? n : LEDGER_POWERS - 1;
}

#endif

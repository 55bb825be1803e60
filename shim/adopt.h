/*
 * adopt: decides, at the first data call on a descriptor, whether its file is
 * routed, and opens it a second time; and asks before every routed request
 * whether the descriptor still is that file.
 *
 * The kernel is the truth: what the table says is checked by fstat and F_GETFL.
 * Depends on: align, book, config, fdtab, file, locks, mapped, own.
 */
#ifndef DIOSHIM_ADOPT_H
#define DIOSHIM_ADOPT_H

#include "file.h"

/* What the guard found, for the request's use. */
struct guard {
	uint64_t size;		/* bytes: st_size, or the size of the block device */
	int flags;		/* F_GETFL */
	bool shared;		/* others may move the offset */
	bool has_ctime, same_flags;	/* as asked for */
	struct sys_time ctime;
};

/* What else a request wants of the guard, or less. */
enum {
	GUARD_CTIME = 1,
	GUARD_SAME_FLAGS = 2,	/* the flags were asked for a moment ago: not again */
};

/*
 * Looks at descriptor fd and stores what it found in the table. The table's
 * word afterwards; 0 when nothing could be decided now (the call passes
 * through and the next one asks again).
 */
uint64_t adopt(int fd);

/* Is fd still the file that f was made for? Fills *g if so. ask: GUARD_ bits, or 0. */
bool adopt_guard(int fd, struct file *f, unsigned ask, struct guard *g);

/* The file's row in the present ledger; NULL if none can be had. */
struct ledger_file *adopt_row(struct file *f);

#endif

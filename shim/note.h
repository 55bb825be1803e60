/*
 * note: what is kept of single requests beside the sums: their class, their
 * call site, a record, and what was wrong with those that failed.
 * Depends on: classify, site, book.
 */
#ifndef DIOSHIM_NOTE_H
#define DIOSHIM_NOTE_H

#include "book.h"
#include "classify.h"

struct note {
	struct ledger *l;
	struct ledger_file *row;	/* NULL: none */
	const void *caller;		/* the return address of the wrapped call */
	enum ledger_op op;
	int fd;
	int64_t off;			/* bytes; -1: not known, or the end of the file */
	size_t asked;
	ssize_t ret;			/* bytes, or -errno */
	const struct iovec *iov;	/* covers asked bytes: if 0, it may be anything; NULL for copies */
	int iovcnt;
	struct align align;		/* 0: direct I/O is never done here */
	bool appends;			/* where the file ends: never direct here, refused by O_DIRECT all the same */
	bool strict;			/* refused by us */
	bool direct;			/* on a descriptor that the program opened O_DIRECT */
	uint64_t start_ns;		/* CLOCK_REALTIME, by note_start */
	const struct tally *tally;	/* what was booked of it; looked at where note_keeps */
};

/* Is anything kept? Set once, from the settings. */
extern bool note_on;
void note_configure(void);

/* What direct I/O wants of the row's file; 0: none is done there, or there is no row. */
static inline struct align note_align(const struct ledger_file *row)
{
	if (!row)
		return (struct align){ 0 };
	return (struct align){ row->mem_align, row->offset_align, row->write_align, false };
}

/* The time, if records are kept; else 0. */
uint64_t note_start(void);

/* Beside classes: are there call sites or records, which want the tally? */
static inline bool note_keeps(const struct ledger *l)
{
	return l->has_sites || l->records_n;
}

void note_request(const struct note *n);

#endif

/*
 * ahead: pieces of a file read ahead into the pool, handed out in order.
 *
 * Reads are kernel AIO on the direct descriptor, so that copying one piece, or
 * writing it elsewhere, overlaps with reading the next; where AIO is refused
 * (seccomp, aio-max-nr) each piece is read when it is asked for. Never for
 * writes: an asynchronous direct write beside a buffered one loses data.
 * Depends on: fdtab, pool, sys, book.
 */
#ifndef DIOSHIM_AHEAD_H
#define DIOSHIM_AHEAD_H

#include "sys.h"

#include <stdbool.h>

#define AHEAD_SLOTS 8

struct ahead {
	int fd;
	uint64_t word;		/* of its file, for fdtab_still */
	uint64_t next;		/* offset of the next read to issue, bytes */
	uint64_t end;		/* where to stop, block-aligned, bytes */
	size_t piece;		/* bytes per slot */
	int slots;
	int head;		/* slot of the oldest piece */
	int ready;		/* pieces issued and not yet given back */
	bool out;		/* the piece at head is with the caller */
	bool lost;		/* completions cannot be had: nothing is given back */
	int context;		/* AIO context in use, or -1: synchronous */
	char *chunk[AHEAD_SLOTS];
	int chunks;
	struct {
		char *buf;
		uint64_t off;
		size_t len;
		ssize_t got;	/* bytes, or -errno; valid when state is done */
		enum { AHEAD_IDLE, AHEAD_FLYING, AHEAD_DONE } state;
	} slot[AHEAD_SLOTS];
};

/*
 * Starts reading [off, end), both block-aligned, from descriptor fd of the file
 * whose word of the table that is. In flight: up to about 2 MiB.
 * False when the pool has not one free chunk; nothing is held then.
 */
bool ahead_start(struct ahead *a, int fd, uint64_t word, uint64_t off, uint64_t end);

/*
 * The next piece: its bytes, how many (short at end of file, or -errno).
 * False when all has been handed out. ahead_next gives the last one back.
 */
bool ahead_next(struct ahead *a, char **buf, ssize_t *got, size_t *asked);

/* Waits for what is in flight and gives the chunks back. */
void ahead_stop(struct ahead *a);

/* In a fork child: AIO contexts belong to the parent's memory. */
void ahead_forget(void);

#endif

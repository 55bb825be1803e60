/*
 * symbols_read: what the reading process of symbols does, and the answer that
 * it sends. Two files implement it: symbols_dwfl.c by elfutils' libdw, and
 * symbols_none.c where the command was built without.
 */
#ifndef DIOSHIM_SYMBOLS_READ_H
#define DIOSHIM_SYMBOLS_READ_H

#include "symbols.h"

#include <limits.h>

enum { SYMBOLS_TEXT = 16384 };

enum symbols_why {
	SYMBOLS_ALL,		/* nothing is missing */
	SYMBOLS_NOT_READ,
	SYMBOLS_NOT_CODE,
	SYMBOLS_NO_NAME,
	SYMBOLS_NO_LINE,
	SYMBOLS_WHYS
};

struct symbols_question {
	uint64_t inode, offset;	/* an offset inside the call, not behind it */
	char module[PATH_MAX];
};

struct symbols_answer {
	uint64_t offset_in_function;
	uint32_t why;
	uint32_t frames_n;
	struct {
		uint32_t line;
		uint16_t function, file;	/* in text; 0: none */
	} frames[SYMBOL_FRAMES];
	uint32_t text_n;	/* text[text_n - 1] is 0, and so is text[0] */
	char text[SYMBOLS_TEXT];
};

/* Why nothing can be read at all; NULL: it can. */
extern const char *const symbols_unbuilt;

void symbols_read(const struct symbols_question *q, struct symbols_answer *a);

#endif

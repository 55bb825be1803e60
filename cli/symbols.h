/*
 * symbols: names the code at an offset of a file, as a call site is recorded:
 * function, source file, line, and what was inlined there. Nothing is asked of
 * the network. The files may be anything: a process of our own reads them, so
 * that one on which libdw crashes or hangs costs its names, not the report.
 */
#ifndef DIOSHIM_SYMBOLS_H
#define DIOSHIM_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

enum { SYMBOL_FRAMES = 8 };

struct symbol_site {
	const char *module;	/* as /proc/PID/maps names it */
	uint64_t inode;		/* of the module; 0: not known */
	uint64_t offset;	/* of the return address, bytes from the file's start */
	uint64_t until_ns;	/* CLOCK_REALTIME when it was mapped last; 0: it still is */
};

/* Texts come from the module: they may hold any bytes. */
struct symbol_frame {
	const char *function;	/* demangled where it can be */
	const char *file;	/* as the compiler was told it; NULL: not known */
	unsigned line;		/* 0: not known */
};

struct symbol {
	/* Innermost first: frames[i] is inlined into frames[i + 1]. 0: no name. */
	unsigned frames_n;
	struct symbol_frame frames[SYMBOL_FRAMES];
	uint64_t offset_in_function;	/* bytes, of the return address; 0: not known */
	bool replaced;		/* another file has the module's name now */
	const char *why;	/* what is missing and why; NULL: nothing is */
};

/*
 * True if there is a function's name. Texts stay valid until symbols_end. The
 * first call makes a child process, which symbols_end reaps.
 */
bool symbols_find(const struct symbol_site *site, struct symbol *out);

void symbols_end(void);

#endif

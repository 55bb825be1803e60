/*
 * page: text in lines that fit a terminal. Columns are characters, not bytes.
 */
#ifndef DIOSHIM_PAGE_H
#define DIOSHIM_PAGE_H

#include <stddef.h>
#include <stdio.h>

struct page {
	FILE *f;
	unsigned width;
	const char *bold, *good, *bad, *end;	/* escapes; empty where f is no terminal */
};

/* The width of f, and its colours. o->f may be changed afterwards. */
void page_begin(struct page *o, FILE *f);

unsigned page_columns(const char *text);

/* Words after what is printed already (at columns of it), in lines that begin at an indent. */
void page_wrap(const struct page *o, unsigned at, unsigned indent, const char *text);

/* A paragraph, indented by two. */
__attribute__((format(printf, 2, 3)))
void page_line(const struct page *o, const char *fmt, ...);

/* At most so many columns; what is cut out leaves three dots, near the left. */
void page_shorten(const char *text, unsigned max, char *to, size_t size);

#endif

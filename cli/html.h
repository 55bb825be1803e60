/*
 * html: pieces of the page. Each figure that a piece shows is also there
 * exactly, under its name in the JSON: data-name and data-value. Texts may be
 * anybody's: they leave here escaped. Depends on: gather.
 */
#ifndef DIOSHIM_HTML_H
#define DIOSHIM_HTML_H

#include "gather.h"

extern const char *const html_style[];	/* to be joined; NULL is the last */

/* Escaped; line ends become spaces, other controls and what is not UTF-8 U+FFFD. */
void html_text(FILE *f, const char *text);

/* A path, a command: isolated, and marked as literal. */
void html_code(FILE *f, const char *text);

/* Attributes: ` data-name="..." data-value="n"`. */
__attribute__((format(printf, 3, 4)))
void html_data(FILE *f, uint64_t n, const char *name, ...);

/* A figure as people read it: bytes with a unit, calls with commas. */
__attribute__((format(printf, 3, 4)))
void html_bytes(FILE *f, uint64_t n, const char *name, ...);
__attribute__((format(printf, 3, 4)))
void html_count(FILE *f, uint64_t n, const char *name, ...);

/* "zero-copy": a route for people. */
struct human html_route(unsigned route);

/* A bar of n out of all, as the class says how it is filled. */
void html_bar(FILE *f, uint64_t n, uint64_t all, const char *class);

/*
 * A bar of all routes, as long as their sum out of all. The name of a part is
 * prefix, route, suffix.
 */
void html_stack(FILE *f, const uint64_t *routes, uint64_t all, const char *prefix,
		const char *suffix);
void html_legend(FILE *f);

/* The calls of one site, or of all, by the power of two that divides; where prefix.DIM has them. */
void html_alignment(FILE *f, const struct ledger_site *s, uint32_t mem_align,
		    uint32_t offset_align, const char *prefix);

/* Parts of the page. */
void html_overall_alignment(FILE *f, const struct report *r);
void html_timelines(FILE *f, const struct report *r);
void html_files(FILE *f, const struct report *r);
void html_sites(FILE *f, const struct report *r);
void html_misfits(FILE *f, const struct report *r);
void html_processes(FILE *f, const struct report *r);

#endif

/*
 * config: the settings, parsed once from the environment.
 *
 * Pure text functions, no allocation: the command uses the same ones to
 * check its options. The list is config.def.
 */
#ifndef DIOSHIM_CONFIG_H
#define DIOSHIM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_mode { MODE_direct, MODE_off, MODE_observe, MODE_strict, MODE_auto };

#define CONFIG_BACKTRACE_MAX 8
#define CONFIG_RECORDS_MAX (16u << 20)

enum config_id {
#define CONFIG(NAME, option, type, arg, def, help) CONFIG_##NAME,
#include "config.def"
#undef CONFIG
	CONFIGS
};

struct config_item {
	const char *env;	/* "DIOSHIM_MODE" */
	const char *option;	/* "mode" */
	const char *arg;	/* "MODE" */
	const char *def;	/* the default, as text */
	const char *help;
};

extern const struct config_item config_items[CONFIGS];

struct config {
	enum config_mode mode;
	const char *log, *dir;		/* NULL when not set */
	const char *include, *exclude;	/* colon-separated globs; NULL: none */
	bool exclude_is_default;
	uint64_t min_file;		/* bytes */
	uint64_t pool, chunk;		/* bytes */
	uint64_t stream;		/* bytes in flight for one reader; 0: no streams */
	uint64_t stream_age_ns;
	uint64_t auto_read, auto_write;	/* bytes from which on mode auto goes direct */
	uint32_t auto_effort;		/* percent of the time */
	uint32_t strict_align;		/* bytes, 512 or 4096; 0: what the file wants */
	uint32_t backtrace;		/* frames, 0..8 */
	uint32_t records;		/* requests kept */
};

/* Does the program keep its descriptors to itself: only looked at, or refused? */
static inline bool config_observes(const struct config *c)
{
	return c->mode == MODE_observe || c->mode == MODE_strict;
}

/* All defaults. */
void config_defaults(struct config *c);

/*
 * One setting from its text. False when the text is no value for it; *c is
 * then unchanged. The text must outlive *c (it is not copied).
 */
bool config_set(struct config *c, enum config_id id, const char *text);

/*
 * Does the path match one of the colon-separated patterns? `*` and `?` do not
 * cross a slash, `**` does. A pattern with a slash is matched against the
 * path and against every folder above it; one without, against the last
 * component. An empty list matches nothing.
 */
bool config_match(const char *patterns, const char *path);

/* Is a file of this path to be routed? path is absolute. */
bool config_allows(const struct config *c, const char *path, bool block_device);

#endif

/*
 * settings: the options of `run` that are config.def's, and the DIOSHIM_*
 * environment: an option overrides its variable. Depends on: config.
 */
#ifndef DIOSHIM_SETTINGS_H
#define DIOSHIM_SETTINGS_H

#include "config.h"

#include <argp.h>

#define SETTING_KEY 0x1000	/* of argp: this plus an enum config_id */

struct settings {
	const char *text[CONFIGS];	/* from the options; NULL: not given */
	struct config config;
};

/* Fills in the options, and an empty one after them: CONFIGS + 1 entries. */
void settings_options(struct argp_option *list);

/* Joins environment and options; false after a complaint: a bad value. */
bool settings_check(struct settings *s);

/* Puts all that was given into the environment; false after a complaint. */
bool settings_export(const struct settings *s, const char *dir);

#endif

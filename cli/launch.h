/*
 * launch: what `run` and `compare` do around a command that they preload: its
 * environment, its name in messages, the clock. Depends on: settings.
 */
#ifndef DIOSHIM_LAUNCH_H
#define DIOSHIM_LAUNCH_H

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

uint64_t now_ns(clockid_t clock);

/* Is the library in LD_PRELOAD? Then a command we start is not plain. */
bool launch_preloaded(const char *library);

/*
 * Puts the library, the settings and the folder for ledgers into our own
 * environment, which the command inherits. False after a complaint.
 */
bool launch_environment(const struct settings *s, const char *library, const char *dir);

/* The exit status for a command that did not start, after a complaint. */
int launch_failed(const char *command, int why);

/* The words with spaces between them; to be freed. NULL: no memory. */
char *launch_join(char **words);

#endif

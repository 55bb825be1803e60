/*
 * outputs: the files that a report is written to, in which forms, for `run`
 * and `report` alike. One table has them all. They are opened before the
 * command runs: a report that cannot be written is known early.
 */
#ifndef DIOSHIM_OUTPUTS_H
#define DIOSHIM_OUTPUTS_H

#include "gather.h"
#include "settings.h"

#include <argp.h>

enum output {
	OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_OPENMETRICS,
	OUTPUTS
};

struct outputs {
	const char *names[OUTPUTS];	/* as given; NULL: not wanted */
	FILE *files[OUTPUTS];
	FILE *standard;			/* for the text, where no file is named */
};

/* The options: a child of the subcommand's parser, its input is a struct outputs. */
extern const struct argp outputs_argp;

/* False after a complaint. */
bool outputs_open(struct outputs *o, FILE *standard);

/* Writes and closes all of them; false after a complaint. */
bool outputs_write(struct outputs *o, const struct report *r);

#endif

/*
 * outputs: the files that a report is written to, in which forms, for `run`
 * and `report` alike. One table has them all. They are opened before the
 * command runs: a report that cannot be written is known early.
 */
#ifndef DIOSHIM_OUTPUTS_H
#define DIOSHIM_OUTPUTS_H

#include "folder.h"
#include "gather.h"
#include "settings.h"
#include "timeline.h"

#include <argp.h>

enum output {
	OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_OPENMETRICS, OUTPUT_TRACE, OUTPUT_HTML,
	OUTPUTS
};

struct outputs {
	const char *names[OUTPUTS];	/* as given; NULL: not wanted */
	FILE *files[OUTPUTS];
	FILE *standard;			/* for the text, where no file is named */
	const char *trace_format;	/* json or chrome; NULL: by the file's name */
	struct timeline *timeline;	/* NULL: nobody watches */
};

/* The options: a child of the subcommand's parser, its input is a struct outputs. */
extern const struct argp outputs_argp;

/* False after a complaint. */
bool outputs_open(struct outputs *o, FILE *standard);

/* Has kept by the programs what these outputs show, unless the user has said how much. */
void outputs_settings(const struct outputs *o, struct settings *s);

/*
 * While the command runs, where an output shows it: watches the ledgers of its
 * folder from began_ns on. Call it while all signals are blocked; the report
 * then gets what was seen, and so does the folder, if it is kept.
 */
void outputs_watch(struct outputs *o, const char *folder, uint64_t began_ns);
void outputs_watched(struct outputs *o, struct report *r, const struct folder *folder);

/* Writes and closes all of them; false after a complaint. */
bool outputs_write(struct outputs *o, const struct report *r);

#endif

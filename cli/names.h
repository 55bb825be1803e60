/*
 * names: the stable names of the ledger's lists, as they stand in the .def files.
 */
#ifndef DIOSHIM_NAMES_H
#define DIOSHIM_NAMES_H

#include "config.h"
#include "ledger.h"

extern const char *const counter_names[COUNTERS], *const counter_sentences[COUNTERS];
extern const char *const counter_units[COUNTERS];	/* calls, bytes, files, ns */
extern const char *const route_names[ROUTES], *const route_sentences[ROUTES];
extern const unsigned route_copies[ROUTES];		/* CPU copies per byte */
extern const char *const reason_names[REASONS], *const reason_sentences[REASONS];
extern const enum route reason_routes[REASONS];	/* under which their bytes are booked */
extern const char *const class_names[CLASSES], *const class_sentences[CLASSES];
extern const char *const align_names[ALIGNS], *const align_sentences[ALIGNS];
extern const char *const op_names[];			/* enum ledger_op */
extern const char *const dim_names[DIMS];

/* Empty for REASON_NONE. */
const char *reason_name(enum reason why);

const char *mode_name(enum config_mode mode);

/* What mode auto answered, as a row of the ledger has it: a reason's name, or direct. NULL: it was not asked. */
const char *auto_name(unsigned answer);

#endif

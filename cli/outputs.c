#include "outputs.h"

#include "cli.h"
#include "replace.h"

#include <string.h>

#define OUTPUT_KEY 0x2000	/* of argp: this plus an enum output */

static void text_and_sites(const struct report *r, FILE *f)
{
	report_text(r, f);
	if (r->processes_n && (r->explain || r->misfits_seen))
		report_explain(r, f);
}

static void (*const prints[OUTPUTS])(const struct report *r, FILE *f) = {
	[OUTPUT_TEXT] = text_and_sites,
	[OUTPUT_JSON] = report_json,
	[OUTPUT_CSV] = report_csv,
	[OUTPUT_OPENMETRICS] = report_openmetrics,
};

static const struct argp_option option_list[] = {
	{ "output", 'o', "FILE", 0, "the text report, instead of on standard error (run) or "
	  "standard output (report)", 0 },
	{ "json", 'j', "FILE", 0, "the report as JSON; - is standard output, where report then "
	  "prints no text", 0 },
	{ "csv", OUTPUT_KEY + OUTPUT_CSV, "FILE", 0, "every figure as a line of CSV", 0 },
	{ "openmetrics", OUTPUT_KEY + OUTPUT_OPENMETRICS, "FILE", 0, "OpenMetrics, for a textfile "
	  "collector of Prometheus; FILE is replaced in one step", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct outputs *o = state->input;

	if (key == 'o')
		key = OUTPUT_KEY + OUTPUT_TEXT;
	if (key == 'j')
		key = OUTPUT_KEY + OUTPUT_JSON;
	if (key < OUTPUT_KEY || key >= OUTPUT_KEY + OUTPUTS)
		return ARGP_ERR_UNKNOWN;
	o->names[key - OUTPUT_KEY] = arg;
	return 0;
}

const struct argp outputs_argp = { .options = option_list, .parser = parse };

/* Standard output is taken by another form: the text would spoil it. */
static bool takes_standard(const struct outputs *o)
{
	for (unsigned i = OUTPUT_TEXT + 1; o->standard == stdout && i < OUTPUTS; i++)
		if (o->names[i] && strcmp(o->names[i], "-") == 0)
			return true;
	return false;
}

/* Can it be replaced? Nothing is left there while the command runs. */
static bool try_replace(const char *name)
{
	struct replace p;

	return replace_open(&p, name) && replace_close(&p, false);
}

bool outputs_open(struct outputs *o, FILE *standard)
{
	bool good = true;

	o->standard = standard;
	for (unsigned i = 0; i < OUTPUTS && good; i++) {
		if (!o->names[i])
			continue;
		if (i == OUTPUT_OPENMETRICS) {
			good = try_replace(o->names[i]);
		} else {
			o->files[i] = output_open(o->names[i]);
			good = o->files[i];
		}
	}
	if (!o->names[OUTPUT_TEXT] && !takes_standard(o))
		o->files[OUTPUT_TEXT] = standard;
	return good;
}

static bool write_replacing(const struct report *r, const char *name)
{
	struct replace p;

	if (!replace_open(&p, name))
		return false;
	prints[OUTPUT_OPENMETRICS](r, p.f);
	return replace_close(&p, true);
}

bool outputs_write(struct outputs *o, const struct report *r)
{
	bool good = true;

	for (unsigned i = 0; i < OUTPUTS; i++) {
		FILE *f = o->files[i];

		/* Where there is no ledger, why has been said on standard error. */
		if (f && (f != o->standard || o->names[i] || r->processes_n))
			prints[i](r, f);
		if (f && f != stderr)
			good &= output_close(f, o->names[i] ? o->names[i] : "-");
	}
	if (o->names[OUTPUT_OPENMETRICS])
		good &= write_replacing(r, o->names[OUTPUT_OPENMETRICS]);
	return good;
}

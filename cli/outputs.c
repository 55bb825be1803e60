#include "outputs.h"

#include "cli.h"
#include "human.h"
#include "replace.h"

#include <stdlib.h>
#include <string.h>

#define OUTPUT_KEY	0x2000	/* of argp: this plus an enum output */
#define FORMAT_KEY	(OUTPUT_KEY + OUTPUTS)

#define TRACE_RECORDS	"65536"	/* of each process, unless the user says how many */

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
	[OUTPUT_TRACE] = report_trace_chrome,
	[OUTPUT_HTML] = report_html,
};

static const struct argp_option option_list[] = {
	{ "output", 'o', "FILE", 0, "the text report, instead of on standard error (run) or "
	  "standard output (report)", 0 },
	{ "json", 'j', "FILE", 0, "the report as JSON; - is standard output, where report then "
	  "prints no text", 0 },
	{ "csv", OUTPUT_KEY + OUTPUT_CSV, "FILE", 0, "every figure as a line of CSV", 0 },
	{ "openmetrics", OUTPUT_KEY + OUTPUT_OPENMETRICS, "FILE", 0, "OpenMetrics, for a textfile "
	  "collector of Prometheus; FILE is replaced in one step", 0 },
	{ "html", OUTPUT_KEY + OUTPUT_HTML, "FILE", 0, "one page with everything in it, for a browser; "
	  "run then also keeps how the sums grew", 0 },
	{ "trace", OUTPUT_KEY + OUTPUT_TRACE, "FILE", 0, "the single requests (run: with "
	  "--records=" TRACE_RECORDS ", if that is not given)", 0 },
	{ "trace-format", FORMAT_KEY, "FORMAT", 0, "json: a line of JSON each; chrome: trace events, for "
	  "Perfetto (default: json if FILE ends in .jsonl or .ndjson, else chrome)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct outputs *o = state->input;

	if (key == 'o')
		key = OUTPUT_KEY + OUTPUT_TEXT;
	if (key == 'j')
		key = OUTPUT_KEY + OUTPUT_JSON;
	if (key == FORMAT_KEY) {
		if (strcmp(arg, "json") != 0 && strcmp(arg, "chrome") != 0)
			argp_error(state, "--trace-format: json or chrome, not \"%s\"", arg);
		o->trace_format = arg;
		return 0;
	}
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

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

static bool trace_by_lines(const struct outputs *o)
{
	const char *name = o->names[OUTPUT_TRACE];

	if (o->trace_format)
		return strcmp(o->trace_format, "json") == 0;
	return ends_in(name, ".jsonl") || ends_in(name, ".ndjson");
}

static void print(const struct outputs *o, enum output id, const struct report *r)
{
	FILE *f = o->files[id];

	if (id == OUTPUT_TRACE && trace_by_lines(o))
		report_trace_lines(r, f);
	else
		prints[id](r, f);
	/* The newest are kept: who reads the trace must know that it begins late. */
	if (id == OUTPUT_TEXT && o->names[OUTPUT_TRACE])
		fprintf(f, "\n  trace: %s requests kept, %s older ones overwritten by them (--records), %s incomplete\n",
			human_count(r->records_n).text, human_count(r->records_lost).text,
			human_count(r->records_incomplete).text);
}

bool outputs_write(struct outputs *o, const struct report *r)
{
	bool good = true;

	for (unsigned i = 0; i < OUTPUTS; i++) {
		FILE *f = o->files[i];

		/* Where there is no ledger, why has been said on standard error. */
		if (f && (f != o->standard || o->names[i] || r->processes_n))
			print(o, i, r);
		if (f && f != stderr)
			good &= output_close(f, o->names[i] ? o->names[i] : "-");
	}
	if (o->names[OUTPUT_OPENMETRICS])
		good &= write_replacing(r, o->names[OUTPUT_OPENMETRICS]);
	return good;
}

/* ---- what `run` does for them -------------------------------------------- */

void outputs_settings(const struct outputs *o, struct settings *s)
{
	const char **records = &s->text[CONFIG_RECORDS];

	if (o->names[OUTPUT_TRACE] && !*records && !getenv(config_items[CONFIG_RECORDS].env))
		*records = TRACE_RECORDS;
}

void outputs_watch(struct outputs *o, const char *folder, uint64_t began_ns)
{
	if (o->names[OUTPUT_HTML])
		o->timeline = timeline_start(folder, began_ns);
}

void outputs_watched(struct outputs *o, struct report *r, const struct folder *folder)
{
	if (!o->timeline)
		return;
	timeline_stop(o->timeline);
	if (!folder->temporary)
		timeline_save(o->timeline, folder->path);
	report_add_timeline(r, o->timeline);
	o->timeline = NULL;
}

#include "cli.h"
#include "gather.h"

#include <argp.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct options {
	const char *text, *json;
	bool check, bad;
	struct report report;
};

static const struct argp_option option_list[] = {
	{ "output", 'o', "FILE", 0, "text report, instead of on standard output", 0 },
	{ "json", 'j', "FILE", 0, "the report as JSON; - is standard output, instead of the text", 0 },
	{ "explain", 'e', NULL, 0, "name the call sites that had bytes copied", 0 },
	{ "check", 'c', NULL, 0, "exit 1 when a ledger does not close", 0 },
	{ 0 },
};

/* Damaged files are named and left out: the others are worth a report. */
static void add(struct options *o, const char *path)
{
	struct stat st;
	size_t found = 0;

	if (lstat(path, &st) != 0) {
		complain("%s: %s", path, strerror(errno));
		o->bad = true;
	} else if (S_ISDIR(st.st_mode) ||
		   (S_ISLNK(st.st_mode) && stat(path, &st) == 0 &&
		    S_ISDIR(st.st_mode))) {
		o->bad |= !report_add_folder(&o->report, path, 0, &found);
		if (!found && !o->bad) {
			complain("%s: no ledger in this folder", path);
			o->bad = true;
		}
	} else {
		o->bad |= !report_add_file(&o->report, path);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'o': o->text = arg; return 0;
	case 'j': o->json = arg; return 0;
	case 'c': o->check = true; return 0;
	case 'e': o->report.explain = true; return 0;
	case ARGP_KEY_ARG: add(o, arg); return 0;
	case ARGP_KEY_NO_ARGS: argp_error(state, "no ledger file or folder given");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static void text_and_sites(const struct report *r, FILE *f)
{
	report_text(r, f);
	if (r->explain || r->misfits_seen)
		report_explain(r, f);
}

static bool write_report(const struct report *r, const char *name,
			 void (*print)(const struct report *r, FILE *f))
{
	FILE *f = output_open(name);

	if (!f)
		return false;
	print(r, f);
	return output_close(f, name);
}

int cmd_report(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_list,
		.parser = parse,
		.args_doc = "FILE-OR-FOLDER...",
		.doc = "Print and merge ledger files, as `dioshim run --dir' has kept them.",
	};
	struct options o = { 0 };
	bool json_alone, good = true;
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return STATUS_OWN;
	if (!o.report.processes_n) {
		report_free(&o.report);
		return STATUS_OPEN;
	}
	report_sum(&o.report);
	json_alone = o.json && strcmp(o.json, "-") == 0 && !o.text;
	if (o.json)
		good = write_report(&o.report, o.json, report_json);
	if (!json_alone)
		good &= write_report(&o.report, o.text ? o.text : "-",
				     text_and_sites);
	status = o.bad || (o.check && o.report.open_n) ? STATUS_OPEN : 0;
	report_free(&o.report);
	return good ? status : STATUS_OWN;
}

#include "cli.h"
#include "gather.h"
#include "outputs.h"
#include "timeline.h"

#include <argp.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct options {
	struct outputs outputs;
	bool check, bad;
	struct report report;
};

static const struct argp_option option_list[] = {
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
		o->bad |= !report_add_timelines(&o->report, path);
	} else {
		o->bad |= !report_add_file(&o->report, path);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &o->outputs; return 0;
	case 'c': o->check = true; return 0;
	case 'e': o->report.explain = true; return 0;
	case ARGP_KEY_ARG: add(o, arg); return 0;
	case ARGP_KEY_NO_ARGS: argp_error(state, "no ledger file or folder given");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

int cmd_report(int argc, char **argv)
{
	static const struct argp_child children[] = { { &outputs_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = option_list,
		.parser = parse,
		.children = children,
		.args_doc = "FILE-OR-FOLDER...",
		.doc = "Print and merge ledger files, as `dioshim run --dir' has kept them.",
	};
	struct options o = { 0 };
	bool good;
	int status;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return STATUS_OWN;
	if (!o.report.processes_n) {
		report_free(&o.report);
		return STATUS_OPEN;
	}
	report_sum(&o.report);
	good = outputs_open(&o.outputs, stdout) && outputs_write(&o.outputs, &o.report);
	status = o.bad || (o.check && o.report.open_n) ? STATUS_OPEN : 0;
	report_free(&o.report);
	return good ? status : STATUS_OWN;
}

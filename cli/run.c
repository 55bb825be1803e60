#include "cli.h"
#include "folder.h"
#include "gather.h"
#include "launch.h"
#include "outputs.h"
#include "settings.h"
#include "spawn.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct run {
	struct settings settings;
	struct outputs outputs;
	bool explain;
	bool fail_on_misaligned;	/* then a success is none */
	uint64_t misaligned;		/* requests */
	char **command;
	char library[PATH_MAX];
	struct folder folder;
	uint64_t began_ns;		/* CLOCK_REALTIME, as in the ledgers */
};

#define OWN_OPTIONS	2	/* beside the settings */
#define FAIL_KEY	'F'

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	if (key >= SETTING_KEY && key < SETTING_KEY + CONFIGS) {
		run->settings.text[key - SETTING_KEY] = arg;
		return 0;
	}
	switch (key) {
	case 'e':
		run->explain = true;
		return 0;
	case FAIL_KEY:
		run->fail_on_misaligned = true;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &run->outputs;
		return 0;
	case ARGP_KEY_ARG:	/* the command: what follows is its own */
		run->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command to run");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int parse_options(struct run *run, int argc, char **argv)
{
	struct argp_option options[CONFIGS + OWN_OPTIONS + 1] = {
		{ "explain", 'e', NULL, 0, "name the call sites that had bytes copied, with what was off "
		  "and what would help (as --backtrace=1, if that is not given)", 0 },
		{ "fail-on-misaligned", FAIL_KEY, NULL, 0, "exit 1 when the command succeeded, but made "
		  "requests that a bare O_DIRECT open would have refused", 0 },
	};
	const struct argp_child children[] = { { &outputs_argp, 0, NULL, 0 }, { 0 } };
	struct argp argp = {
		.options = options,
		.parser = parse,
		.children = children,
		.args_doc = "[--] COMMAND [ARGUMENT...]",
		.doc = "Run a command with libdioshim.so preloaded, and show how its bytes "
		       "travelled.\vThe exit status is the command's; 127 when it was not found, "
		       "126 when it cannot be executed, 125 when dioshim itself fails.",
	};
	error_t e;

	settings_options(options + OWN_OPTIONS);
	e = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, run);
	for (unsigned i = 0; i < CONFIGS; i++)
		free((void *)(uintptr_t)options[OWN_OPTIONS + i].doc);
	return e ? STATUS_OWN : 0;
}

static bool print_report(struct run *run, const struct ending *end, struct report *r)
{
	/* A signal may have come before the library did. */
	if (!r->processes_n && !end->signaled)
		complain("%s: no ledger in %s: the library was not loaded, or could not write there",
			 run->command[0], run->folder.path);
	return outputs_write(&run->outputs, r);
}

static int run_command(struct run *run, struct ending *end)
{
	struct report report = { 0 };
	struct swiotlb_watch watch;
	uint64_t start;
	size_t found = 0;
	bool written, spawned;

	run->began_ns = now_ns(CLOCK_REALTIME);
	swiotlb_start(&watch, true);
	start = now_ns(CLOCK_MONOTONIC);
	outputs_watch(&run->outputs, run->folder.path, run->began_ns);
	spawned = spawn_and_wait(run->command, end);
	report.elapsed_ns = now_ns(CLOCK_MONOTONIC) - start;
	swiotlb_stop(&watch, &report.swiotlb);
	report.watched = true;
	outputs_watched(&run->outputs, &report, &run->folder);
	if (!spawned)
		return STATUS_OWN;
	if (end->exec_error)
		return launch_failed(run->command[0], end->exec_error);
	report_add_folder(&report, run->folder.path, run->began_ns, &found);
	report_last_words(&report, end->pid, &end->words);
	report_sum(&report);
	report.command = launch_join(run->command);
	report.explain = run->explain;
	run->misaligned = report.counters[COUNTER_misaligned_calls];
	written = print_report(run, end, &report);
	report_free(&report);
	/* A command that succeeded without its report is half a success. */
	return written || end->signaled || end->status ? 0 : STATUS_OWN;
}

/* What the report asked for speaks of has to be kept. */
static void want_sites(struct run *run)
{
	const char *mode = run->settings.text[CONFIG_MODE], **depth = &run->settings.text[CONFIG_BACKTRACE];

	if (!mode)
		mode = getenv(config_items[CONFIG_MODE].env);
	if (!*depth && !getenv(config_items[CONFIG_BACKTRACE].env) &&
	    (run->explain || run->fail_on_misaligned || (mode && strncmp(mode, "strict", 6) == 0)))
		*depth = "1";
}

int cmd_run(int argc, char **argv)
{
	struct run run = { 0 };
	struct ending end;
	int status = parse_options(&run, argc, argv);
	const char *library = run.library;

	if (status)
		return status;
	want_sites(&run);
	outputs_settings(&run.outputs, &run.settings);
	if (!settings_check(&run.settings) || !locate_library(run.library))
		return STATUS_OWN;
	status = program_check(run.command[0], library);
	if (status)
		return status;
	if (!outputs_open(&run.outputs, stderr))
		return STATUS_OWN;
	hold_signals();
	if (!folder_make(&run.folder, run.settings.config.dir))
		return STATUS_OWN;
	if (!launch_environment(&run.settings, library, run.folder.path))
		status = STATUS_OWN;
	else
		status = run_command(&run, &end);
	folder_remove(&run.folder);
	if (status)
		return status;
	if (run.fail_on_misaligned && run.misaligned && !end.signaled && !end.status) {
		complain("%" PRIu64 " misaligned request%s", run.misaligned, run.misaligned == 1 ? "" : "s");
		return STATUS_OPEN;
	}
	end_alike(&end);
}

#include "compare.h"

#include "cli.h"
#include "folder.h"
#include "launch.h"
#include "resident.h"
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNS_MAX 1000

enum { KEY_COLD = 0x2000, KEY_PREPARE };

struct compare {
	struct settings settings;
	bool cold, all_cold, quiet;
	char *prepare;			/* for a shell */
	const char *text, *json;	/* file names; NULL: stderr, none */
	FILE *text_file, *json_file;
	char **command;
	char library[PATH_MAX];
	char **environment;		/* the plain one */
	off_t input_start;		/* of a standard input that can be rewound; else -1 */
	struct resident files;		/* that the ledgers so far have named */
	uint64_t start_ns;
	struct comparison result;
};

static error_t parse_number(struct argp_state *state, const char *arg, unsigned *runs)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || !n || n > RUNS_MAX)
		argp_error(state, "--runs: bad value \"%s\": 1 to %d", arg, RUNS_MAX);
	*runs = (unsigned)n;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct compare *c = state->input;

	if (key >= SETTING_KEY && key < SETTING_KEY + CONFIGS) {
		c->settings.text[key - SETTING_KEY] = arg;
		return 0;
	}
	switch (key) {
	case 'n': return parse_number(state, arg, &c->result.runs);
	case 'q': c->quiet = true; return 0;
	case 'o': c->text = arg; return 0;
	case 'j': c->json = arg; return 0;
	case KEY_COLD: c->cold = true; return 0;
	case KEY_PREPARE: c->prepare = arg; return 0;
	case ARGP_KEY_ARG:	/* the command: what follows is its own */
		c->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command to compare");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int parse_options(struct compare *c, int argc, char **argv)
{
	enum { OWN = 6 };
	struct argp_option options[CONFIGS + OWN + 1] = {
		{ "runs", 'n', "N", 0, "so many pairs of runs (default 3)", 0 },
		{ "cold", KEY_COLD, NULL, 0, "drop the files from the page cache before each run; root: the whole cache", 0 },
		{ "prepare", KEY_PREPARE, "SHELL-COMMAND", 0, "run this before each run, unmeasured and plain", 0 },
		{ "quiet", 'q', NULL, 0, "discard the command's standard output", 0 },
		{ "output", 'o', "FILE", 0, "the table, instead of on standard error", 0 },
		{ "json", 'j', "FILE", 0, "all samples as JSON; - is standard output", 0 },
	};
	struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "[--] COMMAND [ARGUMENT...]",
		.doc = "Run a command plain and with libdioshim.so preloaded, in turn, and show side "
		       "by side what it took.\vThe exit status is the command's, if it ended alike in "
		       "all runs; else 1. 125 when dioshim itself fails.",
	};
	error_t e;

	settings_options(options + OWN);
	e = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, c);
	for (unsigned i = 0; i < CONFIGS; i++)
		free((void *)(uintptr_t)options[OWN + i].doc);
	return e ? STATUS_OWN : 0;
}

/* Before anything runs: a table that cannot be written is known early. */
static bool open_outputs(struct compare *c)
{
	c->text_file = c->text ? output_open(c->text) : stderr;
	if (c->text_file && c->json)
		c->json_file = output_open(c->json);
	return c->text_file && (!c->json || c->json_file);
}

static bool write_outputs(struct compare *c)
{
	bool good = true;

	comparison_text(&c->result, c->text_file);
	if (c->text)
		good = output_close(c->text_file, c->text);
	if (c->json) {
		comparison_json(&c->result, c->json_file);
		good &= output_close(c->json_file, c->json);
	}
	return good;
}

/* What cannot be read twice is not given to the command at all. */
static bool set_input(struct compare *c)
{
	struct stat st;
	int fd;

	c->input_start = -1;
	if (fstat(STDIN_FILENO, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		c->input_start = lseek(STDIN_FILENO, 0, SEEK_CUR);
	c->result.rewound = c->input_start >= 0;
	if (c->result.rewound)
		return true;
	fd = open("/dev/null", O_RDONLY);
	if (fd > STDIN_FILENO) {
		dup2(fd, STDIN_FILENO);
		close(fd);
	}
	if (fd < 0)
		complain("/dev/null: %s", strerror(errno));
	return fd >= 0;
}

/* Spawns with another standard output; to < 0: with ours. */
static bool spawn_into(char **argv, int to, struct ending *end)
{
	int ours = to < 0 ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	bool good;

	if (ours >= 0)
		dup2(to, STDOUT_FILENO);
	good = spawn_and_wait(argv, end);
	if (ours >= 0) {
		dup2(ours, STDOUT_FILENO);
		close(ours);
	}
	return good;
}

static bool prepare(struct compare *c)
{
	char sh[] = "sh", flag[] = "-c", *argv[] = { sh, flag, c->prepare, NULL };
	struct ending end;

	hold_signals();
	if (!spawn_into(argv, STDERR_FILENO, &end))
		return false;
	if (end.exec_error || end.signaled || end.status) {
		if (!spawn_interrupted())
			complain("--prepare: failed: %s", c->prepare);
		return false;
	}
	return true;
}

/* The whole cache where that is allowed, else what the ledgers have named. */
static void make_cold(struct compare *c)
{
	if (c->all_cold)
		c->all_cold = resident_drop_all();
	c->result.cold = c->all_cold ? COLD_ALL : COLD_FILES;
	if (!c->all_cold)
		resident_drop(&c->files);
}

/* The cursor stays behind the line: what the command prints follows it. */
static void progress(const struct compare *c, unsigned pair, bool second, enum side side)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kdioshim: run %u of %u, %s, %.1f s so far ", 2 * pair + second + 1,
			2 * c->result.runs, side == PLAIN ? "plain" : "under the shim",
			(double)(now_ns(CLOCK_MONOTONIC) - c->start_ns) / 1e9);
}

static void progress_end(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void set(struct sample *s, enum figure which, double value)
{
	s->had[which] = true;
	s->value[which] = value;
}

static double ns_of(const struct timeval *t)
{
	return (double)t->tv_sec * 1e9 + (double)t->tv_usec * 1e3;
}

/* What the kernel says of a run, plain or not. */
static void take_kernels(struct sample *s, const struct ending *end, uint64_t elapsed_ns)
{
	s->signaled = end->signaled;
	s->status = end->status;
	set(s, FIGURE_elapsed_ns, (double)elapsed_ns);
	set(s, FIGURE_user_ns, ns_of(&end->usage.ru_utime));
	set(s, FIGURE_system_ns, ns_of(&end->usage.ru_stime));
	if (!end->io.heard)
		return;
	set(s, FIGURE_device_read_bytes, (double)end->io.read_bytes);
	set(s, FIGURE_device_written_bytes, (double)end->io.written_bytes);
	set(s, FIGURE_copied_bytes, (double)end->io.rchar + (double)end->io.wchar);
}

/* Under the shim rchar and wchar count what was moved, not what was copied. */
static void take_ledgers(struct compare *c, struct sample *s, const struct ending *end,
			 const char *folder, uint64_t began_ns)
{
	struct report r = { 0 };
	size_t found = 0;

	s->had[FIGURE_copied_bytes] = false;
	report_add_folder(&r, folder, began_ns, &found);
	report_last_words(&r, end->pid, &end->words);
	report_sum(&r);
	s->ledger = r.processes_n > 0;
	if (s->ledger) {
		s->closes = r.open_n == 0;
		s->made_bytes = r.made_bytes;
		s->not_file_bytes = r.routes[ROUTE_not_file].bytes;
		s->unseen_bytes = r.unseen_bytes;
		set(s, FIGURE_copied_bytes, (double)r.made_bytes + (double)s->not_file_bytes +
		    (double)r.unseen_bytes);
	}
	resident_learn(&c->files, &r);
	report_free(&r);
}

/* Exec and wait, between two looks at the page cache. 0, or the exit status of dioshim. */
static int measure(struct compare *c, struct sample *s, struct ending *end)
{
	bool known = c->files.n > 0;
	uint64_t before = resident_bytes(&c->files, &c->result.untold_n), start;
	int null = c->quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
	bool good;

	if (c->result.rewound)
		lseek(STDIN_FILENO, c->input_start, SEEK_SET);
	fflush(stderr);
	start = now_ns(CLOCK_MONOTONIC);
	good = spawn_into(c->command, null, end);
	if (good)
		take_kernels(s, end, now_ns(CLOCK_MONOTONIC) - start);
	if (null >= 0)
		close(null);
	if (!good)
		return STATUS_OWN;
	if (end->exec_error)
		return launch_failed(c->command[0], end->exec_error);
	if (known)
		set(s, FIGURE_cache_left_bytes,
		    (double)resident_bytes(&c->files, &c->result.untold_n) - (double)before);
	return 0;
}

static int run_shimmed(struct compare *c, struct sample *s, struct ending *end)
{
	uint64_t began_ns = now_ns(CLOCK_REALTIME);
	struct folder folder;
	int status = STATUS_OWN;

	if (!folder_make(&folder, c->settings.config.dir))
		return STATUS_OWN;
	if (launch_environment(&c->settings, c->library, folder.path))
		status = measure(c, s, end);
	environ = c->environment;
	if (!status)
		take_ledgers(c, s, end, folder.path, began_ns);
	folder_remove(&folder);
	return status;
}

static int run_one(struct compare *c, unsigned pair, bool second)
{
	/* The shim goes first: its ledger names the files for all that follow. */
	enum side side = second == (pair % 2 == 0) ? PLAIN : SHIMMED;
	struct sample *s = &c->result.samples[side][pair];
	struct ending end;
	int status;

	progress(c, pair, second, side);
	if (c->prepare && !prepare(c))
		return STATUS_OWN;
	if (c->cold)
		make_cold(c);
	s->first = !second;
	hold_signals();
	status = side == PLAIN ? measure(c, s, &end) : run_shimmed(c, s, &end);
	progress_end();
	return status;
}

static int run_all(struct compare *c)
{
	int status = 0;

	c->start_ns = now_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; !status && !spawn_interrupted() && i < 2 * c->result.runs; i++)
		status = run_one(c, i / 2, i % 2);
	c->result.files_n = c->files.n;
	return status;
}

/* The command's own end if there was but one, for all of its runs. */
static int conclude(struct compare *c)
{
	const struct sample *s = &c->result.samples[PLAIN][0];
	struct ending end = { .signaled = s->signaled, .status = s->status };
	bool written = write_outputs(c);
	char text[256];

	if (comparison_differs(&c->result, text)) {
		if (c->text)
			complain("%s", text);
		return STATUS_DIFFERS;
	}
	if (!written && !end.signaled && !end.status)
		return STATUS_OWN;
	end_alike(&end);
}

static bool make_samples(struct compare *c)
{
	for (unsigned i = 0; i < SIDES; i++)
		c->result.samples[i] = calloc(c->result.runs, sizeof(struct sample));
	c->result.command = launch_join(c->command);
	if (c->result.samples[PLAIN] && c->result.samples[SHIMMED] && c->result.command)
		return true;
	complain("out of memory");
	return false;
}

static void free_all(struct compare *c)
{
	for (unsigned i = 0; i < SIDES; i++)
		free(c->result.samples[i]);
	free((void *)(uintptr_t)c->result.command);
	resident_free(&c->files);
}

int cmd_compare(int argc, char **argv)
{
	struct compare c = { .result.runs = 3, .all_cold = true };
	int status = parse_options(&c, argc, argv);
	struct ending interrupted = { .signaled = true };

	if (status)
		return status;
	c.environment = environ;
	if (!settings_check(&c.settings) || !locate_library(c.library))
		return STATUS_OWN;
	if (launch_preloaded(c.library)) {
		complain("libdioshim.so is in LD_PRELOAD already: no run would be plain");
		return STATUS_OWN;
	}
	status = program_check(c.command[0], c.library);
	if (status)
		return status;
	status = STATUS_OWN;
	if (open_outputs(&c) && set_input(&c) && make_samples(&c))
		status = run_all(&c);
	interrupted.status = spawn_interrupted();
	if (interrupted.status)
		end_alike(&interrupted);
	if (!status)
		status = conclude(&c);
	free_all(&c);
	return status;
}

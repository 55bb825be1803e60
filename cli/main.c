#include "cli.h"

#include "json.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *argp_program_version = "dioshim " DIOSHIM_VERSION;

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", cmd_run, "run a program with direct file I/O and show how its bytes went" },
	{ "report", cmd_report, "print and merge the ledgers that a run has kept" },
	{ "doctor", cmd_doctor, "say what files get under dioshim, and why; and what this kernel offers" },
	{ "compare", cmd_compare, "run a program plain and with direct file I/O, in turn, side by side" },
	{ "top", cmd_top, "watch programs that run under the shim" },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

void make_printable(char *text)
{
	while (*text) {
		unsigned n = utf8_length(text);
		/* C1: the controls that UTF-8 writes in two bytes. */
		bool c1 = n == 2 && (unsigned char)text[0] == 0xc2 &&
			  (unsigned char)text[1] < 0xa0;

		if (!n || c1 || (unsigned char)*text < ' ' || *text == 0x7f) {
			*text = '?';
			if (c1)
				text[1] = '?';
		}
		text += n ? n : 1;
	}
}

void complain(const char *fmt, ...)
{
	char line[2 * PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	make_printable(line);
	fprintf(stderr, "dioshim: %s\n", line);
}

FILE *output_open(const char *name)
{
	FILE *f = strcmp(name, "-") == 0 ? stdout : fopen(name, "we");

	if (!f)
		complain("%s: %s", name, strerror(errno));
	return f;
}

bool output_close(FILE *f, const char *name)
{
	bool bad = ferror(f);

	errno = 0;
	if (f == stdout || f == stderr)
		bad |= fflush(f) != 0;
	else
		bad |= fclose(f) != 0;
	if (bad)
		complain("%s: %s", name, errno ? strerror(errno) : "not written");
	return !bad;
}

struct choice {
	const struct command *command;
	int first;		/* of argv: the command's name */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct choice *choice = state->input;

	if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "which command?");
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	for (unsigned i = 0; i < COMMANDS; i++)
		if (strcmp(arg, commands[i].name) == 0)
			choice->command = &commands[i];
	if (!choice->command)
		argp_error(state, "%s: no such command", arg);
	/* What follows is for the command's own parser. */
	choice->first = state->next - 1;
	state->next = state->argc;
	return 0;
}

static char *describe(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs("Make the file I/O of unmodified programs O_DIRECT, whatever their "
	      "alignment, and show how every byte travelled.\vCommands:\n", f);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(f, "  %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\n`dioshim COMMAND --help' lists the options of a command.\n", f);
	fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	char *doc = describe();
	const struct argp argp = {
		.parser = parse,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = doc,
	};
	struct choice choice = { 0 };
	char name[64];

	argp_err_exit_status = STATUS_OWN;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice) ||
	    !choice.command)
		return STATUS_OWN;
	free(doc);
	snprintf(name, sizeof(name), "dioshim %s", choice.command->name);
	argv[choice.first] = name;
	return choice.command->run(argc - choice.first, argv + choice.first);
}

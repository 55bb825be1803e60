/*
 * cli: what the files of the command share: exit statuses, messages, and one
 * function per subcommand. Depends on libc alone; nothing here is preloaded.
 */
#ifndef DIOSHIM_CLI_H
#define DIOSHIM_CLI_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#ifndef DIOSHIM_VERSION
#define DIOSHIM_VERSION "0.0.0"
#endif

/* Beside these, `run` and `compare` hand the status of their command through. */
enum {
	STATUS_OPEN = 1,		/* report: damaged file, ledger not closed; doctor: a path is not direct */
	STATUS_DIFFERS = 1,		/* compare: the command ended in two ways */
	STATUS_NONE = 1,		/* top: no such process, or not one of ours */
	STATUS_OWN = 125,		/* dioshim itself failed */
	STATUS_CANNOT_EXECUTE = 126,
	STATUS_NOT_FOUND = 127,
};

/* One line "dioshim: ..." on standard error, made printable. */
__attribute__((format(printf, 1, 2)))
void complain(const char *fmt, ...);

/*
 * Controls and what is not UTF-8 become '?', in place: a path must not drive
 * a terminal.
 */
void make_printable(char *text);

/* "-" is standard output; NULL after a complaint. Closed on exec. */
FILE *output_open(const char *name);

/* False after a complaint: what was written did not all arrive. */
bool output_close(FILE *f, const char *name);

int cmd_run(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_top(int argc, char **argv);

/*
 * Where libdioshim.so is, seen from this command: in the build folder, or
 * installed. False after a complaint.
 */
bool locate_library(char path[PATH_MAX]);

/*
 * Can a preload reach this program? It is searched as execvp does. 0 if so;
 * otherwise the exit status, after a complaint that says why.
 */
int program_check(const char *name, const char *library);

#endif

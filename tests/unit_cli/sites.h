/*
 * sites: programs that tell their own call sites, built in a scratch folder by
 * the tests of symbols.
 */
#ifndef DIOSHIM_SITES_H
#define DIOSHIM_SITES_H

#include "symbols.h"
#include "symbols_read.h"
#include "tap.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

struct site {
	struct symbol_site at;
	int line;
	char module[1024];
};

static char folder[1024];

/* A shell command in the scratch folder. */
__attribute__((format(printf, 1, 2))) static bool run(const char *fmt, ...)
{
	char command[4096];
	int n = snprintf(command, sizeof(command), "cd '%s' && export S='" SOURCES "/site' && ", folder);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

/* The sites that a program of the scratch folder tells. */
static int sites_of(const char *program, struct site *sites, int max)
{
	char command[2048], text[2048];
	int n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "cd '%s' && LD_LIBRARY_PATH=. ./%s", folder, program);
	f = popen(command, "r");
	while (f && n < max && fgets(text, sizeof(text), f)) {
		struct site *s = &sites[n];

		memset(s, 0, sizeof(*s));
		if (sscanf(text, "%lu %lu %d %1023[^\n]", &s->at.offset, &s->at.inode,
			   &s->line, s->module) == 4)
			n++;
		s->at.module = s->module;
	}
	if (f)
		pclose(f);
	return n;
}

static void is_unknown(const char *module, uint64_t inode, const char *why)
{
	struct symbol_site at = { module, inode, 4096, 0 };
	struct symbol s;

	memset(&s, 0xa5, sizeof(s));
	ok(!symbols_find(&at, &s), "nothing is found in '%s'", module);
	is_int(s.frames_n, 0, "no frames");
	is_str(s.why, why, "why");
}

static void begin(void)
{
	const char *tmp = getenv("TMPDIR");

	if (system("command -v cc strip objcopy >/dev/null") != 0)
		skip_all("no compiler");
	snprintf(folder, sizeof(folder), "%s/dioshim-symbols.XXXXXX", tmp && *tmp ? tmp : "/var/tmp");
	if (!mkdtemp(folder))
		skip_all("%s: %s", folder, strerror(errno));
}

static void end(void)
{
	symbols_end();
	is_int(waitpid(-1, NULL, WNOHANG), -1, "no process is left");
	run("rm -rf -- \"$PWD\"");
}

#endif

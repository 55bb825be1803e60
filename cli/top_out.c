#include "top.h"

#include "cli.h"
#include "json.h"
#include "names.h"
#include "page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIXED		58	/* columns of figures */
#define COMMAND_MAX	28

/* The order of the shares in a line. */
static const enum route shown_routes[] = {
	ROUTE_zero_copy, ROUTE_bounced, ROUTE_staged, ROUTE_cached,
};

enum { SHOWN = sizeof(shown_routes) / sizeof(shown_routes[0]) };

struct layout {
	unsigned command, file;	/* columns */
};

static struct layout layout(unsigned width)
{
	unsigned rest = width > FIXED + 3 ? width - FIXED - 3 : 0;
	struct layout l = { COMMAND_MAX, LEDGER_PATH };

	if (!width)
		return l;
	l.command = 2 * rest / 5 < COMMAND_MAX ? 2 * rest / 5 : COMMAND_MAX;
	l.file = rest - l.command;
	return l;
}

/* Printable, in so many columns: of a path the end, of a command the beginning. */
static void fit(const char *text, unsigned width, bool end, char *to, size_t size)
{
	unsigned all;
	char *from = to;

	snprintf(to, size, "%s", text);
	make_printable(to);
	all = page_columns(to);
	if (all <= width)
		return;
	if (end && width > 3) {
		for (unsigned cut = all - width + 3; cut; cut--)
			from += utf8_length(from);
		memmove(to + 3, from, strlen(from) + 1);
		memcpy(to, "...", 3);
		return;
	}
	for (unsigned n = 0; n < width; n++)
		from += utf8_length(from);
	*from = '\0';
}

/* 0 and 100 only when it is nothing and all. */
static void share(uint64_t part, uint64_t all, FILE *f)
{
	double x = all ? 100.0 * (double)part / (double)all : 0;
	char text[16];

	if (!all)
		strcpy(text, "-");
	else if (part && x < 0.5)
		strcpy(text, "<1%");
	else if (part < all && x >= 99.5)
		strcpy(text, ">99%");
	else
		snprintf(text, sizeof(text), "%.0f%%", x);
	fprintf(f, "%5s", text);
}

static void rate(double per_second, FILE *f)
{
	fprintf(f, per_second < 99999 ? "%8.1f" : "%8.0f", per_second);
}

/* 58 columns, whoever it is of. */
static void print_figures(const char *who, const struct watch_sums *d, double seconds, FILE *f)
{
	uint64_t all = d->routes[ROUTE_in_kernel], made = 0;

	for (unsigned i = 0; i < SHOWN; i++)
		all += d->routes[shown_routes[i]];
	for (unsigned i = 0; i < ROUTES; i++)
		made += d->routes[i] * route_copies[i];
	fprintf(f, "%7s", who);
	rate((double)d->read / seconds / 1048576, f);
	rate((double)d->written / seconds / 1048576, f);
	fprintf(f, "%8.0f", (double)d->calls / seconds);
	for (unsigned i = 0; i < SHOWN; i++)
		share(d->routes[shown_routes[i]], all, f);
	if (all)
		fprintf(f, "%7.2f", (double)made / (double)all);
	else
		fprintf(f, "%7s", "-");
}

static void print_process(const struct watched *p, double seconds, struct layout l, FILE *f)
{
	struct watch_sums d = watch_change(p);
	char who[16], name[LEDGER_COMMAND + 16], command[LEDGER_COMMAND + 16], file[LEDGER_PATH + 8];

	snprintf(who, sizeof(who), "%d", (int)p->pid);
	snprintf(name, sizeof(name), "%s%s", p->ended ? "ended: " : "", p->command);
	fit(name, l.command, false, command, sizeof(command));
	fit(p->busiest[0] ? p->busiest : "-", l.file, true, file, sizeof(file));
	print_figures(who, &d, seconds, f);
	fprintf(f, "  %s%*s %s\n", command, (int)(l.command - page_columns(command)), "", file);
}

static int by_bytes(const void *x, const void *y)
{
	const struct watched *a = *(const struct watched *const *)x;
	const struct watched *b = *(const struct watched *const *)y;
	struct watch_sums da = watch_change(a), db = watch_change(b);
	uint64_t m = da.read + da.written, n = db.read + db.written;

	return m != n ? (m < n ? 1 : -1) : (a->pid > b->pid) - (a->pid < b->pid);
}

static void add_up(struct watch_sums *to, const struct watch_sums *from)
{
	to->calls += from->calls;
	to->read += from->read;
	to->written += from->written;
	for (unsigned i = 0; i < ROUTES; i++)
		to->routes[i] += from->routes[i];
}

static void print_head(const struct watch *w, double seconds, struct layout l, FILE *f)
{
	time_t now = (time_t)(w->seen_ns / 1000000000);
	char clock[16] = "", column[COMMAND_MAX + 1], file[LEDGER_PATH + 8];
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fit("command", l.command, false, column, sizeof(column));
	fit("busiest file", l.file, false, file, sizeof(file));
	fprintf(f, "dioshim top %s, %zu process%s, MiB/s over %.1f s\n\n", clock, w->n,
		w->n == 1 ? "" : "es", seconds);
	fprintf(f, "%7s%8s%8s%8s%5s%5s%5s%5s%7s  %-*s %s\n", "pid", "read", "written", "calls/s",
		"zero", "bnce", "stgd", "cchd", "copies", (int)l.command, column, file);
}

void top_print(const struct watch *w, unsigned width, FILE *f)
{
	const struct watched **order = calloc(w->n + 1, sizeof(struct watched *));
	double seconds = w->elapsed_ns ? (double)w->elapsed_ns / 1e9 : 1;
	struct layout l = layout(width);
	struct watch_sums total = { 0 };

	print_head(w, (double)w->elapsed_ns / 1e9, l, f);
	for (size_t i = 0; i < w->n; i++) {
		struct watch_sums d = watch_change(&w->list[i]);

		add_up(&total, &d);
		if (order)
			order[i] = &w->list[i];
	}
	print_figures("total", &total, seconds, f);
	fputs("\n", f);
	if (order)
		qsort(order, w->n, sizeof(struct watched *), by_bytes);
	for (size_t i = 0; order && i < w->n; i++)
		print_process(order[i], seconds, l, f);
	if (!w->n)
		fputs("no process runs with a ledger that can be seen\n", f);
	free(order);
}

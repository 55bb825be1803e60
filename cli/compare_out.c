/*
 * compare_out: the comparison as a table and as JSON. Medians, because one slow
 * run says little; the lowest and highest beside them, because it says something.
 */
#include "compare.h"

#include "cli.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum unit { UNIT_NS, UNIT_BYTES };

static const struct {
	const char *name, *words;
	enum unit unit;
} figures[FIGURES] = {
#define FIGURE(name, unit, words) { #name, words, UNIT_##unit },
	COMPARE_FIGURES(FIGURE)
#undef FIGURE
};

static const struct {
	const char *name, *words;
} cold_texts[] = {
	[COLD_NOT] = { "no", "" },
	[COLD_FILES] = { "files", "the files that the ledgers name dropped (POSIX_FADV_DONTNEED) before each run\n"
				  "  but the first, which did not know them; dirty pages stay" },
	[COLD_ALL] = { "all", "sync, and the whole page cache dropped (drop_caches) before each run" },
};

static const char *const side_names[SIDES] = { "plain", "shim" };

static int by_value(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

struct spread comparison_spread(const struct comparison *c, enum side side, enum figure which)
{
	double *values = calloc(c->runs + 1, sizeof(*values));
	struct spread s = { 0 };

	for (unsigned i = 0; values && i < c->runs; i++)
		if (c->samples[side][i].had[which])
			values[s.n++] = c->samples[side][i].value[which];
	if (s.n) {
		qsort(values, s.n, sizeof(*values), by_value);
		s.median = (values[s.n / 2] + values[(s.n - 1) / 2]) / 2;
		s.lowest = values[0];
		s.highest = values[s.n - 1];
	}
	free(values);
	return s;
}

/* Of the medians, shim to plain; false where there is none. */
static bool ratio_of(const struct comparison *c, enum figure which, double *ratio)
{
	struct spread plain = comparison_spread(c, PLAIN, which);
	struct spread shim = comparison_spread(c, SHIMMED, which);

	if (!plain.n || !shim.n || plain.median <= 0 || shim.median < 0)
		return false;
	*ratio = shim.median / plain.median;
	return true;
}

static void end_words(const struct sample *s, char words[64])
{
	if (s->signaled)
		snprintf(words, 64, "signal %d (%s)", s->status, strsignal(s->status));
	else
		snprintf(words, 64, "exit status %d", s->status);
}

static bool ends_alike(const struct sample *a, const struct sample *b)
{
	return a->signaled == b->signaled && a->status == b->status;
}

bool comparison_differs(const struct comparison *c, char text[256])
{
	const struct sample *plain = c->samples[PLAIN], *shim = c->samples[SHIMMED];
	char a[64], b[64];

	for (unsigned i = 0; i < c->runs; i++) {
		if (ends_alike(&plain[i], &shim[i]))
			continue;
		end_words(&plain[i], a);
		end_words(&shim[i], b);
		snprintf(text, 256, "plain ended with %s, under the shim with %s (pair %u)", a, b, i + 1);
		return true;
	}
	for (unsigned i = 1; i < c->runs; i++) {
		if (ends_alike(&plain[0], &plain[i]))
			continue;
		end_words(&plain[0], a);
		end_words(&plain[i], b);
		snprintf(text, 256, "ended with %s in pair 1, with %s in pair %u, plain or not", a, b, i + 1);
		return true;
	}
	return false;
}

/* ---- the table -------------------------------------------------------------- */

/* One unit for all three numbers, so that they can be compared at a glance. */
static const char *unit_of(enum unit unit, const struct spread *s, double *divide, int *digits)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double x = s->median != 0 ? s->median : s->highest != 0 ? s->highest : s->lowest;
	unsigned i = 0;

	*divide = 1e9;
	*digits = x < 1e9 ? 3 : 2;
	if (unit == UNIT_NS)
		return "s";
	for (*divide = 1; (x < 0 ? -x : x) / *divide >= 1023.95 && i < 6; i++)
		*divide *= 1024;
	*digits = i ? 1 : 0;
	return names[i];
}

static void cell(const struct spread *s, enum unit unit, FILE *f)
{
	char value[32], range[48];
	const char *name;
	double divide;
	int digits;

	if (!s->n) {
		fprintf(f, " %11s %-19s", "not known", "");
		return;
	}
	name = unit_of(unit, s, &divide, &digits);
	snprintf(value, sizeof(value), "%.*f %s", digits, s->median / divide, name);
	snprintf(range, sizeof(range), "(%.*f to %.*f)", digits, s->lowest / divide, digits,
		 s->highest / divide);
	fprintf(f, " %11s %-19s", value, s->n > 1 ? range : "");
}

static void row(const struct comparison *c, enum figure which, FILE *f)
{
	struct spread plain = comparison_spread(c, PLAIN, which);
	struct spread shim = comparison_spread(c, SHIMMED, which);
	double ratio;

	fprintf(f, "  %-20s", figures[which].words);
	cell(&plain, figures[which].unit, f);
	cell(&shim, figures[which].unit, f);
	if (ratio_of(c, which, &ratio))
		fprintf(f, ratio > 0 && ratio < 0.005 ? "  <0.01 x\n" : "%7.2f x\n", ratio);
	else
		fprintf(f, "%7s\n", "-");
}

static void missing(const struct comparison *c, enum side side, enum figure which,
		    const char *why, FILE *f)
{
	unsigned n = comparison_spread(c, side, which).n;

	if (n < c->runs)
		fprintf(f, "  - %s, %s: %u of %u runs: %s\n", figures[which].words,
			side == PLAIN ? "plain" : "under the shim", n, c->runs, why);
}

static void explain_copies(const struct comparison *c, FILE *f)
{
	bool open = false;

	fputs("  - copied by the CPU, plain: rchar + wchar of /proc/PID/io, all that read, write and copies\n"
	      "    moved, pipes and devices too. Under the shim: the ledger's copies made, what was no file,\n"
	      "    and what the shim did not see\n", f);
	missing(c, PLAIN, FIGURE_copied_bytes, "/proc/PID/io could not be read", f);
	missing(c, SHIMMED, FIGURE_copied_bytes,
		"no ledger: the library was not loaded, or moved nothing", f);
	for (unsigned i = 0; i < c->runs; i++)
		open |= c->samples[SHIMMED][i].ledger && !c->samples[SHIMMED][i].closes;
	if (open)
		fputs("  - LEDGER DOES NOT CLOSE, in at least one run: `dioshim run' tells more\n", f);
}

static void explain_cache(const struct comparison *c, FILE *f)
{
	if (!c->files_n) {
		fputs("  - page cache: not known, for the ledgers name no file\n", f);
		return;
	}
	fprintf(f, "  - page cache: of the %zu file%s that the ledgers name, after a run less before it\n",
		c->files_n, c->files_n == 1 ? "" : "s");
	if (c->untold_n)
		fprintf(f, "    (not counted: %zu, of which only their owner may ask)\n", c->untold_n);
	for (unsigned side = PLAIN; side < SIDES; side++)
		missing(c, side, FIGURE_cache_left_bytes,
			"before the first run the files were not known", f);
}

static void explain(const struct comparison *c, FILE *f)
{
	explain_copies(c, f);
	fputs("  - devices: read_bytes and write_bytes of /proc/PID/io; a page of the cache counts as\n"
	      "    written when it is made dirty\n", f);
	for (unsigned side = PLAIN; side < SIDES; side++)
		missing(c, side, FIGURE_device_read_bytes, "/proc/PID/io could not be read", f);
	explain_cache(c, f);
}

/* On one line, and nothing that drives a terminal. */
static void print_command(const char *command, FILE *f)
{
	char *text = strdup(command);

	if (!text)
		return;
	for (char *t = text; (t = strpbrk(t, "\t\n"));)
		*t = ' ';
	make_printable(text);
	fprintf(f, "dioshim compare: %s\n", text);
	free(text);
}

void comparison_text(const struct comparison *c, FILE *f)
{
	char text[256], end[64];

	print_command(c->command, f);
	fprintf(f, "  %u pair%s in alternating order, the shim first in pair 1; standard input: %s\n",
		c->runs, c->runs == 1 ? "" : "s",
		c->rewound ? "the file given, rewound for each run" : "/dev/null");
	if (c->cold)
		fprintf(f, "  cold: %s\n", cold_texts[c->cold].words);
	fprintf(f, "\n  %-20s %11s %-19s %11s %-19s%7s\n", "", "plain",
		c->runs > 1 ? "(lowest to highest)" : "", "shim", "", "ratio");
	for (unsigned i = 0; i < FIGURES; i++)
		row(c, i, f);
	putc('\n', f);
	explain(c, f);
	if (comparison_differs(c, text)) {
		fprintf(f, "\n  THE RUNS DIFFER: %s\n", text);
	} else if (c->samples[PLAIN][0].signaled || c->samples[PLAIN][0].status) {
		end_words(&c->samples[PLAIN][0], end);
		fprintf(f, "\n  The command failed, in every run alike: %s\n", end);
	}
}

/* ---- JSON -------------------------------------------------------------------- */

static void sample_json(struct json *j, const struct sample *s)
{
	json_open(j, NULL, '{');
	json_bool(j, "first", s->first);
	json_number(j, "exit_status", (uint64_t)(s->signaled ? 0 : s->status));
	json_number(j, "signal", (uint64_t)(s->signaled ? s->status : 0));
	for (unsigned i = 0; i < FIGURES; i++) {
		if (s->had[i])
			json_real(j, figures[i].name, s->value[i]);
		else
			json_null(j, figures[i].name);
	}
	if (s->ledger) {
		json_bool(j, "closes", s->closes);
		json_number(j, "made_bytes", s->made_bytes);
		json_number(j, "not_file_bytes", s->not_file_bytes);
		json_number(j, "unseen_bytes", s->unseen_bytes);
	}
	json_close(j, '}');
}

static void side_json(struct json *j, const struct comparison *c, enum side side)
{
	json_open(j, side_names[side], '{');
	for (unsigned i = 0; i < FIGURES; i++) {
		struct spread s = comparison_spread(c, side, i);

		json_open(j, figures[i].name, '{');
		json_number(j, "samples", s.n);
		if (s.n) {
			json_real(j, "median", s.median);
			json_real(j, "lowest", s.lowest);
			json_real(j, "highest", s.highest);
		}
		json_close(j, '}');
	}
	json_open(j, "samples", '[');
	for (unsigned i = 0; i < c->runs; i++)
		sample_json(j, &c->samples[side][i]);
	json_close(j, ']');
	json_close(j, '}');
}

void comparison_json(const struct comparison *c, FILE *f)
{
	struct json j = { .f = f };
	char text[256];
	double ratio;

	json_open(&j, NULL, '{');
	json_text(&j, "command", c->command);
	if (!utf8_valid(c->command))
		json_hex(&j, "command_hex", c->command);
	json_number(&j, "pairs", c->runs);
	json_text(&j, "cold", cold_texts[c->cold].name);
	json_text(&j, "input", c->rewound ? "file" : "null");
	json_number(&j, "files", c->files_n);
	json_bool(&j, "ends_alike", !comparison_differs(c, text));
	for (unsigned side = PLAIN; side < SIDES; side++)
		side_json(&j, c, side);
	json_open(&j, "ratios", '{');
	for (unsigned i = 0; i < FIGURES; i++) {
		if (ratio_of(c, i, &ratio))
			json_real(&j, figures[i].name, ratio);
		else
			json_null(&j, figures[i].name);
	}
	json_close(&j, '}');
	json_close(&j, '}');
}

/*
 * openmetrics: the report as OpenMetrics text, which node_exporter's textfile
 * collector reads, too. Every sample carries the command, so that the files of
 * several jobs can lie in one folder. Of files the series must stay few: the
 * largest paths have their own, the others share one.
 */
#include "gather.h"

#include "json.h"
#include "names.h"

#include <inttypes.h>
#include <string.h>

#define TOP_PATHS	20
#define REST_PATH	"(all others)"

struct metrics {
	FILE *f;
	const char *command;
};

static void escaped(FILE *f, const char *text)
{
	while (*text) {
		unsigned n = utf8_length(text);

		if (!n)
			fputs("\xef\xbf\xbd", f), n = 1;
		else if (*text == '\n')
			fputs("\\n", f);
		else if (*text == '"' || *text == '\\')
			fprintf(f, "\\%c", *text);
		else
			fwrite(text, 1, n, f);
		text += n;
	}
}

/* unit: NULL, or what the name ends in. */
static void family(const struct metrics *m, const char *name, const char *type, const char *unit,
		   const char *help)
{
	fprintf(m->f, "# TYPE dioshim_%s %s\n", name, type);
	if (unit)
		fprintf(m->f, "# UNIT dioshim_%s %s\n", name, unit);
	fprintf(m->f, "# HELP dioshim_%s ", name);
	escaped(m->f, help);
	putc('\n', m->f);
}

/* A sample up to its value; label and route may be NULL, beside the command. */
static void sample(const struct metrics *m, const char *name, const char *label, const char *value,
		   const char *route)
{
	fprintf(m->f, "dioshim_%s{command=\"", name);
	escaped(m->f, m->command);
	if (label && value) {
		fprintf(m->f, "\",%s=\"", label);
		escaped(m->f, value);
	}
	if (route)
		fprintf(m->f, "\",route=\"%s", route);
	fputs("\"} ", m->f);
}

static void count(const struct metrics *m, const char *name, const char *label, const char *value,
		  uint64_t n)
{
	char total[96];

	snprintf(total, sizeof(total), "%s_total", name);
	sample(m, total, label, value, NULL);
	fprintf(m->f, "%" PRIu64 "\n", n);
}

static void gauge(const struct metrics *m, const char *name, const char *help, uint64_t n)
{
	family(m, name, "gauge", NULL, help);
	sample(m, name, NULL, NULL, NULL);
	fprintf(m->f, "%" PRIu64 "\n", n);
}

static void seconds(const struct metrics *m, const char *name, const char *help, uint64_t ns)
{
	family(m, name, "gauge", "seconds", help);
	sample(m, name, NULL, NULL, NULL);
	fprintf(m->f, "%" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

/* Two families of a list: its bytes and its calls. */
static void sums(const struct metrics *m, const char *prefix, const char *label,
		 const struct ledger_sum *s, const char *const *names, unsigned n, const char *what)
{
	char name[64], help[128];

	snprintf(name, sizeof(name), "%sbytes", prefix);
	snprintf(help, sizeof(help), "Bytes by %s", what);
	family(m, name, "counter", "bytes", help);
	for (unsigned i = 0; i < n; i++)
		count(m, name, label, names[i], s[i].bytes);
	snprintf(name, sizeof(name), "%scalls", prefix);
	snprintf(help, sizeof(help), "Calls by %s", what);
	family(m, name, "counter", NULL, help);
	for (unsigned i = 0; i < n; i++)
		count(m, name, label, names[i], s[i].calls);
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

/* A family each, by name; bytes have their unit at its end. */
static void counters(const struct metrics *m, const uint64_t *list)
{
	for (unsigned i = 0; i < COUNTERS; i++) {
		bool bytes = strcmp(counter_units[i], "bytes") == 0;
		char name[80];

		snprintf(name, sizeof(name), "counter_%s%s", counter_names[i],
			 bytes && !ends_in(counter_names[i], "_bytes") ? "_bytes" : "");
		family(m, name, "counter", bytes ? "bytes" : NULL, counter_sentences[i]);
		count(m, name, NULL, NULL, list[i]);
	}
}

static void others(const struct metrics *m, const struct report *r)
{
	family(m, "class_bytes", "counter", "bytes", "Bytes by what they are to direct I/O; "
	       "kept in the modes observe and strict, and with call sites or records");
	for (unsigned i = 0; i < CLASSES; i++)
		count(m, "class_bytes", "class", class_names[i], r->classes[i]);
	family(m, "copies_bytes", "counter", "bytes", "Bytes copied by a CPU: made, saved, and those "
	       "of a buffered run");
	count(m, "copies_bytes", "copies", "made", r->made_bytes);
	count(m, "copies_bytes", "copies", "saved", r->saved_bytes);
	count(m, "copies_bytes", "copies", "buffered", r->buffered_bytes);
	family(m, "kernel_bytes", "counter", "bytes", "Bytes that the kernel counted (rchar and wchar), "
	       "by whether the shim saw them");
	count(m, "kernel_bytes", "seen", "yes", r->seen_bytes);
	count(m, "kernel_bytes", "seen", "no", r->unseen_bytes);
	if (r->watched && r->swiotlb.readable) {
		family(m, "swiotlb_bytes", "counter", "bytes", "Bytes that the kernel copied once more for devices, "
		       "on the whole host, while the command ran");
		count(m, "swiotlb_bytes", NULL, NULL, r->swiotlb.bytes);
	}
	seconds(m, "elapsed_seconds", "Time that the command ran", r->elapsed_ns);
	gauge(m, "processes", "Processes with a ledger", r->all_n);
	gauge(m, "running_processes", "Of them, processes that still ran", r->alive_n);
	gauge(m, "open_ledgers", "Ledgers that do not close; anything but 0 is an error", r->open_n);
}

/* ---- files --------------------------------------------------------------- */

struct path {
	const char *text;
	uint64_t routes[ROUTES];
};

/* Two paths may differ in bytes that a label cannot hold: they are one series. */
static bool same_label(const char *a, const char *b)
{
	while (*a && *b) {
		unsigned n = utf8_length(a), k = utf8_length(b);

		if (n != k || (n && memcmp(a, b, n) != 0))
			return false;
		a += n ? n : 1;
		b += k ? k : 1;
	}
	return *a == *b;
}

/* Files come by their bytes; one that was made anew has its path again. */
static unsigned gather_paths(const struct report *r, struct path *list)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->files_n; i++) {
		const struct ledger_file *file = &r->files[i];
		unsigned k = 0;

		while (k < n && !same_label(list[k].text, file->path))
			k++;
		if (k == n && n < TOP_PATHS)
			list[n++] = (struct path){ .text = file->path };
		else if (k == n)
			k = TOP_PATHS, list[k].text = REST_PATH;
		for (unsigned route = 0; route < ROUTES; route++)
			list[k].routes[route] += file->routes[route].bytes;
	}
	return list[TOP_PATHS].text ? n + 1 : n;
}

static void files(const struct metrics *m, const struct report *r)
{
	struct path list[TOP_PATHS + 1] = { 0 };
	unsigned n = gather_paths(r, list);

	family(m, "file_bytes", "counter", "bytes", "Bytes by file and route, where there are any: "
	       "the largest paths, and the sum of all others");
	for (unsigned i = 0; i < n; i++)
		for (unsigned route = 0; route < ROUTES; route++) {
			if (!list[i].routes[route])
				continue;
			sample(m, "file_bytes_total", "file", list[i].text, route_names[route]);
			fprintf(m->f, "%" PRIu64 "\n", list[i].routes[route]);
		}
}

void report_openmetrics(const struct report *r, FILE *f)
{
	const char *command = r->command ? r->command : r->processes_n ? r->processes[0].command : "";
	const struct metrics m = { f, command };

	sums(&m, "", "route", r->routes, route_names, ROUTES, "the way they travelled");
	sums(&m, "reason_", "reason", r->reasons, reason_names, REASONS,
	     "the reason why they were not zero-copy");
	counters(&m, r->counters);
	others(&m, r);
	files(&m, r);
	fputs("# EOF\n", f);
}

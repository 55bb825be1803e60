/*
 * The report as one page: no script, nothing from a network, and every figure
 * in the markup as it stands. Parts of it are in html_*.c.
 */
#include "html.h"

#include "cli.h"
#include "human.h"
#include "names.h"

#include <stdlib.h>
#include <string.h>

static const struct report *sorted_report;

static int by_bytes(const void *x, const void *y)
{
	const unsigned *a = x, *b = y;
	const struct ledger_sum *s = sorted_report->reasons;

	if (s[*a].bytes != s[*b].bytes)
		return s[*a].bytes < s[*b].bytes ? 1 : -1;
	return (*a > *b) - (*a < *b);
}

static uint64_t file_bytes(const struct report *r)
{
	return r->buffered_bytes + r->routes[ROUTE_in_kernel].bytes;
}

/* ---- head ---------------------------------------------------------------- */

static const char *title(const struct report *r)
{
	if (r->command)
		return r->command;
	return r->processes_n ? r->processes[0].command : "(no ledger)";
}

static void head(FILE *f, const struct report *r)
{
	fputs("<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
	      "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=color-scheme content=\"light dark\">\n"
	      "<meta name=generator content=\"dioshim " DIOSHIM_VERSION "\">\n"
	      /* Should anybody's text ever get through, it can load and run nothing. */
	      "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'\">\n<title>dioshim: ", f);
	html_text(f, title(r));
	fputs("</title>\n<style>", f);
	for (const char *const *text = html_style; *text; text++)
		fputs(*text, f);
	fputs("</style>\n</head>\n<body>\n<header><p class=brand>dioshim</p><h1>", f);
	html_code(f, title(r));
	fprintf(f, "</h1>\n<p>%s process%s, <span", human_count(r->all_n).text, r->all_n == 1 ? "" : "es");
	html_data(f, r->elapsed_ns, "elapsed_ns");
	fprintf(f, ">%.2f s</span>", (double)r->elapsed_ns / 1e9);
	if (r->alive_n)
		fprintf(f, "; %zu still ran: figures of that moment", r->alive_n);
	fputs("</p></header>\n", f);
	if (r->open_n)
		fprintf(f, "<p class=\"bad alarm\">The ledger of %zu process%s does not close: see Processes.</p>\n",
			r->open_n, r->open_n == 1 ? "" : "es");
}

static void tile(FILE *f, const char *class, const char *name)
{
	fprintf(f, "<div class=\"tile %s\"><dt>%s</dt><dd>", class, name);
}

static void headline(FILE *f, const struct report *r)
{
	fputs("<dl class=tiles>\n", f);
	tile(f, "lead", "zero-copy, of the bytes of files");
	fprintf(f, "%s</dd></div>\n", human_share(r->routes[ROUTE_zero_copy].bytes, file_bytes(r)).text);
	tile(f, "", "copies a CPU made");
	html_bytes(f, r->made_bytes, "copies.made_bytes");
	fputs("</dd></div>\n", f);
	tile(f, "", "copies saved");
	html_bytes(f, r->saved_bytes, "copies.saved_bytes");
	fputs("</dd></div>\n", f);
	tile(f, "", "copies of a buffered run");
	html_bytes(f, r->buffered_bytes, "copies.buffered_bytes");
	fputs("</dd></div>\n", f);
	if (r->classified) {
		tile(f, "", "misaligned requests");
		html_count(f, r->counters[COUNTER_misaligned_calls], "counters.misaligned_calls");
		fputs("</dd></div>\n", f);
	}
	fputs("</dl>\n", f);
}

/* ---- sums ---------------------------------------------------------------- */

static void routes(FILE *f, const struct report *r)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < ROUTES; i++)
		if (r->routes[i].bytes > most)
			most = r->routes[i].bytes;
	fputs("<section><h2>How the bytes travelled</h2>\n<div class=scroll><table class=sums><thead><tr><th>route<th>"
	      "<th class=n>bytes<th class=n>share<th class=n>calls<th class=n>copies<th><tbody>\n", f);
	for (unsigned i = 0; i < ROUTES; i++) {
		fprintf(f, "<tr><th scope=row>%s<td class=wide>", html_route(i).text);
		html_bar(f, r->routes[i].bytes, most, route_names[i]);
		fputs("<td class=n>", f);
		html_bytes(f, r->routes[i].bytes, "routes.%s.bytes", route_names[i]);
		fprintf(f, "<td class=n>%s<td class=\"n calls\">", i == ROUTE_not_file ? "" :
			human_share(r->routes[i].bytes, file_bytes(r)).text);
		html_count(f, r->routes[i].calls, "routes.%s.calls", route_names[i]);
		fprintf(f, "<td class=\"n copies\">%u<td class=say>%s\n", route_copies[i], route_sentences[i]);
	}
	fputs("</table></div>\n<p class=note>Copies: by a CPU, of each byte, between program and device. The share is "
	      "of the bytes of files.</p></section>\n", f);
}

static void reasons(FILE *f, const struct report *r)
{
	unsigned order[REASONS], n = 0;

	for (unsigned i = 0; i < REASONS; i++)
		if (r->reasons[i].calls || r->reasons[i].bytes)
			order[n++] = i;
	sorted_report = r;
	if (n)
		qsort(order, n, sizeof(order[0]), by_bytes);
	fputs("<section><h2>What stopped the rest</h2>\n", f);
	if (!n) {
		fputs("<p class=note>Nothing.</p></section>\n", f);
		return;
	}
	fputs("<div class=scroll><table class=sums><thead><tr><th>reason<th><th class=n>bytes<th class=n>calls<th><tbody>\n", f);
	for (unsigned k = 0; k < n; k++) {
		unsigned i = order[k];

		fprintf(f, "<tr><th scope=row>%s<td class=wide>", reason_names[i]);
		html_bar(f, r->reasons[i].bytes, r->reasons[order[0]].bytes, route_names[reason_routes[i]]);
		fputs("<td class=n>", f);
		html_bytes(f, r->reasons[i].bytes, "reasons.%s.bytes", reason_names[i]);
		fputs("<td class=\"n calls\">", f);
		html_count(f, r->reasons[i].calls, "reasons.%s.calls", reason_names[i]);
		fprintf(f, "<td class=say>%s\n", reason_sentences[i]);
	}
	fputs("</table></div>\n<p class=note>The colour is that of the route they took instead.</p></section>\n", f);
}

static void classes(FILE *f, const struct report *r)
{
	static const char *const fills[CLASSES] = {
		[CLASS_as_is] = "zero_copy", [CLASS_memory] = "staged", [CLASS_offsets] = "bounced",
		[CLASS_never] = "cached",
	};
	uint64_t all = 0;

	fputs("<section><h2>What would be zero-copy after aligning</h2>\n", f);
	if (!r->classified) {
		fputs("<p class=note>Not kept: it takes <code>--mode=observe</code>, <code>--mode=strict</code>, "
		      "<code>--backtrace</code> or <code>--records</code>.</p></section>\n", f);
		return;
	}
	for (unsigned i = 0; i < CLASSES; i++)
		all += r->classes[i];
	fputs("<div class=scroll><table class=sums><thead><tr><th>class<th><th class=n>bytes<th class=n>share<th><tbody>\n", f);
	for (unsigned i = 0; i < CLASSES; i++) {
		fprintf(f, "<tr><th scope=row>%s<td class=wide>", class_names[i]);
		html_bar(f, r->classes[i], all, fills[i]);
		fputs("<td class=n>", f);
		html_bytes(f, r->classes[i], "classes.%s", class_names[i]);
		fprintf(f, "<td class=n>%s<td class=say>%s\n", human_share(r->classes[i], all).text,
			class_sentences[i]);
	}
	fputs("</table></div></section>\n", f);
}

/* ---- the kernel, and all figures ----------------------------------------- */

static void witness(FILE *f, const struct report *r)
{
	uint64_t all = r->kernel.rchar + r->kernel.wchar;

	fputs("<section><h2>The kernel's count</h2>\n<div class=scroll><table class=sums><tbody>\n<tr><th scope=row>seen by the "
	      "shim<td class=wide>", f);
	html_bar(f, r->seen_bytes, all, "zero_copy");
	fputs("<td class=n>", f);
	html_bytes(f, r->seen_bytes, "witness.seen_bytes");
	fputs("<td class=say>\n<tr><th scope=row>not seen<td class=wide>", f);
	html_bar(f, r->unseen_bytes, all, "cached");
	fputs("<td class=n>", f);
	html_bytes(f, r->unseen_bytes, "witness.unseen_bytes");
	fputs("<td class=say>stdio inside libc, raw system calls, io_uring\n</table></div>\n<p class=note>Of ", f);
	html_bytes(f, r->kernel.rchar, "witness.rchar");
	fputs(" read (rchar) and ", f);
	html_bytes(f, r->kernel.wchar, "witness.wchar");
	fputs(" written (wchar).", f);
	if (r->unread_n)
		fprintf(f, " %zu processes left no last reading and are not in it.", r->unread_n);
	if (r->stale_n)
		fprintf(f, " %zu were killed after their last reading.", r->stale_n);
	fputs("</p>\n", f);
	if (r->watched && r->swiotlb.readable && r->swiotlb.bytes) {
		fputs("<p class=note>For devices the kernel copied ", f);
		html_bytes(f, r->swiotlb.bytes, "swiotlb.bytes");
		fputs(" once more (SWIOTLB), on the whole host, while the command ran.</p>\n", f);
	}
	fputs("</section>\n", f);
}

static void counters(FILE *f, const struct report *r)
{
	fputs("<section><h2>All counters</h2>\n<details><summary>show</summary><div class=scroll><table><tbody>\n", f);
	for (unsigned i = 0; i < COUNTERS; i++) {
		bool bytes = strcmp(counter_units[i], "bytes") == 0;

		fprintf(f, "<tr><th scope=row>%s<td class=n>", counter_names[i]);
		(bytes ? html_bytes : html_count)(f, r->counters[i], "counters.%s", counter_names[i]);
		fprintf(f, "<td class=say>%s\n", counter_sentences[i]);
	}
	fputs("</table></div></details></section>\n", f);
}

void report_html(const struct report *r, FILE *f)
{
	head(f, r);
	fputs("<main>\n", f);
	headline(f, r);
	routes(f, r);
	reasons(f, r);
	classes(f, r);
	html_timelines(f, r);
	html_files(f, r);
	html_overall_alignment(f, r);
	html_sites(f, r);
	html_misfits(f, r);
	witness(f, r);
	html_processes(f, r);
	counters(f, r);
	fputs("</main>\n<footer>dioshim " DIOSHIM_VERSION ". The exact figures stand in the page, under their names in the "
	      "JSON report.</footer>\n</body>\n</html>\n", f);
}

/* Tables of the page: files, call sites, misfits, processes. The longest are cut, and say so. */
#include "html.h"

#include "human.h"
#include "names.h"
#include "symbols.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_SHOWN = 20, SITES_SHOWN = 20, MISFITS_SHOWN = 50, PROCESSES_SHOWN = 100 };

static size_t smaller(size_t n, size_t most)
{
	return n < most ? n : most;
}

static uint64_t sum(const uint64_t *list, unsigned n)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < n; i++)
		all += list[i];
	return all;
}

static void bytes_of(const struct ledger_sum *s, uint64_t *to)
{
	for (unsigned i = 0; i < ROUTES; i++)
		to[i] += s[i].bytes;
}

static void share_cell(FILE *f, const uint64_t *routes)
{
	fprintf(f, "<td class=n>%s", human_share(routes[ROUTE_zero_copy], sum(routes, ROUTES)).text);
}

/* ---- files --------------------------------------------------------------- */

static void file_row(FILE *f, const struct ledger_file *file, size_t i, uint64_t most)
{
	uint64_t routes[ROUTES] = { 0 };
	char prefix[64];

	bytes_of(file->routes, routes);
	fputs("<tr><td class=path>", f);
	html_code(f, file->path);
	fputs("<td class=wide>", f);
	snprintf(prefix, sizeof(prefix), "files.%zu.routes.", i);
	html_stack(f, routes, most, prefix, ".bytes");
	fputs("<td class=n>", f);
	html_bytes(f, file->read_bytes, "files.%zu.read_bytes", i);
	fputs("<td class=n>", f);
	html_bytes(f, file->written_bytes, "files.%zu.written_bytes", i);
	share_cell(f, routes);
	fputs("<td class=n>", f);
	if (file->offset_align)
		fprintf(f, "%" PRIu32 " / %" PRIu32, file->mem_align, file->offset_align);
	fputs("\n", f);
}

static void file_rest(FILE *f, const struct report *r, size_t first, uint64_t most)
{
	uint64_t routes[ROUTES] = { 0 }, read = 0, written = 0;

	for (size_t i = first; i < r->files_n; i++) {
		bytes_of(r->files[i].routes, routes);
		read += r->files[i].read_bytes;
		written += r->files[i].written_bytes;
	}
	fprintf(f, "<tr class=rest><td>%s more files, summed<td class=wide>",
		human_count(r->files_n - first).text);
	html_stack(f, routes, sum(routes, ROUTES) > most ? sum(routes, ROUTES) : most,
		   "rest.files.routes.", ".bytes");
	fputs("<td class=n>", f);
	html_bytes(f, read, "rest.files.read_bytes");
	fputs("<td class=n>", f);
	html_bytes(f, written, "rest.files.written_bytes");
	share_cell(f, routes);
	fputs("<td>\n", f);
}

void html_files(FILE *f, const struct report *r)
{
	size_t n = smaller(r->files_n, FILES_SHOWN);
	uint64_t first[ROUTES] = { 0 };

	fputs("<section><h2>Files</h2>\n", f);
	if (!n) {
		fputs("<p class=note>None.</p></section>\n", f);
		return;
	}
	bytes_of(r->files[0].routes, first);
	html_legend(f);
	fputs("<div class=scroll><table><thead><tr><th>path<th>bytes by route<th class=n>read<th class=n>written"
	      "<th class=n>zero-copy<th class=n>wants, memory / offset<tbody>\n", f);
	for (size_t i = 0; i < n; i++)
		file_row(f, &r->files[i], i, sum(first, ROUTES));
	if (n < r->files_n)
		file_rest(f, r, n, sum(first, ROUTES));
	fputs("</table></div></section>\n", f);
}

/* ---- call sites ---------------------------------------------------------- */

/* Where the names are asked for, innermost first; inlined ones are of one place. */
static void frame(FILE *f, const struct report *r, const struct code *p, uint64_t until_ns)
{
	const struct symbol_site at = { p->module, p->ino, p->offset, until_ns };
	struct symbol s = { 0 };
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return;
	if (r->explain && p->module && symbols_find(&at, &s))
		for (unsigned i = 0; i < s.frames_n; i++) {
			fprintf(to, "%s%s", i ? ", inlined in " : "", s.frames[i].function);
			if (s.frames[i].file)
				fprintf(to, " (%s:%u)", s.frames[i].file, s.frames[i].line);
		}
	else
		print_code(to, p);
	fclose(to);
	html_code(f, text);
	free(text);
}

static void site_name_cell(FILE *f, const struct report *r, const struct site *s)
{
	fprintf(f, "<td class=path><b>%s</b> ", op_names[s->op]);
	if (s->others)
		fputs("all other call sites, for which there was no room", f);
	for (unsigned i = 0; i < s->frames_n; i++) {
		fputs(i ? "<br>called by " : "", f);
		frame(f, r, &s->frames[i], s->until_ns);
	}
	if (s->path) {
		fputs("<br>", f);
		html_code(f, s->path);
	}
}

static void site_row(FILE *f, const struct report *r, size_t i, uint64_t most)
{
	const struct site *s = &r->sites[i];
	char prefix[64];

	fputs("<tr class=cut>", f);
	site_name_cell(f, r, s);
	fputs("<td class=wide>", f);
	snprintf(prefix, sizeof(prefix), "sites.%zu.routes.", i);
	html_stack(f, s->sum.routes, most, prefix, "");
	fputs("<td class=n>", f);
	html_count(f, s->sum.calls, "sites.%zu.calls", i);
	fputs("<td class=n>", f);
	html_count(f, s->sum.misaligned_calls, "sites.%zu.misaligned_calls", i);
	fputs("<td class=n>", f);
	html_bytes(f, s->copied_bytes, "sites.%zu.copied_bytes", i);
	fputs("\n<tr><td colspan=5><details><summary>how they lay</summary>", f);
	snprintf(prefix, sizeof(prefix), "sites.%zu", i);
	html_alignment(f, &s->sum, s->mem_align, s->offset_align, prefix);
	fputs("</details>\n", f);
}

static void site_rest(FILE *f, const struct report *r, size_t first, uint64_t most)
{
	uint64_t routes[ROUTES] = { 0 }, calls = 0, misaligned = 0, copied = 0;

	for (size_t i = first; i < r->sites_n; i++) {
		for (unsigned k = 0; k < ROUTES; k++)
			routes[k] += r->sites[i].sum.routes[k];
		calls += r->sites[i].sum.calls;
		misaligned += r->sites[i].sum.misaligned_calls;
		copied += r->sites[i].copied_bytes;
	}
	fprintf(f, "<tr class=rest><td>%s more call sites, summed<td class=wide>",
		human_count(r->sites_n - first).text);
	html_stack(f, routes, sum(routes, ROUTES) > most ? sum(routes, ROUTES) : most,
		   "rest.sites.routes.", "");
	fputs("<td class=n>", f);
	html_count(f, calls, "rest.sites.calls");
	fputs("<td class=n>", f);
	html_count(f, misaligned, "rest.sites.misaligned_calls");
	fputs("<td class=n>", f);
	html_bytes(f, copied, "rest.sites.copied_bytes");
	fputs("\n", f);
}

void html_sites(FILE *f, const struct report *r)
{
	size_t n = smaller(r->sites_n, SITES_SHOWN);
	uint64_t most = 0;

	fputs("<section><h2>Call sites</h2>\n", f);
	if (!n) {
		fputs("<p class=note>Not kept: it takes <code>--backtrace=1</code> or more.</p></section>\n", f);
		return;
	}
	for (size_t i = 0; i < r->sites_n; i++)
		if (sum(r->sites[i].sum.routes, ROUTES) > most)
			most = sum(r->sites[i].sum.routes, ROUTES);
	html_legend(f);
	fputs("<div class=scroll><table><thead><tr><th>where, and on which file<th>bytes by route<th class=n>calls"
	      "<th class=n>misaligned<th class=n>copied<tbody>\n", f);
	for (size_t i = 0; i < n; i++)
		site_row(f, r, i, most);
	if (n < r->sites_n)
		site_rest(f, r, n, most);
	fputs("</table></div></section>\n", f);
	symbols_end();
}

/* ---- misfits ------------------------------------------------------------- */

static void misfit_row(FILE *f, const struct report *r, size_t i)
{
	const struct ledger_misfit *m = &r->misfits[i].m;

	fprintf(f, "<tr><td class=path><b>%s</b> ", op_names[m->op <= LEDGER_COPY ? m->op : LEDGER_READ]);
	html_code(f, r->misfits[i].path ? r->misfits[i].path : "(no file)");
	fprintf(f, "<td class=n>%" PRIu32, r->misfits[i].pid);
	for (unsigned d = 0; d < DIMS; d++) {
		const uint64_t value[DIMS] = { m->address, m->offset, m->length };

		fprintf(f, m->off & 1u << d ? "<td class=\"n bad\"" : "<td class=n");
		html_data(f, value[d], "misfits.%zu.%s", i, dim_names[d]);
		fprintf(f, d == DIM_address ? ">0x%" PRIx64 : ">%" PRIu64, value[d]);
	}
	fprintf(f, "<td class=n>%" PRIu32 " / %" PRIu32 "<td>%s\n", m->mem_align, m->offset_align,
		m->strict ? "mode strict" : "the kernel");
}

void html_misfits(FILE *f, const struct report *r)
{
	size_t n = smaller(r->misfits_n, MISFITS_SHOWN);

	if (!r->misfits_seen)
		return;
	fputs("<section><h2>Requests that failed for their alignment</h2>\n<p>", f);
	html_count(f, r->misfits_seen, "misfits_seen");
	fprintf(f, " in all; the first %zu are shown. What was off is marked.</p>\n", n);
	fputs("<div class=scroll><table><thead><tr><th>request<th class=n>process<th class=n>address<th class=n>"
	      "offset<th class=n>length<th class=n>wanted, memory / offset<th>refused by<tbody>\n", f);
	for (size_t i = 0; i < n; i++)
		misfit_row(f, r, i);
	fputs("</table></div></section>\n", f);
}

/* ---- processes ----------------------------------------------------------- */

static void process_row(FILE *f, const struct process *p, size_t i, uint64_t most)
{
	uint64_t routes[ROUTES] = { 0 };
	char prefix[64];

	bytes_of(p->routes, routes);
	fprintf(f, "<tr><td class=n>%" PRIu32 "<td class=path>", p->pid);
	html_code(f, p->command);
	fprintf(f, "<td>%s%s<td>%s<td class=n>", process_state(p), p->open ?
		"<br><b class=bad>does not close</b>" : "", mode_name(p->mode));
	if (p->end_ns > p->start_ns)
		fprintf(f, "%.2f s", (double)(p->end_ns - p->start_ns) / 1e9);
	fputs("<td class=wide>", f);
	snprintf(prefix, sizeof(prefix), "processes.%zu.routes.", i);
	html_stack(f, routes, most, prefix, ".bytes");
	fputs("<td class=n>", f);
	html_bytes(f, p->counters[COUNTER_asked_bytes], "processes.%zu.counters.asked_bytes", i);
	fputs("\n", f);
}

void html_processes(FILE *f, const struct report *r)
{
	size_t n = smaller(r->processes_n, PROCESSES_SHOWN);
	uint64_t most = 0;

	fputs("<section><h2>Processes</h2>\n", f);
	for (size_t i = 0; i < r->processes_n; i++) {
		uint64_t routes[ROUTES] = { 0 };

		bytes_of(r->processes[i].routes, routes);
		if (sum(routes, ROUTES) > most)
			most = sum(routes, ROUTES);
	}
	fputs("<div class=scroll><table><thead><tr><th class=n>pid<th>command<th>end<th>mode<th class=n>time"
	      "<th>bytes by route<th class=n>asked for<tbody>\n", f);
	for (size_t i = 0; i < n; i++)
		process_row(f, &r->processes[i], i, most);
	fputs("</table></div>\n", f);
	if (n < r->processes_n)
		fprintf(f, "<p class=note>%s more are in the sums, not in this table.</p>\n",
			human_count(r->processes_n - n).text);
	fputs("</section>\n", f);
}

/*
 * text: the report that a person reads at a glance. What is zero is left out.
 */
#include "gather.h"

#include "cli.h"
#include "human.h"
#include "names.h"
#include "page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOP_FILES	8

static const char *plural(size_t n)
{
	return n == 1 ? "" : "es";
}

static const char *title(const struct report *r)
{
	if (r->command)
		return r->command;
	return r->processes_n ? r->processes[0].command : "(no ledger)";
}

static void head(const struct page *o, const struct report *r)
{
	char *command = strdup(title(r)), *shown = command ? malloc(strlen(command) + 8) : NULL;

	if (shown) {
		for (char *c = command; (c = strpbrk(c, "\t\n"));)
			*c = ' ';
		make_printable(command);
		page_shorten(command, 3 * o->width, shown, strlen(command) + 8);
		fprintf(o->f, "%sdioshim:%s ", o->bold, o->end);
		page_wrap(o, 9, 9, shown);
	}
	fprintf(o->f, "         %s process%s, %.2f s", human_count(r->all_n).text,
		plural(r->all_n), (double)r->elapsed_ns / 1e9);
	if (r->alive_n)
		fprintf(o->f, "; %zu still run%s: figures of this moment",
			r->alive_n, r->alive_n == 1 ? "s" : "");
	putc('\n', o->f);
	free(shown);
	free(command);
}

static void routes(const struct page *o, const struct report *r)
{
	uint64_t all = r->buffered_bytes + r->routes[ROUTE_in_kernel].bytes;

	fprintf(o->f, "\n  %sroute %13s %11s %8s %7s%s\n", o->bold, "calls",
		"bytes", "share", "copies", o->end);
	for (unsigned i = 0; i < ROUTES; i++) {
		const struct ledger_sum *s = &r->routes[i];
		bool always = i == ROUTE_zero_copy || i == ROUTE_bounced ||
			      i == ROUTE_cached;
		char name[16];

		if (!s->calls && !s->bytes && !always)
			continue;
		snprintf(name, sizeof(name), "%s", route_names[i]);
		for (char *c = name; *c; c++)
			*c = *c == '_' ? '-' : *c;
		fprintf(o->f, "  %s%-9s%s %9s %11s %8s %7u   %s\n",
			i == ROUTE_zero_copy && s->bytes ? o->good : "", name,
			i == ROUTE_zero_copy && s->bytes ? o->end : "",
			human_count(s->calls).text, human_bytes(s->bytes).text,
			i == ROUTE_not_file ? "" : human_share(s->bytes, all).text,
			route_copies[i], o->width >= 98 ? route_sentences[i] : "");
	}
}

static void copies(const struct page *o, const struct report *r)
{
	putc('\n', o->f);
	if (!r->buffered_bytes) {
		page_line(o, "copies: none made, none to save: no file data went through the shim");
		return;
	}
	page_line(o, "copies: %s made, %s saved of the %s a buffered run would have made (%s)",
	     human_bytes(r->made_bytes).text, human_bytes(r->saved_bytes).text,
	     human_bytes(r->buffered_bytes).text,
	     human_share(r->saved_bytes, r->buffered_bytes).text);
	if (r->counters[COUNTER_copied_bytes])
		page_line(o, "file to file, direct to direct: %s",
		     human_bytes(r->counters[COUNTER_copied_bytes]).text);
	if (r->counters[COUNTER_widened_bytes])
		page_line(o, "reads widened to whole blocks: %s beyond what was asked",
		     human_bytes(r->counters[COUNTER_widened_bytes]).text);
	if (r->counters[COUNTER_rewritten_bytes])
		page_line(o, "written a second time, through the cache: %s",
		     human_bytes(r->counters[COUNTER_rewritten_bytes]).text);
}

static const struct report *sorted_report;

static int by_bytes(const void *x, const void *y)
{
	const unsigned *a = x, *b = y;
	const struct ledger_sum *s = sorted_report->reasons;

	if (s[*a].bytes != s[*b].bytes)
		return s[*a].bytes < s[*b].bytes ? 1 : -1;
	return s[*a].calls < s[*b].calls ? 1 : s[*a].calls > s[*b].calls ? -1
					  : (*a > *b) - (*a < *b);
}

static void reasons(const struct page *o, const struct report *r)
{
	unsigned order[REASONS];
	bool first = true;

	for (unsigned i = 0; i < REASONS; i++)
		order[i] = i;
	sorted_report = r;
	qsort(order, REASONS, sizeof(order[0]), by_bytes);
	for (unsigned i = 0; i < REASONS; i++) {
		const struct ledger_sum *s = &r->reasons[order[i]];

		if (!s->calls && !s->bytes)
			continue;
		if (first)
			fprintf(o->f, "\n  %swhat stopped the rest%s\n", o->bold, o->end);
		first = false;
		fprintf(o->f, "  %10s  %10s  ", human_count(s->calls).text, human_bytes(s->bytes).text);
		page_wrap(o, 26, 26, reason_sentences[order[i]]);
	}
}

/* What direct I/O would make of it, or has made. */
static void classes(const struct page *o, const struct report *r)
{
	uint64_t all = 0, calls = r->counters[COUNTER_misaligned_calls];

	for (unsigned i = 0; i < CLASSES; i++)
		all += r->classes[i];
	if (!all && !calls)
		return;
	fprintf(o->f, "\n  %swhat these bytes are to direct I/O%s\n", o->bold, o->end);
	for (unsigned i = 0; i < CLASSES; i++) {
		fprintf(o->f, "  %10s  %10s  ", human_share(r->classes[i], all).text,
			human_bytes(r->classes[i]).text);
		page_wrap(o, 26, 26, class_sentences[i]);
	}
	if (r->reasons[REASON_excluded].bytes)
		page_line(o, "never, because their path is excluded, and so not looked at: %s",
			  human_bytes(r->reasons[REASON_excluded].bytes).text);
	if (calls)
		page_line(o, "misaligned requests, which a bare O_DIRECT open would have refused: %s",
			  human_count(calls).text);
	if (r->counters[COUNTER_refused_calls])
		page_line(o, "of them refused with EINVAL, by mode strict: %s",
			  human_count(r->counters[COUNTER_refused_calls]).text);
	if (r->counters[COUNTER_explained_calls])
		page_line(o, "refused by the kernel, on the program's own O_DIRECT descriptors: %s",
			  human_count(r->counters[COUNTER_explained_calls]).text);
}

/* Mode auto: what it decided of the file last. */
static void decided(const struct page *o, const struct ledger_file *file)
{
	const char *sep = "    auto: ";

	for (unsigned i = LEDGER_READ; i <= LEDGER_WRITE; i++) {
		const char *how = auto_name(file->auto_last[i]);

		if (!how)
			continue;
		fprintf(o->f, "%s%ss %s", sep, op_names[i], how);
		sep = ", ";
	}
	if (*sep == ' ')
		return;
	if (file->auto_changes)
		fprintf(o->f, "; decided anew %s", human_count(file->auto_changes).text);
	putc('\n', o->f);
}

static void one_file(const struct page *o, const struct ledger_file *file)
{
	unsigned width = o->width - 48;
	uint64_t all = 0;
	char path[LEDGER_PATH], shown[LEDGER_PATH + 8], align[32] = "-";

	for (unsigned i = 0; i < ROUTES; i++)
		all += file->routes[i].bytes;
	memcpy(path, file->path, sizeof(path));
	make_printable(path);
	page_shorten(path, width, shown, sizeof(shown));
	if (file->offset_align)
		snprintf(align, sizeof(align), "%" PRIu32 "/%" PRIu32,
			 file->mem_align, file->offset_align);
	fprintf(o->f, "  %s%*s %11s %11s %9s %11s\n", shown,
		(int)(width > page_columns(shown) ? width - page_columns(shown) : 0), "",
		human_bytes(file->read_bytes).text, human_bytes(file->written_bytes).text,
		human_share(file->routes[ROUTE_zero_copy].bytes, all).text, align);
	decided(o, file);
}

static void files(const struct page *o, const struct report *r)
{
	size_t shown = 0;

	for (; shown < r->files_n && shown < TOP_FILES; shown++) {
		const struct ledger_file *file = &r->files[shown];

		if (!file->read_bytes && !file->written_bytes)
			break;
		if (!shown)
			fprintf(o->f, "\n  %s%-*s %11s %11s %9s %11s%s\n", o->bold,
				(int)(o->width - 48), "file", "read", "written",
				"zero-copy", "mem/offset", o->end);
		one_file(o, file);
	}
	if (shown && shown < r->files_n)
		page_line(o, "and %s more", human_count(r->files_n - shown).text);
}

/* Silent where there is nothing to be copied with. */
static void swiotlb(const struct page *o, const struct report *r)
{
	const struct swiotlb_result *s = &r->swiotlb;

	if (r->watched && !s->readable)
		page_line(o, "swiotlb: what the kernel copied for devices is not readable as this user (%s)", s->why);
	else if (r->watched && s->bytes)
		page_line(o, "swiotlb: the kernel copied %s%s once more for devices of this host, meanwhile",
			  s->at_least ? "at least " : "", human_bytes(s->bytes).text);
}

static void witness(const struct page *o, const struct report *r)
{
	putc('\n', o->f);
	if (r->read_n)
		page_line(o, "the kernel counted %s (rchar + wchar): %s seen by the shim, %s not seen%s",
		     human_bytes(r->kernel.rchar + r->kernel.wchar).text,
		     human_bytes(r->seen_bytes).text, human_bytes(r->unseen_bytes).text,
		     r->unseen_bytes ? " (stdio inside libc, raw system calls, io_uring)" : "");
	if (r->unread_n)
		page_line(o, "%zu process%s left no last reading (killed): not in this line",
		     r->unread_n, plural(r->unread_n));
	if (r->stale_n)
		page_line(o, "%zu process%s killed after a reading: what came later is not in this line",
		     r->stale_n, r->stale_n == 1 ? " was" : "es were");
	for (size_t i = 0; i < r->processes_n; i++) {
		const struct process *p = &r->processes[i];

		if (!p->open)
			continue;
		fputs(o->bad, o->f);
		page_line(o, "LEDGER DOES NOT CLOSE: process %" PRIu32 ": %s%s", p->pid,
		     p->open, p->alive ? " (it still runs: perhaps inside a call)" :
		     p->state == LEDGER_RUNNING ? " (it was killed: perhaps inside a call)" : "");
		fputs(o->end, o->f);
	}
}

void report_text(const struct report *r, FILE *f)
{
	char *text = NULL;
	size_t size;
	struct page o;

	/* One write: reports of two runs must not mix on a terminal. */
	page_begin(&o, f);
	o.f = open_memstream(&text, &size);
	if (!o.f)
		return;
	head(&o, r);
	if (r->processes_n) {
		routes(&o, r);
		copies(&o, r);
		reasons(&o, r);
		classes(&o, r);
		files(&o, r);
		witness(&o, r);
		swiotlb(&o, r);
	}
	fclose(o.f);
	fwrite(text, 1, size, f);
	free(text);
}

/*
 * explain: where the copies are: call sites by function, file and line, what was
 * off there, and what would help; and the requests that failed for it.
 */
#include "gather.h"

#include "advice.h"
#include "cli.h"
#include "human.h"
#include "names.h"
#include "page.h"
#include "symbols.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOP_SITES	12
#define TOP_MISFITS	8

/* ---- names of code ------------------------------------------------------- */

static void put_frame(FILE *f, const struct symbol_frame *frame)
{
	fputs(frame->function, f);
	if (frame->file && frame->line)
		fprintf(f, " (%s:%u)", frame->file, frame->line);
	else if (frame->file)
		fprintf(f, " (%s)", frame->file);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* The first one that is not libc's: a fortified program has libc's pread inlined in its own code. */
static unsigned own_frame(const struct symbol *s)
{
	unsigned i = 0;

	while (i + 1 < s->frames_n && s->frames[i].file &&
	       strncmp(s->frames[i].file, "/usr/include/", 13) == 0)
		i++;
	return i;
}

/* "f (store.c:12), inlined in g (store.c:40), of /bin/store+0x1a2b" */
static void put_place(FILE *f, const struct code *p, uint64_t until_ns)
{
	struct symbol_site at = { p->module, p->ino, p->offset, until_ns };
	struct symbol s = { 0 };
	unsigned first;

	if (!p->module) {
		fprintf(f, "0x%" PRIx64 " (no module)", p->offset);
		return;
	}
	if (!symbols_find(&at, &s)) {
		fprintf(f, "%s+0x%" PRIx64, p->module, p->offset);
		if (s.replaced)
			fputs(" (replaced since: no name can be trusted)", f);
		return;
	}
	for (unsigned i = first = own_frame(&s); i < s.frames_n; i++) {
		fputs(i > first ? ", inlined in " : "", f);
		put_frame(f, &s.frames[i]);
	}
	if (!s.frames[0].line && s.offset_in_function)
		fprintf(f, "+0x%" PRIx64, s.offset_in_function);
	fprintf(f, ", %s+0x%" PRIx64, base_name(p->module), p->offset);
}

/* ---- one call site ------------------------------------------------------- */

/* One paragraph at an indent, made from what is printed to *f. */
struct paragraph {
	char *text;
	size_t size;
	FILE *f;
};

static bool begin(struct paragraph *p)
{
	*p = (struct paragraph){ 0 };
	p->f = open_memstream(&p->text, &p->size);
	return p->f != NULL;
}

/* label: right-aligned before the indent. */
static void end(struct paragraph *p, const struct page *o, const char *label, unsigned indent)
{
	fclose(p->f);
	make_printable(p->text);
	fprintf(o->f, "%*s", (int)indent, label);
	page_wrap(o, indent, indent, p->text);
	free(p->text);
}

static void print_frames(const struct page *o, const struct site *s, size_t number)
{
	struct paragraph p;
	char label[32];

	snprintf(label, sizeof(label), "%zu. ", number);
	for (unsigned i = 0; i < s->frames_n && begin(&p); i++) {
		put_place(p.f, &s->frames[i], s->until_ns);
		end(&p, o, i ? "called by " : label, i ? 19 : 6);
	}
	if (s->others && begin(&p)) {
		fputs("all other call sites, for which there was no room", p.f);
		end(&p, o, label, 6);
	}
}

static void print_sums(const struct page *o, const struct site *s)
{
	const char *sep = ": ";
	struct paragraph p;

	if (!begin(&p))
		return;
	fprintf(p.f, "%s of ", op_names[s->op]);
	if (s->files_n > 1 && !s->others)
		fprintf(p.f, "%s files, most of it of ", human_count(s->files_n).text);
	fprintf(p.f, "%s: %s call%s", s->others ? "many files" : s->path ? s->path : "files that are not told apart",
		human_count(s->sum.calls).text, s->sum.calls == 1 ? "" : "s");
	if (s->sum.failed_calls)
		fprintf(p.f, " (%s failed)", human_count(s->sum.failed_calls).text);
	for (unsigned i = 0; i < ROUTES; i++) {
		if (!s->sum.routes[i])
			continue;
		fprintf(p.f, "%s%s %s", sep, human_bytes(s->sum.routes[i]).text, route_names[i]);
		sep = ", ";
	}
	end(&p, o, "", 9);
}

/* The commonest remainder and how many calls had it, at least. */
static uint64_t commonest(const struct ledger_rests *r, uint32_t *rest)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < LEDGER_RESTS; i++)
		if (LEDGER_REST_COUNT(r->slot[i]) > best) {
			best = LEDGER_REST_COUNT(r->slot[i]);
			*rest = LEDGER_REST(r->slot[i]);
		}
	return best;
}

static void print_off(const struct page *o, const struct site *s)
{
	static const char *const what[DIMS] = { "buffer", "offset", "length" };
	const struct ledger_site *sum = &s->sum;
	const char *sep = "";
	struct paragraph p;

	if (!sum->misaligned_calls || !begin(&p))
		return;
	for (unsigned d = 0; d < DIMS; d++) {
		const uint32_t need = d == DIM_address ? s->mem_align : s->offset_align;
		uint32_t rest = 0;
		uint64_t n = commonest(&sum->rests[d], &rest);

		if (!sum->off_calls[d])
			continue;
		fprintf(p.f, "%s%s in %s of the calls", sep, what[d],
			human_share(sum->off_calls[d], sum->calls).text);
		if (need && n * 10 >= sum->off_calls[d])
			fprintf(p.f, " (%% %" PRIu32 " = %" PRIu32 " in %s%s of these)", need, rest,
				sum->rests[d].given ? "at least " : "",
				human_share(n, sum->off_calls[d]).text);
		else
			fputs(" (no remainder stands out)", p.f);
		sep = "; ";
	}
	end(&p, o, "off: ", 14);
	if (s->offset_align && begin(&p)) {
		fprintf(p.f, "memory at multiples of %" PRIu32 ", offset and length of %" PRIu32 " (%s)",
			s->mem_align, s->offset_align, align_sentences[s->align_from]);
		end(&p, o, "wanted: ", 17);
	}
}

static void print_reasons(const struct page *o, const struct site *s)
{
	struct paragraph p;

	for (unsigned i = 0; i < REASONS; i++) {
		/* What is off is told already, and that is all there is to an observed request. */
		if (i == REASON_address || i == REASON_offset || i == REASON_length ||
		    i == REASON_observed || !s->sum.reason_bytes[i] ||
		    s->sum.reason_bytes[i] * 20 < s->copied_bytes || !begin(&p))
			continue;
		fprintf(p.f, "%s copied because %s", human_bytes(s->sum.reason_bytes[i]).text,
			reason_sentences[i]);
		end(&p, o, "", 9);
	}
}

static void print_advice(const struct page *o, const struct site *s)
{
	const struct ledger_site *sum = &s->sum;
	const uint64_t mean = sum->calls ? sum->asked_bytes / sum->calls : 0;
	const struct advice_in in = {
		.is_read = s->op == LEDGER_READ, .calls = sum->calls,
		.copied_bytes = s->copied_bytes,
		.address_calls = sum->off_calls[DIM_address],
		.offset_calls = sum->off_calls[DIM_offset],
		.length_calls = sum->off_calls[DIM_length],
		.mem_align = s->mem_align, .offset_align = s->offset_align,
		.memory_bytes = sum->classes[CLASS_memory],
		.offset_bytes = sum->classes[CLASS_offsets],
		.never_bytes = sum->classes[CLASS_never],
		.append_bytes = sum->reason_bytes[REASON_append],
		.small_bytes = s->offset_align && mean < s->offset_align ? sum->classes[CLASS_offsets] : 0,
		.commonest_length = mean,
	};
	struct paragraph p;
	char text[256];

	if (!s->copied_bytes || s->op == LEDGER_COPY || s->others || !begin(&p))
		return;
	advice_line(&in, text, sizeof(text));
	fputs(text, p.f);
	end(&p, o, "advice: ", 17);
}

static void print_site(const struct page *o, const struct site *s, size_t number)
{
	putc('\n', o->f);
	print_frames(o, s, number);
	print_sums(o, s);
	print_off(o, s);
	print_reasons(o, s);
	print_advice(o, s);
}

static void sites(const struct page *o, const struct report *r)
{
	size_t n = 0, all;
	struct site *list = report_group_sites(r, &all);

	fprintf(o->f, "\n  %scall sites, by the bytes that were copied for them%s\n", o->bold, o->end);
	for (; n < all && n < TOP_SITES; n++)
		print_site(o, &list[n], n + 1);
	if (n < all)
		page_line(o, "and %s more", human_count(all - n).text);
	free(list);
	if (!all)
		page_line(o, "none: no request on a file was booked by its call site (--backtrace)");
}

/* ---- what failed --------------------------------------------------------- */

static void put_value(FILE *f, const char *what, uint64_t value, uint32_t need, bool off)
{
	fprintf(f, "%s %" PRIu64, what, value);
	if (off && need)
		fprintf(f, " (%% %" PRIu32 " = %" PRIu64 ")", need, value % need);
}

static const char *error_name(int error)
{
	return error == EINVAL ? "EINVAL" : error == EIO ? "EIO" : strerror(error);
}

static void print_misfit(const struct page *o, const struct misfit *m)
{
	const struct ledger_misfit *l = &m->m;
	struct paragraph p;

	if (!begin(&p))
		return;
	fprintf(p.f, "%s: %s of %s (descriptor %" PRId32 "): ", error_name(l->error),
		op_names[l->op <= LEDGER_COPY ? l->op : LEDGER_READ], m->path ? m->path : "a file", l->fd);
	if ((l->off & 1u << DIM_address) && l->mem_align)
		fprintf(p.f, "buffer 0x%" PRIx64 " %% %" PRIu32 " = %" PRIu64 ", ", l->address,
			l->mem_align, l->address % l->mem_align);
	if (l->offset != UINT64_MAX)
		put_value(p.f, "offset", l->offset, l->offset_align, l->off & 1u << DIM_offset);
	put_value(p.f, l->offset != UINT64_MAX ? ", length" : "length", l->length, l->offset_align,
		  l->off & 1u << DIM_length);
	fprintf(p.f, "; %s; by ", l->strict ? "refused by mode strict" :
		!l->off ? "refused by the kernel, though nothing is misaligned" : "refused by the kernel");
	put_place(p.f, &m->caller, m->until_ns);
	end(&p, o, "", 4);
}

static void misfits(const struct page *o, const struct report *r)
{
	size_t n = 0;

	fprintf(o->f, "\n  %s%s misaligned request%s failed%s\n", o->bad,
		human_count(r->misfits_seen).text, r->misfits_seen == 1 ? "" : "s", o->end);
	for (; n < r->misfits_n && n < TOP_MISFITS; n++)
		print_misfit(o, &r->misfits[n]);
	if (n < r->misfits_seen)
		page_line(o, "  and %s more%s", human_count(r->misfits_seen - n).text,
			  r->misfits_n < r->misfits_seen ? "; the first 256 of each process are in the JSON" :
							   "; all are in the JSON");
}

void report_explain(const struct report *r, FILE *f)
{
	struct paragraph all;
	struct page o;

	page_begin(&o, f);
	if (!begin(&all))
		return;
	o.f = all.f;
	if (r->misfits_seen)
		misfits(&o, r);
	if (r->explain)
		sites(&o, r);
	symbols_end();
	fclose(all.f);
	fwrite(all.text, 1, all.size, f);
	free(all.text);
}

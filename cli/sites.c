/*
 * sites: call sites, misfits and records of many ledgers to one list each. The
 * files may come from anywhere: every number is looked at before it is used.
 */
#include "gather.h"

#include "names.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* One copy of each text, for as long as the command lives. */
static const char *intern(const char *text)
{
	static void *root;
	const char **node = tsearch(text, &root, (int (*)(const void *, const void *))strcmp);

	if (!node)
		exit(125);
	if (*node == text) {
		*node = strdup(text);
		if (!*node)
			exit(125);
	}
	return *node;
}

static const char *text_of(char *text, size_t size)
{
	text[size - 1] = '\0';
	return intern(text);
}

/* The row of that number + 1; NULL: none. */
static struct ledger_file *row_of(struct ledger *l, uint32_t number)
{
	return number && number <= LEDGER_FILES ? &l->files[number - 1] : NULL;
}

static const char *path_of(struct ledger *l, uint32_t number)
{
	struct ledger_file *row = row_of(l, number);

	return row ? text_of(row->path, sizeof(row->path)) : NULL;
}

static struct code place_of(struct ledger_sites *s, const struct ledger_frame *f)
{
	struct code p = { NULL, 0, f->offset };

	if (f->module && f->module <= LEDGER_MODULES) {
		struct ledger_module *m = &s->modules[f->module - 1];

		p.module = text_of(m->path, sizeof(m->path));
		p.ino = m->ino;
	}
	return p;
}

static struct code caller_of(struct ledger_sites *s, uint32_t site)
{
	if (!site || site > LEDGER_SITES || !s->sites[site - 1].frames_n)
		return (struct code){ NULL, 0, 0 };
	return place_of(s, &s->sites[site - 1].frames[0]);
}

static void add_site(struct report *r, struct ledger *l, struct ledger_sites *s,
		     const struct ledger_site *from, bool others)
{
	const struct ledger_file *row = row_of(l, from->file);
	struct site *to;

	r->sites = must_grow(r->sites, r->sites_n, sizeof(*to));
	to = &r->sites[r->sites_n++];
	*to = (struct site){
		.op = from->op <= LEDGER_COPY ? (enum ledger_op)from->op : LEDGER_READ,
		.others = others, .sum = *from, .until_ns = l->end_ns,
		.frames_n = from->frames_n < LEDGER_FRAMES ? from->frames_n : LEDGER_FRAMES,
	};
	for (unsigned i = 0; i < to->frames_n; i++)
		to->frames[i] = place_of(s, &from->frames[i]);
	if (!row)
		return;
	to->path = path_of(l, from->file);
	to->dev = row->dev;
	to->ino = row->ino;
	to->mem_align = row->mem_align;
	to->offset_align = to->op == LEDGER_WRITE ? row->write_align : row->offset_align;
	to->align_from = row->align_from < ALIGNS ? (enum align_from)row->align_from : ALIGN_unknown;
}

static void add_misfits(struct report *r, struct ledger *l, struct ledger_sites *s)
{
	r->misfits_seen += s->misfits_seen;
	for (unsigned i = 0; i < LEDGER_MISFITS; i++) {
		struct ledger_misfit *m = &s->misfits[i];

		if (m->used != 1)
			continue;
		r->misfits = must_grow(r->misfits, r->misfits_n, sizeof(*r->misfits));
		r->misfits[r->misfits_n++] = (struct misfit){
			.pid = l->pid, .until_ns = l->end_ns, .caller = caller_of(s, m->site),
			.path = path_of(l, m->file), .m = *m,
		};
	}
}

static void add_records(struct report *r, struct ledger *l, struct ledger_sites *s)
{
	struct ledger_record *list = ledger_records(l);
	const size_t before = r->records_n;
	const uint64_t newest = l->records_next < l->records_n ? l->records_next : l->records_n;

	r->records_lost += l->records_next - newest;
	for (uint32_t i = 0; i < l->records_n; i++) {
		/* Elsewhere than its number says: begun, and not ended. */
		if (!list[i].number || (list[i].number - 1) % l->records_n != i)
			continue;
		r->records = must_grow(r->records, r->records_n, sizeof(*r->records));
		r->records[r->records_n++] = (struct record){
			.pid = l->pid, .path = path_of(l, list[i].file), .r = list[i],
			.caller = s ? caller_of(s, list[i].site) : (struct code){ NULL, 0, 0 },
		};
	}
	if (newest > r->records_n - before)
		r->records_incomplete += newest - (r->records_n - before);
}

void report_add_sites(struct report *r, struct ledger *l)
{
	struct ledger_sites *s = ledger_sites(l);

	for (unsigned i = 0; s && i < LEDGER_SITES; i++)
		if (s->sites[i].used == 1)
			add_site(r, l, s, &s->sites[i], i == LEDGER_SITES - 1);
	if (s)
		add_misfits(r, l, s);
	if (l->records_n)
		add_records(r, l, s);
}

/* ---- merging ------------------------------------------------------------- */

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Interned texts are the same text if they are the same address. */
static int by_code(const void *x, const void *y)
{
	const struct site *a = x, *b = y;
	int c = compare(a->others, b->others);

	if (c || a->others)
		return c;
	c = compare(a->op, b->op);
	c = c ? c : compare(a->frames_n, b->frames_n);
	for (unsigned i = 0; !c && i < a->frames_n; i++) {
		c = compare((uintptr_t)a->frames[i].module, (uintptr_t)b->frames[i].module);
		c = c ? c : compare(a->frames[i].offset, b->frames[i].offset);
	}
	return c;
}

static int by_identity(const void *x, const void *y)
{
	const struct site *a = x, *b = y;
	int c = by_code(x, y);

	if (c || a->others)
		return c;
	c = compare((uintptr_t)a->path, (uintptr_t)b->path);
	c = c ? c : compare(a->dev, b->dev);
	return c ? c : compare(a->ino, b->ino);
}

static uint64_t routed(const struct site *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ROUTES; i++)
		sum += s->sum.routes[i];
	return sum;
}

static int by_copies(const void *x, const void *y)
{
	const struct site *a = x, *b = y;
	int c = compare(b->copied_bytes, a->copied_bytes);

	c = c ? c : compare(routed(b), routed(a));
	c = c ? c : compare(b->sum.calls, a->sum.calls);
	return c ? c : by_identity(x, y);
}

static int misfits_by_time(const void *x, const void *y)
{
	const struct misfit *a = x, *b = y;

	return compare(a->m.start_ns, b->m.start_ns);
}

static int records_by_time(const void *x, const void *y)
{
	const struct record *a = x, *b = y;
	int c = compare(a->r.start_ns, b->r.start_ns);

	c = c ? c : compare(a->pid, b->pid);
	return c ? c : compare(a->r.number, b->r.number);
}

static void add(uint64_t *to, const uint64_t *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] += from[i];
}

/* Of two lists of remainders the six largest; what goes is counted among the given. */
static void merge_rests(struct ledger_rests *to, const struct ledger_rests *from)
{
	to->given += from->given;
	for (unsigned k = 0; k < LEDGER_RESTS; k++) {
		uint64_t slot = from->slot[k], *least = &to->slot[0];
		bool found = false;

		for (unsigned i = 0; slot && !found && i < LEDGER_RESTS; i++) {
			if (LEDGER_REST_COUNT(to->slot[i]) < LEDGER_REST_COUNT(*least))
				least = &to->slot[i];
			found = to->slot[i] && LEDGER_REST(to->slot[i]) == LEDGER_REST(slot);
			if (found)
				to->slot[i] += LEDGER_REST_COUNT(slot);
		}
		if (!slot || found)
			continue;
		if (LEDGER_REST_COUNT(slot) > LEDGER_REST_COUNT(*least)) {
			const uint64_t out = *least;

			*least = slot;
			slot = out;
		}
		to->given += LEDGER_REST_COUNT(slot);
	}
}

/* The file of most bytes stands for all. */
static void merge_file(struct site *a, const struct site *b)
{
	a->files_n += b->files_n;
	if (!a->path || (b->path && routed(b) > a->file_bytes)) {
		a->path = b->path;
		a->dev = b->dev;
		a->ino = b->ino;
		a->file_bytes = routed(b);
	}
}

static void merge(struct site *a, const struct site *b)
{
	struct ledger_site *to = &a->sum;
	const struct ledger_site *from = &b->sum;

	merge_file(a, b);
	to->calls += from->calls;
	to->failed_calls += from->failed_calls;
	to->asked_bytes += from->asked_bytes;
	to->misaligned_calls += from->misaligned_calls;
	to->refused_calls += from->refused_calls;
	if (!b->until_ns || (a->until_ns && b->until_ns > a->until_ns))
		a->until_ns = b->until_ns;
	add(to->routes, from->routes, ROUTES);
	add(to->reason_bytes, from->reason_bytes, REASONS);
	add(to->classes, from->classes, CLASSES);
	add(to->off_calls, from->off_calls, DIMS);
	add(to->off_bytes, from->off_bytes, DIMS);
	for (unsigned d = 0; d < DIMS; d++) {
		merge_rests(&to->rests[d], &from->rests[d]);
		add(to->powers[d], from->powers[d], LEDGER_POWERS);
	}
	if (b->mem_align > a->mem_align)
		a->mem_align = b->mem_align;
	if (b->offset_align > a->offset_align) {
		a->offset_align = b->offset_align;
		a->align_from = b->align_from;
	}
}

static void count_copies(struct site *s)
{
	s->copied_bytes = 0;
	for (unsigned i = 0; i < ROUTES; i++)
		s->copied_bytes += s->sum.routes[i] * route_copies[i];
}

/* Merges those that are alike; how many are left, by their copies. */
static size_t merge_all(struct site *list, size_t n, int (*alike)(const void *, const void *))
{
	size_t kept = 0;

	if (!n)
		return 0;
	qsort(list, n, sizeof(*list), alike);
	for (size_t i = 1; i < n; i++) {
		if (alike(&list[kept], &list[i]) == 0)
			merge(&list[kept], &list[i]);
		else
			list[++kept] = list[i];
	}
	for (size_t i = 0; i <= kept; i++)
		count_copies(&list[i]);
	qsort(list, kept + 1, sizeof(*list), by_copies);
	return kept + 1;
}

struct site *report_group_sites(const struct report *r, size_t *n)
{
	struct site *list = must_grow(NULL, 0, (r->sites_n + 1) * sizeof(*list));

	memcpy(list, r->sites, r->sites_n * sizeof(*list));
	for (size_t i = 0; i < r->sites_n; i++) {
		list[i].files_n = 1;
		list[i].file_bytes = routed(&list[i]);
	}
	*n = merge_all(list, r->sites_n, by_code);
	return list;
}

void report_sum_sites(struct report *r)
{
	r->sites_n = merge_all(r->sites, r->sites_n, by_identity);
	if (r->misfits_n)
		qsort(r->misfits, r->misfits_n, sizeof(*r->misfits), misfits_by_time);
	if (r->records_n)
		qsort(r->records, r->records_n, sizeof(*r->records), records_by_time);
}

void report_free_sites(struct report *r)
{
	free(r->sites);
	free(r->misfits);
	free(r->records);
}

/* ---- names --------------------------------------------------------------- */

void print_code(FILE *f, const struct code *p)
{
	if (p->module || p->offset)
		fprintf(f, "%s%s0x%" PRIx64, p->module ? p->module : "", p->module ? "+" : "",
			p->offset);
}

char *site_name(const struct site *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		exit(125);
	fputs(op_names[s->op], f);
	if (s->others)
		fputs(" (all other call sites)", f);
	for (unsigned i = 0; i < s->frames_n; i++) {
		fputs(i ? " < " : " ", f);
		print_code(f, &s->frames[i]);
	}
	fclose(f);
	return text;
}

/*
 * csv: the report as one table in long form (RFC 4180), a figure per line:
 *
 *   scope,kind,name,unit,value,pid,start_ns,file,site
 *
 * scope is all, process, file or site, and what follows value says which. All
 * figures whose unit is calls, bytes or files merge by addition. Of processes,
 * files and sites, what is zero is left out.
 */
#include "gather.h"

#include "json.h"
#include "names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct csv {
	FILE *f;
	const char *scope;
	const struct process *process;	/* that the lines are about; NULL: none */
	const char *file, *site;
	bool sparse;			/* without what is zero */
};

static void field(FILE *f, const char *text)
{
	bool quoted = strpbrk(text, ",\"\r\n") != NULL;

	if (quoted)
		putc('"', f);
	while (*text) {
		unsigned n = utf8_length(text);

		if (!n)
			fputs("\xef\xbf\xbd", f), n = 1;
		else if (*text == '"')
			fputs("\"\"", f);
		else
			fwrite(text, 1, n, f);
		text += n;
	}
	if (quoted)
		putc('"', f);
}

static void line(const struct csv *c, const char *kind, const char *name, const char *unit,
		 const char *value)
{
	fprintf(c->f, "%s,%s,%s,%s,", c->scope, kind, name, unit);
	field(c->f, value);
	if (c->process)
		fprintf(c->f, ",%" PRIu32 ",%" PRIu64 ",", c->process->pid, c->process->start_ns);
	else
		fputs(",,,", c->f);
	field(c->f, c->file ? c->file : "");
	putc(',', c->f);
	field(c->f, c->site ? c->site : "");
	fputs("\r\n", c->f);
}

static void number(const struct csv *c, const char *kind, const char *name, const char *unit,
		   uint64_t value)
{
	char text[24];

	if (!value && c->sparse)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, value);
	line(c, kind, name, unit, text);
}

static void sums(const struct csv *c, const char *kind, const struct ledger_sum *s,
		 const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		number(c, kind, names[i], "calls", s[i].calls);
		number(c, kind, names[i], "bytes", s[i].bytes);
	}
}

static void bytes(const struct csv *c, const char *kind, const uint64_t *list,
		  const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		number(c, kind, names[i], "bytes", list[i]);
}

/* What processes and the whole have in common. */
static void books(const struct csv *c, const struct ledger_sum *routes,
		  const struct ledger_sum *reasons, const uint64_t *counters, const uint64_t *classes)
{
	sums(c, "route", routes, route_names, ROUTES);
	sums(c, "reason", reasons, reason_names, REASONS);
	for (unsigned i = 0; i < COUNTERS; i++)
		number(c, "counter", counter_names[i], counter_units[i], counters[i]);
	bytes(c, "class", classes, class_names, CLASSES);
}

static void whole(const struct report *r, FILE *f)
{
	const struct csv c = { .f = f, .scope = "all" };

	line(&c, "property", "command", "text", r->command ? r->command : "");
	number(&c, "property", "elapsed_ns", "ns", r->elapsed_ns);
	number(&c, "property", "closes", "bool", r->open_n == 0);
	number(&c, "property", "classified", "bool", r->classified);
	books(&c, r->routes, r->reasons, r->counters, r->classes);
	number(&c, "copies", "made_bytes", "bytes", r->made_bytes);
	number(&c, "copies", "saved_bytes", "bytes", r->saved_bytes);
	number(&c, "copies", "buffered_bytes", "bytes", r->buffered_bytes);
	number(&c, "witness", "seen_bytes", "bytes", r->seen_bytes);
	number(&c, "witness", "unseen_bytes", "bytes", r->unseen_bytes);
	number(&c, "witness", "rchar", "bytes", r->kernel.rchar);
	number(&c, "witness", "wchar", "bytes", r->kernel.wchar);
	if (r->watched && r->swiotlb.readable) {
		number(&c, "swiotlb", "bytes", "bytes", r->swiotlb.bytes);
		number(&c, "swiotlb", "bounces", "calls", r->swiotlb.bounces);
	}
	number(&c, "misfits", "misfits_seen", "calls", r->misfits_seen);
}

static void file(const struct ledger_file *l, FILE *f)
{
	const struct csv c = { .f = f, .scope = "file", .file = l->path, .sparse = true };

	number(&c, "property", "dev", "id", l->dev);
	number(&c, "property", "ino", "id", l->ino);
	number(&c, "property", "mem_align", "align", l->mem_align);
	number(&c, "property", "offset_align", "align", l->offset_align);
	number(&c, "property", "write_align", "align", l->write_align);
	sums(&c, "route", l->routes, route_names, ROUTES);
	bytes(&c, "reason", l->reason_bytes, reason_names, REASONS);
	bytes(&c, "class", l->classes, class_names, CLASSES);
	number(&c, "total", "read_bytes", "bytes", l->read_bytes);
	number(&c, "total", "written_bytes", "bytes", l->written_bytes);
}

/* How the calls of a site lay: by the largest power of two that divides, and the remainders. */
static void alignment(const struct csv *c, const struct ledger_site *s, unsigned d)
{
	char kind[32], name[24];

	snprintf(kind, sizeof(kind), "%s_power", dim_names[d]);
	for (unsigned i = 0; i < LEDGER_POWERS; i++) {
		snprintf(name, sizeof(name), "%u", 1u << i);
		number(c, kind, name, "calls", s->powers[d][i]);
	}
	snprintf(kind, sizeof(kind), "%s_remainder", dim_names[d]);
	for (unsigned i = 0; i < LEDGER_RESTS; i++) {
		snprintf(name, sizeof(name), "%" PRIu32, LEDGER_REST(s->rests[d].slot[i]));
		number(c, kind, name, "calls", LEDGER_REST_COUNT(s->rests[d].slot[i]));
	}
	snprintf(kind, sizeof(kind), "%s_off", dim_names[d]);
	number(c, kind, "off_calls", "calls", s->off_calls[d]);
	number(c, kind, "off_bytes", "bytes", s->off_bytes[d]);
}

static void site(const struct site *s, FILE *f)
{
	const struct ledger_site *l = &s->sum;
	struct csv c = { .f = f, .scope = "site", .file = s->path, .sparse = true };
	char *name = site_name(s);

	c.site = name;
	number(&c, "property", "mem_align", "align", s->mem_align);
	number(&c, "property", "offset_align", "align", s->offset_align);
	number(&c, "total", "calls", "calls", l->calls);
	number(&c, "total", "failed_calls", "calls", l->failed_calls);
	number(&c, "total", "asked_bytes", "bytes", l->asked_bytes);
	number(&c, "total", "copied_bytes", "bytes", s->copied_bytes);
	number(&c, "total", "misaligned_calls", "calls", l->misaligned_calls);
	number(&c, "total", "refused_calls", "calls", l->refused_calls);
	bytes(&c, "route", l->routes, route_names, ROUTES);
	bytes(&c, "reason", l->reason_bytes, reason_names, REASONS);
	bytes(&c, "class", l->classes, class_names, CLASSES);
	for (unsigned d = 0; d < DIMS; d++)
		alignment(&c, l, d);
	free(name);
}

static void process(const struct process *p, FILE *f)
{
	const struct csv c = { .f = f, .scope = "process", .process = p, .sparse = true };
	struct kernel_count kernel = process_kernel(p);
	uint64_t all = kernel.rchar + kernel.wchar, seen = process_seen(p);

	line(&c, "property", "command", "text", p->command);
	line(&c, "property", "state", "text", process_state(p));
	line(&c, "property", "mode", "text", mode_name(p->mode));
	number(&c, "property", "ppid", "id", p->ppid);
	number(&c, "property", "end_ns", "ns", p->end_ns);
	books(&c, p->routes, p->reasons, p->counters, p->classes);
	number(&c, "witness", "seen_bytes", "bytes", seen);
	number(&c, "witness", "unseen_bytes", "bytes", all > seen ? all - seen : 0);
	number(&c, "witness", "rchar", "bytes", kernel.rchar);
	number(&c, "witness", "wchar", "bytes", kernel.wchar);
}

void report_csv(const struct report *r, FILE *f)
{
	fputs("scope,kind,name,unit,value,pid,start_ns,file,site\r\n", f);
	whole(r, f);
	for (size_t i = 0; i < r->processes_n; i++)
		process(&r->processes[i], f);
	for (size_t i = 0; i < r->files_n; i++)
		file(&r->files[i], f);
	for (size_t i = 0; i < r->sites_n; i++)
		site(&r->sites[i], f);
}

/* Call sites and misfits of the JSON report. */
#include "gather.h"

#include "json.h"
#include "names.h"
#include "symbols.h"

#include <string.h>

static void names_of(struct json *j, const struct code *p, uint64_t until_ns)
{
	const struct symbol_site at = { p->module, p->ino, p->offset, until_ns };
	struct symbol s = { 0 };

	json_open(j, "names", '[');
	if (p->module && symbols_find(&at, &s))
		for (unsigned i = 0; i < s.frames_n; i++) {
			json_open(j, NULL, '{');
			json_text(j, "function", s.frames[i].function);
			if (s.frames[i].file)
				json_text(j, "file", s.frames[i].file);
			if (s.frames[i].line)
				json_number(j, "line", s.frames[i].line);
			json_close(j, '}');
		}
	json_close(j, ']');
}

/* By name, innermost inlined function first, only where the names are asked for. */
static void place(struct json *j, const struct report *r, const struct code *p, uint64_t until_ns)
{
	if (p->module)
		json_name(j, "module", "module_hex", p->module);
	json_number(j, p->module ? "offset" : "address", p->offset);
	if (r->explain)
		names_of(j, p, until_ns);
}

/* Which remainders by the file's alignment there were, most frequent first. */
static void rests(struct json *j, const struct ledger_rests *r)
{
	uint64_t left[LEDGER_RESTS];

	memcpy(left, r->slot, sizeof(left));
	json_open(j, "remainders", '[');
	for (;;) {
		uint64_t *best = &left[0];

		for (unsigned i = 1; i < LEDGER_RESTS; i++)
			if (LEDGER_REST_COUNT(left[i]) > LEDGER_REST_COUNT(*best))
				best = &left[i];
		if (!LEDGER_REST_COUNT(*best))
			break;
		json_open(j, NULL, '{');
		json_number(j, "remainder", LEDGER_REST(*best));
		json_number(j, "calls", LEDGER_REST_COUNT(*best));
		json_close(j, '}');
		*best = 0;
	}
	json_close(j, ']');
	json_number(j, "uncounted_calls", r->given);
}

static void dimension(struct json *j, const struct ledger_site *s, unsigned d)
{
	json_open(j, dim_names[d], '{');
	json_number(j, "off_calls", s->off_calls[d]);
	json_number(j, "off_bytes", s->off_bytes[d]);
	rests(j, &s->rests[d]);
	json_open(j, "calls_by_power_of_two", '[');
	for (unsigned i = 0; i < LEDGER_POWERS; i++)
		json_number(j, NULL, s->powers[d][i]);
	json_close(j, ']');
	json_close(j, '}');
}

static void site(struct json *j, const struct report *r, const struct site *s)
{
	json_open(j, NULL, '{');
	json_text(j, "op", op_names[s->op]);
	json_bool(j, "others", s->others);
	json_open(j, "frames", '[');
	for (unsigned i = 0; i < s->frames_n; i++) {
		json_open(j, NULL, '{');
		place(j, r, &s->frames[i], s->until_ns);
		json_close(j, '}');
	}
	json_close(j, ']');
	if (s->path)
		json_name(j, "path", "path_hex", s->path);
	json_number(j, "mem_align", s->mem_align);
	json_number(j, "offset_align", s->offset_align);
	json_text(j, "align_from", align_names[s->align_from]);
	json_number(j, "calls", s->sum.calls);
	json_number(j, "failed_calls", s->sum.failed_calls);
	json_number(j, "asked_bytes", s->sum.asked_bytes);
	json_number(j, "copied_bytes", s->copied_bytes);
	json_number(j, "misaligned_calls", s->sum.misaligned_calls);
	json_number(j, "refused_calls", s->sum.refused_calls);
	json_numbers(j, "routes", s->sum.routes, route_names, ROUTES);
	json_reasons(j, s->sum.reason_bytes);
	json_numbers(j, "classes", s->sum.classes, class_names, CLASSES);
	for (unsigned d = 0; d < DIMS; d++)
		dimension(j, &s->sum, d);
	json_close(j, '}');
}

static void misfit(struct json *j, const struct report *r, const struct misfit *f)
{
	json_open(j, NULL, '{');
	json_number(j, "pid", f->pid);
	json_number(j, "tid", f->m.tid);
	json_number(j, "start_ns", f->m.start_ns);
	json_text(j, "op", op_names[f->m.op <= LEDGER_COPY ? f->m.op : LEDGER_READ]);
	json_open(j, "caller", '{');
	place(j, r, &f->caller, f->until_ns);
	json_close(j, '}');
	if (f->path)
		json_name(j, "path", "path_hex", f->path);
	json_number(j, "fd", (uint64_t)f->m.fd);
	json_number(j, "address", f->m.address);
	json_number(j, "offset", f->m.offset);
	json_number(j, "length", f->m.length);
	json_number(j, "mem_align", f->m.mem_align);
	json_number(j, "offset_align", f->m.offset_align);
	json_open(j, "off", '[');
	for (unsigned d = 0; d < DIMS; d++)
		if (f->m.off & 1u << d)
			json_text(j, NULL, dim_names[d]);
	json_close(j, ']');
	json_text(j, "refused_by", f->m.strict ? "strict" : "kernel");
	json_number(j, "errno", f->m.error);
	json_close(j, '}');
}

void report_json_sites(const struct report *r, struct json *j)
{
	json_open(j, "sites", '[');
	for (size_t i = 0; i < r->sites_n; i++)
		site(j, r, &r->sites[i]);
	json_close(j, ']');
	json_number(j, "misfits_seen", r->misfits_seen);
	json_open(j, "misfits", '[');
	for (size_t i = 0; i < r->misfits_n; i++)
		misfit(j, r, &r->misfits[i]);
	json_close(j, ']');
	symbols_end();
	json_open(j, "records", '{');
	json_number(j, "kept", r->records_n);
	json_number(j, "overwritten", r->records_lost);
	json_number(j, "incomplete", r->records_incomplete);
	json_close(j, '}');
}

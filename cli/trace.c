/*
 * trace: the single requests that were kept, as JSON lines or in the trace
 * event format that Perfetto and chrome://tracing open. The first record of
 * both says how many there are, and how many newer ones have overwritten.
 */
#include "gather.h"

#include "json.h"
#include "names.h"

static void head(struct json *j, const struct report *r)
{
	json_name(j, "command", "command_hex", r->command ? r->command : "");
	json_number(j, "kept", r->records_n);
	json_number(j, "overwritten", r->records_lost);
	json_number(j, "incomplete", r->records_incomplete);
}

/* Where it went: beside the time and the thread, all that is known of it. */
static void request(struct json *j, const struct record *rec)
{
	const struct ledger_record *l = &rec->r;

	json_text(j, "op", op_names[l->op <= LEDGER_COPY ? l->op : LEDGER_READ]);
	json_signed(j, "fd", l->fd);
	if (rec->path)
		json_name(j, "path", "path_hex", rec->path);
	if (l->offset >= 0)
		json_signed(j, "offset", l->offset);
	json_number(j, "length", l->asked);
	json_number(j, "address_remainder", l->address_rest);
	json_signed(j, "result", l->result);
	if (l->route < ROUTES)
		json_text(j, "route", route_names[l->route]);
	if (l->reason < REASONS)
		json_text(j, "reason", reason_names[l->reason]);
	json_number(j, "copied_bytes", l->copied);
	json_open(j, "off", '[');
	for (unsigned d = 0; d < DIMS; d++)
		if (l->off & 1u << d)
			json_text(j, NULL, dim_names[d]);
	json_close(j, ']');
	if (!rec->caller.module && !rec->caller.offset)
		return;
	json_open(j, "caller", '{');
	if (rec->caller.module)
		json_name(j, "module", "module_hex", rec->caller.module);
	json_number(j, rec->caller.module ? "offset" : "address", rec->caller.offset);
	json_close(j, '}');
}

void report_trace_lines(const struct report *r, FILE *f)
{
	struct json j = { .f = f, .flat = true };

	json_open(&j, NULL, '{');
	json_text(&j, "type", "trace");
	head(&j, r);
	json_close(&j, '}');
	for (size_t i = 0; i < r->records_n; i++) {
		const struct record *rec = &r->records[i];

		j = (struct json){ .f = f, .flat = true };
		json_open(&j, NULL, '{');
		json_text(&j, "type", "request");
		json_number(&j, "start_ns", rec->r.start_ns);
		json_number(&j, "ns", rec->r.ns);
		json_number(&j, "pid", rec->pid);
		json_number(&j, "tid", rec->r.tid);
		request(&j, rec);
		json_close(&j, '}');
	}
}

/* ---- trace events -------------------------------------------------------- */

/* Begins one, for the caller to go on with; sep is what comes before it. */
static struct json event(FILE *f, const char **sep, const char *name, const char *phase,
			 uint32_t pid, uint32_t tid)
{
	struct json j = { .f = f, .flat = true };

	fputs(*sep, f);
	*sep = ",";
	json_open(&j, NULL, '{');
	json_text(&j, "name", name);
	json_text(&j, "ph", phase);
	json_number(&j, "pid", pid);
	json_number(&j, "tid", tid);
	return j;
}

/* A row's title; a process that executed another program is called by the last. */
static void name_process(FILE *f, const char **sep, const struct process *p)
{
	struct json j = event(f, sep, "process_name", "M", p->pid, p->pid);

	json_open(&j, "args", '{');
	json_text(&j, "name", p->command);
	json_close(&j, '}');
	json_close(&j, '}');
}

static void complete_event(FILE *f, const char **sep, const struct record *rec, uint64_t first_ns)
{
	const char *op = op_names[rec->r.op <= LEDGER_COPY ? rec->r.op : LEDGER_READ];
	struct json j = event(f, sep, op, "X", rec->pid, rec->r.tid);

	json_text(&j, "cat", rec->r.route < ROUTES ? route_names[rec->r.route] : "none");
	json_micros(&j, "ts", rec->r.start_ns - first_ns);
	json_micros(&j, "dur", rec->r.ns);
	json_open(&j, "args", '{');
	request(&j, rec);
	json_close(&j, '}');
	json_close(&j, '}');
}

/* Times count from the first request: since 1970 they would lose their nanoseconds in a double. */
void report_trace_chrome(const struct report *r, FILE *f)
{
	uint64_t first_ns = r->records_n ? r->records[0].r.start_ns : 0;
	struct json j = { .f = f, .flat = true };
	const char *sep = "";

	fputs("{\"displayTimeUnit\": \"ns\", \"otherData\": ", f);
	json_open(&j, NULL, '{');
	head(&j, r);
	json_number(&j, "first_ns", first_ns);
	json_close(&j, '}');
	fputs(", \"traceEvents\": [\n", f);
	for (size_t i = 0; i < r->processes_n; i++)
		name_process(f, &sep, &r->processes[i]);
	for (size_t i = 0; i < r->records_n; i++)
		complete_event(f, &sep, &r->records[i], first_ns);
	fputs("]}\n", f);
}

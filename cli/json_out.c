#include "gather.h"

#include "json.h"
#include "names.h"

static const char *const state_names[] = {
	[LEDGER_RUNNING] = "killed",	/* if it does not run any more */
	[LEDGER_EXITED] = "exited",
	[LEDGER_EXECED] = "execed",
};

const char *process_state(const struct process *p)
{
	if (p->alive)
		return "running";
	if ((unsigned)p->state >= sizeof(state_names) / sizeof(state_names[0]))
		return "unknown";
	return state_names[p->state];
}

static void sums(struct json *j, const char *key, const struct ledger_sum *s,
		 const char *const *names, unsigned n)
{
	json_open(j, key, '{');
	for (unsigned i = 0; i < n; i++) {
		json_open(j, names[i], '{');
		json_number(j, "calls", s[i].calls);
		json_number(j, "bytes", s[i].bytes);
		json_close(j, '}');
	}
	json_close(j, '}');
}

void json_numbers(struct json *j, const char *key, const uint64_t *list,
		  const char *const *names, unsigned n)
{
	json_open(j, key, '{');
	for (unsigned i = 0; i < n; i++)
		json_number(j, names[i], list[i]);
	json_close(j, '}');
}

/* Reasons without a byte are left out. */
void json_reasons(struct json *j, const uint64_t *bytes)
{
	json_open(j, "reasons", '{');
	for (unsigned i = 0; i < REASONS; i++) {
		if (!bytes[i])
			continue;
		json_open(j, reason_names[i], '{');
		json_number(j, "bytes", bytes[i]);
		json_close(j, '}');
	}
	json_close(j, '}');
}

void json_name(struct json *j, const char *key, const char *hex_key, const char *text)
{
	json_text(j, key, text);
	if (!utf8_valid(text))
		json_hex(j, hex_key, text);
}

static void file(struct json *j, const struct ledger_file *f)
{
	json_open(j, NULL, '{');
	json_name(j, "path", "path_hex", f->path);
	json_number(j, "dev", f->dev);
	json_number(j, "ino", f->ino);
	json_number(j, "mem_align", f->mem_align);
	json_number(j, "offset_align", f->offset_align);
	json_number(j, "write_align", f->write_align);
	json_text(j, "align_from", align_names[f->align_from < ALIGNS ? f->align_from : 0]);
	json_bool(j, "block_device", f->block_device);
	sums(j, "routes", f->routes, route_names, ROUTES);
	json_reasons(j, f->reason_bytes);
	json_numbers(j, "classes", f->classes, class_names, CLASSES);
	json_number(j, "read_bytes", f->read_bytes);
	json_number(j, "written_bytes", f->written_bytes);
	if (f->auto_last[LEDGER_READ] || f->auto_last[LEDGER_WRITE]) {
		json_open(j, "auto", '{');
		for (unsigned i = 0; i < 2; i++)
			if (auto_name(f->auto_last[i]))
				json_text(j, op_names[i], auto_name(f->auto_last[i]));
		json_number(j, "changes", f->auto_changes);
		json_close(j, '}');
	}
	json_close(j, '}');
}

static void process(struct json *j, const struct process *p)
{
	struct kernel_count kernel = process_kernel(p);
	uint64_t all = kernel.rchar + kernel.wchar, seen = process_seen(p);

	json_open(j, NULL, '{');
	json_number(j, "pid", p->pid);
	json_number(j, "ppid", p->ppid);
	json_text(j, "state", process_state(p));
	json_name(j, "command", "command_hex", p->command);
	json_number(j, "start_ns", p->start_ns);
	json_number(j, "end_ns", p->end_ns);
	json_bool(j, "closes", !p->open);
	json_text(j, "mode", mode_name(p->mode));
	json_number(j, "strict_align", p->strict_align);
	json_numbers(j, "counters", p->counters, counter_names, COUNTERS);
	json_numbers(j, "classes", p->classes, class_names, CLASSES);
	sums(j, "routes", p->routes, route_names, ROUTES);
	sums(j, "reasons", p->reasons, reason_names, REASONS);
	json_open(j, "witness", '{');
	json_bool(j, "read", p->witness.readings > 0);
	json_number(j, "seen_bytes", seen);
	json_number(j, "unseen_bytes", all > seen ? all - seen : 0);
	json_number(j, "rchar", kernel.rchar);
	json_number(j, "wchar", kernel.wchar);
	json_number(j, "children_bytes", p->children.rchar + p->children.wchar);
	json_close(j, '}');
	json_close(j, '}');
}

static void witness(struct json *j, const struct report *r)
{
	json_open(j, "witness", '{');
	json_number(j, "seen_bytes", r->seen_bytes);
	json_number(j, "unseen_bytes", r->unseen_bytes);
	json_number(j, "rchar", r->kernel.rchar);
	json_number(j, "wchar", r->kernel.wchar);
	json_number(j, "processes", r->read_n);
	json_number(j, "unread_processes", r->unread_n);
	json_number(j, "killed_processes", r->stale_n);
	json_number(j, "running_processes", r->alive_n);
	json_close(j, '}');
}

/* What the kernel copied once more, on the whole host, while the command ran. */
static void swiotlb(struct json *j, const struct swiotlb_result *s)
{
	json_open(j, "swiotlb", '{');
	json_bool(j, "readable", s->readable);
	json_bool(j, "at_least", s->at_least);
	json_number(j, "bytes", s->bytes);
	json_number(j, "bounces", s->bounces);
	json_text(j, "why", s->why);
	json_close(j, '}');
}

void report_json(const struct report *r, FILE *f)
{
	struct json j = { .f = f };

	json_open(&j, NULL, '{');
	json_name(&j, "command", "command_hex", r->command ? r->command : "");
	json_number(&j, "elapsed_ns", r->elapsed_ns);
	json_bool(&j, "closes", r->open_n == 0);
	sums(&j, "routes", r->routes, route_names, ROUTES);
	json_open(&j, "copies", '{');
	json_number(&j, "made_bytes", r->made_bytes);
	json_number(&j, "saved_bytes", r->saved_bytes);
	json_number(&j, "buffered_bytes", r->buffered_bytes);
	json_close(&j, '}');
	sums(&j, "reasons", r->reasons, reason_names, REASONS);
	json_numbers(&j, "counters", r->counters, counter_names, COUNTERS);
	json_bool(&j, "classified", r->classified);
	json_numbers(&j, "classes", r->classes, class_names, CLASSES);
	witness(&j, r);
	if (r->watched)
		swiotlb(&j, &r->swiotlb);
	json_open(&j, "files", '[');
	for (size_t i = 0; i < r->files_n; i++)
		file(&j, &r->files[i]);
	json_close(&j, ']');
	json_open(&j, "processes", '[');
	for (size_t i = 0; i < r->processes_n; i++)
		process(&j, &r->processes[i]);
	json_close(&j, ']');
	report_json_sites(r, &j);
	json_close(&j, '}');
}

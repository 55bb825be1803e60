/*
 * sum: many processes to one report. Sums add; file rows merge by device,
 * inode and path; the kernel's counts lose what they hold twice.
 */
#include "gather.h"

#include "names.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_pid(const void *x, const void *y)
{
	const struct process *a = x, *b = y;
	int c = compare(a->pid, b->pid);

	return c ? c : compare(a->start_ns, b->start_ns);
}

static int by_start(const void *x, const void *y)
{
	const struct process *a = x, *b = y;
	int c = compare(a->start_ns, b->start_ns);

	return c ? c : compare(a->pid, b->pid);
}

static int by_name(const void *x, const void *y)
{
	const struct ledger_file *a = x, *b = y;
	int c = compare(a->dev, b->dev);

	c = c ? c : compare(a->ino, b->ino);
	/* Overflow rows are one, whatever they are called. */
	return c || (!a->dev && !a->ino) ? c : strcmp(a->path, b->path);
}

static uint64_t file_bytes(const struct ledger_file *file)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < ROUTES; i++)
		bytes += file->routes[i].bytes;
	return bytes;
}

static int by_bytes(const void *x, const void *y)
{
	const struct ledger_file *a = x, *b = y;
	int c = compare(file_bytes(b), file_bytes(a));

	return c ? c : strcmp(a->path, b->path);
}

static void add_sums(struct ledger_sum *to, const struct ledger_sum *from, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		to[i].calls += from[i].calls;
		to[i].bytes += from[i].bytes;
	}
}

static void merge_into(struct ledger_file *to, const struct ledger_file *from)
{
	add_sums(to->routes, from->routes, ROUTES);
	for (unsigned i = 0; i < REASONS; i++)
		to->reason_bytes[i] += from->reason_bytes[i];
	for (unsigned i = 0; i < CLASSES; i++)
		to->classes[i] += from->classes[i];
	to->read_bytes += from->read_bytes;
	to->written_bytes += from->written_bytes;
	to->block_device |= from->block_device;
	for (unsigned i = 0; i < 2; i++)
		if (to->auto_last[i] == 0)
			to->auto_last[i] = from->auto_last[i];
	to->auto_changes += from->auto_changes;
	/* A process that never routed the file does not know them. */
	if (from->mem_align > to->mem_align)
		to->mem_align = from->mem_align;
	if (from->offset_align > to->offset_align) {
		to->offset_align = from->offset_align;
		to->align_from = from->align_from;
	}
	if (from->write_align > to->write_align)
		to->write_align = from->write_align;
}

static void merge_files(struct report *r)
{
	size_t kept = 0;

	if (!r->files_n)
		return;
	qsort(r->files, r->files_n, sizeof(*r->files), by_name);
	for (size_t i = 1; i < r->files_n; i++) {
		if (by_name(&r->files[kept], &r->files[i]) == 0)
			merge_into(&r->files[kept], &r->files[i]);
		else
			r->files[++kept] = r->files[i];
	}
	r->files_n = kept + 1;
	for (size_t i = 0; i < r->files_n; i++)
		if (!r->files[i].dev && !r->files[i].ino)
			strcpy(r->files[i].path, "(other files)");
	qsort(r->files, r->files_n, sizeof(*r->files), by_bytes);
}

/* a - b, 0 rather than below it. */
static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What of a process's count may be its children's: not its own for certain. */
static struct kernel_count spare(const struct process *p)
{
	const struct ledger_witness *w = &p->witness;
	uint64_t own_r = larger(w->rchar0 + w->seen_rchar, p->first_thread.rchar);
	uint64_t own_w = larger(w->wchar0 + w->seen_wchar, p->first_thread.wchar);

	if (!w->readings)
		return (struct kernel_count){ 0 };
	return (struct kernel_count){
		less(less(w->rchar, own_r), p->children.rchar),
		less(less(w->wchar, own_w), p->children.wchar),
	};
}

/* All that the kernel had counted for a process when it ended. */
static struct kernel_count whole_count(const struct process *p)
{
	const struct ledger_witness *w = &p->witness;

	return (struct kernel_count){
		larger(w->rchar, w->rchar0 + p->counters[COUNTER_seen_rchar]),
		larger(w->wchar, w->wchar0 + p->counters[COUNTER_seen_wchar]),
	};
}

/* The last ledger of this pid that began before; NULL: none. Sorted by pid. */
static struct process *find(struct report *r, uint32_t pid, uint64_t before_ns)
{
	size_t low = 0, high = r->processes_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct process *p = &r->processes[middle];

		if (p->pid < pid || (p->pid == pid && p->start_ns <= before_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low && r->processes[low - 1].pid == pid ? &r->processes[low - 1]
						       : NULL;
}

/*
 * When a process has waited for a child, the kernel adds the child's counts to
 * its own. A child with a ledger would then count twice. Whether it was waited
 * for is written nowhere; it was, if the sum has room for it.
 */
static void charge_parent(struct report *r, struct process *last)
{
	struct kernel_count whole = whole_count(last);
	struct process *first = last, *p;

	while (first > r->processes && first[-1].went_on)
		first--;
	p = find(r, first->ppid, first->start_ns);
	for (; p; p = p->went_on ? p + 1 : NULL) {
		struct kernel_count room = spare(p);

		if (p->end_ns && last->end_ns > p->end_ns)
			continue;
		if (p == first || room.rchar < whole.rchar ||
		    room.wchar < whole.wchar)
			continue;
		p->children.rchar += whole.rchar;
		p->children.wchar += whole.wchar;
		return;
	}
}

static void find_children(struct report *r)
{
	struct process *list = r->processes;

	if (!r->processes_n)
		return;
	qsort(list, r->processes_n, sizeof(*list), by_pid);
	for (size_t i = 0; i + 1 < r->processes_n; i++)
		list[i].went_on = list[i].state == LEDGER_EXECED &&
				  list[i].pid == list[i + 1].pid;
	for (size_t i = 0; i < r->processes_n; i++)
		if (!list[i].alive && !list[i].went_on)
			charge_parent(r, &list[i]);
	qsort(list, r->processes_n, sizeof(*list), by_start);
}

struct kernel_count process_kernel(const struct process *p)
{
	const struct ledger_witness *w = &p->witness;

	if (!w->readings)
		return (struct kernel_count){ 0 };
	return (struct kernel_count){
		less(w->rchar, w->rchar0 + p->children.rchar),
		less(w->wchar, w->wchar0 + p->children.wchar),
	};
}

uint64_t process_seen(const struct process *p)
{
	if (!p->witness.readings)
		return 0;
	return p->witness.seen_rchar + p->witness.seen_wchar;
}

/* More than a process moves in its life: sums of such could pass 2^64 and look right. */
#define FIGURE_MAX ((uint64_t)1 << 56)

static bool beyond(const struct ledger_sum *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (s[i].calls > FIGURE_MAX || s[i].bytes > FIGURE_MAX)
			return true;
	return false;
}

static bool impossible(const struct process *p)
{
	const struct ledger_witness *w = &p->witness;

	for (unsigned i = 0; i < COUNTERS; i++)
		if (p->counters[i] > FIGURE_MAX)
			return true;
	return beyond(p->routes, ROUTES) || beyond(p->reasons, REASONS) ||
	       w->rchar > FIGURE_MAX || w->wchar > FIGURE_MAX || w->rchar0 > FIGURE_MAX ||
	       w->wchar0 > FIGURE_MAX || w->seen_rchar > FIGURE_MAX || w->seen_wchar > FIGURE_MAX;
}

static const char *why_open(const struct process *p)
{
	const struct ledger_witness *w = &p->witness;
	uint64_t routed = 0, reasoned = 0;

	if (impossible(p))
		return "a figure is larger than any process could reach";
	for (unsigned i = 0; i < ROUTES; i++)
		routed += p->routes[i].bytes;
	for (unsigned i = 0; i < REASONS; i++)
		reasoned += p->reasons[i].bytes;
	if (p->counters[COUNTER_asked_bytes] !=
	    routed + p->counters[COUNTER_not_transferred_bytes])
		return "the bytes asked for are not those of the routes and those not transferred";
	if (reasoned != p->routes[ROUTE_bounced].bytes +
			p->routes[ROUTE_staged].bytes +
			p->routes[ROUTE_cached].bytes +
			p->routes[ROUTE_in_kernel].bytes)
		return "the bytes of the reasons are not those of the routes";
	if (w->readings && (w->rchar < w->rchar0 + w->seen_rchar ||
			    w->wchar < w->wchar0 + w->seen_wchar))
		return "the shim claims more bytes than the kernel counted";
	return NULL;
}

static void sum_process(struct report *r, struct process *p)
{
	struct kernel_count kernel = process_kernel(p);

	for (unsigned i = 0; i < COUNTERS; i++)
		r->counters[i] += p->counters[i];
	add_sums(r->routes, p->routes, ROUTES);
	add_sums(r->reasons, p->reasons, REASONS);
	for (unsigned i = 0; i < CLASSES; i++)
		r->classes[i] += p->classes[i];
	r->classified |= p->has_sites || p->records_n || p->mode == MODE_observe ||
			 p->mode == MODE_strict;
	r->kernel.rchar += kernel.rchar;
	r->kernel.wchar += kernel.wchar;
	r->seen_bytes += process_seen(p);
	r->all_n += !p->went_on;
	r->read_n += !p->went_on && p->witness.readings;
	r->unread_n += p->witness.readings == 0;
	r->alive_n += p->alive;
	/* Killed: the kernel's reading is older than the last calls. */
	r->stale_n += p->state == LEDGER_RUNNING && !p->exact &&
		      p->witness.readings;
	p->open = why_open(p);
	r->open_n += p->open != NULL;
}

static void sum_copies(struct report *r)
{
	for (unsigned i = 0; i < ROUTES; i++)
		r->made_bytes += r->routes[i].bytes * route_copies[i];
	r->buffered_bytes = r->routes[ROUTE_zero_copy].bytes +
			    r->routes[ROUTE_bounced].bytes +
			    r->routes[ROUTE_staged].bytes +
			    r->routes[ROUTE_cached].bytes;
	r->saved_bytes = less(r->buffered_bytes, r->made_bytes);
}

/* From the first start to the last end; the living have lived till now. */
static uint64_t span(const struct report *r)
{
	uint64_t first = UINT64_MAX, last = 0;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < r->processes_n; i++) {
		const struct process *p = &r->processes[i];

		if (p->start_ns < first)
			first = p->start_ns;
		last = larger(last, p->end_ns);
		if (p->alive)
			last = larger(last, (uint64_t)now.tv_sec * 1000000000 +
					    (uint64_t)now.tv_nsec);
	}
	return less(last, first);
}

void report_sum(struct report *r)
{
	find_children(r);
	for (size_t i = 0; i < r->processes_n; i++)
		sum_process(r, &r->processes[i]);
	r->unseen_bytes = less(r->kernel.rchar + r->kernel.wchar, r->seen_bytes);
	sum_copies(r);
	merge_files(r);
	report_sum_sites(r);
	if (!r->elapsed_ns)
		r->elapsed_ns = span(r);
}

#include "book.h"

#include "book_map.h"
#include "own.h"
#include "state.h"
#include "sys.h"

#include <string.h>
#include <sys/mman.h>

struct ledger *book_ledger;
uint32_t book_epoch;
__thread struct tally book_tally;
bool book_tallies;

struct ledger book_spare;	/* also where no mapping can be had */
static uint64_t looked;		/* bytes that book_worth read before there was a ledger */
static char saved_as[BOOK_NAME];	/* in own_dir: a ledger that lies in memory of its own; empty: mapped */
static size_t size = sizeof(struct ledger);	/* of the mapping, with all that follows */
static bool forked;		/* a fork child's counts in /proc/self/io began at 0 */

/* One read of a file of /proc. */
static ssize_t read_proc(const char *name, char *to, size_t max)
{
	ssize_t n = -EAGAIN;
	int fd;

	if (!own_open_begin())
		return n;
	fd = own_open_proc(name, O_RDONLY);
	if (fd >= 0) {
		n = sys_read(fd, to, max);
		sys_close(fd);
	}
	own_open_end();
	return n;
}

static void read_command(char *to, size_t max)
{
	ssize_t n;

	to[0] = '\0';
	n = read_proc("self/cmdline", to, max - 1);
	if (n <= 0)
		return;
	book_own_read((size_t)n);
	to[n] = '\0';
	for (ssize_t i = 0; i + 1 < n; i++)
		if (to[i] == '\0')
			to[i] = ' ';
}

static uint64_t field(const char *text, const char *name)
{
	const char *s = strstr(text, name);
	uint64_t x = 0;

	if (!s)
		return 0;
	for (s += strlen(name); *s >= '0' && *s <= '9'; s++)
		x = x * 10 + (uint64_t)(*s - '0');
	return x;
}

/* rchar and wchar of this process; how many bytes the reading took, 0 if it failed. */
static size_t read_io(uint64_t *rchar, uint64_t *wchar)
{
	char text[512];
	ssize_t n = read_proc("self/io", text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (!strstr(text, "wchar: "))
		return 0;
	*rchar = field(text, "rchar: ");
	*wchar = field(text, "wchar: ");
	return (size_t)n;
}

bool book_worth(void)
{
	uint64_t rchar = 0, wchar = 0;
	size_t n = read_io(&rchar, &wchar);

	looked = n;
	return rchar + wchar > 0;
}

struct ledger *book_make(void)
{
	char name[BOOK_NAME];
	const struct config *c = &state_config;
	struct ledger *l, *none = NULL;
	const size_t mine = ledger_size(c->backtrace, c->records);
	uint64_t zeroed = 0;	/* bytes written to make the ledger's file */
	bool aside;

	l = book_map(name, mine, &aside, &zeroed);
	if (!l)
		l = &book_spare;

	if (!__atomic_compare_exchange_n(&book_ledger, &none, l, 0, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		/* Another thread's came first: ours was never there. */
		if (name[0] && own_mine(&own_dir) >= 0)
			sys_call(SYS_unlinkat, own_dir, sys_ptr(name), 0, 0, 0, 0);
		if (l != &book_spare)
			sys_munmap(l, mine);
		return none;
	}
	size = mine;
	strcpy(saved_as, aside ? name : "");
	__atomic_fetch_add(&book_epoch, 1, __ATOMIC_RELEASE);
	memcpy(l->magic, LEDGER_MAGIC, sizeof(l->magic));
	l->version = LEDGER_VERSION;
	l->size = sizeof(*l);
	l->mode = c->mode;
	l->strict_align = c->strict_align;
	l->routes_n = ROUTES;
	l->counters_n = COUNTERS;
	l->reasons_n = REASONS;
	l->files_n = LEDGER_FILES;
	if (l != &book_spare) {
		l->records_n = c->records;
		__atomic_store_n(&l->has_sites, c->backtrace > 0, __ATOMIC_RELEASE);
	}
	l->pid = (uint32_t)sys_getpid();
	l->ppid = (uint32_t)sys_getppid();
	l->start_ns = sys_now_ns(CLOCK_REALTIME);
	if (forked) {
		book_own_read(looked);
		book_kernel(OP_WRITE, zeroed);
		looked = 0;
	} else if (state_now() != STATE_OFF) {
		struct ledger_witness *w = &l->witness;

		book_own_read(read_io(&w->rchar0, &w->wchar0));
		w->rchar = w->rchar0;
		w->wchar = w->wchar0;
	}
	if (state_now() != STATE_OFF)
		read_command(l->command, sizeof(l->command));
	return l;
}

void book_start(void)
{
	book_now();
}

void book_lost(void)
{
	book_ledger = &book_spare;
	book_epoch++;
}

void book_forked(void)
{
	/* For whoever has the address still (book_of); and the parent's books are the parent's. */
	if (book_ledger && book_ledger != &book_spare)
		sys_mmap(book_ledger, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	book_ledger = NULL;
	forked = true;
	looked = 0;
}

void book_witness(enum ledger_state state)
{
	struct ledger *l = __atomic_load_n(&book_ledger, __ATOMIC_ACQUIRE);
	struct ledger_witness *w;
	uint64_t rchar = 0, wchar = 0, seen_rchar, seen_wchar;
	size_t own;

	if (!l)
		return;
	w = &l->witness;
	/* Ours first: what another thread moves meanwhile then counts as unseen, not as less than nothing. */
	seen_rchar = __atomic_load_n(&l->counters[COUNTER_seen_rchar], __ATOMIC_RELAXED);
	seen_wchar = __atomic_load_n(&l->counters[COUNTER_seen_wchar], __ATOMIC_RELAXED);
	own = read_io(&rchar, &wchar);
	if (own) {
		book_own_read(own);
		w->seen_rchar = seen_rchar;
		w->seen_wchar = seen_wchar;
		w->rchar = rchar;
		w->wchar = wchar;
		w->readings++;
	}
	l->end_ns = sys_now_ns(CLOCK_REALTIME);
	l->state = state;
}

void book_save(void)
{
	struct ledger *l = __atomic_load_n(&book_ledger, __ATOMIC_ACQUIRE);
	ssize_t n = 1;
	int fd;

	if (!l || !saved_as[0] || !book_may_grow(size) || own_mine(&own_dir) < 0 || !own_open_begin())
		return;
	fd = sys_openat(own_dir, saved_as, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd >= 0)
		book_kernel(OP_WRITE, size);
	for (size_t at = 0; fd >= 0 && n > 0 && at < size; at += (size_t)n)
		n = sys_pwrite(fd, (const char *)l + at, size - at, (int64_t)at);
	if (fd >= 0)
		sys_close(fd);
	own_open_end();
}

struct ledger_file *book_row(const struct stat *st, const char *path)
{
	struct ledger *l = book_now();
	size_t n = strlen(path);
	uint32_t i, used = __atomic_load_n(&l->files_used, __ATOMIC_ACQUIRE);
	struct ledger_file *row;

	if (n >= LEDGER_PATH)
		path += n - (LEDGER_PATH - 1);
	for (i = 0; i < used && i < LEDGER_FILES; i++) {
		row = &l->files[i];
		if (__atomic_load_n(&row->used, __ATOMIC_ACQUIRE) && row->ino == st->st_ino && row->dev == st->st_dev &&
		    strcmp(row->path, path) == 0)
			return row;
	}
	i = __atomic_fetch_add(&l->files_used, 1, __ATOMIC_ACQ_REL);
	if (i >= LEDGER_FILES - 1) {
		__atomic_store_n(&l->files_used, LEDGER_FILES, __ATOMIC_RELEASE);
		row = &l->files[LEDGER_FILES - 1];
		__atomic_store_n(&row->used, 1, __ATOMIC_RELEASE);
		return row;
	}
	row = &l->files[i];
	row->dev = st->st_dev;
	row->ino = st->st_ino;
	row->block_device = S_ISBLK(st->st_mode);
	strcpy(row->path, path);
	__atomic_store_n(&row->used, 1, __ATOMIC_RELEASE);
	return row;
}

unsigned book_row_number(const struct ledger_file *row)
{
	return row ? (unsigned)(row - book_now()->files) + 1 : 0;
}

static void book_route(struct ledger_file *row, enum route route, enum reason why, size_t n)
{
	if (!row)
		return;
	book_add(&row->routes[route].calls, 1);
	book_add(&row->routes[route].bytes, n);
	if (why != REASON_NONE)
		book_add(&row->reason_bytes[why], n);
}

static void book_total(struct ledger *l, enum route route, enum reason why, size_t n)
{
	book_add(&l->routes[route].calls, 1);
	book_add(&l->routes[route].bytes, n);
	if (book_tallies) {
		book_tally.routes[route] += n;
		if (why != REASON_NONE)
			book_tally.reasons[why] += n;
	}
	if (why != REASON_NONE) {
		book_add(&l->reasons[why].calls, 1);
		book_add(&l->reasons[why].bytes, n);
	}
}

void book_moved(struct ledger_file *row, enum op op, enum route route, enum reason why, size_t n)
{
	book_moved_in(book_now(), row, op, route, why, n);
}

void book_moved_in(struct ledger *l, struct ledger_file *row, enum op op, enum route route,
		   enum reason why, size_t n)
{
	book_total(l, route, why, n);
	if (n == 0)
		return;
	book_add(&l->counters[op == OP_READ ? COUNTER_read_bytes : COUNTER_written_bytes], n);
	book_route(row, route, why, n);
	if (row)
		book_add(op == OP_READ ? &row->read_bytes : &row->written_bytes, n);
}

void book_copied(struct ledger_file *in, struct ledger_file *out, enum route route,
		 enum reason why, size_t n)
{
	book_copied_in(book_now(), in, out, route, why, n);
}

void book_copied_in(struct ledger *l, struct ledger_file *in, struct ledger_file *out,
		    enum route route, enum reason why, size_t n)
{
	book_total(l, route, why, n);
	if (n == 0)
		return;
	if (route != ROUTE_in_kernel)
		book_add(&l->counters[COUNTER_copied_bytes], n);
	book_route(in, route, why, n);
	book_route(out, route, why, n);
	if (in)
		book_add(&in->read_bytes, n);
	if (out)
		book_add(&out->written_bytes, n);
}

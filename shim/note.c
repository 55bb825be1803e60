#include "note.h"

#include "site.h"
#include "state.h"
#include "sys.h"

bool note_on;
static __thread uint32_t thread_id, thread_generation;

void note_configure(void)
{
	const struct config *c = &state_config;

	note_on = config_observes(c) || (c->mode != MODE_off && (c->backtrace || c->records));
	book_tallies = note_on && !config_observes(c);	/* observed requests bring their own */
	site_start();
}

uint64_t note_start(void)
{
	return state_config.records ? sys_now_ns(CLOCK_REALTIME) : 0;
}

static uint32_t my_tid(void)
{
	if (thread_id == 0 || thread_generation != state_generation) {
		thread_id = (uint32_t)sys_call(SYS_gettid, 0, 0, 0, 0, 0, 0);
		thread_generation = state_generation;
	}
	return thread_id;
}

static uint64_t moved(const struct note *n)
{
	return n->ret > 0 ? (uint64_t)n->ret : 0;
}

static uintptr_t address(const struct note *n)
{
	return n->iov && n->iovcnt > 0 && n->asked > 0 ? (uintptr_t)n->iov[0].iov_base : 0;
}

static uint64_t copied(const struct note *n)
{
	static const unsigned copies[ROUTES] = {
#define ROUTE(name, copies, sentence) copies,
#include "counters.def"
#undef ROUTE
	};
	uint64_t sum = 0;

	for (int i = 0; i < ROUTES; i++)
		sum += n->tally->routes[i] * copies[i];
	return sum;
}

/* ---- what it is to direct I/O -------------------------------------------- */

static void judge(const struct note *n, struct classified *c)
{
	const bool known = n->align.mem && (n->off >= 0 || n->appends) && n->iov;
	struct plan_in in = {
		.op = n->op == LEDGER_READ ? OP_READ : OP_WRITE, .off = n->off < 0 ? 0 : (uint64_t)n->off,
		.len = moved(n), .iov = n->iov, .iovcnt = n->iovcnt, .align = n->align,
		.exact = n->direct,
	};

	if (known && (in.op == OP_READ ? in.align.read : in.align.write)) {
		if (n->appends) {
			*c = (struct classified){ 0 };
			in.len = n->asked;
			classify_asked(c, &in);
			c->bytes[CLASS_never] = moved(n);
		} else {
			classify(c, &in, n->asked);
		}
		if (n->ret == 0)	/* the end of the file: nobody is refused there */
			c->off = 0;
		return;
	}
	*c = (struct classified){ 0 };
	if (n->op != LEDGER_COPY)
		c->bytes[CLASS_never] = moved(n);
}

static void book_classes(const struct note *n, const struct classified *c)
{
	for (int i = 0; i < CLASSES; i++) {
		if (!c->bytes[i])
			continue;
		book_add(&n->l->classes[i], c->bytes[i]);
		if (n->row)
			book_add(&n->row->classes[i], c->bytes[i]);
	}
	if (c->off)
		book_add(&n->l->counters[COUNTER_misaligned_calls], 1);
	if (n->strict)
		book_add(&n->l->counters[COUNTER_refused_calls], 1);
}

/* ---- the call site ------------------------------------------------------- */

static void site_alignment(struct ledger_site *s, const struct note *n, const struct classified *c)
{
	const uint64_t value[DIMS] = {
		address(n), (uint64_t)n->off, n->asked,
	};

	for (unsigned d = 0; d < DIMS; d++) {
		if (d == DIM_offset && n->off < 0)
			continue;
		book_add(&s->powers[d][site_power(value[d])], 1);
		if (!(c->off & 1u << d))
			continue;
		book_add(&s->off_calls[d], 1);
		book_add(&s->off_bytes[d], moved(n));
		site_rest(&s->rests[d], c->rest[d]);
	}
}

static void site_book(struct ledger_site *s, const struct note *n, const struct classified *c)
{
	book_add(&s->calls, 1);
	book_add(&s->asked_bytes, n->asked);
	if (n->ret < 0)
		book_add(&s->failed_calls, 1);
	if (c->off)
		book_add(&s->misaligned_calls, 1);
	if (n->strict)
		book_add(&s->refused_calls, 1);
	for (int i = 0; i < ROUTES; i++)
		if (n->tally->routes[i])
			book_add(&s->routes[i], n->tally->routes[i]);
	for (int i = 0; i < REASONS; i++)
		if (n->tally->reasons[i])
			book_add(&s->reason_bytes[i], n->tally->reasons[i]);
	for (int i = 0; i < CLASSES; i++)
		if (c->bytes[i])
			book_add(&s->classes[i], c->bytes[i]);
	if (n->iov)
		site_alignment(s, n, c);
}

/* ---- what failed --------------------------------------------------------- */

static void misfit(const struct note *n, const struct classified *c, unsigned site)
{
	struct ledger_sites *s = ledger_sites(n->l);
	uint64_t number;
	struct ledger_misfit *m;

	if (!n->strict)
		book_add(&n->l->counters[COUNTER_explained_calls], 1);
	if (!s)
		return;
	number = __atomic_fetch_add(&s->misfits_seen, 1, __ATOMIC_RELAXED);
	if (number >= LEDGER_MISFITS)
		return;
	m = &s->misfits[number];
	*m = (struct ledger_misfit){
		.start_ns = sys_now_ns(CLOCK_REALTIME),
		.address = address(n),
		.offset = (uint64_t)n->off, .length = n->asked, .site = site,
		.file = book_row_number(n->row), .tid = my_tid(), .fd = n->fd,
		.mem_align = n->align.mem,
		.offset_align = n->op == LEDGER_READ ? n->align.read : n->align.write,
		.op = (uint8_t)n->op, .off = (uint8_t)c->off, .strict = n->strict,
		.error = (uint8_t)-n->ret,
	};
	__atomic_store_n(&m->used, 1, __ATOMIC_RELEASE);
}

/* ---- records ------------------------------------------------------------- */

static unsigned largest(const uint64_t *list, unsigned n, unsigned none)
{
	unsigned best = none;

	for (unsigned i = 0; i < n; i++)
		if (list[i] && (best == none || list[i] > list[best]))
			best = i;
	return best;
}

/*
 * Two writers that meet in one place, a whole round apart, mix their record: the
 * one that ends last finds the other's number there, and leaves none.
 */
static void record(const struct note *n, const struct classified *c, unsigned site, uint32_t room)
{
	struct ledger_record *r;
	uint64_t number;

	number = __atomic_fetch_add(&n->l->records_next, 1, __ATOMIC_RELAXED);
	r = &ledger_records(n->l)[number % room];
	__atomic_store_n(&r->number, 0, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	r->start_ns = n->start_ns;
	r->ns = sys_now_ns(CLOCK_REALTIME) - n->start_ns;
	r->offset = n->off;
	r->asked = n->asked;
	r->result = n->ret;
	r->copied = copied(n);
	r->tid = my_tid();
	r->fd = n->fd;
	r->site = site;
	r->file = book_row_number(n->row);
	r->address_rest = (uint32_t)(address(n) & 0xffff);
	r->op = (uint8_t)n->op;
	r->off = (uint8_t)c->off;
	r->route = (uint8_t)largest(n->tally->routes, ROUTES, ROUTES);
	r->reason = (uint8_t)largest(n->tally->reasons, REASONS, REASON_NONE);
	if (__atomic_exchange_n(&r->number, number + 1, __ATOMIC_ACQ_REL) != 0)
		__atomic_store_n(&r->number, 0, __ATOMIC_RELEASE);
}

void note_request(const struct note *n)
{
	/* Once: a handler may fork, and its child come back to a ledger of zeroes. */
	const uint32_t room = __atomic_load_n(&n->l->records_n, __ATOMIC_RELAXED);
	const bool failed = n->strict || (n->direct && (n->ret == -EINVAL || n->ret == -EIO));
	struct classified c;
	struct ledger_site *s;
	unsigned site;

	if (n->l == &book_spare)
		return;
	judge(n, &c);
	book_classes(n, &c);
	if (!note_keeps(n->l) && !failed)
		return;
	s = site_of(n->l, n->caller, n->op, book_row_number(n->row));
	site = site_number(n->l, s);
	if (s)
		site_book(s, n, &c);
	if (failed)
		misfit(n, &c, site);
	if (room)
		record(n, &c, site, room);
}

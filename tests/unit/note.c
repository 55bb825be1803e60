/*
 * What is kept of single requests: records in their ring, what failed, classes;
 * each field of what is known, and threads at once.
 */
#include "note.h"
#include "site.h"
#include "sys.h"
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { RING = 16 };

static struct {
	struct ledger l;
	struct ledger_sites s;
	struct ledger_record r[RING];
} one;
static char memory[65536] __attribute__((aligned(65536)));
static const struct align align = { 512, 512, 512, false };

static void fresh(bool has_sites)
{
	memset(&one, 0, sizeof(one));
	one.l.has_sites = has_sites;
	one.l.records_n = RING;
}

static const struct ledger_record *record(uint64_t number)
{
	return &ledger_records(&one.l)[(number - 1) % RING];
}

/* A read of a block of an observed file. */
static struct note usual(const struct iovec *iov, struct tally *t)
{
	*t = (struct tally){ .off = 0 };
	t->routes[ROUTE_cached] = t->reasons[REASON_observed] = iov->iov_len;
	return (struct note){
		.l = &one.l, .caller = (const void *)(uintptr_t)0x1234, .op = LEDGER_READ, .fd = 3, .asked = iov->iov_len,
		.ret = (ssize_t)iov->iov_len, .iov = iov, .iovcnt = 1, .align = align, .start_ns = 1000, .tally = t,
	};
}

static void fields(bool has_sites)
{
	const struct iovec iov = { memory + 0x9011, 5000 };
	struct tally t;
	struct note n;
	const struct ledger_record *r;

	fresh(has_sites);
	n = usual(&iov, &t);
	n.op = LEDGER_WRITE;
	n.fd = 77;
	n.off = 100;
	n.ret = 4999;
	t.routes[ROUTE_cached] = 1000;
	t.routes[ROUTE_bounced] = 3999;
	t.reasons[REASON_observed] = 0;
	t.reasons[REASON_edge] = 1000;
	t.reasons[REASON_address] = 3999;
	n.start_ns = sys_now_ns(CLOCK_REALTIME);
	note_request(&n);
	r = record(1);
	ok(r->number == 1 && r->start_ns == n.start_ns && r->ns < 10000000000ull && r->offset == 100 && r->asked == 5000 &&
	   r->result == 4999 && r->copied == 4999, "a record: when, where, how much, copies");
	ok(r->tid == (uint32_t)syscall(SYS_gettid) && r->fd == 77 && r->site == (has_sites ? site_number(&one.l, site_of(&one.l, n.caller, LEDGER_WRITE, 0)) : 0) &&
	   r->file == 0 && r->address_rest == 0x9011 && r->op == LEDGER_WRITE && r->off == 7, "a record: who, with what");
	ok(r->route == ROUTE_bounced && r->reason == REASON_address, "a record: the way of most of its bytes");
	n = usual(&iov, &t);
	n.ret = -EFAULT;
	n.off = -1;
	t = (struct tally){ .off = -1 };
	note_request(&n);
	r = record(2);
	ok(r->number == 2 && r->result == -EFAULT && r->offset == -1 && r->route == ROUTES && r->reason == REASON_NONE && r->copied == 0,
	   "a record of one that failed");
}

static void ring(void)
{
	const struct iovec iov = { memory, 4096 };
	unsigned wrong = 0;
	struct tally t;
	struct note n = usual(&iov, &t);

	fresh(false);
	for (int i = 1; i <= 100; i++) {
		n.off = i * 4096;
		note_request(&n);
		wrong += one.l.records_next != (uint64_t)i || record((uint64_t)i)->offset != n.off;
	}
	for (uint64_t i = 0; i < RING; i++) {
		const struct ledger_record *r = &ledger_records(&one.l)[i];

		wrong += r->number <= 100 - RING || r->number > 100 || (r->number - 1) % RING != i || r->offset != (int64_t)r->number * 4096;
	}
	is_int(wrong, 0, "the ring has the newest");
}

/* In the middle of a record others write a whole round. */
static const struct note *others;

static long overtake(long nr, long a, long b, long c, long d, long e, long f)
{
	const struct note *n = others;

	others = NULL;
	for (int i = 0; n && i < RING; i++)
		note_request(n);
	return sys_kernel(nr, a, b, c, d, e, f);
}

static void overtaken(void)
{
	const struct iovec iov = { memory, 4096 };
	unsigned kept = 0;
	struct tally t;
	struct note n = usual(&iov, &t);

	fresh(false);
	others = &n;
	sys_call = overtake;	/* first of all for the time */
	note_request(&n);
	sys_call = sys_kernel;
	for (uint64_t number = 2; number <= RING; number++)
		kept += record(number)->number == number;
	ok(one.l.records_next == RING + 1 && kept == RING - 1 && record(1)->number == 0, "a record of two is none");
}

enum { THREADS = 4, ROUNDS = 100000 };
static pthread_barrier_t barrier;

static void *many(void *arg)
{
	const struct iovec iov = { memory, 512 };
	struct tally t;
	struct note n = usual(&iov, &t);

	n.fd = (int)(intptr_t)arg;
	n.off = n.fd * 512;
	n.start_ns = (uint64_t)n.fd;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS; i++)
		note_request(&n);
	return NULL;
}

static void threads(void)
{
	pthread_t t[THREADS];
	const struct ledger_site *s;
	unsigned wrong = 0, kept = 0;

	fresh(true);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, many, (void *)(intptr_t)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (uint64_t i = 0; i < RING; i++) {
		const struct ledger_record *r = &ledger_records(&one.l)[i];

		if (!r->number)	/* two met there */
			continue;
		kept++;
		wrong += (r->number - 1) % RING != i || r->offset != r->fd * 512 || r->start_ns != (uint64_t)r->fd;
	}
	s = site_of(&one.l, (const void *)(uintptr_t)0x1234, LEDGER_READ, 0);
	ok(one.l.records_next == THREADS * ROUNDS && wrong == 0 && kept > 0, "threads: %u records, each in its place, none mixed", kept);
	ok(s->calls == THREADS * ROUNDS && s->classes[CLASS_as_is] == THREADS * ROUNDS * 512ull &&
	   one.l.classes[CLASS_as_is] == THREADS * ROUNDS * 512ull && s->routes[ROUTE_cached] == THREADS * ROUNDS * 512ull &&
	   s->reason_bytes[REASON_observed] == THREADS * ROUNDS * 512ull && s->powers[DIM_length][9] == THREADS * ROUNDS &&
	   s->powers[DIM_address][LEDGER_POWERS - 1] == THREADS * ROUNDS, "threads: nothing is lost");
}

static void misfits(void)
{
	const struct iovec iov = { memory + 3, 1000 };
	struct tally t;
	struct note n = usual(&iov, &t);
	const struct ledger_misfit *m;

	fresh(true);
	one.l.records_n = 0;
	t = (struct tally){ .off = 7 };
	n.ret = -EINVAL;
	n.off = 7;
	note_request(&n);
	is_int((long long)one.s.misfits_seen, 0, "a failure is no misfit");
	n.strict = true;
	for (int i = 0; i < LEDGER_MISFITS; i++)
		note_request(&n);
	n.strict = false;
	n.direct = true;
	for (int i = 0; i < 10; i++)
		note_request(&n);
	m = &one.s.misfits[0];
	ok(m->used == 1 && m->address == (uintptr_t)memory + 3 && m->offset == 7 && m->length == 1000 && m->fd == 3 && m->mem_align == 512 &&
	   m->offset_align == 512 && m->op == LEDGER_READ && m->off == 7 && m->strict && m->error == EINVAL && m->site && m->start_ns,
	   "a misfit");
	ok(one.s.misfits_seen == LEDGER_MISFITS + 10 && one.l.counters[COUNTER_refused_calls] == LEDGER_MISFITS &&
	   one.l.counters[COUNTER_explained_calls] == 10 && one.s.misfits[LEDGER_MISFITS - 1].used == 1 && one.r[0].start_ns == 0, "more misfits than there is room for");
	one.l.has_sites = 0;
	note_request(&n);
	ok(one.l.counters[COUNTER_explained_calls] == 11, "counted without a place, too");
}

static void odd(void)
{
	const struct iovec iov = { memory, 512 };
	struct tally t;
	struct note n = usual(&iov, &t);

	/* A vector that was not read by anybody. */
	fresh(true);
	n.iov = (const struct iovec *)(uintptr_t)16;
	n.asked = 0;
	for (int error = EFAULT; error <= EINVAL; error++) {
		n.ret = -error;
		n.direct = error == EINVAL;
		n.strict = false;
		note_request(&n);
	}
	ok(one.l.counters[COUNTER_misaligned_calls] == 0 && record(1)->address_rest == 0, "a bad vector is not looked at");

	/* Own O_DIRECT: sectors are zero-copy as they are; in a buffered file less than a block is not. */
	for (int direct = 0; direct < 2; direct++) {
		fresh(true);
		n = usual(&iov, &t);
		n.op = LEDGER_WRITE;
		n.off = 512;
		n.direct = direct;
		note_request(&n);
		is_int((long long)one.l.classes[direct ? CLASS_as_is : CLASS_offsets], 512, direct ? "a sector of the program's own O_DIRECT" : "a sector");
	}
	n.align = (struct align){ 0 };
	note_request(&n);
	is_int((long long)one.l.classes[CLASS_never], 512, "where direct I/O is never done");
	is_int((long long)one.l.counters[COUNTER_misaligned_calls], 0, "nothing is misaligned");
}

int main(void)
{
	state_config.backtrace = 1;
	fields(true);
	fields(false);
	ring();
	overtaken();
	threads();
	misfits();
	odd();
	return done_testing();
}

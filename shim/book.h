/*
 * book: writing into the ledger. Relaxed 64-bit additions, no ordering, no
 * lock; from signal handlers too.
 * Depends on: ledger.h, state, own, sys.
 */
#ifndef DIOSHIM_BOOK_H
#define DIOSHIM_BOOK_H

#include "ledger.h"
#include "plan.h"
#include "state.h"

#include <sys/types.h>

/* The process's ledger; made at first need, NULL before that. */
extern struct ledger *book_ledger;
extern uint32_t book_epoch;		/* changes with the ledger: rows do not outlive it */

struct ledger *book_make(void);

static inline struct ledger *book_now(void)
{
	struct ledger *l = __atomic_load_n(&book_ledger, __ATOMIC_ACQUIRE);

	return __builtin_expect(l != NULL, 1) ? l : book_make();
}

/*
 * What the request under way has booked so far, for its call site: only where
 * book_tallies says so, and only while signals are held.
 */
struct tally {
	uint64_t routes[ROUTES], reasons[REASONS];	/* bytes */
	int64_t off;		/* where it was found to start; -1: not known */
};
extern __thread struct tally book_tally;
extern bool book_tallies;

/* Beside the ledger: booked in no one's name. */
extern struct ledger book_spare;

/*
 * The ledger for a call that began in that state_generation. A handler may have
 * forked meanwhile, and its child come back into the middle of the call: that was
 * its parent's. A child that comes back later than here finds the old ledger's
 * address, where book_forked has put memory that nobody reads.
 */
static inline struct ledger *book_of(uint32_t generation)
{
	struct ledger *l = book_now();

	if (__builtin_expect(state_now() == STATE_COLD, 0))
		state_start();	/* a raw fork */
	return __builtin_expect(state_generation == generation, 1) ? l : &book_spare;
}

/* Where state_alone(): no lock. One instruction: a signal handler cannot come between load and store. */
static inline void book_add_alone(uint64_t *to, uint64_t n)
{
#if defined(__x86_64__)
	__asm__ volatile("addq %1, %0" : "+m"(*to) : "er"(n) : "cc");
#else
	__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
#endif
}

static inline void book_add(uint64_t *to, uint64_t n)
{
	if (state_alone())
		book_add_alone(to, n);
	else
		__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

static inline void book_count(enum counter c, uint64_t n)
{
	book_add(&book_now()->counters[c], n);
}

/*
 * What follows books into a ledger that is given: for calls that hold no signals.
 * Without _in: into this process's.
 */

/* A data call asked for this much and returned that (-errno or -1: nothing). */
static inline void book_call_in(struct ledger *l, size_t asked, ssize_t ret)
{
	size_t done = ret > 0 ? (size_t)ret : 0;

	book_add(&l->counters[COUNTER_calls], 1);
	book_add(&l->counters[COUNTER_asked_bytes], asked);
	if (asked > done)
		book_add(&l->counters[COUNTER_not_transferred_bytes], asked - done);
	if (ret < 0)
		book_add(&l->counters[COUNTER_failed_calls], 1);
}

static inline void book_call(size_t asked, ssize_t ret)
{
	book_call_in(book_now(), asked, ret);
}

/* The kernel adds these to rchar or wchar of /proc/self/io. */
static inline void book_kernel_in(struct ledger *l, enum op op, size_t n)
{
	book_add(&l->counters[op == OP_READ ? COUNTER_seen_rchar : COUNTER_seen_wchar], n);
}

static inline void book_kernel(enum op op, size_t n)
{
	book_kernel_in(book_now(), op, n);
}

/* The shim read something for itself. */
static inline void book_own_read(size_t n)
{
	book_kernel(OP_READ, n);
}

/* n bytes travelled this way; row may be NULL; why is REASON_NONE on routes without one. */
void book_moved_in(struct ledger *l, struct ledger_file *row, enum op op, enum route route,
		   enum reason why, size_t n);
void book_moved(struct ledger_file *row, enum op op, enum route route, enum reason why, size_t n);

/* n bytes were copied file to file: booked once, shown in both rows. */
void book_copied(struct ledger_file *in, struct ledger_file *out, enum route route,
		 enum reason why, size_t n);
void book_copied_in(struct ledger *l, struct ledger_file *in, struct ledger_file *out,
		    enum route route, enum reason why, size_t n);

/* Pipes, sockets, terminals: the whole call in one go, cheaply. */
static inline void book_not_file(struct ledger *l, enum op op, size_t asked, ssize_t ret)
{
	book_call_in(l, asked, ret);
	book_add(&l->routes[ROUTE_not_file].calls, 1);
	if (ret > 0) {
		book_add(&l->routes[ROUTE_not_file].bytes, (size_t)ret);
		book_kernel_in(l, op, (size_t)ret);
	}
}

/* A read or write through the page cache, the whole call, where state_alone(). */
static inline void book_alone(struct ledger *l, struct ledger_file *row, enum op op, enum reason why,
			      size_t asked, uint64_t n)
{
	const bool read = op == OP_READ;

	book_add_alone(&l->counters[COUNTER_calls], 1);
	book_add_alone(&l->counters[COUNTER_asked_bytes], asked);
	book_add_alone(&l->counters[COUNTER_not_transferred_bytes], asked - n);
	book_add_alone(&l->counters[read ? COUNTER_read_bytes : COUNTER_written_bytes], n);
	book_add_alone(&l->counters[read ? COUNTER_seen_rchar : COUNTER_seen_wchar], n);
	book_add_alone(&l->routes[ROUTE_cached].calls, 1);
	book_add_alone(&l->routes[ROUTE_cached].bytes, n);
	book_add_alone(&l->reasons[why].calls, 1);
	book_add_alone(&l->reasons[why].bytes, n);
	if (!row)
		return;
	book_add_alone(&row->routes[ROUTE_cached].calls, 1);
	book_add_alone(&row->routes[ROUTE_cached].bytes, n);
	book_add_alone(&row->reason_bytes[why], n);
	book_add_alone(read ? &row->read_bytes : &row->written_bytes, n);
}

/* The row of an open file; its number for the table's words. */
struct ledger_file *book_row(const struct stat *st, const char *path);
unsigned book_row_number(const struct ledger_file *row);

static inline struct ledger_file *book_row_at(struct ledger *l, unsigned number)
{
	return number ? &l->files[number - 1] : NULL;
}

/*
 * The kernel's witness, read beside our sums; state is what the process is
 * about to become, LEDGER_RUNNING if it stays.
 */
void book_witness(enum ledger_state state);

/* After the last witness: writes out a ledger that could not be mapped from its file. */
void book_save(void);

/* Has a process without a ledger moved bytes that the witness should show? */
bool book_worth(void);

void book_start(void);		/* once, in the constructor or the first call */
void book_lost(void);		/* in one that may make no system call: nobody will see it */
void book_forked(void);		/* in a fork child: a ledger of its own, when needed */

#endif

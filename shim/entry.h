/*
 * entry: what the wrapped symbols share. A wrapper is a few lines: ask
 * whether the call is to be routed; run it, or make the real call and book it.
 * Depends on: engine, state, real.
 */
#ifndef DIOSHIM_ENTRY_H
#define DIOSHIM_ENTRY_H

#if defined(_FILE_OFFSET_BITS) || defined(_LARGEFILE64_SOURCE_ONLY)
#error "entry files define open and open64 both: build them without _FILE_OFFSET_BITS"
#endif

#include "book.h"
#include "auto.h"
#include "engine.h"
#include "observe.h"
#include "own.h"
#include "real.h"
#include "state.h"

#define EXPORT __attribute__((visibility("default")))

/* In a wrapped symbol's own function: where the program goes on. */
#define CALLER __builtin_return_address(0)

struct way {
	uint64_t word;		/* of the table */
	struct file *f;		/* to be routed: referenced; else NULL */
	uint64_t held;		/* signals, while f is */
	enum reason why;	/* what is not plain was left to the kernel all the same */
	uint32_t generation;	/* of the process that began the call */
	uint64_t start_ns;	/* by note_start */
};

/* The slow half of way_in: unknown descriptors, routed ones, re-entry. */
bool way_find(struct way *w, int fd);

/* The same inside state_hold: looks at fd, adopts it if need be. w->f is the caller's. */
bool way_adopt(struct way *w, int fd);

/* An observed descriptor in mode strict: way_run is to look at the request. Signals are held. */
bool way_strict(struct way *w, int fd);

/* Is a data call of n bytes on fd for way_run? A cancellation point if so. */
static inline bool way_in(struct way *w, int fd, enum op op, size_t n)
{
	const bool ready = state_ready();	/* first: in a fork child it changes the table */

	w->word = fdtab_get(fd);
	w->why = REASON_changing;
	w->generation = state_generation;
	w->start_ns = __builtin_expect(note_on, 0) && ready ? note_start() : 0;
	if (__builtin_expect(ready && fdtab_tag(w->word) == FD_PLAIN, 1))
		return __builtin_expect(observe_strict, 0) && way_strict(w, fd);
	if (ready && auto_passes(w->word, op, n)) {
		w->why = REASON_settled;
		return false;
	}
	return way_find(w, fd);
}

/*
 * A write shorter than a block covers no whole one, whatever the file: it is
 * an edge, and goes to the kernel as it is, without a guard. Excepted are rescued
 * files, where the kernel would refuse it, and mode auto, which drops what is appended.
 */
static inline bool way_in_write(struct way *w, int fd, size_t n)
{
	const bool ready = state_ready();

	w->word = fdtab_get(fd);
	w->why = REASON_edge;
	w->generation = state_generation;
	w->start_ns = __builtin_expect(note_on, 0) && ready ? note_start() : 0;
	if (n < PLAN_BLOCK && ready && fdtab_tag(w->word) == FD_FILE && !(w->word & FD_RESCUE) &&
	    state_config.mode != MODE_auto)
		return false;
	return way_in(w, fd, OP_WRITE, n);
}

/*
 * Runs the request, gives up w->f, sets errno. False: the caller has to make
 * the real call, and book it.
 */
bool way_run(struct way *w, struct request *rq, ssize_t *result);

/* Books what the real call returned, and returns it. errno stays. */
ssize_t way_book(const struct way *w, const struct request *rq, size_t asked, ssize_t ret);

/* A result or -errno, as the C library would return it. */
static inline long entry_result(long r)
{
	if (__builtin_expect(r < 0 && r >= -4095, 0)) {
		errno = (int)-r;
		return -1;
	}
	return r;
}

/* One of the shim's numbers, used by the program: EBADF, as if nothing were open there. */
bool entry_not_yours(int fd);

/*
 * The program was told EMFILE or ENFILE: gives up descriptors of ours. True
 * if there were any, and the call is worth another try. More at each round.
 */
bool entry_make_room(int *round);

/*
 * The program was given number fd; quiet is what own_quiet said before the
 * call. If the kernel went past one of ours for it, ours steps aside: the
 * number is the one the program would have had without us.
 */
int entry_settle(int fd, uint32_t quiet);

/*
 * Makes the call that gives the program a number, and again while ours stand in
 * its way. First of all a fork child starts over: what it closes then must not
 * be that number.
 */
#define ENTRY_WITH_ROOM(result, call)                                                \
	do {                                                                         \
		const bool ready_ = state_ready();                                   \
		const uint32_t quiet_ = ready_ ? own_quiet() : 0;                    \
		const int errno_ = errno;                                            \
										     \
		for (int round_ = 0; ((result) = (call)) < 0 && entry_make_room(&round_);) \
			errno = errno_;                                              \
		(result) = entry_settle((result), quiet_);                           \
	} while (0)

/* close, which is a cancellation point; or the bare system call, which is not. */
int entry_close(int fd, bool raw);

/* Both: the last words of a process, before it ends or becomes another program. */
void entry_finish(enum ledger_state state);

#endif

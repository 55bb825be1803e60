/*
 * state: what this process is to the shim: cold, ready, forked, switched off.
 *
 * The word that every entry looks at lies in a page of its own that a fork
 * child finds zeroed (MADV_WIPEONFORK): however the fork was made (fork, _Fork,
 * raw clone), the child's first call starts over; after fork() at once. A
 * vfork child runs in its parent's memory and is known by a mark of its thread.
 * Depends on: config, sys.
 */
#ifndef DIOSHIM_STATE_H
#define DIOSHIM_STATE_H

#include "config.h"

#include <stdbool.h>
#include <stdint.h>

enum { STATE_COLD = 0, STATE_STARTING, STATE_READY, STATE_OFF };

extern struct state_fence { uint32_t state; } state_fence;

/*
 * Per thread: > 0 while inside (what we call, an allocator below dlsym, passes
 * through) or in a vfork child, which must not touch its parent's tables.
 */
extern __thread int state_quiet;
extern __thread int state_vforked;

/* glibc 2.32; where it is missing we are never alone. */
extern char __libc_single_threaded __attribute__((weak));

static inline bool state_alone(void)
{
	return &__libc_single_threaded && __libc_single_threaded;
}

extern struct config state_config;

/* Changes in a fork child, once it has started over. */
extern uint32_t state_generation;

/* What another thread made ready is there to be seen: acquire, which costs nothing on x86-64. */
static inline uint32_t state_now(void)
{
	return __atomic_load_n(&state_fence.state, __ATOMIC_ACQUIRE);
}

/* Slow half of state_ready: first call in this process, fork child, re-entry. */
bool state_start(void);

/* May this call touch the tables and be routed? */
static inline bool state_ready(void)
{
	if (__builtin_expect(state_now() == STATE_READY && state_quiet == 0, 1))
		return true;
	return state_start();
}

/* The same before Linux 4.14, where the fence does not show all fork children. */
bool state_still_ready(void);

/*
 * Is this process the one the tables belong to? A system call: asked before
 * tables change, for children that share our memory without being vfork's.
 */
bool state_owner(void);

/*
 * From now on everything passes through (seccomp, fanotify); returns when no
 * other thread is inside. state_return: it failed, on again.
 */
void state_retreat(void);
void state_return(void);

/*
 * Around everything that holds something: a reference, a chunk, a reserved
 * offset. Signals wait until state_free (but for those that a fault of this
 * very thread raises), as they would during the one system call the program
 * made: so no handler can re-enter, jump out with siglongjmp, or, being
 * cancellation's, end the thread here. What state_hold returns goes to state_free.
 */
uint64_t state_hold(void);
void state_free(uint64_t held);

#endif

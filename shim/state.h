/*
 * state: what this process is to the shim: cold, ready, forked, switched off.
 *
 * The word that every entry looks at lies in a page of its own that a fork
 * child finds zeroed (MADV_WIPEONFORK): however the fork was made (fork, _Fork,
 * raw clone), the child's first call starts over, without a handler. A
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
 * Per thread: > 0 while inside a request (a signal handler's calls pass
 * through) or in a vfork child, which must not touch its parent's tables.
 */
extern __thread int state_quiet;
extern __thread int state_vforked;

extern struct config state_config;

/* Slow half of state_ready: first call in this process, fork child, re-entry. */
bool state_start(void);

/* May this call touch the tables and be routed? */
static inline bool state_ready(void)
{
	if (__builtin_expect(state_fence.state == STATE_READY && state_quiet == 0, 1))
		return true;
	return state_start();
}

/*
 * Is this process the one the tables belong to? A system call: asked before
 * tables change, for children that share our memory without being vfork's.
 */
bool state_owner(void);

/* From now on everything passes through (seccomp); on again if it failed. */
void state_switch(bool on);

static inline void state_enter(void)
{
	state_quiet++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void state_leave(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	state_quiet--;
}

#endif

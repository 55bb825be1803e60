/*
 * gate: keeps two sides apart that must not overlap: something short that the
 * shim does, and a call of the program's. No lock: the program's side has the
 * right of way and waits only for what is under way; the shim's side gives up
 * or tries again later.
 * Depends on: sys.
 */
#ifndef DIOSHIM_GATE_H
#define DIOSHIM_GATE_H

#include "sys.h"

#include <stdbool.h>

struct gate {
	uint32_t shim, program;		/* how many are inside */
};

static inline void gate_done(struct gate *g)
{
	__atomic_fetch_sub(&g->shim, 1, __ATOMIC_SEQ_CST);
}

/* The shim's side. False: the program is inside. */
static inline bool gate_try(struct gate *g)
{
	__atomic_fetch_add(&g->shim, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&g->program, __ATOMIC_SEQ_CST) == 0)
		return true;
	gate_done(g);
	return false;
}

/* The same, for where the program's side is a moment's matter. */
static inline bool gate_try_hard(struct gate *g)
{
	for (int i = 0; i < 2000; i++) {
		if (gate_try(g))
			return true;
		sys_nanosleep(20000);
	}
	return false;
}

/* The program's side. The bound is for a thread that was lost inside. */
static inline void gate_stop(struct gate *g)
{
	__atomic_fetch_add(&g->program, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 20000 && __atomic_load_n(&g->shim, __ATOMIC_SEQ_CST) > 0; i++)
		sys_nanosleep(50000);
}

static inline void gate_go(struct gate *g)
{
	__atomic_fetch_sub(&g->program, 1, __ATOMIC_SEQ_CST);
}

#endif

/* What state.c would give: a process that is ready, and not alone. */
#ifndef FUZZ_READY_H
#define FUZZ_READY_H

#include "state.h"

struct config state_config;
uint32_t state_generation;
struct state_fence state_fence = { STATE_READY };
__thread int state_quiet, state_vforked;
bool state_start(void) { return false; }
bool state_owner(void) { return true; }
uint64_t state_hold(void) { return 0; }
void state_free(uint64_t held) { (void)held; }

#endif

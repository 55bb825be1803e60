/*
 * policy: which way a request on a routed file goes. Mode direct: O_DIRECT,
 * whatever the cost, unless a reason forbids it.
 * Depends on: engine.h's request, adopt.h's guard. No I/O.
 */
#ifndef DIOSHIM_POLICY_H
#define DIOSHIM_POLICY_H

#include "engine.h"

/* REASON_NONE: let it be planned. Else why it goes to the program's descriptor as it is. */
enum reason policy_request(const struct file *f, const struct request *rq, const struct guard *g);

/* The same once the offset is known. */
enum reason policy_offset(const struct request *rq, const struct guard *g, int64_t off);

#endif

/*
 * real: the next definition of every interposed symbol, found with dlsym.
 *
 * For calls that pass through on the program's own descriptors: they stay
 * cancellation points, and other preloaded libraries get their turn. The
 * shim's own I/O uses sys.h.
 * Depends on: sys (before the symbols are resolved).
 */
#ifndef DIOSHIM_REAL_H
#define DIOSHIM_REAL_H

#include <dirent.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct real {
#define CALL(family, type, name, args) type (*name) args;
#define TWIN(family, name, of)
#include "calls.def"
#undef CALL
#undef TWIN
};

extern struct real real_table;
extern int real_ready;		/* 1 once resolved */
extern int real_io_is_libc;	/* read and write: nobody else wraps them behind us */

void real_resolve(void);	/* idempotent; called by whichever entry comes first */

/*
 * The table, resolved. While dlsym itself runs (old glibc allocates there,
 * and an interposed malloc may open files) it holds raw system calls.
 */
static inline const struct real *real_get(void)
{
	if (__builtin_expect(!__atomic_load_n(&real_ready, __ATOMIC_ACQUIRE), 0))
		real_resolve();
	return &real_table;
}
#define real (*real_get())

#endif

/*
 * own: descriptors of the shim itself, at numbers the program does not reach.
 * Depends on: sys, fdtab.
 */
#ifndef DIOSHIM_OWN_H
#define DIOSHIM_OWN_H

#include <stdint.h>

/* Opened once, early (a later chroot has no /proc); -1 where refused. */
extern int own_proc;	/* O_PATH of /proc */
extern int own_dir;	/* O_PATH of DIOSHIM_DIR */
extern int own_stderr;	/* a copy of descriptor 2, for DIOSHIM_LOG=- */

/*
 * Moves fd to a high number, close-on-exec, marked in the table as belonging
 * to word (0: to no file). The new number, or -errno with fd closed.
 * Closing the low number drops the process's POSIX locks on that inode: the
 * caller has made sure that there are none.
 */
int own_raise(int fd, uint64_t word);
void own_close(int fd);

/* To another number: the program wants this one. */
void own_move(int fd);

/* Opens "self/NAME" of /proc. A descriptor at a low number, or -errno. */
int own_open_proc(const char *name, int flags);

void own_start(void);

#endif

/*
 * own: descriptors of the shim itself, at numbers the program does not reach.
 * Depends on: sys, fdtab.
 */
#ifndef DIOSHIM_OWN_H
#define DIOSHIM_OWN_H

#include "gate.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A descriptor that is opened has a low number until it is raised or closed.
 * Meanwhile no other thread of the program may dup2 onto that number, or
 * close a range of them: the gate own_numbers is between the two.
 */
extern struct gate own_numbers;

/* The shim's side of it: false, and nothing is to be opened now. */
bool own_open_begin(void);
void own_open_end(void);

/*
 * A number that the kernel gives out while one of ours is on its way is not
 * the lowest. If this is the same before and after a call, and not 0, none was.
 */
extern uint32_t own_openings;

static inline uint32_t own_quiet(void)
{
	uint32_t n = __atomic_load_n(&own_openings, __ATOMIC_SEQ_CST);

	return __atomic_load_n(&own_numbers.shim, __ATOMIC_SEQ_CST) ? 0 : n + 1;
}

/*
 * Opened once, early (a later chroot has no /proc); -1 where refused. To be
 * used through own_mine, for the program may have closed them unseen.
 */
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

/* No twin lies lower, however small RLIMIT_NOFILE is. */
#define OWN_FLOOR_MIN 12

/* The number *which holds, if it still is what was opened; else -1. */
int own_mine(int *which);

/* The program was given that number: it is ours no more. */
void own_lost(int fd);

/* The lowest number ever taken; INT_MAX while none is. */
extern int own_lowest;

/* To another number: the program wants this one. */
void own_move(int fd);

/* Opens NAME of /proc, close-on-exec. A descriptor at a low number, or -errno. */
int own_open_proc(const char *name, int flags);

/* No number is left for the program: ours go too. False: there were none. */
bool own_give_up(void);

/*
 * The environment variable by which a program tells the one it becomes of
 * descriptors left open for the sake of its POSIX locks: "PID:FD:FD:...".
 */
#define OWN_HELD "DIOSHIM_HELD"

/*
 * Its text, at the start of a process. True if this process did that exec
 * and may hold locks; each(fd) is then called for the descriptors. Another
 * process inherited the variable and no locks: what is open there is not ours
 * to close.
 */
bool own_inherit(const char *text, void (*each)(int fd));

/*
 * Is number fd what the program had there as standard input, output or error when
 * it was started? Known in mode strict only.
 */
bool own_is_standard(int fd, const struct stat *st);

void own_start(void);

/* Is it what a second descriptor is? Where only its number speaks for its being ours. */
bool own_looks_it(int fd);

/* In a fork child: low descriptors that another thread was about to raise. */
void own_forked(void);

#endif

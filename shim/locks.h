/*
 * locks: the process's POSIX locks, which closing any descriptor of the inode
 * drops.
 *
 * Before the shim closes a descriptor of its own it asks the kernel whether
 * the process holds locks on that inode; if so, or if that cannot be known,
 * the descriptor is parked until they are gone. A gate per inode keeps taking
 * a lock and closing apart.
 * Depends on: fdtab, gate, own, sys.
 */
#ifndef DIOSHIM_LOCKS_H
#define DIOSHIM_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

/* May this process hold POSIX locks on the inode of fd? When in doubt, yes. */
bool locks_held(int fd, uint64_t ino);

/*
 * Around a close of ours and the question before it. False: a thread is
 * taking a lock on that inode (or on one of the same gate) right now, so
 * nothing may be closed.
 */
bool locks_close_begin(uint64_t ino);
void locks_close_end(uint64_t ino);

/* Around the program's taking of a lock. */
void locks_take_begin(uint64_t ino);
void locks_take_end(uint64_t ino);

/* Closes a descriptor of ours now, or parks it until the locks are gone. */
void locks_close_or_park(int fd, uint64_t ino);

/* A parked number went another way. */
void locks_unparked(void);

/* Are any parked? */
bool locks_parked(void);

/* After a close by the program: parked descriptors whose locks went may go. */
void locks_unpark(void);

/* exec: parked descriptors stay open across it (on), or not. */
void locks_hold_parked(bool on);

/* Has this program, or the one that became it, ever taken a POSIX lock? */
bool locks_ever(void);
void locks_inherited(void);

/* A descriptor that was left open across the exec. */
void locks_park(int fd);

/* In a fork child: it has no locks, and other threads' gates are not there. */
void locks_forked(void);

#endif

/*
 * locks: the process's POSIX locks, which closing any descriptor of the inode
 * drops.
 *
 * Before the shim closes a descriptor of its own it asks the kernel whether
 * the process holds locks on that inode; if so the descriptor is parked until
 * they are gone. Taking a lock and closing are kept apart by a gate.
 * Depends on: own, sys.
 */
#ifndef DIOSHIM_LOCKS_H
#define DIOSHIM_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

/* May this process hold POSIX locks on the inode of fd? When in doubt, yes. */
bool locks_held(int fd);

/*
 * Around a close of ours and the question before it. False: a thread is
 * taking a lock on that inode (or one of the same gate) right now, or waits
 * for it, so nothing may be closed.
 */
bool locks_close_begin(uint64_t ino);
void locks_close_end(uint64_t ino);

/* Around the program's F_SETLK, F_SETLKW and lockf. */
void locks_take_begin(uint64_t ino);
void locks_take_end(uint64_t ino);

/* Closes a descriptor of ours now, or parks it until the locks are gone. */
void locks_close_or_park(int fd, uint64_t ino);

/* Are any parked? */
bool locks_parked(void);

/* In a fork child: other threads' gates are not there. */
void locks_forked(void);

/* After a close by the program: parked descriptors whose locks went may go. */
void locks_unpark(void);

#endif

/*
 * quick: a read that lies within one window of a stream, in a process of one
 * thread, with nothing held and no signals waiting: three system calls.
 *
 * Nothing but the buffer is touched until the last of them, which moves the
 * offset, and so tells whether it was where we thought. A handler that comes
 * before leaves by siglongjmp as if the read had not begun, or returns to one
 * that notices: the windows' owner counts changes, and the offset comes out
 * elsewhere. One that comes after it came after the read.
 * Depends on: adopt, book, memory, state.h, window.
 */
#ifndef DIOSHIM_QUICK_H
#define DIOSHIM_QUICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * n bytes at offset at, or, with -1, at the descriptor's own; all of them,
 * booked. False: nothing was done, the request is to take the ordinary way.
 */
bool quick_read(int fd, void *buf, size_t n, int64_t at);

/* The program moves the descriptor's offset: what a stream thinks of it is void. */
void quick_sought(int fd);

/* A copy is under way: a handler that forks, and returns in the child, comes back into it. */
extern bool quick_copying;

#endif

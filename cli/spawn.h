/*
 * spawn: runs the command as a child that looks, to whoever started us, as if
 * it were us: signals and job control go through, its end becomes ours.
 */
#ifndef DIOSHIM_SPAWN_H
#define DIOSHIM_SPAWN_H

#include "gather.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/*
 * /proc/PID/io at its end: of the command and the children that it waited for.
 * rchar and wchar are what calls moved, read_bytes and written_bytes what was
 * fetched from devices for them and what they gave to be written there.
 */
struct io_count {
	bool heard;
	uint64_t rchar, wchar, read_bytes, written_bytes;
};

struct ending {
	pid_t pid;
	int exec_error;		/* errno; 0: the command did start */
	bool signaled;
	int status;		/* the exit status, or the signal */
	struct last_words words;	/* the kernel's count, read at its end */
	struct io_count io;	/* the same and more, also where words are not heard */
	struct rusage usage;	/* its own and that of the children it waited for */
};

/*
 * From here on no signal ends us, until the command is there to take it: what
 * is made before spawn_and_wait is tidied up by us.
 */
void hold_signals(void);

/*
 * After hold_signals, each time: it lets signals through again. False after
 * a complaint: no child was made.
 */
bool spawn_and_wait(char **argv, struct ending *end);

/* The last signal by which somebody, not the command, asked us to end; or 0. */
int spawn_interrupted(void);

/* Ends this process as the command ended. */
_Noreturn void end_alike(const struct ending *end);

#endif

/*
 * spawn: runs the command as a child that looks, to whoever started us, as if
 * it were us: signals and job control go through, its end becomes ours.
 */
#ifndef DIOSHIM_SPAWN_H
#define DIOSHIM_SPAWN_H

#include "gather.h"

#include <stdbool.h>
#include <sys/types.h>

struct ending {
	pid_t pid;
	int exec_error;		/* errno; 0: the command did start */
	bool signaled;
	int status;		/* the exit status, or the signal */
	struct last_words words;	/* the kernel's count, read at its end */
};

/*
 * From here on no signal ends us, until the command is there to take it: what
 * is made before spawn_and_wait is tidied up by us.
 */
void hold_signals(void);

/* After hold_signals. False after a complaint: no child was made. */
bool spawn_and_wait(char **argv, struct ending *end);

/* Ends this process as the command ended. */
_Noreturn void end_alike(const struct ending *end);

#endif

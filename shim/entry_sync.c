#include "entry.h"

#include "behind.h"

#include <pthread.h>
#include <unistd.h>

/*
 * Mode auto: what the write-back leaves in the page cache is dropped while the program
 * waits for it. Signals, and whoever wants to close the descriptor, get their turn
 * between the steps.
 */
static void let_go(int fd)
{
	uint64_t until = 0, word, steps = 0;
	bool more = true;

	/* So many at most: a writer that begins anew meanwhile is not waited for. */
	while (more && steps++ <= until / BEHIND_STEP + 1 && state_ready() &&
	       fdtab_tag(word = fdtab_get(fd)) == FD_FILE && behind_waits(file_peek(word))) {
		const uint64_t held = state_hold();
		struct way w;

		more = false;
		if (state_now() == STATE_READY && way_adopt(&w, fd)) {
			more = behind_sync(w.f, &until);
			file_leave(fd, w.f);
		}
		state_free(held);
	}
}

/* What comes before both calls; false: the number is ours. */
static bool begin(int fd)
{
	if (entry_not_yours(fd))
		return false;
	pthread_testcancel();
	if (state_ready() && state_config.mode == MODE_auto)
		let_go(fd);
	return true;
}

EXPORT int fsync(int fd)
{
	return begin(fd) ? real.fsync(fd) : -1;
}

EXPORT int fdatasync(int fd)
{
	return begin(fd) ? real.fdatasync(fd) : -1;
}

#include "entry.h"

#include "locks.h"
#include "own.h"
#include "pool.h"
#include "sys.h"

#include <pthread.h>

#define TRIES 3		/* of a descriptor that changes while we look at it */

bool way_adopt(struct way *w, int fd)
{
	w->word = fdtab_get(fd);
	w->f = NULL;
	for (int i = 0; i < TRIES && !w->f; i++) {
		if (fdtab_tag(w->word) == FD_UNKNOWN)
			w->word = adopt(fd);
		if (fdtab_tag(w->word) != FD_FILE)
			break;
		w->f = file_enter(fd, w->word);
		if (!w->f)	/* it went while we looked */
			w->word = fdtab_get(fd);
	}
	return w->f != NULL;
}

bool way_find(struct way *w, int fd)
{
	w->f = NULL;
	if (state_still_ready()) {
		pthread_testcancel();
		w->held = state_hold();
		/* Switched off in between: whoever does that waits only for those it saw. */
		if (state_now() == STATE_READY &&
		    (way_adopt(w, fd) || fdtab_tag(w->word) == FD_OWN))
			return true;
		state_free(w->held);
	} else if (fdtab_tag(w->word) != FD_PLAIN) {
		w->word = fdtab_plain(state_now() == STATE_OFF ? REASON_switched_off :
								       REASON_reentry, 0);
	}
	return false;
}

bool entry_not_yours(int fd)
{
	if (!fdtab_is_own(fd) || state_vforked)
		return false;
	errno = EBADF;
	return true;
}

bool entry_make_room(int *round)
{
	uint64_t held;
	bool any = false;

	if ((errno != EMFILE && errno != ENFILE) || !state_ready())
		return false;
	held = state_hold();
	while (!any && *round < 2)
		any = (*round)++ == 0 ? file_give_up() : own_give_up();
	state_free(held);
	return any;
}

/* The lowest number that fd can have, which it then has. */
static int settle(int fd)
{
	int flags = sys_fcntl(fd, F_GETFD, 0), r = -1, own;
	struct sys_identity id;

	if (flags < 0 || sys_identify(fd, false, &id) != 0)
		return fd;
	/* The higher number is closed again, which must not cost a lock. */
	if (!locks_close_begin(id.ino))
		return fd;
	if (!locks_held(fd, id.ino)) {
		own = fdtab_next(0, FDTAB_TAG, FD_OWN);
		if (own >= 0 && own < fd)
			file_evict(own);
		r = sys_fcntl(fd, flags & FD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
		if (r >= 0)
			sys_close(r < fd ? fd : r);
	}
	locks_close_end(id.ino);
	return r >= 0 && r < fd ? r : fd;
}

int entry_settle(int fd, uint32_t quiet)
{
	const int saved = errno;
	uint64_t held;

	if (__builtin_expect(fd < own_lowest && quiet && quiet == own_quiet(), 1) || fd < 0 ||
	    !state_ready())
		return fd;
	held = state_hold();
	gate_stop(&own_numbers);	/* what is on its way up has arrived */
	fd = settle(fd);
	gate_go(&own_numbers);
	state_free(held);
	errno = saved;
	return fd;
}

/* On the routed file, started over where the descriptor turned out to be another one. */
static ssize_t run_routed(struct way *w, const struct request *rq)
{
	ssize_t r = ENGINE_STALE;

	for (int i = 0; i < TRIES && w->f; i++) {
		r = engine_run(w->f, rq);
		if (r != ENGINE_STALE)
			break;
		file_leave(rq->fd, w->f);
		file_drop(rq->fd);
		way_adopt(w, rq->fd);
	}
	return r;
}

bool way_run(struct way *w, struct request *rq, ssize_t *result)
{
	const uint64_t held = w->held;
	struct iovec few[PLAN_IOV];
	char *many = NULL;
	ssize_t r = ENGINE_STALE;

	if (!w->f) {	/* one of our numbers */
		r = -EBADF;
		book_call(0, r);
	} else if (!engine_copy_iovec(rq, few, &many) || !engine_measure(rq)) {
		w->why = REASON_bad_address;	/* or no chunk for a very long iovec */
	} else {
		r = run_routed(w, rq);
	}
	if (many)
		pool_put(many);
	if (w->f)
		file_leave(rq->fd, w->f);
	state_free(held);
	/* Not while anything is held: it may be a pipe by now, and wait for ever. */
	if (r == ENGINE_STALE)
		return false;
	*result = entry_result(r);
	return true;
}

ssize_t way_book(const struct way *w, enum op op, size_t asked, ssize_t ret)
{
	enum reason why = fdtab_reason(w->word);
	struct ledger_file *row = NULL;
	struct ledger *l;

	if (__builtin_expect(state_vforked, 0))
		return ret;
	l = book_of(w->generation);
	if (asked > SYS_MAX_RW)
		asked = SYS_MAX_RW;
	if (fdtab_tag(w->word) == FD_PLAIN && why == REASON_NONE) {
		book_not_file(l, op, asked, ret);
		return ret;
	}
	book_call_in(l, asked, ret);
	if (ret < 0)
		return ret;
	if (fdtab_tag(w->word) == FD_PLAIN) {
		row = book_row_at(l, fdtab_row(w->word));
	} else {	/* less than a block (way_in_write), or left to the kernel by way_run */
		why = w->why;
		if (fdtab_tag(w->word) == FD_FILE && l != &book_spare)
			row = adopt_row(file_peek(w->word));
	}
	book_moved_in(l, row, op, ROUTE_cached, why, (size_t)ret);
	book_kernel_in(l, op, (size_t)ret);
	return ret;
}

#include "entry.h"

#include "locks.h"
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
		w->f = file_acquire(w->word);
		if (!w->f)	/* it went while we looked */
			w->word = fdtab_get(fd);
	}
	return w->f != NULL;
}

bool way_find(struct way *w, int fd)
{
	w->f = NULL;
	if (state_ready()) {
		pthread_testcancel();
		w->held = state_hold();
		if (way_adopt(w, fd))
			return true;
		state_free(w->held);
	} else if (fdtab_tag(w->word) != FD_PLAIN) {
		w->word = fdtab_plain(state_fence.state == STATE_OFF ? REASON_switched_off :
								       REASON_reentry, 0);
	}
	return false;
}

/* Routed until a moment ago, now it is not: the kernel answers, as it is. */
static ssize_t run_unrouted(const struct way *w, const struct request *rq)
{
	ssize_t r = engine_kernel_call(rq, rq->fd);

	return way_book(w, rq->op, rq->len, r);
}

ssize_t way_run(struct way *w, struct request *rq)
{
	const uint64_t held = w->held;
	ssize_t r = -ESTALE;

	if (!engine_measure(rq)) {
		r = engine_kernel_call(rq, rq->fd);
		book_call(0, r);
	} else {
		for (int i = 0; i < TRIES && w->f; i++) {
			r = engine_run(w->f, rq);
			if (r != -ESTALE)
				break;
			file_release(w->f);
			file_drop(rq->fd);
			way_adopt(w, rq->fd);
		}
		if (r == -ESTALE)
			r = run_unrouted(w, rq);
	}
	if (w->f)
		file_release(w->f);
	state_free(held);
	return entry_result(r);
}

ssize_t way_book(const struct way *w, enum op op, size_t asked, ssize_t ret)
{
	enum reason why = fdtab_reason(w->word);

	if (__builtin_expect(state_vforked, 0))
		return ret;
	if (asked > SYS_MAX_RW)
		asked = SYS_MAX_RW;
	if (fdtab_tag(w->word) == FD_PLAIN && why == REASON_NONE) {
		book_not_file(op, asked, ret);
		return ret;
	}
	book_call(asked, ret);
	if (ret >= 0) {
		if (fdtab_tag(w->word) != FD_PLAIN)
			why = REASON_refused;
		book_moved(book_row_at(fdtab_tag(w->word) == FD_PLAIN ? fdtab_row(w->word) : 0), op,
			   ROUTE_cached, why, (size_t)ret);
		book_kernel(op, (size_t)ret);
	}
	return ret;
}

#include "entry.h"

#include "locks.h"
#include "sys.h"

#include <pthread.h>

#define TRIES 3		/* of a descriptor that changes while we look at it */

int entry_hold(void)
{
	int old = PTHREAD_CANCEL_ENABLE;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	return old;
}

void entry_free(int held)
{
	if (held == PTHREAD_CANCEL_ENABLE)
		pthread_setcancelstate(held, NULL);
}

/* The file behind fd, looked for in the table and, if need be, adopted. */
static struct file *find(struct way *w, int fd)
{
	for (int i = 0; i < TRIES; i++) {
		struct file *f;

		if (fdtab_tag(w->word) == FD_UNKNOWN) {
			int held = entry_hold();

			state_enter();
			w->word = adopt(fd);
			state_leave();
			entry_free(held);
		}
		if (fdtab_tag(w->word) != FD_FILE)
			return NULL;
		f = file_acquire(w->word);
		if (f)
			return f;
		w->word = fdtab_get(fd);	/* it went while we looked */
	}
	return NULL;
}

bool way_find(struct way *w, int fd)
{
	w->f = NULL;
	if (state_ready()) {
		w->f = find(w, fd);
	} else if (fdtab_tag(w->word) != FD_PLAIN) {
		w->word = fdtab_plain(state_fence.state == STATE_OFF ? REASON_switched_off :
								       REASON_reentry, 0);
	}
	return w->f != NULL;
}

/* Routed until a moment ago, now it is not: the kernel answers, as it is. */
static ssize_t run_unrouted(const struct way *w, const struct request *rq)
{
	ssize_t r = engine_kernel_call(rq, rq->fd);

	return way_book(w, rq->op, rq->len, r);
}

ssize_t way_run(struct way *w, struct request *rq)
{
	ssize_t r = -ESTALE;
	int held;

	pthread_testcancel();
	held = entry_hold();
	state_enter();
	if (!engine_measure(rq)) {
		r = engine_kernel_call(rq, rq->fd);
		book_call(0, r);
		file_release(w->f);
	} else {
		for (int i = 0; i < TRIES && w->f; i++) {
			r = engine_run(w->f, rq);
			file_release(w->f);
			w->f = NULL;
			if (r != -ESTALE)
				break;
			file_drop(rq->fd);
			w->word = 0;
			state_leave();
			w->f = find(w, rq->fd);
			state_enter();
		}
		if (r == -ESTALE) {
			if (w->f)
				file_release(w->f);
			r = run_unrouted(w, rq);
		}
	}
	state_leave();
	entry_free(held);
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

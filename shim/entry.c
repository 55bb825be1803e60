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
		    (way_adopt(w, fd) || fdtab_tag(w->word) == FD_OWN ||
		     (observe_strict && observe_is(w->word))))
			return true;
		state_free(w->held);
	} else if (fdtab_tag(w->word) != FD_PLAIN) {
		w->word = fdtab_plain(state_now() == STATE_OFF ? REASON_switched_off :
								       REASON_reentry, 0);
	}
	return false;
}

bool way_strict(struct way *w, int fd)
{
	w->f = NULL;
	if (!observe_is(w->word))
		return false;
	pthread_testcancel();
	w->held = state_hold();
	w->word = fdtab_get(fd);
	if (observe_is(w->word))
		return true;
	state_free(w->held);
	return false;
}

/* After a request on a routed file: what is kept of it. r may be another errno than the program's. */
static void note_routed(const struct way *w, const struct request *rq, ssize_t r)
{
	struct note n = {
		.l = book_now(), .row = adopt_row(w->f), .caller = rq->caller,
		.op = rq->op == OP_READ ? LEDGER_READ : LEDGER_WRITE, .fd = rq->fd,
		.off = book_tally.off >= 0 || r < 0 ? book_tally.off :
			       sys_lseek(rq->fd, 0, SEEK_CUR) - r,
		.asked = rq->len, .ret = r, .iov = rq->iov, .iovcnt = rq->iovcnt,
		.appends = book_tally.reasons[REASON_append] > 0, .direct = w->f->rescue,
		.start_ns = w->start_ns, .tally = &book_tally,
	};

	n.align = note_align(n.row);
	if (n.appends && rq->positional)	/* not there, but where the file ends */
		n.off = -1;
	if (w->f->learned && n.row)
		__atomic_store_n(&n.row->align_from, ALIGN_learned, __ATOMIC_RELAXED);
	note_request(&n);
}

bool entry_not_yours(int fd)
{
	if (!fdtab_is_own(fd) || state_vforked)
		return false;
	errno = EBADF;
	return true;
}

/* No number is left for the program: all second descriptors go. False: there were none. */
static bool give_up_files(void)
{
	bool any = false;

	for (int fd = 0; (fd = fdtab_next(fd, FDTAB_TAG, FD_FILE)) >= 0; fd++) {
		file_drop(fd);
		any = true;
	}
	return any;
}

bool entry_make_room(int *round)
{
	uint64_t held;
	bool any = false;

	if ((errno != EMFILE && errno != ENFILE) || !state_ready())
		return false;
	held = state_hold();
	while (!any && *round < 2)
		any = (*round)++ == 0 ? give_up_files() : own_give_up();
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
	const struct iovec *program = rq->iov;
	struct iovec few[PLAN_IOV];
	char *many = NULL;
	ssize_t r = ENGINE_STALE;

	if (note_on)
		book_tally = (struct tally){ .off = -1 };
	if (observe_is(w->word)) {
		if (engine_copy_iovec(rq, few, &many) && engine_measure(rq) &&
		    observe_refuses(book_now(), w->word, rq))
			r = -EINVAL;
	} else if (!w->f) {	/* one of our numbers */
		r = -EBADF;
		book_call(0, r);
	} else if (!engine_copy_iovec(rq, few, &many) || !engine_measure(rq)) {
		w->why = REASON_bad_address;	/* or no chunk for a very long iovec */
	} else {
		r = run_routed(w, rq);
		if (note_on && r != ENGINE_STALE && w->f)
			note_routed(w, rq, r);
	}
	if (many)
		pool_put(many);
	if (w->f)
		file_leave(rq->fd, w->f);
	state_free(held);
	/* Not while anything is held: it may be a pipe by now, and wait for ever. */
	if (r == ENGINE_STALE) {
		rq->iov = program;
		return false;
	}
	*result = entry_result(r);
	return true;
}

/* What is kept of a call that the kernel had whole, on a file that is not observed. */
static void note_plain(const struct way *w, const struct request *rq, struct ledger *l,
		       struct ledger_file *row, enum reason why, size_t asked, ssize_t ret)
{
	struct tally t = { .off = rq->positional ? rq->off : -1 };
	struct note n = {
		.l = l, .row = row, .caller = rq->caller,
		.op = rq->op == OP_READ ? LEDGER_READ : LEDGER_WRITE, .fd = rq->fd, .off = t.off,
		.asked = asked, .ret = ret, .iov = rq->iov, .iovcnt = rq->iovcnt,
		.start_ns = w->start_ns, .tally = &t,
	};

	t.routes[ROUTE_cached] = t.reasons[why] = ret > 0 ? (uint64_t)ret : 0;
	/* Of a routed file: left to the kernel as it was. */
	if (fdtab_tag(w->word) == FD_FILE) {
		n.align = note_align(row);
		n.appends = rq->op == OP_WRITE && (sys_fcntl(rq->fd, F_GETFL, 0) & O_APPEND);
		n.off = rq->positional ? n.appends ? -1 : rq->off :
			ret >= 0 ? sys_lseek(rq->fd, 0, SEEK_CUR) - ret : -1;
	}
	note_request(&n);
}

ssize_t way_book(const struct way *w, const struct request *rq, size_t asked, ssize_t ret)
{
	const bool off = state_now() == STATE_OFF;	/* seccomp: no system call more */
	const enum op op = rq->op;
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
	if (observe_is(w->word) && !off) {
		observe_book(l, w->word, rq, asked, ret < 0 ? -errno : ret, w->start_ns);
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
	if (__builtin_expect(note_on, 0) && !off)
		note_plain(w, rq, l, row, why, asked, ret);
	return ret;
}

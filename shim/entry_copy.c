#include "entry.h"

#include "copy.h"
#include "memory.h"
#include "sys.h"

#include <limits.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <unistd.h>

/*
 * At a time so much is taken off shared offsets: it is what a SIGKILL in the
 * middle can leave them ahead.
 */
#define STEP (64u << 20)

/* One end of a copy: the descriptor's own offset, or the program's variable. */
struct end {
	int fd;
	off_t *at;	/* NULL: the descriptor's own */
};

static int64_t offset_of(const struct end *e)
{
	return e->at ? *e->at : sys_lseek(e->fd, 0, SEEK_CUR);
}

static bool advance(const struct end *e, const struct file *f, int64_t from, int64_t n)
{
	if (e->at) {
		*e->at = from + n;
		return true;
	}
	return file_still(f, e->fd, false) && sys_lseek(e->fd, n, SEEK_CUR) == from + n;
}

/* Reserve, copy, give back. What was copied; 0 with *why where the kernel is to do it. */
static size_t step(struct copy *c, const struct end *in, const struct end *out, size_t asked,
		   enum reason *why)
{
	size_t done, len;

	c->in_off = offset_of(in);
	c->out_off = offset_of(out);
	if (c->in_off > INT64_MAX - (int64_t)asked || c->out_off > INT64_MAX - (int64_t)asked)
		return 0;	/* the kernel has an errno for that, and each call its own */
	*why = copy_check(c);
	if (*why != REASON_NONE)
		return 0;
	len = c->len;
	*why = REASON_copy_other;
	if (!advance(in, c->in, c->in_off, (int64_t)len)) {
		sys_lseek(in->fd, -(int64_t)len, SEEK_CUR);
		return 0;
	}
	if (!advance(out, c->out, c->out_off, (int64_t)len)) {
		sys_lseek(out->fd, -(int64_t)len, SEEK_CUR);
		advance(in, c->in, c->in_off + (int64_t)len, -(int64_t)len);
		return 0;
	}
	done = copy_run(c);
	if (done < len) {
		advance(in, c->in, c->in_off + (int64_t)len, (int64_t)done - (int64_t)len);
		advance(out, c->out, c->out_off + (int64_t)len, (int64_t)done - (int64_t)len);
	}
	return done;
}

/* One step with both files in hand, and signals held. */
static size_t guarded_step(struct copy *c, const struct end *in, const struct end *out,
			   size_t asked, enum reason *why)
{
	struct way wi = { .f = NULL }, wo = { .f = NULL };
	uint64_t held = state_hold();
	size_t n = 0;

	if (way_adopt(&wi, in->fd) && way_adopt(&wo, out->fd)) {
		c->in = wi.f;
		c->out = wo.f;
		n = step(c, in, out, asked, why);
		if (n > 0 && asked)
			book_call(n, (ssize_t)n);
		else
			book_count(COUNTER_asked_bytes, n);	/* the same call */
	}
	if (wo.f)
		file_leave(out->fd, wo.f);
	if (wi.f)
		file_leave(in->fd, wi.f);
	state_free(held);
	return n;
}

/*
 * Copies what can be copied; the bytes, or 0 and *why. Signals, and whoever
 * wants to close one of the two, get their turn between the steps.
 */
static size_t copy(const struct end *in, const struct end *out, size_t len, bool is_sendfile,
		   enum reason *why)
{
	struct copy c = { .in_fd = in->fd, .out_fd = out->fd, .is_sendfile = is_sendfile };
	size_t done = 0, asked = len;

	*why = REASON_copy_other;
	if (!state_ready() || len > SSIZE_MAX)
		return 0;
	if (len > SYS_MAX_RW)
		len = SYS_MAX_RW;
	while (done < len) {
		size_t n;

		c.len = len - done < STEP ? len - done : STEP;
		n = guarded_step(&c, in, out, asked, why);
		asked = 0;
		done += n;
		if (n == 0 || n < c.len)
			break;
	}
	return done;
}

/* A copy the kernel made. */
static ssize_t in_kernel(ssize_t ret, enum reason why, uint32_t generation)
{
	size_t n = ret > 0 ? (size_t)ret : 0;
	struct ledger *l;

	if (state_vforked)
		return ret;
	l = book_of(generation);
	book_call_in(l, n, ret);
	if (ret >= 0) {
		book_copied_in(l, NULL, NULL, ROUTE_in_kernel, why, n);
		book_kernel_in(l, OP_READ, n);
		book_kernel_in(l, OP_WRITE, n);
	}
	return ret;
}

/* The kernel moves the descriptor's own offset, by nobody knows yet how much. */
static void unplaced(const struct end *e)
{
	if (!e->at && state_ready())
		observe_placed(e->fd, -1);
}

static bool usable(off_t *at)
{
	return !at || memory_writable(at, sizeof(*at));
}

EXPORT ssize_t copy_file_range(int fd_in, off_t *at_in, int fd_out, off_t *at_out, size_t len,
			       unsigned flags)
{
	const struct end in = { fd_in, at_in }, out = { fd_out, at_out };
	enum reason why = REASON_copy_other;
	uint32_t generation;
	size_t n = 0;

	pthread_testcancel();
	if (entry_not_yours(fd_in) || entry_not_yours(fd_out))
		return -1;
	if (flags == 0 && state_ready() && usable(at_in) && usable(at_out))
		n = copy(&in, &out, len, false, &why);
	if (n > 0)
		return (ssize_t)n;
	generation = state_generation;
	unplaced(&in);
	unplaced(&out);
	return in_kernel(real.copy_file_range(fd_in, at_in, fd_out, at_out, len, flags), why,
			 generation);
}

EXPORT ssize_t sendfile(int fd_out, int fd_in, off_t *at_in, size_t len)
{
	const struct end in = { fd_in, at_in }, out = { fd_out, NULL };
	enum reason why = REASON_copy_other;
	uint32_t generation;
	size_t n = 0;

	if (entry_not_yours(fd_in) || entry_not_yours(fd_out))
		return -1;
	if (state_ready() && usable(at_in))
		n = copy(&in, &out, len, true, &why);
	if (n > 0)
		return (ssize_t)n;
	generation = state_generation;
	unplaced(&in);
	unplaced(&out);
	return in_kernel(real.sendfile(fd_out, fd_in, at_in, len), why, generation);
}

#define TWIN_copy(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

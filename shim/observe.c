#include "observe.h"

#include "file.h"
#include "state.h"
#include "sys.h"

#include <linux/fs.h>

bool observe_strict;

/*
 * Calls of a thread: is the descriptor still that file? A prime: a program that
 * works on several in turns has each of them looked at.
 */
#define LOOK_EVERY 61
static __thread unsigned calls;

void observe_placed(int fd, int64_t off)
{
	const uint64_t word = fdtab_get(fd);

	if (!observe_is(word) || !(word & FD_PLACED))
		return;
	if (off >= 0)
		__atomic_store_n(fdtab_pos(fd), off, __ATOMIC_RELAXED);
	else
		fdtab_replace(fd, word, word & ~(uint64_t)FD_PLACED);
}

/* The row that many files share has no inode: any may be meant. */
static bool other_file(const struct ledger_file *row, const struct sys_identity *id)
{
	return row && row->ino && (id->ino != row->ino || id->dev != row->dev);
}

/* Now and then: the table is a hint, and somebody may move the offset unseen. */
static void look(int fd, uint64_t word, const struct ledger_file *row)
{
	struct sys_identity id;
	int64_t off;

	if (sys_identify(fd, false, &id) != 0 || other_file(row, &id)) {
		if (fdtab_replace(fd, word, 0))
			book_count(COUNTER_guard_drops, 1);
		return;
	}
	if (!(word & FD_PLACED))
		return;
	off = sys_lseek(fd, 0, SEEK_CUR);
	if (off >= 0)
		__atomic_store_n(fdtab_pos(fd), off, __ATOMIC_RELAXED);
}

/* Where a call that moved n bytes began; -1: at the end of the file, or not known. */
static int64_t began_at(uint64_t word, const struct request *rq, int64_t n)
{
	int64_t end;

	if (rq->positional)
		return rq->off;
	if ((word & FD_PLACED) && !(rq->rwf & RWF_APPEND))
		return __atomic_fetch_add(fdtab_pos(rq->fd), n, __ATOMIC_RELAXED);
	end = sys_lseek(rq->fd, 0, SEEK_CUR);
	observe_placed(rq->fd, end);
	return end < n ? -1 : end - n;
}

static bool appends(uint64_t word, const struct request *rq)
{
	return rq->op == OP_WRITE && ((word & FD_APPENDS) || (rq->rwf & RWF_APPEND));
}

static void note(struct ledger *l, uint64_t word, const struct request *rq, int64_t off,
		 size_t asked, ssize_t ret, bool strict, uint64_t start_ns)
{
	const bool direct = word & FD_DIRECT;
	struct tally t;	/* 350 bytes: filled only for who looks at them */
	struct note n = {
		.l = l, .row = book_row_at(l, fdtab_row(word)), .caller = rq->caller,
		.op = rq->op == OP_READ ? LEDGER_READ : LEDGER_WRITE, .fd = rq->fd, .off = off,
		.asked = asked, .ret = ret, .iov = rq->iov, .iovcnt = rq->iovcnt,
		.appends = appends(word, rq), .strict = strict, .direct = direct,
		.start_ns = start_ns, .tally = &t,
	};

	n.align = note_align(n.row);
	if (note_keeps(l))
		t = (struct tally){ .off = off };
	if (ret > 0 && note_keeps(l)) {
		t.routes[direct ? ROUTE_zero_copy : ROUTE_cached] = (uint64_t)ret;
		if (!direct)
			t.reasons[REASON_observed] = (uint64_t)ret;
	}
	note_request(&n);
}

/* A read of whole blocks into one buffer, all of them there, of which nothing is kept but the class. */
static bool is_plain(const struct ledger *l, const struct ledger_file *row, uint64_t word,
		     const struct request *rq, size_t asked, ssize_t ret, uint64_t off)
{
	return !note_keeps(l) && l != &book_spare && rq->op == OP_READ && rq->iovcnt == 1 && !rq->rwf &&
	       ret > 0 && (size_t)ret == asked && !(word & FD_DIRECT) && row->mem_align &&
	       row->offset_align && ((off | asked) & (row->offset_align - 1)) == 0;
}

/* Most reads: what book_any would book, in a fifth of the time. False: not for this one. */
static bool book_plain(struct ledger *l, struct ledger_file *row, uint64_t word,
		       const struct request *rq, size_t asked, ssize_t ret)
{
	uint64_t *pos = (uint64_t *)fdtab_pos(rq->fd);
	bool misaligned;
	enum class class;

	if (!state_alone() || !row || !(rq->positional || (word & FD_PLACED)) ||
	    !is_plain(l, row, word, rq, asked, ret, rq->positional ? (uint64_t)rq->off : *pos))
		return false;
	if (!rq->positional)
		book_add_alone(pos, asked);
	misaligned = ((uintptr_t)rq->iov[0].iov_base & (row->mem_align - 1)) != 0;
	class = misaligned ? CLASS_memory : CLASS_as_is;
	book_alone(l, row, OP_READ, REASON_observed, asked, asked);
	book_add_alone(&l->counters[COUNTER_misaligned_calls], misaligned);
	book_add_alone(&l->classes[class], asked);
	book_add_alone(&row->classes[class], asked);
	return true;
}

static void book_any(struct ledger *l, struct ledger_file *row, uint64_t word,
		     const struct request *rq, size_t asked, ssize_t ret, uint64_t start_ns)
{
	const bool direct = word & FD_DIRECT, append = appends(word, rq);
	int64_t n = ret > 0 ? ret : 0, off;

	book_call_in(l, asked, ret);
	if (ret >= 0) {
		book_moved_in(l, row, rq->op, direct ? ROUTE_zero_copy : ROUTE_cached,
			      direct ? REASON_NONE : REASON_observed, (size_t)ret);
		book_kernel_in(l, rq->op, (size_t)ret);
	}
	off = began_at(word, rq, n);
	note(l, word, rq, rq->positional && append ? -1 : off, asked, ret, false, start_ns);
}

void observe_book(struct ledger *l, uint64_t word, const struct request *rq, size_t asked,
		  ssize_t ret, uint64_t start_ns)
{
	struct ledger_file *row = book_row_at(l, fdtab_row(word));

	if (!book_plain(l, row, word, rq, asked, ret))
		book_any(l, row, word, rq, asked, ret, start_ns);
	if (++calls % LOOK_EVERY == 0 && l != &book_spare)
		look(rq->fd, word, row);
}

/* Where the request will begin, and may it be refused there at all? */
static bool will_begin_at(uint64_t word, const struct request *rq, const struct ledger_file *row,
			  int64_t *off)
{
	const int flags = sys_fcntl(rq->fd, F_GETFL, 0), access = flags & O_ACCMODE;
	struct sys_identity id;

	if (flags < 0 || rq->len == 0 || access == (rq->op == OP_READ ? O_WRONLY : O_RDONLY) ||
	    sys_identify(rq->fd, false, &id) != 0 || other_file(row, &id))
		return false;
	*off = rq->positional ? rq->off : sys_lseek(rq->fd, 0, SEEK_CUR);
	if (appends(word, rq))
		*off = (int64_t)id.size;
	if (row->block_device && sys_ioctl(rq->fd, BLKGETSIZE64, &id.size) != 0)
		return false;
	/* At the end of the file the kernel has said 0 before it looks. */
	return *off >= 0 && (rq->op == OP_WRITE || (uint64_t)*off < id.size);
}

bool observe_refuses(struct ledger *l, uint64_t word, const struct request *rq)
{
	const struct ledger_file *row = book_row_at(l, fdtab_row(word));
	struct plan_in in = { .op = rq->op, .len = rq->len, .iov = rq->iov, .iovcnt = rq->iovcnt,
			      .align = note_align(row) };
	struct classified c;
	int64_t off;

	if (!row || !(rq->op == OP_READ ? in.align.read : in.align.write) || !in.align.mem ||
	    !will_begin_at(word, rq, row, &off))
		return false;
	in.off = (uint64_t)off;
	classify_asked(&c, &in);
	if (!c.off)
		return false;
	book_call_in(l, rq->len, -EINVAL);
	note(l, word, rq, off, rq->len, -EINVAL, true, note_start());
	return true;
}

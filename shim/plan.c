#include "plan.h"

static uint64_t up(uint64_t x, uint64_t a)
{
	return (x + a - 1) & ~(a - 1);
}

static bool multiple(uint64_t x, uint64_t a)
{
	return (x & (a - 1)) == 0;
}

static void add(struct plan *p, enum seg_kind kind, enum reason why, size_t pos, size_t len)
{
	if (len > 0)
		p->seg[p->n++] = (struct seg){ kind, why, pos, len };
}

static bool overlap(const struct iovec *a, const struct iovec *b)
{
	uintptr_t x = (uintptr_t)a->iov_base, y = (uintptr_t)b->iov_base;

	return a->iov_len > 0 && b->iov_len > 0 && x < y + b->iov_len && y < x + a->iov_len;
}

/*
 * Pieces that share memory are filled in order by the kernel's copy, the last
 * one wins; by a device in any order.
 */
static bool apart(const struct iovec *iov, int n)
{
	uintptr_t end = 0;

	for (int i = 0; i < n; i++) {
		uintptr_t at = (uintptr_t)iov[i].iov_base;

		for (int k = 0; at < end && k < i; k++)
			if (overlap(&iov[i], &iov[k]))
				return false;
		if (at + iov[i].iov_len > end)
			end = at + iov[i].iov_len;
	}
	return true;
}

/*
 * May the program's own memory, from byte head of the request on, take body
 * bytes of direct I/O in blocks of a? One piece: its address there. Several:
 * the request has to start aligned, and every piece has to be whole blocks
 * (kernels up to 6.12 refuse a mixed iovec), save that the last may be longer.
 */
static bool memory_fits(const struct plan_in *in, size_t head, size_t body, uint32_t a)
{
	size_t left = body;

	if (in->iovcnt == 1)
		return multiple((uintptr_t)in->iov[0].iov_base + head, in->align.mem);
	if (head != 0 || in->iovcnt > PLAN_IOV)
		return false;
	for (int i = 0; i < in->iovcnt && left > 0; i++) {
		size_t n = in->iov[i].iov_len;

		if (n == 0)
			continue;
		if (!multiple((uintptr_t)in->iov[i].iov_base, in->align.mem))
			return false;
		if (n >= left)
			return true;
		if (!multiple(n, a))
			return false;
		left -= n;
	}
	return true;
}

/* Why can the program's memory not be used where offset and length could? */
static enum reason memory_reason(const struct plan_in *in, size_t head)
{
	uintptr_t at = (uintptr_t)in->iov[0].iov_base + head;

	if (in->iovcnt == 1 && in->align.pages_only && multiple(at, 512))
		return REASON_memory;
	return REASON_address;
}

static void plan_read(struct plan *p, const struct plan_in *in)
{
	const uint32_t a = in->align.read;
	uint64_t end = in->off + in->len;
	size_t want, head, body;
	enum reason tail = REASON_length;

	if (in->off >= in->size)
		return;
	if (end >= in->size) {
		end = in->size;
		if (!multiple(end, a))
			tail = REASON_eof_tail;
	}
	want = (size_t)(end - in->off);
	head = (size_t)(up(in->off, a) - in->off);
	if (head >= want) {	/* within one block */
		add(p, SEG_BOUNCE, head ? REASON_offset : tail, 0, want);
		return;
	}
	body = (want - head) & ~((size_t)a - 1);
	if (body > 0 && (!memory_fits(in, head, body, a) || !apart(in->iov, in->iovcnt))) {
		enum reason why = head && multiple((uintptr_t)in->iov[0].iov_base, in->align.mem) ?
					  REASON_offset : memory_reason(in, head);

		add(p, SEG_BOUNCE, why, 0, want);
		return;
	}
	if (body == 0) {
		add(p, SEG_BOUNCE, head ? REASON_offset : tail, 0, want);
		return;
	}
	add(p, SEG_BOUNCE, REASON_offset, 0, head);
	add(p, SEG_DIRECT, REASON_NONE, head, body);
	add(p, SEG_BOUNCE, tail, head + body, want - head - body);
}

static void plan_write(struct plan *p, const struct plan_in *in)
{
	const uint32_t a = in->align.write;
	const uint32_t block = a > PLAN_BLOCK ? a : PLAN_BLOCK;
	size_t head, body;

	if (in->exact && multiple(in->off, a) && multiple(in->len, a) && memory_fits(in, 0, in->len, a)) {
		add(p, SEG_DIRECT, REASON_NONE, 0, in->len);
		return;
	}
	head = (size_t)(up(in->off, block) - in->off);
	if (head >= in->len || in->len - head < block) {
		add(p, SEG_CACHED, REASON_edge, 0, in->len);
		return;
	}
	body = (in->len - head) & ~((size_t)block - 1);
	add(p, SEG_CACHED, REASON_edge, 0, head);
	if (memory_fits(in, head, body, a))
		add(p, SEG_DIRECT, REASON_NONE, head, body);
	else
		add(p, SEG_BOUNCE, memory_reason(in, head), head, body);
	add(p, SEG_CACHED, REASON_edge, head + body, in->len - head - body);
}

void plan_build(struct plan *p, const struct plan_in *in)
{
	p->n = 0;
	if (in->op == OP_READ)
		plan_read(p, in);
	else
		plan_write(p, in);
}

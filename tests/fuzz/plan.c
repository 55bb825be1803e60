/*
 * The planner: any request on any file, carried out by the plan on a disk of
 * bytes, has to give what the plain call gives. Beyond that: segments in order,
 * without gap or overlap, at most three, none that direct I/O would refuse, no
 * byte touched that is not the request's, and nothing copied without need.
 */
#include "plan.h"

#include "disk.h"
#include "fuzz.h"

#define LEN_MAX		(256u << 10)
#define PIECES_MAX	70
#define GAP_MAX		8192u		/* bytes between pieces */
#define ARENA		(LEN_MAX + (PIECES_MAX + 1) * GAP_MAX)
#define BLOCK_MAX	32768u

static struct disk plain, routed;
static uint8_t memory[2][ARENA] __attribute__((aligned(65536)));
static uint8_t chunk[2 * LEN_MAX] __attribute__((aligned(65536)));

struct test {
	struct plan_in in;
	struct disk_rule rule;
	struct iovec iov[2][PIECES_MAX];	/* of the plain run, and of the plan's */
	uint32_t step;				/* what offset and lengths are near multiples of */
	size_t want;				/* bytes that there are to move */
	size_t chunk;				/* bytes bounced at a time */
	size_t used;				/* bytes of memory that the pieces and gaps take */
};

static uint32_t power(struct bytes *b, unsigned from, unsigned to)
{
	return 1u << (from + below(b, to - from + 1));
}

/* Pieces at growing places of the arena, near whole blocks. */
static void make_pieces(struct test *t, struct bytes *b)
{
	static const unsigned many[] = { 1, 1, 1, 1, 2, 3, 4, 5, 63, 64, 65, 70 };
	int n = (int)many[below(b, sizeof(many) / sizeof(many[0]))];
	const size_t most = t->step * (1 + below(b, 7)), gap = n > 8 ? 64 : GAP_MAX;
	size_t at = near_multiple(b, t->in.align.mem, gap), len = 0, again;
	const bool whole = once_in(b, 4);	/* blocks, at aligned addresses */

	for (int i = 0; i < n; i++) {
		size_t max = n == 1 ? most : LEN_MAX / (unsigned)n, piece;

		piece = near_multiple(b, once_in(b, 4) ? 1 : t->step, max < most ? max : most);
		if (whole)
			piece = piece / t->step * t->step, at = (at + t->in.align.mem - 1) & -(size_t)t->in.align.mem;
		/* Reads may fill a place twice: the last piece wins. */
		again = i && t->in.op == OP_READ && once_in(b, 24) ?
				1 + (size_t)((uint8_t *)t->iov[0][i - 1].iov_base - memory[0]) : 0;
		for (int k = 0; k < 2; k++)
			t->iov[k][i] = (struct iovec){ memory[k] + (again ? again - 1 : at), piece };
		len += piece;
		at += piece + near_multiple(b, t->in.align.mem, gap);
	}
	t->used = at;
	t->in.iov = t->iov[1];
	t->in.iovcnt = n;
	t->in.len = len;
	if (len > 1 && once_in(b, 4))	/* clipped: the pieces cover more */
		t->in.len -= near_multiple(b, 1, len - 1);
}

static void make(struct test *t, struct bytes *b)
{
	struct plan_in *in = &t->in;
	uint64_t end;

	*t = (struct test){ 0 };
	in->op = once_in(b, 2) ? OP_WRITE : OP_READ;
	in->align.mem = power(b, 0, 13);
	in->align.read = power(b, 0, 15);
	in->align.write = once_in(b, 3) ? power(b, 0, 15) : in->align.read;
	in->align.pages_only = in->align.mem == 4096 && once_in(b, 2);
	in->exact = once_in(b, 4);
	t->rule = (struct disk_rule){ in->align.mem, in->align.read, in->align.write };
	t->step = in->op == OP_READ ? in->align.read : in->align.write;
	if (in->op == OP_WRITE && t->step < PLAN_BLOCK && !in->exact)
		t->step = PLAN_BLOCK;
	in->size = near_multiple(b, t->step, 8 * t->step);
	in->off = near_multiple(b, t->step, 8 * t->step);
	t->chunk = power(b, 0, 3) * BLOCK_MAX;
	make_pieces(t, b);
	end = in->off + in->len;
	if (in->op == OP_READ && end > in->size)
		end = in->size > in->off ? in->size : in->off;
	t->want = (size_t)(end - in->off);
}

static enum seg_kind kind_of(enum reason why)
{
	enum { BOUNCED = SEG_BOUNCE, CACHED = SEG_CACHED, STAGED = 98, IN_KERNEL = 99 };
	static const unsigned char kinds[REASONS + 1] = {
#define REASON(name, route, sentence) route,
#include "reasons.def"
#undef REASON
		SEG_DIRECT,
	};

	return (enum seg_kind)kinds[why];
}

/* Is every piece of [pos, pos + len) fit for direct I/O in blocks of a? */
static bool memory_ok(const struct test *t, size_t pos, size_t len, uint32_t a)
{
	size_t at = 0;

	for (int i = 0; i < t->in.iovcnt; i++) {
		const struct iovec *v = &t->in.iov[i];
		size_t from = at < pos ? pos : at, to = at + v->iov_len;

		if (to > pos + len)
			to = pos + len;
		if (from < to && (((uintptr_t)v->iov_base + (from - at)) % t->in.align.mem || (to - from) % a))
			return false;
		at += v->iov_len;
	}
	return true;
}

/* Do pieces share memory? A device would fill it in any order. */
static bool overlap(const struct test *t)
{
	for (int i = 0; i < t->in.iovcnt; i++)
		for (int j = 0; j < i; j++) {
			const struct iovec *x = &t->in.iov[i], *y = &t->in.iov[j];
			uintptr_t a = (uintptr_t)x->iov_base, b = (uintptr_t)y->iov_base;

			if (x->iov_len && y->iov_len && a < b + y->iov_len && b < a + x->iov_len)
				return true;
		}
	return false;
}

static int slice(const struct iovec *iov, int n, size_t pos, size_t len, struct iovec *out)
{
	int used = 0;

	for (int i = 0; i < n && len > 0; i++) {
		size_t here = iov[i].iov_len;

		if (pos >= here) {
			pos -= here;
			continue;
		}
		here = here - pos < len ? here - pos : len;
		out[used++] = (struct iovec){ (uint8_t *)iov[i].iov_base + pos, here };
		len -= here;
		pos = 0;
	}
	return used;
}

static void check_reason(const struct test *t, const struct seg *s)
{
	const struct plan_in *in = &t->in;
	const uint32_t a = in->op == OP_READ ? in->align.read : in->align.write;
	const uint32_t block = in->op == OP_READ || a > PLAN_BLOCK ? a : PLAN_BLOCK;
	const bool ends_here = in->off + t->want == in->size;

	must(kind_of(s->reason) == s->kind, "reason %d under another route", (int)s->reason);
	if (s->reason == REASON_offset)
		must(in->off % a, "reason offset, but the offset is aligned");
	if (s->reason == REASON_eof_tail)
		must(ends_here && in->size % a, "reason eof_tail, but it is not");
	if (s->reason == REASON_length)
		must((in->off + t->want) % a && !ends_here, "reason length, but it is not");
	if (s->reason == REASON_memory)
		must(in->align.pages_only, "reason memory, but it is trusted");
	if (s->reason == REASON_address || s->reason == REASON_memory)
		must(overlap(t) || !memory_ok(t, s->pos, s->len / a * a, a) || in->iovcnt > PLAN_IOV ||
		     (in->iovcnt > 1 && in->off % block), "reason address, but the memory fits");
}

/* What the engine relies on, and what the plan promises. */
static void check_plan(const struct test *t, const struct plan *p)
{
	const struct plan_in *in = &t->in;
	const bool read = in->op == OP_READ;
	const uint32_t a = read ? in->align.read : in->align.write;
	const uint32_t block = read || a > PLAN_BLOCK ? a : PLAN_BLOCK;
	size_t at = 0, head = (size_t)(-in->off & (block - 1)), direct = 0;

	must(p->n >= 0 && p->n <= 3, "%d segments", p->n);
	for (int i = 0; i < p->n; i++) {
		const struct seg *s = &p->seg[i];

		must(s->pos == at && s->len > 0, "gap, overlap or empty segment");
		at += s->len;
		check_reason(t, s);
		if (s->kind == SEG_DIRECT) {
			struct iovec part[PIECES_MAX];

			direct += s->len;
			must(in->iovcnt <= PLAN_IOV || slice(in->iov, in->iovcnt, s->pos, s->len, part) <= 1,
			     "direct in more pieces than the engine takes");
		}
		if (read)
			must(s->kind != SEG_CACHED, "a cached read");
		else if (s->kind == SEG_CACHED)
			must(s->len < block || p->n == 1, "an edge of a block or more");
		else if (s->kind == SEG_BOUNCE)
			must((in->off + s->pos) % block == 0 && s->len % block == 0,
			     "a bounced write of a part of a block");
		if (read && p->n > 1 && s->kind == SEG_BOUNCE)
			must(s->len < a, "an end of a block or more");
	}
	must(at == t->want, "covers %zu of %zu bytes", at, t->want);
	must(!read || !direct || !overlap(t), "direct into memory that pieces share");
	if (read && p->n > 1)
		must(direct > 0, "more than one segment, and none direct");
	if (!read && p->n == 1 && p->seg[0].kind == SEG_CACHED)
		must(t->want < head + block, "a whole block, and yet cached");
	/* Whole blocks in memory that fits have to be zero-copy. */
	head = head < t->want ? head : t->want;
	at = (t->want - head) / block * block;
	if (at > 0 && in->iovcnt <= PLAN_IOV && (in->iovcnt == 1 || head == 0) &&
	    memory_ok(t, head, at, a) && !overlap(t))
		must(direct >= at, "%zu bytes could be zero-copy, %zu are", at, direct);
}

/* One bounced segment: widened reads and whole blocks, a chunk at a time. */
static void bounce(const struct test *t, const struct seg *s, bool read)
{
	const uint64_t mask = (read ? t->rule.read : t->rule.write) - 1;
	uint64_t from = t->in.off + s->pos, to = from + s->len;
	struct iovec part[PIECES_MAX];
	int n = slice(t->in.iov, t->in.iovcnt, s->pos, s->len, part);

	for (uint64_t at = from & ~mask; at < ((to + mask) & ~mask);) {
		uint64_t end = (to + mask) & ~mask;
		size_t len = end - at < t->chunk ? (size_t)(end - at) : t->chunk;
		uint64_t first = at > from ? at : from, last = at + len < to ? at + len : to;
		struct iovec all = { chunk, len }, sub[PIECES_MAX];
		int m = slice(part, n, (size_t)(first - from), (size_t)(last - first), sub);
		uint8_t *c = chunk + (first - at);

		if (read)
			must(disk_direct(&routed, &t->rule, true, &all, 1, at, len) >=
			     (ssize_t)(last - at), "a bounced read was refused or short");
		for (int i = 0; i < m; c += sub[i++].iov_len)
			memcpy(read ? sub[i].iov_base : c, read ? c : sub[i].iov_base, sub[i].iov_len);
		if (!read)
			must(disk_direct(&routed, &t->rule, false, &all, 1, at, len) == (ssize_t)len,
			     "a bounced write was refused");
		at += len;
	}
}

/* The engine's one preadv: block of the pool, the program's memory, block of the pool. */
static void read_in_place(const struct test *t, const struct plan *p)
{
	const uint32_t a = t->rule.read;
	const struct seg *head = p->seg[0].kind == SEG_BOUNCE ? &p->seg[0] : NULL;
	const struct seg *body = &p->seg[head ? 1 : 0];
	const struct seg *tail = body + 1 < p->seg + p->n ? body + 1 : NULL;
	struct iovec part[PIECES_MAX + 2], ends[PIECES_MAX];
	size_t skip = head ? a - head->len : 0;
	int n = 0, m;

	must(body->kind == SEG_DIRECT && (!tail || tail->kind == SEG_BOUNCE), "kinds of a read");
	if (head)
		part[n++] = (struct iovec){ chunk, a };
	n += slice(t->in.iov, t->in.iovcnt, body->pos, body->len, part + n);
	if (tail)
		part[n++] = (struct iovec){ chunk + BLOCK_MAX, a };
	must(disk_direct(&routed, &t->rule, true, part, n, t->in.off - skip, ~(size_t)0) >=
	     (ssize_t)(skip + t->want), "a direct read was refused or short");
	for (int end = 0; end < 2; end++) {
		const struct seg *s = end ? tail : head;
		const uint8_t *c = end ? chunk + BLOCK_MAX : chunk + skip;

		m = s ? slice(t->in.iov, t->in.iovcnt, s->pos, s->len, ends) : 0;
		for (int i = 0; i < m; c += ends[i++].iov_len)
			memcpy(ends[i].iov_base, c, ends[i].iov_len);
	}
}

static void carry_out(const struct test *t, const struct plan *p)
{
	struct iovec part[PIECES_MAX];

	if (t->in.op == OP_READ && p->n == 1 && p->seg[0].kind == SEG_BOUNCE) {
		bounce(t, &p->seg[0], true);
		return;
	}
	if (t->in.op == OP_READ) {
		if (p->n)
			read_in_place(t, p);
		return;
	}
	for (int i = 0; i < p->n; i++) {
		const struct seg *s = &p->seg[i];
		int n = slice(t->in.iov, t->in.iovcnt, s->pos, s->len, part);
		uint64_t off = t->in.off + s->pos;

		if (s->kind == SEG_BOUNCE)
			bounce(t, s, false);
		else if (s->kind == SEG_CACHED)
			disk_move(&routed, false, part, n, off, s->len);
		else
			must(disk_direct(&routed, &t->rule, false, part, n, off, s->len) ==
			     (ssize_t)s->len, "a direct write was refused");
	}
}

static struct test t;
static struct plan p;

static void show(void)
{
	const struct plan_in *in = &t.in;

	dprintf(2, "%s of %zu at %llu, file %llu, %d pieces, first %zu at ..%04zx, wants %u/%u/%u%s%s\n",
		in->op == OP_READ ? "read" : "write", in->len, (unsigned long long)in->off,
		(unsigned long long)in->size, in->iovcnt, in->iov[0].iov_len,
		(size_t)((uintptr_t)in->iov[0].iov_base & 0xffff), in->align.mem, in->align.read,
		in->align.write, in->align.pages_only ? ", pages only" : "", in->exact ? ", exact" : "");
	for (int i = 0; i < p.n; i++)
		dprintf(2, "  %zu + %zu: kind %d, reason %d\n", p.seg[i].pos, p.seg[i].len,
			(int)p.seg[i].kind, (int)p.seg[i].reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = BYTES(data, size);

	explain = show;
	p.n = 0;
	make(&t, &b);
	if (t.in.len == 0)
		return 0;
	plain.size = routed.size = t.in.size;
	disk_fill(plain.data, t.in.size, 0);
	disk_fill(routed.data, t.in.size, 0);
	disk_fill(memory[0], t.used, 1);
	disk_fill(memory[1], t.used, 1);
	plan_build(&p, &t.in);
	check_plan(&t, &p);
	carry_out(&t, &p);
	disk_move(&plain, t.in.op == OP_READ, t.iov[0], t.in.iovcnt, t.in.off, t.in.len);
	must(routed.size == plain.size, "the file has %llu bytes, not %llu",
	     (unsigned long long)routed.size, (unsigned long long)plain.size);
	must(memcmp(routed.data, plain.data, (size_t)plain.size) == 0, "other bytes in the file");
	must(memcmp(memory[1], memory[0], t.used) == 0, "other bytes in memory");
	return 0;
}

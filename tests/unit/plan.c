/*
 * The planner, exhaustively over small numbers: every segment in order, none
 * overlapping, all of the request covered, and each what its kind promises.
 */
#include "plan.h"
#include "tap.h"

#include <stdio.h>

static long cases, wrong;

static void complain(const struct plan_in *in, const struct plan *p, const char *what)
{
	if (wrong++ > 5)
		return;
	diag("%s: %s off=%llu len=%zu base%%=%zu iovcnt=%d size=%llu align %u/%u/%u", what,
	     in->op == OP_READ ? "read" : "write", (unsigned long long)in->off, in->len,
	     (size_t)(uintptr_t)in->iov[0].iov_base, in->iovcnt, (unsigned long long)in->size,
	     in->align.mem, in->align.read, in->align.write);
	for (int i = 0; i < p->n; i++)
		diag("  seg %d: kind %d pos %zu len %zu reason %d", i, p->seg[i].kind,
		     p->seg[i].pos, p->seg[i].len, (int)p->seg[i].reason);
}

/* Is every piece of memory that [pos, pos+len) touches fit for direct I/O, in blocks of a? */
static bool memory_ok(const struct plan_in *in, size_t pos, size_t len, uint32_t a)
{
	size_t at = 0;

	for (int i = 0; i < in->iovcnt; i++) {
		size_t from = at, to = at + in->iov[i].iov_len, n;

		at = to;
		if (from < pos)
			from = pos;
		if (to > pos + len)
			to = pos + len;
		if (from >= to)
			continue;
		n = to - from;
		if (((uintptr_t)in->iov[i].iov_base + (from - (at - in->iov[i].iov_len))) % in->align.mem)
			return false;
		if (n % a)
			return false;
	}
	return true;
}

/* Do two pieces of the iovec share memory? A device fills them in any order. */
static bool pieces_share(const struct plan_in *in)
{
	for (int i = 0; i < in->iovcnt; i++)
		for (int k = 0; k < in->iovcnt; k++) {
			uintptr_t x = (uintptr_t)in->iov[i].iov_base, y = (uintptr_t)in->iov[k].iov_base;

			if (i != k && in->iov[k].iov_len && x >= y && x < y + in->iov[k].iov_len &&
			    in->iov[i].iov_len)
				return true;
		}
	return false;
}

static void check(const struct plan_in *in)
{
	struct plan p;
	const uint32_t a = in->op == OP_READ ? in->align.read : in->align.write;
	const uint32_t block = in->op == OP_READ || a > PLAN_BLOCK ? a : PLAN_BLOCK;
	uint64_t end = in->off + in->len;
	size_t want, at = 0;
	bool any_direct = false, shared = in->op == OP_READ && pieces_share(in);

	cases++;
	plan_build(&p, in);
	if (in->op == OP_READ && end > in->size)
		end = in->size > in->off ? in->size : in->off;
	want = (size_t)(end - in->off);
	if (p.n < 0 || p.n > 3) {
		complain(in, &p, "number of segments");
		return;
	}
	for (int i = 0; i < p.n; i++) {
		const struct seg *s = &p.seg[i];
		uint64_t from = in->off + s->pos, to = from + s->len;

		if (s->pos != at || s->len == 0)
			complain(in, &p, "gap, overlap or empty segment");
		at += s->len;
		if (s->kind == SEG_DIRECT) {
			uint32_t g = in->exact ? a : block;

			any_direct = true;
			if (from % g || to % g)
				complain(in, &p, "direct, but not whole blocks");
			if (!memory_ok(in, s->pos, s->len, a))
				complain(in, &p, "direct, but the memory does not fit");
			if (shared)
				complain(in, &p, "direct into pieces that share memory");
			if (s->reason != REASON_NONE)
				complain(in, &p, "direct with a reason");
		} else if (s->reason == REASON_NONE) {
			complain(in, &p, "a copy without a reason");
		}
		if (in->op == OP_READ && s->kind == SEG_CACHED)
			complain(in, &p, "a cached read");
		if (in->op == OP_WRITE && s->kind == SEG_BOUNCE && (from % block || to % block))
			complain(in, &p, "bounced write of a partial block");
		if (in->op == OP_WRITE && s->kind == SEG_CACHED && p.n > 1 && s->len >= block)
			complain(in, &p, "an edge of a block or more");
	}
	if (at != want)
		complain(in, &p, "does not cover the request");
	/* What could be zero-copy as it is has to be. */
	if (want > 0 && !any_direct && in->off % block == 0 && want % block == 0 &&
	    memory_ok(in, 0, want, a) && !shared)
		complain(in, &p, "aligned, and yet not direct");
}

static void reads(void)
{
	static const struct align aligns[] = { { 4, 8, 8, false }, { 8, 8, 8, false }, { 16, 8, 8, false },
					       { 1, 8, 8, false }, { 8, 16, 8, true } };

	for (size_t k = 0; k < sizeof(aligns) / sizeof(aligns[0]); k++)
		for (uint64_t off = 0; off <= 34; off++)
			for (size_t len = 1; len <= 52; len++)
				for (uintptr_t skew = 0; skew <= 17; skew++)
					for (uint64_t size = 0; size <= 84; size += size % 7 ? 1 : 2) {
						struct iovec iov = { (void *)(4096 + skew), len };
						struct plan_in in = { OP_READ, off, len, &iov, 1,
								      aligns[k], size, false };
						check(&in);
					}
}

static void writes(void)
{
	static const uint64_t edge[] = { 0, 1, 511, 512, 513, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384 };
	static const uintptr_t skews[] = { 0, 1, 4, 16, 511, 512, 513, 1024, 3584, 4095, 4096 };
	static const struct align aligns[] = { { 512, 512, 512, false }, { 4, 512, 512, false },
					       { 4096, 4096, 4096, false }, { 512, 8192, 8192, false } };
	const size_t ne = sizeof(edge) / sizeof(edge[0]), ns = sizeof(skews) / sizeof(skews[0]);

	for (size_t k = 0; k < sizeof(aligns) / sizeof(aligns[0]); k++)
		for (size_t o = 0; o < ne; o++)
			for (size_t e = 1; e < ne; e++)
				for (size_t s = 0; s < ns; s++)
					for (int exact = 0; exact < 2; exact++)
						for (size_t extra = 0; extra < 3; extra++) {
							size_t len = edge[e] + extra * 4096;
							struct iovec iov = { (void *)(65536 + skews[s]), len };
							struct plan_in in = { OP_WRITE, edge[o], len, &iov, 1,
									      aligns[k], 0, exact };
							check(&in);
						}
}

/* Several pieces: sizes and addresses from small sets, zero-length ones among them. */
static void vectors(void)
{
	static const size_t sizes[] = { 0, 4, 8, 16, 24, 13 };
	static const uintptr_t bases[] = { 4096, 8192, 8196, 12289 };

	for (int x = 0; x < 6 * 6 * 6 * 64; x++) {
		struct iovec iov[3];
		size_t len = 0;
		int r = x;

		for (int i = 0; i < 3; i++, r /= 6) {
			iov[i].iov_len = sizes[r % 6];
			len += iov[i].iov_len;
		}
		for (int i = 0; i < 3; i++, r /= 4)
			iov[i].iov_base = (void *)bases[r % 4];
		if (len == 0)
			continue;
		for (uint64_t off = 0; off <= 9; off++)
			for (uint64_t size = 0; size <= 72; size += 3) {
				struct plan_in in = { OP_READ, off, len, iov, 3, { 4, 8, 8, false }, size, false };

				check(&in);
			}
		for (int i = 0; i < 3; i++)
			iov[i].iov_len *= 512;
		for (uint64_t off = 0; off <= 8192; off += 512) {
			struct plan_in in = { OP_WRITE, off, len * 512, iov, 3, { 512, 512, 512, false }, 0, off % 1024 == 0 };

			check(&in);
		}
	}
}

static void is_plan(const struct plan_in *in, const char *expect, const char *name)
{
	static const char kinds[] = "DBC";
	struct plan p;
	char text[128] = "";
	size_t n = 0;

	plan_build(&p, in);
	for (int i = 0; i < p.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%c%zu ", kinds[p.seg[i].kind], p.seg[i].len);
	is_str(text, expect, "%s", name);
}

int main(void)
{
	struct align al = { 512, 512, 512, false };
	struct iovec iov = { (void *)8192, 1 << 20 };
	struct plan_in in = { OP_READ, 0, 1 << 20, &iov, 1, al, 1 << 20, false };

	reads();
	ok(wrong == 0, "reads: %ld plans", cases);
	wrong = cases = 0;
	writes();
	ok(wrong == 0, "writes: %ld plans", cases);
	wrong = cases = 0;
	vectors();
	ok(wrong == 0, "vectors: %ld plans", cases);

	is_plan(&in, "D1048576 ", "an aligned read is one direct segment");
	in.size = 1000;
	is_plan(&in, "D512 B488 ", "the last block of a file is bounced");
	in.size = 0;
	is_plan(&in, "", "nothing to read at the end of file");
	in.size = 1 << 20;
	in.off = 100, in.len = 10000, iov.iov_base = (void *)(8192 + 100);
	is_plan(&in, "B412 D9216 B372 ", "co-aligned: only the ends are bounced");
	iov.iov_base = (void *)8192;
	is_plan(&in, "B10000 ", "buffer and offset off by different amounts: all bounced");
	in.op = OP_WRITE, in.off = 4000, in.len = 10000, iov.iov_base = (void *)(8192 + 4000);
	is_plan(&in, "C96 D8192 C1712 ", "a write: edges cached, whole blocks direct");
	iov.iov_base = (void *)8193;
	is_plan(&in, "C96 B8192 C1712 ", "the same from misaligned memory: bounced");
	in.off = 512, in.len = 1024, iov.iov_base = (void *)8192;
	is_plan(&in, "C1024 ", "less than a block: all cached");
	in.exact = true;
	is_plan(&in, "D1024 ", "unless the program itself opened it O_DIRECT");
	return done_testing();
}

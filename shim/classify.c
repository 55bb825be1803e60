#include "classify.h"

static uint32_t rest(uint64_t x, uint32_t a)
{
	return (uint32_t)(x & (a - 1));
}

static void is_off(struct classified *c, enum ledger_dim dim, uint32_t by)
{
	if (by == 0 || (c->off & 1u << dim))
		return;
	c->off |= 1u << dim;
	c->rest[dim] = by;
}

/* The kernel looks at every piece: its address, and its length by the block. */
void classify_asked(struct classified *c, const struct plan_in *in)
{
	const uint32_t a = in->op == OP_READ ? in->align.read : in->align.write;
	size_t left = in->len;

	c->off = 0;
	if (left == 0)	/* nobody is refused nothing */
		return;
	is_off(c, DIM_offset, rest(in->off, a));
	is_off(c, DIM_length, rest(in->len, a));
	for (int i = 0; i < in->iovcnt && left > 0; i++) {
		size_t n = in->iov[i].iov_len < left ? in->iov[i].iov_len : left;

		if (n == 0)
			continue;
		is_off(c, DIM_address, rest((uintptr_t)in->iov[i].iov_base, in->align.mem));
		is_off(c, DIM_length, rest(n, a));
		left -= n;
	}
}

/* Bytes that the plan of the request moves zero-copy. */
static uint64_t direct_bytes(const struct plan_in *in)
{
	uint64_t sum = 0;
	struct plan p;

	plan_build(&p, in);
	for (int i = 0; i < p.n; i++)
		if (p.seg[i].kind == SEG_DIRECT)
			sum += p.seg[i].len;
	return sum;
}

/* Most requests: one buffer, whole blocks, all of it moved. */
static bool whole_blocks(struct classified *c, const struct plan_in *in, size_t asked)
{
	const uint32_t a = in->op == OP_READ ? in->align.read : in->align.write;
	const uint32_t block = in->op == OP_READ || a > PLAN_BLOCK ? a : PLAN_BLOCK;

	if (in->iovcnt != 1 || in->len != asked || asked == 0 || rest(in->off | in->len, block))
		return false;
	c->off = 0;
	is_off(c, DIM_address, rest((uintptr_t)in->iov[0].iov_base, in->align.mem));
	c->bytes[c->off ? CLASS_memory : CLASS_as_is] = in->len;
	return true;
}

void classify(struct classified *c, const struct plan_in *in, size_t asked)
{
	const uint64_t end = in->off + in->len;
	const struct iovec aligned = { NULL, in->len };
	struct plan_in moved = *in, whole = *in, better;
	uint64_t left = in->len, n;

	for (int i = 0; i < CLASSES; i++)
		c->bytes[i] = 0;
	if (whole_blocks(c, in, asked))
		return;
	whole.len = asked;
	classify_asked(c, &whole);
	if (in->len == 0)
		return;
	moved.size = in->op == OP_READ && in->len < asked ? end : UINT64_MAX;
	better = moved;
	better.iov = &aligned;
	better.iovcnt = 1;

	c->bytes[CLASS_as_is] = direct_bytes(&moved);
	left -= c->bytes[CLASS_as_is];
	n = direct_bytes(&better);
	if (n > c->bytes[CLASS_as_is]) {
		c->bytes[CLASS_memory] = n - c->bytes[CLASS_as_is];
		left -= c->bytes[CLASS_memory];
	}
	/* The last block of the file, as far as it is data. */
	n = moved.size == end ? rest(end, in->align.read) : 0;
	c->bytes[CLASS_never] = n < left ? n : left;
	c->bytes[CLASS_offsets] = left - c->bytes[CLASS_never];
}

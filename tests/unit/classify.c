/*
 * The classes of requests, exhaustively over small numbers, against a model that
 * goes byte by byte; and what is said to be misaligned, against the kernel.
 */
#include "classify.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long cases, wrong;

static void complain(const struct plan_in *in, size_t asked, const char *what, uint64_t got, uint64_t want)
{
	if (wrong++ > 5)
		return;
	diag("%s: %llu, want %llu: %s off=%llu moved=%zu asked=%zu pieces=%d base=%zu len=%zu align %u/%u/%u exact=%d", what,
	     (unsigned long long)got, (unsigned long long)want, in->op == OP_READ ? "read" : "write",
	     (unsigned long long)in->off, in->len, asked, in->iovcnt,
	     (size_t)in->iov[0].iov_base, in->iov[0].iov_len, in->align.mem, in->align.read, in->align.write, in->exact);
}

/* ---- the model -------------------------------------------------------------- */

/* In which piece byte i of the request lies, and where. */
static int piece(const struct plan_in *in, size_t i, uintptr_t *at)
{
	for (int k = 0; k < in->iovcnt; k++) {
		if (i < in->iov[k].iov_len) {
			*at = (uintptr_t)in->iov[k].iov_base + i;
			return k;
		}
		i -= in->iov[k].iov_len;
	}
	return -1;
}

/*
 * May the bytes [from, to) be moved from or to the program's memory in whole blocks
 * of a? Each in one piece; and where a piece begins, memory is aligned.
 */
static bool memory_takes(const struct plan_in *in, size_t from, size_t to, uint32_t a)
{
	uintptr_t at = 0, end = 0;
	int before = -1;

	for (size_t i = from; i < to; i += a) {
		const int k = piece(in, i, &at);

		if ((k != before && at % in->align.mem) || piece(in, i + a - 1, &end) != k)
			return false;
		before = k;
	}
	return true;
}

static bool pieces_overlap(const struct plan_in *in, size_t asked)
{
	for (int i = 0; i < in->iovcnt; i++)
		for (int k = 0; k < i; k++)
			for (size_t x = 0; x < in->iov[i].iov_len; x++) {
				char *at = (char *)in->iov[i].iov_base + x, *b = in->iov[k].iov_base;

				if (at >= b && at < b + in->iov[k].iov_len)
					return true;
			}
	return asked == 0;
}

/* Which blocks are whole in the request: [*from, *to), bytes of it. */
static void whole_blocks(const struct plan_in *in, uint32_t a, size_t *from, size_t *to)
{
	*from = 0;
	while (*from < in->len && (in->off + *from) % a)
		++*from;
	*to = in->len;
	while (*to > *from && (in->off + *to) % a)
		--*to;
}

static void model(struct classified *c, const struct plan_in *in, size_t asked)
{
	const bool read = in->op == OP_READ;
	const uint32_t a = read ? in->align.read : in->align.write;
	const uint32_t block = read || (in->exact && in->off % a == 0 && in->len % a == 0) || a > PLAN_BLOCK ? a : PLAN_BLOCK;
	size_t from, to, tail = 0;

	memset(c, 0, sizeof(*c));
	if (asked == 0)
		return;
	/* The kernel's own rule. */
	if (in->off % a)
		c->off |= 1 << DIM_offset;
	if (asked % a)
		c->off |= 1 << DIM_length;
	for (int k = 0; k < in->iovcnt; k++) {
		if (in->iov[k].iov_len && (uintptr_t)in->iov[k].iov_base % in->align.mem)
			c->off |= 1 << DIM_address;
		if (in->iov[k].iov_len % a)
			c->off |= 1 << DIM_length;
	}
	/* Whole blocks are zero-copy if memory takes them where it is; vectors only from the first byte on. */
	whole_blocks(in, block, &from, &to);
	if (to > from && (in->iovcnt == 1 || from == 0) && memory_takes(in, from, to, a) &&
	    !(read && pieces_overlap(in, asked)))
		c->bytes[CLASS_as_is] = to - from;
	/* Another buffer, aligned at its first byte: blocks are aligned in it if the first one is. */
	else if (to > from && from % in->align.mem == 0)
		c->bytes[CLASS_memory] = to - from;
	if (read && in->len < asked)
		tail = (size_t)((in->off + in->len) % a);
	if (tail > in->len - (c->bytes[CLASS_as_is] + c->bytes[CLASS_memory]))
		tail = (size_t)(in->len - (c->bytes[CLASS_as_is] + c->bytes[CLASS_memory]));
	c->bytes[CLASS_never] = tail;
	c->bytes[CLASS_offsets] = in->len - c->bytes[CLASS_as_is] - c->bytes[CLASS_memory] - tail;
}

/* ---- beside it ---------------------------------------------------------------- */

static uint64_t direct(const struct plan_in *in, size_t asked)
{
	struct plan_in moved = *in;
	struct plan p;
	uint64_t sum = 0;

	moved.size = in->op == OP_READ && in->len < asked ? in->off + in->len : UINT64_MAX;
	plan_build(&p, &moved);
	for (int i = 0; i < p.n; i++)
		sum += p.seg[i].kind == SEG_DIRECT ? p.seg[i].len : 0;
	return sum;
}

static void check(const struct plan_in *in, size_t asked)
{
	struct classified got, want;
	struct plan_in whole = *in;
	uint64_t sum = 0;

	cases++;
	memset(&got, 0xa5, sizeof(got));	/* nothing is taken for set */
	classify(&got, in, asked);
	model(&want, in, asked);
	for (int i = 0; i < CLASSES; i++) {
		static const char *const names[] = { "as_is", "memory", "offsets", "never" };

		sum += got.bytes[i];
		if (got.bytes[i] != want.bytes[i])
			complain(in, asked, names[i], got.bytes[i], want.bytes[i]);
	}
	if (sum != in->len)
		complain(in, asked, "sum", sum, in->len);
	if (in->len > 0 && got.bytes[CLASS_as_is] != direct(in, asked))
		complain(in, asked, "as_is, of the plan", got.bytes[CLASS_as_is], direct(in, asked));
	if (got.off != want.off)
		complain(in, asked, "off", got.off, want.off);
	for (int d = 0; d < DIMS; d++)
		if ((got.off >> d & 1) && (got.rest[d] == 0 || got.rest[d] >= (d == DIM_address ? in->align.mem : in->op == OP_READ ? in->align.read : in->align.write)))
			complain(in, asked, "remainder", got.rest[d], (uint64_t)d);
	whole.len = asked;
	classify_asked(&got, &whole);
	if (got.off != want.off)
		complain(in, asked, "off, before", got.off, want.off);
}

static void one_buffer(void)
{
	static const struct align aligns[] = { { 1, 8, 8, false }, { 2, 8, 8, false }, { 4, 8, 8, false }, { 8, 8, 8, false },
					       { 16, 8, 8, false }, { 8, 16, 16, false } };

	for (size_t k = 0; k < sizeof(aligns) / sizeof(aligns[0]); k++)
		for (uint64_t off = 0; off <= 33; off++)
			for (size_t asked = 0; asked <= 40; asked++)
				for (uintptr_t skew = 0; skew <= 16; skew++)
					for (size_t moved = 0; moved <= asked; moved++) {
						struct iovec iov = { (void *)(4096 + skew), asked };
						struct plan_in in = { OP_READ, off, moved, &iov, 1, aligns[k], 0, false };

						check(&in, asked);
					}
}

static void vectors(void)
{
	static const size_t lens[] = { 0, 1, 7, 8, 9, 16, 24 };
	static const uintptr_t skews[] = { 0, 1, 4, 8, 12 };

	for (int turn = 0; turn < 7 * 7 * 7 * 5 * 5 * 5; turn++) {
		int x = turn;
		struct iovec iov[3];
		size_t asked = 0;

		for (int i = 0; i < 3; i++) {
			iov[i] = (struct iovec){ (void *)(4096 + (uintptr_t)i * 16 + skews[x % 5]), lens[x / 5 % 7] };
			if (turn % 3)	/* apart */
				iov[i].iov_base = (char *)iov[i].iov_base + i * 64;
			asked += iov[i].iov_len;
			x /= 35;
		}
		for (uint64_t off = 0; off <= 16; off += 4)
			for (size_t less = 0; less <= asked && less < 12; less += 3) {
				struct plan_in in = { OP_READ, off, asked - less, iov, 3, { 4, 8, 8, false }, 0, false };

				check(&in, asked);
			}
	}
}

static void writes(void)
{
	static const size_t edge[] = { 0, 1, 511, 512, 513, 4095, 4096, 4097, 8192, 12800, 16384 };
	static const uintptr_t skews[] = { 0, 1, 4, 511, 512, 1024, 4095 };
	static const struct align aligns[] = { { 512, 512, 512, false }, { 4, 512, 512, false }, { 512, 4096, 4096, false },
					       { 4096, 4096, 4096, false }, { 512, 512, 8192, false } };
	const size_t n = sizeof(edge) / sizeof(edge[0]);

	for (size_t k = 0; k < sizeof(aligns) / sizeof(aligns[0]); k++)
		for (size_t t = 0; t < n * n * n * 7; t++)
			for (int exact = 0; exact < 2; exact++) {
				size_t asked = edge[t % n] + edge[t / n % n], off = edge[t / n / n % n];
				struct iovec iov[2] = { { (void *)(65536 + skews[t / n / n / n]), asked }, { NULL, 0 } };
				struct plan_in in = { OP_WRITE, off, asked, iov, 1, aligns[k], 0, exact };

				check(&in, asked);
				if (asked > 512) {	/* the same in two pieces, and short */
					iov[1] = (struct iovec){ (char *)iov[0].iov_base + 65536, asked - asked / 1024 * 512 };
					iov[0].iov_len = asked / 1024 * 512;
					in.iovcnt = 2;
					check(&in, asked);
					in.len = asked - 512;
					check(&in, asked);
				}
			}
}

/* ---- the kernel ----------------------------------------------------------------- */

#define SIZE 20000

/*
 * What the kernel may take for all that is said: memory within a page, and a read
 * that is cut at the end of the file.
 */
static bool lenient(const struct plan_in *in)
{
	if (in->op == OP_READ && in->off + in->len > SIZE)
		return true;
	for (int i = 0; i < in->iovcnt; i++) {
		uintptr_t at = (uintptr_t)in->iov[i].iov_base;

		if (at % in->align.mem && at / 4096 != (at + in->iov[i].iov_len - 1) / 4096)
			return false;
	}
	return true;
}

static void kernel_one(int fd, const struct plan_in *in, long *both)
{
	struct classified c;
	/* Not the wrapped ones, which do not refuse. */
	ssize_t r = syscall(in->op == OP_READ ? SYS_preadv : SYS_pwritev, fd, in->iov, in->iovcnt, in->off, 0);
	const bool refused = r < 0 && errno == EINVAL;

	if (in->op == OP_WRITE && ftruncate(fd, SIZE) != 0)
		wrong++;
	classify_asked(&c, in);
	both[refused]++;
	if (in->op == OP_READ && in->off >= SIZE) {
		if (r != 0)
			complain(in, in->len, "the kernel at the end of the file", (uint64_t)r, 0);
	} else if (refused != (c.off != 0) && !(c.off && lenient(in))) {
		complain(in, in->len, "off, and the kernel refused", c.off, refused);
	}
}

static void kernel(void)
{
	static const size_t lens[] = { 512, 1000, 4096, 4097, 8192, 12288 };
	static const size_t offs[] = { 0, 1, 512, 4096, 4100, 16384, 20000, 20480, 24576 };
	static const size_t skews[] = { 0, 1, 4, 256, 511, 512, 4095 };
	const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : "build";
	char name[4096], *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct statx stx;
	struct align align;
	long both[2] = { 0, 0 };
	int fd;

	snprintf(name, sizeof(name), "%s/classify.XXXXXX", folder);
	fd = mkstemp(name);
	if (fd < 0 || ftruncate(fd, SIZE) != 0 || write(fd, memory, SIZE) != SIZE || fsync(fd) != 0 || close(fd) != 0) {
		skip(1, "no file in %s", folder);
		return;
	}
	fd = open(name, O_RDWR | O_DIRECT);
	unlink(name);
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) != 0 || !(stx.stx_mask & STATX_DIOALIGN) ||
	    !stx.stx_dio_mem_align) {
		skip(1, "nobody says what a file in %s wants", folder);
		return;
	}
	align = (struct align){ stx.stx_dio_mem_align, stx.stx_dio_offset_align, stx.stx_dio_offset_align, false };
	for (int op = OP_READ; op <= OP_WRITE; op++)
		for (size_t o = 0; o < sizeof(offs) / sizeof(offs[0]); o++)
			for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
				for (size_t s = 0; s < sizeof(skews) / sizeof(skews[0]); s++)
					for (size_t second = 0; second < 4; second++) {
						struct iovec iov[2] = { { memory + skews[s], lens[l] },
									{ memory + 65536 + skews[second], second ? lens[second - 1] : 0 } };
						struct plan_in in = { (enum op)op, offs[o], lens[l] + iov[1].iov_len, iov,
								      second ? 2 : 1, align, 0, false };

						kernel_one(fd, &in, both);
					}
	ok(wrong == 0 && both[0] > 100 && both[1] > 100, "the kernel refused %ld requests and took %ld, as was said", both[1], both[0]);
	close(fd);
}

int main(void)
{
	one_buffer();
	ok(wrong == 0, "one buffer: %ld reads", cases);
	cases = wrong = 0;
	vectors();
	ok(wrong == 0, "vectors: %ld reads", cases);
	cases = wrong = 0;
	writes();
	ok(wrong == 0, "%ld writes", cases);
	wrong = 0;
	kernel();
	return done_testing();
}

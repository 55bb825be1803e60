/*
 * ring: io_uring beside read and write calls on the same file, buffered and
 * O_DIRECT. The ring's requests are seen by no wrapper. A model in memory says
 * what the file must hold.
 */
#include "transcript.h"
#include <linux/io_uring.h>

#define SIZE (1 << 20)

static int ring;
static unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static char *buf, *buf2;
static unsigned char *model;

static bool set_up(void)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	ring = (int)syscall(SYS_io_uring_setup, 8, &p);
	if (ring < 0)
		return false;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqes), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_CQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	NEED(sq != MAP_FAILED && cq != MAP_FAILED && sqes != MAP_FAILED);
	sq_tail = (unsigned *)(void *)(sq + p.sq_off.tail);
	sq_mask = (unsigned *)(void *)(sq + p.sq_off.ring_mask);
	sq_array = (unsigned *)(void *)(sq + p.sq_off.array);
	cq_head = (unsigned *)(void *)(cq + p.cq_off.head);
	cq_tail = (unsigned *)(void *)(cq + p.cq_off.tail);
	cq_mask = (unsigned *)(void *)(cq + p.cq_off.ring_mask);
	cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
	return true;
}

static void submit(int op, int fd, void *at, size_t n, off_t off)
{
	unsigned i = *sq_tail & *sq_mask;

	sqes[i] = (struct io_uring_sqe){ .opcode = (unsigned char)op, .fd = fd, .addr = (uintptr_t)at,
					 .len = (unsigned)n, .off = (uint64_t)off };
	sq_array[i] = i;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	NEED(syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) == 1);
}

static int result(void)
{
	int r;

	while (__atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) == *cq_head)
		syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	r = cqes[*cq_head & *cq_mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return r;
}

/* Whole blocks where the descriptors are O_DIRECT. */
static void beside(const char *what, int flags, int rounds)
{
	int fd = open("ringed", O_RDWR | flags), wrong = 0;
	uint64_t s = 3;

	for (int i = 0; i < rounds; i++) {
		size_t off = next_random(&s) % (SIZE / 2 - 65536), n = 1 + next_random(&s) % 60000;
		size_t far = off + SIZE / 2;	/* another part of the file */

		if (flags || i % 4 == 0)
			off &= ~4095UL, far &= ~4095UL, n = (n + 4095) & ~4095UL;
		fill(buf, n, (uint64_t)i);
		fill(buf2, n, (uint64_t)i + 1000);
		switch (i % 4) {
		case 0:		/* both at once */
			submit(IORING_OP_WRITE, fd, buf, n, (off_t)off);
			wrong += pwrite(fd, buf2, n, (off_t)far) != (ssize_t)n;
			wrong += result() != (int)n;
			memcpy(model + off, buf, n);
			memcpy(model + far, buf2, n);
			break;
		case 1:		/* the one over the other */
			submit(IORING_OP_WRITE, fd, buf, n, (off_t)off);
			wrong += result() != (int)n;
			wrong += pwrite(fd, buf2, n & ~4095UL, (off_t)off) != (ssize_t)(n & ~4095UL);
			memcpy(model + off, buf, n);
			memcpy(model + off, buf2, n & ~4095UL);
			break;
		case 2:		/* what a call wrote the ring reads */
			wrong += pwrite(fd, buf2, n, (off_t)off) != (ssize_t)n;
			memcpy(model + off, buf2, n);
			submit(IORING_OP_READ, fd, buf, n, (off_t)off);
			wrong += result() != (int)n || memcmp(buf, model + off, n);
			break;
		default:	/* and the other way round */
			submit(IORING_OP_WRITE, fd, buf, n, (off_t)off);
			wrong += result() != (int)n;
			memcpy(model + off, buf, n);
			wrong += pread(fd, buf2, n, (off_t)off) != (ssize_t)n || memcmp(buf2, model + off, n);
			break;
		}
	}
	submit(IORING_OP_FSYNC, fd, NULL, 0, 0);
	wrong += result() != 0;
	submit(IORING_OP_CLOSE, fd, NULL, 0, 0);	/* closed unseen */
	wrong += result() != 0;
	int again = open("other", O_RDWR | O_CREAT, 0600);
	printf("%s: wrong %d, number %d\n", what, wrong, again == fd);
	say(pwrite(again, buf, 8192, 0), "another file");
	close(again);
	say_file("ringed");
	say_file("other");
}

int main(void)
{
	buf = fenced(65536);
	buf2 = fenced(65536);
	model = malloc(SIZE);
	if (!set_up()) {
		printf("no io_uring here\n");
		return 0;
	}
	make_file("ringed", SIZE, 1);
	fill(model, SIZE, 1);
	beside("buffered", 0, 400);
	beside("direct", O_DIRECT, 400);
	return 0;
}

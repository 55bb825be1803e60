/*
 * Direct writes in flight: many at once, some of them large, each announced
 * when the kernel says that it is done. By kernel AIO, which no wrapper sees.
 */
#include "stale.h"
#include <linux/aio_abi.h>
#include <sys/syscall.h>

#define FLIGHTS 16

struct flight {
	aio_context_t context;
};

/* What is left of the image decides how many and how large. */
static int plan(struct hand *h, uint32_t b, struct iocb *cb)
{
	const uint32_t most = 1u << below(&h->rnd, 10);
	uint32_t used = 0;
	int n = 0;

	while (n < FLIGHTS && used < IMAGE / BLOCK) {
		const uint32_t room = (uint32_t)(IMAGE / BLOCK) - used;
		uint32_t want = 1 + (uint32_t)below(&h->rnd, most), run;

		run = run_claim(h, b, want < room ? want : room);
		if (run > 0) {
			run_begin(h, b, run, OP_FLIGHT, false);
			for (uint32_t i = 0; i < run; i++)
				block_fill(h->image + (used + i) * BLOCK, h->t->number, b + i, h->t->blocks[b + i].started);
			cb[n++] = (struct iocb){ .aio_data = (uint64_t)b << 32 | run, .aio_lio_opcode = IOCB_CMD_PWRITE,
						 .aio_fildes = (uint32_t)hand_direct(h),
						 .aio_buf = (uintptr_t)(h->image + used * BLOCK),
						 .aio_nbytes = run * (uint64_t)BLOCK, .aio_offset = b * BLOCK };
			used += run;
		}
		b = one_in(&h->rnd, 4) ? (uint32_t)below(&h->rnd, BLOCKS) : b + run + 1;
		if (one_in(&h->rnd, FLIGHTS))
			break;
	}
	return n;
}

bool op_flight(struct hand *h, uint32_t b)
{
	struct iocb cb[FLIGHTS], *list[FLIGHTS];
	struct io_event ev[FLIGHTS];
	const int n = plan(h, b, cb);

	if (!h->flight) {
		h->flight = calloc(1, sizeof(*h->flight));
		NEED(h->flight && syscall(SYS_io_setup, FLIGHTS, &h->flight->context) == 0);
	}
	for (int i = 0; i < n; i++)
		list[i] = &cb[i];
	if (h->want && n > 0)
		set(&h->want->issued, 1);
	NEED(n == 0 || syscall(SYS_io_submit, h->flight->context, (long)n, list) == n);
	for (int left = n; left > 0;) {
		long k = syscall(SYS_io_getevents, h->flight->context, 1L, (long)FLIGHTS, ev, NULL);

		NEED(k > 0 || errno == EINTR);
		for (long i = 0; i < k; i++, left--) {
			const uint32_t at = (uint32_t)(ev[i].data >> 32), run = (uint32_t)ev[i].data;

			if (ev[i].res == run * BLOCK)
				run_announce(h, at, run, OP_FLIGHT);
			else
				tell("a direct write in flight: %lld of %ld", (long long)ev[i].res, run * BLOCK);
			run_release(h, at, run);
		}
	}
	return n > 0;
}

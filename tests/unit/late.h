/*
 * late: asynchronous reads that are done when told, and go wrong as told.
 */
#ifndef DIOSHIM_LATE_H
#define DIOSHIM_LATE_H

#include "quiet.h"

#define LATE_MAX 256

static struct {
	bool eager;		/* done as soon as they are submitted */
	long setup, submit, events;	/* -errno for these calls; 0: none */
	long result;		/* of reads from here on: bytes at most, or -errno; 0: as they are */
	uint64_t from;		/* only of those from this offset on */
	long setups, submits, waits;	/* so often it was */
	long now;		/* -errno for synchronous reads on descriptors of the shim */
	long reads;		/* so many these were */
	size_t longest;		/* bytes of one submission */
	int n;
	struct { struct iocb cb; long context, res; bool done; } read[LATE_MAX];
} late;

static void late_do(int i)
{
	const struct iocb *cb = &late.read[i].cb;
	long r = disk_call(SYS_pread64, cb->aio_fildes, (long)cb->aio_buf, (long)cb->aio_nbytes,
			   cb->aio_offset, 0, 0);

	if (late.result && (uint64_t)cb->aio_offset >= late.from && late.result < r) {
		r = late.result;
		memset((char *)(uintptr_t)cb->aio_buf + (r > 0 ? r : 0), 0x77,
		       cb->aio_nbytes - (size_t)(r > 0 ? r : 0));
	}
	late.read[i].res = r;
	late.read[i].done = true;
}

static long late_submit(long context, const struct iocb *cb)
{
	if (late.submit)
		return late.submit;
	if (late.n == LATE_MAX)
		return -EAGAIN;
	late.submits++;
	if (cb->aio_nbytes > late.longest)
		late.longest = cb->aio_nbytes;
	late.read[late.n].cb = *cb;
	late.read[late.n].context = context;
	late.read[late.n++].done = false;
	if (late.eager || late.result < 0)	/* a failed write-back is told at once */
		late_do(late.n - 1);
	return 1;
}

static long late_take(long context, long max, struct io_event *ev)
{
	long got = 0;

	for (int i = 0; i < late.n && got < max;) {
		if (late.read[i].context != context || !late.read[i].done) {
			i++;
			continue;
		}
		ev[got++] = (struct io_event){ .data = late.read[i].cb.aio_data, .res = late.read[i].res };
		late.n--;
		memmove(&late.read[i], &late.read[i + 1], (size_t)(late.n - i) * sizeof(late.read[0]));
	}
	return got;
}

static long late_events(long context, long min, long max, struct io_event *ev)
{
	long got;

	if (late.events)
		return late.events;
	got = late_take(context, max, ev);
	if (got < min)
		late.waits++;
	for (int i = 0; got < min && i < late.n; i++) {
		if (late.read[i].context != context)
			continue;
		late_do(i);
		got = late_take(context, max, ev);
	}
	if (got < min)
		wrong("waits for a read that is not under way");
	return got;
}

/* As a persona (fake.h), or below the faults (disk_aio). */
HELPER bool late_kernel(long nr, const long *a, long *answer)
{
	switch (nr) {
	case SYS_io_setup:
		*answer = late.setup;
		if (!late.setup)
			*(aio_context_t *)a[1] = (aio_context_t)++late.setups;
		return true;
	case SYS_io_submit:
		*answer = late_submit(a[0], *(struct iocb **)a[2]);
		return true;
	case SYS_io_getevents:
		*answer = late_events(a[0], a[1], a[2], (struct io_event *)a[3]);
		return true;
	case SYS_pread64: case SYS_preadv:
		if (!fdtab_is_own((int)a[0]))
			return false;
		late.reads++;
		*answer = late.now;
		return late.now != 0;
	default:
		return false;
	}
}

#endif

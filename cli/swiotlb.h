/*
 * swiotlb: copies that the kernel makes once more for a device, into and out of
 * memory that the device reaches. How many bytes, over some time, by the
 * tracepoint swiotlb:swiotlb_bounced in a tracefs instance of our own. It is
 * the whole host's: no process is named there, and network cards count too.
 *
 * Best effort: nothing here fails, waits, or leaves anything behind. The
 * instance of a process that was killed goes with the next start.
 * Depends on: libc.
 */
#ifndef DIOSHIM_SWIOTLB_H
#define DIOSHIM_SWIOTLB_H

#include <stdbool.h>
#include <stdint.h>

struct swiotlb_result {
	bool readable;		/* bytes and bounces mean something */
	bool at_least;		/* there were more than the kernel kept account of */
	uint64_t bytes;		/* mapped through the pool, on the whole host */
	uint64_t bounces;	/* in so many pieces */
	char why[128];		/* not readable, or certainly none: why; else empty */
};

struct swiotlb_watch {
	enum { SWIOTLB_UNKNOWN, SWIOTLB_NO_POOL, SWIOTLB_IDLE, SWIOTLB_SUMS, SWIOTLB_EVENTS } how;
	int instances;		/* tracefs's folder of them, or -1 */
	int folder;		/* our instance, or -1 */
	int hold;		/* a file of it: what is open is not removed by others */
	char name[32];
	char why[128];
};

/*
 * sums: let the kernel add up (CONFIG_HIST_TRIGGERS), which has no limit; false
 * only to try the other way. Every start has its stop, by the same process.
 */
void swiotlb_start(struct swiotlb_watch *w, bool sums);
void swiotlb_stop(struct swiotlb_watch *w, struct swiotlb_result *r);

/*
 * A figure of the pool, /sys/kernel/debug/swiotlb/NAME: 0 and *value, or the
 * errno: ENOENT when there is no pool, EACCES, ENODEV without debugfs.
 */
int swiotlb_figure(const char *name, uint64_t *value);

/* tracefs's folder, or NULL: not mounted. */
const char *swiotlb_tracefs(void);

#endif

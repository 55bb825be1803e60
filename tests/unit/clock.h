/*
 * clock: a clock that goes as told, and the ctimes that files get from it, by
 * a kernel whose timestamps move in ticks. Answers what is asked of the real
 * kernel where it is turned on.
 * Depends on: sys.
 */
#ifndef DIOSHIM_CLOCK_H
#define DIOSHIM_CLOCK_H

#include "sys.h"

#include <time.h>

#define CLOCK_MS 1000000ll
#define CLOCK_S 1000000000ll
#define CLOCK_FILES 8
#define CLOCK_CTIME 0x80u	/* STATX_CTIME */

static struct {
	bool on;
	int64_t now;		/* ns: CLOCK_REALTIME */
	int64_t tick, phase;	/* ns: of the coarse clock, which stands at phase + a multiple of tick */
	int64_t grain;		/* ns: of the file system's timestamps */
	bool fine;		/* Linux 6.13: a ctime that was asked for moves with each change */
	int64_t floor;		/* ns: the latest such one */
	struct { uint64_t ino; int64_t ctime; bool asked; } file[CLOCK_FILES];
} disk_clock;

static int64_t clock_coarse(void)
{
	int64_t into = (disk_clock.now - disk_clock.phase) % disk_clock.tick;

	return disk_clock.now - (into < 0 ? into + disk_clock.tick : into);
}

/* The entry of an inode; a new one if it is to be stamped. */
static int clock_entry(uint64_t ino, bool make)
{
	int i = 0;

	while (i < CLOCK_FILES && disk_clock.file[i].ino && disk_clock.file[i].ino != ino)
		i++;
	if (i == CLOCK_FILES || (!disk_clock.file[i].ino && !make))
		return -1;
	disk_clock.file[i].ino = ino;
	return i;
}

/* Something of the file changes now. */
static void clock_stamp(int fd)
{
	struct stat st;
	int64_t t;
	int i;

	if (!disk_clock.on || sys_kernel(SYS_fstat, fd, sys_ptr(&st), 0, 0, 0, 0) != 0)
		return;
	i = clock_entry(st.st_ino, true);
	if (i < 0)
		return;
	t = clock_coarse();
	if (disk_clock.fine && t < disk_clock.floor)
		t = disk_clock.floor;
	if (disk_clock.fine && disk_clock.file[i].asked) {
		t = disk_clock.floor = disk_clock.now > disk_clock.floor ? disk_clock.now :
									  disk_clock.floor + 1;
		disk_clock.file[i].asked = false;
	}
	disk_clock.file[i].ctime = t - t % disk_clock.grain;
}

/* The same before 1970. */
static struct timespec clock_split(int64_t t)
{
	int64_t nsec = t % CLOCK_S;

	if (nsec < 0)
		nsec += CLOCK_S;
	return (struct timespec){ (t - nsec) / CLOCK_S, nsec };
}

static bool clock_of(uint64_t ino, struct timespec *t)
{
	int i = clock_entry(ino, false);

	if (i < 0)
		return false;
	disk_clock.file[i].asked = true;
	*t = clock_split(disk_clock.file[i].ctime);
	return true;
}

/* What the kernel answered, with this clock's times in it. */
static void clock_tell(long nr, const long *a)
{
	struct sys_statx *stx = (struct sys_statx *)a[4];
	struct stat *st = (struct stat *)a[1];
	struct timespec t;

	if (nr == SYS_statx && (a[3] & CLOCK_CTIME) && clock_of(stx->ino, &t)) {
		stx->ctime.sec = t.tv_sec;
		stx->ctime.nsec = (uint32_t)t.tv_nsec;
	} else if (nr == SYS_fstat && clock_of(st->st_ino, &t)) {
		st->st_ctim = t;
	} else if (nr == SYS_clock_gettime && a[0] == CLOCK_REALTIME_COARSE) {
		*(struct timespec *)a[1] = clock_split(clock_coarse());
	}
}

#endif

/*
 * align: what direct I/O wants of memory and offsets, for one file.
 *
 * Discovered from what kernel and device say (statx, ioctl, sysfs), never by
 * trial on the program's file. `dioshim doctor` asks the same functions.
 * Depends on: sys.
 */
#ifndef DIOSHIM_ALIGN_H
#define DIOSHIM_ALIGN_H

#include "ledger.h"
#include "sys.h"

struct align {
	uint32_t mem;		/* bytes, a power of two: what the device takes */
	uint32_t read;		/* bytes, a power of two: read offsets and lengths */
	uint32_t write;		/* the same for writes */
	bool pages_only;	/* mem was raised to 4096: smaller is not trusted here */
};

struct align_facts {
	struct align align;
	bool writes_are_cached;		/* btrfs with checksums */
	bool shares_extents;		/* the file system may clone ranges */
	bool tells_changes;		/* a local file system whose ctime shows every change */
	enum align_from from;
	uint64_t device_size;		/* block devices: bytes; else 0 */
};

/*
 * Fills *facts for an open regular file or block device. REASON_NONE when
 * direct I/O is possible, else why not.
 */
enum reason align_discover(int fd, const struct stat *st, struct align_facts *facts);

/* Why a file could not be opened once more with O_DIRECT: from -errno. */
enum reason align_refusal(int err);

#endif

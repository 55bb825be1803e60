/*
 * host: what the kernel offers that the library uses, measured where that can
 * be done in a moment, and whether it may copy once more for a device
 * (SWIOTLB). What this user may not read is said to be so, never guessed.
 * Depends on: place (the answers), swiotlb, sys.
 */
#ifndef DIOSHIM_HOST_H
#define DIOSHIM_HOST_H

#include "place.h"

struct finding {
	const char *name;	/* stable: the key in JSON */
	const char *title;
	enum answer answer;
	char text[192];		/* what it means, or why it cannot be told */
};

enum { HOST_KERNEL = 6, HOST_SWIOTLB = 5 };

/* fd: a temporary file on a real file system, or -1; said: statx said something of a file. */
void host_kernel(struct finding list[HOST_KERNEL], int fd, bool said);

/* The evidence, and the sum of it. */
struct finding host_swiotlb(struct finding list[HOST_SWIOTLB]);

__attribute__((format(printf, 3, 4)))
void finding_set(struct finding *f, enum answer answer, const char *fmt, ...);

#endif

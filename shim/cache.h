/*
 * cache: what the page cache holds of a range of a file, as cachestat tells
 * (Linux 6.5; on overlayfs it always says nothing).
 * Depends on: sys.
 */
#ifndef DIOSHIM_CACHE_H
#define DIOSHIM_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that the kernel may have read beyond a reader: the most that read_ahead_kb is met with. */
#define CACHE_READ_AHEAD (8u << 20)

/*
 * Is a page of the range there, and how many are dirty or being written? Where
 * there is no cachestat: no, and cache_untold() is true. Where it fails: yes.
 */
bool cache_has(int fd, uint64_t off, size_t len, uint64_t *dirty);

/* Pages of the range that are there, in *pages. False: it cannot be told. */
bool cache_pages(int fd, uint64_t off, size_t len, uint64_t *pages);

bool cache_untold(void);

#endif

/*
 * disk: one file, as an array of bytes, read and written by the kernel's rules.
 *
 * Through the page cache anything goes. O_DIRECT wants addresses, offset and
 * lengths aligned, EINVAL else; at the end of the file a direct read gives what
 * there is and zeroes the memory up to the block's end. Memory behind disk_bad
 * is such as the kernel refuses: EFAULT, or a short count.
 * Depends on: libc.
 */
#ifndef DIOSHIM_FUZZ_DISK_H
#define DIOSHIM_FUZZ_DISK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#define DISK_ROOM (768u << 10)	/* bytes that a file may have */

struct disk {
	uint64_t size;
	uint8_t data[DISK_ROOM];
};

/* n bytes of a pattern, another one for each kind: a misplaced byte shows. */
static inline void disk_fill(uint8_t *to, size_t n, unsigned kind)
{
	static uint8_t pattern[2][65521 + 256];

	for (size_t i = 0; !pattern[kind][1] && i < sizeof(pattern[0]); i++)
		pattern[kind][i] = (uint8_t)((i % 65521 * 7 + (i % 65521 >> 8) * 13) | (kind ? 128 : 1));
	for (size_t part; n > 0; n -= part, to += part) {
		part = n < 65521 ? n : 65521;
		memcpy(to, pattern[kind], part);
	}
}

/* What direct I/O wants here, bytes, powers of two. */
struct disk_rule {
	uint32_t mem, read, write;
};

/* A range of memory that the kernel would not take; none at the start. */
static struct { uintptr_t from, to; } disk_bad;

/* The bytes from at on, up to n, that the kernel would take. */
static inline size_t disk_good(const void *at, size_t n)
{
	uintptr_t from = (uintptr_t)at;

	if (from >= disk_bad.to || from + n <= disk_bad.from)
		return n;
	return from < disk_bad.from ? disk_bad.from - from : 0;
}

static inline bool disk_aligned(const struct disk_rule *rule, bool read, const struct iovec *iov,
				int n, uint64_t off)
{
	const uint64_t block = read ? rule->read : rule->write;

	if (off % block)
		return false;
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len % block ||
		    (iov[i].iov_len && (uintptr_t)iov[i].iov_base % rule->mem))
			return false;
	return true;
}

/* One buffered transfer of at most max bytes; bytes moved, or -EFAULT. */
static inline ssize_t disk_move(struct disk *d, bool read, const struct iovec *iov, int n,
				uint64_t off, size_t max)
{
	size_t done = 0;
	bool refused = false;

	for (int i = 0; i < n && !refused && done < max; i++) {
		uint64_t at = off + done, room = read ? d->size : DISK_ROOM;
		size_t want = iov[i].iov_len, len;

		if (want > max - done)
			want = max - done;
		if (at >= room)
			break;
		if (want > room - at)
			want = (size_t)(room - at);
		len = disk_good(iov[i].iov_base, want);
		refused = len < want;
		if (len == 0)
			continue;
		if (read) {
			memcpy(iov[i].iov_base, d->data + at, len);
		} else {
			if (at > d->size)
				memset(d->data + d->size, 0, (size_t)(at - d->size));
			memcpy(d->data + at, iov[i].iov_base, len);
			if (at + len > d->size)
				d->size = at + len;
		}
		done += len;
	}
	return refused && done == 0 ? -EFAULT : (ssize_t)done;
}

/* The same with O_DIRECT. */
static inline ssize_t disk_direct(struct disk *d, const struct disk_rule *rule, bool read,
				  const struct iovec *iov, int n, uint64_t off, size_t max)
{
	size_t end;
	ssize_t got;

	if (read && off >= d->size)
		return 0;
	if (!disk_aligned(rule, read, iov, n, off))
		return -EINVAL;
	for (int i = 0; i < n; i++)
		if (disk_good(iov[i].iov_base, iov[i].iov_len) < iov[i].iov_len)
			return -EFAULT;
	got = disk_move(d, read, iov, n, off, max);
	if (!read || got <= 0 || (uint64_t)got % rule->read == 0)
		return got;
	end = ((size_t)got + rule->read - 1) & ~((size_t)rule->read - 1);
	for (int i = 0, done = 0; i < n; i++) {	/* the rest of the last block */
		for (size_t k = 0; k < iov[i].iov_len; k++, done++)
			if (done >= got && (size_t)done < end)
				((uint8_t *)iov[i].iov_base)[k] = 0;
	}
	return got;
}

#endif

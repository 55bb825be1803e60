/*
 * memory: the program's memory, touched with care.
 *
 * Where the kernel would answer EFAULT our own load or store would crash the
 * program, so every range is checked before it is copied to or from.
 * Depends on: sys.
 */
#ifndef DIOSHIM_MEMORY_H
#define DIOSHIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/*
 * The program has asked for userfaultfd: a page may be filled by a thread that
 * reads the very file. So it must not be first touched below a direct write,
 * which holds the file's lock.
 */
extern bool memory_lazy;

/* The program has mapped a file: pages of its memory may go, if the file is cut. */
extern bool memory_maps_files;

/* Would the kernel accept these n bytes? Faults the pages in. */
bool memory_readable(const void *at, size_t n);
bool memory_writable(void *at, size_t n);

/* A walk over the bytes of an iovec. */
struct memory_walk {
	const struct iovec *iov;
	int left;		/* pieces from iov on */
	size_t at;		/* bytes into the first */
};

void memory_walk_to(struct memory_walk *w, const struct iovec *iov, int n, size_t pos);

/* Would the kernel accept the next n bytes of the walk? To be asked before: */
bool memory_walk_writable(struct memory_walk w, size_t n);
bool memory_walk_readable(struct memory_walk w, size_t n);

/*
 * The same for n bytes that are at hand and will be put there: cheaper for
 * few, for it writes into them.
 */
bool memory_walk_takes(struct memory_walk w, size_t n);

/*
 * Copy n bytes between the walk's place and the pool, and step on. How many
 * were: fewer only if the program's memory went away meanwhile.
 */
size_t memory_put(struct memory_walk *w, const char *from, size_t n);
size_t memory_take(struct memory_walk *w, char *to, size_t n);

/*
 * The bytes [pos, pos + len) of an iovec as pieces of out[max], or the part of
 * them that max pieces hold. How many pieces; *covered is how many bytes.
 */
int memory_slice(const struct iovec *iov, int n, size_t pos, size_t len,
		 struct iovec *out, int max, size_t *covered);

#endif

#include "memory.h"
#include "sys.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

bool memory_lazy;
bool memory_maps_files;

static bool populate(const void *at, size_t n, int advice)
{
	const uintptr_t mask = (uintptr_t)getauxval(AT_PAGESZ) - 1;
	uintptr_t page = (uintptr_t)at & ~mask;
	size_t whole = (((uintptr_t)at + n + mask) & ~mask) - page;
	int r = 0;

	if (n == 0)
		return true;
	if ((uintptr_t)at + n < (uintptr_t)at)
		return false;
	/* EINTR: a signal waits; its handler runs when we return to the program. */
	for (int i = 0; i < 1000; i++) {
		r = sys_madvise((const void *)page, whole, advice);
		if (r != -EINTR && r != -EAGAIN)
			break;
	}
	return r == 0;
}

bool memory_readable(const void *at, size_t n)
{
	return populate(at, n, MADV_POPULATE_READ);
}

bool memory_writable(void *at, size_t n)
{
	return populate(at, n, MADV_POPULATE_WRITE);
}

/*
 * Would the kernel write n bytes at at? Asked by having it write, once a page,
 * what will be overwritten: the present signal mask, an eighth of the cost of
 * populating where the pages are few. Where a page has less than those bytes
 * of ours, and where there are many, populate() answers.
 */
#define PROBE 8u
#define PROBE_PAGES 6u

static bool takes(char *at, size_t n)
{
	const size_t size = getauxval(AT_PAGESZ);
	size_t here = size - ((uintptr_t)at & (size - 1));

	if (n > PROBE_PAGES * size)
		return memory_writable(at, n);
	for (; n > 0; at += here, n -= here, here = size) {
		if (here > n)
			here = n;
		/* With address 0 the kernel is not asked to write at all. */
		if (here < PROBE || !at ? !memory_writable(at, here) :
				   sys_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, sys_ptr(at), PROBE, 0, 0) != 0)
			return false;
	}
	return true;
}

void memory_walk_to(struct memory_walk *w, const struct iovec *iov, int n, size_t pos)
{
	while (n > 0 && pos >= iov->iov_len) {
		pos -= iov->iov_len;
		iov++;
		n--;
	}
	*w = (struct memory_walk){ iov, n, pos };
}

/*
 * Not memcpy: the pool's chunks are page-aligned, and where the other side
 * lies a few bytes past a page boundary the `rep movsb` that glibc's memcpy
 * uses on some processors (Zen 3, Zen 4) falls to a tenth of its speed.
 */
typedef char vec __attribute__((vector_size(16), aligned(1), may_alias));

static void copy(char *to, const char *from, size_t n)
{
	size_t head = -(uintptr_t)to & 15;

	/* Whole lines of the target: half as fast again at odd skews. */
	if (n >= 64 && head) {
		*(vec *)to = *(const vec *)from;
		to += head;
		from += head;
		n -= head;
	}
	for (; n >= 64; to += 64, from += 64, n -= 64) {
		vec a = *(const vec *)from, b = *(const vec *)(from + 16);
		vec c = *(const vec *)(from + 32), d = *(const vec *)(from + 48);

		*(vec *)to = a;
		*(vec *)(to + 16) = b;
		*(vec *)(to + 32) = c;
		*(vec *)(to + 48) = d;
	}
	memcpy(to, from, n);
}

/* The part of the walk's present piece that n bytes use. */
static size_t piece(const struct memory_walk *w, size_t n)
{
	size_t here = w->iov->iov_len - w->at;

	return here < n ? here : n;
}

static void step(struct memory_walk *w, size_t n)
{
	w->at += n;
	while (w->left > 0 && w->at >= w->iov->iov_len) {
		w->at = 0;
		w->iov++;
		w->left--;
	}
}

static bool walk(struct memory_walk w, size_t n, bool (*good)(char *at, size_t n))
{
	while (n > 0 && w.left > 0) {
		size_t here = piece(&w, n);

		if (!good((char *)w.iov->iov_base + w.at, here))
			return false;
		step(&w, here);
		n -= here;
	}
	return true;
}

static bool writable(char *at, size_t n)
{
	return memory_writable(at, n);
}

static bool readable(char *at, size_t n)
{
	return memory_readable(at, n);
}

bool memory_walk_writable(struct memory_walk w, size_t n)
{
	return walk(w, n, writable);
}

bool memory_walk_readable(struct memory_walk w, size_t n)
{
	return walk(w, n, readable);
}

bool memory_walk_takes(struct memory_walk w, size_t n)
{
	return walk(w, n, takes);
}

/*
 * Pages of a file that is cut under us are gone between check and copy. The
 * kernel's copy between processes, of ours to ours, then stops instead of
 * raising SIGBUS. Slower at odd skews, and so only for who maps files.
 */
static size_t copy_piece(char *program, char *pool, size_t n, bool put)
{
	const long nr = put ? SYS_process_vm_writev : SYS_process_vm_readv;
	struct iovec local = { pool, n }, remote = { program, n };
	ssize_t r = -ENOSYS;

	if (memory_maps_files)
		r = sys_call(nr, sys_getpid(), sys_ptr(&local), 1, sys_ptr(&remote), 1, 0);
	if (r != -ENOSYS && r != -EPERM)
		return r > 0 ? (size_t)r : 0;
	if (put)
		copy(program, pool, n);
	else
		copy(pool, program, n);
	return n;
}

static size_t walk_copy(struct memory_walk *w, char *pool, size_t n, bool put)
{
	size_t done = 0;

	while (done < n && w->left > 0) {
		size_t here = piece(w, n - done);
		size_t moved = copy_piece((char *)w->iov->iov_base + w->at, pool + done, here, put);

		done += moved;
		if (moved < here)
			break;
		step(w, here);
	}
	return done;
}

size_t memory_put(struct memory_walk *w, const char *from, size_t n)
{
	return walk_copy(w, (char *)(uintptr_t)from, n, true);
}

size_t memory_take(struct memory_walk *w, char *to, size_t n)
{
	return walk_copy(w, to, n, false);
}

int memory_slice(const struct iovec *iov, int n, size_t pos, size_t len,
		 struct iovec *out, int max, size_t *covered)
{
	struct memory_walk w;
	int used = 0;

	*covered = 0;
	memory_walk_to(&w, iov, n, pos);
	while (len > 0 && w.left > 0 && used < max) {
		size_t here = piece(&w, len);

		out[used++] = (struct iovec){ (char *)w.iov->iov_base + w.at, here };
		step(&w, here);
		*covered += here;
		len -= here;
	}
	return used;
}

/*
 * matrix: one data call, looked at from all sides, as one line of transcript:
 * result, errno, file offset, file size, the bytes, and whether any memory or
 * file content was touched that the call had no business with.
 */
#ifndef MATRIX_H
#define MATRIX_H

#include "transcript.h"

enum op {
	OP_read, OP_write, OP_pread, OP_pwrite, OP_readv, OP_writev, OP_preadv, OP_pwritev,
	OP_preadv2, OP_pwritev2,
	OP_preadv2_here, OP_pwritev2_here,	/* offset -1: the file offset */
	OP_pread64, OP_pwrite64, OP_preadv64, OP_pwritev64,
	OPS
};

static const char *const op_names[OPS] = {
	"read", "write", "pread", "pwrite", "readv", "writev", "preadv", "pwritev",
	"preadv2", "pwritev2", "preadv2@", "pwritev2@", "pread64", "pwrite64", "preadv64", "pwritev64",
};

#define op_writes(op) ((op) & 1)

/* A file under test: the program's descriptor, and views that bypass the shim. */
struct target {
	int fd;
	int view[2];		/* buffered, direct */
	off_t full;		/* the size it is given before most writes */
};

#define ARENA_SLACK (64 * PAGE)
static char *arena;		/* read into and written from */
static size_t arena_size;
static unsigned long cases;

static UNUSED void matrix_arena(size_t longest)
{
	arena_size = longest + 2 * ARENA_SLACK;
	arena = fenced(arena_size);
	setvbuf(stdout, NULL, _IOFBF, 1 << 18);
}

static UNUSED struct target target_open(const char *path, int flags, off_t full)
{
	struct target t = { .full = full };

	t.view[0] = raw_open(path, O_RDONLY, 0);
	t.view[1] = raw_open(path, O_RDONLY | O_DIRECT, 0);
	if (t.view[1] < 0)
		t.view[1] = raw_open(path, O_RDONLY, 0);
	t.fd = open(path, flags);
	NEED(t.fd >= 0 && t.view[0] >= 0 && t.view[1] >= 0);
	return t;
}

static UNUSED void target_close(struct target *t)
{
	NEED(close(t->fd) == 0);
	close(t->view[0]);
	close(t->view[1]);
}

static UNUSED ssize_t call_op(enum op op, int fd, const struct iovec *v, int n, off_t off, int rwf)
{
	switch (op) {
	case OP_read: return read(fd, v->iov_base, v->iov_len);
	case OP_write: return write(fd, v->iov_base, v->iov_len);
	case OP_pread: return pread(fd, v->iov_base, v->iov_len, off);
	case OP_pwrite: return pwrite(fd, v->iov_base, v->iov_len, off);
	case OP_readv: return readv(fd, v, n);
	case OP_writev: return writev(fd, v, n);
	case OP_preadv: return preadv(fd, v, n, off);
	case OP_pwritev: return pwritev(fd, v, n, off);
	case OP_preadv2: return preadv2(fd, v, n, off, rwf);
	case OP_pwritev2: return pwritev2(fd, v, n, off, rwf);
	case OP_preadv2_here: return preadv2(fd, v, n, -1, rwf);
	case OP_pwritev2_here: return pwritev2(fd, v, n, -1, rwf);
	case OP_pread64: return pread64(fd, v->iov_base, v->iov_len, off);
	case OP_pwrite64: return pwrite64(fd, v->iov_base, v->iov_len, off);
	case OP_preadv64: return preadv64(fd, v, n, off);
	case OP_pwritev64: return pwritev64(fd, v, n, off);
	case OPS: break;
	}
	abort();
}

static UNUSED bool op_moves(enum op op)
{
	return op <= OP_write || op == OP_readv || op == OP_writev ||
	       op == OP_preadv2_here || op == OP_pwritev2_here;
}

/* Hash of the first `got` bytes of the pieces; they are then made canaries. */
static UNUSED uint64_t take_bytes(const struct iovec *v, int n, size_t got, int canary)
{
	uint64_t h = got;
	size_t left = got;

	for (int i = 0; i < n && left; i++) {
		size_t k = v[i].iov_len < left ? v[i].iov_len : left;

		h = hash_more(h, v[i].iov_base, k);
		left -= k;
	}
	for (int i = 0; i < n && got; i++) {
		size_t k = v[i].iov_len < got ? v[i].iov_len : got;

		if (k)
			memset(v[i].iov_base, canary, k);
		got -= k;
	}
	return h;
}

/* The part of the arena a call could damage: its pieces and a page around. */
static UNUSED void reach(const struct iovec *v, int n, char **lo, char **hi)
{
	*lo = arena + arena_size;
	*hi = arena;
	for (int i = 0; i < n; i++) {
		char *p = v[i].iov_base;

		if (!v[i].iov_len)
			continue;
		if (p < *lo)
			*lo = p;
		if (p + v[i].iov_len > *hi)
			*hi = p + v[i].iov_len;
	}
	*lo = *lo - arena < (long)PAGE ? arena : *lo - PAGE;
	*hi = arena + arena_size - *hi < (long)PAGE ? arena + arena_size : *hi + PAGE;
}

static UNUSED bool all_canary(const char *lo, const char *hi, int canary)
{
	return lo >= hi || (*lo == (char)canary && !memcmp(lo, lo + 1, (size_t)(hi - lo) - 1));
}

/*
 * One call and its line. Positional calls get a file offset elsewhere, which
 * must not move. label names the case.
 */
static UNUSED ssize_t matrix_call(struct target *t, enum op op, const struct iovec *v, int n,
				  off_t off, int rwf, const char *label)
{
	const int canary = 0x40 | (int)(cases & 0x3f);
	off_t start = op_moves(op) ? off : (off ^ 0x1155) & 0x7fffffff;
	uint64_t data = 0, file = 0, before = 0;
	size_t want = 0;
	bool touched = false;
	struct stat st;
	char *lo, *hi;
	ssize_t r;

	for (int i = 0; i < n; i++)
		want += v[i].iov_len;
	reach(v, n, &lo, &hi);
	if (op_writes(op))
		before = lo < hi ? hash(lo, (size_t)(hi - lo)) : 0;
	else if (lo < hi)
		memset(lo, canary, (size_t)(hi - lo));
	NEED(lseek(t->fd, start, SEEK_SET) == start);
	errno = ECHILD;		/* a success leaves it alone */
	r = call_op(op, t->fd, v, n, off, rwf);
	int e = r < 0 || errno != ECHILD ? errno : 0;
	off_t pos = lseek(t->fd, 0, SEEK_CUR);
	NEED(fstat(t->fd, &st) == 0);
	if (op_writes(op)) {
		touched = lo < hi && before != hash(lo, (size_t)(hi - lo));
		off_t from = off < 1500 ? 0 : off - 1500;
		file = range_hash(t->view[cases & 1], from, off + (off_t)want + 1500);
		if (st.st_size > off + (off_t)want + 1500)	/* where an append goes */
			file ^= range_hash(t->view[0], st.st_size - 1500, st.st_size);
	} else {
		data = take_bytes(v, n, r > 0 ? (size_t)r : 0, canary);
		touched = !all_canary(lo, hi, canary);
	}
	printf("%lu %s %s off=%lld len=%zu n=%d fl=%x: %zd%s%s pos=%lld size=%lld %016llx%s\n",
	       cases, op_names[op], label, (long long)off, want, n, (unsigned)rwf, r,
	       e ? " " : "", e ? errno_name(e) : "", (long long)pos, (long long)st.st_size,
	       (unsigned long long)(op_writes(op) ? file : data), touched ? " MEMORY TOUCHED" : "");
	cases++;
	return r;
}

#endif

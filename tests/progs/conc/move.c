/*
 * The ways of moving bytes to and from the slots' file. Each job opens its own
 * descriptors when it first needs them, and again now and then.
 */
#include "conc.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

#define PIECES 40

static bool fail(const char *what, ssize_t got, long len, int64_t off)
{
	if (got < 0)
		tell("%s of %ld at %lld: %s", what, len, (long long)off, strerror(errno));
	else
		tell("%s of %ld at %lld: short, %zd", what, len, (long long)off, got);
	return false;
}

static int own(struct hand *h)
{
	if (h->fd < 0)
		h->fd = data_file("slots", O_RDWR | (!st->mapped && one_in(&h->rnd, 16) ? O_DSYNC : 0));
	return h->fd;
}

static int own_direct(struct hand *h)
{
	if (h->direct < 0)
		h->direct = data_file("slots", O_RDWR | O_DIRECT);
	return h->direct;
}

/* A file of the job's own, to copy from and to. */
static int own_source(struct hand *h)
{
	if (h->source < 0) {
		char name[32];

		snprintf(name, sizeof(name), "copy.%u", h->id);
		h->source = data_file(name, O_RDWR | O_CREAT);
	}
	return h->source;
}

static FILE *own_stream(struct hand *h)
{
	if (!h->stream) {
		h->stream = fdopen(data_file("slots", O_RDWR), "r+");
		NEED(h->stream);
	}
	return h->stream;
}

static unsigned char *own_map(struct hand *h, bool store)
{
	if (!h->map) {
		h->map = mmap(NULL, (size_t)st->region, store ? PROT_READ | PROT_WRITE : PROT_READ,
			      MAP_SHARED, own(h), 0);
		NEED(h->map != MAP_FAILED);
		if (store)
			madvise(h->map, (size_t)st->region, MADV_HUGEPAGE);
	}
	return h->map;
}

/*
 * The page cache emptied, so that the next store brings in large folios,
 * which hold other jobs' slots too.
 */
static void empty_map(struct hand *h)
{
	munmap(h->map, (size_t)st->region);
	h->map = NULL;
	sync_file_range(own(h), 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	posix_fadvise(own(h), 0, 0, POSIX_FADV_DONTNEED);
}

static void store(struct hand *h, const unsigned char *p, long len, int64_t off)
{
	/* Again and again: what was written back is dirty once more. */
	for (long n = 1 + below(&h->rnd, 400000 / (len + 1000)); n > 0; n--, add(&st->stores, 1))
		memcpy(own_map(h, true) + off, p, (size_t)len);
	if (one_in(&h->rnd, 8))
		empty_map(h);
}

void move_close(struct hand *h)
{
	if (h->stream)
		fclose(h->stream);
	if (h->fd >= 0)
		close(h->fd);
	if (h->direct >= 0)
		close(h->direct);
	if (h->source >= 0)
		close(h->source);
	if (h->map)
		munmap(h->map, (size_t)st->region);
	h->fd = h->direct = h->source = -1;
	h->stream = NULL;
	h->map = NULL;
}

static int cut(struct hand *h, struct iovec *v, unsigned char *p, long len)
{
	long unit = one_in(&h->rnd, 3) ? 4096 : one_in(&h->rnd, 3) ? 512 : 1;
	int n = 0, most = 1 + (int)below(&h->rnd, one_in(&h->rnd, 4) ? PIECES : 5);

	for (; len > 0; n++) {
		long part = n + 1 == most ? len : (below(&h->rnd, len / unit) + 1) * unit;

		part = part < len ? part : len;
		v[n] = (struct iovec){ p, (size_t)part };
		p += part;
		len -= part;
	}
	return n;
}

/* Where in the file of its own a copy begins: as the other side, or anywhere. */
static int64_t source_place(struct hand *h, int64_t off)
{
	return one_in(&h->rnd, 3) ? below(&h->rnd, 10000) : off % 4096;
}

/* Copies may end early, and go on. */
static bool copy(bool send, int from, int64_t at, int to, int64_t off, long len)
{
	const long want = len;
	off_t in = at, out = off;

	if (send && lseek(to, off, SEEK_SET) != off)
		return fail("seek", -1, len, off);
	while (len > 0) {
		ssize_t n = send ? sendfile(to, from, &in, (size_t)len) :
				   copy_file_range(from, &in, to, &out, (size_t)len, 0);

		if (n <= 0)
			return fail(send ? "sendfile" : "copy_file_range", n, want, off);
		len -= n;
	}
	return true;
}

static bool copy_in(struct hand *h, bool send, const unsigned char *p, long len, int64_t off)
{
	int64_t at = source_place(h, off);
	int source = own_source(h);
	ssize_t n = pwrite(source, p, (size_t)len, at);

	if (n != len)
		return fail("pwrite of a source", n, len, at);
	return copy(send, source, at, own(h), off, len);
}

static bool copy_out(struct hand *h, bool send, unsigned char *p, long len, int64_t off)
{
	int64_t at = source_place(h, off);
	int target = own_source(h);
	ssize_t n;

	if (!copy(send, own(h), off, target, at, len))
		return false;
	n = pread(target, p, (size_t)len, at);
	return n == len || fail("pread of a copy", n, len, at);
}

static bool stream_write(struct hand *h, const unsigned char *p, long len, int64_t off)
{
	FILE *f = own_stream(h);

	return (fseeko(f, off, SEEK_SET) == 0 && fwrite(p, 1, (size_t)len, f) == (size_t)len && fflush(f) == 0) ||
	       fail("stdio", -1, len, off);
}

/* What stdio has read before is not asked for: a stream of its own each time. */
static bool stream_read(struct hand *h, unsigned char *p, long len, int64_t off)
{
	FILE *f = own_stream(h);
	bool good = fseeko(f, off, SEEK_SET) == 0 && fread(p, 1, (size_t)len, f) == (size_t)len;

	fclose(f);
	h->stream = NULL;
	return good || fail("stdio read", -1, len, off);
}

bool move_write(struct hand *h, enum way way, const unsigned char *p, long len, int64_t off)
{
	struct iovec v[PIECES];
	unsigned char *q = (unsigned char *)(uintptr_t)p;
	ssize_t n = -1;

	switch (way) {
	case WAY_COMMON:
		n = pwrite(st->slots_fd, p, (size_t)len, off);
		break;
	case WAY_VECTOR:
		n = pwritev(own(h), v, cut(h, v, q, len), off);
		break;
	case WAY_SEEK:
	case WAY_SEEK_VECTOR:
		if (lseek(own(h), off, SEEK_SET) != off)
			break;
		n = way == WAY_SEEK ? write(h->fd, p, (size_t)len) : writev(h->fd, v, cut(h, v, q, len));
		break;
	case WAY_STDIO:
		return stream_write(h, p, len, off);
	case WAY_COPY:
	case WAY_SENDFILE:
		return copy_in(h, way == WAY_SENDFILE, p, len, off);
	case WAY_DIRECT:
		n = pwrite(own_direct(h), p, (size_t)len, off);
		if (n >= 0 || errno != EINVAL || shimmed)
			break;
		/* A plain program has to see to the alignment itself. */
		__attribute__((fallthrough));
	case WAY_POSITION:
	default:
		n = pwrite(own(h), p, (size_t)len, off);
		break;
	case WAY_MAP:
		store(h, p, len, off);
		return true;
	}
	return n == len || fail("write", n, len, off);
}

bool move_read(struct hand *h, enum way way, unsigned char *p, long len, int64_t off)
{
	struct iovec v[PIECES];
	ssize_t n = -1;

	switch (way) {
	case WAY_COMMON:
		n = pread(st->slots_fd, p, (size_t)len, off);
		break;
	case WAY_VECTOR:
		n = preadv(own(h), v, cut(h, v, p, len), off);
		break;
	case WAY_SEEK:
	case WAY_SEEK_VECTOR:
		if (lseek(own(h), off, SEEK_SET) != off)
			break;
		n = way == WAY_SEEK ? read(h->fd, p, (size_t)len) : readv(h->fd, v, cut(h, v, p, len));
		break;
	case WAY_STDIO:
		return stream_read(h, p, len, off);
	case WAY_COPY:
	case WAY_SENDFILE:
		return copy_out(h, way == WAY_SENDFILE, p, len, off);
	case WAY_DIRECT:
		n = pread(own_direct(h), p, (size_t)len, off);
		if (n >= 0 || errno != EINVAL || shimmed)
			break;
		__attribute__((fallthrough));
	case WAY_POSITION:
	default:
		n = pread(own(h), p, (size_t)len, off);
		break;
	case WAY_MAP:
		memcpy(p, own_map(h, h->job->kind == JOB_PLACE) + off, (size_t)len);
		return true;
	}
	return n == len || fail("read", n, len, off);
}

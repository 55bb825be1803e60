/*
 * Jobs on files of entries: appended, written and read through shared offsets.
 * What an entry's number may be is this job's count of entries that returned.
 */
#include "conc.h"
#include <sys/uio.h>

static int cut_in_three(struct hand *h, struct iovec *v, unsigned char *p, long len)
{
	long a = below(&h->rnd, len + 1), b = a + below(&h->rnd, len + 1 - a);

	v[0] = (struct iovec){ p, (size_t)a };
	v[1] = (struct iovec){ p + a, (size_t)(b - a) };
	v[2] = (struct iovec){ p + b, (size_t)(len - b) };
	return 3;
}

static ssize_t write_some_way(struct hand *h, int fd, unsigned char *p, long len)
{
	struct iovec v[3];

	if (one_in(&h->rnd, 3))
		return writev(fd, v, cut_in_three(h, v, p, len));
	return write(fd, p, (size_t)len);
}

static ssize_t read_some_way(struct hand *h, int fd, unsigned char *p, long len)
{
	struct iovec v[3];

	if (one_in(&h->rnd, 3))
		return readv(fd, v, cut_in_three(h, v, p, len));
	return read(fd, p, (size_t)len);
}

/* An entry in the image, at any address or at one that suits. */
static unsigned char *make_entry(struct hand *h, long len)
{
	unsigned char *p = h->image + (one_in(&h->rnd, 2) ? below(&h->rnd, 4096) : 512 * below(&h->rnd, 8));

	entry_fill(p, h->id, (uint32_t)h->job->done, (uint32_t)len);
	return p;
}

static void wrote(struct hand *h, const char *what, ssize_t n, long len)
{
	if (n != len)
		tell("%s of %ld: %s%s", what, len, n < 0 ? strerror(errno) : "short", shimmed ? ", shimmed" : "");
	add(&h->job->done, 1);
	add(&h->job->bytes, (uint64_t)len);
}

static long entry_size(struct hand *h, long most)
{
	long len = odd_size(&h->rnd, most);

	return len < (long)sizeof(struct entry) ? (long)sizeof(struct entry) : len;
}

/* Appending descriptors come about in more than one way. */
static void open_log(struct hand *h)
{
	switch (below(&h->rnd, 4)) {
	case 0:
		h->append = dup(st->log_fd);	/* shared with other processes */
		break;
	case 1:
		h->append = data_file("log", O_RDWR);
		NEED(fcntl(h->append, F_SETFL, O_APPEND) == 0);
		break;
	case 2:
		/* With room for a whole entry, it goes out in one call. */
		h->stream = fdopen(data_file("log", O_WRONLY | O_APPEND), "a");
		NEED(h->stream && setvbuf(h->stream, (char *)h->area, _IOFBF, READ_MOST) == 0);
		break;
	default:
		h->append = data_file("log", O_WRONLY | O_APPEND);
		break;
	}
}

static void close_log(struct hand *h)
{
	if (h->append >= 0)
		close(h->append);
	h->append = -1;
	move_close(h);
}

void log_job(struct hand *h)
{
	while (!over() && h->job->bytes < LOG_MOST) {
		long len = entry_size(h, 400 * KIB);
		unsigned char *p = make_entry(h, len);

		if (h->append < 0 && !h->stream)
			open_log(h);
		if (h->stream)
			wrote(h, "fwrite to the log",
			      fwrite(p, 1, (size_t)len, h->stream) == (size_t)len && fflush(h->stream) == 0 ? len : -1, len);
		else
			wrote(h, "append", write_some_way(h, h->append, p, len), len);
		breathe(h);
		if (one_in(&h->rnd, 40))
			close_log(h);
	}
	close_log(h);
}

void queue_job(struct hand *h)
{
	while (!over() && h->job->bytes < LOG_MOST) {
		long len = entry_size(h, 400 * KIB);

		wrote(h, "write at a shared offset", write_some_way(h, st->queue_fd, make_entry(h, len), len), len);
		breathe(h);
	}
}

void line_job(struct hand *h)
{
	int fd = data_file("tail", O_WRONLY | O_APPEND);

	while (!over() && h->job->done < ENTRIES) {
		long len = st->tail_len;

		wrote(h, "append to the tail", write_some_way(h, fd, make_entry(h, len), len), len);
		if (one_in(&h->rnd, 12))
			usleep(1);	/* readers catch up: the end of the file is near */
	}
	while (!over())
		usleep(1000);
	close(fd);
}

/* Marks the whole entries of one read. */
static void mark(const unsigned char *p, ssize_t n, long len, bool dole)
{
	struct entry e;

	if (n % len)
		tell("a read of entries of %ld gave %zd", len, n);
	for (long at = 0; at + len <= n; at += len) {
		bool good = entry_at(p + at, len, &e) && e.len == len && e.seq < ENTRIES &&
			    (dole ? e.writer == JOBS : e.writer < JOBS);

		if (!good)
			tell("no entry in a read of the %s: %08x %08x %08x", dole ? "dole" : "tail",
			     *(const uint32_t *)(const void *)(p + at), *(const uint32_t *)(const void *)(p + at + 4),
			     *(const uint32_t *)(const void *)(p + at + 8));
		else
			__atomic_add_fetch(dole ? &st->dole_seen[e.seq] : &st->tail_seen[e.writer][e.seq], 1, __ATOMIC_RELAXED);
	}
}

static ssize_t read_entries(struct hand *h, int fd, long len, bool dole)
{
	/* Entries are looked at as words. */
	unsigned char *p = h->area + 8 * below(&h->rnd, 512);
	long many = one_in(&h->rnd, 4) ? 1 + below(&h->rnd, 8) : 1;
	ssize_t n = read_some_way(h, fd, p, many * len);

	if (n < 0)
		tell("read of entries: %s", strerror(errno));
	else if (n > 0)
		mark(p, n, len, dole);
	add(&h->job->done, 1);
	return n;
}

void tail_job(struct hand *h)
{
	for (;;) {
		bool turn = over(), last = turn && st->stop && !__atomic_load_n(&st->lines, __ATOMIC_SEQ_CST);
		ssize_t n;

		if (turn && !st->stop)
			return;
		n = read_entries(h, st->tail_fd, st->tail_len, false);
		if (n < 0 || (n == 0 && last))
			return;
		if (n == 0)
			breathe(h);
	}
}

void dole_job(struct hand *h)
{
	while (!over()) {
		if (read_entries(h, st->dole_fd, st->dole_len, true) == 0)
			usleep(1000);
		breathe(h);
	}
}

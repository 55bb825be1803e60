/*
 * full: every call that writes, in a file system with little room left.
 *
 * Which byte is the last to fit may differ from run to run; what is promised
 * may not: an answer is a full count, a few times a short one, then ENOSPC (or
 * EDQUOT). The file is as long as was answered and holds it, seen through
 * the page cache and past it, and once there is room again writing goes on.
 * Everything that is printed is the same in each run.
 *
 *   full fill ERRNO FREE     the calls; FREE is the bytes of the file "ballast"
 *                            that are given free after each
 *   full shared ERRNO        processes that share one offset
 */
#include "matrix.h"
#include "content.h"
#include <linux/fs.h>
#include <stdio_ext.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

#define MOST (1 << 20)

static char *mem, *back;
static const char *full_error;
static off_t ballast;

enum way { WRITE, PWRITE, WRITEV, PWRITEV, PWRITEV2, APPEND, COPY_RANGE, SENDFILE, STDIO, MIXED, WAYS };
static const char *const way_names[WAYS] = {
	"write", "pwrite", "writev", "pwritev", "pwritev2", "append", "copy_file_range", "sendfile",
	"stdio", "mixed",
};

/* One file being filled: the bytes at off are those of `content`, by offset. */
struct filling {
	int fd, source;
	FILE *stream;
	enum way way;
	size_t skew, step;
	off_t end;		/* as answered */
};

static ssize_t put(struct filling *f)
{
	size_t n = f->step, left = n;
	char *p = mem + f->skew;
	struct iovec v[3] = { { p, n / 3 & ~511UL }, { p + (n / 3 & ~511UL), n / 3 }, { NULL, 0 } };
	enum way way = f->way == MIXED ? (enum way)((f->end / 7) % COPY_RANGE) : f->way;
	off_t from = f->end % PERIOD;

	v[2].iov_base = (char *)v[1].iov_base + v[1].iov_len;
	v[2].iov_len = left - v[0].iov_len - v[1].iov_len;
	content(p, f->end, n);
	switch (way) {
	case WRITE:
	case APPEND: return write(f->fd, p, n);
	case PWRITE: return pwrite(f->fd, p, n, f->end);
	case WRITEV: return writev(f->fd, v, 3);
	case PWRITEV: return pwritev(f->fd, v, 3, f->end);
	case PWRITEV2: return pwritev2(f->fd, v, 3, -1, 0);
	case COPY_RANGE: return copy_file_range(f->source, &from, f->fd, NULL, n, 0);
	case SENDFILE: return sendfile(f->fd, f->source, &from, n);
	case STDIO: {
		off_t was = lseek(f->fd, 0, SEEK_CUR), now;

		errno = 0;
		if (fwrite(p, 1, n, f->stream) == n && !fflush(f->stream))
			return (ssize_t)n;
		int e = errno;
		__fpurge(f->stream);
		clearerr(f->stream);
		now = lseek(f->fd, 0, SEEK_CUR);
		errno = e;
		return now > was ? now - was : -1;
	}
	default: abort();
	}
}

/* pwrite and its like leave the offset; the next way may need it. */
static void follow(struct filling *f, ssize_t r)
{
	f->end += r;
	lseek(f->fd, f->end, SEEK_SET);
}

static bool holds(const char *name, off_t end, int flags)
{
	int fd = raw_open(name, O_RDONLY | flags, 0);
	char *want = malloc(1 << 16);
	bool same = true;

	if (fd < 0 && flags)
		fd = raw_open(name, O_RDONLY, 0);
	NEED(fd >= 0 && want);
	for (off_t at = 0; same && at < end;) {
		ssize_t r = unseen(SYS_pread64, fd, back, 1 << 16, at);

		if (r <= 0) {
			same = false;
			break;
		}
		if (r > end - at)
			r = end - at;
		content(want, at, (size_t)r);
		if (memcmp(want, back, (size_t)r)) {
			for (ssize_t i = 0; i < r; i++)
				if (want[i] != back[i]) {
					fprintf(stderr, "%s: wrong from %lld of %lld on\n", name,
						(long long)(at + i), (long long)end);
					break;
				}
			same = false;
		}
		at += r;
	}
	free(want);
	unseen(SYS_close, fd);
	return same;
}

static void verify(struct filling *f, const char *name, const char *when)
{
	struct stat st;

	NEED(fstat(f->fd, &st) == 0);
	printf("  %s: size as answered %d, held by the page cache %d", when, st.st_size == f->end,
	       holds(name, f->end, 0));
	if (st.st_size != f->end)
		fprintf(stderr, "%s: size %lld, answered %lld\n", name, (long long)st.st_size, (long long)f->end);
	say(fsync(f->fd), ", fsync");
	printf("  %s: held by the disk %d\n", when, holds(name, f->end, O_DIRECT));
}

/* Writes until refused. */
static void until_full(struct filling *f)
{
	int shorts = 0, e;
	ssize_t r;

	while ((r = put(f)) > 0) {
		shorts += r < (ssize_t)f->step;
		NEED(r <= (ssize_t)f->step && f->end < 64 << 20);	/* there is room for a few MiB */
		follow(f, r);
	}
	e = errno;
	printf("  filled: in the end %zd %s, short counts are few %d\n", r, r < 0 ? errno_name(e) : "",
	       shorts < 40);
	if (shorts >= 40)
		fprintf(stderr, "%d short counts\n", shorts);
	lseek(f->fd, f->end, SEEK_SET);
	r = put(f);
	printf("  again: %s\n", r < 0 ? errno_name(errno) : "written");
	if (r > 0)
		follow(f, r);
}

/* What unlink and truncate give free comes with a commit. */
static void settle(void)
{
	int fd = raw_open(".", O_RDONLY | O_DIRECTORY, 0);

	NEED(fd >= 0 && syncfs(fd) == 0);
	close(fd);
}

static void room(off_t more)
{
	struct stat st;

	NEED(stat("ballast", &st) == 0 && st.st_size > more);
	/* btrfs at its quota can remove, not cut */
	NEED(truncate("ballast", st.st_size - more) == 0 || unlink("ballast") == 0);
	settle();
}

static void ballast_back(void)
{
	int fd = raw_open("ballast", O_WRONLY | O_CREAT, 0666);

	NEED(fd >= 0);
	/* It is only there to take room: how much of it could be had again does not matter. */
	if (unseen(SYS_fallocate, fd, 0, 0L, (long)ballast))
		for (off_t at = lseek(fd, 0, SEEK_END); at < ballast; at += 65536)
			if (unseen(SYS_pwrite64, fd, mem, 65536L, (long)at) <= 0)
				break;
	fsync(fd);
	close(fd);
}

static void fill_once(enum way way, size_t skew, size_t step, off_t more)
{
	struct filling f = { .way = way, .skew = skew, .step = step, .source = -1 };

	printf("%s of %zu, memory +%zu\n", way_names[way], step, skew);
	f.fd = open("target", O_RDWR | O_CREAT | O_TRUNC | (way == APPEND ? O_APPEND : 0), 0666);
	NEED(f.fd >= 0);
	if (way == STDIO)
		NEED((f.stream = fdopen(dup(f.fd), "w")));
	if (way == COPY_RANGE || way == SENDFILE)
		NEED((f.source = open("source", O_RDONLY)) >= 0);
	until_full(&f);
	verify(&f, "target", "full");
	if (way != APPEND) {	/* an overwrite needs no room, but for btrfs may */
		content(mem + skew, 0, 100000);
		ssize_t r = pwrite(f.fd, mem + skew, 100000, 0);

		printf("  overwritten %d\n", r > 0 || !strcmp(errno_name(errno), full_error));
	}
	lseek(f.fd, f.end, SEEK_SET);
	room(more);
	for (int i = 0; i < 3; i++) {
		ssize_t r = put(&f);

		printf("  with room: %s\n", r == (ssize_t)step ? "written" : r < 0 ? errno_name(errno) : "short");
		if (r > 0)
			follow(&f, r);
	}
	verify(&f, "target", "with room");
	if (f.stream)
		fclose(f.stream);
	if (f.source >= 0)
		close(f.source);
	say(close(f.fd), "  close");
	NEED(unlink("target") == 0);
	settle();
	ballast_back();
}

static void make_source(void)
{
	int fd = raw_open("source", O_WRONLY | O_CREAT | O_TRUNC, 0666);

	NEED(fd >= 0);
	for (off_t at = 0; at < PERIOD + MOST; at += MOST) {
		content(mem, at, MOST);
		NEED(unseen(SYS_pwrite64, fd, mem, (long)MOST, (long)at) == MOST);
	}
	NEED(fsync(fd) == 0);
	close(fd);
}

/* Copies take no room then, and end never. */
static bool shares_extents(void)
{
	int in = raw_open("source", O_RDONLY, 0), out = raw_open("clone", O_WRONLY | O_CREAT, 0666);
	bool shared = unseen(SYS_ioctl, out, FICLONE, in) == 0;

	close(in);
	close(out);
	unlink("clone");
	return shared;
}

static void fill_all(off_t more)
{
	static const size_t steps[][2] = {	/* memory skew, length */
		{ 0, 65536 }, { 7, 100000 }, { 0, MOST }, { 512, 300001 },
	};

	for (int way = 0; way < WAYS; way++) {
		if (way == COPY_RANGE && shares_extents())
			continue;
		for (size_t i = 0; i < COUNT(steps); i++)
			if (way == WRITE || i == (size_t)way % 4 || i == (size_t)(way + 1) % 4)
				fill_once((enum way)way, steps[i][0], steps[i][1], more);
	}
}

/*
 * Several processes write records through one offset until the disk is full.
 * Each record's words say which it is, so a hole, a record written over or one
 * that is missing shows. What was answered, in sum, is the file.
 */
#define SHARERS 4
#define RECORD 65536

struct tally { long bytes, records; char other; };

static void sharer(int fd, int who, struct tally *t)
{
	uint64_t *w = (uint64_t *)(void *)(mem + 8 * (size_t)who);
	long refused = 0;

	for (uint64_t n = 1; refused < 3; n++) {
		ssize_t r;

		for (size_t i = 0; i < RECORD / 8; i++)
			w[i] = (uint64_t)(who + 1) << 48 | n << 16 | i;
		r = write(fd, w, RECORD);
		if (r > 0) {
			t->bytes += r;
			t->records++;
		} else {
			refused++;
			t->other |= r == 0 || strcmp(errno_name(errno), full_error) != 0;
		}
	}
	_exit(0);
}

/* Zeroes where a record should be. */
static off_t holes(const char *name)
{
	int fd = raw_open(name, O_RDONLY, 0);
	off_t zero = 0;
	ssize_t r;

	for (off_t at = 0; (r = unseen(SYS_pread64, fd, back, 1 << 16, at)) > 0; at += r)
		for (ssize_t i = 0; i + 8 <= r; i += 8)
			zero += !memcmp(back + i, "\0\0\0\0\0\0\0", 8) * 8;
	unseen(SYS_close, fd);
	return zero;
}

static void shared_once(int round)
{
	struct tally *t = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = open("target", O_RDWR | O_CREAT | O_TRUNC, 0666), st;
	long bytes = 0;
	bool other = false;
	struct stat s;

	NEED(t != MAP_FAILED && fd >= 0);
	memset(t, 0, SHARERS * sizeof(*t));
	fflush(stdout);
	for (int i = 0; i < SHARERS; i++)
		if (!fork())
			sharer(fd, i, &t[i]);
	for (int i = 0; i < SHARERS; i++)
		NEED(wait(&st) > 0 && st == 0);
	for (int i = 0; i < SHARERS; i++) {
		bytes += t[i].bytes;
		other |= t[i].other;
	}
	NEED(fstat(fd, &s) == 0);
	off_t end = lseek(fd, 0, SEEK_CUR), zero = holes("target");
	printf("round %d: no other errors %d, size is the sum of the answers %d, and the offset %d, no hole %d\n",
	       round, !other, s.st_size == bytes, end == bytes, zero == 0);
	if (s.st_size != bytes || end != bytes || zero)
		fprintf(stderr, "answered %ld, size %lld, offset %lld, zeroes %lld\n", bytes,
			(long long)s.st_size, (long long)end, (long long)zero);
	close(fd);
	unlink("target");
	settle();
	munmap(t, 4096);
}

int main(int argc, char **argv)
{
	struct stat st;

	NEED(argc >= 3);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	full_error = argv[2];
	mem = fenced(MOST + 4096);
	back = fenced(1 << 16);
	if (!strcmp(argv[1], "shared")) {
		for (int i = 0; i < 5; i++)
			shared_once(i);
		return 0;
	}
	NEED(argc == 4 && stat("ballast", &st) == 0);
	ballast = st.st_size;
	make_source();
	fill_all(atol(argv[3]));
	return 0;
}

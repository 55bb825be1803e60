/* The transcript, and looking at files past everything that is being tested. */
#include "diff.h"

static char text[8192];
static size_t used;

void put(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text + used, sizeof(text) - used, fmt, ap);
	va_end(ap);
	used += (size_t)n;
	if (used > sizeof(text) - 2)
		used = sizeof(text) - 2;
}

/* " = result", and errno of a failure, or of a success that touched it. */
long put_result(long r)
{
	int e = errno;

	put(" = %ld", r);
	if (r < 0 || e != ECHILD)
		put(" %s", errno_name(e));
	return r;
}

static void put_all(const char *p, size_t n)
{
	while (n > 0) {
		long w = unseen(SYS_write, 1, p, n);

		NEED(w > 0);
		p += w;
		n -= (size_t)w;
	}
}

void put_line(const char *head)
{
	put_all(head, strlen(head));
	text[used++] = '\n';
	put_all(text, used);
	used = 0;
}

long size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (long)st.st_size;
}

bool same_file(int fd, int other)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstat(other, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Offset and size of a slot after an act; a file that has grown too much is cut. */
void put_state(int s)
{
	int fd = slots[s].fd;
	char path[40];
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st)) {
		put(" | fd %d %s", fd, errno_name(errno));
		return;
	}
	put(" | fd %d at %ld size %ld", fd, (long)unseen(SYS_lseek, fd, 0L, SEEK_CUR), (long)st.st_size);
	if (st.st_size <= TOO_LARGE)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	put(" cut = %ld", (long)unseen(SYS_truncate, path, 1L << 20));
}

/* What is in the file, through the page cache and then past it. */
void look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st)) {
		put(" %s", errno_name(errno));
		return;
	}
	put(" size %ld links %ld", (long)st.st_size, (long)st.st_nlink);
	for (int direct = 0; direct < 2; direct++) {
		int fd = raw_open(path, O_RDONLY | (direct && !no_direct ? O_DIRECT : 0), 0);

		put(" %016llx", fd < 0 ? 0ULL : (unsigned long long)range_hash(fd, 0, st.st_size));
		if (fd >= 0)
			unseen(SYS_close, fd);
	}
}

void look_at_fd(int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	look_at(path);
}

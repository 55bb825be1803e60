/* Offsets, sizes, holes, names, syncing and advice. */
#include "diff.h"

/* What SEEK_DATA skipped has to be zero; how much it skips is the file system's choice. */
static void seek_sparse(struct act *a, int fd, long size)
{
	long off = likely_offset(a, size), r, n = 0, back = unseen(SYS_lseek, fd, 0L, SEEK_CUR);
	bool data = pick(a, 2), wrong = false;
	static char buf[1 << 16];
	char path[40];

	put(" seek %d to %s from %ld", fd, data ? "data" : "hole", off);
	errno = ECHILD;
	r = lseek(fd, off, data ? SEEK_DATA : SEEK_HOLE);
	if (off >= size || fd < 0) {
		put_result(r);
		return;
	}
	if (r >= 0 && (r < off || r > size))
		put(" OUTSIDE %ld", r);
	if (r < 0 && errno == EBADF)	/* O_PATH */
		put_result(r);
	if (r < 0)
		r = size;	/* ENXIO: no data to the end */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int view = data ? raw_open(path, O_RDONLY, 0) : -1;
	for (; view >= 0 && off < r && !wrong; off += n) {
		n = unseen(SYS_pread64, view, buf, r - off < (long)sizeof(buf) ? r - off : (long)sizeof(buf), off);
		if (n <= 0)
			break;
		wrong = buf[0] || memcmp(buf, buf + 1, (size_t)n - 1);
	}
	if (view >= 0)
		unseen(SYS_close, view);
	put("%s", wrong ? " SKIPPED WHAT IS NOT ZERO" : "");
	unseen(SYS_lseek, fd, back, SEEK_SET);
}

void act_seek(struct act *a)
{
	int fd = slots[a->slot].fd;
	long size = size_of(fd), n = likely_offset(a, size);

	switch (pick(a, 6)) {
	case 0:
		n = pick(a, 2) ? -likely(a, 10000) : likely(a, 10000);
		put(" seek %d by %ld", fd, n);
		errno = ECHILD;
		put_result(lseek(fd, n, SEEK_CUR));
		break;
	case 1:
		n = pick(a, 3) ? -likely(a, 10000) : likely(a, 10000);
		put(" seek %d to end %ld", fd, n);
		errno = ECHILD;
		put_result(lseek(fd, n, SEEK_END));
		break;
	case 2:
		seek_sparse(a, fd, size);
		break;
	case 3:
		put(" seek %d nowhere", fd);
		errno = ECHILD;
		put_result(pick(a, 2) ? lseek(fd, -5, SEEK_SET) : lseek(fd, 0, 77));
		break;
	default:
		put(" seek %d to %ld", fd, n);
		errno = ECHILD;
		put_result(lseek(fd, n, SEEK_SET));
		break;
	}
	put_state(a->slot);
}

void act_truncate(struct act *a)
{
	find_able(a, &a->slot, false, true);

	int fd = slots[a->slot].fd, how = (int)pick(a, 8);
	const char *name = file_names[pick(a, NAMES)];
	long n = pick(a, 3) ? likely_offset(a, size_of(fd)) : likely(a, HIGHEST);

	errno = ECHILD;
	if (how < 2) {
		put(" truncate %s to %ld", name, n);
		put_result(truncate(name, n));
	} else if (how == 2) {
		put(" raw ftruncate %d to %ld", fd, n);
		put_result(unseen(SYS_ftruncate, fd, n));
	} else {
		put(" ftruncate %d to %ld", fd, n);
		put_result(ftruncate(fd, n));
	}
	put_state(a->slot);
}

void act_fallocate(struct act *a)
{
	static const struct { int mode; const char *name; } modes[] = {
		{ 0, "grow" }, { FALLOC_FL_KEEP_SIZE, "keep" },
		{ FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch" },
		{ FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch" },
		{ FALLOC_FL_ZERO_RANGE, "zero" }, { FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, "zero, keep" },
		{ FALLOC_FL_COLLAPSE_RANGE, "collapse" }, { FALLOC_FL_INSERT_RANGE, "insert" },
		{ FALLOC_FL_UNSHARE_RANGE, "unshare" }, { FALLOC_FL_PUNCH_HOLE, "punch alone" },
	};
	find_able(a, &a->slot, false, true);

	int fd = slots[a->slot].fd, m = (int)pick(a, COUNT(modes));
	long off = likely_offset(a, size_of(fd)), len = 1 + likely(a, 200000);

	if (m == 6 || m == 7) {
		off &= -4096L;
		len = (len + 4095) & -4096L;
	}
	put(" fallocate %d %s %ld+%ld", fd, modes[m].name, off, len);
	errno = ECHILD;
	put_result(fallocate(fd, modes[m].mode, off, len));
	put_state(a->slot);
}

void act_sync(struct act *a)
{
	int fd = slots[a->slot].fd;
	long off = likely_offset(a, size_of(fd)), len = likely(a, 300000);

	errno = ECHILD;
	switch (pick(a, 3)) {
	case 0:
		put(" fsync %d", fd);
		put_result(fsync(fd));
		break;
	case 1:
		put(" fdatasync %d", fd);
		put_result(fdatasync(fd));
		break;
	default:
		put(" sync_file_range %d %ld+%ld", fd, off, len);
		put_result(sync_file_range(fd, off, len, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
							 SYNC_FILE_RANGE_WAIT_AFTER));
		break;
	}
}

void act_advise(struct act *a)
{
	int fd = slots[a->slot].fd, advice = (int)pick(a, 7);
	long off = likely_offset(a, size_of(fd)), len = pick(a, 2) ? likely(a, 300000) : 0;

	errno = ECHILD;
	if (advice == 6) {
		put(" readahead %d %ld+%ld", fd, off, len);
		put_result(readahead(fd, off, (size_t)len));
		return;
	}
	if (advice == POSIX_FADV_DONTNEED)	/* dirty pages would stay */
		fdatasync(fd);
	put(" fadvise %d %ld+%ld advice %d", fd, off, len, advice);
	errno = ECHILD;
	put_result(posix_fadvise(fd, off, len, advice));
}

/* Files keep living under other names, or none. */
void act_name(struct act *a)
{
	const char *one = file_names[pick(a, NAMES)], *two = file_names[pick(a, NAMES)];

	errno = ECHILD;
	switch (pick(a, 3)) {
	case 0:
		put(" unlink %s", one);
		put_result(unlink(one));
		break;
	case 1:
		put(" link %s %s", one, two);
		put_result(link(one, two));
		break;
	default:
		put(" rename %s %s", one, two);
		put_result(rename(one, two));
		break;
	}
	put_state(a->slot);
}

void act_look(struct act *a)
{
	put(" look at %d", slots[a->slot].fd);
	if (slots[a->slot].fd >= 0)
		look_at_fd(slots[a->slot].fd);
}

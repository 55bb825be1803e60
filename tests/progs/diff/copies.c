/* From descriptor to descriptor, and through stdio, which the shim does not see. */
#include "diff.h"

#include <sys/sendfile.h>

/* Bytes on their way would be overwritten by those before them: no result is promised. */
static bool overlap(int in, long from, int out, long to, long len)
{
	return same_file(in, out) && from < to + len && to < from + len;
}

static long offset_of(int fd)
{
	return unseen(SYS_lseek, fd, 0L, SEEK_CUR);
}

/* An offset, which likes to agree with another modulo the page. */
static long agreeing(struct act *a, long size, long other)
{
	long n = likely_offset(a, size);

	return pick(a, 3) ? (n & -4096L) + (other & 4095) : n;
}

static bool one_is_direct(struct act *a)
{
	if (is_direct(a->slot) || is_direct(a->to))
		put(" not compared, O_DIRECT");
	return is_direct(a->slot) || is_direct(a->to);
}

void act_sendfile(struct act *a)
{
	find_pair(a);
	int in = slots[a->slot].fd, out = slots[a->to].fd;
	off_t at = likely_offset(a, size_of(in)), *p = pick(a, 2) ? &at : NULL;
	long len = likely_length(a), from, to = agreeing(a, size_of(out), at);

	if (!p && pick(a, 2))
		unseen(SYS_lseek, in, at, SEEK_SET);
	if (pick(a, 2))
		unseen(SYS_lseek, out, to, SEEK_SET);
	from = p ? at : offset_of(in);
	put(" sendfile %d %s%ld to %d len %ld", in, p ? "at " : "from ", from, out, len);
	if (one_is_direct(a) || overlap(in, from, out, offset_of(out), len))
		return;
	errno = ECHILD;
	put_result(sendfile(out, in, p, (size_t)len));
	if (p)
		put(" *%ld", (long)at);
	put_state(a->slot);
	put_state(a->to);
}

void act_copy_range(struct act *a)
{
	find_pair(a);
	int in = slots[a->slot].fd, out = slots[a->to].fd;
	off_t from = likely_offset(a, size_of(in)), to = agreeing(a, size_of(out), from);
	off_t *pi = pick(a, 2) ? &from : NULL, *po = pick(a, 2) ? &to : NULL;
	long len = likely_length(a);
	unsigned flags = one_in(a, 30);

	if (!pi && pick(a, 2))
		unseen(SYS_lseek, in, from, SEEK_SET);
	if (!po && pick(a, 2))
		unseen(SYS_lseek, out, to, SEEK_SET);
	put(" copy_file_range %d %s%ld to %d %s%ld len %ld flags %x", in, pi ? "at " : "from ",
	    pi ? (long)from : offset_of(in), out, po ? "at " : "from ", po ? (long)to : offset_of(out), len, flags);
	if (one_is_direct(a))
		return;
	errno = ECHILD;
	put_result(copy_file_range(in, pi, out, po, (size_t)len, flags));
	if (pi)
		put(" *%ld", (long)from);
	if (po)
		put(" *%ld", (long)to);
	put_state(a->slot);
	put_state(a->to);
}

void act_splice(struct act *a)
{
	find_pair(a);
	int in = slots[a->slot].fd, out = slots[a->to].fd, tube[2];
	off_t from = likely_offset(a, size_of(in)), to = agreeing(a, size_of(out), from);
	off_t *pi = pick(a, 2) ? &from : NULL, *po = pick(a, 2) ? &to : NULL;
	long len = likely(a, 65536), r;

	put(" splice %d %ld to %d %ld len %ld", in, pi ? (long)from : offset_of(in), out,
	    po ? (long)to : offset_of(out), len);
	if (one_is_direct(a) || same_file(in, out))
		return;
	NEED(unseen(SYS_pipe2, tube, O_NONBLOCK) == 0);
	errno = ECHILD;
	r = put_result(splice(in, pi, tube[1], NULL, (size_t)len, 0));
	for (int i = 0; r > 0 && i < 40; i++) {
		errno = ECHILD;
		len = put_result(splice(tube[0], NULL, out, po, (size_t)r, 0));
		if (len <= 0)
			break;
		r -= len;
	}
	unseen(SYS_close, tube[0]);
	unseen(SYS_close, tube[1]);
	put_state(a->slot);
	put_state(a->to);
}

static void stdio_steps(struct act *a, FILE *f)
{
	static char buf[40000];
	size_t n;
	int c;

	for (int i = 0; i < 5; i++) {
		long len = likely(a, (long)sizeof(buf)), off = likely_offset(a, 100000);

		errno = ECHILD;
		switch (pick(a, 6)) {
		case 0: case 1:
			n = fread(buf, 1, (size_t)len, f);
			put(" read %ld:%zu %016llx", len, n, (unsigned long long)hash(buf, n));
			break;
		case 2:
			fill(buf, (size_t)len, (uint64_t)off);
			put(" write %ld:%zu", len, fwrite(buf, 1, (size_t)len, f));
			break;
		case 3:
			put(" seek %ld:%d", off, fseek(f, off, SEEK_SET));
			break;
		case 4:
			put(" flush:%d", fflush(f));
			break;
		default:
			c = getc(f);
			put(" getc:%d unget:%d", c, c == EOF ? 0 : ungetc(c, f));
			break;
		}
		put("@%ld", ftell(f));
		clearerr(f);
	}
}

/* A stream over the slot's descriptor, which ends with it, or over a duplicate, or a name. */
void act_stdio(struct act *a)
{
	static const char *const modes[] = { "r", "r+", "r+", "a+", "w+" };
	int fd = slots[a->slot].fd, how = (int)pick(a, 3);
	const char *mode = modes[pick(a, COUNT(modes))], *name = file_names[pick(a, NAMES)];
	FILE *f = NULL;

	put(" stdio %s", mode);
	if (how == 2) {
		put(" fopen %s", name);
		f = fopen(name, mode);
	} else if (!one_is_direct(a)) {
		put(" fdopen %d%s", fd, how ? " dup" : "");
		fd = how ? dup(fd) : fd;
		f = fdopen(fd, mode);
		if (!f && how && fd >= 0)
			close(fd);
	} else {
		return;
	}
	put(" = %s", f ? "stream" : errno_name(errno));
	if (!f)
		return;
	stdio_steps(a, f);
	put(" close:%d", fclose(f));
	if (how == 0)
		slots[a->slot].fd = -1;
	put_state(a->slot);
}

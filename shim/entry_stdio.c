#include "entry.h"

/*
 * stdio's own reads and writes stay inside libc, on the program's descriptor
 * (I1). What it closes has to leave the table first, and our descriptor has
 * to be closed before the program goes on (a write descriptor of ours would
 * make execve say ETXTBSY).
 */
struct stream {
	struct file *f;
	int held;
	bool on;
};

static struct stream stream_begin(FILE *s)
{
	struct stream c = { NULL, 0, state_ready() && s != NULL };

	if (!c.on)
		return c;
	c.held = entry_hold();
	state_enter();
	c.f = file_drop_begin(fileno_unlocked(s));
	state_leave();
	return c;
}

static void stream_end(struct stream *c)
{
	if (!c->on)
		return;
	state_enter();
	file_drop_end(c->f);
	state_leave();
	entry_free(c->held);
}

EXPORT int fclose(FILE *s)
{
	struct stream c = stream_begin(s);
	int r = real.fclose(s);

	stream_end(&c);
	return r;
}

/* Closes streams we cannot list: what is gone afterwards leaves the table. */
EXPORT int fcloseall(void)
{
	int r = real.fcloseall();

	if (state_ready()) {
		state_enter();
		for (int fd = 0; (fd = fdtab_next(fd, FDTAB_TAG, FD_FILE)) >= 0; fd++)
			if (sys_fcntl(fd, F_GETFD, 0) < 0)
				file_drop(fd);
		state_leave();
	}
	return r;
}

/* One of ours: as if nothing were open there. */
EXPORT FILE *fdopen(int fd, const char *mode)
{
	if (fdtab_is_own(fd)) {
		errno = EBADF;
		return NULL;
	}
	return real.fdopen(fd, mode);
}

EXPORT FILE *freopen(const char *path, const char *mode, FILE *s)
{
	struct stream c = stream_begin(s);
	FILE *r = real.freopen(path, mode, s);

	stream_end(&c);
	return r;
}

/* closedir will close the descriptor unseen: nothing is remembered of it. */
EXPORT DIR *fdopendir(int fd)
{
	if (fdtab_is_own(fd)) {
		errno = EBADF;
		return NULL;
	}
	if (fdtab_tag(fdtab_get(fd)) == FD_PLAIN && state_ready())
		fdtab_set(fd, 0);
	return real.fdopendir(fd);
}

#define TWIN_stdio(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

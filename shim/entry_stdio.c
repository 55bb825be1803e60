#include "entry.h"

#include "locks.h"

#include <pthread.h>

/*
 * stdio's own reads and writes stay inside libc, on the program's descriptor
 * (I1). What it closes has to leave the table first, and our descriptor has
 * to be closed before the program goes on (a write descriptor of ours would
 * make execve say ETXTBSY).
 */
struct stream {
	int fd;
	struct file *f;
};

static struct stream stream_begin(FILE *s)
{
	struct stream c = { -1, NULL };

	if (s && state_ready()) {
		uint64_t held = state_hold();

		c.fd = fileno_unlocked(s);
		c.f = file_drop_begin(c.fd);
		state_free(held);
	}
	return c;
}

/* Also when the thread is cancelled while libc flushes. */
static void stream_end(void *arg)
{
	const struct stream *c = arg;

	if (c->fd >= 0) {
		uint64_t held = state_hold();

		file_drop_end(c->fd, c->f, 0);
		state_free(held);
	}
}

EXPORT int fclose(FILE *s)
{
	struct stream c = stream_begin(s);
	int r;

	pthread_cleanup_push(stream_end, &c);
	r = real.fclose(s);
	pthread_cleanup_pop(1);
	return r;
}

/* Closes streams we cannot list: what is gone afterwards leaves the table. */
EXPORT int fcloseall(void)
{
	int r = real.fcloseall();

	if (state_ready()) {
		uint64_t held = state_hold();

		for (int fd = 0; (fd = fdtab_next(fd, FDTAB_TAG, FD_FILE)) >= 0; fd++)
			if (sys_fcntl(fd, F_GETFD, 0) < 0)
				file_drop(fd);
		state_free(held);
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
	FILE *r;

	pthread_cleanup_push(stream_end, &c);
	r = real.freopen(path, mode, s);
	pthread_cleanup_pop(1);
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

#include "entry.h"

#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>

/*
 * Calls that give descriptors to another process, with the offset: from then
 * on it is not this process's alone. Without fork's handlers, which see the
 * other cases.
 */
static void shared(bool done)
{
	if (done && state_ready())
		file_shared();
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	shared(true);
	return real.posix_spawn(pid, path, actions, attr, argv, envp);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	shared(true);
	return real.posix_spawnp(pid, file, actions, attr, argv, envp);
}

EXPORT int system(const char *command)
{
	shared(command != NULL);
	return real.system(command);
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	shared(true);
	return real.popen(command, mode);
}

/* Looked at when the kernel has taken it: the memory is good. */
static bool gives_descriptors(const struct msghdr *m)
{
	struct msghdr mine = *m;	/* the macros want one that they may change */

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mine); c; c = CMSG_NXTHDR(&mine, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			return true;
	return false;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t r = real.sendmsg(fd, m, flags);

	shared(r >= 0 && m->msg_controllen > 0 && gives_descriptors(m));
	return r;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	int r = real.sendmmsg(fd, m, n, flags);

	for (int i = 0; i < r; i++)
		shared(m[i].msg_hdr.msg_controllen > 0 && gives_descriptors(&m[i].msg_hdr));
	return r;
}

#define TWIN_share(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

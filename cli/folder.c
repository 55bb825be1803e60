#include "folder.h"

#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A program that root starts may become another user (PostgreSQL does) and
 * must still be able to make its ledgers. Like /tmp, but nobody can list it.
 */
static mode_t wanted_mode(void)
{
	return geteuid() == 0 ? 01733 : 0700;
}

static bool make_users(struct folder *f, const char *wanted)
{
	struct stat st;

	if (mkdir(wanted, 0700) == 0)
		(void)!chmod(wanted, wanted_mode());
	else if (errno != EEXIST)
		return false;
	if (!realpath(wanted, f->path) || stat(f->path, &st) != 0)
		return false;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return false;
	}
	return access(f->path, W_OK | X_OK) == 0;
}

static bool make_temporary(struct folder *f)
{
	const char *tmp = getenv("TMPDIR");
	char base[PATH_MAX];

	if (!tmp || !*tmp)
		tmp = "/tmp";
	if (!realpath(tmp, base))
		return false;
	if (snprintf(f->path, sizeof(f->path), "%s/dioshim.XXXXXX", base) >=
	    (int)sizeof(f->path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (!mkdtemp(f->path))
		return false;
	if (chmod(f->path, wanted_mode()) == 0)
		return true;
	rmdir(f->path);
	return false;
}

bool folder_make(struct folder *f, const char *wanted)
{
	f->temporary = !wanted;
	if (wanted ? make_users(f, wanted) : make_temporary(f))
		return true;
	complain("%s: %s", wanted ? wanted : "folder for ledgers", strerror(errno));
	return false;
}

static void remove_ledgers(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (strncmp(e->d_name, "dioshim.", 8) == 0)
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

void folder_remove(const struct folder *f)
{
	if (!f->temporary)
		return;
	/* A program that still runs may make one more, just now. */
	for (int i = 0; i < 3; i++) {
		remove_ledgers(f->path);
		if (rmdir(f->path) == 0 || errno == ENOENT)
			return;
	}
	complain("%s: %s: left there", f->path, strerror(errno));
}

#include "replace.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Is it a file, or nothing yet? A device must not become one. */
static bool replaceable(const char *name)
{
	struct stat st;

	if (strcmp(name, "-") == 0)
		return false;
	return stat(name, &st) == 0 ? S_ISREG(st.st_mode) : errno == ENOENT;
}

/* Hidden, and without the suffix that a collector of such files looks for. */
static bool name_temporary(struct replace *p)
{
	const char *slash;
	int folder;

	if (!realpath(p->name, p->target) &&
	    snprintf(p->target, sizeof(p->target), "%s", p->name) >= (int)sizeof(p->target))
		return false;
	slash = strrchr(p->target, '/');
	folder = slash ? (int)(slash - p->target) + 1 : 0;
	return snprintf(p->temporary, sizeof(p->temporary), "%.*s.dioshim.XXXXXX", folder,
			p->target) < (int)sizeof(p->temporary);
}

static FILE *open_temporary(struct replace *p)
{
	mode_t mask = umask(0);
	FILE *f = NULL;
	int fd;

	umask(mask);
	if (!name_temporary(p)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	fd = mkostemp(p->temporary, O_CLOEXEC);
	if (fd >= 0 && fchmod(fd, 0666 & ~mask) == 0)
		f = fdopen(fd, "w");
	if (!f && fd >= 0) {
		close(fd);
		unlink(p->temporary);
	}
	return f;
}

bool replace_open(struct replace *p, const char *name)
{
	*p = (struct replace){ .name = name };
	if (!replaceable(name)) {
		p->f = output_open(name);
		return p->f != NULL;
	}
	p->f = open_temporary(p);
	if (!p->f)
		complain("%s: %s", name, strerror(errno));
	return p->f != NULL;
}

bool replace_close(struct replace *p, bool keep)
{
	bool good = output_close(p->f, p->name);

	if (!*p->temporary)
		return good;
	if (keep && good && rename(p->temporary, p->target) == 0)
		return true;
	if (keep && good)
		complain("%s: %s", p->name, strerror(errno));
	unlink(p->temporary);
	return good && !keep;
}

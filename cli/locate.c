#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LIBRARY_FOLDER
#define LIBRARY_FOLDER "../lib/dioshim"		/* as `make install' puts it */
#endif

/* From the command's own folder: what is installed can be moved. */
static const char *const places[] = {
	"libdioshim.so",			/* the build folder */
	LIBRARY_FOLDER "/libdioshim.so",
	"../lib/libdioshim.so",
};

bool locate_library(char path[PATH_MAX])
{
	char exe[PATH_MAX], candidate[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0) {
		complain("/proc/self/exe: cannot be read: where is libdioshim.so?");
		return false;
	}
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(candidate, sizeof(candidate), "%s/%s", exe, places[i]);
		if (!realpath(candidate, path) || access(path, R_OK) != 0)
			continue;
		/* The loader splits LD_PRELOAD there, and knows no quotes. */
		if (strpbrk(path, " :")) {
			complain("%s: a path with a space or a colon cannot be preloaded",
				 path);
			return false;
		}
		return true;
	}
	complain("libdioshim.so is neither in %s nor in %s/" LIBRARY_FOLDER, exe, exe);
	return false;
}

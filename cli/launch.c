#include "launch.h"

#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

bool launch_preloaded(const char *library)
{
	const char *word = getenv("LD_PRELOAD");

	while (word && *word) {
		size_t len = strcspn(word, " :");

		if (len == strlen(library) && memcmp(word, library, len) == 0)
			return true;
		word += len + (word[len] != '\0');
	}
	return false;
}

/* Ours first, then what is there, unless we are in it already. */
static bool set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *list = NULL;
	bool good;

	if (launch_preloaded(library))
		return true;
	if (asprintf(&list, old && *old ? "%s:%s" : "%s", library, old) < 0)
		list = NULL;
	good = list && setenv("LD_PRELOAD", list, 1) == 0;
	if (!good)
		complain("LD_PRELOAD: %s", strerror(errno));
	free(list);
	return good;
}

bool launch_environment(const struct settings *s, const char *library, const char *dir)
{
	return set_preload(library) && settings_export(s, dir);
}

int launch_failed(const char *command, int why)
{
	complain("%s: %s", command, strerror(why));
	return why == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
}

char *launch_join(char **words)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (char **word = words; f && *word; word++)
		fprintf(f, "%s%s", word == words ? "" : " ", *word);
	if (f)
		fclose(f);
	return text;
}

/* The file dioshim.timeline of a folder; what stands in it may be anybody's. */
#include "timeline.h"

#include "cli.h"
#include "gather.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME	"dioshim.timeline"
#define FIRST_WORDS	"dioshim timeline 1 "
#define COLUMNS		(3 + ROUTES)
#define TIMELINES_MAX	1000	/* of one folder */

static void put_columns(FILE *f)
{
	fputs("ms running calls", f);
	for (unsigned i = 0; i < ROUTES; i++)
		fprintf(f, " %s", route_names[i]);
	putc('\n', f);
}

static void print(const struct timeline *t, FILE *f)
{
	fprintf(f, FIRST_WORDS "%" PRIu64 "\n", t->began_ns);
	put_columns(f);
	for (size_t i = 0; i < t->n; i++) {
		const struct timeline_sample *s = &t->samples[i];

		fprintf(f, "%" PRIu64 " %" PRIu64 " %" PRIu64, s->ms, s->running, s->calls);
		for (unsigned k = 0; k < ROUTES; k++)
			fprintf(f, " %" PRIu64, s->routes[k]);
		putc('\n', f);
	}
}

/* Folders of root's are open to all (folder.c): a file that is there must be ours alone. */
static int open_to_add(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid())
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

bool timeline_save(const struct timeline *t, const char *folder)
{
	char path[PATH_MAX + sizeof(FILE_NAME) + 1], *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	bool good;
	int fd;

	if (!f)
		return false;
	print(t, f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/" FILE_NAME, folder);
	fd = open_to_add(path);
	/* One write: two runs may end at the same time. */
	good = fd >= 0 && write(fd, text, size) == (ssize_t)size;
	if (!good)
		complain("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(text);
	return good;
}

/* ---- reading ------------------------------------------------------------- */

void report_add_timeline(struct report *r, struct timeline *t)
{
	r->timelines = must_grow(r->timelines, r->timelines_n, sizeof(struct timeline *));
	r->timelines[r->timelines_n++] = t;
}

static bool read_sample(const char *line, struct timeline *t)
{
	uint64_t values[COLUMNS];
	char *end;

	for (unsigned i = 0; i < COLUMNS; i++) {
		if (*line < '0' || *line > '9')
			return false;
		errno = 0;
		values[i] = strtoull(line, &end, 10);
		if (errno || *end != (i + 1 < COLUMNS ? ' ' : '\n'))
			return false;
		line = end + 1;
	}
	if (t->n == TIMELINE_SAMPLES || (t->n && values[0] < t->samples[t->n - 1].ms))
		return false;
	t->samples[t->n] = (struct timeline_sample){ values[0], values[1], values[2], { 0 } };
	memcpy(t->samples[t->n++].routes, values + 3, sizeof(t->samples[0].routes));
	return true;
}

static struct timeline *new_timeline(struct report *r, const char *number)
{
	struct timeline *t = must_grow(NULL, 0, sizeof(*t));

	t->n = 0;
	t->began_ns = strtoull(number, NULL, 10);
	report_add_timeline(r, t);
	return t;
}

static bool read_lines(struct report *r, FILE *f)
{
	char line[1024], *columns = NULL;
	struct timeline *t = NULL;
	bool good = true;
	size_t size;
	FILE *c = open_memstream(&columns, &size);

	if (!c)
		return false;
	put_columns(c);
	fclose(c);
	for (size_t n = 0; good && fgets(line, sizeof(line), f);) {
		if (strncmp(line, FIRST_WORDS, strlen(FIRST_WORDS)) == 0) {
			good = ++n <= TIMELINES_MAX;
			t = good ? new_timeline(r, line + strlen(FIRST_WORDS)) : NULL;
			good = good && fgets(line, sizeof(line), f) && strcmp(line, columns) == 0;
		} else {
			good = t && read_sample(line, t);
		}
	}
	free(columns);
	return good;
}

bool report_add_timelines(struct report *r, const char *folder)
{
	char path[PATH_MAX + sizeof(FILE_NAME) + 1];
	struct stat st;
	bool good;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, folder);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return true;
	good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (f = fdopen(fd, "r"));
	if (!good) {
		complain("%s: %s", path, fd < 0 ? strerror(errno) : "not a regular file");
		if (fd >= 0)
			close(fd);
		return false;
	}
	good = read_lines(r, f);
	fclose(f);
	if (!good)
		complain("%s: damaged, or of another dioshim", path);
	return good;
}

void report_free_timelines(struct report *r)
{
	for (size_t i = 0; i < r->timelines_n; i++)
		free(r->timelines[i]);
	free(r->timelines);
}

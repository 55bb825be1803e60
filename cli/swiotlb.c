#include "swiotlb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBUGFS	"/sys/kernel/debug"
#define EVENT	"events/swiotlb/swiotlb_bounced"
#define PREFIX	"dioshim."
#define BUFFER	"256"	/* KiB for each CPU, some 4,000 events: instances begin with six times that */

int swiotlb_figure(const char *name, uint64_t *value)
{
	char path[128];
	int err = 0;
	FILE *f;

	*value = 0;
	snprintf(path, sizeof(path), DEBUGFS "/swiotlb/%s", name);
	f = fopen(path, "re");
	if (!f) {
		err = errno;
		/* Without debugfs the folder is empty, which tells nothing. */
		if (err == ENOENT && access(DEBUGFS "/bdi", F_OK) != 0)
			err = errno == EACCES ? EACCES : ENODEV;
		return err;
	}
	if (fscanf(f, "%" SCNu64, value) != 1)
		err = EIO;
	fclose(f);
	return err;
}

const char *swiotlb_tracefs(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", DEBUGFS "/tracing" };
	char path[64];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/events", places[i]);
		if (access(path, F_OK) == 0 || errno == EACCES)
			return places[i];
	}
	return NULL;
}

__attribute__((format(printf, 2, 3)))
static void say(struct swiotlb_watch *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
}

static bool put(const struct swiotlb_watch *w, const char *name, const char *text)
{
	int fd = openat(w->folder, name, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return n == (ssize_t)strlen(text);
}

/* Those of processes that were killed; what somebody has open stays (EBUSY). */
static void remove_stale(int instances)
{
	int fd = openat(instances, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0)
			unlinkat(instances, entry->d_name, AT_REMOVEDIR);
	closedir(dir);
}

static void end(struct swiotlb_watch *w)
{
	if (w->hold >= 0)
		close(w->hold);
	if (w->folder >= 0) {
		close(w->folder);
		unlinkat(w->instances, w->name, AT_REMOVEDIR);
	}
	if (w->instances >= 0)
		close(w->instances);
	w->instances = w->folder = w->hold = -1;
}

static bool make_instance(struct swiotlb_watch *w, const char *tracefs)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/instances", tracefs);
	w->instances = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->instances < 0)
		return false;
	remove_stale(w->instances);
	snprintf(w->name, sizeof(w->name), PREFIX "%ld", (long)getpid());
	if (mkdirat(w->instances, w->name, 0700) != 0)
		return false;
	w->folder = openat(w->instances, w->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->folder < 0) {
		unlinkat(w->instances, w->name, AT_REMOVEDIR);
		return false;
	}
	w->hold = openat(w->folder, "tracing_on", O_RDONLY | O_CLOEXEC);
	return w->hold >= 0;
}

static void watch(struct swiotlb_watch *w, const char *tracefs, bool sums)
{
	if (!make_instance(w, tracefs)) {
		say(w, errno == EACCES || errno == EPERM ? "not readable as this user (%s/instances: %s)" :
		    "%s/instances: %s", tracefs, strerror(errno));
		end(w);
		return;
	}
	if (faccessat(w->folder, EVENT, F_OK, 0) != 0) {
		say(w, "this kernel has no event swiotlb_bounced");
		end(w);
		return;
	}
	put(w, "buffer_size_kb", BUFFER);
	if (sums && put(w, EVENT "/trigger", "hist:keys=dev_name:vals=size")) {
		w->how = SWIOTLB_SUMS;
	} else if (put(w, EVENT "/enable", "1")) {
		w->how = SWIOTLB_EVENTS;
	} else {
		say(w, "swiotlb_bounced/enable: %s", strerror(errno));
		end(w);
	}
}

void swiotlb_start(struct swiotlb_watch *w, bool sums)
{
	const char *tracefs = swiotlb_tracefs();
	uint64_t value;

	*w = (struct swiotlb_watch){ .instances = -1, .folder = -1, .hold = -1 };
	/* Where it has not been used since boot, its own mark is watched, for nothing. */
	if (swiotlb_figure("io_tlb_nslabs", &value) == ENOENT) {
		w->how = SWIOTLB_NO_POOL;
		say(w, "this kernel has no pool for it");
	} else if (swiotlb_figure("io_tlb_used_hiwater", &value) == 0 && value == 0) {
		w->how = SWIOTLB_IDLE;
		say(w, "not once since boot");
	} else if (!tracefs) {
		say(w, "tracefs is not mounted");
	} else {
		watch(w, tracefs, sums);
	}
}

/* "{ dev_name: nvme0 } hitcount: 12  size: 49152" for each device, and "Dropped: 0". */
static void read_sum(const char *line, struct swiotlb_result *r)
{
	const char *figures = strstr(line, "} hitcount:");
	uint64_t hits, bytes;

	if (figures && sscanf(figures, "} hitcount: %" SCNu64 " size: %" SCNu64, &hits, &bytes) == 2) {
		r->bounces += hits;
		r->bytes += bytes;
	} else if (sscanf(line, " Dropped: %" SCNu64, &hits) == 1 && hits) {
		r->at_least = true;
	}
}

/* "#" before "entries-in-buffer/entries-written: 12/12"; "... swiotlb_bounced: ... size=4096 FORCE" */
static void read_event(const char *line, struct swiotlb_result *r)
{
	const char *event = strstr(line, " swiotlb_bounced: "), *size;
	uint64_t kept, written, bytes;

	if (sscanf(line, "# entries-in-buffer/entries-written: %" SCNu64 "/%" SCNu64, &kept, &written) == 2)
		r->at_least |= written > kept;
	size = event ? strstr(event, " size=") : NULL;
	if (size && sscanf(size, " size=%" SCNu64, &bytes) == 1) {
		r->bounces++;
		r->bytes += bytes;
	}
}

static bool read_lines(const struct swiotlb_watch *w, const char *name,
		       void (*take)(const char *line, struct swiotlb_result *r), struct swiotlb_result *r)
{
	int fd = openat(w->folder, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;
	bool good;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (getline(&line, &room, f) > 0)
		take(line, r);
	good = !ferror(f);
	free(line);
	fclose(f);
	return good;
}

void swiotlb_stop(struct swiotlb_watch *w, struct swiotlb_result *r)
{
	uint64_t value;

	*r = (struct swiotlb_result){ 0 };
	switch (w->how) {
	case SWIOTLB_UNKNOWN:
		break;
	case SWIOTLB_NO_POOL:
		r->readable = true;
		break;
	case SWIOTLB_IDLE:
		r->readable = swiotlb_figure("io_tlb_used_hiwater", &value) == 0 && value == 0;
		if (!r->readable)
			say(w, "it began meanwhile, for the first time since boot");
		break;
	case SWIOTLB_SUMS:
		r->readable = read_lines(w, EVENT "/hist", read_sum, r);
		/* With the trigger the sums go, and what it holds of the instance. */
		put(w, EVENT "/trigger", "!hist:keys=dev_name:vals=size");
		break;
	case SWIOTLB_EVENTS:
		put(w, EVENT "/enable", "0");
		r->readable = read_lines(w, "trace", read_event, r);
		break;
	}
	if (!r->readable && !*w->why)
		say(w, "the instance of tracefs cannot be read");
	memcpy(r->why, w->why, sizeof(r->why));
	end(w);
}

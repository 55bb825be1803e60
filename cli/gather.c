#include "gather.h"

#include "cli.h"
#include "timeline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *must_grow(void *list, size_t n, size_t size)
{
	/* By powers of two, whenever the old size was one. */
	if (n & (n - 1))
		return list;
	list = reallocarray(list, n ? 2 * n : 1, size);
	if (!list) {
		complain("out of memory");
		exit(STATUS_OWN);
	}
	return list;
}

static void *must_resize(void *list, size_t size)
{
	list = realloc(list, size);
	if (!list) {
		complain("out of memory");
		exit(STATUS_OWN);
	}
	return list;
}

static bool read_count(const char *path, struct kernel_count *count)
{
	char line[128];
	int found = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		found += (sscanf(line, "rchar: %" SCNu64, &count->rchar) == 1) +
			 (sscanf(line, "wchar: %" SCNu64, &count->wchar) == 1);
	fclose(f);
	return found == 2;
}

struct last_words last_words_of(pid_t pid)
{
	struct last_words w = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	w.heard = read_count(path, &w.all);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/io", (int)pid, (int)pid);
	if (!w.heard || !read_count(path, &w.first_thread))
		w.first_thread = (struct kernel_count){ 0 };
	return w;
}

/* Made, but not yet written to: its process has only just begun. */
static const char not_begun[] = "empty: its process ended before it began";

/* How many bytes were there. */
static size_t read_at(int fd, void *to, size_t size, size_t at)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(fd, (char *)to + got, size - got, (off_t)(at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

/* Made by this version, with these lists? */
const char *ledger_wrong(const struct ledger *l, size_t got)
{
	static char text[128];

	if (got < offsetof(struct ledger, pid) ||
	    memcmp(l->magic, LEDGER_MAGIC, sizeof(l->magic)) != 0)
		return "not a ledger";
	if (l->version != LEDGER_VERSION) {
		snprintf(text, sizeof(text),
			 "%s dioshim made it (format %" PRIu32 ", this one reads %d)",
			 l->version > LEDGER_VERSION ? "a newer" : "another",
			 l->version, LEDGER_VERSION);
		return text;
	}
	if (l->size != sizeof(*l) || l->routes_n != ROUTES ||
	    l->counters_n != COUNTERS || l->reasons_n != REASONS ||
	    l->files_n != LEDGER_FILES || l->has_sites > 1 || l->records_n > CONFIG_RECORDS_MAX)
		return "another dioshim made it (its lists differ)";
	return NULL;
}

const char *ledger_read(int fd, struct ledger *l)
{
	static char text[128];
	const char *wrong;
	struct stat st;
	size_t got, size;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "not a regular file";
	memset(l, 0, sizeof(*l));
	got = read_at(fd, l, sizeof(*l), 0);
	if (got == 0 || (st.st_size >= (off_t)sizeof(*l) && !l->magic[0]))
		return not_begun;
	wrong = ledger_wrong(l, got);
	if (wrong)
		return wrong;
	size = ledger_size(l->has_sites, l->records_n);
	if (got == sizeof(*l))
		got = (size_t)st.st_size;
	if (got < size) {
		snprintf(text, sizeof(text), "truncated: %zu of %zu bytes", got, size);
		return text;
	}
	return got > size ? "longer than a ledger" : NULL;
}

/* With all that follows its head, into *to, which grows. */
static const char *read_open(int fd, struct ledger **to)
{
	const char *wrong = ledger_read(fd, *to);
	size_t rest;

	if (wrong)
		return wrong;
	rest = ledger_size((*to)->has_sites, (*to)->records_n) - sizeof(**to);
	*to = must_resize(*to, sizeof(**to) + rest);
	return read_at(fd, *to + 1, rest, sizeof(**to)) == rest ? NULL : "truncated while it was read";
}

static const char *read_ledger(int dir, const char *name, struct ledger **to)
{
	/* A FIFO must not hold us; a link may lead anywhere. */
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	const char *wrong;

	if (fd < 0)
		return errno == ELOOP ? "a symbolic link: not read" : strerror(errno);
	wrong = read_open(fd, to);
	close(fd);
	return wrong;
}

/* Does the process exist that has this file mapped? Pids alone come again. */
static bool maps_ledger(uint32_t pid, const char *name)
{
	const char *slash = strrchr(name, '/');
	char path[64], line[PATH_MAX + 128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	name = slash ? slash + 1 : name;
	while (!found && fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "\n"), n = strlen(name);

		line[len] = '\0';
		slash = strrchr(line, '/');
		found = slash && strncmp(slash + 1, name, n) == 0 &&
			(slash[1 + n] == '\0' || slash[1 + n] == ' ');
	}
	fclose(f);
	return found;
}

/* The kernel's count, taken after the ledger was read, beside its sums. */
static void set_reading(struct process *p, const struct last_words *w)
{
	p->witness.rchar = w->all.rchar;
	p->witness.wchar = w->all.wchar;
	p->witness.seen_rchar = p->counters[COUNTER_seen_rchar];
	p->witness.seen_wchar = p->counters[COUNTER_seen_wchar];
	p->witness.readings++;
	p->first_thread = w->first_thread;
	p->exact = true;
}

static void add_process(struct report *r, const struct ledger *l, const char *name)
{
	struct process *p;

	r->processes = must_grow(r->processes, r->processes_n, sizeof(*p));
	p = &r->processes[r->processes_n++];
	*p = (struct process){
		.pid = l->pid, .ppid = l->ppid,
		.state = (enum ledger_state)l->state,
		.start_ns = l->start_ns, .end_ns = l->end_ns,
		.witness = l->witness,
	};
	memcpy(p->command, l->command, sizeof(p->command));
	p->command[sizeof(p->command) - 1] = '\0';
	memcpy(p->counters, l->counters, sizeof(p->counters));
	memcpy(p->routes, l->routes, sizeof(p->routes));
	memcpy(p->reasons, l->reasons, sizeof(p->reasons));
	memcpy(p->classes, l->classes, sizeof(p->classes));
	p->mode = (enum config_mode)l->mode;
	p->strict_align = l->strict_align;
	p->has_sites = l->has_sites;
	p->records_n = l->records_n;
	p->alive = l->state == LEDGER_RUNNING && maps_ledger(l->pid, name);
	if (p->alive) {
		struct last_words w = last_words_of((pid_t)l->pid);

		if (w.heard)
			set_reading(p, &w);
	}
}

static void add_files(struct report *r, const struct ledger *l)
{
	for (unsigned i = 0; i < LEDGER_FILES; i++) {
		struct ledger_file *file;

		if (l->files[i].used != 1)
			continue;
		r->files = must_grow(r->files, r->files_n, sizeof(*file));
		file = &r->files[r->files_n++];
		*file = l->files[i];
		file->path[sizeof(file->path) - 1] = '\0';
	}
}

static struct ledger **buffer(void)
{
	static struct ledger *l;

	if (!l)
		l = must_resize(NULL, sizeof(*l));
	return &l;
}

static void add_ledger(struct report *r, struct ledger *l, const char *name)
{
	add_process(r, l, name);
	add_files(r, l);
	report_add_sites(r, l);
}

bool report_add_file(struct report *r, const char *path)
{
	struct ledger **l = buffer();
	const char *wrong = read_ledger(AT_FDCWD, path, l);

	if (wrong) {
		complain("%s: %s", path, wrong);
		return false;
	}
	add_ledger(r, *l, path);
	return true;
}

bool is_ledger_name(const char *name)
{
	if (strncmp(name, "dioshim.", 8) != 0)
		return false;
	name += 8;
	for (int part = 0; part < 2; part++) {
		size_t digits = strspn(name, "0123456789");

		if (!digits || name[digits] != (part ? '\0' : '.'))
			return false;
		name += digits + 1;
	}
	return true;
}

bool report_add_folder(struct report *r, const char *path, uint64_t since_ns,
		       size_t *found)
{
	struct ledger **l = buffer();
	DIR *dir = opendir(path);
	bool good = true;
	struct dirent *e;

	if (!dir) {
		complain("%s: %s", path, strerror(errno));
		return false;
	}
	while ((e = readdir(dir))) {
		const char *wrong;

		if (!is_ledger_name(e->d_name))
			continue;
		wrong = read_ledger(dirfd(dir), e->d_name, l);
		if (wrong == not_begun && since_ns)
			continue;
		if (wrong) {
			complain("%s/%s: %s", path, e->d_name, wrong);
			good = false;
		} else if ((*l)->start_ns >= since_ns) {
			add_ledger(r, *l, e->d_name);
			++*found;
		}
	}
	closedir(dir);
	return good;
}

void report_last_words(struct report *r, pid_t pid, const struct last_words *w)
{
	struct process *newest = NULL;

	for (size_t i = 0; w->heard && i < r->processes_n; i++) {
		struct process *p = &r->processes[i];

		/* The same number in a pid namespace has another parent. */
		if (p->pid == (uint32_t)pid && p->ppid == (uint32_t)getpid() &&
		    (!newest || p->start_ns > newest->start_ns))
			newest = p;
	}
	if (newest)
		set_reading(newest, w);
}

void report_free(struct report *r)
{
	free(r->processes);
	free(r->files);
	report_free_sites(r);
	report_free_timelines(r);
	free(r->command);
	*r = (struct report){ 0 };
}

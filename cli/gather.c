#include "gather.h"

#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *must_grow(void *list, size_t n, size_t size)
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

const char *ledger_read(int fd, struct ledger *l)
{
	static char text[128];
	struct stat st;
	size_t got = 0;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "not a regular file";
	memset(l, 0, sizeof(*l));
	while (got < sizeof(*l)) {
		ssize_t n = pread(fd, (char *)l + got, sizeof(*l) - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (got == 0 || (st.st_size == (off_t)sizeof(*l) && !l->magic[0]))
		return not_begun;
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
	    l->files_n != LEDGER_FILES)
		return "another dioshim made it (its lists differ)";
	if (got < sizeof(*l) || st.st_size < (off_t)sizeof(*l)) {
		snprintf(text, sizeof(text), "truncated: %zu of %zu bytes", got,
			 sizeof(*l));
		return text;
	}
	if (st.st_size > (off_t)sizeof(*l))
		return "longer than a ledger";
	return NULL;
}

static const char *read_ledger(int dir, const char *name, struct ledger *l)
{
	/* A FIFO must not hold us; a link may lead anywhere. */
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
				   O_NONBLOCK | O_NOCTTY);
	const char *wrong;

	if (fd < 0)
		return errno == ELOOP ? "a symbolic link: not read" : strerror(errno);
	wrong = ledger_read(fd, l);
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

static struct ledger *buffer(void)
{
	static struct ledger *l;

	if (!l)
		l = must_grow(NULL, 0, sizeof(*l));
	return l;
}

bool report_add_file(struct report *r, const char *path)
{
	struct ledger *l = buffer();
	const char *wrong = read_ledger(AT_FDCWD, path, l);

	if (wrong) {
		complain("%s: %s", path, wrong);
		return false;
	}
	add_process(r, l, path);
	add_files(r, l);
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
	struct ledger *l = buffer();
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
		} else if (l->start_ns >= since_ns) {
			add_process(r, l, e->d_name);
			add_files(r, l);
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
	free(r->command);
	*r = (struct report){ 0 };
}

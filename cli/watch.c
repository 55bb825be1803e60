#include "watch.h"

#include "cli.h"
#include "launch.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A line of /proc/PID/maps, as far as it matters. */
struct mapping {
	unsigned long start, end;
	uint64_t ino;
	char path[PATH_MAX + 16];
};

static struct ledger look;	/* one at a time */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* -1: it has ended, or never was. */
static int open_proc(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static FILE *open_in(int proc, const char *name)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f && fd >= 0)
		close(fd);
	return f;
}

/* The state letter and the parent; false when it is gone. The name may hold anything. */
static bool read_stat(int proc, char *state, pid_t *parent)
{
	char line[512], *end;
	FILE *f = open_in(proc, "stat");
	int ppid;
	bool good;

	if (!f)
		return false;
	good = fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) &&
	       sscanf(end + 1, " %c %d", state, &ppid) == 2;
	if (good)
		*parent = ppid;
	fclose(f);
	return good;
}

static bool runs(int proc)
{
	pid_t parent;
	char state;

	return read_stat(proc, &state, &parent) && state != 'Z' && state != 'X';
}

/* A fork child still has its parent's mapped: the name tells whose it is. */
static bool own_ledger(const char *path, pid_t pid)
{
	const char *slash = strrchr(path, '/');
	char name[64];

	if (!slash || strlen(slash) >= sizeof(name))
		return false;
	strcpy(name, slash + 1);
	name[strcspn(name, " ")] = '\0';	/* " (deleted)" */
	return is_ledger_name(name) && strtol(name + strlen("dioshim."), NULL, 10) == pid;
}

/* Finds the ledger's mapping. *library: the shim is there; errno when nothing can be read. */
static bool find_mapping(int proc, pid_t pid, struct mapping *m, bool *library)
{
	char line[PATH_MAX + 256];
	FILE *f = open_in(proc, "maps");
	bool found = false;

	*library = false;
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		*library |= strstr(path, "/libdioshim.so") != NULL;
		found = own_ledger(path, pid) &&
			sscanf(line, "%lx-%lx %*s %*s %*s %" SCNu64, &m->start, &m->end, &m->ino) == 3;
		if (found)
			snprintf(m->path, sizeof(m->path), "%s", path);
	}
	fclose(f);
	errno = 0;
	return found;
}

static int open_if_same(int proc, const char *path, uint64_t ino)
{
	struct stat st;
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_ino != ino)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* By its name, as the process sees it; a deleted one by its mapping, if we may. */
static int open_mapped(int proc, const struct mapping *m)
{
	char path[sizeof(m->path) + 64];
	int fd;

	snprintf(path, sizeof(path), "root%s", m->path);
	fd = open_if_same(proc, path, m->ino);
	if (fd < 0)
		fd = open_if_same(proc, m->path, m->ino);
	snprintf(path, sizeof(path), "map_files/%lx-%lx", m->start, m->end);
	return fd >= 0 ? fd : open_if_same(proc, path, m->ino);
}

static bool descends(int proc, pid_t pid, pid_t root)
{
	pid_t parent = pid;
	char state;

	for (int depth = 0; root && parent != root; depth++) {
		int fd = depth ? open_proc(parent) : proc;
		bool good = fd >= 0 && read_stat(fd, &state, &parent);

		if (depth && fd >= 0)
			close(fd);
		if (!good || parent <= 1 || depth == 64)
			return root == parent;
	}
	return true;
}

static struct watched *find(struct watch *w, pid_t pid)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].pid == pid && !w->list[i].ended)
			return &w->list[i];
	return NULL;
}

/* The row with most new bytes. The last one gathers those without a row. */
static void find_busiest(struct watched *p)
{
	struct watch_sums d = watch_change(p);
	size_t best = 0;

	for (size_t i = 1; i < LEDGER_FILES; i++)
		if (d.files[i] > d.files[best])
			best = i;
	p->busiest[0] = '\0';
	if (!d.files[best])
		return;
	if (!look.files[best].dev && !look.files[best].ino)
		strcpy(p->busiest, "(other files)");
	else
		snprintf(p->busiest, sizeof(p->busiest), "%.*s", LEDGER_PATH - 1, look.files[best].path);
}

/* NULL, or why the ledger could not be read. */
static const char *read_sums(struct watched *p)
{
	const char *wrong = ledger_read(p->ledger, &look);

	if (wrong)
		return wrong;
	p->now = (struct watch_sums){
		.calls = look.counters[COUNTER_calls],
		.read = look.counters[COUNTER_read_bytes],
		.written = look.counters[COUNTER_written_bytes],
	};
	for (unsigned i = 0; i < ROUTES; i++)
		p->now.routes[i] = look.routes[i].bytes;
	for (unsigned i = 0; i < LEDGER_FILES; i++)
		if (look.files[i].used == 1)
			p->now.files[i] = look.files[i].read_bytes + look.files[i].written_bytes;
	snprintf(p->command, sizeof(p->command), "%.*s", LEDGER_COMMAND - 1, look.command);
	return NULL;
}

static void forget(struct watched *p)
{
	close(p->proc);
	close(p->ledger);
}

/* Takes both descriptors. */
static void add(struct watch *w, pid_t pid, int proc, int ledger)
{
	struct watched p = { .pid = pid, .proc = proc, .ledger = ledger }, *list;

	if (read_sums(&p) || look.state != LEDGER_RUNNING) {
		forget(&p);	/* just being made, or just over: the next look tells */
		return;
	}
	if (!w->seen_ns || look.start_ns < w->seen_ns)
		p.before = p.now;
	find_busiest(&p);
	list = reallocarray(w->list, w->n + 1, sizeof(p));
	if (!list) {
		complain("out of memory");
		exit(STATUS_OWN);
	}
	w->list = list;
	w->list[w->n++] = p;
}

static void look_at(struct watch *w, pid_t pid)
{
	struct mapping m;
	bool library;
	int proc, fd = -1;

	if (find(w, pid))
		return;
	proc = open_proc(pid);
	if (proc >= 0 && descends(proc, pid, w->root) && find_mapping(proc, pid, &m, &library))
		fd = open_mapped(proc, &m);
	if (fd >= 0)
		add(w, pid, proc, fd);
	else if (proc >= 0)
		close(proc);
}

static void look_at_all(struct watch *w)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]))
			look_at(w, (pid_t)strtol(e->d_name, NULL, 10));
	if (dir)
		closedir(dir);
}

/* Of processes whose maps we may not read: the folder alone tells of them. */
static void look_into(struct watch *w)
{
	DIR *dir = opendir(w->dir);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		struct mapping m;
		bool library;
		pid_t pid;
		int proc, fd;

		if (!is_ledger_name(e->d_name))
			continue;
		pid = (pid_t)strtol(e->d_name + strlen("dioshim."), NULL, 10);
		proc = find(w, pid) ? -1 : open_proc(pid);
		if (proc < 0)
			continue;
		if (runs(proc) && !find_mapping(proc, pid, &m, &library) && errno == EACCES &&
		    descends(proc, pid, w->root) &&
		    (fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
							O_NONBLOCK | O_NOCTTY)) >= 0)
			add(w, pid, proc, fd);
		else
			close(proc);
	}
	if (dir)
		closedir(dir);
}

static void drop_ended(struct watch *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->list[i].ended)
			forget(&w->list[i]);
		else
			w->list[kept++] = w->list[i];
	}
	w->n = kept;
}

void watch_look(struct watch *w)
{
	uint64_t t = now_ns(CLOCK_MONOTONIC), real = now_ns(CLOCK_REALTIME);

	drop_ended(w);
	for (size_t i = 0; i < w->n; i++) {
		struct watched *p = &w->list[i];
		/* Asked before: what it does last is in what is read after. */
		bool there = runs(p->proc);

		p->before = p->now;
		p->busiest[0] = '\0';
		p->ended = read_sums(p) || look.state != LEDGER_RUNNING || !there;
		find_busiest(p);
	}
	look_at_all(w);
	if (w->dir)
		look_into(w);
	w->elapsed_ns = w->monotonic_ns ? t - w->monotonic_ns : 0;
	w->monotonic_ns = t;
	w->seen_ns = real;
}

const char *watch_why(pid_t pid)
{
	static char text[128];
	int proc = open_proc(pid);
	struct mapping m;
	bool library, found;

	if (proc < 0)
		return "no such process";
	found = find_mapping(proc, pid, &m, &library);
	if (!found && errno)
		snprintf(text, sizeof(text), "may not be looked at: %s", strerror(errno));
	else if (!found && !library)
		strcpy(text, "does not run under the shim");
	else if (!found)
		strcpy(text, "its ledger lies in memory, or is not begun yet: shown when it ends");
	else
		strcpy(text, "its ledger was deleted, or is not to be read");
	close(proc);
	return text;
}

bool watch_over(const struct watch *w)
{
	int proc = w->root && !w->n ? open_proc(w->root) : -1;
	bool over = w->root && !w->n && (proc < 0 || !runs(proc));

	if (proc >= 0)
		close(proc);
	return over;
}

struct watch_sums watch_change(const struct watched *p)
{
	struct watch_sums d = {
		.calls = less(p->now.calls, p->before.calls),
		.read = less(p->now.read, p->before.read),
		.written = less(p->now.written, p->before.written),
	};

	for (unsigned i = 0; i < ROUTES; i++)
		d.routes[i] = less(p->now.routes[i], p->before.routes[i]);
	for (unsigned i = 0; i < LEDGER_FILES; i++)
		d.files[i] = less(p->now.files[i], p->before.files[i]);
	return d;
}

void watch_free(struct watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		forget(&w->list[i]);
	free(w->list);
	w->list = NULL;
	w->n = 0;
}

/*
 * What must be there when all jobs have ended, through every view: read,
 * mapped, read directly, and all of it again with nothing in the page cache.
 */
#include "conc.h"
#include <sys/stat.h>

struct view {
	unsigned char *data;
	int64_t size;
};

static void *room(int64_t size)
{
	void *p = mmap(NULL, (size_t)size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

static void forget(struct view *v)
{
	munmap(v->data, (size_t)v->size + 1);
}

static bool load(struct view *v, int fd)
{
	struct stat s;

	NEED(fstat(fd, &s) == 0);
	*v = (struct view){ room(s.st_size + MIB), s.st_size + MIB };
	for (int64_t at = 0;;) {
		ssize_t n = pread(fd, v->data + at, MIB, at);

		if (n < 0) {
			tell("the verifier's read at %lld: %s", (long long)at, strerror(errno));
			return false;
		}
		at += n;
		if (n < MIB) {
			if (at != s.st_size)
				tell("the verifier read %lld bytes of %lld", (long long)at, (long long)s.st_size);
			return true;
		}
	}
}

static void compare(const char *name, const char *how, const struct view *a, const unsigned char *b, int64_t size)
{
	for (int64_t at = 0; at < size; at++)
		if (a->data[at] != b[at]) {
			tell("%s: %s shows another byte at %lld: %02x, not %02x", name, how, (long long)at, b[at], a->data[at]);
			return;
		}
}

static void compare_loaded(const char *name, const char *how, const struct view *a, int fd, int64_t size)
{
	struct view v;

	if (load(&v, fd))
		compare(name, how, a, v.data, size);
	forget(&v);
}

static void compare_mapped(const char *name, const struct view *a, int fd, int64_t size)
{
	void *p;

	if (size == 0)
		return;
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	if (memcmp(p, a->data, (size_t)size))
		compare(name, "a mapping", a, p, size);
	munmap(p, (size_t)size);
}

/*
 * No fsync may fail. But where a store through another process's mapping comes
 * in the middle of a direct write, the kernel latches an EIO, though nothing is
 * lost; the shim writes no more directly then. So: one from each process.
 */
void latched(const char *name, int fd)
{
	uint32_t most = 0;

	if (fsync(fd) == 0)
		return;
	for (uint32_t i = 0; i < st->n_processes && crew_has_shim(); i++)
		most += st->processes[i].forks ? st->processes[i].jobs : 1;
	if (!st->mapped || errno != EIO || strcmp(name, "slots") || ++st->latched > most)
		tell("%s: the director's fsync: %s", name, strerror(errno));
}

static void drop_caches(int fd)
{
	int drop = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (drop >= 0) {
		if (write(drop, "1", 1) != 1)
			errno = 0;	/* not here */
		close(drop);
	}
}

/* ---- what each file has to hold ---- */

static void check_slots(const unsigned char *p, int64_t size)
{
	int64_t want = st->grown > st->region ? st->grown : st->region;

	if (size != want)
		tell("slots: %lld bytes, not %lld", (long long)size, (long long)want);
	for (uint32_t i = 0; i < st->n_slots && st->slots[i].off + st->slots[i].len <= size; i++) {
		const struct slot *s = &st->slots[i];
		long at = record_differs(p + s->off, i + 1, s->done, 0, s->len);

		if (at >= 0 && s->done == s->started)
			tell("LOST: slot %u (%lld + %u), of job %u, is not version %lu at %ld: %02x, version %lu would be %02x", i,
			     (long long)s->off, s->len, s->job, s->done, at, p[s->off + at], s->done - 1,
			     ((unsigned char *)&(uint64_t){ record_word(i + 1, s->done - 1, (uint64_t)at / 8) })[at % 8]);
	}
	for (int64_t at = st->region; at < size; at++)
		if (p[at]) {
			tell("slots: a byte at %lld, past all that was written", (long long)at);
			return;
		}
}

/* Each writer's entries are there once, whole, in their order; between them nothing, or zeroes. */
static void check_entries(const char *name, enum kind kind, bool gaps, const unsigned char *p, int64_t size)
{
	uint64_t next[JOBS] = { 0 };
	struct entry e;
	int64_t at = 0;

	while (at < size) {
		if (gaps && !p[at]) {
			at++;
			continue;
		}
		if (!entry_at(p + at, size - at, &e)) {
			tell("%s: no entry at %lld of %lld", name, (long long)at, (long long)size);
			return;
		}
		if (e.writer >= st->n_jobs || st->jobs[e.writer].kind != kind || e.seq != next[e.writer]) {
			tell("%s: at %lld entry %u of job %u, not %lu", name, (long long)at, e.seq, e.writer,
			     e.writer < JOBS ? next[e.writer] : 0);
			return;
		}
		next[e.writer]++;
		at += e.len;
	}
	for (uint32_t j = 0; j < st->n_jobs; j++)
		if (st->jobs[j].kind == kind && next[j] != st->jobs[j].done)
			tell("%s: job %u wrote %lu entries, %lu are there", name, j, st->jobs[j].done, next[j]);
}

static bool any_job(enum kind kind)
{
	for (uint32_t j = 0; j < st->n_jobs; j++)
		if (st->jobs[j].kind == kind)
			return true;
	return false;
}

static void check_seen(void)
{
	int64_t doled = lseek(st->dole_fd, 0, SEEK_CUR) / st->dole_len;

	for (uint32_t j = 0; j < st->n_jobs && any_job(JOB_TAIL); j++)
		for (uint64_t i = 0; st->jobs[j].kind == JOB_LINE && i < st->jobs[j].done; i++)
			if (st->tail_seen[j][i] != 1)
				tell("tail: entry %lu of job %u was read %u times", i, j, st->tail_seen[j][i]);
	for (int64_t i = 0; i < ENTRIES; i++)
		if (st->dole_seen[i] != (i < doled))
			tell("dole: entry %lld of %lld was read %u times", (long long)i, (long long)doled, st->dole_seen[i]);
}

static void check(const char *name, const unsigned char *p, int64_t size)
{
	if (!strcmp(name, "slots"))
		check_slots(p, size);
	else if (!strcmp(name, "log"))
		check_entries(name, JOB_LOG, st->log_gaps, p, size);
	else if (!strcmp(name, "queue"))
		check_entries(name, JOB_QUEUE, false, p, size);
	else if (!strcmp(name, "tail"))
		check_entries(name, JOB_LINE, false, p, size);
}

static void check_file(const char *name, int kept)
{
	struct view v;
	struct stat s;
	int fd = data_file(name, O_RDONLY), direct;
	char path[4100];

	snprintf(path, sizeof(path), "%s/%s", st->folder, name);
	direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	NEED(fstat(fd, &s) == 0);
	if (load(&v, fd)) {
		check(name, v.data, s.st_size);
		compare_mapped(name, &v, fd, s.st_size);
		if (direct >= 0)
			compare_loaded(name, "direct I/O", &v, direct, s.st_size);
		latched(name, kept);
		drop_caches(fd);
		compare_loaded(name, "the disk", &v, fd, s.st_size);
		if (direct >= 0)
			compare_loaded(name, "direct I/O, at last", &v, direct, s.st_size);
	}
	forget(&v);
	if (direct >= 0)
		close(direct);
	close(fd);
}

void verify(void)
{
	check_file("slots", st->slots_fd);
	check_file("log", st->log_fd);
	check_file("queue", st->queue_fd);
	check_file("tail", st->tail_fd);
	check_seen();
	if (lseek(st->queue_fd, 0, SEEK_CUR) != lseek(st->queue_fd, 0, SEEK_END))
		tell("queue: the offset is not the end");
}

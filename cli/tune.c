#include "tune.h"

#include "cli.h"
#include "human.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MIB		(1u << 20)
#define LARGEST		(16u << 20)
#define ROUNDS		9
#define ROUNDS_LEAST	5
#define READ_SECONDS	0.6	/* of a size: no new round after that */
#define WRITE_SECONDS	0.9
#define FILL_SECONDS	4.0
#define SAMPLE_SECONDS	0.03	/* a sample of reads ends after that */
#define WRITE_SAMPLE	0.06	/* a sample of writes is as much as takes about so long */

struct bench {
	int cached, direct;	/* descriptors of the same file */
	char *memory;		/* LARGEST bytes */
	uint64_t size, used;	/* of the file; bytes that were written */
	double rate;		/* bytes per second of the filling */
	uint64_t next;		/* for places that nobody has just read */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool failed(const char *what)
{
	complain("--tune: %s: %s", what, strerror(errno));
	return false;
}

/* ---- the file --------------------------------------------------------------- */

static bool folder_of(struct tune *t, const char *path)
{
	struct stat st;
	char *slash;

	if (!realpath(path, t->folder) || stat(t->folder, &st) != 0)
		return failed(path);
	if (S_ISDIR(st.st_mode))
		return true;
	slash = strrchr(t->folder, '/');
	slash[slash == t->folder] = '\0';
	return true;
}

/* A tenth of the file system stays free. */
static bool room(const struct tune *t, int fd)
{
	struct statvfs fs;
	uint64_t there, spare;

	if (fstatvfs(fd, &fs) != 0)
		return failed(t->folder);
	there = (uint64_t)fs.f_bavail * fs.f_frsize;
	spare = (uint64_t)fs.f_blocks * fs.f_frsize / 10;
	if (there >= t->bytes + spare)
		return true;
	complain("--tune: %s: not enough room: %s are free; %s are wanted, and %s, a tenth of the file system, stay free",
		 t->folder, human_bytes(there).text, human_bytes(t->bytes).text, human_bytes(spare).text);
	return false;
}

static bool open_both(struct bench *b, const struct tune *t)
{
	int folder = open(t->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[64];

	b->cached = folder < 0 ? -errno : place_temporary(folder);
	if (folder >= 0)
		close(folder);
	if (b->cached < 0) {
		errno = -b->cached;
		return failed(t->folder);
	}
	if (!room(t, b->cached))
		return false;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", b->cached);
	b->direct = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
	return b->direct >= 0 || failed(t->folder);
}

/* Other bytes everywhere: there are devices that compress. */
static bool get_memory(struct bench *b)
{
	uint64_t x = 0x9e3779b97f4a7c15, *p;

	b->memory = mmap(NULL, LARGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->memory == MAP_FAILED)
		return failed("memory");
	p = (void *)b->memory;
	for (size_t i = 0; i < LARGEST / sizeof(*p); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
	return true;
}

static bool put(const struct bench *b, int fd, size_t size, uint64_t at)
{
	ssize_t r = pwrite(fd, b->memory, size, (off_t)at);

	if (r < 0)
		return failed("writing");
	errno = ENOSPC;
	return r == (ssize_t)size || failed("writing");
}

static bool fill(struct bench *b)
{
	const size_t step = 4 * MIB;
	const double begin = now();

	for (b->used = 0; b->used + step <= b->size && (b->used < 2 * step || now() < begin + FILL_SECONDS); b->used += step)
		if (!put(b, b->direct, step, b->used))
			return false;
	if (fdatasync(b->direct) != 0)
		return failed("fdatasync");
	b->rate = (double)b->used / (now() - begin);
	return true;
}

/* ---- samples: ns per MiB, or below 0 ----------------------------------------- */

/* Slots of the file in an order that no read-ahead foresees. */
static uint64_t any_slot(struct bench *b, uint64_t slots)
{
	b->next = b->next * 6364136223846793005u + 1442695040888963407u;
	return (b->next >> 33) % slots;
}

static double read_sample(struct bench *b, int fd, size_t size)
{
	const uint64_t slots = b->used / size;
	uint64_t done = 0;
	double begin, t;

	if (posix_fadvise(b->cached, 0, 0, POSIX_FADV_DONTNEED) != 0)
		return -1;
	begin = now();
	do {
		if (pread(fd, b->memory, size, (off_t)(any_slot(b, slots) * size)) != (ssize_t)size) {
			failed("reading");
			return -1;
		}
		done += size;
		t = now() - begin;
		/* Not so much that places are met twice: then the page cache has them. */
	} while (t < SAMPLE_SECONDS && done < b->used / 8);
	return 1e9 * t / ((double)done / MIB);
}

/* A new file, and synced. */
static double write_sample(struct bench *b, int fd, size_t size)
{
	uint64_t amount = (uint64_t)(b->rate * WRITE_SAMPLE), done = 0;
	double begin;

	amount = amount > b->size ? b->size : amount;
	if (ftruncate(b->cached, 0) != 0 || fdatasync(b->cached) != 0) {
		failed("ftruncate");
		return -1;
	}
	begin = now();
	for (; done < amount || done == 0; done += size)
		if (!put(b, fd, size, done))
			return -1;
	if (fdatasync(fd) != 0) {
		failed("fdatasync");
		return -1;
	}
	return 1e9 * (now() - begin) / ((double)done / MIB);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of sorted values. */
static double quantile(const double *v, unsigned n, double q)
{
	const double at = q * (n - 1);
	const unsigned i = (unsigned)at;

	return i + 1 < n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[i];
}

typedef double sample(struct bench *b, int fd, size_t size);

static bool measure_size(struct bench *b, struct tune_row *row, sample *take, double seconds)
{
	double cached[ROUNDS], direct[ROUNDS], ratio[ROUNDS];
	const double end = now() + seconds;
	unsigned n = 0;

	for (; n < ROUNDS && (n < ROUNDS_LEAST || now() < end); n++) {
		for (unsigned turn = 0; turn < 2; turn++) {
			bool is_direct = (n + turn) % 2;
			double x = take(b, is_direct ? b->direct : b->cached, row->size);

			if (x < 0)
				return false;
			(is_direct ? direct : cached)[n] = x;
		}
		ratio[n] = direct[n] / cached[n];
	}
	qsort(cached, n, sizeof(*cached), by_value);
	qsort(direct, n, sizeof(*direct), by_value);
	qsort(ratio, n, sizeof(*ratio), by_value);
	row->rounds = n;
	row->cached = quantile(cached, n, 0.5);
	row->direct = quantile(direct, n, 0.5);
	row->ratio = quantile(ratio, n, 0.5);
	row->q1 = quantile(ratio, n, 0.25);
	row->q3 = quantile(ratio, n, 0.75);
	return true;
}

static bool measure_table(struct bench *b, struct tune_table *table, uint32_t least, uint64_t room_for, sample *take,
			  double seconds)
{
	for (uint32_t size = least; size <= LARGEST && size <= room_for && table->rows < TUNE_SIZES; size *= 2) {
		struct tune_row *row = &table->row[table->rows];

		row->size = size;
		if (!measure_size(b, row, take, seconds))
			return false;
		table->rows++;
	}
	return true;
}

/* ---- what follows ----------------------------------------------------------- */

/*
 * From the largest size down as long as direct wins. A size that cannot be told is passed
 * over, and never the threshold itself; where that is half of them, nothing follows.
 */
void tune_judge(struct tune_table *table, uint64_t otherwise)
{
	int untold = 0, first = table->rows;

	for (int i = 0; i < table->rows; i++) {
		struct tune_row *row = &table->row[i];

		row->verdict = row->q3 < 1 ? TUNE_DIRECT : row->q1 > 1 ? TUNE_CACHE : TUNE_UNTOLD;
		untold += row->verdict == TUNE_UNTOLD;
	}
	for (int i = table->rows - 1; i >= 0 && table->row[i].verdict != TUNE_CACHE; i--)
		if (table->row[i].verdict == TUNE_DIRECT)
			first = i;
	table->from = otherwise;
	if (table->rows == 0) {
		table->found = TUNE_NONE;
	} else if (2 * untold >= table->rows) {
		table->found = TUNE_SCATTERED;
	} else if (first < table->rows) {
		table->found = TUNE_FOUND;
		table->from = table->row[first].size;
	} else {
		table->found = TUNE_NEVER;
		table->from = 2 * (uint64_t)table->row[table->rows - 1].size;
	}
}

static bool measure(struct bench *b, struct tune *t, const struct place *p)
{
	if (!open_both(b, t) || !get_memory(b))
		return false;
	b->size = t->bytes;
	if (!fill(b) || !measure_table(b, &t->read, 4096, b->used / 8, read_sample, READ_SECONDS))
		return false;
	return p->facts.writes_are_cached ||
	       measure_table(b, &t->write, 64u << 10, b->size, write_sample, WRITE_SECONDS);
}

bool tune_measure(struct tune *t, const char *path, uint64_t bytes, const struct config *c)
{
	const double begin = now();
	struct bench b = { .cached = -1, .direct = -1, .next = (uint64_t)getpid() };
	struct config defaults;
	struct place p;
	bool good;

	*t = (struct tune){
		.bytes = bytes & ~(uint64_t)(4 * MIB - 1),
		.read = { .setting = CONFIG_AUTO_READ, .name = "read", .title = "cold reads in no sequence" },
		.write = { .setting = CONFIG_AUTO_WRITE, .name = "write", .title = "new files, written and synced" },
	};
	if (!folder_of(t, path))
		return false;
	place_look(&p, t->folder, c);
	if (p.direct != ANSWER_YES || !p.temporary) {
		complain("--tune: %s: %s", t->folder, *p.why ? p.why : "no temporary file can be made in it");
		return false;
	}
	good = measure(&b, t, &p);
	if (b.direct >= 0)
		close(b.direct);
	if (b.cached >= 0)
		close(b.cached);
	if (b.memory && b.memory != MAP_FAILED)
		munmap(b.memory, LARGEST);
	config_defaults(&defaults);
	tune_judge(&t->read, defaults.auto_read);
	tune_judge(&t->write, defaults.auto_write);
	t->seconds = now() - begin;
	return good;
}

/*
 * killer FOLDER SEED SECONDS [ROUNDS]
 *
 * Starts a writer in FOLDER, kills it with SIGKILL at a random moment, and
 * looks at what it left, round after round. The writer publishes in shared
 * memory what it begins to write and what has returned. Whatever returned has
 * to be there; what was under way may be there in part; and no file is longer
 * than what was written or begun. Started under the shim, or plain: then the
 * writers are plain too. The machine does not crash, so the page cache counts.
 */
#include "conc/crew.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define LANES	4
#define PLACES	2000		/* records of a round that interleaves */
#define SLOTS	64
#define MOST	(300 * KIB)	/* bytes of one record */

/* Records side by side; rewritten; appended; through one offset. */
enum model { INTERLEAVE, REWRITE, APPEND, QUEUE, MODELS };
static const char *const models[] = { "interleave", "rewrite", "append", "queue" };

static struct state {
	char folder[4000];
	uint64_t seed, round;
	uint32_t model, lanes, aligned, forks, copies;
	struct lane { uint64_t started, done; } lane[LANES];	/* records begun, and returned */
	uint64_t started[SLOTS], done[SLOTS];	/* versions, of the model that rewrites */
	struct findings found;
} *st;

static int64_t place[PLACES + 1];	/* where a record begins: the same in all processes */
static int shared_fd;

#define tell(fmt, ...) \
	problem(&st->found, "round %lu, %s: " fmt, st->round, models[st->model], ##__VA_ARGS__)

/* Of record k: all processes find the same. */
static long size_of(uint64_t k)
{
	uint64_t rnd = mix(st->seed + st->round * 1000003 + k);
	long n;

	if (st->aligned)
		return 4096 * (1 + below(&rnd, 40));
	n = odd_size(&rnd, MOST);
	return n < (long)sizeof(struct entry) ? (long)sizeof(struct entry) : n;
}

static void lay_out(void)
{
	for (uint64_t k = 0; k < PLACES; k++)
		place[k + 1] = place[k] + size_of(k);
}

static int file(const char *name, int flags)
{
	char path[4100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", st->folder, name);
	fd = open(path, flags | O_CLOEXEC, 0666);
	NEED(fd >= 0);
	return fd;
}

/* ---- the writer ---- */

struct hand {
	uint32_t lane;
	uint64_t rnd;
	unsigned char *memory;
	int fd, source;
};

static bool copy(struct hand *h, const unsigned char *p, long len, int64_t off)
{
	int64_t at = st->aligned || one_in(&h->rnd, 2) ? off % 4096 : below(&h->rnd, 9000), out = off;
	const bool send = one_in(&h->rnd, 2);
	ssize_t n = pwrite(h->source, p, (size_t)len, at);

	if (n != len || (send && lseek(h->fd, off, SEEK_SET) != off))
		return false;
	for (; len > 0; len -= n) {
		n = send ? sendfile(h->fd, h->source, &at, (size_t)len) :
			   copy_file_range(h->source, &at, h->fd, &out, (size_t)len, 0);
		if (n <= 0)
			return false;
	}
	return true;
}

/* At an offset, or at the descriptor's own. */
static void put(struct hand *h, unsigned char *p, long len, int64_t off)
{
	const size_t first = (size_t)(st->aligned ? below(&h->rnd, len / 4096 + 1) * 4096 : below(&h->rnd, len + 1));
	const struct iovec v[2] = { { p, first }, { p + first, (size_t)len - first } };
	ssize_t n;

	if (off < 0)
		n = one_in(&h->rnd, 3) ? writev(h->fd, v, 2) : write(h->fd, p, (size_t)len);
	else if (st->copies)
		n = copy(h, p, len, off) ? len : -1;
	else if (one_in(&h->rnd, 3))
		n = pwritev(h->fd, v, 2, off);
	else
		n = pwrite(h->fd, p, (size_t)len, off);
	if (n != len)
		tell("a write of %ld: %zd, %s", len, n, strerror(errno));
}

static unsigned char *buffer(struct hand *h)
{
	return h->memory + (st->aligned ? 0 : one_in(&h->rnd, 2) ? below(&h->rnd, 4096) : 512 * below(&h->rnd, 8));
}

static void rewrite(struct hand *h)
{
	uint64_t s = (uint64_t)below(&h->rnd, SLOTS / st->lanes) * st->lanes + h->lane, version = st->started[s] + 1;
	unsigned char *p = buffer(h);
	long len = size_of(s);

	record_fill(p, s + 1, version, 0, len);
	__atomic_store_n(&st->started[s], version, __ATOMIC_SEQ_CST);
	put(h, p, len, place[s]);
	__atomic_store_n(&st->done[s], version, __ATOMIC_SEQ_CST);
}

static void *write_lane(void *arg)
{
	struct hand h = { .lane = (uint32_t)(uintptr_t)arg };
	struct lane *l = &st->lane[h.lane];
	char name[32];

	h.rnd = mix(st->seed + st->round) + h.lane;
	h.memory = aligned_alloc(4096, 2 * MOST);
	snprintf(name, sizeof(name), "source.%u", h.lane);
	h.source = file(name, O_RDWR | O_CREAT);
	h.fd = st->model == QUEUE ? shared_fd : file("victim", st->model == APPEND ? O_WRONLY | O_APPEND : O_RDWR);
	for (uint64_t k = 0;; k++) {
		uint64_t g = k * st->lanes + h.lane;
		unsigned char *p = buffer(&h);

		if (g >= PLACES)
			pause();
		__atomic_store_n(&l->started, k + 1, __ATOMIC_SEQ_CST);
		if (st->model == REWRITE) {
			rewrite(&h);
		} else {
			entry_fill(p, h.lane, (uint32_t)k, (uint32_t)size_of(g));
			put(&h, p, size_of(g), st->model == INTERLEAVE ? place[g] : -1);
		}
		__atomic_store_n(&l->done, k + 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static int writer(const char *memory)
{
	pthread_t t;

	st = crew_map(atoi(memory), sizeof(*st));
	lay_out();
	shared_fd = file("victim", O_RDWR);
	for (uintptr_t i = 1; i < st->lanes; i++) {
		if (!st->forks)
			NEED(pthread_create(&t, NULL, write_lane, (void *)i) == 0);
		else if (fork() == 0)
			write_lane((void *)i);
	}
	write_lane(NULL);
	return 0;
}

/* ---- what it left ---- */

static uint64_t records, kills, unfinished, holes;

/* Every byte is of the one or of the other version; which is the first that is not? */
static long neither(const unsigned char *p, uint64_t who, uint64_t a, uint64_t b, long len)
{
	for (long at = record_differs(p, who, a, 0, len); at >= 0 && at < len; at++)
		if (record_differs(p + at, who, a, at, 1) >= 0 && record_differs(p + at, who, b, at, 1) >= 0)
			return at;
	return -1;
}

static void check_rewritten(const unsigned char *p, int64_t size)
{
	if (size != place[SLOTS])
		tell("%lld bytes, not %lld", (long long)size, (long long)place[SLOTS]);
	for (uint64_t s = 0; s < SLOTS && place[s + 1] <= size; s++) {
		long at = neither(p + place[s], s + 1, st->done[s], st->started[s], size_of(s));

		if (at >= 0)
			tell("LOST: record %lu (%lld + %ld) at %ld, version %lu returned, %lu begun", s,
			     (long long)place[s], size_of(s), at, st->done[s], st->started[s]);
		records += st->done[s];
		unfinished += st->started[s] != st->done[s];
	}
}

/* Where records lie side by side, all but what was begun is zeroes. */
static void check_interleaved(const unsigned char *p, int64_t size)
{
	int64_t least = 0, most = 0;
	static unsigned char want[MOST];

	for (uint64_t g = 0; g < PLACES; g++) {
		const struct lane *l = &st->lane[g % st->lanes];
		const bool returned = g / st->lanes < l->done, begun = g / st->lanes < l->started;
		long len = size_of(g);

		least = returned ? place[g + 1] : least;
		most = begun ? place[g + 1] : most;
		records += returned;
		unfinished += begun && !returned;
		if (begun)
			entry_fill(want, (uint32_t)(g % st->lanes), (uint32_t)(g / st->lanes), (uint32_t)len);
		for (long at = 0; at < len && place[g] + at < size; at++) {
			unsigned char c = p[place[g] + at];

			if (!(begun && c == want[at]) && (returned || c)) {
				tell("%s: record %lu (%lld + %ld) at %ld", returned ? "LOST" : "WRONG", g,
				     (long long)place[g], len, at);
				break;
			}
		}
	}
	if (size < least || size > most)
		tell("%lld bytes, but %lld were written, %lld begun", (long long)size, (long long)least, (long long)most);
}

/* Part of a record under way, of the lane that has one here; how much of it there is. */
static long partial(const unsigned char *p, int64_t given, uint64_t *next)
{
	uint32_t best = 0;
	long most = 0;

	for (uint32_t l = 0; l < st->lanes; l++) {
		long n = next[l] < st->lane[l].done || next[l] >= st->lane[l].started ? 0 :
			 entry_prefix(p, given, l, (uint32_t)next[l], (uint32_t)size_of(next[l] * st->lanes + l));

		if (n > most) {
			most = n;
			best = l;
		}
	}
	next[best] += most > 0;
	return most;
}

/*
 * Entries one after the other. Of those under way there may be a part; a
 * shared offset may have moved for what was not written any more: a hole.
 */
static void check_entries(const unsigned char *p, int64_t size)
{
	uint64_t next[LANES] = { 0 };
	int64_t zeroes = 0, allowed = 0;
	struct entry e;

	for (uint32_t l = 0; l < st->lanes; l++)
		if (st->lane[l].started != st->lane[l].done) {
			unfinished++;
			allowed += size_of(st->lane[l].done * st->lanes + l);
		}
	for (int64_t at = 0; at < size;) {
		long n;

		if (entry_at(p + at, size - at, &e) && e.writer < st->lanes && e.seq == next[e.writer] &&
		    next[e.writer] < st->lane[e.writer].started) {
			next[e.writer]++;
			at += e.len;
		} else if ((n = partial(p + at, size - at, next)) > 0) {
			at += n;
		} else if (st->model == QUEUE && !p[at] && zeroes < allowed) {
			at++;
			holes += zeroes++ == 0;
		} else {
			tell("WRONG: no entry at %lld of %lld", (long long)at, (long long)size);
			return;
		}
	}
	for (uint32_t l = 0; l < st->lanes; l++) {
		if (next[l] < st->lane[l].done)
			tell("LOST: lane %u, %lu returned, %lu there", l, st->lane[l].done, next[l]);
		records += st->lane[l].done;
	}
}

static void look_at_it(int fd)
{
	unsigned char *p, *m;
	struct stat s;

	NEED(fstat(fd, &s) == 0);
	p = malloc((size_t)s.st_size + 1);
	for (int64_t at = 0; at < s.st_size;) {
		ssize_t n = pread(fd, p + at, (size_t)(s.st_size - at), at);

		NEED(n > 0);
		at += n;
	}
	m = s.st_size ? mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, fd, 0) : p;
	if (m == MAP_FAILED || memcmp(m, p, (size_t)s.st_size))
		tell("a mapping shows other bytes");
	(st->model == INTERLEAVE ? check_interleaved : st->model == REWRITE ? check_rewritten : check_entries)(p, s.st_size);
	if (m != p)
		munmap(m, (size_t)s.st_size);
	free(p);
	if (fsync(fd))
		tell("fsync: %s", strerror(errno));
}

/* ---- rounds ---- */

static void prepare(int fd, uint64_t *rnd)
{
	memset(st->lane, 0, sizeof(st->lane));
	st->model = (uint32_t)below(rnd, MODELS);
	st->lanes = 1 + (uint32_t)below(rnd, LANES);
	st->lanes -= st->lanes == 3;	/* slots are shared out evenly */
	st->aligned = one_in(rnd, 3);
	st->forks = one_in(rnd, 3);
	st->copies = one_in(rnd, 4);
	lay_out();
	for (uint64_t s = 0; s < SLOTS; s++) {
		unsigned char *p = malloc(MOST);

		st->started[s] = st->done[s] = 1;
		record_fill(p, s + 1, 1, 0, size_of(s));
		if (st->model == REWRITE)
			NEED(pwrite(fd, p, (size_t)size_of(s), place[s]) == size_of(s));
		free(p);
	}
	if (one_in(rnd, 2))
		NEED(fdatasync(fd) == 0);
}

static void one_round(const char *memory, uint64_t *rnd)
{
	int fd = file("victim", O_RDWR | O_CREAT | O_TRUNC), status;
	char *argv[] = { "killer", "writer", (char *)(uintptr_t)memory, NULL };
	pid_t pid;

	prepare(fd, rnd);
	if (!(pid = fork())) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		crew_become(true, argv);
	}
	setpgid(pid, pid);
	for (long waited = 0; !one_in(rnd, 40) && !__atomic_load_n(&st->lane[0].done, __ATOMIC_RELAXED) && waited < 20000; waited++)
		usleep(1000);
	usleep((unsigned)below(rnd, one_in(rnd, 3) ? 60000 : 6000));
	kill(-pid, SIGKILL);
	NEED(waitpid(pid, &status, 0) == pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		tell("the writer ended by itself: %x", (unsigned)status);
	while (waitpid(-1, &status, 0) > 0)
		;	/* its children became ours */
	kills++;
	look_at_it(fd);
	close(fd);
}

int main(int argc, char **argv)
{
	const time_t began = time(NULL);
	char memory[12];
	uint64_t rnd;
	int fd;

	if (argc == 3 && !strcmp(argv[1], "writer"))
		return writer(argv[2]);
	NEED(argc == 4 || argc == 5);
	crew_step_out(argv);
	fd = crew_memory(sizeof(*st));
	st = crew_map(fd, sizeof(*st));
	snprintf(memory, sizeof(memory), "%d", fd);
	NEED(realpath(argv[1], st->folder) && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	rnd = st->seed = strtoul(argv[2], NULL, 10);
	while (time(NULL) - began < atol(argv[3]) && (argc == 4 || st->round < strtoul(argv[4], NULL, 10))) {
		st->round++;
		one_round(memory, &rnd);
	}
	printf("seed %lu: kills %lu returned %lu unfinished %lu holes %lu problems %u\n", st->seed, kills, records,
	       unfinished, holes, st->found.problems);
	findings_print(&st->found);
	return st->found.problems != 0;
}

/*
 * Jobs on the slots: who writes them, who reads them, and who disturbs.
 */
#include "conc.h"
#include <pthread.h>

enum sight { FINE, TORN, INSIDE, OLD, WRONG };

/* Part of a slot, as read; what it may hold are the versions low to high. */
struct look {
	const struct slot *s;
	uint64_t who, low, high;
	const unsigned char *p;		/* the byte at `from` of the slot */
	long from, len;
	uint64_t seen;			/* the version seen last */
	bool any;
	long at;			/* where in the slot something showed, */
	uint64_t version;		/* and what */
};

static bool is_version(const struct look *l, const unsigned char *p, long at, long n, uint64_t version)
{
	uint64_t w = record_word(l->who, version, (uint64_t)at / 8);

	return memcmp(p, (char *)&w + at % 8, (size_t)n) == 0;
}

/* The version these few bytes, of one word, are of: allowed ones first, then older. */
static bool find_version(const struct look *l, const unsigned char *p, long at, long n, uint64_t *version)
{
	uint64_t most = l->high - l->low < 3000 ? l->high - l->low : 3000;

	if (l->any && l->seen >= l->low && is_version(l, p, at, n, *version = l->seen))
		return true;
	for (uint64_t k = 0; k <= most; k++)
		if (is_version(l, p, at, n, *version = l->high - k) || is_version(l, p, at, n, *version = l->low + k))
			return true;
	if (is_version(l, p, at, n, *version = 0))
		return true;
	for (uint64_t v = l->low; n == 8 && v > 0 && l->low - v < 3000; v--)
		if (is_version(l, p, at, n, *version = v))
			return true;
	return false;
}

static enum sight note(struct look *l, long at, uint64_t version, bool inside)
{
	enum sight sight = FINE;

	if (version < l->low) {
		sight = OLD;
	} else if (l->any && version != l->seen) {
		sight = inside || (l->s->off + at) % 512 ? INSIDE : TORN;
	}
	if (sight != FINE) {
		l->at = at;
		l->version = version;
	}
	l->seen = version;
	l->any = true;
	return sight;
}

/* Bytes of one word. They may be torn themselves: copies of the kernel's go byte by byte. */
static enum sight judge_word(struct look *l, const unsigned char *p, long at, long n)
{
	enum sight worst = FINE;
	uint64_t version;

	if (find_version(l, p, at, n, &version))
		return note(l, at, version, false);
	for (long k = 0; k < n; k++) {
		enum sight sight;

		if (!find_version(l, p + k, at + k, 1, &version)) {
			l->at = at + k;
			return WRONG;
		}
		sight = note(l, at + k, version, true);
		worst = sight > worst ? sight : worst;
	}
	return worst;
}

static enum sight judge(struct look *l)
{
	enum sight worst = FINE, sight;

	for (long at = l->from, n; at < l->from + l->len; at += n) {
		n = 8 - at % 8 < l->from + l->len - at ? 8 - at % 8 : l->from + l->len - at;
		sight = judge_word(l, l->p + (at - l->from), at, n);
		worst = sight > worst ? sight : worst;
		if (worst >= OLD)
			return worst;
	}
	return worst;
}

static const char *const way_names[WAYS] = {
	"pread", "pread, shared", "preadv", "read", "readv", "stdio", "copy_file_range", "sendfile", "O_DIRECT", "mapping",
};

static uint64_t now(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* One read of a range that may cover many slots, each judged by its own announcements. */
static void look(struct hand *h, enum way way, int64_t off, long len)
{
	static __thread uint64_t low[SLOTS];
	unsigned char *p = skewed(h);
	uint32_t first = 0, i;

	while (st->slots[first].off + st->slots[first].len <= off)
		first++;
	for (i = first; i < st->n_slots && st->slots[i].off < off + len; i++)
		low[i] = now(&st->slots[i].done);
	memset(p, 0xee, (size_t)len);
	if (!move_read(h, way, p, len, off))
		return;
	add(&st->reads, 1);
	for (i = first; i < st->n_slots && st->slots[i].off < off + len; i++) {
		const struct slot *s = &st->slots[i];
		int64_t from = s->off > off ? s->off : off;
		int64_t to = s->off + s->len < off + len ? s->off + s->len : off + len;
		struct look l = { .s = s, .who = i + 1, .low = low[i], .high = now(&s->started),
				  .p = p + (from - off), .from = from - s->off, .len = to - from };
		enum sight sight = judge(&l);

		add(&st->seen_records, 1);
		if (sight == TORN || sight == INSIDE)
			add(&st->torn[shimmed], 1);
		if (sight == INSIDE)
			add(&st->inside[shimmed], 1);
		if (sight >= OLD)
			tell("%s: slot %u (%lld + %u) at %ld holds %ld, announced %lu, begun %lu, by %s%s of %ld at %lld, buffer %lx",
			     sight == OLD ? "STALE" : "WRONG", i, (long long)s->off, s->len, l.at,
			     sight == OLD ? (long)l.version : -1, l.low, l.high, way_names[way], shimmed ? ", shimmed" : "",
			     len, (long long)off, (unsigned long)((uintptr_t)p % 4096));
	}
}

static enum way one_of(struct hand *h, unsigned ways)
{
	for (;;) {
		enum way way = (enum way)below(&h->rnd, WAYS);

		if (ways & 1u << way)
			return way;
	}
}

/* Its own slot, which nobody else writes: what it wrote last, and nothing else. */
static void look_back(struct hand *h, uint32_t i, enum way way)
{
	const struct slot *s = &st->slots[i];
	unsigned char *p = skewed(h);
	long at;

	memset(p, 0xee, s->len);
	if (!move_read(h, way, p, s->len, s->off))
		return;
	add(&st->self_reads, 1);
	at = record_differs(p, i + 1, s->done, 0, s->len);
	if (at >= 0)
		tell("LOST: slot %u (%lld + %u) is not as just written at %ld, version %lu, by %s%s", i, (long long)s->off,
		     s->len, at, s->done, way_names[way], shimmed ? ", shimmed" : "");
}

void place_job(struct hand *h)
{
	uint32_t mine[SLOTS], n = 0;

	for (uint32_t i = 0; i < st->n_slots; i++)
		if (st->slots[i].job == h->id)
			mine[n++] = i;
	while (n > 0 && !over()) {
		uint32_t i = mine[below(&h->rnd, n)];
		struct slot *s = &st->slots[i];
		unsigned char *p = h->image + (one_in(&h->rnd, 2) ? below(&h->rnd, 4096) : 512 * below(&h->rnd, 8));
		uint64_t version = s->started + 1;

		record_fill(p, i + 1, version, 0, s->len);
		__atomic_store_n(&s->started, version, __ATOMIC_SEQ_CST);
		if (!move_write(h, one_of(h, h->job->ways), p, s->len, s->off))
			return;
		__atomic_store_n(&s->done, version, __ATOMIC_SEQ_CST);
		add(&h->job->done, 1);
		add(&h->job->bytes, s->len);
		if (one_in(&h->rnd, 3))
			look_back(h, i, one_of(h, h->job->ways));
		breathe(h);
		if (one_in(&h->rnd, 100))
			move_close(h);
	}
}

void look_job(struct hand *h)
{
	while (!over()) {
		const struct slot *s = &st->slots[below(&h->rnd, st->n_slots)];
		long skip = one_in(&h->rnd, 2) ? 0 : below(&h->rnd, s->len);
		int64_t off = s->off + skip;
		long len = one_in(&h->rnd, 3) ? odd_size(&h->rnd, READ_MOST) : (long)s->len - skip;

		if (one_in(&h->rnd, 8)) {	/* whole blocks */
			off = off / 4096 * 4096;
			len = (len + 4095) / 4096 * 4096;
		}
		if (len > st->region - off)
			len = st->region - off;
		look(h, one_of(h, h->job->ways), off, len < READ_MOST ? len : READ_MOST);
		add(&h->job->done, 1);
		breathe(h);
		if (one_in(&h->rnd, 100))
			move_close(h);
	}
}

/* Write-back, now and then. It never fails; what EIO may mean beside stores, latched() knows. */
void push_job(struct hand *h)
{
	static const char *const names[] = { "slots", "log", "queue", "tail" };

	while (!over()) {
		int fd = data_file(names[below(&h->rnd, 4)], O_RDWR), r = 0;
		off_t off = below(&h->rnd, st->region), len = one_in(&h->rnd, 4) ? 0 : below(&h->rnd, MIB);

		for (int n = 1 + (int)below(&h->rnd, 6); n > 0 && !r; n--) {
			switch (below(&h->rnd, 6)) {
			case 0: r = fsync(fd); break;
			case 1: r = fdatasync(fd); break;
			case 2: r = sync_file_range(fd, off, len, SYNC_FILE_RANGE_WRITE); break;
			case 3: r = sync_file_range(fd, off, len, 7); break;
			case 4: posix_fadvise(fd, off, len, POSIX_FADV_DONTNEED); break;
			default: usleep((unsigned)below(&h->rnd, 3000)); break;
			}
		}
		if (r && !(st->mapped && errno == EIO))
			tell("write-back: %s%s", strerror(errno), shimmed ? ", shimmed" : "");
		add(&st->pushes, 1);
		close(fd);
		usleep((unsigned)below(&h->rnd, 4000));
	}
}

/* Makes the files longer than their data: always upward, and by this job alone. */
void grow_job(struct hand *h)
{
	while (!over()) {
		int fd = data_file("slots", O_RDWR), log = data_file("log", O_RDWR), r = 0;
		int64_t more = st->grown + below(&h->rnd, 9000);

		if (more > st->region + BEYOND)
			more = st->grown;
		switch (below(&h->rnd, 4)) {
		case 0: r = ftruncate(fd, more); break;
		case 1: r = fallocate(fd, 0, st->grown, more - st->grown + 1); more++; break;
		case 2: fallocate(fd, FALLOC_FL_KEEP_SIZE, more, 100000); more = st->grown; break;
		default: fallocate(fd, 0, 0, st->region); more = st->grown; break;
		}
		if (!r)
			st->grown = more;
		else if (errno != EOPNOTSUPP && errno != ENOSPC)
			tell("making it longer: %s", strerror(errno));
		if (st->log_gaps)
			fallocate(log, 0, lseek(log, 0, SEEK_END), 1 + below(&h->rnd, 9000));
		add(&h->job->done, 1);
		close(fd);
		close(log);
		usleep((unsigned)below(&h->rnd, 5000));
	}
}

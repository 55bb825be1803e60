/*
 * stale: the staleness machine. Readers read files sequentially, over and
 * over, while writers of every kind change them; what a reader gets must never
 * be older than what had been announced before it asked (design.md, I3).
 *
 * A file is up to BLOCKS blocks. Whoever changes a block holds its claim, raises
 * `started`, changes it, and only when the call has returned sets `done`: that
 * is the announcement. A reader notes `done` of all blocks that it may get, then
 * reads, then notes `started`. Each 8-byte word of the file tells its version,
 * its block and, by a hash, its file and place. So of what was read
 *
 *   a word of a version from `done` to `started` is right. Versions in between
 *     may be mixed in any way: a read beside a write is not atomic;
 *   zeroes are right where the last version that left zeroes (a hole, a cut), is
 *     not older than `done`: begun, it may show; announced, it has to;
 *   a word that is none is right if each of its bytes is of one of these, for the
 *     kernel copies byte by byte; but only where a change is under way;
 *   anything older is STALE, anything else (foreign words, places) WRONG.
 *
 * The size is announced the same way, between a lower and an upper bound, and
 * `cuts` counts beginnings and ends of cutting: only a read beside a cut may
 * get less than the lower bound says.
 *
 * The director, which has no shim, leads each file through phases: QUIET (no
 * writes, as long as the age that a stream wants, or half, or thrice), FLOW
 * (readers at full speed), SHARP (a reader stops in the middle, begs for a
 * change ahead of it, and goes on the moment that one is announced) and BURST
 * (everybody writes and reads).
 */
#ifndef DIOSHIM_STALE_H
#define DIOSHIM_STALE_H

#include "../conc/crew.h"
#include <sched.h>

#define BLOCK		4096l
#define BLOCKS		1024u		/* of a file, at most */
#define AHEAD		512u		/* blocks: how far ahead of a reader is near */
#define TRACKS		32
#define READERS		3		/* threads that read one file, at most */
#define WRITERS		16
#define MEMBERS		12
#define READ_MOST	MIB
#define FOREIGN		128u		/* added to a file's number: what replaces it */
#define DEFAULT_AGE	3000		/* ms; below it no writes that stay in flight */

/*
 * What is written how. The kernel itself loses data where writes in flight or
 * stores through a mapping meet others' in one page or folio, so a file has:
 */
enum flavour {
	CACHED,		/* all that holds the inode's lock, and sizes that change */
	MIXED,		/* the same and synchronous direct writes */
	DIRECT,		/* direct writes, in flight or not, of whole blocks, and holes */
	MAPPED,		/* stores through mappings, beside buffered writes of unshimmed processes */
	FLAVOURS
};

enum op {
	OP_WHOLE, OP_ODD, OP_VECTOR, OP_RAW, OP_DIRECT, OP_FLIGHT, OP_STORE, OP_PUNCH, OP_ZERO, OP_COPY,
	OP_CUT, OP_APPEND, OP_RENAME,
	OPS
};

enum reading { READ, PREAD, READV, PREADV, SHARED, TURNS, READINGS };
enum phase { QUIET, FLOW, SHARP, BURST };
enum place { THREAD, SHIMMED, PLAIN, PLACES };	/* of a writer: in the reader's process, or in others */

struct block {
	uint32_t claimed;
	uint32_t started, done;	/* versions: begun, announced */
	uint32_t zeroed;	/* the last begun that leaves zeroes */
	uint32_t by;		/* who began it: writer * OPS + op */
};

enum { NO_WANT, POSTED, TAKEN, SERVED, DROPPED };

struct want {
	uint32_t state, writer;
	uint32_t from, to;	/* blocks */
	uint32_t growth;	/* instead: a longer file */
	uint32_t issued;	/* the call is about to be made */
	uint32_t block;		/* the answer: changed */
};

struct reader {
	uint32_t kind, track;
	uint32_t at;		/* block, about */
	struct want want;
	uint64_t reads, blocks, torn, short_reads, starts;
	uint64_t sharp, sharp_at_once, grown;	/* read on after an announcement: in all, in the next call */
};

struct track {
	uint32_t flavour, number, phase, cycle;
	uint32_t odd;			/* sizes that are no multiple of 512 */
	uint32_t readers, reader[READERS], member;
	uint32_t sharp_left;
	int64_t until, base;		/* ms; the size it is brought back to */
	uint64_t cursor;		/* of readers that take turns */
	uint32_t turn;			/* bytes, each */
	uint32_t resizing;		/* claim on the size */
	uint64_t cuts;
	int64_t size_low, size_high;
	uint64_t ino;
	uint32_t seq, last;		/* announcements, and the block of the last one */
	struct block blocks[BLOCKS];
};

struct writer {
	uint32_t place, member;
	uint64_t announced[OPS], served;
};

struct member {
	uint32_t shim, first_track, tracks, first_writer, writers;
};

struct state {
	char folder[4000];
	uint64_t seed;
	uint32_t age;			/* ms */
	uint32_t stop;
	uint32_t n_tracks, n_readers, n_writers, n_members;
	int64_t begun, failed;		/* ms; the first failure, or 0 */
	struct findings found;
	struct track tracks[TRACKS];
	struct reader readers[TRACKS * READERS];
	struct writer writers[WRITERS];
	struct member members[MEMBERS];
};

extern struct state *st;
extern const char *const op_names[OPS], *const place_names[PLACES], *const reading_names[READINGS],
	*const flavour_names[FLAVOURS];

__attribute__((format(printf, 1, 2)))
void tell(const char *fmt, ...);
int64_t now_ms(void);

static inline bool over(void)
{
	return __atomic_load_n(&st->stop, __ATOMIC_SEQ_CST);
}

#define get(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define set(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define add(p, n) __atomic_add_fetch((p), (n), __ATOMIC_SEQ_CST)

static inline bool take(uint32_t *p, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(p, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* ---- contents: word j of a block ---- */

static inline uint64_t word(uint32_t file, uint32_t block, uint32_t version, uint32_t j)
{
	uint64_t key = (uint64_t)file << 48 ^ (uint64_t)block << 32 ^ (uint64_t)version << 16 ^ j;

	return (uint64_t)version << 48 | (uint64_t)block << 32 | (uint32_t)mix(key * 0x9e3779b97f4a7c15ul);
}

static inline void block_fill(unsigned char *p, uint32_t file, uint32_t block, uint32_t version)
{
	for (uint32_t j = 0; j < BLOCK / 8; j++) {
		uint64_t w = word(file, block, version, j);

		memcpy(p + 8 * j, &w, 8);
	}
}

/* ---- files.c ---- */

enum name { PATH, KEPT, NEXT };	/* the path that is replaced now and then; another name; what comes */

void file_path(const struct track *t, enum name name, char *path, size_t room);
int file_open(const struct track *t, int flags);
int file_open_by_path(const struct track *t, int flags);
void file_make(struct track *t, int64_t size);

/* ---- judge.c ---- */

/* A read of len bytes at off, of which `done` was noted before. */
struct look {
	const struct track *t;
	int64_t off, size;
	long len;
	uint64_t cuts;
	uint32_t low[BLOCKS];
};

void look_before(struct look *l, const struct track *t, int64_t off, long len);
void look_anywhere(struct look *l, const struct track *t, long len);
bool look_place(struct look *l, const unsigned char *p, long got);
void look_after(struct look *l, struct reader *r, const unsigned char *p, long got, bool placed);

/* ---- plan.c; reader.c, writer.c: one thread each ---- */

void plan_work(bool with_shim);
void reader_job(uint32_t id);
void writer_job(uint32_t id);

/* ---- ops.c: what a writer has in its hands ---- */

#define IMAGE	(4 * MIB)

struct hand {
	struct writer *w;
	uint32_t id;
	uint64_t rnd;
	struct track *t;
	struct want *want;		/* that is being served */
	unsigned char *image;		/* page-aligned, with a page more */
	struct { int fd, direct; unsigned char *map; } files[TRACKS];
	int source;
	struct flight *flight;
};

uint32_t ops_allowed(const struct hand *h);
uint32_t run_claim(struct hand *h, uint32_t b, uint32_t n);
void run_release(struct hand *h, uint32_t b, uint32_t n);
void run_begin(struct hand *h, uint32_t b, uint32_t n, enum op op, bool zeroes);
void run_serves(struct hand *h, uint32_t b, uint32_t n);
void run_announce(struct hand *h, uint32_t b, uint32_t n, enum op op);
bool put_raw(int fd, const void *p, size_t n, int64_t off);
bool op_run(struct hand *h, enum op op, uint32_t b, uint32_t n);
int hand_fd(struct hand *h);
int hand_direct(struct hand *h);
void hand_close(struct hand *h, const struct track *t);

/* ---- sizes.c, flight.c: those that claim by themselves ---- */

bool op_cut(struct hand *h, uint32_t from, uint32_t to);
bool op_append(struct hand *h);
bool op_rename(struct hand *h);
bool op_flight(struct hand *h, uint32_t b);

#endif

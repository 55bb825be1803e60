/*
 * page_store: a table of records in pages of 4 KiB, behind a buffer pool: the
 * lowest floor of a database. Pages are pinned and unpinned, a clock finds the
 * frame to replace, a checkpoint writes what is dirty and calls fsync.
 *
 *   page_store [OPTIONS] FILE        FILE is made anew
 *     --frames=malloc    the pool is one malloc: each frame begins 16 bytes past a page
 *     --frames=aligned   the pool is one aligned_alloc (default)
 *     --direct           open FILE with O_DIRECT
 *     --coalesce         a dirty page takes its dirty neighbours along, in one pwritev
 *     --pool=N --pages=N --updates=N --seed=N      frames, pages, how much, what
 *
 * Every record that is read is compared with what was last written there; at
 * the end the file is opened again and all records are looked up. The digest
 * is that of the records: equal for equal pages, updates and seed, whichever
 * way the bytes went. Exit status: 0, 1 data or I/O, 2 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE		4096
#define RECORD		64
#define PER_PAGE	(PAGE / RECORD - 1)	/* the first 64 bytes are the page's header */
#define RUN_MAX		64			/* pages in one write */
#define STRIDE		1048583			/* a prime above PAGES_MAX */
#define PAGES_MAX	1048576
#define CHECKPOINTS	4

struct record {
	uint64_t key, version;
	uint64_t words[RECORD / 8 - 2];		/* follow from key, version and seed */
};

struct page {
	uint64_t number;
	uint64_t unused[RECORD / 8 - 1];
	struct record records[PER_PAGE];
};

_Static_assert(sizeof(struct page) == PAGE, "a page is a page");

struct frame {
	struct page *page;
	long number;		/* of the page it holds, -1: none */
	unsigned int pins;
	bool dirty, used;	/* used: since the clock's hand was here */
};

static struct options {
	bool malloced, direct, coalesce;
	long pool, pages, updates;
	uint64_t seed;
} opt = { .pool = 256, .pages = 2048, .updates = 4000, .seed = 1 };

static const char *path;
static int fd = -1;
static struct frame *frames;
static long *frame_of;		/* page -> frame, -1: not in the pool */
static uint64_t *versions;	/* what each record should be: the truth to compare with */
static long hand;
static struct { long hits, misses, reads, writes, write_calls; } count;

static _Noreturn void die(const char *what, long number, const void *memory)
{
	fprintf(stderr, "page_store: %s of page %ld: %s (memory at %% 4096 = %u)\n", what, number,
		errno ? strerror(errno) : "short", (unsigned int)((uintptr_t)memory % PAGE));
	exit(1);
}

static uint64_t mix(uint64_t x)		/* splitmix64 */
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* ---- pages between file and pool -------------------------------------------- */

static void read_page(struct frame *f)
{
	errno = 0;
	if (pread(fd, f->page, PAGE, f->number * PAGE) != PAGE)
		die("pread", f->number, f->page);
	count.reads++;
}

static struct frame *dirty_frame(long number)
{
	if (number < 0 || number >= opt.pages || frame_of[number] < 0)
		return NULL;
	return frames[frame_of[number]].dirty ? &frames[frame_of[number]] : NULL;
}

/* Writes a dirty page, and with --coalesce those that lie beside it. */
static void write_back(const struct frame *f)
{
	struct iovec iov[RUN_MAX];
	long first = f->number;
	int n = 0;
	ssize_t done;

	if (opt.coalesce)
		while (f->number - first < RUN_MAX - 1 && dirty_frame(first - 1))
			first--;
	for (; n < (opt.coalesce ? RUN_MAX : 1); n++) {
		struct frame *next = dirty_frame(first + n);

		if (!next)
			break;
		iov[n] = (struct iovec){ next->page, PAGE };
		next->dirty = false;
	}

	errno = 0;
	done = n == 1 ? pwrite(fd, iov[0].iov_base, PAGE, first * PAGE) :
			pwritev(fd, iov, n, first * PAGE);
	if (done != (ssize_t)n * PAGE)
		die(n == 1 ? "pwrite" : "pwritev", first, iov[0].iov_base);
	count.writes += n;
	count.write_calls++;
}

static void checkpoint(void)
{
	for (long i = 0; i < opt.pool; i++)
		if (frames[i].dirty)
			write_back(&frames[i]);
	if (fsync(fd) != 0)
		die("fsync", 0, NULL);
}

/* ---- the pool ---------------------------------------------------------------- */

/* Two rounds: the first takes `used` from everyone, the second finds somebody. */
static struct frame *victim(void)
{
	for (long tries = 0; tries < 2 * opt.pool; tries++) {
		struct frame *f = &frames[hand];

		hand = (hand + 1) % opt.pool;
		if (f->pins)
			continue;
		if (!f->used)
			return f;
		f->used = false;
	}
	fprintf(stderr, "page_store: every frame is pinned\n");
	exit(1);
}

/* The page in a frame that stays until it is unpinned. A fresh one is not read. */
static struct frame *pin(long number, bool fresh)
{
	struct frame *f;

	if (frame_of[number] >= 0) {
		count.hits++;
		f = &frames[frame_of[number]];
	} else {
		count.misses++;
		f = victim();
		if (f->dirty)
			write_back(f);
		if (f->number >= 0)
			frame_of[f->number] = -1;
		f->number = number;
		frame_of[number] = f - frames;
		if (fresh)
			memset(f->page, 0, PAGE);
		else
			read_page(f);
	}
	f->pins++;
	f->used = true;
	return f;
}

static void unpin(struct frame *f, bool dirty)
{
	f->dirty |= dirty;
	f->pins--;
}

static void make_pool(void)
{
	size_t size = (size_t)opt.pool * PAGE;
	char *memory = opt.malloced ? malloc(size) : aligned_alloc(PAGE, size);

	frames = calloc((size_t)opt.pool, sizeof(*frames));
	frame_of = malloc((size_t)opt.pages * sizeof(*frame_of));
	versions = calloc((size_t)opt.pages * PER_PAGE, sizeof(*versions));
	if (!memory || !frames || !frame_of || !versions) {
		perror("page_store");
		exit(1);
	}
	for (long i = 0; i < opt.pool; i++)
		frames[i] = (struct frame){ .page = (void *)(memory + i * PAGE), .number = -1 };
	for (long i = 0; i < opt.pages; i++)
		frame_of[i] = -1;
}

static void empty_pool(void)
{
	for (long i = 0; i < opt.pool; i++) {
		if (frames[i].number >= 0)
			frame_of[frames[i].number] = -1;
		frames[i].number = -1;
	}
}

static void open_file(int flags)
{
	fd = open(path, O_RDWR | O_CLOEXEC | flags | (opt.direct ? O_DIRECT : 0), 0666);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
}

/* ---- records ------------------------------------------------------------------ */

static struct record make_record(uint64_t key, uint64_t version)
{
	struct record r = { .key = key, .version = version };

	for (size_t i = 0; i < sizeof(r.words) / sizeof(*r.words); i++)
		r.words[i] = mix(opt.seed ^ mix(key ^ version << 40) ^ i);
	return r;
}

static void check_record(const struct page *page, uint64_t key)
{
	struct record want = make_record(key, versions[key]);

	if (page->number == key / PER_PAGE &&
	    memcmp(&page->records[key % PER_PAGE], &want, sizeof(want)) == 0)
		return;
	fprintf(stderr, "page_store: record %" PRIu64 " is not what was written\n", key);
	exit(1);
}

static void load(void)
{
	for (long number = 0; number < opt.pages; number++) {
		struct frame *f = pin(number, true);

		f->page->number = (uint64_t)number;
		for (uint64_t i = 0; i < PER_PAGE; i++)
			f->page->records[i] = make_record((uint64_t)number * PER_PAGE + i, 0);
		unpin(f, true);
	}
	checkpoint();
}

/* Half of the updates go to a tenth of the keys, as they do in life. */
static void update(void)
{
	uint64_t keys = (uint64_t)opt.pages * PER_PAGE;

	for (long i = 1; i <= opt.updates; i++) {
		uint64_t x = mix(opt.seed * STRIDE + (uint64_t)i);
		uint64_t key = (x >> 1) % (x & 1 ? keys : keys / 10 + 1);
		struct frame *f = pin((long)(key / PER_PAGE), false);

		check_record(f->page, key);
		f->page->records[key % PER_PAGE] = make_record(key, ++versions[key]);
		unpin(f, true);
		if (i % (opt.updates / CHECKPOINTS + 1) == 0)
			checkpoint();
	}
	checkpoint();
}

/* All records, from the file, page after page in an order that no disk expects. */
static uint64_t verify(void)
{
	uint64_t digest = 0;

	for (long i = 0; i < opt.pages; i++) {
		long number = i * STRIDE % opt.pages;
		struct frame *f = pin(number, false);

		for (uint64_t k = 0; k < PER_PAGE; k++) {
			check_record(f->page, (uint64_t)number * PER_PAGE + k);
			digest = mix(digest ^ f->page->records[k].words[0]);
		}
		unpin(f, false);
	}
	return digest;
}

/* ---- the program ---------------------------------------------------------------- */

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: page_store [--frames=malloc|aligned] [--direct] [--coalesce]\n"
			"                  [--pool=N] [--pages=N] [--updates=N] [--seed=N] FILE\n");
	exit(2);
}

static long number_of(const char *text, long least, long most)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < least || n > most)
		usage();
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "frames", required_argument, NULL, 'f' }, { "direct", no_argument, NULL, 'd' },
		{ "coalesce", no_argument, NULL, 'c' }, { "pool", required_argument, NULL, 'p' },
		{ "pages", required_argument, NULL, 'n' }, { "updates", required_argument, NULL, 'u' },
		{ "seed", required_argument, NULL, 's' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f' && (strcmp(optarg, "malloc") == 0 || strcmp(optarg, "aligned") == 0))
			opt.malloced = *optarg == 'm';
		else if (c == 'd')
			opt.direct = true;
		else if (c == 'c')
			opt.coalesce = true;
		else if (c == 'p')
			opt.pool = number_of(optarg, 2, PAGES_MAX);
		else if (c == 'n')
			opt.pages = number_of(optarg, 1, PAGES_MAX);
		else if (c == 'u')
			opt.updates = number_of(optarg, 0, 1000000000);
		else if (c == 's')
			opt.seed = (uint64_t)number_of(optarg, 0, 1000000000);
		else
			usage();
	}
	if (argc - optind != 1)
		usage();
	path = argv[optind];
}

int main(int argc, char **argv)
{
	uint64_t digest;

	parse(argc, argv);
	make_pool();
	open_file(O_CREAT | O_TRUNC);
	load();
	update();
	close(fd);

	open_file(0);
	empty_pool();
	digest = verify();
	close(fd);

	printf("%ld pages, %ld frames at %% 4096 = %u%s: %ld hits, %ld misses\n", opt.pages, opt.pool,
	       (unsigned int)((uintptr_t)frames[0].page % PAGE), opt.direct ? ", O_DIRECT" : "",
	       count.hits, count.misses);
	printf("%ld pages read, %ld written in %ld calls\n", count.reads, count.writes,
	       count.write_calls);
	printf("all %ld records verified, digest %016" PRIx64 "\n", opt.pages * PER_PAGE, digest);
	return 0;
}

/*
 * The engine: requests on a routed file, through guard, policy, plan, segments
 * and ledger, against a kernel made of bytes. Every result, the offset, the
 * file, its size and the program's memory have to be those of the plain call,
 * whatever direct I/O, AIO or the pool do; and the ledger has to close.
 */
#include "engine.h"

#include "ahead.h"
#include "book.h"
#include "memory.h"
#include "pool.h"
#include "state.h"

#include "kernel.h"
#include "ready.h"

#define LEN_MAX		(128u << 10)
#define PIECES_MAX	70
#define ARENA		(LEN_MAX + 512 * PIECES_MAX + 8192)
#define CHUNKS_MAX	6u
#define CHUNK_MAX	17		/* as a power of two */
#define BAD		65536		/* bytes of memory behind the arena that the kernel refuses */

static struct disk plain, routed;
static struct ledger ledger;
static struct file *f;
static uint8_t *memory[2];		/* of the plain run and of the shim's, before a bad page */
static char *taken[64];			/* chunks that others hold */
static unsigned chunks;			/* of the pool */

static struct {
	struct request rq;
	struct iovec iov[2][PIECES_MAX];
	int64_t offset;			/* the plain run's */
	ssize_t want, got;
} t;

static void show(void)
{
	const struct request *rq = &t.rq;

	dprintf(2, "%s %zu%s at %lld (%s), offset %lld, file %llu, %d pieces, first %zu at ..%04zx\n"
		"  wants %u/%u/%u, flags %o%s, limit %lld, aio %d: %zd, not %zd; %u things done\n",
		rq->op == OP_READ ? "read" : "write", rq->len, rq->vector ? " by vector" : "",
		(long long)rq->off, rq->positional ? "given" : "own", (long long)t.offset,
		(unsigned long long)plain.size, rq->iovcnt, rq->iov[0].iov_len,
		(size_t)((uintptr_t)rq->iov[0].iov_base & 0xffff), k.rule.mem, k.rule.read, k.rule.write,
		(unsigned)k.flags, f->rescue ? ", rescued" : "", (long long)k.limit, k.aio, t.got, t.want,
		k.faults);
}

static void begin(void)
{
	for (int i = 0; i < 2; i++) {
		long at = sys_kernel(SYS_mmap, 0, 4 * ARENA + BAD, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uintptr_t bad = ((uintptr_t)at + 3 * ARENA) & ~(uintptr_t)0xffff;

		sys_kernel(SYS_mprotect, (long)bad, BAD, PROT_NONE, 0, 0, 0);
		memory[i] = (uint8_t *)bad - (ARENA & ~4095u);
	}
	sys_call = kernel_call;
	ahead_async_after = 0;
	explain = show;
	pool_configure(CHUNKS_MAX << CHUNK_MAX, 1 << CHUNK_MAX);	/* the mapping stays */
	pool_put(pool_get(1));
	f = file_new();
}

static uint32_t power(struct bytes *b, unsigned from, unsigned to)
{
	return 1u << (from + below(b, to - from + 1));
}

/* Small enough that it runs out; some of it is with others already. */
static void make_pool(struct bytes *b)
{
	uint64_t chunk = power(b, 16, CHUNK_MAX);

	chunks = 1 + below(b, CHUNKS_MAX);
	pool_configure(chunks * chunk, chunk);
	for (unsigned i = 0; i < chunks && once_in(b, 6); i++)
		taken[i] = pool_get(1);
}

/* All of it is there again. */
static void check_pool(void)
{
	for (unsigned i = 0; i < chunks; i++)
		if (taken[i])
			pool_put(taken[i]);
	for (unsigned i = 0; i < chunks; i++)
		must((taken[i] = pool_get(1)) != NULL, "a chunk of the pool is lost");
	for (unsigned i = 0; i < chunks; i++)
		pool_put(taken[i]), taken[i] = NULL;
}

static void make_file(struct bytes *b)
{
	static const int flags[] = { O_RDWR, O_RDWR, O_RDWR, O_RDWR | O_APPEND, O_RDONLY, O_WRONLY };
	uint32_t block = power(b, 9, 13);

	k = (struct kernel){ .disk = &routed, .limit = RLIM_INFINITY };
	k.rule = (struct disk_rule){ power(b, 2, 12), block, once_in(b, 3) ? power(b, 9, 13) : block };
	k.flags = flags[below(b, 6)] | (once_in(b, 4) ? O_DIRECT : 0);
	k.rescue = k.flags & O_DIRECT;
	k.aio = (int)below(b, 4);
	k.dirty = once_in(b, 4) ? below(b, 12) : 0;
	for (size_t i = 0; once_in(b, 3) && i < sizeof(k.fault); i++)
		k.fault[i] = (uint8_t)take(b, 1);
	plain.size = routed.size = near_multiple(b, block, 8 * 8192);
	disk_fill(plain.data, plain.size, 0);
	disk_fill(routed.data, routed.size, 0);
	if (once_in(b, 6))
		k.limit = near_multiple(b, block, 8 * 8192 + LEN_MAX);
	/* The slot, the table and the marks as they were when the file was first seen. */
	*f = (struct file){
		.refs = 1, .users = 1, .claimed = 1, .generation = f->generation, .twin = TWIN,
		.rescue = k.rescue, .private = !once_in(b, 3), .dev = makedev(0, 1), .ino = 7,
		.flags = (uint32_t)k.flags & (k.rescue ? FILE_FLAGS_RESCUE : FILE_FLAGS),
		.mapped = once_in(b, 16), .row = &ledger.files[0], .row_epoch = book_epoch,
		.facts.align = { k.rule.mem, k.rule.read, k.rule.write, k.rule.mem == 4096 },
		.facts.writes_are_cached = once_in(b, 16),
	};
	fdtab_set(PROGRAM, file_word(f));
	fdtab_set(TWIN, fdtab_own(file_word(f)));
	memory_lazy = once_in(b, 8);
	memory_maps_files = once_in(b, 8);
	state_config.min_file = once_in(b, 8) ? take(b, 2) : 0;
	ledger = (struct ledger){ .files_n = LEDGER_FILES };
	book_ledger = &ledger;
	make_pool(b);
}

static void make_pieces(struct bytes *b)
{
	struct request *rq = &t.rq;
	uint32_t block = rq->op == OP_READ ? k.rule.read : once_in(b, 2) ? PLAN_BLOCK : k.rule.write;
	size_t most = block * (1 + below(b, once_in(b, 4) ? LEN_MAX / 8192 : 6)), at;

	rq->vector = once_in(b, 3);
	rq->iovcnt = !rq->vector ? 1 : 1 + (int)below(b, once_in(b, 6) ? PIECES_MAX : 4);
	/* Across the bad page, or before it. O_DIRECT itself tells bad addresses from short counts otherwise. */
	at = once_in(b, 8) && !k.rescue ? (ARENA & ~4095u) - near_multiple(b, k.rule.mem, 65536) :
			     near_multiple(b, k.rule.mem, 4096);
	for (int i = 0; i < rq->iovcnt; i++) {
		size_t max = rq->iovcnt == 1 ? LEN_MAX : LEN_MAX / (unsigned)rq->iovcnt / 2;
		size_t n = near_multiple(b, once_in(b, 4) ? 1 : block, most < max ? most : max);

		for (int j = 0; j < 2; j++)
			t.iov[j][i] = (struct iovec){ memory[j] + at, n };
		at += n + near_multiple(b, k.rule.mem, 512);
	}
	rq->iov = t.iov[1];
	must(engine_measure(rq), "an iovec that the kernel would take");
}

static void make_request(struct bytes *b)
{
	struct request *rq = &t.rq;
	uint32_t block;

	*rq = (struct request){ .op = once_in(b, 2) ? OP_WRITE : OP_READ, .fd = PROGRAM };
	block = rq->op == OP_READ ? k.rule.read : k.rule.write;
	rq->positional = once_in(b, 2);
	rq->off = near_multiple(b, block, 10 * 8192);
	if (!rq->positional && once_in(b, 2))
		k.offset = rq->off;
	if (rq->positional && once_in(b, 32))
		rq->off = once_in(b, 2) ? -1 : INT64_MAX - (int64_t)take(b, 2);
	make_pieces(b);
	if (rq->vector && once_in(b, 12) && rq->off >= 0)
		rq->rwf = once_in(b, 2) ? RWF_APPEND : RWF_DSYNC;
	if (!rq->positional)
		rq->off = 0;
}

/* The call as it is, on the plain disk. */
static void run_plain_call(void)
{
	struct kernel before = k;
	struct request rq = t.rq;

	k.disk = &plain;
	k.rescue = false;	/* the plain call that a misaligned one should have been */
	disk_bad.from = (uintptr_t)memory[0] + (ARENA & ~4095u);
	disk_bad.to = disk_bad.from + BAD;
	rq.iov = t.iov[0];
	t.offset = before.offset;
	t.want = engine_kernel_call(&rq, PROGRAM);
	t.offset = k.offset;
	before.signal = k.signal;
	k = before;
}

static void check_ledger(void)
{
	uint64_t moved = 0, why = 0;

	for (int i = 0; i < ROUTES; i++)
		moved += ledger.routes[i].bytes;
	for (int i = 0; i < REASONS; i++)
		why += ledger.reasons[i].bytes;
	must(ledger.counters[COUNTER_asked_bytes] ==
	     moved + ledger.counters[COUNTER_not_transferred_bytes], "the ledger does not close");
	must(why == moved - ledger.routes[ROUTE_zero_copy].bytes, "the reasons do not close");
	must(ledger.counters[COUNTER_seen_rchar] == k.rchar, "rchar %llu, claimed %llu",
	     (unsigned long long)k.rchar, (unsigned long long)ledger.counters[COUNTER_seen_rchar]);
	must(ledger.counters[COUNTER_seen_wchar] == k.wchar, "wchar %llu, claimed %llu",
	     (unsigned long long)k.wchar, (unsigned long long)ledger.counters[COUNTER_seen_wchar]);
	must(k.flying_n == 0, "a read is still in flight");
	must(f->direct_writes == 0 && f->refs == 1, "something is still held");
}

/*
 * A program that opened O_DIRECT itself has the rest of the last block zeroed
 * behind the bytes that it read, if the call went to the kernel as it was.
 */
static void forgive_zeroes(void)
{
	size_t at = 0, end = t.got > 0 ? ((size_t)t.got + k.rule.read - 1) & ~(k.rule.read - 1ul) : 0;

	for (int i = 0; i < t.rq.iovcnt; i++)
		for (size_t n = 0; n < t.iov[1][i].iov_len; n++, at++) {
			uint8_t *to = t.iov[1][i].iov_base;

			if (at >= (size_t)t.got && at < end && to[n] == 0)
				to[n] = ((uint8_t *)t.iov[0][i].iov_base)[n];
		}
}

static void run(void)
{
	bool signal;

	run_plain_call();
	signal = k.signal;
	k.signal = false;
	disk_bad.from = (uintptr_t)memory[1] + (ARENA & ~4095u);
	disk_bad.to = disk_bad.from + BAD;
	state_quiet = 1;	/* as inside state_hold */
	t.got = engine_run(f, &t.rq);
	state_quiet = 0;
	must(t.got == t.want, "another result");
	must(k.offset == t.offset, "the offset is %lld", (long long)k.offset);
	must(k.signal == signal, "SIGXFSZ: %d, not %d", k.signal, signal);
	k.signal = false;
	must(routed.size == plain.size, "the file has %llu bytes", (unsigned long long)routed.size);
	must(memcmp(routed.data, plain.data, plain.size) == 0, "other bytes in the file");
	if (k.rescue && t.rq.op == OP_READ)
		forgive_zeroes();
	must(memcmp(memory[1], memory[0], ARENA & ~4095u) == 0, "other bytes in memory");
	check_ledger();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = BYTES(data, size);

	if (!memory[0])
		begin();
	make_file(&b);
	for (int i = 0; i < 2; i++)
		disk_fill(memory[i], ARENA & ~4095u, 1);
	for (int n = 0; n < 6 && (n == 0 || any_left(&b)); n++) {
		make_request(&b);
		run();
	}
	check_pool();
	return 0;
}

/*
 * matrix_random CHUNK SEED CALLS [direct]: random calls on several descriptors
 * of two files: all data calls, seeks, dups, truncations, syncs, reopenings.
 * Sizes and offsets like the neighbourhood of blocks, pages and chunks.
 */
#include "matrix.h"

#define FDS 6
#define HIGHEST (6L << 20)	/* no file grows beyond */

static long chunk;
static int extra;
static uint64_t rnd;
static int fds[FDS];
static int flags_of[FDS];
static const char *const names[] = { "one", "two" };
static const int modes[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_APPEND, O_WRONLY | O_APPEND };

static long pick(long n)
{
	return (long)(next_random(&rnd) % (uint64_t)n);
}

/* A number in 0..most that likes to be near a multiple of something. */
static long likely(long most)
{
	static const long units[] = { 1, 512, 4096, 65536 };
	long unit = pick(5) == 4 ? chunk : units[pick(4)];
	long n = pick(most / unit + 1) * unit;

	switch (pick(4)) {
	case 0: n += pick(7) - 3; break;
	case 1: n += pick(1025) - 512; break;
	default: break;
	}
	return n < 0 ? 0 : n > most ? most : n;
}

/* Mostly short, now and then long. */
static long likely_length(void)
{
	switch (pick(8)) {
	case 0: return likely(2 * chunk);
	case 1: case 2: return likely(chunk / 4);
	default: return likely(16384);
	}
}

static void reopen(int i)
{
	const char *name = names[i & 1];

	if (fds[i] >= 0)
		say(close(fds[i]), "close %d", i);
	flags_of[i] = modes[pick((long)COUNT(modes))];
	if (pick(4) == 0 && i) {
		fds[i] = dup(fds[i - 1] >= 0 ? fds[i - 1] : fds[0]);
		flags_of[i] = flags_of[i - 1];
	} else {
		fds[i] = pick(2) ? open(name, flags_of[i] | extra) : open64(name, flags_of[i] | extra | O_CLOEXEC);
	}
	say(fds[i], "open %d flags=%x", i, (unsigned)flags_of[i]);
	NEED(fds[i] >= 0);
}

static void data_call(int i)
{
	static struct iovec v[16];
	enum op op = (enum op)pick(OPS);
	bool scalar = op <= OP_pwrite || op == OP_pread64 || op == OP_pwrite64;
	int n = scalar ? 1 : 1 + (int)pick(5), rwf = 0;
	long off = likely(HIGHEST / 2), left = likely_length();
	char *p = arena + PAGE + (op_writes(op) ? pick(60) * (long)PAGE : 0) + (pick(2) ? pick(4096) : 0);
	size_t want = 0;
	uint64_t h;

	for (int k = 0; k < n; k++) {
		size_t len = (size_t)(k == n - 1 ? left : likely(left / 2));

		v[k] = (struct iovec){ p, len };
		p += len + (pick(3) ? 0 : (size_t)pick(600));
		left -= (long)len;
		want += len;
	}
	if (op_writes(op) && pick(6) == 0 && (op == OP_pwritev2 || op == OP_pwritev2_here))
		rwf = pick(2) ? RWF_DSYNC : RWF_APPEND;
	if (op_moves(op) && pick(3))
		lseek(fds[i], off, SEEK_SET);
	if (!op_writes(op))
		for (int k = 0; k < n; k++)
			memset(v[k].iov_base, 'c', v[k].iov_len);
	errno = ECHILD;
	ssize_t r = call_op(op, fds[i], v, n, off, rwf);
	int e = r < 0 || errno != ECHILD ? errno : 0;
	struct stat st;

	NEED(fstat(fds[i], &st) == 0);
	h = op_writes(op) ? 0 : take_bytes(v, n, r > 0 ? (size_t)r : 0, 'c');
	printf("%lu %s %d off=%ld len=%zu n=%d fl=%x: %zd %s pos=%lld size=%lld %016llx", cases++, op_names[op], i,
	       off, want, n, (unsigned)rwf, r, e ? errno_name(e) : "", (long long)lseek(fds[i], 0, SEEK_CUR),
	       (long long)st.st_size, (unsigned long long)h);
	for (int k = 0; k < n && !op_writes(op); k++)
		if (!all_canary(v[k].iov_base, (char *)v[k].iov_base + v[k].iov_len, 'c'))
			printf(" MEMORY TOUCHED");
	putchar('\n');
	if (st.st_size > HIGHEST)
		say(truncate(names[0], likely(HIGHEST / 4)), "truncate"), truncate(names[1], likely(HIGHEST / 4));
}

static void other_call(int i)
{
	long n = likely(HIGHEST / 2);

	switch (pick(9)) {
	case 0: say(ftruncate(fds[i], n), "ftruncate %d %ld", i, n); break;
	case 1: say(truncate(names[i & 1], n), "truncate %d %ld", i, n); break;
	case 2: say(fdatasync(fds[i]), "fdatasync %d", i); break;
	case 3: say(posix_fadvise(fds[i], 0, 0, (int)pick(6)), "fadvise %d", i); break;
	case 4: say(lseek(fds[i], n, SEEK_SET), "seek %d", i); break;
	case 5: say(lseek(fds[i], -likely(9000), SEEK_END), "seek end %d", i); break;
	case 6: say(fallocate(fds[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, n, 1 + likely(100000)), "punch %d", i); break;
	case 7: say(fcntl(fds[i], F_GETFL) & ~(O_DIRECT | O_LARGEFILE), "getfl %d", i); break;
	default: reopen(i); break;
	}
}

int main(int argc, char **argv)
{
	NEED(argc >= 4);
	chunk = atol(argv[1]);
	rnd = (uint64_t)atol(argv[2]) * 2654435761u + 88172645463325252u;
	long calls = atol(argv[3]);
	extra = argc > 4 && !strcmp(argv[4], "direct") ? O_DIRECT : 0;
	matrix_arena((size_t)(4 * chunk + 131072));
	fill(arena, arena_size, 13);
	make_file("one", (size_t)chunk * 2 + 5000, 1);
	make_file("two", 100000, 2);
	for (int i = 0; i < FDS; i++) {
		fds[i] = -1;
		reopen(i);
	}
	for (long c = 0; c < calls; c++) {
		int i = (int)pick(FDS);

		if (pick(8) == 0)
			other_call(i);
		else
			data_call(i);
		if (c % 500 == 499) {
			say_file("one");
			say_file("two");
		}
	}
	for (int i = 0; i < FDS; i++)
		say(close(fds[i]), "close");
	say_file("one");
	say_file("two");
	return 0;
}

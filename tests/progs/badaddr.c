/*
 * badaddr [direct]: bad addresses, for every data call. The kernel answers
 * EFAULT, or a short count where the memory begins well; nothing may crash,
 * the file and the offset must be what the kernel makes of it.
 *
 * Each case starts from the same file, with its pages in the cache: how far
 * the kernel comes with a half-bad write depends on that.
 */
#include "matrix.h"
#include <pthread.h>

#define GOOD 16384	/* good bytes before the bad ones */
#define SIZE 60000

static int extra;
static char *dense;	/* what the file holds */

struct bad {
	const char *name;
	char *edge;	/* from here on memory is bad; GOOD bytes before it are good, or none */
	bool good_before, readable;
};
static struct bad bads[12];
static size_t nbads;

static void add(const char *name, void *edge, bool good_before, bool readable)
{
	bads[nbads++] = (struct bad){ name, edge, good_before, readable };
}

/* GOOD bytes, then `bad` bytes of something else. */
static char *area(void)
{
	char *p = mmap(NULL, 4 * GOOD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	memset(p, 0x5a, GOOD);
	return p + GOOD;
}

static void make_bads(void)
{
	char *p;
	int fd;

	add("NULL", NULL, false, false);
	add("address 16", (void *)(uintptr_t)16, false, false);
	add("kernel half", (void *)(uintptr_t)0xffff800000000000u, false, false);
	add("the top", (void *)(uintptr_t)-4096, false, false);
	add("not canonical", (void *)(uintptr_t)0x0000900000000000u, false, false);
	p = area();
	NEED(munmap(p, 3 * GOOD) == 0);
	add("unmapped", p, true, false);
	p = area();
	NEED(mprotect(p, 3 * GOOD, PROT_NONE) == 0);
	add("PROT_NONE", p, true, false);
	p = area();
	memset(p, 0x77, 3 * GOOD);
	NEED(mprotect(p, 3 * GOOD, PROT_READ) == 0);
	add("read-only", p, true, true);
	p = area();
	fd = raw_open("cut", O_RDWR | O_CREAT, 0666);
	NEED(fd >= 0 && ftruncate(fd, 3 * GOOD) == 0);
	NEED(mmap(p, 3 * GOOD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == p);
	NEED(ftruncate(fd, 0) == 0);
	add("file cut off", p, true, false);
	p = area();
	NEED(ftruncate(fd, 4096 + 100) == 0);
	NEED(mmap(p, 3 * GOOD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 4096) == p);
	NEED(ftruncate(fd, 0) == 0);
	add("private file cut off", p, true, false);
	close(fd);
}

static int remade(const char *name)
{
	make_file(name, SIZE, 21);
	int fd = open(name, O_RDWR | extra);

	NEED(fd >= 0);
	return fd;
}

/* The file as it was, in the cache. */
static void reset(void)
{
	int fd = raw_open("bad", O_RDWR, 0);

	NEED(ftruncate(fd, SIZE) == 0);
	NEED(syscall(SYS_pwrite64, fd, dense, SIZE, 0) == SIZE);
	close(fd);
}

static void line(int fd, enum op op, const struct iovec *v, int n, off_t off, const char *what)
{
	struct stat st;
	ssize_t r;

	if (op_writes(op))
		reset();
	lseek(fd, op_moves(op) ? off : 777, SEEK_SET);
	r = call_op(op, fd, v, n, off, 0);
	int e = r < 0 ? errno : 0;
	NEED(fstat(fd, &st) == 0);
	printf("%lu %s %s: %zd%s%s pos %lld size %lld", cases++, op_names[op], what, r, e ? " " : "",
	       e ? errno_name(e) : "", (long long)lseek(fd, 0, SEEK_CUR), (long long)st.st_size);
	if (op_writes(op))
		printf(" %016llx", (unsigned long long)file_hash("bad"));
	putchar('\n');
}

static void buffers(void)
{
	static const long goods[] = { 0, 1, 100, 512, 4096, 4097, 8192, 8704, 12288 };
	static const long lens[] = { 1, 512, 4096, 8192, 12288, 20000 };
	static const long offs[] = { 0, 512, 100, 4096 };
	int fd = remade("bad");
	char what[128];

	for (size_t b = 0; b < nbads; b++)
		for (enum op op = 0; op < OPS; op++)
			for (size_t g = 0; g < COUNT(goods); g++)
				for (size_t l = 0; l < COUNT(lens); l++) {
					long off = offs[(b + g + l) % COUNT(offs)], bad = lens[l];
					char *p = (char *)((uintptr_t)bads[b].edge - (uintptr_t)goods[g]);

					if ((goods[g] && !bads[b].good_before) || (op_writes(op) && bads[b].readable && l))
						continue;
					snprintf(what, sizeof(what), "%s after %ld good, %ld bad, at %ld", bads[b].name, goods[g], bad, off);
					struct iovec v = { p, (size_t)(goods[g] + bad) };
					line(fd, op, &v, 1, off, what);
					if (!op_writes(op) && goods[g])
						printf("  %016llx\n", (unsigned long long)hash(p, (size_t)goods[g] / 4096 * 4096));
				}
	/* more than a chunk, the first megabyte good */
	size_t big = 3 << 20;
	char *m = fenced(big);
	for (enum op op = 0; op < OPS; op += 2) {
		struct iovec v = { m + big - SIZE / 2, SIZE };

		line(fd, op, &v, 1, 0, "half of the file fits");
		v.iov_base = m + big - 2 * SIZE;
		v.iov_len = 1 << 30;
		line(fd, op, &v, 1, 0, "the file ends before the memory does");
		v.iov_base = m + big - SIZE;
		line(fd, op, &v, 1, 0, "both end together");
		line(fd, op, &v, 1, SIZE, "end of file, no memory needed");
		v.iov_base = NULL;
		line(fd, op, &v, 1, SIZE, "end of file, NULL");
		line(fd, op, &v, 1, SIZE + 4096, "beyond the end, NULL");
	}
	say(close(fd), "close");
}

static void pieces(void)
{
	static const enum op ops[] = { OP_readv, OP_writev, OP_preadv, OP_pwritev, OP_preadv2, OP_pwritev2 };
	int fd = remade("bad");
	char *good = fenced(32768), what[128];

	memset(good, 0x33, 32768);
	for (size_t b = 0; b < nbads; b++)
		for (size_t o = 0; o < COUNT(ops); o++) {
			struct iovec v[4] = { { good, 4096 }, { bads[b].edge, 4096 }, { good + 8192, 4096 } };

			if (op_writes(ops[o]) && bads[b].readable)
				continue;
			snprintf(what, sizeof(what), "%s: good, bad, good", bads[b].name);
			line(fd, ops[o], v, 3, 4096, what);
			v[0].iov_len = 100;
			line(fd, ops[o], v, 3, 4096, what);
			snprintf(what, sizeof(what), "%s: bad, good", bads[b].name);
			line(fd, ops[o], v + 1, 2, 0, what);
			snprintf(what, sizeof(what), "%s: good, bad of length 0, good", bads[b].name);
			v[1].iov_len = 0;
			line(fd, ops[o], v, 3, 0, what);
			line(fd, ops[o], v + 1, 2, 100, what);
		}
	say(close(fd), "close");
}

static void vectors(void)
{
	static const enum op ops[] = { OP_readv, OP_writev, OP_preadv, OP_pwritev, OP_preadv2, OP_pwritev2,
				       OP_preadv64, OP_pwritev64 };
	int fd = remade("bad");
	char *page = fenced(4096), *good = fenced(8192);
	char what[128];

	memset(good, 0x44, 8192);
	struct iovec *last = (struct iovec *)(void *)(page + 4096) - 1;
	*last = (struct iovec){ good, 4096 };
	for (size_t o = 0; o < COUNT(ops); o++)
		for (int n = -1; n <= 3; n++) {
			snprintf(what, sizeof(what), "vector at NULL, n=%d", n);
			line(fd, ops[o], NULL, n, 0, what);
			snprintf(what, sizeof(what), "vector unmapped, n=%d", n);
			line(fd, ops[o], last + 1, n, 0, what);
			snprintf(what, sizeof(what), "vector half unmapped, n=%d", n);
			line(fd, ops[o], last, n, 0, what);
			line(fd, ops[o], (struct iovec *)(uintptr_t)0xffff800000000000u, n, 0, "vector in the kernel half");
			line(fd, ops[o], (void *)((char *)last - 3), n < 2 ? 0 : 2, 0, "vector odd");
		}
	say(close(fd), "close");
}

/* Bad memory given for what is not a routed file. */
static void elsewhere(void)
{
	static void *volatile none, *volatile low = (void *)(uintptr_t)16;	/* unknown to the compiler */
	int p[2], zero = open("/dev/zero", O_RDWR), dir = open(".", O_RDONLY), mem = memfd_create("m", 0);

	NEED(pipe(p) == 0 && zero >= 0 && dir >= 0 && mem >= 0);
	say(write(p[1], none, 10), "write NULL to a pipe");
	say(write(p[1], "0123456789", 10), "write to a pipe");
	say(read(p[0], none, 10), "read NULL from a pipe");
	say(read(p[0], low, 10), "read bad from a pipe");
	say(read(zero, none, 10), "read NULL from zero");
	say(read(dir, none, 10), "read NULL from a folder");
	say(pwrite(mem, none, 10, 0), "pwrite NULL to a memfd");
	say(pwrite(mem, "x", 1, 0), "pwrite to a memfd");
	say(pread(mem, none, 10, 0), "pread NULL from a memfd");
	close(p[0]);
	close(p[1]);
	close(zero);
	close(dir);
	close(mem);
}

/* Stack that was never touched: the kernel grows it for the copy. */
static __attribute__((noinline)) void deep(int fd, enum op op, off_t off, size_t len)
{
	char far[3 << 20], what[64];
	struct iovec v = { far + off % 4096, len };

	snprintf(what, sizeof(what), "untouched stack, %zu at %lld", len, (long long)off);
	line(fd, op, &v, 1, off, what);
	printf("  %016llx\n", (unsigned long long)hash(v.iov_base, len < SIZE - (size_t)off ? len : SIZE - (size_t)off));
}

static void *deep_thread(void *arg)
{
	deep(*(int *)arg, OP_pread, 4096, 8192);
	deep(*(int *)arg, OP_readv, 100, 20000);
	return NULL;
}

static void stacks(void)
{
	static const off_t offs[] = { 0, 512, 100 };
	static const size_t lens[] = { 4096, 1000, 1 << 20 };
	int fd = remade("bad");
	pthread_t t;

	for (size_t i = 0; i < COUNT(offs); i++) {
		/* each in a child, whose stack is as small as ours is now */
		for (size_t l = 0; l < COUNT(lens); l++) {
			fflush(stdout);
			pid_t pid = fork();
			if (!pid) {
				deep(fd, l & 1 ? OP_read : OP_pread, offs[i], lens[l]);
				fflush(stdout);
				_exit(0);
			}
			say_child("stack", pid);
		}
	}
	NEED(pthread_create(&t, NULL, deep_thread, &fd) == 0);
	pthread_join(t, NULL);
	say(close(fd), "close");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "buffers", buffers }, { "pieces", pieces }, { "vectors", vectors }, { "elsewhere", elsewhere }, { "stacks", stacks },
	};

	extra = argc > 1 && !strcmp(argv[1], "direct") ? O_DIRECT : 0;
	make_bads();
	dense = malloc(SIZE);
	NEED(dense);
	fill(dense, SIZE, 21);
	return run_steps(steps, COUNT(steps), 1, argv);
}

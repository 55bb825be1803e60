/*
 * sites STEP [FILE]: requests from functions whose names are known, so that the
 * call sites of the ledger can be told right or wrong. "calls" lists what each of
 * them did: its name, the operation, calls and bytes.
 */
#include "transcript.h"
#include <pthread.h>
#include <signal.h>

#define BLOCK 4096L

/* Neither inlined nor folded into another one of the same code. */
#ifdef __clang__
#define SITE __attribute__((noinline))
#else
#define SITE __attribute__((noipa))
#endif

static char *memory;

/* Beside the work, so that a call in it is no tail call. */
static long kept(long r)
{
	__asm__ volatile("" : "+r"(r));
	return r;
}

SITE static long read_here(int fd, long n)
{
	return kept(read(fd, memory, (size_t)n));
}

SITE static long pread_here(int fd, long n, long off)
{
	return kept(pread(fd, memory, (size_t)n, off));
}

SITE static long pread64_here(int fd, long n, long off)
{
	return kept(pread64(fd, memory, (size_t)n, off));
}

SITE static long write_here(int fd, long n)
{
	return kept(write(fd, memory, (size_t)n));
}

SITE static long pwrite_here(int fd, long n, long off)
{
	return kept(pwrite(fd, memory, (size_t)n, off));
}

SITE static long readv_here(int fd)
{
	struct iovec v[2] = { { memory, 4096 }, { memory + 8192, 4096 } };

	return kept(readv(fd, v, 2));
}

SITE static long writev_here(int fd)
{
	struct iovec v[2] = { { memory, 4096 }, { memory + 8192, 4096 } };

	return kept(writev(fd, v, 2));
}

SITE static long preadv_here(int fd, long off)
{
	struct iovec v[2] = { { memory, 4096 }, { memory + 8192, 4096 } };

	return kept(preadv(fd, v, 2, off));
}

SITE static long pwritev2_here(int fd, long off)
{
	struct iovec v[2] = { { memory, 4096 }, { memory + 8192, 4096 } };

	return kept(pwritev2(fd, v, 2, off, 0));
}

/* Jumps to pread: it was called, for all that the stack tells, by whoever called this. */
SITE static long tail_call(int fd, long n, long off)
{
	return pread(fd, memory, (size_t)n, off);
}

SITE static long calls_a_tail(int fd, long n, long off)
{
	return kept(tail_call(fd, n, off));
}

/* The fortified twins, as a hardened build calls them. */
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t room);

SITE static long read_chk_here(int fd, long n)
{
	return kept(__read_chk(fd, memory, (size_t)n, 65536));
}

SITE static long pread_chk_here(int fd, long n, long off)
{
	return kept(__pread_chk(fd, memory, (size_t)n, off, 65536));
}

/* Two calls in one function are two sites. */
SITE static long twice_here(int fd)
{
	long r = kept(pread(fd, memory, 4096, 0));

	return r + kept(pread(fd, memory, 8192, 0));
}

SITE static long inner(int fd, long n) { return kept(pread(fd, memory, (size_t)n, 0)); }
SITE static long middle(int fd, long n) { return kept(inner(fd, n)); }
SITE static long outer_a(int fd, long n) { return kept(middle(fd, n)); }
SITE static long outer_b(int fd, long n) { return kept(middle(fd, n)); }

static int opened(const char *name)
{
	int fd = open(name, O_RDWR);

	NEED(fd >= 0);
	return fd;
}

static void calls(const char *name)
{
	int fd = opened(name);

	for (int i = 0; i < 3; i++)
		NEED(read_here(fd, BLOCK) == BLOCK);
	puts("read_here read 3 12288");
	for (int i = 0; i < 200; i++)
		NEED(pread_here(fd, 100, i * 10) == 100);
	NEED(pread_here(fd, BLOCK, 1L << 40) == 0);	/* the end of the file */
	puts("pread_here read 201 20000");
	NEED(pread64_here(fd, BLOCK, BLOCK) == BLOCK);
	puts("pread64_here read 1 4096");
	NEED(write_here(fd, 100) == 100 && write_here(fd, 2 * BLOCK) == 2 * BLOCK);
	puts("write_here write 2 8292");
	NEED(pwrite_here(fd, BLOCK, 0) == BLOCK && pwrite_here(fd, 1, 1) == 1);
	puts("pwrite_here write 2 4097");
	NEED(readv_here(fd) == 2 * BLOCK && writev_here(fd) == 2 * BLOCK);
	puts("readv_here read 1 8192\nwritev_here write 1 8192");
	NEED(preadv_here(fd, 0) == 2 * BLOCK && pwritev2_here(fd, 512) == 2 * BLOCK);
	puts("preadv_here read 1 8192\npwritev2_here write 1 8192");
	NEED(calls_a_tail(fd, BLOCK, 0) == BLOCK);
	puts("calls_a_tail read 1 4096");
	NEED(read_chk_here(fd, 7) == 7 && pread_chk_here(fd, BLOCK, 0) == BLOCK);
	puts("read_chk_here read 1 7\npread_chk_here read 1 4096");
	NEED(twice_here(fd) == 3 * BLOCK);
	puts("twice_here read 1 4096\ntwice_here read 1 8192");
	NEED(outer_a(fd, BLOCK) == BLOCK && outer_b(fd, 512) == 512 && outer_b(fd, 512) == 512);
	puts("inner read 3 5120");
}

#define THREADS 6
#define ROUNDS 3000

SITE static void *thread_reads(void *fd)
{
	for (int i = 0; i < ROUNDS; i++)
		NEED(pread_here((int)(intptr_t)fd, 512, 512L * (i % 8)) == 512);
	return NULL;
}

static void threads(const char *name)
{
	pthread_t t[THREADS];
	int fd = opened(name);

	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&t[i], NULL, thread_reads, (void *)(intptr_t)fd) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("pread_here read %d %d\n", THREADS * ROUNDS, THREADS * ROUNDS * 512);
}

/* The program goes on as itself, and its children do the same. */
static void processes(const char *name)
{
	int fd = opened(name);
	pid_t pid;

	NEED(read_here(fd, BLOCK) == BLOCK);
	fflush(stdout);
	pid = fork();
	NEED(pid >= 0);
	if (!pid) {
		NEED(read_here(fd, BLOCK) == BLOCK);
		pid = fork();
		if (pid) {
			NEED(waitpid(pid, NULL, 0) == pid);
			_exit(0);
		}
		NEED(pwrite_here(fd, BLOCK, 0) == BLOCK);
		execl("/proc/self/exe", "sites", "last", name, NULL);
		_exit(98);
	}
	NEED(waitpid(pid, NULL, 0) == pid);
	puts("read_here read 3 12288\npwrite_here write 1 4096");
	fflush(stdout);
	_exit(0);
}

static void last(const char *name)
{
	NEED(read_here(opened(name), BLOCK) == BLOCK);
}

static void killed(const char *name)
{
	int fd = opened(name);

	for (int i = 0; i < 50; i++)
		NEED(pread_here(fd, 512, 512 * i) == 512);
	puts("pread_here read 50 25600");
	fflush(stdout);
	kill(getpid(), SIGKILL);
}

/* Code that is gone at the end. */
static void unloaded(const char *name)
{
	char path[4096];
	void *module;
	long (*read_in_module)(int, void *, long);
	int fd = opened(name);

	snprintf(path, sizeof(path), "%s", getenv("MODULE"));
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	NEED(module);
	*(void **)&read_in_module = dlsym(module, "read_in_module");
	NEED(read_in_module && read_in_module(fd, memory, BLOCK) == BLOCK);
	NEED(dlclose(module) == 0 && unlink(path) == 0);
	NEED(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	puts("read_in_module read 1 4096");
}

/* Misaligned in one way each: what, address, offset and length. */
static void misfits(const char *name)
{
	int fd = open(name, O_RDWR | (getenv("DIRECT") ? O_DIRECT : 0));
	struct iovec v[2] = { { memory, 4096 }, { memory + 4096 + 1, 8192 } };
	long r;

	NEED(fd >= 0);
	r = kept(pread(fd, memory + 16, 2 * BLOCK, 0));
	printf("%ld read %lu 0 8192 address\n", r, (unsigned long)memory + 16);
	r = kept(pread(fd, memory, BLOCK, 100));
	printf("%ld read %lu 100 4096 offset\n", r, (unsigned long)memory);
	r = kept(pwrite(fd, memory, 1000, 8192));
	printf("%ld write %lu 8192 1000 length\n", r, (unsigned long)memory);
	NEED(lseek(fd, 1, SEEK_SET) == 1);
	r = kept(write(fd, memory + 1, 8191));
	printf("%ld write %lu 1 8191 address offset length\n", r, (unsigned long)memory + 1);
	NEED(lseek(fd, 4096, SEEK_SET) == 4096);
	r = kept(readv(fd, v, 2));
	printf("%ld read %lu 4096 12288 address\n", r, (unsigned long)memory);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(const char *); } steps[] = {
		{ "calls", calls }, { "threads", threads }, { "processes", processes }, { "last", last },
		{ "killed", killed }, { "unloaded", unloaded }, { "misfits", misfits },
	};

	NEED(argc == 3);
	memory = fenced(1 << 17);
	for (size_t i = 0; i < COUNT(steps); i++)
		if (!strcmp(steps[i].name, argv[1]))
			steps[i].run(argv[2]);
	return 0;
}

/*
 * transcript: what the differential programs share.
 *
 * Each of them is a plain program that writes everything it saw (results,
 * errno, offsets, sizes, hashes of contents) to stdout. It runs once plain
 * and once under the shim; the two transcripts must be the same. They work in
 * the current folder, which is fresh. The transcript goes through stdio, and
 * contents are looked at through raw system calls, so that neither depends on
 * what is being tested.
 */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u
#endif
#if !__GLIBC_PREREQ(2, 34)
static UNUSED int close_range(unsigned first, unsigned last, int flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE 4096UL

/* A setup step that fails makes the whole run worthless: exit status 99. */
#define NEED(x) do { \
	if (!(x)) { \
		fflush(stdout); \
		fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno)); \
		_exit(99); \
	} \
} while (0)

static UNUSED const char *errno_name(int e)
{
	static const struct { int e; const char *name; } names[] = {
		{ EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { EINTR, "EINTR" }, { EIO, "EIO" },
		{ EBADF, "EBADF" }, { EAGAIN, "EAGAIN" }, { ENOMEM, "ENOMEM" }, { EACCES, "EACCES" },
		{ EFAULT, "EFAULT" }, { EEXIST, "EEXIST" }, { EXDEV, "EXDEV" }, { EISDIR, "EISDIR" },
		{ EINVAL, "EINVAL" }, { EMFILE, "EMFILE" }, { ETXTBSY, "ETXTBSY" }, { EFBIG, "EFBIG" },
		{ ENOSPC, "ENOSPC" }, { EDQUOT, "EDQUOT" }, { ESPIPE, "ESPIPE" }, { EROFS, "EROFS" }, { EPIPE, "EPIPE" },
		{ EOVERFLOW, "EOVERFLOW" }, { EOPNOTSUPP, "EOPNOTSUPP" }, { ENOSYS, "ENOSYS" },
		{ ELOOP, "ELOOP" }, { ENOTDIR, "ENOTDIR" }, { EBUSY, "EBUSY" }, { ECHILD, "ECHILD" },
	};
	static char number[16];

	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].e == e)
			return names[i].name;
	snprintf(number, sizeof(number), "%d", e);
	return number;
}

/* "what = result", with the errno of a failure. Returns the result. */
static UNUSED long say(long r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static UNUSED long say(long r, const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" = %ld%s%s\n", r, r == -1 ? " " : "", r == -1 ? errno_name(e) : "");
	errno = e;
	return r;
}

static UNUSED uint64_t hash_more(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t w;

	for (; n >= 8; n -= 8, b += 8) {
		memcpy(&w, b, 8);
		h = (h ^ w) * 0x9E3779B97F4A7C15u;
		h ^= h >> 29;
	}
	for (; n; n--, b++) {
		h = (h ^ *b) * 0x9E3779B97F4A7C15u;
		h ^= h >> 29;
	}
	return h;
}

static UNUSED uint64_t hash(const void *p, size_t n)
{
	return hash_more(n, p, n);
}

/* xorshift: the same on every machine. */
static UNUSED uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static UNUSED void fill(void *p, size_t n, uint64_t seed)
{
	unsigned char *b = p;
	uint64_t s = seed * 0x9E3779B97F4A7C15u + 1, w;

	for (; n >= 8; n -= 8, b += 8) {
		w = next_random(&s);
		memcpy(b, &w, 8);
	}
	for (w = next_random(&s); n; n--, w >>= 8)
		*b++ = (unsigned char)w;
}

/* The C library's own syscall(): a wrapper of that name does not see the call. */
typedef long (*syscall_function)(long nr, ...);

static UNUSED syscall_function unseen_function(void)
{
	static syscall_function f;

	if (!f) {
		void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

		f = libc ? (syscall_function)dlsym(libc, "syscall") : syscall;
	}
	return f;
}
#define unseen(...) unseen_function()(__VA_ARGS__)

static UNUSED int raw_open(const char *path, int flags, int mode)
{
	return (int)unseen(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Hash of a range of a file, by raw system calls; buf is block-aligned. */
static UNUSED uint64_t range_hash(int fd, off_t from, off_t to)
{
	static char buf[1 << 16] __attribute__((aligned(4096)));
	off_t at = from / (off_t)PAGE * (off_t)PAGE;
	uint64_t h = 1;
	ssize_t r;

	for (; at < to; at += r) {
		off_t left = (to - at + (off_t)PAGE - 1) / (off_t)PAGE * (off_t)PAGE;

		r = unseen(SYS_pread64, fd, buf, left < (off_t)sizeof(buf) ? left : (off_t)sizeof(buf), at);
		if (r <= 0)
			return r ? 0xEEEE0000u + (uint64_t)errno : h;
		off_t lo = at < from ? from - at : 0;
		off_t hi = at + r > to ? to - at : r;
		if (hi > lo)
			h = hash_more(h, buf + lo, (size_t)(hi - lo));
	}
	return h;
}

static UNUSED uint64_t file_hash(const char *path)
{
	int fd = raw_open(path, O_RDONLY, 0);
	uint64_t h = fd < 0 ? 0 : range_hash(fd, 0, 1LL << 50);

	if (fd >= 0)
		unseen(SYS_close, fd);
	return h;
}

static UNUSED void say_file(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		printf("%s: %s\n", path, errno_name(errno));
	else
		printf("%s: %lld bytes, hash %016llx\n", path, (long long)st.st_size,
		       (unsigned long long)file_hash(path));
}

/* A file of n pseudo-random bytes, made and closed by raw system calls. */
static UNUSED void make_file(const char *path, size_t n, uint64_t seed)
{
	int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	char *p = malloc(n + 1);

	NEED(fd >= 0 && p);
	fill(p, n, seed);
	for (size_t done = 0; done < n;) {
		ssize_t w = unseen(SYS_write, fd, p + done, n - done);
		NEED(w > 0);
		done += (size_t)w;
	}
	free(p);
	NEED(unseen(SYS_close, fd) == 0);
}

/* Page-aligned memory with an unmapped page on either side. */
static UNUSED char *fenced(size_t n)
{
	size_t whole = (n + PAGE - 1) / PAGE * PAGE;
	char *p = mmap(NULL, whole + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	NEED(mprotect(p + PAGE, whole, PROT_READ | PROT_WRITE) == 0);
	return p + PAGE;
}

/* Run a step in a child; print how it ended. */
static UNUSED int say_child(const char *name, pid_t pid)
{
	int st;

	NEED(waitpid(pid, &st, 0) == pid);
	if (WIFSIGNALED(st))
		printf("%s: killed by signal %d\n", name, WTERMSIG(st));
	else
		printf("%s: exit %d\n", name, WEXITSTATUS(st));
	return st;
}

struct step {
	const char *name;
	void (*run)(void);
};

/* main of a program with subcommands: those named, or all of them. */
static UNUSED int run_steps(const struct step *steps, size_t n, int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (size_t i = 0; i < n; i++) {
		bool wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], steps[i].name);
		if (!wanted)
			continue;
		printf("== %s\n", steps[i].name);
		fflush(stdout);
		steps[i].run();
		fflush(stdout);
	}
	return 0;
}

#endif

/*
 * crew: what the machines with several processes share: random numbers,
 * records that tell who wrote them and when, a memory that all of the crew
 * sees, and the starting of members with or without the shim.
 *
 * The director is started under the shim, or plain. Under it, it goes on as a
 * plain program at once, so that what it verifies is seen without the shim,
 * and gives its members the preload back. Depends on libc alone.
 */
#ifndef DIOSHIM_CREW_H
#define DIOSHIM_CREW_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB 1024l
#define MIB (1024 * KIB)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CREW_PRELOAD "CREW_PRELOAD"	/* the preload, while it is laid aside */

extern char **environ;

#define NEED(cond)                                                                       \
	do {                                                                             \
		if (!(cond)) {                                                           \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, strerror(errno)); \
			_exit(125);                                                      \
		}                                                                        \
	} while (0)

/* ---- random numbers ---- */

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
	return x ^ (x >> 31);
}

static inline long below(uint64_t *rnd, long n)
{
	*rnd += 0x9e3779b97f4a7c15ul;
	return n > 0 ? (long)(mix(*rnd) % (uint64_t)n) : 0;
}

static inline bool one_in(uint64_t *rnd, long n)
{
	return below(rnd, n) == 0;
}

/* Mostly small, of a kind that fits nothing, now and then whole blocks. */
static inline long odd_size(uint64_t *rnd, long most)
{
	long n;

	switch (below(rnd, 16)) {
	case 0: case 1: case 2: case 3: n = 1 + below(rnd, 200); break;
	case 4: case 5: case 6: case 7: n = 1 + below(rnd, 5000); break;
	case 8: case 9: case 10: n = 1 + below(rnd, 20000); break;
	case 11: n = 4096 * (1 + below(rnd, 16)); break;
	case 12: n = 512 * (1 + below(rnd, 40)); break;
	case 13: case 14: n = 1 + below(rnd, 90000); break;
	default: n = 1 + below(rnd, 600000); break;
	}
	return n < most ? n : most;
}

/* ---- records: word j of version v of record `who`; version 0 is zeroes ---- */

static inline uint64_t record_word(uint64_t who, uint64_t version, uint64_t j)
{
	if (!version)
		return 0;
	return mix(who * 0x9e3779b97f4a7c15ul + version * 0xd6e8feb86659fd93ul + j) >> 16 | version << 48;
}

static inline void record_fill(unsigned char *p, uint64_t who, uint64_t version, long from, long len)
{
	for (long at = from, n; at < from + len; at += n, p += n) {
		uint64_t w = record_word(who, version, (uint64_t)at / 8);

		n = 8 - at % 8 < from + len - at ? 8 - at % 8 : from + len - at;
		memcpy(p, (char *)&w + at % 8, (size_t)n);
	}
}

/* The first byte of part of a record that is not as written; -1 if all are. */
static inline long record_differs(const unsigned char *p, uint64_t who, uint64_t version, long from, long len)
{
	for (long at = from, n; at < from + len; at += n, p += n) {
		uint64_t w = record_word(who, version, (uint64_t)at / 8);

		n = 8 - at % 8 < from + len - at ? 8 - at % 8 : from + len - at;
		for (long k = 0; k < n; k++)
			if (p[k] != ((unsigned char *)&w)[at % 8 + k])
				return at + k;
	}
	return -1;
}

/* ---- entries of a log: a record that names its writer, number and length ---- */

#define ENTRY_MAGIC 0xd105b1e5u

struct entry {
	uint32_t magic, writer, seq, len;	/* len: bytes, this head included */
};

static inline void entry_fill(unsigned char *p, uint32_t writer, uint32_t seq, uint32_t len)
{
	struct entry e = { ENTRY_MAGIC, writer, seq, len };

	memcpy(p, &e, sizeof(e));
	record_fill(p + sizeof(e), 1000000 + writer, seq + 1, 0, (long)(len - sizeof(e)));
}

/* How many bytes at p, of those given, are as the entry has them. */
static inline long entry_prefix(const unsigned char *p, long given, uint32_t writer, uint32_t seq, uint32_t len)
{
	struct entry e = { ENTRY_MAGIC, writer, seq, len };
	long same = 0, wrong;

	while (same < given && same < (long)sizeof(e) && p[same] == ((unsigned char *)&e)[same])
		same++;
	if (same < (long)sizeof(e) || given <= same)
		return same;
	given = given < (long)len ? given : (long)len;
	wrong = record_differs(p + sizeof(e), 1000000 + writer, seq + 1, 0, given - (long)sizeof(e));
	return wrong < 0 ? given : (long)sizeof(e) + wrong;
}

/* Is there a whole entry? Its head, if so. */
static inline bool entry_at(const unsigned char *p, long given, struct entry *e)
{
	if (given < (long)sizeof(*e))
		return false;
	memcpy(e, p, sizeof(*e));
	return e->magic == ENTRY_MAGIC && e->len >= sizeof(*e) && e->len <= given &&
	       entry_prefix(p, given, e->writer, e->seq, e->len) == (long)e->len;
}

/* ---- what was found ---- */

struct findings {
	uint32_t problems;
	char text[12][200];	/* the first ones */
};

__attribute__((format(printf, 2, 3)))
static inline void problem(struct findings *f, const char *fmt, ...)
{
	uint32_t n = __atomic_fetch_add(&f->problems, 1, __ATOMIC_RELAXED);
	va_list ap;

	if (n >= COUNT(f->text))
		return;
	va_start(ap, fmt);
	vsnprintf(f->text[n], sizeof(f->text[n]), fmt, ap);
	va_end(ap);
}

static inline void findings_print(const struct findings *f)
{
	for (uint32_t i = 0; i < f->problems && i < COUNT(f->text); i++)
		printf("  %s\n", f->text[i]);
}

/* ---- members ---- */

/* Memory that all of the crew maps; its descriptor, which exec keeps. */
static inline int crew_memory(size_t size)
{
	int fd = memfd_create("crew", 0);

	NEED(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static inline void *crew_map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	NEED(p != MAP_FAILED);
	return p;
}

/* The director's first call: from here on it is a plain program. */
static inline void crew_step_out(char **argv)
{
	const char *preload = getenv("LD_PRELOAD");

	if (!preload)
		return;
	setenv(CREW_PRELOAD, preload, 1);
	unsetenv("LD_PRELOAD");
	execve("/proc/self/exe", argv, environ);
	NEED(!"execve");
}

static inline bool crew_has_shim(void)
{
	return getenv(CREW_PRELOAD) != NULL;
}

/* This process goes on as a member. */
__attribute__((noreturn)) static inline void crew_become(bool shim, char **argv)
{
	const char *preload = getenv(CREW_PRELOAD);

	if (shim && preload)
		setenv("LD_PRELOAD", preload, 1);
	else
		unsetenv("LD_PRELOAD");
	execve("/proc/self/exe", argv, environ);
	_exit(127);
}

#endif

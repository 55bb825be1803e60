/*
 * behind: half a program and half a library. The library's calls to libc go
 * past every preload: it was loaded with RTLD_DEEPBIND, or by dlmopen into a
 * namespace with a libc of its own. What it does to the program's descriptors
 * and files nobody else sees.
 *
 *   behind deepbind|namespace LIBRARY
 */
#include "transcript.h"

struct behind {
	int (*open)(const char *path, int flags);
	int (*close)(int fd);
	int (*dup2)(int from, int to);
	ssize_t (*pread)(int fd, void *buf, size_t n, off_t off);
	ssize_t (*pwrite)(int fd, const void *buf, size_t n, off_t off);
	void *(*map)(int fd, size_t n);
	int (*closefrom)(int low);
};

static int its_open(const char *path, int flags)
{
	return open(path, flags);
}

static void *its_map(int fd, size_t n)
{
	return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int its_closefrom(int low)
{
	return close_range((unsigned)low, ~0U, 0);
}

void behind_calls(struct behind *b)
{
	*b = (struct behind){ its_open, close, dup2, pread, pwrite, its_map, its_closefrom };
}

static char *buf;

static void look(int fd, const char *what)
{
	memset(buf, 0, 16384);
	long r = pread(fd, buf + 1, 8192, 100);
	printf("%s: pread %ld %016llx", what, r, (unsigned long long)hash(buf, 16384));
	r = read(fd, buf, 4096);
	printf(" read %ld %016llx", r, (unsigned long long)hash(buf, 16384));
	fill(buf, 16384, 9);
	printf(" pwrite %zd %zd at %lld\n", pwrite(fd, buf, 8192, 16384), pwrite(fd, buf + 1, 5000, 30001),
	       (long long)lseek(fd, 0, SEEK_CUR));
}

static void numbers(const struct behind *b)
{
	make_file("A", 60000, 1);
	make_file("B", 60000, 2);
	for (int i = 0; i < 10; i++) {
		int fd = open("A", O_RDWR), other;

		look(fd, "A");
		if (i % 2) {
			b->close(fd);
			other = b->open("B", O_RDWR);
		} else {
			other = b->open("B", O_RDWR);
			say(b->dup2(other, fd) - fd, "dup2");
			b->close(other);
			other = fd;
		}
		say(other - fd, "its number");
		look(other, "B");
		b->close(other);
		other = open("A", O_RDWR);
		look(other, "A again");
		close(other);
	}
	say_file("A");
	say_file("B");
	int fd = open("A", O_RDWR);
	look(fd, "A");
	say(b->closefrom(3), "everything closed");
	fd = open("B", O_RDWR);
	look(fd, "B");
	close(fd);
	say_file("A");
	say_file("B");
}

/* Calls on this side and on the other, on one file, in any order; and stores. */
static void contents(const struct behind *b, bool mapped)
{
	static unsigned char model[1 << 18];
	size_t size = sizeof(model);
	int wrong = 0, ours, its;
	unsigned char *m;
	uint64_t s = 5;

	make_file("C", size, 3);
	ours = open("C", O_RDWR);
	its = b->open("C", O_RDWR);
	NEED(b->pread(its, model, size, 0) == (ssize_t)size);
	m = mapped ? b->map(its, size) : NULL;
	NEED(m != MAP_FAILED);
	for (int i = 0; i < 600; i++) {
		size_t off = next_random(&s) % (size - 16384), n = 1 + next_random(&s) % 16000;

		if (i % 3 == 0)
			off &= ~4095UL, n = (n + 4095) & ~4095UL;
		fill(buf, n, (uint64_t)i);
		switch (next_random(&s) % 5) {
		case 0:
		case 1: wrong += pwrite(ours, memcpy(model + off, buf, n), n, (off_t)off) != (ssize_t)n; break;
		case 2: wrong += b->pwrite(its, memcpy(model + off, buf, n), n, (off_t)off) != (ssize_t)n; break;
		case 3: wrong += pread(ours, buf, n, (off_t)off) != (ssize_t)n || memcmp(buf, model + off, n); break;
		default:
			if (m)
				memcpy(m + off, memcpy(model + off, buf, n), n);
			wrong += b->pread(its, buf, n, (off_t)off) != (ssize_t)n || memcmp(buf, model + off, n);
			break;
		}
	}
	wrong += fsync(ours) != 0;
	wrong += memcmp(model, m ? m : model, size) != 0;
	printf("wrong %d\n", wrong);
	b->close(its);
	close(ours);
	say_file("C");
}

__attribute__((weak)) int main(int argc, char **argv)
{
	void (*calls)(struct behind *) = NULL;
	struct behind b;
	void *h = NULL;

	buf = fenced(16384);
	if (argc == 3 && !strcmp(argv[1], "deepbind"))
		h = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	else if (argc == 3)
		h = dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW);
	if (h)
		calls = (void (*)(struct behind *))dlsym(h, "behind_calls");
	if (!calls) {
		fprintf(stderr, "%s\n", dlerror());
		return 99;
	}
	calls(&b);
	numbers(&b);
	contents(&b, false);
	contents(&b, true);
	return 0;
}

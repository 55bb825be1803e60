/*
 * overlay: a file of the lower layer of an overlay that is copied up while it
 * is open, by this process or another, read and written before and after; and
 * mappings of it made on either side. Works on ./lowerN; in the transcript.
 */
#include "transcript.h"

#define SIZE 300777

static char *mem;

static void look(int fd, const char *when)
{
	static const struct { size_t skew, len; off_t off; } at[] = {
		{ 0, 65536, 0 }, { 7, 100000, 5 }, { 0, 8192, 4096 }, { 512, 4096, 296 << 10 }, { 100, 70000, 100 },
	};

	for (size_t i = 0; i < COUNT(at); i++) {
		long r = pread(fd, mem + at[i].skew, at[i].len, at[i].off);

		printf("  %s: %ld %016llx\n", when, r,
		       (unsigned long long)hash(mem + at[i].skew, r > 0 ? (size_t)r : 0));
	}
}

static void put(int fd, uint64_t seed)
{
	fill(mem, 200000, seed);
	say(pwrite(fd, mem, 65536, 4096), "  aligned");
	say(pwrite(fd, mem + 3, 70001, 77777), "  not aligned");
	lseek(fd, 0, SEEK_SET);
	say(write(fd, mem + 1, 131072), "  at the offset");
}

/* Another process, unseen by the shim. */
static void other_writes(const char *name, off_t off)
{
	fflush(stdout);
	pid_t pid = fork();

	if (!pid) {
		int fd = raw_open(name, O_RDWR, 0);

		fill(mem, 50000, (uint64_t)off);
		_exit(fd < 0 || unseen(SYS_pwrite64, fd, mem, 50000L, (long)off) != 50000);
	}
	say_child("another process writes", pid);
}

/* copied up by ... */
static void by_other(const char *name)
{
	int ro = open(name, O_RDONLY), rw;

	look(ro, "lower");
	other_writes(name, 10000);
	look(ro, "old descriptor, copied up by another");
	NEED((rw = open(name, O_RDWR)) >= 0);
	look(rw, "new descriptor");
	put(rw, 4);
	look(ro, "old descriptor, written");
	look(rw, "new descriptor, written");
	other_writes(name, 20000);
	look(ro, "old descriptor, written by another");
	look(rw, "new descriptor, written by another");
	say(fsync(rw), "  fsync");
	close(ro);
	close(rw);
}

static void by_open(const char *name)
{
	int ro = open(name, O_RDONLY), copy, rw;

	look(ro, "lower");
	copy = dup(ro);
	NEED((rw = open(name, O_RDWR)) >= 0);
	look(ro, "old descriptor, copied up by open");
	put(rw, 5);
	look(copy, "its copy, written");
	say(ftruncate(rw, 100000), "  cut");
	look(ro, "old descriptor, cut");
	say(chmod(name, 0600), "  chmod");
	put(rw, 6);
	look(ro, "old descriptor");
	close(ro);
	look(copy, "its copy");
	close(copy);
	close(rw);
}

/* A mapping of the lower file stays what it was; one made after is coherent. */
static void mappings(const char *name)
{
	int ro = open(name, O_RDONLY), rw;
	char *before = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, ro, 0), *after;

	NEED(before != MAP_FAILED);
	look(ro, "lower");
	printf("  mapping of the lower %016llx\n", (unsigned long long)hash(before, SIZE));
	NEED((rw = open(name, O_RDWR)) >= 0);
	put(rw, 7);
	printf("  mapping of the lower, written %016llx\n", (unsigned long long)hash(before, SIZE));
	after = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
	NEED(after != MAP_FAILED);
	for (int round = 0; round < 20; round++) {
		/* stores and writes in the same pages, whole blocks among them */
		after[round * 4096 + 5] = (char)round;
		NEED(pwrite(rw, mem + round, 65536, (round + 1) * 4096) == 65536);
		after[round * 4096 + 4097] = (char)round;
		NEED(pwrite(rw, mem, 8192, (round + 3) * 4096) == 8192);
		look(rw, "written and stored");
	}
	printf("  mapping %016llx\n", (unsigned long long)hash(after, SIZE));
	say(msync(after, SIZE, MS_SYNC), "  msync");
	say(fsync(rw), "  fsync");
	munmap(after, SIZE);
	look(ro, "old descriptor");
	munmap(before, SIZE);
	close(ro);
	close(rw);
}

int main(int argc, char **argv)
{
	static void (*const steps[])(const char *) = { by_other, by_open, mappings };

	(void)argv;
	NEED(argc == 1);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	mem = fenced(1 << 20);
	for (size_t i = 0; i < COUNT(steps); i++) {
		char name[16];

		snprintf(name, sizeof(name), "lower%zu", i);
		printf("== %s\n", name);
		fill(mem, 300000, 77);
		steps[i](name);
		printf("in the end %016llx\n", (unsigned long long)file_hash(name));
	}
	return 0;
}

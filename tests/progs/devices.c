/*
 * devices: a block device that is switched to read-only and back while it is
 * open, and what memory of every skew gets from it.
 *
 *   devices readonly PATH
 *   devices skews PATH
 */
#include "transcript.h"
#include <linux/fs.h>
#include <sys/ioctl.h>

static char *mem;

static void writes(int fd, const char *when)
{
	static const size_t lens[] = { 512, 4096, 100, 65536, 70001 };

	for (size_t i = 0; i < COUNT(lens); i++)
		for (int skew = 0; skew < 8; skew += 7) {
			say(pwrite(fd, mem + skew, lens[i], (off_t)i * 131072 + skew * 100), "%s, pwrite %zu +%d", when, lens[i], skew);
			lseek(fd, 4096, SEEK_SET);
			say(write(fd, mem + skew, lens[i]), "%s, write", when);
			say(lseek(fd, 0, SEEK_CUR), "%s, offset", when);
			long r = pread(fd, mem + (1 << 20) + skew, lens[i], (off_t)i * 131072);
			printf("%s, read %ld %016llx\n", when, r, (unsigned long long)hash(mem + (1 << 20) + skew, lens[i]));
		}
	say(fsync(fd), "%s, fsync", when);
}

static void readonly(const char *path)
{
	int fd = open(path, O_RDWR), on = 1, off = 0;

	NEED(fd >= 0);
	writes(fd, "writable");
	NEED(ioctl(fd, BLKROSET, &on) == 0);
	writes(fd, "read-only");
	say(open(path, O_RDWR) >= 0 ? 1 : -1, "another open");
	NEED(ioctl(fd, BLKROSET, &off) == 0);
	writes(fd, "writable again");
	close(fd);
}

/* Every multiple of 512, and some others, as the address's place in its page. */
static void skews(const char *path)
{
	int fd = open(path, O_RDWR);

	NEED(fd >= 0);
	for (size_t skew = 0; skew < 8192; skew += skew % 512 ? 512 - skew % 512 : 100)
		for (size_t len = 4096; len <= 65536; len *= 2) {
			off_t off = (off_t)(skew * 37 % 256 * 4096);
			char *got = mem + (1 << 20) + skew;
			long w, r;

			fill(mem + skew, len, skew + len);
			w = pwrite(fd, mem + skew, len, off);
			memset(got, 0, len);
			r = pread(fd, got, len, off);
			bool raw = range_hash(fd, off, off + (off_t)len) == hash_more(1, mem + skew, len);
			printf("skew %zu, %zu: %ld %ld, same %d %d\n", skew, len, w, r, !memcmp(got, mem + skew, len), raw);
			if (memcmp(got, mem + skew, len))
				fprintf(stderr, "skew %zu, %zu bytes: wrong\n", skew, len);
		}
	say(fsync(fd), "fsync");
	close(fd);
}

int main(int argc, char **argv)
{
	NEED(argc == 3);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	mem = fenced(2 << 20);
	fill(mem, 1 << 20, 9);
	if (!strcmp(argv[1], "readonly"))
		readonly(argv[2]);
	else
		skews(argv[2]);
	return 0;
}

/*
 * misaligned: a store of blocks behind a header, with the two mistakes that
 * O_DIRECT punishes with EINVAL, on one machine and not on the next.
 *
 *   misaligned [OPTIONS] FILE        writes blocks, reads them back, compares
 *     --buffer=malloc|aligned   where a block lies in memory (default malloc: 16
 *                               bytes past what direct I/O wants)
 *     --header=BYTES            what stands before the first block (default 64): every
 *                               block begins so many bytes past a multiple of 4096
 *     --mended                  --buffer=aligned --header=4096
 *
 * Where there is no O_DIRECT the file is opened without it, as most programs
 * do, and tmpfs, where it was tested, takes any alignment: there all is well.
 * 512 instead of 64 is well on most disks, but not on those with sectors of 4096.
 *
 * Exit status: 0, 1 data or I/O, 2 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	4096
#define BLOCKS	64

static long header = 64;
static bool aligned;

/* Requests go on after an error, as in a program that counts its errors. */
static long failures, first_error;

static void done(bool good)
{
	if (good)
		return;
	if (failures++ == 0)
		first_error = errno;
}

static void write_header(int fd, char *memory)
{
	memset(memory, 0, BLOCK);
	memcpy(memory, "BLOCKS\n", 7);
	done(pwrite(fd, memory, (size_t)header, 0) == header);
}

static void write_block(int fd, char *block, long n)
{
	memset(block, 'a' + (int)(n % 26), BLOCK);
	done(pwrite(fd, block, BLOCK, header + n * BLOCK) == BLOCK);
}

static void read_block(int fd, char *block, long n)
{
	memset(block, 0, BLOCK);
	errno = EIO;	/* should it be short, or not what was written */
	done(pread(fd, block, BLOCK, header + n * BLOCK) == BLOCK &&
	     block[0] == 'a' + (int)(n % 26) && memcmp(block, block + 1, BLOCK - 1) == 0);
}

static bool report(const char *verb)
{
	if (failures)
		fprintf(stderr, "misaligned: %ld %s failed, the first with: %s\n", failures, verb,
			strerror((int)first_error));
	return failures == 0;
}

static bool use(int fd, char *block)
{
	write_header(fd, block);
	for (long n = 0; n < BLOCKS; n++)
		write_block(fd, block, n);
	if (!report("writes"))
		return false;
	for (long n = 0; n < BLOCKS; n++)
		read_block(fd, block, n);
	return report("reads");
}

static int open_direct(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0666);

	return fd < 0 && errno == EINVAL ? open(path, O_RDWR | O_CREAT | O_TRUNC, 0666) : fd;
}

static const char *parse(int argc, char **argv)
{
	const char *path = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--mended") == 0) {
			aligned = true;
			header = BLOCK;
		} else if (strcmp(argv[i], "--buffer=malloc") == 0) {
			aligned = false;
		} else if (strcmp(argv[i], "--buffer=aligned") == 0) {
			aligned = true;
		} else if (strncmp(argv[i], "--header=", 9) == 0) {
			header = strtol(argv[i] + 9, NULL, 10);
		} else if (*argv[i] != '-' && !path) {
			path = argv[i];
		} else {
			return NULL;
		}
	}
	return header >= 16 && header <= BLOCK ? path : NULL;
}

int main(int argc, char **argv)
{
	const char *path = parse(argc, argv);
	char *memory, *block;
	bool good;
	int fd;

	if (!path) {
		fprintf(stderr, "usage: misaligned [--mended | --buffer=malloc|aligned --header=16..4096] FILE\n");
		return 2;
	}
	/* So far from a block malloc puts what is large; what is small it puts anywhere. */
	memory = aligned_alloc(BLOCK, 2 * BLOCK);
	fd = open_direct(path);
	if (fd < 0 || !memory) {
		perror(path);
		return 1;
	}
	block = aligned ? memory : memory + 16;
	good = use(fd, block);
	close(fd);
	free(memory);
	if (good)
		printf("%d blocks written, read and compared\n", BLOCKS);
	return good ? 0 : 1;
}

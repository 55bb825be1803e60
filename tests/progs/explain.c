/*
 * explain: requests from functions that a report should name, on files it should
 * name; how many and how misaligned is known.
 *
 *   explain FOLDER      what was refused is said on stderr, by number
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 65536
#define NOINLINE __attribute__((noinline))

static char *frame;	/* a buffer pool's frame, 16 bytes above a page as malloc would have it */
static int refused;

NOINLINE void write_page(int fd, long n)
{
	refused += pwrite(fd, frame, PAGE, n * PAGE) != PAGE;	/* LINE write_page */
}

NOINLINE void flush_pages(int fd)
{
	for (long n = 0; n < 100; n++)
		write_page(fd, n);	/* LINE flush_pages */
	__asm__ volatile("");
}

NOINLINE void read_record(int fd, long n)
{
	char *record = frame - 16;	/* of a whole page: only the offset is off */

	refused += pread(fd, record, 4096, n * 4096 + 100) != 4096;	/* LINE read_record */
}

NOINLINE void append_log(int fd)
{
	char line[100];

	memset(line, 'x', sizeof(line));
	refused += write(fd, line, sizeof(line)) != sizeof(line);	/* LINE append_log */
}

NOINLINE void read_header(int fd)
{
	char *header = frame - 16;

	refused += pread(fd, header, 4096, 0) != 4096;	/* LINE read_header: as it should be */
}

static int open_in(const char *folder, const char *name, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, flags | O_CREAT, 0666);
	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : ".";
	int table = open_in(folder, "table", O_RDWR), log = open_in(folder, "log", O_WRONLY | O_APPEND);

	frame = (char *)aligned_alloc(4096, PAGE + 4096) + 16;
	memset(frame, 7, PAGE);
	if (ftruncate(table, 100 * PAGE) != 0)
		return 2;
	flush_pages(table);
	for (long n = 0; n < 50; n++) {
		read_record(table, n);
		append_log(log);
	}
	read_header(table);
	if (refused)
		fprintf(stderr, "refused %d\n", refused);
	return 0;
}

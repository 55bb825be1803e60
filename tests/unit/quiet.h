/*
 * quiet: files that nobody has changed for long, so that streams begin; what
 * is counted of these, and what they hold.
 */
#ifndef DIOSHIM_QUIET_H
#define DIOSHIM_QUIET_H

#include "faults.h"
#include "window.h"

#define CHUNK (64u << 10)	/* of the pool, as faults_main makes it */
#define EXPECT(cond) ((cond) ? (void)0 : wrong("not so (line %d): %s", __LINE__, #cond))

HELPER uint64_t counted(enum counter c)
{
	return book_now()->counters[c];
}

HELPER uint64_t moved(enum route route)
{
	return book_now()->routes[route].bytes;
}

HELPER unsigned held(void)
{
	unsigned n = 0;

	EACH_STREAM(st)
		n += (unsigned)st->a.chunks;
	return n;
}

/* The stream of the only file that has one. */
HELPER struct stream *only_stream(void)
{
	struct stream *found = NULL;

	EACH_STREAM(st)
		if (stream_word(st))
			found = st;
	return found;
}

HELPER void clock_start(void)
{
	disk_clock = (__typeof__(disk_clock)){
		.on = true, .now = 1700000000ll * CLOCK_S + 123456789, .tick = 4 * CLOCK_MS,
		.phase = 777, .grain = 1,
	};
}

/* Somebody else's write. */
HELPER void write_beside(int file, uint64_t off, size_t n)
{
	struct model *m = &model[file];

	model_salt += 131;
	for (size_t i = 0; i < n; i++)
		m->data[off + i] = (char)(((off + i) * 2654435761u >> 11) + model_salt);
	clock_stamp(m->probe);
	sys_kernel(SYS_pwrite64, m->probe, sys_ptr(m->data + off), (long)n, (long)off, 0, 0);
	if (off + n > m->size)
		m->size = off + n;
}

/* A file of so many bytes, last changed an hour ago; a descriptor of it, or -1. */
HELPER int quiet_file(int file, size_t size, int flags)
{
	int fd;

	if (!disk_clock.on)
		clock_start();
	fd = do_open(file, O_RDWR | O_CREAT | O_TRUNC);
	do_close(fd);
	write_beside(file, 0, size);
	disk_clock.now += 3600 * CLOCK_S;
	return do_open(file, flags);
}

/* The file's slot; not referenced: while the descriptor is open. */
HELPER struct file *slot_of_fd(int fd)
{
	struct file *f = file_acquire(fdtab_get(fd));

	if (f)
		file_release(f);
	return f;
}

/* Two reads that make a stream. */
HELPER void begin_stream(int fd, size_t n)
{
	do_read(fd, RW, n, HERE, 0, 0);
	do_read(fd, RW, n, HERE, 0, 0);
}

/* Sequential reads until end of file. */
HELPER void read_on(int fd, size_t n)
{
	while (do_read(fd, RW, n, HERE, n % 7, 0) > 0)
		;
}

#endif

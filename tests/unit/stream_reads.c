/*
 * What a program's requests look like that a stream serves: vectors, borders
 * of windows, the end of the file, odd places; and memory that is not there.
 */
#include "late.h"

#include <sys/mman.h>

#define SIZE ((1u << 20) + 4321)

/* ---- requests of every shape ----------------------------------------------------------- */

static const size_t lengths[] = { 1, 7, 511, 512, 513, 4095, 4096, 4097, 20000, 65536, 70001, 300000 };

#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void read_shape(int fd, enum how how, size_t n, size_t skew, size_t each)
{
	int64_t at = offset_of(fd);

	if (how == RW || how == RWV) {
		do_read(fd, how, n, HERE, skew, each);
		return;
	}
	do_read(fd, how, n, at, skew, each);
	do_seek(fd, at + (int64_t)n > (int64_t)SIZE ? (int64_t)SIZE : at + (int64_t)n);
}

/* Sequential requests from start on, of one kind, each length in turn. */
static void read_shapes(int fd, enum how how, int64_t start, size_t first, size_t skew, size_t each)
{
	do_seek(fd, start);
	for (size_t i = first; offset_of(fd) < (int64_t)SIZE; i++)
		read_shape(fd, how, lengths[i % LENGTHS], skew, each);
	do_read(fd, RW, 100, HERE, 0, 0);
}

static void shapes(void)
{
	static const size_t pieces[] = { ODD, BLOCKS, 513, 70000 };
	int fd;

	state_config.stream = 128u << 10;	/* two windows of 64 KiB: many requests are larger */
	fd = quiet_file(1, SIZE, O_RDONLY);
	for (size_t i = 0; i < LENGTHS; i++)
		for (enum how how = RW; how <= PRWV; how++) {
			late.eager = i % 2;
			read_shapes(fd, how, i % 3 == 0 ? 0 : i % 3 == 1 ? 512 : 12345, i,
				    i % 4 == 0 ? 0 : i * 77, pieces[i % 4]);
		}
	EXPECT(counted(COUNTER_streams) >= LENGTHS * 4);
	EXPECT(moved(ROUTE_staged) > LENGTHS * 4 * (SIZE / 2));
	do_close(fd);
}

/* Larger than all windows together, and over the end of the file. */
static void larger_than_all(void)
{
	int fd;

	state_config.stream = 64u << 10;
	for (int64_t from = 0; from < 2000; from += 999) {
		fd = quiet_file(1, SIZE, O_RDONLY);
		do_seek(fd, from);
		do_read(fd, RW, 4097, HERE, 0, 0);
		do_read(fd, RW, 400001, HERE, 1, 0);
		do_read(fd, RW, 1000, HERE, 1, 0);
		do_read(fd, RWV, SIZE, HERE, 1, ODD);
		do_read(fd, RW, 1000, HERE, 1, 0);
		EXPECT(held() == 0);
		do_close(fd);
	}
}

/* ---- memory that is not there --------------------------------------------------------------- */

#define ROOM (8 * 4096)

/*
 * A buffer of writable pages, then one that is not; the same request to the
 * kernel and to the shim: the same answer, and the same bytes in every page.
 */
static char *room;
static char theirs[ROOM];

static void same_as_kernel(int fd, char *at, size_t n, int64_t off, bool vector)
{
	struct iovec iov[3] = { { at, n / 3 }, { NULL, 0 }, { at + n / 3, n - n / 3 } };
	long want;
	ssize_t r;

	memset(room, 0x5a, ROOM);
	want = vector ? sys_kernel(SYS_preadv, model[1].probe, sys_ptr(iov), 3, off, 0, 0) :
			sys_kernel(SYS_pread64, model[1].probe, sys_ptr(at), (long)n, off, 0, 0);
	memcpy(theirs, room, ROOM);
	memset(room, 0x5a, ROOM);
	model_step++;
	errno = 0;
	r = vector ? preadv(fd, iov, 3, off) : pread(fd, at, n, off);
	if (r < 0)
		r = -errno;
	if (r != want)
		wrong("%zu bytes at %ld of the room: %zd, not %ld", n, (long)(at - room), r, want);
	for (long i = 0; r == want && i < ROOM; i++)
		if (room[i] != theirs[i]) {
			wrong("%zu bytes at %ld of the room (%zd): byte %ld of it is another", n,
			      (long)(at - room), r, i);
			break;
		}
}

/* Around the border to what cannot be written; and far behind it. */
static void around(int fd, char *border)
{
	for (long before = 0; before <= 20; before++)
		for (size_t n = 1; n <= 40; n += before < 10 ? 1 : 3) {
			same_as_kernel(fd, border - before, n, 70001, false);
			same_as_kernel(fd, border - before, n, 70001, true);
		}
	for (size_t n = 4000; n < 40000; n += 3997) {
		same_as_kernel(fd, border - 4096, n, 65536, false);
		same_as_kernel(fd, border - 4096 - 9, n, 70001, true);
		same_as_kernel(fd, border - 7 * 4096 + 1, n, 70001, false);
		same_as_kernel(fd, border + 3, n, 70001, false);
	}
}

/* What is there is served, up to the last byte of the last page. */
static void good_memory(int fd, char *border)
{
	const uint64_t before = moved(ROUTE_staged);
	uint64_t sum = 0;

	for (size_t n = 1; n < 9000; n = n < 70 ? n + 1 : n * 2) {
		same_as_kernel(fd, border - n, n, 70001, false);
		sum += n;
	}
	EXPECT(moved(ROUTE_staged) == before + sum);
}

static void bad_memory(void)
{
	char *m = mmap(NULL, ROOM + 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *border = m + ROOM;
	int fd = quiet_file(1, SIZE, O_RDONLY);

	room = m;
	do_read(fd, RW, 50000, HERE, 0, 0);
	do_read(fd, RW, 50000, HERE, 0, 0);
	mprotect(border, 16 * 4096, PROT_READ);
	around(fd, border);
	mprotect(border, 16 * 4096, PROT_NONE);
	around(fd, border);
	munmap(border, 16 * 4096);
	around(fd, border);
	for (size_t n = 1; n < 100000; n = n * 3 + 1)
		same_as_kernel(fd, NULL, n, 70001, false);
	EXPECT(counted(COUNTER_streams) == 1 && held() > 0);
	good_memory(fd, border);
	do_close(fd);
}

#define CASE(run_) { .name = #run_, .run = run_, .persona = late_kernel }

int main(void)
{
	static const struct scenario all[] = {
		CASE(shapes), CASE(larger_than_all), CASE(bad_memory),
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), 0);
}

/*
 * Streams where something goes wrong: reads ahead that fail, files that are
 * cut, descriptors that are lost, memory that is not there, forks.
 */
#include "late.h"

#include <sys/mman.h>

#define SIZE (1u << 20)
#define STEP 20000u

/* ---- asynchronous reads that are refused or fail -------------------------------------- */

static void no_contexts(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	late.setup = -EAGAIN;
	read_on(fd, STEP);
	EXPECT(moved(ROUTE_staged) >= SIZE - 2 * STEP && late.submits == 0);
	do_close(fd);
}

static void submit_refused(void)
{
	static const long err[] = { -EAGAIN, -EINVAL, -EPERM };

	for (int i = 0; i < 3; i++) {
		int fd = quiet_file(1, SIZE, O_RDONLY);
		uint64_t staged = moved(ROUTE_staged);

		late.submit = err[i];
		read_on(fd, STEP);
		EXPECT(moved(ROUTE_staged) >= staged + SIZE - 2 * STEP && late.submits == 0);
		do_close(fd);
	}
	late.submit = 0;
}

/* Completions that are never seen: the chunks stay taken, for the device may write there yet. */
static void events_lost(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);
	char *c[64];
	int n = 0;

	do_read(fd, RW, STEP, HERE, 0, 0);
	late.events = -EINVAL;
	fake_census->lost = true;
	do_read(fd, RW, STEP, HERE, 0, 0);
	do_read(fd, RW, STEP, HERE, 0, 0);
	late.events = 0;
	while (n < 64 && (c[n] = pool_get(1)))
		memset(c[n++], 0x77, CHUNK);
	EXPECT(n < 64 && late.n > 0);
	for (int i = 0; i < late.n; i++)
		if (!late.read[i].done)
			late_do(i);
	late.n = 0;
	while (n-- > 0) {
		EXPECT(c[n][0] == 0x77 && !memcmp(c[n], c[n] + 1, CHUNK - 1));
		pool_put(c[n]);
	}
	read_on(fd, STEP);
	do_close(fd);
	fd = quiet_file(2, SIZE, O_RDONLY);
	read_on(fd, STEP);
	EXPECT(counted(COUNTER_streams) > 1 && moved(ROUTE_staged) > SIZE - 2 * STEP);
	do_close(fd);
}

static void short_reads(void)
{
	static const long n[] = { 1, 511, 512, 4096, 20001, 65535 };

	for (int i = 0; i < 6; i++)
		for (int eager = 0; eager < 2; eager++) {
			int fd = quiet_file(1, SIZE, O_RDONLY);

			late.result = n[i];
			late.from = (uint64_t)i * 100000;
			late.eager = eager;
			read_on(fd, STEP);
			do_close(fd);
		}
	late.result = 0;
	EXPECT(moved(ROUTE_staged) > SIZE);
}

/*
 * A write-back that failed: the disk has the old bytes, so from then on the
 * page cache answers, and nothing asks the disk once more.
 */
static void failed_write_back(bool asynchronous, long err, uint64_t from)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);
	long reads, submits;

	late.eager = asynchronous;
	late.setup = asynchronous ? 0 : -EAGAIN;
	late.from = from;
	for (uint64_t at = 0; at < SIZE && !slot_of_fd(fd); at += STEP)
		do_read(fd, RW, STEP, HERE, 0, 0);
	late.result = asynchronous ? err : 0;
	late.now = asynchronous ? 0 : err;
	for (int i = 0; i < 40 && !slot_of_fd(fd)->learned; i++) {
		if (late.now && (uint64_t)i * STEP < from)
			late.now = 0;
		do_read(fd, RW, STEP, HERE, 0, 0);
		late.now = asynchronous ? 0 : err;
	}
	EXPECT(slot_of_fd(fd)->learned);
	reads = late.reads;
	submits = late.submits;
	read_on(fd, STEP);
	do_seek(fd, 0);
	read_on(fd, 4096);
	EXPECT(late.reads == reads && late.submits == submits);
	EXPECT(book_now()->reasons[REASON_learned].bytes > SIZE);
	late.result = late.now = late.setup = 0;
	do_close(fd);
}

static void write_back(bool asynchronous)
{
	static const long err[] = { -EIO, -ENOSPC, -EDQUOT, -EINVAL };

	for (int e = 0; e < 4; e++)
		for (uint64_t from = 0; from < 700000; from += 90000)
			failed_write_back(asynchronous, err[e], from);
}

static void write_back_async(void)	{ write_back(true); }
static void write_back_sync(void)	{ write_back(false); }

/* Of the request that met it, nothing more is asked of the disk either. */
static void failed_at_once(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	do_read(fd, RW, STEP, HERE, 0, 0);
	late.result = -EIO;
	late.reads = 0;
	do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(slot_of_fd(fd)->learned && late.reads == 0);
	late.result = 0;
	do_close(fd);
}

/* And it is known before anybody asks for those bytes. */
static void failed_ahead(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	late.result = -EIO;
	late.from = 4096 + CHUNK;
	do
		do_read(fd, RW, 4096, HERE, 0, 0);
	while (!slot_of_fd(fd)->learned && offset_of(fd) < SIZE);
	EXPECT(late.submits > 1 && slot_of_fd(fd)->learned);
	late.result = 0;
	do_close(fd);
}

/* ---- the file and its descriptors -------------------------------------------------------- */

static void set_size(int file, size_t size)
{
	clock_stamp(model[file].probe);
	sys_kernel(SYS_ftruncate, model[file].probe, (long)size, 0, 0, 0, 0);
	if (size > model[file].size)
		memset(model[file].data + model[file].size, 0, size - model[file].size);
	model[file].size = size;
}

/* Cut, or longer, between filling and serving. */
static void cut(void)
{
	static const size_t to[] = { 0, 1, STEP, 2 * STEP, 2 * STEP + 100, 3 * STEP - 1, 100000, SIZE + 9 };

	for (size_t i = 0; i < 8; i++)
		for (int eager = 0; eager < 2; eager++) {
			int fd = quiet_file(1, SIZE, O_RDONLY);
			uint64_t changed = counted(COUNTER_streams_changed);

			late.eager = eager;
			begin_stream(fd, STEP);
			set_size(1, to[i]);
			for (int k = 0; k < 4; k++)
				do_read(fd, RW, STEP, HERE, 0, 0);
			EXPECT(counted(COUNTER_streams_changed) == changed + (to[i] > 2 * STEP));
			set_size(1, SIZE);
			for (int k = 0; k < 20; k++)
				do_read(fd, PRW, STEP, (int64_t)STEP * k, 0, 0);
			do_close(fd);
		}
}

/* Somebody else's write after the filling: its bytes are what is read. */
static void changed(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY);

	begin_stream(fd, STEP);
	write_beside(1, 2 * STEP, 100);
	do_read(fd, RW, STEP, HERE, 0, 0);
	EXPECT(counted(COUNTER_streams_changed) == 1 && held() == 0);
	read_on(fd, STEP);
	EXPECT(counted(COUNTER_streams) == 1 && counted(COUNTER_streams_refused) > 0);
	do_close(fd);
}

/* Whatever part of its timestamp is another. */
static void changed_in_part(void)
{
	static const int64_t later[] = { 1, -1, CLOCK_S, -CLOCK_S, 1ll << 32, 256 * CLOCK_S };

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		int fd = quiet_file(1, SIZE, O_RDONLY);
		int64_t was;

		begin_stream(fd, STEP);
		was = disk_clock.file[0].ctime;
		write_beside(1, 2 * STEP, 100);
		disk_clock.file[0].ctime = was + later[i];
		do_read(fd, RW, STEP, HERE, 0, 0);
		EXPECT(counted(COUNTER_streams_changed) == i + 1);
		do_close(fd);
	}
}

/* The second descriptor was closed by somebody, and its number is another file. */
static void twin_lost(bool reused)
{
	int fd = quiet_file(1, SIZE, O_RDONLY), other = quiet_file(2, SIZE, O_RDONLY), twin;

	begin_stream(fd, STEP);
	twin = slot_of_fd(fd)->twin;
	sys_kernel(SYS_close, twin, 0, 0, 0, 0, 0);
	if (reused)
		sys_kernel(SYS_dup3, other, twin, 0, 0, 0, 0);
	read_on(fd, STEP);
	do_seek(fd, 0);
	read_on(fd, STEP);
	do_close(fd);
	if (reused)
		sys_kernel(SYS_close, twin, 0, 0, 0, 0, 0);
	do_close(other);
}

static void twin_closed(void)	{ twin_lost(false); }
static void twin_replaced(void)	{ twin_lost(true); }

/* Another file at the program's number, unseen; the same file opened anew. */
static void replaced(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY), other = quiet_file(2, SIZE, O_RDONLY);

	begin_stream(fd, STEP);
	sys_kernel(SYS_dup3, other, fd, 0, 0, 0, 0);
	owns(fd, 2);
	read_on(fd, STEP);
	do_close(other);
	do_close(fd);
	fd = quiet_file(1, SIZE, O_RDONLY);
	begin_stream(fd, STEP);
	do_close(fd);
	EXPECT(held() == 0);
	EXPECT(do_open(1, O_RDONLY) == fd);
	read_on(fd, STEP);
	do_close(fd);
}

/* ---- forks ------------------------------------------------------------------------------ */

extern pid_t _Fork(void) __attribute__((weak));

static pid_t by_clone(void)
{
	return (pid_t)sys_kernel(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
}

static void in_the_child(int fd)
{
	do_read(fd, PRW, STEP, 5 * STEP, 0, 0);
	EXPECT(held() == 0 && counted(COUNTER_streams) == 0);
	do_read(fd, PRW, STEP, 6 * STEP, 0, 0);
	do_read(fd, PRW, STEP, 7 * STEP, 0, 0);
	EXPECT(held() > 0 && counted(COUNTER_streams) == 1);
	EXPECT(moved(ROUTE_staged) == 2 * STEP);
	do_close(fd);
	EXPECT(held() == 0);
	check_ledger();
	leave(0);
}

static void forked_by(pid_t (*by)(void))
{
	int fd = quiet_file(1, SIZE, O_RDONLY), status = -1;
	uint64_t begun = counted(COUNTER_streams);
	pid_t pid;

	begin_stream(fd, STEP);
	EXPECT(held() > 0);
	pid = by();
	if (pid == 0)
		in_the_child(fd);
	waitpid(pid, &status, 0);
	EXPECT(status == 0 && held() > 0);
	read_on(fd, STEP);
	EXPECT(counted(COUNTER_streams) == begun + 1);
	EXPECT(moved(ROUTE_staged) > (begun + 1) * (SIZE / 2));
	check_ledger();
	do_close(fd);
}

static void forked(void)
{
	forked_by(fork);
	forked_by(_Fork ? _Fork : fork);
	forked_by(by_clone);
}

#define CASE(run_) { .name = #run_, .run = run_, .persona = late_kernel }

int main(void)
{
	static const struct scenario all[] = {
		CASE(no_contexts), CASE(submit_refused), CASE(events_lost), CASE(short_reads),
		CASE(write_back_async), CASE(write_back_sync), CASE(failed_at_once),
		CASE(failed_ahead), CASE(cut), CASE(changed), CASE(changed_in_part), CASE(twin_closed),
		CASE(twin_replaced), CASE(replaced), CASE(forked),
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), 0);
}

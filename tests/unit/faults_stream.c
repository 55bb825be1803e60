/*
 * The failure rule for what is read ahead of a sequential reader, by
 * asynchronous reads and by ordinary ones. The former are not the kernel's:
 * each of its contexts makes a case wait for tens of ms at its end.
 */
#include "late.h"

#define SIZE 260001u

static void need_staged(uint64_t n)
{
	if (!fake.nth && moved(ROUTE_staged) < n)
		wrong("only %llu bytes were staged", (unsigned long long)moved(ROUTE_staged));
}

static void sequence(int fd)
{
	if (fd < 0)
		return;
	for (int i = 0; i < 5; i++)
		do_read(fd, RW, 9000, HERE, (size_t)i, 0);
	do_read(fd, RWV, 70000, HERE, 5, ODD);
	do_read(fd, PRW, 5000, 115000, 5, 0);
	do_read(fd, RW, 512, HERE, 0, 0);
	do_read(fd, RW, 140000, HERE, 0, 0);
	do_read(fd, RW, 40000, HERE, 0, 0);
	do_read(fd, RW, 10, HERE, 0, 0);
	do_close(fd);
}

static void by_kernel(void)
{
	sequence(quiet_file(1, SIZE, O_RDONLY));
	need_staged(SIZE - 9000);
	if (!fake.nth && !fake_census->nrs[SYS_io_submit])
		wrong("nothing was read asynchronously");
}

static void asynchronous(void)
{
	disk_aio = late_kernel;
	by_kernel();
}

static void synchronous(void)
{
	ahead_async_after = UINT64_MAX;
	sequence(quiet_file(1, SIZE, O_RDONLY));
	need_staged(SIZE - 9000);
}

/* Others write and cut the file, the program goes elsewhere and comes back. */
static void changes(void)
{
	int fd = quiet_file(1, SIZE, O_RDWR);

	disk_aio = late_kernel;
	if (fd < 0)
		return;
	begin_stream(fd, 9000);
	write_beside(1, 20000, 700);
	do_read(fd, RW, 9000, HERE, 0, 0);
	disk_clock.now += 10 * CLOCK_S;
	do_seek(fd, 0);
	begin_stream(fd, 9000);
	do_write(fd, PRW, 9000, 20480, 0, 0);
	do_read(fd, RW, 9000, HERE, 1, 0);
	disk_clock.now += 10 * CLOCK_S;
	do_read(fd, RW, 9000, HERE, 1, 0);
	do_read(fd, RW, 9000, HERE, 1, 0);
	do_truncate(fd, 50000);
	do_read(fd, RW, 9000, HERE, 1, 0);
	do_seek(fd, 100);
	do_read(fd, RW, 9000, HERE, 1, 0);
	do_read(fd, RW, 60000, HERE, 1, 0);
	do_close(fd);
	need_staged(9000);
}

/* Two sequences and a pool that has room for one; then a number for another file. */
static void crowded(void)
{
	int fd, other;

	disk_aio = late_kernel;
	pool_configure(2 * CHUNK, CHUNK);
	fd = quiet_file(1, SIZE, O_RDONLY);
	other = quiet_file(2, SIZE, O_RDONLY);
	for (int64_t i = 0; fd >= 0 && other >= 0 && i < 3; i++) {
		do_read(fd, RW, 9000, HERE, 0, 0);
		do_read(fd, RW, 9000, HERE, 0, 0);
		do_read(other, RW, 30000, HERE, 3, 0);
	}
	if (fd >= 0 && other >= 0 && do_dup2(other, fd) >= 0)
		do_read(fd, RW, 30000, HERE, 0, 0);
	do_close(fd);
	do_close(other);
	need_staged(9000);
}

/* A child goes on reading where its parent is; it has no stream yet. */
static void forked(void)
{
	int fd = quiet_file(1, SIZE, O_RDONLY), status = -1;
	pid_t pid;

	disk_aio = late_kernel;
	if (fd < 0)
		return;
	begin_stream(fd, 9000);
	pid = fork();
	if (pid == 0) {
		do_read(fd, RW, 9000, HERE, 0, 0);
		do_read(fd, RW, 9000, HERE, 0, 0);
		do_read(fd, PRW, 9000, 36000, 0, 0);
		do_close(fd);
		leave(0);
	}
	waitpid(pid, &status, 0);
	if (status != 0)
		wrong("the child ended with %x", status);
	do_read(fd, RW, 9000, HERE, 0, 0);
	do_read(fd, RW, 9000, HERE, 0, 0);
	do_close(fd);
	need_staged(9000);
}

/* Before Linux 4.11. */
static bool no_statx(long nr, const long *a, long *answer)
{
	(void)a;
	*answer = -ENOSYS;
	return nr == SYS_statx;
}

int main(void)
{
	static const struct scenario all[] = {
		{ .name = "asynchronous", .run = asynchronous, .direct = 1 },
		{ .name = "synchronous", .run = synchronous, .direct = 1 },
		{ .name = "changes", .run = changes, .direct = 1 },
		{ .name = "crowded", .run = crowded, .direct = 1 },
		{ .name = "forked", .run = forked, .direct = 1 },
		{ .name = "no statx", .run = asynchronous, .persona = no_statx, .direct = 1 },
		{ .name = "by the kernel", .run = by_kernel, .direct = 1 },
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), sizeof(all) / sizeof(all[0]) - 2);
}

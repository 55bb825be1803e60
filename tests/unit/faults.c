/*
 * The failure rule: whatever the shim's own calls meet, the program sees what
 * its own descriptor gives, and the bytes are right. Reads and writes.
 */
#include "faults.h"

static void plain_file(void)
{
	int fd = do_open(1, O_RDWR | O_CREAT | O_TRUNC);

	if (fd < 0)
		return;
	do_write(fd, RW, 16384, HERE, 0, 0);
	do_write(fd, RW, 10001, HERE, 0, 0);
	do_write(fd, RW, 20480, HERE, 1, 0);
	do_write(fd, RW, 100, HERE, 3, 0);
	do_seek(fd, 0);
	do_read(fd, RW, 60000, HERE, 0, 0);
	do_read(fd, RW, 60000, HERE, 0, 0);
	do_read(fd, PRW, 8192, 4096, 0, 0);
	do_read(fd, PRW, 8292, 4000, 4000, 0);
	do_read(fd, PRW, 100, 4050, 7, 0);
	do_read(fd, PRW, 8192, 4096, 5, 0);
	do_write(fd, PRW, 8192, 8192, 0, 0);
	do_write(fd, PRW, 8193, 8190, 9, 0);
	do_write(fd, PRW, 300, 4000, 9, 0);
	do_truncate(fd, 5000);
	do_read(fd, PRW, 8192, 0, 0, 0);
	do_close(fd);
}

static void vectors(void)
{
	int fd = do_open(1, O_RDWR | O_CREAT | O_TRUNC);

	if (fd < 0)
		return;
	do_write(fd, RWV, 16384, HERE, 0, BLOCKS);
	do_write(fd, RWV, 13000, HERE, 0, ODD);
	do_write(fd, PRWV, 12288, 4096, 0, BLOCKS);
	do_write(fd, PRWV2, 12288, 4096, 1, 100);
	do_seek(fd, 0);
	do_read(fd, RWV, 12288, HERE, 0, BLOCKS);
	do_read(fd, RWV, 9000, HERE, 1, ODD);
	do_read(fd, RWV, 20000, HERE, 0, 100);
	do_read(fd, PRWV, 16384, 0, 0, 8192);
	do_read(fd, PRWV, 9000, 100, 100, WHOLE);
	do_read(fd, PRWV2, 16384, 4096, 0, BLOCKS);
	do_close(fd);
}

static void append(void)
{
	int fd = do_open(1, O_RDWR | O_CREAT | O_TRUNC | O_APPEND);

	if (fd < 0)
		return;
	do_write(fd, RW, 8192, HERE, 0, 0);
	do_write(fd, RW, 5000, HERE, 1, 0);
	do_write(fd, PRW, 5000, 0, 1, 0);
	do_fcntl(fd, F_SETFL, 0);
	do_write(fd, RW, 8192, HERE, 0, 0);
	do_fcntl(fd, F_SETFL, O_APPEND);
	do_write(fd, RWV, 8192, HERE, 0, BLOCKS);
	do_read(fd, PRW, 40000, 0, 0, 0);
	do_close(fd);
}

/* Misaligned and large: chunk after chunk, read ahead by kernel AIO. */
static void bounced(void)
{
	int fd = do_open(1, O_RDWR | O_CREAT | O_TRUNC);

	if (fd < 0)
		return;
	do_write(fd, RW, 200000, HERE, 1, 0);
	do_seek(fd, 13);
	do_read(fd, RW, 190000, HERE, 2, 0);
	do_read(fd, PRW, 300000, 4096, 3, 0);
	do_write(fd, PRW, 150000, 5000, 1, 0);
	do_read(fd, PRWV, 170000, 1, 0, ODD);
	if (!fake.nth && !fake_census->nrs[SYS_io_submit])
		wrong("nothing was read ahead");
	do_close(fd);
}

/* The program's own O_DIRECT, aligned or not. */
static void rescued(void)
{
	int fd = do_open(1, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT);

	if (fd < 0)
		return;
	do_write(fd, RW, 16384, HERE, 0, 0);
	do_write(fd, RW, 9001, HERE, 0, 0);
	do_write(fd, RW, 500, HERE, 1, 0);
	do_write(fd, PRW, 8192, 4096, 1, 0);
	do_write(fd, PRWV, 8192, 4096, 0, BLOCKS);
	do_seek(fd, 0);
	do_read(fd, RW, 8192, HERE, 0, 0);
	do_read(fd, RW, 5000, HERE, 0, 0);
	do_read(fd, RW, 30000, HERE, 1, 0);
	do_read(fd, PRW, 8192, 4096, 0, 0);
	do_read(fd, PRW, 100, 77, 1, 0);
	do_fcntl(fd, F_SETFL, O_DIRECT | O_APPEND);
	do_write(fd, RW, 777, HERE, 1, 0);
	do_write(fd, RW, 9000, HERE, 0, 0);
	do_fcntl(fd, F_SETFL, 0);
	do_write(fd, RW, 777, HERE, 1, 0);
	do_close(fd);
}

int main(void)
{
	static const struct scenario all[] = {
		{ .name = "plain file", .run = plain_file, .direct = 1 },
		{ .name = "vectors", .run = vectors, .direct = 1 },
		{ .name = "append", .run = append, .direct = 1 },
		{ .name = "bounced", .run = bounced, .direct = 1 },
		{ .name = "rescued", .run = rescued, .direct = 1 },
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), sizeof(all) / sizeof(all[0]));
}

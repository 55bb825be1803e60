/*
 * The failure rule, for all that is not reading and writing: descriptors that
 * come and go, forks, locks, mappings, copies.
 */
#include "copies.h"
#include "faults.h"

#define MAKE (O_RDWR | O_CREAT | O_TRUNC)

static void duplicates(void)
{
	int fd = do_open(1, MAKE), two, high;

	if (fd < 0)
		return;
	do_write(fd, RW, 8192, HERE, 0, 0);
	two = do_dup(fd);
	if (two >= 0)
		do_write(two, RW, 5000, HERE, 1, 0);
	high = do_fcntl(fd, F_DUPFD_CLOEXEC, 50);
	do_close(fd);
	if (high >= 0) {
		do_read(high, PRW, 9000, 1, 1, 0);
		if (two >= 0)
			do_dup2(high, two);
		do_write(high, RW, 4096, HERE, 0, 0);
	}
	if (two >= 0)
		do_read(two, PRW, 20000, 0, 0, 0);
	do_close(two);
	do_close(high);
}

/* dup2 over another file, and close_range. */
static void replaced(void)
{
	int a = do_open(1, MAKE), b = do_open(2, MAKE), r;

	if (a >= 0 && b >= 0) {
		do_write(a, RW, 12288, HERE, 0, 0);
		do_write(b, RW, 9000, HERE, 5, 0);
		if (do_dup2(a, b) >= 0)
			do_write(b, RW, 8192, HERE, 0, 0);
		do_read(a, PRW, 30000, 0, 0, 0);
		do_write(b, PRW, 8192, 4096, 1, 0);
	}
	if (a < 0 || b < 0)
		return;
	begin(SYS_close_range);
	r = close_range((unsigned)a, (unsigned)(a > b ? a : b), 0);
	judge("close_range", r, 0);
	if (r == 0)
		owns(a, 0);
	if (r == 0)
		owns(b, 0);
}

/* Descriptors that the shim did not see opened, and one closed behind its back. */
static void unseen(void)
{
	int fd = do_open(1, MAKE), other;

	if (fd < 0)
		return;
	do_write(fd, RW, 9000, HERE, 0, 0);
	do_read(fd, PRW, 9000, 0, 0, 0);
	path_of_file(2);
	sys_kernel(SYS_close, fd, 0, 0, 0, 0, 0);
	owns(fd, 0);
	other = (int)sys_kernel(SYS_openat, AT_FDCWD, sys_ptr(model[2].path), MAKE, 0600, 0, 0);
	if (other != fd)
		wrong("the number was not used again");
	owns(other, 2);
	do_write(other, RW, 20000, HERE, 0, 0);
	do_read(other, PRW, 20000, 0, 3, 0);
	do_close(other);
}

/* fdopen and fclose: libc closes. */
static void streams(void)
{
	int fd = do_open(1, MAKE), other;
	FILE *f;

	if (fd < 0)
		return;
	do_write(fd, RW, 12288, HERE, 0, 0);
	f = fdopen(fd, "r+");
	if (f && fclose(f) != 0)
		wrong("fclose");
	owns(fd, 0);
	other = do_open(1, O_RDWR);
	if (other >= 0)
		do_read(other, RW, 20000, HERE, 0, 0);
	do_close(other);
}

/* A child writes through the shared offset; the parent goes on behind it. */
static void forked(void)
{
	int fd = do_open(1, MAKE), status = -1;
	pid_t pid;

	if (fd < 0)
		return;
	do_write(fd, RW, 8192, HERE, 0, 0);
	pid = fork();
	if (pid == 0) {
		do_write(fd, RW, 8192, HERE, 0, 0);
		do_write(fd, RW, 5000, HERE, 1, 0);
		do_read(fd, PRW, 12288, 4096, 0, 0);
		do_close(fd);
		leave(0);
	}
	/* What it wrote is not known here: how far, the offset says. */
	waitpid(pid, &status, 0);
	if (status != 0)
		wrong("the child ended with %x", status);
	model[1].size = (size_t)sys_kernel(SYS_pread64, model[1].probe, sys_ptr(model[1].data),
					   MODEL_MAX, 0, 0, 0);
	if (!fake_census->fired && offset_of(fd) != (int64_t)model[1].size)
		wrong("the child left the offset at %lld", (long long)offset_of(fd));
	do_write(fd, RW, 9000, HERE, 0, 0);
	do_read(fd, PRW, 60000, 0, 0, 0);
	do_close(fd);
}

/* Is byte at of file 1 locked by this process? Asked on a descriptor that stays. */
static void locked(int64_t at, bool want)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	sys_kernel(SYS_fcntl, model[1].probe, F_OFD_GETLK, sys_ptr(&fl), 0, 0, 0);
	if ((fl.l_type != F_UNLCK) != want)
		wrong("byte %lld is %slocked", (long long)at, want ? "not " : "");
}

/* The second descriptor may not be closed while the program holds a lock. */
static void locks(void)
{
	int fd = do_open(1, MAKE), first, second;

	if (fd < 0)
		return;
	do_write(fd, RW, 8192, HERE, 0, 0);
	first = do_lock(fd, F_SETLK, F_WRLCK, 100, 10);
	locked(105, first == 0);
	do_write(fd, RW, 9000, HERE, 0, 0);
	/* Another kind of descriptor now: the twin goes, or is parked. */
	do_fcntl(fd, F_SETFL, O_DIRECT);
	do_read(fd, PRW, 8192, 0, 0, 0);
	if (!fake.nth && !locks_parked())
		wrong("nothing was parked");
	locked(105, first == 0);
	do_fcntl(fd, F_SETFL, 0);
	second = do_lock(fd, F_SETLKW, F_WRLCK, 200, 10);
	do_read(fd, PRW, 8192, 1, 0, 0);
	locked(105, first == 0);
	locked(205, second == 0);
	do_lock(fd, F_SETLK, F_UNLCK, 0, 0);
	do_read(fd, PRW, 8192, 0, 0, 0);
	do_close(fd);
	locked(105, false);
}

/* Stores through a mapping: from then on no write is direct. */
static void mappings(void)
{
	int fd = do_open(1, MAKE);
	char *at;

	if (fd < 0)
		return;
	do_write(fd, RW, 16384, HERE, 0, 0);
	begin(SYS_mmap);
	at = model[1].size < 16384 ? MAP_FAILED :
				     mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	judge("mmap", at == MAP_FAILED ? -1 : 0, model[1].size < 16384 ? -1 : 0);
	if (at != MAP_FAILED) {
		memset(at + 10, 'x', 5000);
		memset(model[1].data + 4096 + 10, 'x', 5000);
	}
	do_write(fd, PRW, 8192, 0, 0, 0);
	do_read(fd, PRW, 16384, 0, 0, 0);
	if (at != MAP_FAILED && memcmp(at, model[1].data + 4096, 8192) != 0)
		wrong("the mapping shows other bytes");
	if (at != MAP_FAILED)
		munmap(at, 8192);
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	begin(SYS_mprotect);
	if (at != MAP_FAILED && model[1].size >= 4096)
		judge("mprotect", mprotect(at, 4096, PROT_READ | PROT_WRITE), 0);
	do_write(fd, PRW, 12288, 0, 0, 0);
	do_close(fd);
}

static void copies(void)
{
	int in = do_open(1, MAKE), out = do_open(2, MAKE);

	if (in >= 0 && out >= 0) {
		do_write(in, RW, 140000, HERE, 0, 0);
		do_copy(in, 0, out, HERE, 140000, false);	/* reads ahead */
		do_copy(in, 100, out, 4196, 50000, false);	/* edges */
		do_copy(in, 100, out, 300, 9000, false);	/* skewed */
		do_seek(in, 0);
		do_copy(in, HERE, out, HERE, 90000, true);
		do_copy(in, 139999, out, HERE, 100, true);
		if (!fake.nth && !fake_census->nrs[SYS_io_submit])
			wrong("nothing was read ahead");
		do_copy(in, 200000, out, HERE, 100, true);
		do_read(out, PRW, 300000, 0, 0, 0);
	}
	do_close(in);
	do_close(out);
}

/* No number is left: ours make room. */
static void crowded(void)
{
	struct rlimit r, low;
	int fd = do_open(1, MAKE), more[24], n = 0;

	if (fd < 0)
		return;
	do_write(fd, RW, 8192, HERE, 0, 0);
	sys_kernel(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, sys_ptr(&r), 0, 0);
	low = (struct rlimit){ (rlim_t)fd + 12, r.rlim_max };
	sys_kernel(SYS_prlimit64, 0, RLIMIT_NOFILE, sys_ptr(&low), 0, 0, 0);
	while (n < 24 && (more[n] = dup(fd)) >= 0) {
		owns(more[n], 1);
		if (more[n] >= fd + 12)
			wrong("dup gave %d", more[n]);
		if (n % 4 == 0)
			do_read(more[n], PRW, 9000, 0, 0, 0);
		n++;
	}
	for (int k = 0; k < fd + 12 && !fake.fired; k++)
		if (fdtab_is_own(k) || sys_kernel(SYS_fcntl, k, F_GETFD, 0, 0, 0, 0) < 0)
			wrong("dup did not give %d", k);
	do_write(fd, RW, 8192, HERE, 0, 0);
	sys_kernel(SYS_prlimit64, 0, RLIMIT_NOFILE, sys_ptr(&r), 0, 0, 0);
	while (n > 0)
		do_close(more[--n]);
	do_read(fd, PRW, 20000, 0, 0, 0);
	do_close(fd);
}

int main(void)
{
	static const struct scenario all[] = {
		{ .name = "duplicates", .run = duplicates, .direct = 1 },
		{ .name = "replaced", .run = replaced, .direct = 1 },
		{ .name = "unseen", .run = unseen, .direct = 1 },
		{ .name = "streams", .run = streams, .direct = 1 },
		{ .name = "forked", .run = forked, .direct = 1 },
		{ .name = "locks", .run = locks, .direct = 1 },
		{ .name = "mappings", .run = mappings, .direct = 1 },
		{ .name = "copies", .run = copies, .direct = 1 },
		{ .name = "crowded", .run = crowded, .direct = 1 },
	};

	return faults_main(all, sizeof(all) / sizeof(all[0]), sizeof(all) / sizeof(all[0]));
}

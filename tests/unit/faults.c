/*
 * The failure rule: whatever the shim's own calls meet, the program sees what
 * its own descriptor gives, and the bytes are right. Every system call of
 * the shim goes through sys_call, so each can be failed here, one at a time.
 */
#include "fdtab.h"
#include "book.h"
#include "sys.h"
#include "tap.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define SIZE 300000

static struct {
	long nth;		/* fail the nth call from now on; 0: none */
	bool for_good;		/* and all after it */
	long err;		/* -errno, or a count to cut a transfer down to */
	bool direct_only;	/* only transfers on the shim's descriptor */
	long seen;
} fault;

static bool moves(long nr)
{
	return nr == SYS_pread64 || nr == SYS_pwrite64 || nr == SYS_preadv2 || nr == SYS_pwritev2 ||
	       nr == SYS_io_submit;
}

/* What the program itself asked for on its own descriptor is not ours to fail. */
static bool counts(long nr, long fd)
{
	if (nr == SYS_rt_sigprocmask || nr == SYS_getpid || nr == SYS_madvise || nr == SYS_lseek)
		return false;
	if (fault.direct_only)
		return moves(nr) && fdtab_is_own((int)fd);
	if (nr == SYS_read || nr == SYS_write || nr == SYS_close)
		return false;
	return !moves(nr) || fdtab_is_own((int)fd);
}

static long faulty(long nr, long a, long b, long c, long d, long e, long f)
{
	if (fault.nth && counts(nr, a)) {
		fault.seen++;
		if (fault.seen == fault.nth || (fault.for_good && fault.seen > fault.nth)) {
			if (fault.err < 0)
				return fault.err;
			if (nr == SYS_pread64 || nr == SYS_pwrite64)
				return sys_kernel(nr, a, b, c < fault.err ? c : fault.err, d, e, f);
		}
	}
	return sys_kernel(nr, a, b, c, d, e, f);
}

static char want[SIZE], got[SIZE + 8192] __attribute__((aligned(4096)));
static int dir_ok;

/*
 * Writes and reads a file in odd and in whole blocks; false where a result or
 * a byte is not what a plain program gets.
 */
static bool scenario(const char *path, size_t skew)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	bool good = fd >= 0;
	size_t at = 0;

	while (good && at < SIZE) {
		size_t n = at == 0 ? 65536 : SIZE - at < 50001 ? SIZE - at : 50001;

		memcpy(got + skew, want + at, n);
		good = write(fd, got + skew, n) == (ssize_t)n;
		at += n;
	}
	good = good && lseek(fd, 0, SEEK_CUR) == SIZE && lseek(fd, 0, SEEK_SET) == 0;
	memset(got, 0, sizeof(got));
	good = good && read(fd, got + skew, SIZE + 100) == SIZE && !memcmp(got + skew, want, SIZE);
	memset(got, 0, sizeof(got));
	good = good && pread(fd, got + skew, 8192, 4096) == 8192 && !memcmp(got + skew, want + 4096, 8192);
	good = good && pread(fd, got + skew, 100, 77777) == 100 && !memcmp(got + skew, want + 77777, 100);
	good = good && pwrite(fd, want + 8192, 8192, 8192) == 8192;
	good = good && fcntl(fd, F_GETFD) >= 0 && close(fd) == 0;

	/* Again, by the kernel alone. */
	fault.nth = 0;
	fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	memset(got, 0, sizeof(got));
	good = good && sys_pread(fd, got, SIZE + 1, 0) == SIZE && !memcmp(got, want, SIZE);
	sys_close(fd);
	return good;
}

static void try(const char *path, const char *what, long err, bool for_good, bool direct_only)
{
	long wrong = 0, last = 0;

	for (size_t skew = 0; skew <= 13; skew += 13)
		for (long n = 1; n < 400; n++) {
			fault.seen = 0;
			fault.err = err;
			fault.for_good = for_good;
			fault.direct_only = direct_only;
			fault.nth = n;
			if (!scenario(path, skew) && wrong++ < 3)
				diag("%s, call %ld, skew %zu: wrong", what, n, skew);
			last = fault.seen;
			if (fault.seen < n)
				break;
		}
	ok(wrong == 0 && last > 0, "%s%s: the program saw none of it", what, for_good ? ", for good" : "");
}

static uint64_t total(void)
{
	uint64_t sum = book_ledger->counters[COUNTER_not_transferred_bytes];

	for (int i = 0; i < ROUTES; i++)
		sum += book_ledger->routes[i].bytes;
	return sum;
}

int main(void)
{
	static const struct { const char *name; long err; } errors[] = {
		{ "EIO", -EIO }, { "EINVAL", -EINVAL }, { "EMFILE", -EMFILE },
		{ "ENOSYS", -ENOSYS }, { "EBADF", -EBADF },
	};
	const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : getenv("DIOSHIM_BUILD");
	char path[4096];
	uint64_t direct;

	snprintf(path, sizeof(path), "%s/faults.%d", dir ? dir : ".", (int)getpid());
	for (size_t i = 0; i < SIZE; i++)
		want[i] = (char)(i * 31 + i / 4093);
	sys_call = faulty;
	fault.nth = 0;
	dir_ok = scenario(path, 0);
	ok(dir_ok, "without a fault");
	direct = book_ledger->routes[ROUTE_zero_copy].bytes;
	if (direct == 0) {
		unlink(path);
		skip(1, "no direct I/O on the scratch file system");
		return done_testing();
	}
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s from a direct transfer", errors[i].name);
		try(path, name, errors[i].err, false, true);
		try(path, name, errors[i].err, true, true);
		snprintf(name, sizeof(name), "%s from any call of the shim", errors[i].name);
		try(path, name, errors[i].err, false, false);
		try(path, name, errors[i].err, true, false);
	}
	try(path, "a direct transfer cut to 512 bytes", 512, false, true);
	try(path, "every direct transfer cut to 4096 bytes", 4096, true, true);
	try(path, "a direct transfer that moves nothing", 0, false, true);
	ok(book_ledger->counters[COUNTER_asked_bytes] == total(), "and the ledger closes");
	ok(fdtab_next(0, FDTAB_TAG, FD_FILE) < 0, "no file is left in the table");
	unlink(path);
	return done_testing();
}

/*
 * faults: runs scenarios in children of their own, failing one call after
 * another, and looks afterwards at what is left: bytes, descriptors, the
 * table, chunks, slots, the ledger.
 *
 * A run of `make check` fails every call of every scenario once and for good,
 * with one errno each, and every place in the shim that makes calls with
 * every errno; FAULTS=all fails every call with every errno.
 */
#ifndef DIOSHIM_FAULTS_H
#define DIOSHIM_FAULTS_H

#include "ahead.h"
#include "left.h"
#include "tap.h"

#include <sys/wait.h>
#include <time.h>

#define CASE_LIMIT 20	/* seconds until a case counts as hanging */

static long faults_run, faults_fired, faults_wrong;
static long faults_runner;	/* process id */

/* ---- one case -------------------------------------------------------------------- */

static void arm(const struct scenario *s, const struct fault *fault)
{
	fake.nth = fault->nth;
	fake.nr = fault->nr;
	fake.site = fault->site;
	fake.for_good = fault->for_good;
	fake.transfers = fault->transfers;
	fake.answer = fault->answer;
	fake.persona = s->persona;
	fake.beside = beside;
	fake.armed = true;
	ahead_async_after = 0;	/* a scenario reads little: as if it had waited long */
}

static void in_child(const struct scenario *s, const struct fault *fault)
{
	const uint64_t mask = 1ull << (SIGUSR2 - 1);
	const int before = open_now();

	for (int i = 1; i <= MODEL_FILES; i++)
		if (disk_in_memory)
			sys_kernel(SYS_ftruncate, model[i].probe, 0, 0, 0, 0, 0);
	sys_kernel(SYS_rt_sigprocmask, SIG_SETMASK, sys_ptr(&mask), 0, 8, 0, 0);
	state_ready();
	book_now();
	arm(s, fault);
	s->run();
	fake.armed = false;
	check_all(s, fault, before);
	leave(0);
}

static void (*faults_child)(const struct scenario *s, const struct fault *fault) = in_child;

static void (*faults_after)(void);	/* each case */

static void wait_for_case(pid_t pid)
{
	struct timespec limit = { CASE_LIMIT, 0 };
	sigset_t child;
	int status = 0;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	if (sigtimedwait(&child, NULL, &limit) < 0 && waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, SIGKILL);
		snprintf(fake_census->wrong, sizeof(fake_census->wrong), "hangs");
	}
	if (waitpid(pid, &status, 0) == pid && status != 0 && !fake_census->wrong[0])
		snprintf(fake_census->wrong, sizeof(fake_census->wrong), "ended with status %x", status);
}

static void remove_files(void)
{
	for (int i = 1; i <= MODEL_FILES; i++) {
		path_of_file(i);
		if (!disk_in_memory)
			unlink(model[i].path);
	}
}

static void stopped(int sig)
{
	if (sys_kernel(SYS_getpid, 0, 0, 0, 0, 0, 0) == faults_runner) {
		remove_files();
		sys_kernel(SYS_unlinkat, AT_FDCWD, sys_ptr(model_folder), AT_REMOVEDIR, 0, 0, 0);
	}
	sys_kernel(SYS_exit_group, 128 + sig, 0, 0, 0, 0, 0);
}

static bool try(const struct scenario *s, const struct fault *fault)
{
	pid_t pid;

	memset(fake_census, 0, sizeof(*fake_census));
	pid = fork();
	if (pid == 0)
		faults_child(s, fault);
	wait_for_case(pid);
	if (faults_after)
		faults_after();
	remove_files();
	faults_run++;
	if (fake_census->fired)
		faults_fired++;
	if (!fake_census->wrong[0])
		return true;
	if (faults_wrong++ < 12)
		diag("%s: call %ld%s%s%s (number %ld) answered %ld%s: %s", s->name, fault->nth,
		     fault->nr ? " of its number" : "", fault->site ? " of its place" : "",
		     fault->transfers ? " of those that move bytes" : "", fake_census->fired_nr,
		     fault->answer, fault->for_good ? " for good" : "", fake_census->wrong);
	return false;
}

/* ---- all cases of a scenario ---------------------------------------------------------- */

static const long some_errors[] = {
	-EIO, -ENOMEM, -EINVAL, -EPERM, -ENOSYS, -EBADF, -EACCES, -EINTR, -EAGAIN,
	-EMFILE, -ENFILE, -ENOSPC, -EDQUOT, -EFBIG, -EOPNOTSUPP, -EFAULT, -ENOENT, -ENOLCK,
};
#define ERRORS (sizeof(some_errors) / sizeof(some_errors[0]))

/* What a kernel may say to such a call. 0 and ENOSYS, EPERM, ENOMEM: any, by a filter if not else. */
static bool plausible(long nr, long err, bool for_good)
{
	switch (err) {
	case -EINTR: case -EAGAIN:
		/* Not for ever: whoever asks again gets through. */
		if (nr == SYS_madvise || nr == SYS_io_getevents)
			return !for_good && !(nr == SYS_io_getevents && err == -EAGAIN);
		return disk_moves(nr) || nr == SYS_openat || nr == SYS_close || nr == SYS_io_submit ||
		       nr == SYS_io_setup || nr == SYS_fcntl;
	case -EMFILE: case -ENFILE:
		return nr == SYS_openat || nr == SYS_fcntl || nr == SYS_dup || nr == SYS_dup3;
	case -ENOSPC: case -EDQUOT: case -EFBIG:
		return disk_writes(nr) || nr == SYS_close || nr == SYS_fallocate ||
		       nr == SYS_copy_file_range || nr == SYS_sendfile || nr == SYS_openat;
	case -EACCES: case -ENOENT:
		return nr == SYS_openat || nr == SYS_readlinkat || nr == SYS_statx || nr == SYS_fcntl;
	case -ENOLCK:
		return nr == SYS_fcntl;
	case -EOPNOTSUPP: case -EFAULT:
		return disk_moves(nr) || nr == SYS_madvise || nr == SYS_cachestat || nr == SYS_fadvise64;
	case -EBADF:
		return nr != SYS_close && nr != SYS_statx;
	case -EINVAL: case -EIO:
		return true;
	default:
		return nr != SYS_close;
	}
}

static bool all_of_them(void)
{
	return getenv("FAULTS") && strcmp(getenv("FAULTS"), "all") == 0;
}

/* Every call, once and for good; whichever it is, with an errno that any call may give. */
static void fail_every_call(const struct scenario *s)
{
	static const long any[] = { -ENOMEM, -EIO, -EPERM, -EINVAL, -ENOSYS };

	for (size_t e = 0; e < (all_of_them() ? 5 : 1); e++)
		for (int for_good = 0; for_good <= 1; for_good++)
			for (long n = 1;; n++) {
				struct fault f = { .nth = n, .for_good = for_good,
						   .answer = any[((size_t)n + e) % 5] };

				try(s, &f);
				if (!fake_census->fired || n > 5000)
					break;
			}
}

/* Every place that makes calls, and every kind of call, with each errno it may meet. */
static void fail_every_place(const struct scenario *s, const struct fake_census *c)
{
	for (int i = 0; i < c->sites; i++)
		for (size_t e = 0; e < ERRORS; e++)
			for (unsigned n = 1; n <= (all_of_them() ? c->site[i].n : 1); n++) {
				struct fault f = { .nth = n, .site = c->site[i].site,
						   .nr = c->site[i].nr, .answer = some_errors[e] };

				if (!fake_never_once(f.nr) && plausible(f.nr, f.answer, false))
					try(s, &f);
			}
	for (long nr = 0; nr < FAKE_NRS; nr++)
		for (size_t e = 0; c->nrs[nr] && e < ERRORS; e++)
			for (unsigned n = 1; n <= (all_of_them() ? c->nrs[nr] : 1); n++) {
				struct fault f = { .nth = n, .nr = nr, .answer = some_errors[e],
						   .for_good = true };

				if (plausible(nr, f.answer, true))
					try(s, &f);
			}
}

/* Every transfer cut short; and all of them. */
static void cut_every_transfer(const struct scenario *s)
{
	static const long cut[] = { 1, 511, 512, 4096, 10000, 0 };
	const size_t cuts = sizeof(cut) / sizeof(cut[0]);

	for (size_t i = 0; i < cuts; i++) {
		struct fault f = { .nth = 1, .answer = cut[i], .for_good = true, .transfers = true };

		try(s, &f);
		f.nr = SYS_io_getevents;
		f.transfers = false;
		try(s, &f);
	}
	for (long n = 1, more = 1; more; n++) {
		more = 0;
		for (size_t i = 0; i < (all_of_them() ? cuts : 1); i++) {
			struct fault f = { .nth = n, .answer = cut[((size_t)n + i) % cuts],
					   .transfers = true };

			try(s, &f);
			more |= fake_census->fired;
		}
	}
}

/* As it is, and then with every call failed. */
static void torture(const struct scenario *s)
{
	struct fault none = { .answer = -EIO };
	struct fake_census plain;
	long run = faults_run, fired = faults_fired;

	faults_wrong = 0;
	if (!ok(try(s, &none), "%s, without a fault", s->name))
		return;
	plain = *fake_census;
	/* The calls that are never failed once have their numbers here too. */
	for (long nr = 0; nr < FAKE_NRS; nr++)
		if (fake_never_once(nr) && nr != SYS_nanosleep)
			plain.nrs[nr] = 1;
	fail_every_call(s);
	fail_every_place(s, &plain);
	cut_every_transfer(s);
	ok(faults_wrong == 0, "%s: %ld calls, %d places, %ld runs, %ld with a fault", s->name,
	   plain.seen, plain.sites, faults_run - run, faults_fired - fired);
	if (faults_wrong)
		diag("%ld of them were wrong", faults_wrong);
}

static bool direct_here(void)
{
	long fd;

	path_of_file(1);
	fd = sys_kernel(SYS_openat, AT_FDCWD, sys_ptr(model[1].path), O_RDWR | O_CREAT | O_DIRECT,
			0600, 0, 0);
	sys_kernel(SYS_close, fd, 0, 0, 0, 0, 0);
	remove_files();
	return fd >= 0;
}

/* The first n of all scenarios are tried with faults, the others only as they are. */
static int faults_main(const struct scenario *s, size_t all, size_t n)
{
	static const struct fault none = { .answer = -EIO };
	const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : getenv("DIOSHIM_BUILD");
	const char *only = getenv("FAULTS_ONLY");
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	faults_runner = getpid();
	signal(SIGTERM, stopped);
	signal(SIGINT, stopped);
	signal(SIGHUP, stopped);
	signal(SIGPIPE, stopped);
	snprintf(model_folder, sizeof(model_folder), "%s/faults.XXXXXX", folder ? folder : ".");
	if (!mkdtemp(model_folder) || !fake_install())
		skip_all("no scratch folder, or no memory");
	pool_configure(64 * (64u << 10), 64u << 10);
	remove_files();
	if (!disk_in_memory && !direct_here()) {
		rmdir(model_folder);
		skip_all("no direct I/O on the scratch file system");
	}
	for (size_t i = 0; i < all; i++) {
		if (only && strcmp(only, s[i].name) != 0)
			continue;
		if (i < n)
			torture(&s[i]);
		else
			ok(try(&s[i], &none), "%s", s[i].name);
	}
	remove_files();
	rmdir(model_folder);
	return done_testing();
}

#endif

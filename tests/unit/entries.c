/*
 * Wrapped symbols, called the ways programs rarely do: old glibc's missing
 * ones, the stand-ins while nothing is resolved, the shim's own numbers,
 * raw system calls, arguments without sense.
 */
#include "book.h"
#include "entry.h"
#include "file.h"
#include "locks.h"
#include "log.h"
#include "mapped.h"
#include "own.h"
#include "pool.h"
#include "tap.h"

#include <dirent.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#undef real

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t off, size_t room);

static char before[4096];	/* what the stand-ins did, before the shim was started */
static int stood_in = -1;

/* Before the shim's constructor: the table still holds the stand-ins. */
__attribute__((constructor(101))) static void early(void)
{
	const struct real *r = &real_table;
	int fd = r->open("/proc/self/cmdline", O_RDONLY, 0), null = r->open("/dev/null", O_WRONLY, 0);
	void *m = r->mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int bad = 0;

	bad += r->read(fd, before, sizeof(before)) <= 0;
	bad += r->fcntl(fd, F_GETFD, 0L) != 0;
	bad += r->write(null, before, 5) != 5;
	bad += m == MAP_FAILED;
	bad += r->syscall((long)SYS_getpid, 0L, 0L, 0L, 0L, 0L, 0L) != getpid();
	bad += r->close(fd) != 0 || r->close(null) != 0;
	errno = 0;
	bad += r->close(fd) != -1 || errno != EBADF;
	stood_in = bad;
}

/* ---- one call that fails ----------------------------------------------------------- */

static long failing;
static long answer;

static long fail(long nr, long a, long b, long c, long d, long e, long f)
{
	return nr == failing ? answer : sys_kernel(nr, a, b, c, d, e, f);
}

static void fail_with(long nr, long err)
{
	failing = nr;
	answer = err;
	sys_call = fail;
}

static void fail_nothing(void)
{
	sys_call = sys_kernel;
}

/* ---- children ------------------------------------------------------------------------ */

/* What run ends with: its status, or 1000 + the signal. */
static int child(void (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		run();
		_exit(77);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static char shell[] = "sh", option[] = "-c", script[] = "exit ${SAID:-9}", variable[] = "SAID=23";
static char *sh[] = { shell, option, script, NULL };
static char *said[] = { variable, NULL };

static void run_execle(void)
{
	execle("/bin/sh", "sh", "-c", "exit ${SAID:-9}", (char *)NULL, said);
}

static void run_execveat(void)
{
	execveat(AT_FDCWD, "/bin/sh", sh, said, 0);
}

static void run_syscall_execve(void)
{
	syscall(SYS_execve, "/bin/sh", sh, said);
}

static void run_old_execveat(void)
{
	real_table.execveat = NULL;
	_exit(execveat(AT_FDCWD, "/bin/sh", sh, said, 0) == -1 && errno == ENOSYS ? 23 : 1);
}

static void run_read_overflow(void)
{
	char b[8];

	freopen("/dev/null", "w", stderr);
	__read_chk(0, b, 9, 8);
}

static void run_pread_overflow(void)
{
	char b[8];

	freopen("/dev/null", "w", stderr);
	__pread_chk(0, b, 9, 0, 8);
}

/* closefrom where close_range is refused: the C library's own takes over. */
static void run_closefrom(void)
{
	int fd = dup(1);

	fail_with(SYS_close_range, -ENOSYS);
	closefrom(fd);
	_exit(sys_kernel(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) == -EBADF ? 23 : 1);
}

static void run_strict(void)
{
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);	/* killed here, by no call of ours */
}

static void processes(void)
{
	is_int(child(run_execle), 23, "execle hands on its environment");
	is_int(child(run_execveat), 23, "execveat");
	is_int(child(run_syscall_execve), 23, "syscall(SYS_execve)");
	is_int(child(run_old_execveat), 23, "execveat where glibc has none: ENOSYS");
	is_int(child(run_read_overflow), 1000 + SIGABRT, "__read_chk stops an overflow");
	is_int(child(run_pread_overflow), 1000 + SIGABRT, "__pread_chk");
	is_int(child(run_closefrom), 23, "closefrom without close_range");
	is_int(child(run_strict), 1000 + SIGKILL, "seccomp twice");
	ok(execve("/does/not/exist", sh, NULL) == -1 && errno == ENOENT, "exec without an environment");
}

/* ---- raw calls ------------------------------------------------------------------------- */

static void raw(void)
{
	int fd = (int)syscall(SYS_dup, 1), other;

	ok(fd > 2, "syscall(SYS_dup)");
	is_int(syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC), 0, "syscall(SYS_fcntl)");
	is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "and it was");
	other = fd + 1;
#ifdef SYS_dup2
	is_int(syscall(SYS_dup2, fd, other), other, "syscall(SYS_dup2)");
#else
	is_int(syscall(SYS_dup3, fd, other, 0), other, "syscall(SYS_dup3)");
#endif
	is_int(syscall(SYS_dup3, fd, other, O_CLOEXEC), other, "syscall(SYS_dup3)");
	is_int(syscall(SYS_close_range, fd, other, 0), 0, "syscall(SYS_close_range)");
	ok(fcntl(fd, F_GETFD) == -1 && fcntl(other, F_GETFD) == -1, "both are closed");
	is_int(syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
	       "syscall(SYS_prctl)");
	ok(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL) == -1 && state_ready(),
	   "a question to seccomp switches nothing off");
	ok(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && state_ready(),
	   "nor does a filter that is refused");
}

/* ---- numbers of the shim, and none ------------------------------------------------------- */

static void numbers(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int own = own_proc;

	ok(own > 2, "a descriptor of the shim");
	ok(lockf(own, F_TEST, 0) == -1 && errno == EBADF, "lockf on it");
	ok(mmap(NULL, 4096, PROT_READ, MAP_SHARED, own, 0) == MAP_FAILED && errno == EBADF, "mmap of it");
	errno = 0;
	ok(!fdopen(own, "r") && errno == EBADF, "fdopen of it");
	errno = 0;
	ok(!fdopendir(own) && errno == EBADF, "fdopendir of it");
	ok(fcntl(own, F_GETFD) == -1 && errno == EBADF, "fcntl on it");
	ok(dup(own) == -1 && dup2(own, 500) == -1 && close(own) == -1 && errno == EBADF, "dup, dup2, close");
	ok(fcntl(-1, F_SETLK, &fl) == -1 && errno == EBADF, "a lock on no descriptor");
	ok(fcntl(-1, F_SETLKW, &fl) == -1 && errno == EBADF, "one that would wait");
	ok(lockf(-1, F_LOCK, 0) == -1 && errno == EBADF, "lockf on no descriptor");
	ok(fcntl(0, F_SETLK, NULL) == -1, "no lock at all");
	ok(sys_kernel(SYS_fcntl, own, F_GETFD, 0, 0, 0, 0) == FD_CLOEXEC, "and ours is still there");
	is_int(file_word_of_dup(own) != 0, 0, "nothing is said of its duplicates");
	file_drop(own);
	ok(fdtab_is_own(own), "nor is it dropped for a file of the program's");
}

/* A folder's descriptor that was looked at, then given to fdopendir: forgotten. */
static void folders(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY);
	char c;
	DIR *d;

	ok(read(fd, &c, 1) == -1 && errno == EISDIR, "read of a folder");
	d = fdopendir(fd);
	ok(d && fdtab_get(fd) == 0, "what fdopendir takes is forgotten");
	if (d)
		closedir(d);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void own_held(int fd)
{
	ok(fd == 7, "a held descriptor is named");
}

static void refusals(void)
{
	char text[64];
	int fd;

	snprintf(text, sizeof(text), "%d:7", (int)getpid());
	ok(own_inherit(text, own_held), "of this process");
	ok(!own_inherit("1:8", own_held), "not of another");
	ok(!own_inherit("x", own_held), "nor is a text without sense");
	snprintf(text, sizeof(text), "%d:7 8", (int)getpid());
	ok(own_inherit(text, own_held), "sense up to a point");

	pool_forget();
	fail_with(SYS_madvise, -EINVAL);
	ok(!pool_get(1), "no pool whose pages a fork child would share");
	fail_with(SYS_mmap, -ENOMEM);
	ok(!pool_get(1), "nor one without memory");
	fail_nothing();
	ok(pool_get(1) != NULL, "asked again, there is one");

	fd = fileno(tmpfile());
	fail_with(SYS_fstat, -EIO);
	is_int(lockf(fd, F_TLOCK, 1), 0, "lockf where fstat is refused");
	is_int(lockf(fd, F_TEST, 1), 0, "lockf that only asks");
	fail_nothing();
	is_int(lockf(fd, F_LOCK, 1), 0, "lockf that may wait");
	is_int(lockf(fd, F_ULOCK, 1), 0, "and back");
	close(fd);

	real_table.close_range = NULL;
	is_int(close_range(900, 901, 4 /* CLOSE_RANGE_CLOEXEC */), 0, "close_range where glibc has none");
	ok(close_range(901, 900, 0) == -1 && errno == EINVAL, "and with no range");
}

/* More shared mappings than there is room for: every inode counts as mapped. */
static void many_mappings(void)
{
	ok(!mapped_is(9, 5000), "an inode that is not mapped");
	for (uint64_t i = 0; i < 1500; i++)
		mapped_mark(8, i);
	ok(mapped_is(9, 5000), "past 1024 mapped inodes all are");
}

/* 4096 slots, then none. */
static void all_slots(void)
{
	static struct file *f[FILE_SLOTS];
	int n = 0;

	while (n < FILE_SLOTS && (f[n] = file_new()))
		n++;
	ok(n > FILE_SLOTS - 16 && !file_new(), "%d slots, then none", n);
	for (int i = 0; i < n; i++) {
		f[i]->refs = 1;
		file_release(f[i]);
	}
	f[0] = file_new();
	ok(f[0] != NULL, "given back, they are there again");
	ok(!file_acquire(fdtab_file(FILE_SLOTS, 1, false)), "no file beyond them");
	f[0]->refs = 1;
	ok(!file_acquire(fdtab_file(0, f[0]->generation + 1, false)), "nor of another generation");
}

/* ---- the log ----------------------------------------------------------------------------------- */

static void logs(void)
{
	int p[2], old = dup(2);
	char text[256];
	ssize_t n;

	if (pipe(p) != 0)
		return;
	dup2(p[1], 2);
	log_bad_value("DIOSHIM_POOL", "much");
	dup2(old, 2);
	close(p[1]);
	n = read(p[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	is_str(text, "dioshim: DIOSHIM_POOL: bad value \"much\", using the default\n", "a bad value is said");
	close(p[0]);

	/* Into a pipe that nobody reads: no signal comes of it. */
	own_stderr = -1;
	log_report("-");
	if (pipe(p) != 0)
		return;
	close(p[0]);
	own_stderr = p[1];
	sigset_t all, none;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &none);
	log_report("-");
	sigpending(&all);
	ok(!sigismember(&all, SIGPIPE), "a log that nobody reads leaves no SIGPIPE");
	sigprocmask(SIG_SETMASK, &none, NULL);
	own_stderr = -1;
	close(p[1]);
	close(old);
}

int main(void)
{
	is_int(stood_in, 0, "the stand-ins of the first moment");
	ok(state_ready(), "then the shim is there");
	processes();
	raw();
	numbers();
	folders();
	refusals();
	all_slots();
	logs();
	many_mappings();
	return done_testing();
}

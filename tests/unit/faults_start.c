/*
 * The failure rule at both ends of a process: every call that the shim makes
 * as it starts, around forks and execs, and for its last words. Each case is
 * this program, started anew with the fault set before the shim's constructor.
 */
#include "faults.h"

#include <dirent.h>
#include <sys/prctl.h>

#define ASKED "FAULTS_CASE"	/* nth for_good answer nr site transfers census */

extern pid_t _Fork(void) __attribute__((weak));

static struct fault asked;
static int before_start;
static struct scenario start;

/* A fork that no handler of the C library sees, where it has one. */
static pid_t fork_unseen(void)
{
	return _Fork ? _Fork() : fork();
}

static void in_a_child(int fd, pid_t (*by)(void), bool quick)
{
	int status = -1;
	pid_t pid = by();

	if (pid == 0) {
		do_write(fd, PRW, 9000, 4096, 1, 0);
		do_read(fd, PRW, 9000, 4096, 0, 0);
		do_close(fd);
		if (quick)
			_exit(7);
		exit(7);
	}
	waitpid(pid, &status, 0);
	if (status != 7 << 8)
		wrong("the child ended with %x", status);
	/* What it wrote is known to it alone. */
	model[1].size = (size_t)sys_kernel(SYS_pread64, model[1].probe, sys_ptr(model[1].data),
					   MODEL_MAX, 0, 0, 0);
}

static void life(void)
{
	static char *const argv[] = { NULL };
	int fd = do_open(1, O_RDWR | O_CREAT | O_TRUNC), r;

	if (fd < 0)
		return;
	do_write(fd, RW, 65536, HERE, 0, 0);
	do_read(fd, PRW, 20000, 0, 1, 0);
	in_a_child(fd, fork, true);
	in_a_child(fd, fork_unseen, false);
	do_lock(fd, F_SETLK, F_WRLCK, 0, 100);
	begin(SYS_execve);
	execve("/nonexistent/program", argv, argv);
	if (errno != ENOENT)
		wrong("execve: errno %d", errno);
	for (int n = 0; (n = fdtab_next(n, FDTAB_TAG, FD_OWN)) >= 0; n++)
		if (!fake.fired && sys_kernel(SYS_fcntl, n, F_GETFD, 0, 0, 0, 0) != FD_CLOEXEC)
			wrong("%d would be inherited by the next program", n);
	begin(SYS_prctl);
	r = prctl(PR_SET_SECCOMP, 77, 0, 0, 0);
	if (r != -1 || errno != EINVAL)
		wrong("prctl: errno %d", errno);
	do_write(fd, PRW, 20000, 100, 0, 0);
	do_close(fd);
}

/* Before the shim's own constructor: what it does first can fail. */
static __attribute__((constructor(101))) void early(void)
{
	const uint64_t mask = 1ull << (SIGUSR2 - 1);
	const char *text = getenv(ASKED);
	int census, good, transfers;

	if (!text)
		return;
	if (sscanf(text, "%ld %d %ld %ld %ld %d %d", &asked.nth, &good, &asked.answer, &asked.nr,
		   &asked.site, &transfers, &census) != 7 || !fake_share(census))
		_Exit(99);
	asked.for_good = good;
	asked.transfers = transfers;
	unsetenv(ASKED);
	if (getenv("DIOSHIM_DIR"))
		snprintf(model_folder, sizeof(model_folder), "%s", getenv("DIOSHIM_DIR"));
	disk_start();
	for (int i = 1; i <= MODEL_FILES; i++)
		path_of_file(i);
	sys_kernel(SYS_rt_sigprocmask, SIG_SETMASK, sys_ptr(&mask), 0, 8, 0, 0);
	before_start = open_now();
	sys_call = fake_call;
	arm(&start, &asked);
}

static void exec_child(const struct scenario *s, const struct fault *f)
{
	static char text[200];
	static char name[] = "unit_faults_start", log[300];
	char *argv[] = { name, NULL };
	int null = open("/dev/null", O_WRONLY);

	snprintf(text, sizeof(text), "%ld %d %ld %ld %ld %d %d", f->nth, f->for_good, f->answer, f->nr,
		 f->site, f->transfers, fake_census_fd);
	setenv(ASKED, text, 1);
	setenv("DIOSHIM_DIR", model_folder, 1);
	snprintf(log, sizeof(log), "%s/log.%%p", model_folder);
	setenv("DIOSHIM_LOG", s->direct ? "-" : log, 1);
	dup2(null, 2);
	close(null);
	setenv("DIOSHIM_POOL", "4M", 1);
	setenv("DIOSHIM_CHUNK", "64K", 1);
	sys_kernel(SYS_fcntl, fake_census_fd, F_SETFD, 0, 0, 0, 0);
	sys_kernel(SYS_execve, sys_ptr("/proc/self/exe"), sys_ptr(argv), sys_ptr(environ), 0, 0, 0);
	wrong("exec");
	leave(98);
}

/* The started program. Its end has faults too. */
static int be_the_case(void)
{
	life();
	fake.armed = false;
	check_all(&start, &asked, before_start);
	sys_call = fake_call;
	fake.armed = true;
	return 0;
}

/* A ledger that a process left: whole, and closed; or empty, where it could not be made. */
static void check_ledger_file(const char *name)
{
	static struct ledger l;
	long fd = sys_kernel(SYS_openat, AT_FDCWD, sys_ptr(name), O_RDONLY, 0, 0, 0);
	long n = sys_kernel(SYS_read, fd, sys_ptr(&l), sizeof(l), 0, 0, 0);
	uint64_t moved = l.counters[COUNTER_not_transferred_bytes];

	sys_kernel(SYS_close, fd, 0, 0, 0, 0, 0);
	if (n == 0 || !l.magic[0])
		return;
	for (int i = 0; i < ROUTES; i++)
		moved += l.routes[i].bytes;
	if (n != sizeof(l) || memcmp(l.magic, LEDGER_MAGIC, 8) != 0)
		wrong("a ledger of %ld bytes", n);
	else if (moved != l.counters[COUNTER_asked_bytes])
		wrong("a ledger that does not close");
	else if (l.witness.readings && (l.witness.rchar - l.witness.rchar0 < l.witness.seen_rchar ||
					l.witness.wchar - l.witness.wchar0 < l.witness.seen_wchar))
		wrong("a ledger that saw more than there was: read %llu of %llu, written %llu of %llu",
		      (unsigned long long)l.witness.seen_rchar,
		      (unsigned long long)(l.witness.rchar - l.witness.rchar0),
		      (unsigned long long)l.witness.seen_wchar,
		      (unsigned long long)(l.witness.wchar - l.witness.wchar0));
}

static void check_ledgers(void)
{
	DIR *folder = opendir(model_folder);
	struct dirent *e;
	char name[600];
	int n = 0;

	while (folder && (e = readdir(folder))) {
		snprintf(name, sizeof(name), "%s/%s", model_folder, e->d_name);
		if (strncmp(e->d_name, "dioshim.", 8) == 0 && ++n)
			check_ledger_file(name);
		if (e->d_name[0] != '.' && e->d_type == DT_REG)
			unlink(name);
	}
	closedir(folder);
	if (!fake_census->fired && n != 3)
		wrong("%d ledgers", n);
}

int main(void)
{
	static const struct scenario all[] = {
		{ .name = "a life, its report to standard error", .run = life, .direct = 1 },
		{ .name = "a life, its report to a file", .run = life },
	};

	if (fake_census)
		return be_the_case();
	faults_child = exec_child;
	faults_after = check_ledgers;
	return faults_main(all, 2, 2);
}

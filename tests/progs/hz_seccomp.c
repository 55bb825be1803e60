/*
 * hz_seccomp: programs that lock themselves in after some I/O: one system
 * call more than the program's own is death.
 */
#include "transcript.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

static char *buf;

#define ALLOW(n) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (n), 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define ANSWER(n, action) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (n), 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, (action))
#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

/* Only these; anything else ends with `action`. */
static void filter(unsigned action, int how)
{
	struct sock_filter f[] = {
		NUMBER, ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_pread64), ALLOW(SYS_pwrite64),
		ALLOW(SYS_exit), ALLOW(SYS_exit_group), ALLOW(SYS_rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, action),
	};
	struct sock_fprog p = { COUNT(f), f };

	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (how == 0)
		NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0);
	else
		NEED(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, how == 2 ? SECCOMP_FILTER_FLAG_TSYNC : 0, &p) == 0);
}

static void report(const char *what, long a, long b, long c)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s: %ld %ld %ld %016llx\n", what, a, b, c,
			 (unsigned long long)hash(buf, 16384));

	(void)!write(1, line, (size_t)n);
}

/* I/O before, so that files are routed; then only what is allowed. */
static void locked_in(int how, unsigned action)
{
	make_file("A", 40000, 1);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		int a = open("A", O_RDWR), never = open("A", O_RDWR);

		long r1 = pread(a, buf, 8192, 0), r2 = pwrite(a, buf + 1, 8192, 8192), r3 = read(a, buf, 5000);
		report("before", r1, r2, r3);
		if (how == 9) {
			NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
			r1 = read(a, buf + 1, 4096);
			r2 = write(a, buf, 4096);
			r3 = read(never, buf, 3000);
			report("strict", r1, r2, r3);
		} else if (how == 8) {
			NEED(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
			r1 = read(a, buf, 4096);
			r2 = write(a, buf + 1, 4096);
			r3 = write(never, buf, 3000);
			report("strict by seccomp()", r1, r2, r3);
		} else {
			filter(action, how);
			r1 = pread(a, buf + 1, 8192, 512);
			r2 = pwrite(never, buf, 4096, 4096);
			r3 = write(a, buf, 4096);
			report("filtered", r1, r2, r3);
			r1 = pwrite(a, NULL, 0, 0);
			r2 = read(99, buf, 10);
			r3 = pread(a, buf + 3, 50000, 0);
			report("filtered", r1, r2, r3);
		}
		syscall(SYS_exit, 3);
	}
	say_child("locked in", pid);
	say_file("A");
}

static void strict(void)
{
	locked_in(9, 0);
	locked_in(8, 0);
}

static void filtered(void)
{
	for (int how = 0; how < 3; how++) {
		locked_in(how, SECCOMP_RET_KILL_PROCESS);
		locked_in(how, SECCOMP_RET_ERRNO | EPERM);
		locked_in(how, SECCOMP_RET_TRAP);
	}
}

/* Another thread does I/O when all threads are locked in. */
static int ready, go, the_fd;

static void *other(void *arg)
{
	static char mine[9000];

	(void)arg;
	(void)!pread(the_fd, mine, sizeof(mine), 1);
	__atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&go, __ATOMIC_SEQ_CST))
		;
	long r = pread(the_fd, mine, sizeof(mine), 1);
	_exit(r == sizeof(mine) ? 0 : 1);
}

static void threads(void)
{
	make_file("A", 40000, 1);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		pthread_t t;

		the_fd = open("A", O_RDWR);
		NEED(pthread_create(&t, NULL, other, NULL) == 0);
		while (!__atomic_load_n(&ready, __ATOMIC_SEQ_CST))
			;
		filter(SECCOMP_RET_KILL_PROCESS, 2);
		__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
		for (;;)
			;
	}
	say_child("threads", pid);
}

/* A container that refuses what is newer, or unusual, with an error. */
static void refusing(void)
{
	static const int errors[] = { EPERM, ENOSYS };

	for (size_t i = 0; i < COUNT(errors); i++) {
		unsigned no = SECCOMP_RET_ERRNO | (unsigned)errors[i];
		struct sock_filter f[] = {
			NUMBER, ANSWER(SYS_statx, no), ANSWER(451, no) /* cachestat */, ANSWER(SYS_io_setup, no),
			ANSWER(SYS_io_submit, no), ANSWER(SYS_io_getevents, no), ANSWER(SYS_ioctl, no), ANSWER(SYS_madvise, no),
			ANSWER(SYS_fadvise64, no), ANSWER(SYS_openat2, no), ANSWER(SYS_memfd_create, no), ANSWER(SYS_msync, no),
			ANSWER(SYS_process_vm_readv, no), ANSWER(SYS_fstatfs, no), ANSWER(SYS_readlinkat, no),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog p = { COUNT(f), f };

		for (int before = 0; before < 2; before++) {
			fflush(stdout);
			make_file("A", 40000, 1);
			pid_t pid = fork();
			if (!pid) {
				NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
				NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) == 0);
				if (before)
					execl("/proc/self/exe", "hz_seccomp", "worker", NULL);
				int a = open("A", O_RDWR);
				long r1 = pread(a, buf + 1, 8192, 5), r2 = pwrite(a, buf, 8192, 4096), r3 = read(a, buf, 8192);
				report("refusing", r1, r2, r3);
				_exit(before);
			}
			say_child("refusing", pid);
			say_file("A");
		}
	}
}

static int worker(void)
{
	static void *volatile none;	/* unknown to the compiler */
	int a = open("A", O_RDWR);
	long r1 = pread(a, buf + 1, 8192, 5), r2 = pwrite(a, buf, 8192, 4096), r3 = read(a, none, 100);

	report("worker", r1, r2, r3);
	r1 = write(a, buf + 3, 30000);
	r2 = close(a);
	report("worker", r1, r2, open("A", O_RDONLY));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "strict", strict }, { "filtered", filtered }, { "threads", threads }, { "refusing", refusing },
	};

	buf = fenced(65536);
	if (argc == 2 && !strcmp(argv[1], "worker"))
		return worker();
	return run_steps(steps, COUNT(steps), argc, argv);
}

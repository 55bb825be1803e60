#include "spawn.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const int forwarded[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGABRT,
	SIGTSTP, SIGCONT, SIGWINCH,
};

enum { FORWARDED = sizeof(forwarded) / sizeof(forwarded[0]) };

struct dispositions {
	struct sigaction forwarded[FORWARDED], child, pipe;
	sigset_t early;		/* came before there was a child */
};

static volatile sig_atomic_t child_pid, interrupt;
static sigset_t callers_mask;
static struct dispositions callers;	/* what the caller had, whichever child it is */

/*
 * What the terminal sends (^C, ^\, ^Z) goes to the whole foreground group: the
 * child has it already. What somebody sent to us alone was meant for the
 * command. SIGCONT goes on at once, so that no stop is seen that is over.
 */
static void forward(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	pid_t pid = child_pid;

	(void)context;
	if (info->si_pid != pid &&
	    (sig == SIGHUP || sig == SIGINT || sig == SIGQUIT || sig == SIGTERM))
		interrupt = sig;
	if (pid > 0 && info->si_pid != pid &&
	    (info->si_code <= 0 || sig == SIGHUP))
		kill(pid, sig);
	errno = saved;
}

void hold_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &callers_mask);
}

/* For the first child: what those after it find is ours. */
static void take_signals(struct dispositions *old)
{
	static bool taken;
	struct sigaction sa = { .sa_sigaction = forward,
				.sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigaction plain = { .sa_handler = SIG_DFL };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (taken)
		return;
	taken = true;
	for (unsigned i = 0; i < FORWARDED; i++)
		sigaction(forwarded[i], &sa, &old->forwarded[i]);
	/* With SIGCHLD ignored there would be no child to wait for. */
	sigaction(SIGCHLD, &plain, &old->child);
	/* A report nobody reads must not keep us from tidying up. */
	sigaction(SIGPIPE, &ignore, &old->pipe);
}

static void give_signals_back(const struct dispositions *old)
{
	for (unsigned i = 0; i < FORWARDED; i++)
		sigaction(forwarded[i], &old->forwarded[i], NULL);
	sigaction(SIGCHLD, &old->child, NULL);
	sigaction(SIGPIPE, &old->pipe, NULL);
	sigprocmask(SIG_SETMASK, &callers_mask, NULL);
}

/* In the child: the errno of a failed exec goes up the pipe. */
_Noreturn static void become(char **argv, const struct dispositions *old, int pipe_end)
{
	int why;

	/* The ^C that the terminal sent to a group without us in it yet. */
	for (unsigned i = 0; i < FORWARDED; i++)
		if (sigismember(&old->early, forwarded[i]))
			kill(getpid(), forwarded[i]);
	give_signals_back(old);
	execvp(argv[0], argv);
	why = errno;
	if (write(pipe_end, &why, sizeof(why)) != sizeof(why))
		_exit(STATUS_OWN);
	_exit(STATUS_CANNOT_EXECUTE);
}

/* 0, or the errno of the exec. Retries: handlers interrupt. */
static int exec_error(int pipe_end)
{
	int why = 0;
	ssize_t n;

	do
		n = read(pipe_end, &why, sizeof(why));
	while (n < 0 && errno == EINTR);
	return n == sizeof(why) ? why : 0;
}

/*
 * The child stopped itself (an editor's ^Z): whoever watches us must see a
 * stopped job. Not for SIGSTOP: that is sent by others, who will send SIGCONT
 * to the same process, not to us.
 */
static void stop_alike(pid_t pid)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG) != 0 ||
	    info.si_pid != pid)
		return;		/* it goes on already */
	if (info.si_status != SIGSTOP)
		raise(SIGSTOP);
}

/* Leaves the child a zombie, so that its last words can be read. */
static void wait_for_end(struct ending *end)
{
	siginfo_t info;

	for (;;) {
		info = (siginfo_t){ 0 };
		if (waitid(P_PID, (id_t)end->pid, &info,
			   WEXITED | WSTOPPED | WNOWAIT) != 0) {
			if (errno == EINTR)
				continue;
			complain("waitid: %s", strerror(errno));
			info.si_status = STATUS_OWN;
			break;
		}
		if (info.si_code != CLD_STOPPED)
			break;
		stop_alike(end->pid);
	}
	end->signaled = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
	end->status = info.si_status;
}

/* Right after the fork, while it lives: a zombie's is root's. -1: then it is not known. */
static int open_io(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Takes the descriptor. */
static struct io_count read_io(int fd)
{
	struct io_count io = { 0 };
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char line[128];
	int found = 0;

	while (f && fgets(line, sizeof(line), f))
		found += (sscanf(line, "rchar: %" SCNu64, &io.rchar) == 1) +
			 (sscanf(line, "wchar: %" SCNu64, &io.wchar) == 1) +
			 (sscanf(line, "read_bytes: %" SCNu64, &io.read_bytes) == 1) +
			 (sscanf(line, "write_bytes: %" SCNu64, &io.written_bytes) == 1);
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	io.heard = found == 4;
	return io;
}

bool spawn_and_wait(char **argv, struct ending *end)
{
	int ends[2], io;
	pid_t pid;

	*end = (struct ending){ 0 };
	if (pipe2(ends, O_CLOEXEC) != 0) {
		complain("pipe: %s", strerror(errno));
		return false;
	}
	take_signals(&callers);
	sigpending(&callers.early);
	pid = fork();
	if (pid == 0)
		become(argv, &callers, ends[1]);
	child_pid = pid;
	sigprocmask(SIG_SETMASK, &callers_mask, NULL);
	close(ends[1]);
	if (pid < 0) {
		complain("fork: %s", strerror(errno));
		close(ends[0]);
		return false;
	}
	io = open_io(pid);
	end->pid = pid;
	end->exec_error = exec_error(ends[0]);
	close(ends[0]);
	wait_for_end(end);
	end->words = last_words_of(pid);
	end->io = read_io(io);
	child_pid = 0;
	wait4(pid, NULL, 0, &end->usage);
	return true;
}

int spawn_interrupted(void)
{
	int sig = interrupt;

	/* Under nohup SIGHUP goes to the command, and ends nobody. */
	for (unsigned i = 0; i < FORWARDED; i++)
		if (forwarded[i] == sig && callers.forwarded[i].sa_handler == SIG_IGN)
			return 0;
	return sig;
}

_Noreturn void end_alike(const struct ending *end)
{
	if (end->signaled) {
		struct rlimit none = { 0, 0 };
		sigset_t one;

		/* The core is the command's, not ours. */
		setrlimit(RLIMIT_CORE, &none);
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		signal(end->status, SIG_DFL);
		sigemptyset(&one);
		sigaddset(&one, end->status);
		sigprocmask(SIG_UNBLOCK, &one, NULL);
		raise(end->status);
		exit(128 + end->status);
	}
	exit(end->status);
}

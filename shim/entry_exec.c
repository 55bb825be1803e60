#include "entry.h"

#include "locks.h"
#include "own.h"
#include "text.h"

#include <alloca.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static void hold_locked(struct file *f)
{
	if (f->twin >= 0 && locks_held(f->twin, f->ino))
		sys_fcntl(f->twin, F_SETFD, 0);
}

static void hold_no_more(struct file *f)
{
	if (f->twin >= 0 && locks_held(f->twin, f->ino))
		sys_fcntl(f->twin, F_SETFD, FD_CLOEXEC);
}

/* Over exec: keeps twins of inodes with POSIX locks open (on), or not. */
static void keep_locked_open(bool on)
{
	file_each(on ? hold_locked : hold_no_more);
	locks_hold_parked(on);
}

/*
 * exec: the books are closed as far as they go. Descriptors of ours on inodes
 * that the process has POSIX locks on stay open across it, and the next
 * program is told of them, or it would close them with a loop over all.
 */
struct exec {
	bool begun;
	char held[512];		/* "DIOSHIM_HELD=PID:FD:FD:...", or empty */
};

static void list_held(struct exec *x)
{
	size_t n;

	x->held[0] = '\0';
	if (!locks_ever())
		return;
	strcpy(x->held, OWN_HELD "=");
	n = strlen(x->held);
	n += text_number(x->held + n, (uint64_t)sys_getpid());
	for (int fd = 0; (fd = fdtab_next(fd, FDTAB_TAG, FD_OWN)) >= 0; fd++) {
		if (sys_fcntl(fd, F_GETFD, 0) != 0 || n + TEXT_NUMBER + 2 > sizeof(x->held))
			continue;
		x->held[n++] = ':';
		n += text_number(x->held + n, (uint64_t)fd);
	}
}

static void exec_begin(struct exec *x)
{
	uint64_t held;

	x->begun = state_ready() && state_owner();
	x->held[0] = '\0';
	if (!x->begun)
		return;
	held = state_hold();
	entry_finish(LEDGER_EXECED);
	keep_locked_open(true);
	list_held(x);
	state_free(held);
}

static int exec_failed(const struct exec *x, int r)
{
	int err = errno;

	if (x->begun) {
		uint64_t held = state_hold();

		keep_locked_open(false);
		if (book_ledger)
			book_ledger->state = LEDGER_RUNNING;
		state_free(held);
	}
	errno = err;
	return r;
}

static bool is_held(const char *variable)
{
	return strncmp(variable, OWN_HELD "=", sizeof(OWN_HELD)) == 0;
}

static size_t count(char *const envp[])
{
	size_t n = 0;

	while (envp && envp[n])
		n++;
	return n;
}

/* The program's environment, with our line in place of an older one. */
static char *const *environment(struct exec *x, char *const envp[], char **room)
{
	size_t n = 0;

	for (size_t i = 0; envp[i]; i++)
		if (!is_held(envp[i]))
			room[n++] = envp[i];
	room[n++] = x->held;
	room[n] = NULL;
	return room;
}

#define EXEC(call)                                                         \
	do {                                                               \
		struct exec x;                                             \
									   \
		exec_begin(&x);                                            \
		if (x.held[0] && envp)                                     \
			envp = environment(&x, envp, alloca((count(envp) + 2) * sizeof(char *))); \
		return exec_failed(&x, call);                              \
	} while (0)

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	EXEC(real.execve(path, argv, envp));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	EXEC(real.execvpe(file, argv, envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	EXEC(real.fexecve(fd, argv, envp));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	if (!real.execveat) {	/* glibc before 2.34 */
		errno = ENOSYS;
		return -1;
	}
	EXEC(real.execveat(dir, path, argv, envp, flags));
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

/* The arguments of an execl call, as an array on the caller's stack. */
#define ARGV_OF(argv, first, ap)                                       \
	do {                                                           \
		size_t n = 1, i = 0;                                   \
								       \
		va_start(ap, first);                                   \
		while (va_arg(ap, const char *))                       \
			n++;                                           \
		va_end(ap);                                            \
		argv = alloca((n + 1) * sizeof(char *));               \
		argv[i++] = (char *)(uintptr_t)first;                  \
		va_start(ap, first);                                   \
		while ((argv[i++] = va_arg(ap, char *)))               \
			;                                              \
	} while (0)

EXPORT int execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;

	ARGV_OF(argv, arg, ap);
	va_end(ap);
	return execv(path, argv);
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;

	ARGV_OF(argv, arg, ap);
	va_end(ap);
	return execvp(file, argv);
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	char **argv, **envp;
	va_list ap;

	ARGV_OF(argv, arg, ap);
	envp = va_arg(ap, char **);
	va_end(ap);
	return execve(path, argv, envp);
}

#define TWIN_exec(name, of) TWIN_ALIAS(name, of)
#include "twins.h"

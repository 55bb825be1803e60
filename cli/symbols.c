#include "symbols.h"

#include "symbols_read.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The debug information of a browser has gigabytes, and disks are slow. */
#define PATIENCE_MS	30000

static const char *const whys[SYMBOLS_WHYS] = {
	[SYMBOLS_NOT_READ] = "not an ELF file that can be read",
	[SYMBOLS_NOT_CODE] = "the file has no code there",
	[SYMBOLS_NO_NAME] = "stripped: no symbol covers it",
	[SYMBOLS_NO_LINE] = "no debug information: file and line are not known",
};

static struct {
	pid_t pid;		/* 0: there is none */
	int fd;
} reader;

/* What texts point into. */
static struct kept {
	struct kept *next;
	char text[];
} *kept;

/* Modules that a reader did not survive. */
static struct bad {
	struct bad *next;
	const char *why;
	char module[];
} *bad;

/* ---- the reading process --------------------------------------------------- */

_Noreturn static void serve(int fd, pid_t parent)
{
	static struct symbols_question q;
	static struct symbols_answer a;
	const struct rlimit none = { 0, 0 };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	sigset_t all;

	/* The command's handlers are not for us; it ends us by SIGKILL. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	setrlimit(RLIMIT_CORE, &none);
	unsetenv("DEBUGINFOD_URLS");
	/* Last words of malloc and the like tell the user nothing. */
	if (fd != STDERR_FILENO)
		dup2(null, STDERR_FILENO);
	while (recv(fd, &q, sizeof(q), 0) == sizeof(q)) {
		q.module[sizeof(q.module) - 1] = '\0';
		symbols_read(&q, &a);
		send(fd, &a, offsetof(struct symbols_answer, text) + a.text_n,
		     MSG_NOSIGNAL);
	}
	_exit(0);
}

static bool reader_start(void)
{
	pid_t self = getpid();
	int pair[2];

	if (reader.pid)
		return true;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	reader.pid = fork();
	if (reader.pid == 0) {
		close(pair[0]);
		serve(pair[1], self);
	}
	close(pair[1]);
	reader.fd = pair[0];
	if (reader.pid > 0)
		return true;
	close(reader.fd);
	reader.pid = 0;
	return false;
}

static void reader_stop(void)
{
	if (!reader.pid)
		return;
	kill(reader.pid, SIGKILL);
	while (waitpid(reader.pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(reader.fd);
	reader.pid = 0;
}

/* A reader may have gone mad before it answered. */
static bool answer_valid(const struct symbols_answer *a, ssize_t size)
{
	const size_t head = offsetof(struct symbols_answer, text);

	if (size <= (ssize_t)head || a->text_n != (size_t)size - head ||
	    a->text_n > SYMBOLS_TEXT || a->text[a->text_n - 1] != '\0' ||
	    a->frames_n > SYMBOL_FRAMES || a->why >= SYMBOLS_WHYS)
		return false;
	for (unsigned i = 0; i < a->frames_n; i++)
		if (a->frames[i].function >= a->text_n || a->frames[i].file >= a->text_n)
			return false;
	return true;
}

/* NULL, or why there is no answer: then the reader is gone. */
static const char *ask(const struct symbols_question *q, struct symbols_answer *a)
{
	const char *why = "libdw fails on this file";
	struct pollfd p = { .events = POLLIN };
	int ready = -1;

	p.fd = reader.fd;
	if (send(reader.fd, q, sizeof(*q), MSG_NOSIGNAL) == sizeof(*q))
		while ((ready = poll(&p, 1, PATIENCE_MS)) < 0 && errno == EINTR)
			;
	if (ready == 0)
		why = "its debug information takes too long to read";
	else if (ready > 0 && answer_valid(a, recv(reader.fd, a, sizeof(*a), 0)))
		return NULL;
	reader_stop();
	return why;
}

/* ---- what is asked -------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

/* NULL if the file that was mapped is still there. */
static const char *check_module(const struct symbol_site *site, struct stat *st,
				bool *replaced)
{
	const char *m = site->module;

	if (*m == '[' && m[1] == 'v')
		return "the kernel's own code, in no file";
	if (*m != '/')
		return "made while the program ran, in no file";
	if (ends_in(m, " (deleted)"))
		return "the file was deleted while the program ran";
	if (strlen(m) >= PATH_MAX || stat(m, st) != 0)
		return "the file is not there any more";
	/*
	 * The inode number of a deleted file is soon given to another, by a
	 * rebuild for example: but that one changes after the mapping's end.
	 */
	*replaced = (site->inode && site->inode != st->st_ino) ||
		    (site->until_ns && (uint64_t)st->st_ctim.tv_sec * 1000000000 +
		     (uint64_t)st->st_ctim.tv_nsec > site->until_ns);
	if (*replaced)
		return "the file was replaced or changed since";
	for (const struct bad *b = bad; b; b = b->next)
		if (strcmp(b->module, m) == 0)
			return b->why;
	return NULL;
}

static void remember_bad(const char *module, const char *why)
{
	struct bad *b = malloc(sizeof(*b) + strlen(module) + 1);

	if (!b)
		return;
	strcpy(b->module, module);
	b->why = why;
	b->next = bad;
	bad = b;
}

static bool take(const struct symbols_answer *a, struct symbol *out)
{
	struct kept *k = malloc(sizeof(*k) + a->text_n);

	out->why = whys[a->why];
	if (!k) {
		out->why = "no memory";
		return false;
	}
	memcpy(k->text, a->text, a->text_n);
	k->next = kept;
	kept = k;
	out->frames_n = a->frames_n;
	out->offset_in_function = a->offset_in_function;
	for (unsigned i = 0; i < a->frames_n; i++) {
		uint16_t file = a->frames[i].file;

		out->frames[i].function = k->text + a->frames[i].function;
		out->frames[i].file = file ? k->text + file : NULL;
		out->frames[i].line = a->frames[i].line;
	}
	return out->frames_n > 0;
}

bool symbols_find(const struct symbol_site *site, struct symbol *out)
{
	static struct symbols_question q;
	static struct symbols_answer a;
	struct stat st;

	*out = (struct symbol){ 0 };
	out->why = check_module(site, &st, &out->replaced);
	if (!out->why)
		out->why = symbols_unbuilt;
	if (!out->why && !site->offset)
		out->why = whys[SYMBOLS_NOT_CODE];
	if (!out->why && !reader_start())
		out->why = "no process could be made to read the file";
	if (out->why)
		return false;
	memset(&q, 0, sizeof(q));
	strcpy(q.module, site->module);
	q.inode = st.st_ino;
	/* The call itself: what follows it may be the next line, or the next function. */
	q.offset = site->offset - 1;
	out->why = ask(&q, &a);
	if (!out->why)
		return take(&a, out);
	remember_bad(site->module, out->why);
	return false;
}

void symbols_end(void)
{
	reader_stop();
	while (kept) {
		struct kept *next = kept->next;

		free(kept);
		kept = next;
	}
	while (bad) {
		struct bad *next = bad->next;

		free(bad);
		bad = next;
	}
}

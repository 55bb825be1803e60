#include "log.h"

#include "book.h"
#include "own.h"
#include "sys.h"
#include "text.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

/* A buffer of text; what does not fit is left out. */
struct text {
	size_t n;
	char s[768];
};

static void put(struct text *t, const char *s)
{
	while (*s && t->n < sizeof(t->s))
		t->s[t->n++] = *s++;
}

static void put_number(struct text *t, uint64_t x)
{
	char digits[24];

	text_number(digits, x);
	put(t, digits);
}

/* Signals are held: ours is pending, and must not be the program's end. */
static void take_sigpipe(void)
{
	const uint64_t mask = 1ull << (SIGPIPE - 1);
	const struct timespec now = { 0, 0 };

	sys_call(SYS_rt_sigtimedwait, sys_ptr(&mask), 0, sys_ptr(&now), sizeof(mask), 0, 0);
}

/* A pipe whose reader has stopped does not: signals are held, so never wait for it. */
static bool takes(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	const struct timespec now = { 0, 0 };

	return sys_call(SYS_ppoll, sys_ptr(&p), 1, sys_ptr(&now), 0, 0, 0) != 0;
}

static void flush(struct text *t, int fd)
{
	for (size_t at = 0; at < t->n && takes(fd);) {
		ssize_t w = sys_write(fd, t->s + at, t->n - at);

		if (w == -EPIPE)
			take_sigpipe();
		if (w <= 0)
			break;
		book_kernel(OP_WRITE, (size_t)w);
		at += (size_t)w;
	}
	t->n = 0;
}

void log_bad_value(const char *name, const char *text)
{
	struct text t = { .n = 0 };

	put(&t, "dioshim: ");
	put(&t, name);
	put(&t, ": bad value \"");
	put(&t, text);
	put(&t, "\", using the default\n");
	flush(&t, 2);
}

/* "  zero_copy    calls 12  bytes 123\n" */
static void put_sum(struct text *t, const char *name, const struct ledger_sum *s)
{
	put(t, "  ");
	put(t, name);
	put(t, ": calls ");
	put_number(t, s->calls);
	put(t, ", bytes ");
	put_number(t, s->bytes);
	put(t, "\n");
}

static void put_witness(struct text *t, const struct ledger_witness *w)
{
	put(t, "  witness: bytes seen ");
	put_number(t, w->seen_rchar + w->seen_wchar);
	put(t, ", not seen ");
	put_number(t, w->rchar - w->rchar0 + w->wchar - w->wchar0 - w->seen_rchar - w->seen_wchar);
	put(t, w->readings ? "\n" : " (/proc/self/io was not readable)\n");
}

static int open_log(const char *where)
{
	char path[1024];
	size_t n = 0;

	for (; *where && n < sizeof(path) - 24; where++) {
		if (where[0] == '%' && where[1] == 'p') {
			n += text_number(path + n, (uint64_t)sys_getpid());
			where++;
		} else {
			path[n++] = *where;
		}
	}
	path[n] = '\0';
	if (*where)
		return -ENAMETOOLONG;
	/* O_NONBLOCK: a FIFO that nobody reads must not hold the program up. */
	return sys_openat(AT_FDCWD, path,
			  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
}

/* Past RLIMIT_FSIZE a write would be the program's death. */
static bool fits(int fd)
{
	struct rlimit r;
	struct stat st;

	if (sys_fstat(fd, &st) != 0 || sys_getrlimit(RLIMIT_FSIZE, &r) != 0)
		return false;
	return !S_ISREG(st.st_mode) || r.rlim_cur >= (uint64_t)st.st_size + (16 << 10);
}

void log_report(const char *where)
{
	static const char *const routes[] = {
#define ROUTE(name, copies, sentence) #name,
#include "counters.def"
#undef ROUTE
	};
	static const char *const reasons[] = {
#define REASON(name, route, sentence) #name,
#include "reasons.def"
#undef REASON
	};
	const struct ledger *l = book_now();
	bool shared = where[0] == '-' && where[1] == '\0';
	int fd = shared ? own_mine(&own_stderr) : open_log(where);
	struct text t = { .n = 0 };

	if (fd < 0)
		return;
	if (!fits(fd)) {
		if (!shared)
			sys_close(fd);
		return;
	}
	put(&t, "dioshim: process ");
	put_number(&t, l->pid);
	put(&t, ": ");
	put(&t, l->command);
	put(&t, "\n");
	for (int i = 0; i < ROUTES; i++)
		if (l->routes[i].calls)
			put_sum(&t, routes[i], &l->routes[i]);
	flush(&t, fd);
	for (int i = 0; i < REASONS; i++)
		if (l->reasons[i].calls) {
			put_sum(&t, reasons[i], &l->reasons[i]);
			flush(&t, fd);
		}
	put_witness(&t, &l->witness);
	flush(&t, fd);
	if (!shared)
		sys_close(fd);
}

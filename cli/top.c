#include "top.h"

#include "cli.h"
#include "launch.h"

#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { KEY_DIR = 0x2000, KEY_ONCE, KEY_BATCH };

struct top {
	struct watch watch;
	double interval;		/* seconds */
	bool once, batch;
	bool keys;			/* standard input is a terminal */
	struct termios terminal;	/* as it was */
	sigset_t waiting;		/* what may come while we wait, and then alone */
};

static volatile sig_atomic_t ending, stopping, resized;

static void take(int sig)
{
	if (sig == SIGWINCH)
		resized = 1;
	else if (sig == SIGTSTP)
		stopping = 1;
	else
		ending = sig;
}

static void parse_pid(struct argp_state *state, const char *arg, pid_t *pid)
{
	char *end;
	long n = strtol(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || n < 1 || n > INT32_MAX)
		argp_error(state, "%s: not a process id", arg);
	if (*pid)
		argp_error(state, "more than one process id");
	*pid = (pid_t)n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top *t = state->input;
	char *end;

	switch (key) {
	case 'i':
		t->interval = strtod(arg, &end);
		if (end == arg || *end || !(t->interval >= 0.05 && t->interval <= 86400))
			argp_error(state, "--interval: bad value \"%s\": 0.05 to 86400 seconds", arg);
		return 0;
	case KEY_DIR: t->watch.dir = arg; return 0;
	case KEY_ONCE: t->once = true; return 0;
	case KEY_BATCH: t->batch = true; return 0;
	case ARGP_KEY_ARG: parse_pid(state, arg, &t->watch.root); return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option option_list[] = {
	{ "interval", 'i', "SECONDS", 0, "look so often (default 1)", 0 },
	{ "once", KEY_ONCE, NULL, 0, "one look, over one interval, as plain text", 0 },
	{ "batch", KEY_BATCH, NULL, 0, "plain text, one table after the other; so it is where no terminal is", 0 },
	{ "dir", KEY_DIR, "FOLDER", 0, "also ledgers there, of processes that this user may not look at", 0 },
	{ 0 },
};

static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "[PID]",
	.doc = "Watch the programs that run under the shim, or one and those it has started. "
	       "q ends it.",
};

/* ---- the screen --------------------------------------------------------------- */

static void screen_begin(struct top *t)
{
	struct termios raw = t->terminal;

	if (t->keys) {
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	/* No wrapping: the figures alone may be wider than the screen. */
	fputs("\033[?1049h\033[?25l\033[?7l\033[H\033[2J", stdout);
	fflush(stdout);
}

static void screen_end(const struct top *t)
{
	fputs("\033[?7h\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->terminal);
}

/* Line by line over what is there: a screen that is cleared first flickers. */
static void screen_draw(const struct watch *w)
{
	struct winsize ws = { 0 };
	unsigned rows = 24, width = 80;
	char *text = NULL, *line;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col && ws.ws_row) {
		rows = ws.ws_row;
		width = ws.ws_col;
	}
	top_print(w, width, f);
	fclose(f);
	line = text;
	fputs("\033[H", stdout);
	for (unsigned i = 0; line && *line && i + 1 < rows; i++) {
		size_t len = strcspn(line, "\n");

		printf("%.*s\033[K\r\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
	fputs("\033[J", stdout);
	fflush(stdout);
	free(text);
}

static void stop(struct top *t)
{
	stopping = 0;
	if (!t->batch)
		screen_end(t);
	raise(SIGSTOP);
	if (!t->batch) {
		screen_begin(t);
		screen_draw(&t->watch);
	}
}

/* ---- the loop ----------------------------------------------------------------- */

static bool pressed_q(void)
{
	char key;

	return read(STDIN_FILENO, &key, 1) == 1 && (key == 'q' || key == 'Q' || key == 4);
}

/* Until that moment of CLOCK_MONOTONIC. False: it is to end. */
static bool wait_until(struct top *t, uint64_t until)
{
	struct pollfd keyboard = { .fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN };
	uint64_t now;

	while (!ending && (now = now_ns(CLOCK_MONOTONIC)) < until) {
		struct timespec left = { (time_t)((until - now) / 1000000000),
					 (long)((until - now) % 1000000000) };
		int n = ppoll(&keyboard, 1, &left, &t->waiting);

		if (stopping)
			stop(t);
		if (resized && !t->batch)
			screen_draw(&t->watch);
		resized = 0;
		if (n > 0 && (keyboard.revents & (POLLHUP | POLLERR)))
			keyboard.fd = -1;
		else if (n > 0 && pressed_q())
			return false;
	}
	return !ending;
}

static void show(struct top *t)
{
	static bool again;

	if (!t->batch) {
		screen_draw(&t->watch);
		return;
	}
	if (again)
		putchar('\n');
	again = true;
	top_print(&t->watch, 0, stdout);
	fflush(stdout);
}

static void loop(struct top *t)
{
	uint64_t step = (uint64_t)(t->interval * 1e9), next = now_ns(CLOCK_MONOTONIC);

	do {
		next += step;
		if (!wait_until(t, next))
			return;
		watch_look(&t->watch);
		if (watch_over(&t->watch))
			return;
		show(t);
		/* After a stop, or when a look takes longer: no hurry. */
		if (next + step < now_ns(CLOCK_MONOTONIC))
			next = now_ns(CLOCK_MONOTONIC);
	} while (!t->once && !ferror(stdout));
}

/* While we wait they come, and never in the middle of a line. */
static void take_signals(struct top *t)
{
	static const int taken[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH };
	struct sigaction sa = { .sa_handler = take }, old;
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		sigaction(taken[i], NULL, &old);
		if (old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&held, taken[i]);
		sigaction(taken[i], &sa, NULL);
	}
	sigprocmask(SIG_BLOCK, &held, &t->waiting);
}

static void end_by_signal(void)
{
	sigset_t one;

	signal(ending, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, ending);
	raise(ending);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
}

int cmd_top(int argc, char **argv)
{
	struct top t = { .interval = 1 };

	if (argp_parse(&argp, argc, argv, 0, NULL, &t))
		return STATUS_OWN;
	t.batch |= t.once || !isatty(STDOUT_FILENO);
	t.keys = !t.batch && tcgetattr(STDIN_FILENO, &t.terminal) == 0;
	watch_look(&t.watch);
	if (t.watch.root && !t.watch.n) {
		complain("%d: %s", (int)t.watch.root, watch_why(t.watch.root));
		return STATUS_NONE;
	}
	take_signals(&t);
	if (!t.batch) {
		screen_begin(&t);
		screen_draw(&t.watch);
	}
	loop(&t);
	if (!t.batch)
		screen_end(&t);
	if (!ending && watch_over(&t.watch))
		complain("process %d has ended", (int)t.watch.root);
	watch_free(&t.watch);
	if (ending)
		end_by_signal();
	return output_close(stdout, "standard output") ? 0 : STATUS_OWN;
}

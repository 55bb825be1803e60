/*
 * versus: measures commands against each other, in turns, in one run.
 *
 *	versus [-1] [-n ROUNDS] [-t SECONDS] [-w WARMUPS] [-c] [-p PREPARE] [-q PROBE]
 *	       [VAR=VALUE...] COMMAND [ARG...] [::: [VAR=VALUE...] COMMAND ...]...
 *
 * The first command is the base. A round takes one sample of each, the next
 * round in reverse, the next from another start: what drifts hits all alike.
 * A sample is
 * - normally: a burst of a worker that keeps running. It gets one byte on its
 *   standard input and answers one line of numbers (columns) on standard output;
 * - with -1: one whole run of the command and its children: wall ns, CPU ns (user
 *   + system), bytes of the peak RSS of the largest of them.
 *   -p: a shell command run before each of them, not counted; it finds the number
 *   of the command in VERSUS_COMMAND. -q: one run after each of them, and the
 *   number that it prints is one more column.
 *   A command behind ::= instead of ::: (it may stand before the first one, too) tells
 *   the first two columns itself, as a line on its standard output: its starting up is
 *   not what is measured.
 * -c keeps all workers on one CPU. -t stops early, yet not before 3 rounds.
 *
 * Prints "value COLUMN COMMAND MEDIAN Q1 Q3", and against the base, paired
 * round by round, "ratio ..." and "diff ..."; numbered from 0. "pairN ..." is
 * the ratio against command N.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 8, COLUMNS = 4, ROUNDS = 4096, ASSIGNS = 8 };

struct command {
	char **argv;
	char **envp;
	pid_t pid;
	int to, from;
	bool tells;	/* one_shot: its figures are on its standard output */
};

static struct command commands[COMMANDS];
static int commands_n, columns_n;
static double samples[COMMANDS][COLUMNS][ROUNDS];
static bool one_shot, one_cpu;
static const char *prepare, *probe;

extern char **environ;

static void die(const char *what)
{
	fprintf(stderr, "versus: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Our environment with the assignments in front of the command on top. */
static char **environment(char **assigns, int n)
{
	int have = 0, out = 0;
	char **e;

	while (environ[have])
		have++;
	e = calloc((size_t)(have + n + 1), sizeof(*e));
	if (!e)
		die("calloc");
	for (int i = 0; i < have; i++) {
		bool replaced = false;

		for (int a = 0; a < n; a++) {
			const size_t name = (size_t)(strchr(assigns[a], '=') - assigns[a]) + 1;

			replaced |= !strncmp(environ[i], assigns[a], name);
		}
		if (!replaced)
			e[out++] = environ[i];
	}
	for (int a = 0; a < n; a++)
		e[out++] = assigns[a];
	return e;
}

static bool separates(const char *word)
{
	return !strcmp(word, ":::") || !strcmp(word, "::=");
}

static void parse_commands(char **argv)
{
	bool tells = *argv && !strcmp(*argv, "::=");

	argv += tells;
	while (*argv) {
		struct command *c = &commands[commands_n];
		char **assigns = argv;
		int n = 0;

		if (commands_n++ == COMMANDS) {
			fprintf(stderr, "versus: more than %d commands\n", COMMANDS);
			exit(2);
		}
		while (*argv && strchr(*argv, '=') && !separates(*argv))
			argv++, n++;
		c->envp = environment(assigns, n);
		c->argv = argv;
		c->tells = tells;
		while (*argv && !separates(*argv))
			argv++;
		if (*argv) {
			tells = !strcmp(*argv, "::=");
			*argv++ = NULL;
		}
		if (!c->argv[0]) {
			fprintf(stderr, "versus: no command\n");
			exit(2);
		}
	}
}

static void start(struct command *c)
{
	const bool works = !one_shot, answers = works || c->tells;
	posix_spawn_file_actions_t fa;
	int down[2], up[2], err;

	posix_spawn_file_actions_init(&fa);
	if (works) {
		if (pipe2(down, O_CLOEXEC))
			die("pipe2");
		posix_spawn_file_actions_adddup2(&fa, down[0], 0);
	}
	if (answers) {
		if (pipe2(up, O_CLOEXEC))
			die("pipe2");
		posix_spawn_file_actions_adddup2(&fa, up[1], 1);
	} else {
		posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	}
	err = posix_spawnp(&c->pid, c->argv[0], &fa, NULL, c->argv, c->envp);
	if (err) {
		errno = err;
		die(c->argv[0]);
	}
	posix_spawn_file_actions_destroy(&fa);
	if (works) {
		close(down[0]);
		c->to = down[1];
	}
	if (answers) {
		close(up[1]);
		c->from = up[0];
	}
}

static void failed(const struct command *c, int status)
{
	fprintf(stderr, "versus: %s ended with status 0x%x\n", c->argv[0], (unsigned int)status);
	exit(1);
}

/* One line of numbers that the command answers; how many there were. */
static int answer(const struct command *c, double *out)
{
	char line[256], *p = line, *end;
	size_t got = 0;
	int n = 0;

	do {
		const ssize_t r = read(c->from, line + got, sizeof(line) - 1 - got);

		if (r <= 0) {
			waitpid(c->pid, &n, 0);
			failed(c, n);
		}
		got += (size_t)r;
	} while (line[got - 1] != '\n');
	line[got] = 0;
	while (n < COLUMNS) {
		out[n] = strtod(p, &end);
		if (end == p)
			break;
		p = end;
		n++;
	}
	return n;
}

static void must_run(const char *shell_command)
{
	if (system(shell_command) != 0) {
		fprintf(stderr, "versus: failed: %s\n", shell_command);
		exit(1);
	}
}

static double probed(void)
{
	FILE *f = popen(probe, "re");
	double x;
	int found;

	if (!f)
		die("popen");
	found = fscanf(f, "%lf", &x);
	if (pclose(f) || found != 1) {
		fprintf(stderr, "versus: no number from: %s\n", probe);
		exit(1);
	}
	return x;
}

static int sample_run(struct command *c, double *out)
{
	char number[16];
	struct rusage u;
	double t;
	int status;

	snprintf(number, sizeof(number), "%d", (int)(c - commands));
	setenv("VERSUS_COMMAND", number, 1);
	if (prepare)
		must_run(prepare);
	t = now();
	start(c);
	if (c->tells) {
		answer(c, out);
		close(c->from);
	}
	if (wait4(c->pid, &status, 0, &u) != c->pid)
		die("wait4");
	if (status)
		failed(c, status);
	if (!c->tells) {
		out[0] = now() - t;
		out[1] = 1e9 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
			 1e3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
	}
	out[2] = 1024.0 * (double)u.ru_maxrss;
	if (probe)
		out[3] = probed();
	return probe ? 4 : 3;
}

static int sample_worker(struct command *c, double *out)
{
	if (write(c->to, "g", 1) != 1)
		die(c->argv[0]);
	return answer(c, out);
}

static void sample(int k, int round)
{
	double out[COLUMNS] = { 0 };

	columns_n = (one_shot ? sample_run : sample_worker)(&commands[k], out);
	for (int col = 0; round >= 0 && col < columns_n; col++)
		samples[k][col][round] = out[col];
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, int n, double q)
{
	const double at = q * (n - 1);
	const int i = (int)at;

	return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static void print(const char *what, int col, int k, double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	printf("%s %d %d %.9g %.9g %.9g\n", what, col, k, quantile(v, n, 0.5),
	       quantile(v, n, 0.25), quantile(v, n, 0.75));
}

static void print_ratio(int col, int k, int base, int n)
{
	static double v[ROUNDS];
	char what[16] = "ratio";

	if (base)
		snprintf(what, sizeof(what), "pair%d", base);
	for (int i = 0; i < n; i++)
		v[i] = samples[k][col][i] / samples[base][col][i];
	print(what, col, k, v, n);
}

static void print_all(int n)
{
	static double v[ROUNDS];

	printf("rounds 0 0 %d %d %d\n", n, n, n);
	for (int col = 0; col < columns_n; col++) {
		for (int k = 0; k < commands_n; k++) {
			for (int base = 0; base < commands_n; base++)
				if (base != k)
					print_ratio(col, k, base, n);
			for (int i = 0; i < n; i++)
				v[i] = samples[k][col][i] - samples[0][col][i];
			print("diff", col, k, v, n);
			memcpy(v, samples[k][col], sizeof(double) * (size_t)n);
			print("value", col, k, v, n);
		}
	}
}

/* Who is i-th in round n: every second round backwards, the first one rotates. */
static int turn(int n, int i)
{
	return (n / 2 + (n % 2 ? commands_n - 1 - i : i)) % commands_n;
}

static void stay_on_this_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	int rounds = 9, warmups = 1, opt, n = 0;
	double seconds = 60, end;

	while ((opt = getopt(argc, argv, "+1n:t:w:cp:q:")) != -1) {
		switch (opt) {
		case '1': one_shot = true; break;
		case 'n': rounds = atoi(optarg); break;
		case 't': seconds = atof(optarg); break;
		case 'w': warmups = atoi(optarg); break;
		case 'c': one_cpu = true; break;
		case 'p': prepare = optarg; break;
		case 'q': probe = optarg; break;
		default: return 2;
		}
	}
	if (rounds < 1 || rounds > ROUNDS)
		return 2;
	parse_commands(argv + optind);
	signal(SIGPIPE, SIG_IGN);
	if (one_cpu)
		stay_on_this_cpu();
	for (int k = 0; !one_shot && k < commands_n; k++)
		start(&commands[k]);
	for (int i = 0; i < warmups; i++)
		for (int k = 0; k < commands_n; k++)
			sample(k, -1);
	end = now() + seconds * 1e9;
	for (; n < rounds && (n < 3 || now() < end); n++)
		for (int i = 0; i < commands_n; i++)
			sample(turn(n, i), n);
	for (int k = 0; !one_shot && k < commands_n; k++) {
		close(commands[k].to);
		waitpid(commands[k].pid, NULL, 0);
	}
	print_all(n);
	return 0;
}

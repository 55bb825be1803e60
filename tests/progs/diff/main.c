/*
 * diff [-b] [-n] [-k LIST] SEED LENGTH FOLDER
 *
 *   -b       run without O_DIRECT, as what a run with it is compared with
 *   -n       no O_DIRECT in either run
 *   -k LIST  only these acts: numbers and ranges, 0,3,7-12; 3:2:5 is act 3 on
 *            slots 2 and 5, whatever is open: so that what is left out changes
 *            less of the rest
 *
 * The files are made in FOLDER, which should be empty. The transcript goes to
 * stdout; the exit status is 0 whatever the calls said.
 */
#include "diff.h"

#include <signal.h>

static pid_t peer;	/* 0: there is none, or this is it */
static bool peer_is;
static int ask[2], answer[2];	/* pipes: the number of an act, and that it is done */
static struct act *acts;
static int acts_n;
static bool *wanted;

static void run_act(struct act *a)
{
	char head[40];

	find_slots(a);
	a->kind->run(a);
	snprintf(head, sizeof(head), "%d:%d:%d%s", a->number, a->slot, a->to, peer_is ? " peer" : "");
	put_line(head);
}

/* ---- the second process ---------------------------------------------------- */

static void serve(void)
{
	int n;

	while (unseen(SYS_read, ask[0], &n, sizeof(n)) == sizeof(n)) {
		run_act(&acts[n]);
		NEED(unseen(SYS_write, answer[1], &n, sizeof(n)) == sizeof(n));
	}
}

static void tube(int *ends)
{
	int low[2];

	NEED(unseen(SYS_pipe2, low, O_CLOEXEC) == 0);
	for (int i = 0; i < 2; i++) {
		ends[i] = (int)unseen(SYS_fcntl, low[i], F_DUPFD_CLOEXEC, 400);
		NEED(ends[i] >= 0 && unseen(SYS_close, low[i]) == 0);
	}
}

void act_fork(struct act *a)
{
	bool quick = pick(a, 2);

	if (peer) {
		put(" fork, already");
		return;
	}
	tube(ask);
	tube(answer);
	put(" fork");
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].fd >= 0)
			shared->several[slots[i].ofd] = true;
	peer = fork();
	NEED(peer >= 0);
	if (peer == 0) {
		peer_is = true;
		unseen(SYS_close, ask[1]);
		unseen(SYS_close, answer[0]);
		put(" = in the peer");
		put_line("");
		NEED(unseen(SYS_write, answer[1], &a->number, sizeof(int)) == sizeof(int));
		serve();
		if (quick)
			_exit(0);
		exit(0);
	}
	unseen(SYS_close, ask[0]);
	unseen(SYS_close, answer[1]);
	int n;
	NEED(unseen(SYS_read, answer[0], &n, sizeof(n)) == sizeof(n));
	put(" = peer");
}

void act_join(struct act *a)
{
	int status;

	(void)a;
	put(" join");
	if (!peer)
		return;
	unseen(SYS_close, ask[1]);
	unseen(SYS_close, answer[0]);
	NEED(waitpid(peer, &status, 0) == peer);
	put(" = status %x", (unsigned)status);
	peer = 0;
}

/* The peer did it, or is gone in the middle of it. */
bool peer_does(struct act *a)
{
	int n = a->number;

	if (!a->by_peer || !peer)
		return false;
	if (unseen(SYS_write, ask[1], &n, sizeof(n)) != sizeof(n) ||
	    unseen(SYS_read, answer[0], &n, sizeof(n)) != sizeof(n)) {
		put(" PEER DIED");
		act_join(a);
		put_line("");
	}
	return true;
}

/* ---- the sequence ----------------------------------------------------------- */

static void keep(const char *list)
{
	memset(wanted, 0, (size_t)acts_n);
	while (list && *list) {
		char *end;
		long from = strtol(list, &end, 10), to = from;

		NEED(from >= 0 && from < acts_n);
		if (*end == ':') {
			acts[from].slot = (int)strtol(end + 1, &end, 10) % SLOTS;
			NEED(*end == ':');
			acts[from].to = (int)strtol(end + 1, &end, 10) % SLOTS;
			acts[from].pinned = true;
		} else if (*end == '-') {
			to = strtol(end + 1, &end, 10);
		}
		for (long i = from; i <= to && i < acts_n; i++)
			wanted[i] = true;
		NEED(end != list && (*end == ',' || !*end));
		list = *end ? end + 1 : end;
	}
}

/* Three files of random sizes, the fourth not there; some of them on disk, some still dirty. */
static void make_files(uint64_t seed)
{
	struct act a = { .rng = seed * 77 + 0x123456789ABCDEFu };

	for (int i = 0; i < NAMES - 1; i++) {
		long n = pick(&a, 3) ? likely(&a, HIGHEST) : likely(&a, 20000);
		int fd;

		make_file(file_names[i], (size_t)n, seed + (uint64_t)i);
		fd = raw_open(file_names[i], O_RDWR, 0);
		NEED(fd >= 0);
		if (pick(&a, 3)) {
			fdatasync(fd);
			unseen(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_DONTNEED);
		}
		unseen(SYS_close, fd);
	}
	int fd = raw_open(file_names[0], O_RDONLY | O_DIRECT, 0);
	if (fd < 0)
		no_direct = true;
	else
		unseen(SYS_close, fd);
}

static void finish(void)
{
	if (peer) {
		act_join(NULL);
		put_line("end:");
	}
	for (int i = 0; i < SLOTS; i++) {
		if (slots[i].fd < 0)
			continue;
		put_state(i);
		put(":");
		look_at_fd(slots[i].fd);
		put_line("end:");
	}
	for (int i = 0; i < NAMES; i++) {
		put(" %s", file_names[i]);
		look_at(file_names[i]);
		put_line("end:");
	}
}

int main(int argc, char **argv)
{
	const char *list = NULL;
	uint64_t seed;
	int c;

	while ((c = getopt(argc, argv, "bnk:")) != -1) {
		NEED(c != '?');
		reference |= c == 'b';
		no_direct |= c == 'n';
		list = c == 'k' ? optarg : list;
	}
	NEED(argc - optind == 3);
	seed = strtoull(argv[optind], NULL, 0);
	acts_n = atoi(argv[optind + 1]);
	NEED(chdir(argv[optind + 2]) == 0);
	acts = calloc((size_t)acts_n + 1, sizeof(*acts));
	wanted = malloc((size_t)acts_n + 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(acts && wanted && shared != MAP_FAILED);
	memset(wanted, 1, (size_t)acts_n);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	data_setup();
	make_files(seed);
	sequence(acts, acts_n, seed);
	if (list)
		keep(list);
	for (int i = 0; i < acts_n; i++)
		if (wanted[i] && !peer_does(&acts[i]))
			run_act(&acts[i]);
	finish();
	return 0;
}

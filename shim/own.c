#include "own.h"

#include "fdtab.h"
#include "state.h"
#include "sys.h"

#include <limits.h>

int own_proc = -1;
int own_dir = -1;
int own_stderr = -1;
struct gate own_numbers;
uint32_t own_openings;
int own_lowest = INT_MAX;

static struct known {
	int *fd;
	struct sys_identity is;
} known[] = { { .fd = &own_proc }, { .fd = &own_dir }, { .fd = &own_stderr } };
#define KNOWN (sizeof(known) / sizeof(known[0]))

/*
 * High enough that programs do not get there, low enough that the kernel's
 * descriptor table stays small: fork copies it up to the highest one in use.
 */
#define FLOOR_MAX 7168ul

static long floor_number(void)
{
	struct rlimit r;

	if (sys_getrlimit(RLIMIT_NOFILE, &r) != 0)
		return FLOOR_MAX;
	if (r.rlim_cur / 4 * 3 >= FLOOR_MAX)
		return FLOOR_MAX;
	return r.rlim_cur / 4 * 3 > OWN_FLOOR_MIN ? (long)(r.rlim_cur / 4 * 3) : OWN_FLOOR_MIN;
}

/* A copy of fd at number min or above, marked as ours; -errno. */
static int copy_above(int fd, long min, uint64_t word)
{
	int high = sys_fcntl(fd, F_DUPFD_CLOEXEC, min);

	if (high >= 0)
		fdtab_set(high, fdtab_own(word));
	if (high >= 0 && !fdtab_is_own(high)) {	/* no memory for the table's page */
		sys_close(high);
		return -ENOMEM;
	}
	if (high >= 0 && high < own_lowest)
		own_lowest = high;
	return high;
}

bool own_open_begin(void)
{
	__atomic_fetch_add(&own_openings, 1, __ATOMIC_SEQ_CST);
	return gate_try_hard(&own_numbers);
}

void own_open_end(void)
{
	gate_done(&own_numbers);
}

int own_raise(int fd, uint64_t word)
{
	int high = copy_above(fd, floor_number(), word);

	own_close(fd);
	return high;
}

void own_close(int fd)
{
	fdtab_set(fd, 0);
	sys_close(fd);
}

bool own_give_up(void)
{
	bool any = false;

	for (size_t i = 0; i < KNOWN; i++) {
		int fd = own_mine(known[i].fd);

		if (fd < 0)
			continue;
		own_close(fd);
		*known[i].fd = -1;
		any = true;
	}
	return any;
}

int own_mine(int *which)
{
	struct known *k = known;
	int r;

	while (k->fd != which)
		k++;
	if (*which < 0)
		return -1;
	r = sys_is_file(*which, k->is.dev, k->is.ino);
	if (r == 0)
		own_lost(*which);
	return r == 1 ? *which : -1;
}

void own_lost(int fd)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (*known[i].fd == fd) {
			*known[i].fd = -1;
			fdtab_replace(fd, fdtab_own(0), 0);
		}
}

bool own_inherit(const char *text, void (*each)(int fd))
{
	unsigned number[2] = { 0, 0 };	/* the process, and the descriptor being read */
	bool mine = false;

	for (int i = 0;; text++) {
		if (*text >= '0' && *text <= '9') {
			if (number[i] < 100000000)	/* larger: no pid, no descriptor */
				number[i] = number[i] * 10 + (unsigned)(*text - '0');
			continue;
		}
		if (*text != ':' && *text != '\0')
			return mine;
		if (i == 0)
			mine = (int)number[0] == sys_getpid();
		else if (mine)
			each((int)number[1]);
		if (*text == '\0')
			return mine;
		i = 1;
		number[1] = 0;
	}
}

bool own_looks_it(int fd)
{
	const int flags = sys_fcntl(fd, F_GETFL, 0);
	struct stat st;

	return flags >= 0 && (flags & O_NONBLOCK) && sys_fstat(fd, &st) == 0 &&
	       (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/*
 * A raw fork copies the descriptors first and the memory a moment later: what
 * a thread had just begun to open is in the table, but not open here, and the
 * number may be the program's by now.
 */
void own_forked(void)
{
	for (int fd = 0; (fd = fdtab_next(fd, ~0ull, fdtab_own(0))) >= 0; fd++) {
		if (fd == own_proc || fd == own_dir || fd == own_stderr)
			continue;
		if (own_looks_it(fd) && (sys_fcntl(fd, F_GETFD, 0) & FD_CLOEXEC))
			own_close(fd);
		else
			fdtab_set(fd, 0);
	}
}

int own_open_proc(const char *name, int flags)
{
	int proc = own_mine(&own_proc);

	return proc < 0 ? -ENOENT : sys_openat(proc, name, flags | O_CLOEXEC, 0);
}

void own_move(int fd)
{
	const long floor = floor_number();
	int high = copy_above(fd, fd < floor ? floor : fd + 1, 0);

	for (size_t i = 0; i < KNOWN; i++)
		if (*known[i].fd == fd)
			*known[i].fd = high >= 0 ? high : -1;
	own_close(fd);
}

static int open_folder(const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

	return fd < 0 ? fd : own_raise(fd, 0);
}

static struct sys_identity standard[3];

bool own_is_standard(int fd, const struct stat *st)
{
	return fd >= 0 && fd < 3 && standard[fd].ino == st->st_ino && standard[fd].dev == st->st_dev;
}

void own_start(void)
{
	const struct config *c = &state_config;

	for (int fd = 0; fd < 3 && c->mode == MODE_strict; fd++)
		sys_identify(fd, false, &standard[fd]);
	own_proc = open_folder("/proc");
	if (c->dir)
		own_dir = open_folder(c->dir);
	if (c->log && c->log[0] == '-' && c->log[1] == '\0') {
		int fd = copy_above(2, floor_number(), 0);

		own_stderr = fd >= 0 ? fd : -1;
	}
	for (size_t i = 0; i < KNOWN; i++)
		if (*known[i].fd >= 0 && sys_identify(*known[i].fd, false, &known[i].is) != 0) {
			own_close(*known[i].fd);
			*known[i].fd = -1;
		}
}

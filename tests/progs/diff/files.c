/* Descriptors: opening, closing, duplicating, their flags and locks. */
#include "diff.h"

struct slot slots[SLOTS];
struct shared *shared;
bool reference, no_direct;
const char *const file_names[NAMES] = { "a", "b", "c", "d" };

bool is_direct(int s)
{
	return slots[s].fd >= 0 && shared->direct[slots[s].ofd];
}

/* What the kernel is asked for: in the reference run never O_DIRECT. */
static int really(int flags)
{
	return reference || no_direct ? flags & ~O_DIRECT : flags;
}

static int new_ofd(bool direct)
{
	NEED(shared->ofds < (int)COUNT(shared->direct));
	shared->direct[shared->ofds] = direct && !no_direct;
	return shared->ofds++;
}

void vacate(int s)
{
	if (slots[s].fd < 0)
		return;
	put(" [close %d", slots[s].fd);
	errno = ECHILD;
	put_result(close(slots[s].fd));
	put("]");
	slots[s].fd = -1;
}

static int pick_flags(struct act *a)
{
	static const int modes[] = { O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	static const struct { int n, flag; } extras[] = {
		{ 2, O_CREAT }, { 25, O_CREAT | O_EXCL }, { 30, O_TRUNC }, { 12, O_APPEND }, { 6, O_DIRECT },
		{ 60, O_SYNC }, { 40, O_DSYNC }, { 20, O_NONBLOCK }, { 30, O_NOATIME }, { 4, O_CLOEXEC },
		{ 80, O_PATH }, { 30, O_NOFOLLOW }, { 80, O_DIRECTORY },
	};
	int flags = modes[pick(a, COUNT(modes))];

	for (size_t i = 0; i < COUNT(extras); i++)
		if (one_in(a, extras[i].n))
			flags |= extras[i].flag;
	return flags;
}

/* New files rather have something in them. */
static void furnish(struct act *a, int fd)
{
	long n = likely(a, pick(a, 2) ? 1 << 20 : 30000);

	if (size_of(fd) == 0 && pick(a, 4) && unseen(SYS_pwrite64, fd, some_bytes(a, n), n, 0L) > 0)
		put(" filled with %ld", n);
}

void act_open(struct act *a)
{
	int s = a->slot, flags = pick_flags(a), how = (int)pick(a, 16), fd;
	const char *name = file_names[pick(a, NAMES)];
	static const char *const hows[] = { "open", "open64", "openat", "raw open", "creat" };

	how = how > 10 ? 0 : how > 6 ? 3 : how > 3 ? how - 3 : how < 1 ? 4 : 0;
	if (access(name, F_OK) && pick(a, 8))
		flags |= O_CREAT;
	vacate(s);
	if (one_in(a, 15)) {
		flags = (flags & ~(O_CREAT | O_EXCL | O_PATH | O_TRUNC)) | O_TMPFILE;
		name = ".";
	}
	if (how == 3)
		flags &= ~O_DIRECT;
	put(" %s %s flags %x", hows[how], name, (unsigned)flags);
	errno = ECHILD;
	if (how == 4) {
		flags = O_WRONLY;
		fd = creat(name, 0666);
	} else if (how == 3) {
		fd = raw_open(name, really(flags), 0666);
	} else if (how == 2) {
		fd = openat(AT_FDCWD, name, really(flags), 0666);
	} else if (how == 1) {
		fd = open64(name, really(flags), 0666);
	} else {
		fd = open(name, really(flags), 0666);
	}
	put_result(fd);
	if (fd >= 0) {
		slots[s] = (struct slot){ fd, new_ofd((flags & O_DIRECT) && !(flags & O_PATH)) };
		if (!is_direct(s))
			furnish(a, fd);
	}
	put_state(s);
}

void act_close(struct act *a)
{
	int fd = slots[a->slot].fd, how = (int)pick(a, 6);
	long r;

	errno = ECHILD;
	if (how <= 1 && fd >= 0) {
		put(" raw close %d", fd);
		r = unseen(SYS_close, fd);
	} else if (how == 2 && fd >= 0) {
		put(" close_range %d", fd);
		r = close_range((unsigned)fd, (unsigned)fd, 0);
	} else {
		put(" close %d", fd);
		r = close(fd);
	}
	put_result(r);
	slots[a->slot].fd = -1;
}

/* Where the shim keeps its own: what the program does there is nobody's but its. */
static int high_number(void)
{
	struct rlimit lim;
	long three;

	NEED(getrlimit(RLIMIT_NOFILE, &lim) == 0);
	three = lim.rlim_cur > 1 << 20 ? 7168 : (long)lim.rlim_cur / 4 * 3;
	return (int)(three < 7168 ? three : 7168);
}

static int pick_number(struct act *a)
{
	int fd = slots[a->to].fd;

	switch (pick(a, 6)) {
	case 0: return shared->locked ? 18 : high_number() + (int)pick(a, 10);
	case 1: case 2: return 20 + (int)pick(a, 20);
	case 3: return slots[a->slot].fd;
	default: return fd >= 0 ? fd : 19;
	}
}

static void now_at(const struct act *a, int fd)
{
	int s = a->to;

	if (fd == slots[a->slot].fd)
		return;
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].fd == fd)
			s = i;
	if (slots[s].fd != fd)
		vacate(s);
	slots[s] = (struct slot){ fd, slots[a->slot].ofd };
	shared->several[slots[s].ofd] = true;
	put_state(s);
}

void act_dup(struct act *a)
{
	static const int least[] = { 0, 3, 30, 60 };
	int fd = slots[a->slot].fd, number = pick_number(a), min = least[pick(a, 4)], r;

	if (one_in(a, 5) && !shared->locked)
		min = high_number();
	errno = ECHILD;
	switch (pick(a, is_direct(a->slot) ? 6 : 8)) {
	case 6: case 7:
		if (number == fd || number >= high_number())	/* the shim could not know */
			number = 17;
		put(" raw dup3 %d over %d", fd, number);
		r = (int)unseen(SYS_dup3, fd, number, 0);
		break;
	case 0: case 1:
		put(" dup %d", fd);
		r = dup(fd);
		break;
	case 2:
		put(" dup2 %d over %d", fd, number);
		r = dup2(fd, number);
		break;
	case 3:
		put(" dup3 %d over %d", fd, number);
		r = dup3(fd, number, O_CLOEXEC);
		break;
	case 4:
		put(" F_DUPFD %d from %d", fd, min);
		r = fcntl(fd, F_DUPFD, min);
		break;
	default:
		put(" F_DUPFD_CLOEXEC %d from %d", fd, min);
		r = fcntl(fd, F_DUPFD_CLOEXEC, min);
		break;
	}
	put_result(r);
	if (r >= 0)
		now_at(a, r);
	put_state(a->slot);
}

/* F_SETFL of what it can change, F_GETFL, FD_CLOEXEC. */
void act_setfl(struct act *a)
{
	static const int can[] = { O_APPEND, O_APPEND, O_DIRECT, O_NONBLOCK, O_NOATIME };
	int fd = slots[a->slot].fd, flag = can[pick(a, COUNT(can))], flags = fcntl(fd, F_GETFL);
	bool raw = one_in(a, 4);
	char byte;

	if (flag == O_DIRECT && slots[a->slot].fd >= 0 && (raw || shared->several[slots[a->slot].ofd])) {
		put(" F_SETFL %d of O_DIRECT, not compared", fd);
		return;
	}
	if (flags >= 0) {
		if (is_direct(a->slot) && !reference && !(flags & O_DIRECT))
			put(" O_DIRECT IS GONE");
		flags &= ~O_DIRECT;
		if (is_direct(a->slot))
			flags |= O_DIRECT;
		put(" %sF_SETFL %d %x to %x", raw ? "raw " : "", fd, (unsigned)flags, (unsigned)(flags ^ flag));
		flags ^= flag;
	} else {
		put(" F_SETFL %d", fd);
		flags = 0;
	}
	errno = ECHILD;
	if (put_result(raw ? unseen(SYS_fcntl, fd, F_SETFL, really(flags)) :
			     fcntl(fd, F_SETFL, really(flags))) == 0)
		shared->direct[slots[a->slot].ofd] = (flags & O_DIRECT) && !no_direct;
	if (flag == O_DIRECT)
		(void)!pread(fd, &byte, 1, 0);	/* the shim sees it at the next request that it routes */
	put(" FD_CLOEXEC %d", fcntl(fd, F_GETFD));
}

/* A further descriptor of a locked file is used: the lock must stay. */
static void use_beside(struct act *a, struct flock *l)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_RDWR | O_NOATIME, O_RDONLY | O_DSYNC };
	static char buf[5000];
	int s = 0, fd;
	char path[40];

	while (s < SLOTS && slots[s].fd >= 0)
		s++;
	if (s == SLOTS)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", slots[a->slot].fd);
	fd = open(path, flags[pick(a, COUNT(flags))]);
	put(" beside it %d", fd);
	if (fd < 0)
		return;
	slots[s] = (struct slot){ fd, new_ofd(false) };
	put(" read %zd", pread(fd, buf, sizeof(buf), 100));
	l->l_type = F_WRLCK;
	put(" F_OFD_GETLK %d type %d", fcntl(fd, F_OFD_GETLK, l), l->l_type);
}

/* Locks are lost when somebody closes a descriptor of the inode who should not have. */
void act_lock(struct act *a)
{
	static const struct { int cmd; const char *name; } cmds[] = {
		{ F_SETLK, "F_SETLK" }, { F_SETLK, "F_SETLK" }, { F_GETLK, "F_GETLK" }, { F_OFD_SETLK, "F_OFD_SETLK" },
		{ F_OFD_GETLK, "F_OFD_GETLK" }, { F_OFD_GETLK, "F_OFD_GETLK" },	/* shows this process's own, too */
	};
	static const short types[] = { F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK };
	int fd = slots[a->slot].fd, which = (int)pick(a, COUNT(cmds));
	struct flock l = { .l_type = types[pick(a, COUNT(types))], .l_whence = SEEK_SET };

	if (!no_direct) {
		put(" lock: not beside O_DIRECT");
		return;
	}
	bool get = cmds[which].cmd == F_GETLK || cmds[which].cmd == F_OFD_GETLK;

	l.l_start = pick(a, 2) * 1000;
	l.l_len = pick(a, 2) * 1000;
	if (get)
		l.l_type = F_WRLCK;
	put(" %s %d type %d %ld+%ld", cmds[which].name, fd, l.l_type, (long)l.l_start, (long)l.l_len);
	errno = ECHILD;
	if (put_result(fcntl(fd, cmds[which].cmd, &l)) == 0)
		shared->locked = true;
	if (shared->locked && cmds[which].cmd == F_SETLK && pick(a, 2))
		use_beside(a, &l);
	if (get)
		put(" type %d %ld+%ld", l.l_type, (long)l.l_start, (long)l.l_len);
}

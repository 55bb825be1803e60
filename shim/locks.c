#include "locks.h"

#include "book.h"
#include "fdtab.h"
#include "own.h"
#include "sys.h"

#include <string.h>

#define PARKED_MAX 64

static struct {
	int fd;			/* + 1; 0: free, -1: being filled in */
	uint64_t ino;
} parked[PARKED_MAX];
static uint32_t parked_n;

/* Gates by inode number: those who close, those who take. */
#define GATES 64
static struct { uint32_t closing, taking; } gates[GATES];

/*
 * One line of /proc/locks, "1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 0 EOF":
 * is it a POSIX lock of this process on that inode? The device is not
 * compared: btrfs shows another one than stat does.
 */
static bool line_is_ours(const char *line, unsigned long pid, unsigned long ino)
{
	const char *s = strstr(line, "POSIX");
	unsigned long value[2] = { 0, 0 };

	if (!s)
		return false;
	for (int word = 0; word < 3; word++) {
		while (*s && *s != ' ')
			s++;
		while (*s == ' ')
			s++;
	}
	for (int i = 0; i < 2; i++) {
		while (*s >= '0' && *s <= '9')
			value[i] = value[i] * 10 + (unsigned long)(*s++ - '0');
		if (i == 0) {	/* on to the inode: behind the second colon */
			for (int colons = 0; *s && colons < 2; s++)
				colons += *s == ':';
		}
	}
	return value[0] == pid && value[1] == ino;
}

/* The kernel's list of all locks; what cannot be read counts as a lock. */
static bool listed_in_proc(unsigned long ino)
{
	unsigned long pid = (unsigned long)sys_getpid();
	int fd = own_proc < 0 ? -ENOENT : sys_openat(own_proc, "locks", O_RDONLY | O_CLOEXEC, 0);
	char buf[1024];
	size_t have = 0;
	bool found = false;
	ssize_t n = 1;

	if (fd < 0)
		return true;
	while (!found && n > 0) {
		char *line = buf, *end;

		n = sys_read(fd, buf + have, sizeof(buf) - 1 - have);
		if (n < 0) {
			found = true;
			break;
		}
		book_own_read((size_t)n);
		have += (size_t)n;
		buf[have] = '\0';
		while (!found && (end = strchr(line, '\n'))) {
			*end = '\0';
			found = line_is_ours(line, pid, ino);
			line = end + 1;
		}
		have = (size_t)(buf + have - line);
		memmove(buf, line, have);
		if (have == sizeof(buf) - 1)
			found = true;	/* a line longer than any the kernel writes */
	}
	sys_close(fd);
	return found;
}

bool locks_held(int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat st;

	if (sys_fcntl(fd, F_OFD_GETLK, sys_ptr(&fl)) != 0)
		return true;
	if (fl.l_type == F_UNLCK)
		return false;
	if (fl.l_pid == sys_getpid())
		return true;
	/* Someone else's lock is reported; ours may stand behind it. */
	if (sys_fstat(fd, &st) != 0)
		return true;
	return listed_in_proc(st.st_ino);
}

bool locks_close_begin(uint64_t ino)
{
	__atomic_fetch_add(&gates[ino % GATES].closing, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&gates[ino % GATES].taking, __ATOMIC_SEQ_CST) == 0)
		return true;
	locks_close_end(ino);
	return false;
}

void locks_close_end(uint64_t ino)
{
	__atomic_fetch_sub(&gates[ino % GATES].closing, 1, __ATOMIC_SEQ_CST);
}

void locks_take_begin(uint64_t ino)
{
	__atomic_fetch_add(&gates[ino % GATES].taking, 1, __ATOMIC_SEQ_CST);
	/* A few system calls long; bounded, should a thread have been lost inside. */
	for (int i = 0; i < 20000; i++) {
		if (__atomic_load_n(&gates[ino % GATES].closing, __ATOMIC_SEQ_CST) == 0)
			break;
		sys_nanosleep(50000);
	}
}

void locks_take_end(uint64_t ino)
{
	__atomic_fetch_sub(&gates[ino % GATES].taking, 1, __ATOMIC_SEQ_CST);
}

static void park(int fd, uint64_t ino)
{
	for (int i = 0; i < PARKED_MAX; i++) {
		int none = 0;

		if (__atomic_compare_exchange_n(&parked[i].fd, &none, -1, 0, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED)) {
			parked[i].ino = ino;
			__atomic_store_n(&parked[i].fd, fd + 1, __ATOMIC_RELEASE);
			__atomic_fetch_add(&parked_n, 1, __ATOMIC_RELEASE);
			book_count(COUNTER_parked_descriptors, 1);
			return;
		}
	}
	/* No room: it stays open until exec or exit. Locks outrank descriptors. */
	book_count(COUNTER_parked_descriptors, 1);
}

void locks_close_or_park(int fd, uint64_t ino)
{
	if (locks_close_begin(ino)) {
		bool held = locks_held(fd);

		if (!held)
			own_close(fd);
		locks_close_end(ino);
		if (!held)
			return;
	}
	fdtab_set(fd, fdtab_own(0));
	park(fd, ino);
}

bool locks_parked(void)
{
	return __atomic_load_n(&parked_n, __ATOMIC_ACQUIRE) > 0;
}

void locks_forked(void)
{
	memset(gates, 0, sizeof(gates));
}

void locks_unpark(void)
{
	if (!locks_parked())
		return;
	for (int i = 0; i < PARKED_MAX; i++) {
		int fd = __atomic_load_n(&parked[i].fd, __ATOMIC_ACQUIRE);
		uint64_t ino = parked[i].ino;

		if (fd <= 0 || !__atomic_compare_exchange_n(&parked[i].fd, &fd, 0, 0,
							    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		fd--;
		__atomic_fetch_sub(&parked_n, 1, __ATOMIC_RELEASE);
		locks_close_or_park(fd, ino);
	}
}

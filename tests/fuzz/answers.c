/*
 * What the shim reads for itself: DIOSHIM_HELD and DIOSHIM_LOG, statx, ioctl,
 * sysfs, uname, /proc/self/io and cmdline, paths of /proc. Any answer, also such
 * as no kernel gives: nothing may crash, and what comes out has to be fit for
 * use: alignments that the pool can serve, texts that end, names not cut short.
 */
#include "align.h"
#include "book.h"
#include "log.h"
#include "own.h"
#include "state.h"
#include "sys.h"

#include "fuzz.h"
#include "ready.h"

#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#define PID 4711
#define OPEN 50		/* any descriptor that the shim opens */

static struct bytes in;
static char opened[PATH_MAX];		/* the last name, below the working folder */
static size_t written;
static long mapped;			/* where a ledger lies, or 0 */

/* n bytes of the input for the shim to read; often text. */
static long answer(char *to, size_t n)
{
	static const char *const texts[] = { "512\n", "4096", "rchar: ", "\nwchar: 18446744073709551616\n",
					     "6.3.0", "../../block/vda/vda1", "/block/", "99999999999999999999" };
	size_t got = 0;

	if (once_in(&in, 12))
		return -(long)(1 + below(&in, 133));
	while (got < n && any_left(&in) && !once_in(&in, 6)) {
		const char *text = texts[below(&in, 8)];
		size_t len = strlen(text) < n - got ? strlen(text) : n - got;

		if (once_in(&in, 3))
			to[got++] = (char)take(&in, 1);
		else
			memcpy(to + got, text, len), got += len;
	}
	return (long)got;
}

static long fake(long nr, long a, long b, long c, long d, long e, long f)
{
	switch (nr) {
	case SYS_openat:
		if ((int)a == AT_FDCWD)
			snprintf(opened, sizeof(opened), "%s", (const char *)b);
		return once_in(&in, 8) ? -ENOENT : OPEN;
	case SYS_read:
		must(a == OPEN, "reads descriptor %ld", a);
		return answer((char *)b, (size_t)c);
	case SYS_ppoll:
		return !once_in(&in, 8);
	case SYS_pwrite64:
		return once_in(&in, 8) ? -ENOSPC : c;
	case SYS_write:
		written += (size_t)c;
		return once_in(&in, 6) ? -(long)(1 + below(&in, 40)) : c > 1 && once_in(&in, 4) ? c / 2 : c;
	case SYS_readlinkat:
		return answer((char *)c, (size_t)d);
	case SYS_uname:
		memset((void *)a, 'x', sizeof(struct utsname));
		answer(((struct utsname *)a)->release, sizeof(((struct utsname *)a)->release) - 1);
		((struct utsname *)a)->release[64] = '\0';
		return 0;
	case SYS_statx: {
		struct sys_statx *stx = (struct sys_statx *)e;

		*stx = (struct sys_statx){ .mask = (uint32_t)(take(&in, 1) << 13 | take(&in, 1) << 17) };
		stx->attributes = once_in(&in, 8) ? ~0ull : 0;
		stx->dio_mem_align = once_in(&in, 2) ? 1u << below(&in, 32) : (uint32_t)take(&in, 4);
		stx->dio_offset_align = once_in(&in, 2) ? 1u << below(&in, 32) : (uint32_t)take(&in, 4);
		stx->dio_read_offset_align = once_in(&in, 2) ? 1u << below(&in, 32) : (uint32_t)take(&in, 4);
		return once_in(&in, 8) ? -ENOSYS : 0;
	}
	case SYS_fstatfs: {
		static const uint32_t magic[] = { 0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630 };

		((struct statfs *)b)->f_type = once_in(&in, 3) ? (long)take(&in, 4) : (long)magic[below(&in, 5)];
		return once_in(&in, 8) ? -EIO : 0;
	}
	case SYS_ioctl:
		if (b == (long)BLKGETSIZE64)
			*(uint64_t *)c = take(&in, 8);
		else
			*(int *)c = once_in(&in, 2) ? (int)(1u << below(&in, 32)) : (int)take(&in, 4);
		return once_in(&in, 4) ? -ENOTTY : 0;
	case SYS_fstat:
		*(struct stat *)b = (struct stat){ .st_mode = once_in(&in, 2) ? S_IFREG : S_IFIFO,
						   .st_size = (off_t)(take(&in, 8) >> 1) };
		return 0;
	case SYS_prlimit64:
		*(struct rlimit *)d = (struct rlimit){ once_in(&in, 2) ? take(&in, 8) : RLIM_INFINITY, 0 };
		return 0;
	case SYS_getpid:
		return PID;
	case SYS_close: case SYS_fcntl: case SYS_rt_sigtimedwait: case SYS_fallocate: case SYS_getppid: case SYS_unlinkat:
		return 0;
	case SYS_clock_gettime: case SYS_munmap:
		return sys_kernel(nr, a, b, c, d, e, f);
	case SYS_mmap:		/* anonymous, wherever it was to come from */
		mapped = once_in(&in, 4) ? 0 : sys_kernel(nr, a, b, c, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return mapped ? mapped : -ENOMEM;
	default:
		must(false, "system call %ld", nr);
	}
}

/* Bytes up to the end of the input or max as a text; digits and the like are common. */
static const char *text(size_t max)
{
	static const char common[] = "0123456789::4711:%p/-";
	static char room[8192];
	size_t n = 0, most = once_in(&in, 6) ? max : 24;

	while (n < most && (any_left(&in) || most == max)) {
		room[n] = (char)take(&in, 1);
		if (any_left(&in) && !once_in(&in, 8))
			room[n] = common[(unsigned char)room[n] % (sizeof(common) - 1)];
		else if (!room[n])
			room[n] = 'x';
		n++;
	}
	room[n] = '\0';
	return room;
}

static const char *held;

/* A number may be handed on only if it stands in the text, as such. */
static void each(int fd)
{
	const char *s = held + strcspn(held, ":");
	bool there = false;

	while (*s++ == ':' && !there) {
		size_t n = strspn(s, "0123456789");

		there = n > 0 && n < 19 && strtoll(s, NULL, 10) == fd;
		s += n;
	}
	must(there, "descriptor %d of \"%s\"", fd, held);
}

static void inherit(void)
{
	bool mine;

	held = text(300);
	mine = own_inherit(held, each);
	must(!mine || strtoll(held, NULL, 10) == PID, "\"%s\" is not ours", held);
}

static void discover(void)
{
	struct stat st = { .st_mode = once_in(&in, 3) ? S_IFBLK : S_IFREG, .st_dev = take(&in, 2) };
	struct align_facts facts;
	enum reason why = align_discover(3, &st, &facts);
	const struct align *a = &facts.align;
	uint32_t all = a->mem | a->read | a->write;

	if (why != REASON_NONE) {
		must(why < REASONS, "reason %d", (int)why);
		return;
	}
	must(a->mem && a->read && a->write && all < 1u << 16, "%u/%u/%u", a->mem, a->read, a->write);
	must(!(a->mem & (a->mem - 1)) && !(a->read & (a->read - 1)) && !(a->write & (a->write - 1)),
	     "%u/%u/%u", a->mem, a->read, a->write);
}

/* A ledger made, witnessed, and written as text to any place. */
static void ledger(void)
{
	const char *where, *name;
	struct ledger *l;
	char want[2 * PATH_MAX];
	size_t n = 0;

	own_proc = once_in(&in, 8) ? -1 : OPEN;
	own_dir = once_in(&in, 4) ? -1 : OPEN;
	own_stderr = OPEN;
	book_ledger = NULL;
	mapped = 0;
	l = book_make();
	must(memchr(l->command, 0, sizeof(l->command)), "a command without an end");
	for (unsigned i = below(&in, 4); i > 0; i--) {
		struct stat st = { .st_ino = below(&in, 3), .st_dev = 1 };
		struct ledger_file *row = book_row(&st, text(2000));

		must(row >= l->files && row < l->files + LEDGER_FILES &&
		     memchr(row->path, 0, sizeof(row->path)), "a row");
		book_moved(row, OP_READ, ROUTE_cached, REASON_edge, (size_t)take(&in, 8));
	}
	book_worth();
	book_witness(LEDGER_EXITED);
	where = text(4095);
	for (name = where; *name; name++) {
		if (name[0] == '%' && name[1] == 'p')
			n += (size_t)sprintf(want + n, "%d", PID), name++;
		else
			want[n++] = *name;
		if (n > PATH_MAX)
			break;
	}
	want[n] = '\0';
	opened[0] = '\0';
	written = 0;
	log_report(where);
	must(!opened[0] || strcmp(opened, want) == 0, "opens %.99s..., %zu bytes, not %.99s..., %zu", opened,
	     strlen(opened), want, n);
	must(written < 1 << 16, "%zu bytes written", written);
	log_bad_value("DIOSHIM_LOG", where);
	if (mapped)
		sys_kernel(SYS_munmap, mapped, sizeof(*l), 0, 0, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct bytes)BYTES(data, size);
	sys_call = fake;
	switch (below(&in, 3)) {
	case 0: inherit(); break;
	case 1: discover(); break;
	default: ledger(); break;
	}
	return 0;
}

#include "adopt.h"

#include "book.h"
#include "locks.h"
#include "mapped.h"
#include "own.h"
#include "state.h"
#include "text.h"

#include <linux/fs.h>
#include <string.h>

#define PATH_ROOM 1024		/* longer paths are matched by their beginning */

#define FD_NAME (16 + TEXT_NUMBER)

static void fd_name(char *to, int fd)
{
	/* Of the thread: the folder of a main thread that has ended is empty. */
	memcpy(to, "thread-self/fd/", 15);
	text_number(to + 15, (uint64_t)fd);
}

static bool path_of(int fd, char *path)
{
	char name[FD_NAME];
	const int proc = own_mine(&own_proc);
	ssize_t n;

	fd_name(name, fd);
	n = proc < 0 ? -1 : sys_readlinkat(proc, name, path, PATH_ROOM - 1);
	path[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The flags the second descriptor is opened with. */
static int twin_flags(int flags, bool rescue)
{
	int keep = flags & (O_ACCMODE | O_SYNC | O_DSYNC | O_NOATIME);

	/* O_NONBLOCK: rather refused than held up by somebody's lease. */
	if (rescue)
		return keep | (flags & O_APPEND) | O_NONBLOCK | O_NOCTTY;
	return keep | O_DIRECT | O_NONBLOCK | O_NOCTTY;
}

/*
 * Opens the file of fd a second time, for slot f. Between the opening and the
 * move to a high number a low one is closed, which would drop POSIX locks: so
 * the whole happens only while none are held or being taken.
 */
static enum reason open_twin(int fd, int flags, struct file *f)
{
	enum reason why = REASON_locked;
	struct stat st;
	char name[FD_NAME];
	int twin, lease;

	/* A second opening would break the program's own lease: SIGIO. */
	lease = sys_fcntl(fd, F_GETLEASE, 0);
	if (lease == F_RDLCK || lease == F_WRLCK)
		return REASON_refused;
	if (!own_open_begin())
		return REASON_locked;
	if (!locks_close_begin(f->ino)) {
		own_open_end();
		return REASON_locked;
	}
	if (locks_held(fd, f->ino))
		goto out;
	fd_name(name, fd);
	twin = own_open_proc(name, twin_flags(flags, f->rescue) | O_CLOEXEC);
	if (twin < 0) {
		why = align_refusal(twin);
		goto out;
	}
	fdtab_set(twin, fdtab_own(0));	/* on its way up; a fork child closes it */
	why = REASON_refused;
	if (sys_fstat(twin, &st) != 0 || st.st_ino != f->ino || st.st_dev != f->dev) {
		own_close(twin);
		goto out;
	}
	f->twin = own_raise(twin, file_word(f));
	why = f->twin < 0 ? REASON_no_descriptor : REASON_NONE;
out:
	locks_close_end(f->ino);
	own_open_end();
	return why;
}

/* May the path be routed? And its row. */
static bool look_at_path(int fd, const struct stat *st, struct ledger_file **row)
{
	char path[PATH_ROOM];

	*row = NULL;
	if (!path_of(fd, path))
		return true;
	if (!config_allows(&state_config, path, S_ISBLK(st->st_mode)))
		return false;
	*row = book_row(st, path);
	return true;
}

/* Mode strict wants alignment of files that would not, or not as much. */
static enum reason be_strict(enum reason why, struct align_facts *facts)
{
	uint32_t a = state_config.strict_align;

	if (!a && why == REASON_NONE)
		return why;
	if (!a)
		a = 512;
	facts->align = (struct align){ a, a, a, false };
	facts->writes_are_cached = false;
	facts->from = ALIGN_strict;
	return REASON_NONE;
}

static void show_facts(struct ledger_file *row, const struct align_facts *facts)
{
	__atomic_store_n(&row->mem_align, facts->align.mem, __ATOMIC_RELAXED);
	__atomic_store_n(&row->offset_align, facts->align.read, __ATOMIC_RELAXED);
	__atomic_store_n(&row->write_align, facts->writes_are_cached ? 0 : facts->align.write,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&row->align_from, facts->from, __ATOMIC_RELAXED);
}

/* The word of a descriptor that is only looked at (observe.h). */
static uint64_t observed_word(int fd, int flags, bool private, const struct ledger_file *row)
{
	uint64_t word = fdtab_plain(REASON_observed, book_row_number(row));
	int64_t off;

	if (flags & O_DIRECT)
		word |= FD_DIRECT;
	if (flags & O_APPEND)
		return word | FD_APPENDS;
	off = private ? sys_lseek(fd, 0, SEEK_CUR) : -1;
	if (off < 0)
		return word;
	__atomic_store_n(fdtab_pos(fd), off, __ATOMIC_RELAXED);
	return word | FD_PLACED;
}

static enum reason route_file(int fd, const struct stat *st, int flags, bool private,
			      struct file **out, struct ledger_file **row)
{
	const bool rescue = flags & O_DIRECT;
	const struct file like = {
		.dev = st->st_dev, .ino = st->st_ino, .rescue = rescue, .private = private,
		.block_device = S_ISBLK(st->st_mode),
		.flags = (uint32_t)flags & (rescue ? FILE_FLAGS_RESCUE : FILE_FLAGS),
	};
	struct align_facts facts;
	enum reason why;
	struct file *f;

	if (!look_at_path(fd, st, row))
		return REASON_excluded;
	if (state_config.mode == MODE_strict && own_is_standard(fd, st))
		return REASON_standard_stream;
	if (state_config.mode == MODE_off)
		return REASON_switched_off;
	why = align_discover(fd, st, &facts);
	if (state_config.mode == MODE_strict)
		why = be_strict(why, &facts);
	if (*row)
		show_facts(*row, &facts);
	if (why != REASON_NONE)
		return why;
	if (config_observes(&state_config))
		return REASON_observed;
	f = file_find(&like);
	if (f) {
		*out = f;
		return REASON_NONE;
	}
	f = file_new();
	if (!f)
		return REASON_table_full;
	f->dev = like.dev;
	f->ino = like.ino;
	f->flags = like.flags;
	f->rescue = like.rescue;
	f->private = like.private;
	f->block_device = like.block_device;
	f->facts = facts;
	f->row = *row;
	f->row_epoch = book_epoch;
	__atomic_store_n(&f->refs, 1, __ATOMIC_SEQ_CST);
	if (mapped_is(f->dev, f->ino))
		f->mapped = 1;
	why = open_twin(fd, flags, f);
	if (why != REASON_NONE) {
		file_release(f);
		return why;
	}
	*out = f;
	return REASON_NONE;
}

uint64_t adopt(int fd)
{
	struct ledger_file *row = NULL;
	struct file *f = NULL;
	struct stat st;
	enum reason why;
	uint64_t word, before = fdtab_get(fd);
	int flags;

	if (fdtab_tag(before) != FD_UNKNOWN)
		return before;
	if (sys_fstat(fd, &st) != 0)
		return 0;
	if (!state_owner())
		return 0;
	flags = sys_fcntl(fd, F_GETFL, 0);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		word = fdtab_plain(REASON_NONE, 0);
	} else if (flags < 0 || (flags & O_PATH)) {
		return 0;
	} else {
		why = route_file(fd, &st, flags, before & FD_PRIVATE, &f, &row);
		if (why == REASON_locked && !f)	/* soon gone, perhaps: ask again */
			return fdtab_plain(why, book_row_number(row));
		word = f ? file_word(f) : fdtab_plain(why, book_row_number(row));
		if (why == REASON_observed)
			word = observed_word(fd, flags, before & FD_PRIVATE, row);
		else if (why != REASON_excluded && why != REASON_standard_stream)
			book_count(f ? COUNTER_files_routed : COUNTER_files_refused, 1);
	}
	if (!fdtab_replace(fd, before, word)) {	/* another thread was first */
		if (f)
			file_release(f);
		return fdtab_get(fd);
	}
	return word;
}

bool adopt_guard(int fd, struct file *f, unsigned ask, struct guard *g)
{
	const uint32_t care = f->rescue ? FILE_FLAGS_RESCUE : FILE_FLAGS;
	struct sys_identity id;

	g->has_ctime = ask & GUARD_CTIME;
	g->same_flags = ask & GUARD_SAME_FLAGS;
	if (sys_identify(fd, g->has_ctime, &id) != 0 || id.ino != f->ino || id.dev != f->dev)
		return false;
	g->flags = g->same_flags ? (int)f->flags : sys_fcntl(fd, F_GETFL, 0);
	if (g->flags < 0 || ((uint32_t)g->flags & care) != f->flags)
		return false;
	g->size = id.size;
	g->ctime = id.ctime;
	/* Threads: those that are at it just now. */
	g->shared = !f->private || __atomic_load_n(&f->users, __ATOMIC_RELAXED) > 1;
	if (f->block_device) {
		g->size = f->facts.device_size;
		if (sys_ioctl(fd, BLKGETSIZE64, &g->size) != 0)
			return false;
	}
	return true;
}

struct ledger_file *adopt_row(struct file *f)
{
	uint32_t epoch = __atomic_load_n(&book_epoch, __ATOMIC_ACQUIRE);
	char path[PATH_ROOM];
	struct stat st;

	if (__builtin_expect(f->row_epoch == epoch && book_ledger, 1))
		return f->row;
	book_now();	/* a fork child's first booking: rows lie in its own ledger */
	epoch = __atomic_load_n(&book_epoch, __ATOMIC_ACQUIRE);
	f->row = NULL;
	if (f->twin >= 0 && sys_fstat(f->twin, &st) == 0 && path_of(f->twin, path))
		f->row = book_row(&st, path);
	f->row_epoch = epoch;
	return f->row;
}

/*
 * hz_files: kinds of files that are no ordinary ones, ways to open them, and
 * rights that a second opening would not have.
 *
 *   hz_files [STEP...]         as anybody
 *   hz_files root              as root: other users, mounts, chroot, chattr
 *   hz_files device PATH       a block device
 */
#include "transcript.h"
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static char *buf;

static void look(int fd, const char *what)
{
	memset(buf, 0, 16384);
	long r = pread(fd, buf, 8192, 0);
	int e1 = r < 0 ? errno : 0;
	long r2 = read(fd, buf + 1, 5000);
	int e2 = r2 < 0 ? errno : 0;
	long r3 = pwrite(fd, "written", 7, 4094);
	int e3 = r3 < 0 ? errno : 0;
	printf("%s: pread %ld %s", what, r, e1 ? errno_name(e1) : "");
	printf(" read %ld %s", r2, e2 ? errno_name(e2) : "");
	printf(" pwrite %ld %s %016llx\n", r3, e3 ? errno_name(e3) : "", (unsigned long long)hash(buf, 16384));
}

/* A FIFO opened twice would have one writer too many: no end of file. */
static void fifos(void)
{
	char b[100];

	NEED(mkfifo("fifo", 0666) == 0);
	for (int i = 0; i < 3; i++) {
		int r = open("fifo", i == 2 ? O_RDWR | O_NONBLOCK : O_RDONLY | O_NONBLOCK), w;

		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			w = open("fifo", O_WRONLY);
			long n = write(w, "through the fifo", 16);
			_exit(n == 16 && lseek(w, 0, SEEK_CUR) < 0 && errno == ESPIPE && close(w) == 0 ? 0 : 1);
		}
		say_child("writer", pid);
		say(read(r, b, sizeof(b)), "read");
		say(read(r, b, sizeof(b)), "end of file, or nothing more");
		close(r);
	}
	say(open("fifo", O_WRONLY | O_NONBLOCK), "no reader");
	/* The last writer, and the last reader, gone in a way that no wrapper sees. */
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		int r = open("fifo", O_RDONLY | O_NONBLOCK), w = open("fifo", O_WRONLY);

		say(write(w, buf, i * 5000), "write");
		say(read(r, buf, 16384), "read");
		unseen(SYS_close, w);
		say(read(r, b, sizeof(b)), "no writer");
		w = open("fifo", O_WRONLY);
		say(write(w, buf, 4096), "write");
		say(read(r, buf, 100), "read");
		unseen(SYS_close, r);
		say(write(w, buf, 4096), "no reader");
		close(w);
	}
	signal(SIGPIPE, SIG_DFL);
	int path = open("fifo", O_PATH);
	look(path, "O_PATH");
	close(path);
	unlink("fifo");
}

static void virtual_files(void)
{
	static const char *const names[] = { "/proc/self/comm", "/proc/sys/kernel/ostype", "/proc/version",
		"/sys/kernel/mm/transparent_hugepage/enabled", "/dev/null", "/dev/zero", "/proc/self/auxv", "/sys/kernel/notes" };
	char b[20000];

	for (size_t i = 0; i < COUNT(names); i++) {
		int fd = open(names[i], O_RDONLY);
		long n = 0, r, calls = 0;

		if (fd < 0)
			continue;
		for (; calls < 20 && (r = read(fd, b + n, 37)) > 0; calls++)
			n += r;
		printf("%s: %ld bytes", names[i], n);
		say(pread(fd, b, 10, 3), " pread");
		close(fd);
	}
	int fd = open("/dev/full", O_RDWR);
	say(write(fd, b, 4096), "/dev/full");
	say(pread(fd, b, 4096, 100), "/dev/full pread");
	close(fd);
	fd = open("/proc/self/mem", O_RDWR);
	memset(buf, 'm', 8192);
	say(pread(fd, b, 4096, (off_t)(uintptr_t)buf), "/proc/self/mem");
	say(pwrite(fd, "changed", 7, (off_t)(uintptr_t)buf + 1), "/proc/self/mem");
	printf("%c%c%.8s\n", b[0], b[4095], buf);
	close(fd);
}

static void memory_files(void)
{
	int m = memfd_create("sealed", MFD_ALLOW_SEALING);

	say(write(m, buf, 10000), "memfd write");
	look(m, "memfd");
	say(fcntl(m, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), "seal the size");
	say(pwrite(m, buf, 100, 9950), "write across the end");
	say(pwrite(m, buf, 100, 10000), "write at the end");
	say(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE), "seal writing");
	say(pwrite(m, buf, 4096, 0), "write");
	look(m, "sealed");
	close(m);
	int shm = open("/dev/shm/dioshim-test", O_RDWR | O_CREAT, 0600);
	if (shm >= 0) {
		say(pwrite(shm, buf + 1, 5000, 33), "tmpfs");
		look(shm, "tmpfs");
		close(shm);
		unlink("/dev/shm/dioshim-test");
	}
}

static void nameless(void)
{
	struct stat st;
	int fd;

	make_file("gone", 40000, 3);
	fd = open("gone", O_RDWR);
	unlink("gone");
	look(fd, "unlinked");
	say(write(fd, buf, 8192), "write");
	NEED(fstat(fd, &st) == 0);
	printf("links %d size %lld\n", (int)st.st_nlink, (long long)st.st_size);
	close(fd);
	static const int modes[] = { 0600, 0640, 0444, 0000, 0755 };
	for (size_t i = 0; i < COUNT(modes); i++) {
		fd = i & 1 ? open(".", O_TMPFILE | O_RDWR, modes[i]) : openat(AT_FDCWD, ".", O_TMPFILE | O_RDWR | O_EXCL, modes[i]);
		NEED(fd >= 0);
		say(write(fd, buf, 10000), "O_TMPFILE write");
		look(fd, "O_TMPFILE");
		NEED(fstat(fd, &st) == 0);
		printf("mode %o\n", (unsigned)st.st_mode);
		if (i & 1) {
			char path[64];

			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			say(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), "given a name");
			say_file("named");
			unlink("named");
		}
		close(fd);
	}
	say(open(".", O_TMPFILE | O_RDONLY, 0600), "O_TMPFILE for reading");
	umask(027);
	for (size_t i = 0; i < COUNT(modes); i++) {
		int how = (int)i % 3;

		fd = how == 0 ? creat("made", (mode_t)modes[i]) : how == 1 ? open64("made", O_CREAT | O_RDWR, modes[i]) :
		     openat(AT_FDCWD, "made", O_CREAT | O_EXCL | O_WRONLY, modes[i]);
		say(write(fd, buf, 5000), "write");
		NEED(fstat(fd, &st) == 0);
		printf("made with %o: mode %o\n", (unsigned)modes[i], (unsigned)st.st_mode);
		close(fd);
		unlink("made");
	}
	umask(022);
}

static void many_names(void)
{
	char path[64];
	int dir = open(".", O_PATH | O_DIRECTORY), a, b, p;

	make_file("A", 40000, 1);
	NEED(link("A", "hard") == 0 && symlink("A", "soft") == 0);
	a = open("A", O_RDWR);
	b = openat(dir, "hard", O_RDWR);
	look(a, "A");
	look(b, "hard link");
	close(a);
	a = openat(dir, "soft", O_RDONLY);
	look(a, "symbolic link");
	say(openat(dir, "soft", O_RDONLY | O_NOFOLLOW), "O_NOFOLLOW");
	p = openat(dir, "soft", O_PATH | O_NOFOLLOW);
	look(p, "link itself");
	close(p);
	p = openat(dir, "A", O_PATH);
	look(p, "O_PATH");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p);
	close(b);
	b = open(path, O_RDWR);
	look(b, "O_PATH opened again");
	snprintf(path, sizeof(path), "/dev/fd/%d", a);
	close(p);
	p = open(path, O_RDWR | O_APPEND);
	look(p, "descriptor opened again");
	close(p);
	say(fcntl(a, F_SETLEASE, F_RDLCK), "lease with a writer about");
	close(b);
	say(fcntl(a, F_GETLEASE), "lease");
	close(a);
	close(dir);
	unlink("hard");
	unlink("soft");
	say_file("A");
}

/* A second opening must not break the program's own lease: its signal kills. */
static volatile sig_atomic_t broken;
static void on_break(int sig)
{
	(void)sig;
	broken++;
}

static void leases(void)
{
	static const struct { int flags, lease; } kinds[] = {
		{ O_RDONLY, F_RDLCK }, { O_RDWR, F_WRLCK }, { O_WRONLY, F_WRLCK }, { O_RDONLY, F_WRLCK },
	};

	signal(SIGIO, on_break);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		make_file("leased", 40000, 1);
		int fd = open("leased", kinds[i].flags);

		broken = 0;
		say(fcntl(fd, F_SETLEASE, kinds[i].lease), "lease %d", kinds[i].lease);
		look(fd, "leased");
		say(fcntl(fd, F_GETLEASE), "lease after I/O");
		printf("broken %d\n", (int)broken);
		say(fcntl(fd, F_SETLEASE, F_UNLCK), "given up");
		look(fd, "free");
		close(fd);
	}
	int fd = open("leased", O_RDONLY);
	look(fd, "used");
	say(fcntl(fd, F_SETLEASE, F_RDLCK), "a read lease after I/O");
	look(fd, "leased");
	printf("broken %d\n", (int)broken);
	close(fd);
	signal(SIGIO, SIG_DFL);
}

/* Flags changed between writes. O_DIRECT: whole blocks of whole pages only. */
static void toggles(void)
{
	make_file("A", 40960, 1);
	int fd = open("A", O_RDWR), copy;

	static const int flags[] = { 0, O_APPEND, 0, O_NONBLOCK, O_APPEND | O_NONBLOCK, O_NOATIME, 0 };
	for (size_t i = 0; i < COUNT(flags); i++) {
		say(fcntl(fd, F_SETFL, flags[i]), "F_SETFL %x", (unsigned)flags[i]);
		say(write(fd, buf, 4096), "write");
		say(pwrite(fd, buf + 1, 5000, 8192), "pwrite");
		say(writev(fd, (struct iovec[]){ { buf, 100 }, { buf, 412 } }, 2), "writev");
		printf("flags %x at %lld\n", (unsigned)fcntl(fd, F_GETFL), (long long)lseek(fd, 0, SEEK_CUR));
		say_file("A");
	}
	copy = dup(fd);
	say(fcntl(copy, F_SETFL, O_APPEND), "through a dup");
	say(pwrite(fd, buf, 4096, 0), "pwrite");
	say(fcntl(copy, F_SETFL, 0), "and back");
	say(pwrite(fd, buf, 4096, 0), "pwrite");
	say_file("A");
	NEED(ftruncate(fd, 40960) == 0);
	for (int i = 0; i < 4; i++) {
		say(fcntl(fd, F_SETFL, i & 1 ? 0 : O_DIRECT), "F_SETFL O_DIRECT %d", !(i & 1));
		say(pwrite(fd, buf, 8192, i * 4096), "pwrite");
		say(pread(copy, buf + 8192, 8192, 4096), "pread");
		say(fcntl(fd, F_GETFL), "F_GETFL");
		say_file("A");
	}
	close(copy);
	close(fd);
	fd = open("A", O_WRONLY);
	say(raw_open("A", O_WRONLY | O_APPEND, 0) - fd, "raw open");
	say(syscall(SYS_fcntl, fd, F_SETFL, O_APPEND), "raw F_SETFL");
	say(pwrite(fd, buf, 4096, 0), "appends");
	say_file("A");
	close(fd);
	close(fd + 1);
}

/* Times and bits of the inode that a write changes. */
static void inode_changes(void)
{
	struct stat s1, s2;
	int fd, changed = 0;

	for (int i = 0; i < 8; i++) {
		make_file("A", 40000, 1);
		fd = open("A", O_RDWR);
		NEED(pread(fd, buf, 4096, 0) == 4096);
		struct timespec old[2] = { { 1000000, 5 }, { 1000000, 5 } };
		NEED(futimens(fd, old) == 0 && fstat(fd, &s1) == 0);
		NEED(pwrite(fd, buf + (i & 1), i & 2 ? 4096 : 1000, i & 4 ? 8192 : 40000) > 0);
		NEED(fstat(fd, &s2) == 0);
		changed += s2.st_mtime != s1.st_mtime;
		NEED(futimens(fd, old) == 0);
		(void)!pwrite(fd, buf, 0, 0);
		NEED(fstat(fd, &s2) == 0);
		changed += 100 * (s2.st_mtime != 1000000);
		close(fd);
	}
	printf("modification times changed %d of 8\n", changed);
}

static void device(const char *path)
{
	uint64_t s = 7, size = 0;
	int fd = open(path, O_RDWR), ro = open(path, O_RDONLY);

	NEED(fd >= 0 && ro >= 0 && ioctl(fd, BLKGETSIZE64, &size) == 0);
	printf("size %llu\n", (unsigned long long)size);
	for (int i = 0; i < 600; i++) {
		long n = (long)(next_random(&s) % 9000), off = (long)(next_random(&s) % (size + 5000));

		if (i % 3 == 0)
			n &= ~511L, off &= ~511L;
		if (i % 50 == 0)
			off = (long)size - i;
		fill(buf + 1, (size_t)n, (uint64_t)i);
		if (i % 2)
			say(pwrite(fd, buf + i % 4 / 2, (size_t)n, off), "pwrite %ld at %ld", n, off);
		else
			say(pread(i % 4 ? fd : ro, buf + i % 8 / 2, (size_t)n, off), "pread %ld at %ld", n, off);
		printf("  %016llx\n", (unsigned long long)hash(buf, 9100));
	}
	say(lseek(fd, 0, SEEK_END) == (off_t)size, "the end");
	say(write(fd, buf, 4096), "write there");
	say(read(fd, buf, 4096), "read there");
	say(lseek(fd, -100, SEEK_END) == (off_t)size - 100, "before the end");
	say(write(fd, buf, 4096), "write across");
	say(lseek(fd, -100, SEEK_END) == (off_t)size - 100, "before the end");
	say(read(fd, buf, 4096), "read across");
	say(pwrite(ro, buf, 512, 0), "read-only");
	say(fsync(fd), "fsync");
	close(ro);
	say(close(fd), "close");
	say_file(path);
}

#include "hz_files_root.h"

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "fifos", fifos }, { "virtual_files", virtual_files }, { "memory_files", memory_files },
		{ "nameless", nameless }, { "many_names", many_names }, { "toggles", toggles }, { "leases", leases },
		{ "inode_changes", inode_changes },
	};

	buf = fenced(16384);
	if (argc == 3 && !strcmp(argv[1], "device"))
		return device(argv[2]), 0;
	if (argc >= 2 && !strcmp(argv[1], "root"))
		return run_steps(root_steps, COUNT(root_steps), argc - 1, argv + 1);
	return run_steps(steps, COUNT(steps), argc, argv);
}

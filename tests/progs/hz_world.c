/*
 * hz_world: the world changes around a process that is at work: its user, its
 * root, its mounts, its process ids, what it may open at all. As root.
 */
#include "hz_process.h"
#include <grp.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define NOBODY 65534

static char *mine;

/* Reads and writes of all shapes; what a program in a strange place would do. */
static void use(int fd, const char *what)
{
	look(fd, what);
	lseek(fd, 4096, SEEK_SET);
	say(write(fd, mine, 8192), "  write");
	say(pwrite(fd, mine + 1, 9000, 20001), "  pwrite");
	say(pread(fd, mine + 3, 4096, 512), "  pread");
	printf("  %016llx\n", (unsigned long long)hash(mine, 16384));
	fill(mine, 16384, 7);
}

static void in_child(void (*run)(void), const char *what)
{
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		alarm(60);
		run();
		fflush(stdout);
		_exit(0);
	}
	say_child(what, pid);
	say_file("A");
	say_file("B");
}

/* ---- users: threads at work while the whole process changes who it is */

static int over;
static long wrong;

static void *worker(void *arg)
{
	int fd = *(int *)arg;
	char *b = fenced(8192), *want = malloc(100000);

	fill(want, 100000, 1);
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST))
		for (int i = 0; i < 10; i++)
			if (pread(fd, b + i % 2, 8000, i * 4096) != 8000 || memcmp(b + i % 2, want + i * 4096, 8000))
				__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void become_nobody(void)
{
	int a = open("A", O_RDWR), b = open("B", O_RDWR), unused = open("C", O_RDWR);
	pthread_t t[2];

	NEED(chmod("A", 0600) == 0 && chmod("B", 0644) == 0 && chmod("C", 0600) == 0);
	look(b, "root");
	for (int i = 0; i < 2; i++)
		NEED(pthread_create(&t[i], NULL, worker, &a) == 0);
	for (int i = 0; i < 200; i++)
		NEED(seteuid(NOBODY) == 0 && seteuid(0) == 0);
	NEED(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0);
	NEED(setresuid(NOBODY, NOBODY, NOBODY) == 0);
	usleep(20000);
	__atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("threads: wrong %ld\n", wrong);
	use(a, "opened and used as root");
	use(unused, "opened as root, never used");
	say(open("A", O_RDONLY), "open as nobody");
	int again = open("B", O_RDONLY);
	look(again, "what nobody may read");
	say(open("B", O_RDWR), "for writing");
	say(pwrite(again, mine, 8192, 0), "pwrite");
	int own = open("own", O_RDWR | O_CREAT | O_TRUNC, 0600);
	use(own, "nobody's own");
	unlink("own");
}

static void users(void)
{
	NEED(chmod(".", 01777) == 0);
	files();
	in_child(become_nobody, "nobody");
	say_file("C");
}

/* ---- roots and mounts */

static void change_root(void)
{
	int a = open("A", O_RDWR), b = open("B", O_RDWR);

	look(a, "before");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "new", "tmpfs", 0, NULL)) {
		printf("no mounts here\n");
		return;
	}
	NEED(mkdir("new/old", 0700) == 0 && mkdir("new/place", 0700) == 0);
	NEED(mount(".", "new/place", NULL, MS_BIND, NULL) == 0);
	use(a, "in a mount namespace");
	NEED(syscall(SYS_pivot_root, "new", "new/old") == 0 && chdir("/") == 0);
	use(a, "after pivot_root");
	use(b, "first used after it");
	NEED(umount2("old", MNT_DETACH) == 0);
	use(b, "the old root is gone");
	int c = open("/place/C", O_RDWR);
	use(c, "opened by its new name");
	say(open("/proc/self/fd", O_RDONLY), "no /proc");
	int t = open("/on_tmpfs", O_RDWR | O_CREAT, 0600);
	use(t, "on tmpfs");
	close(t);
	NEED(chdir("/place") == 0 && chroot(".") == 0);
	close(a);
	a = open("/A", O_RDWR);
	use(a, "after a chroot");
	say(rename("/A", "/A2"), "rename");
	use(a, "renamed");
	say(rename("/A2", "/A"), "back");
	umount2("/", MNT_DETACH);
	use(a, "unmounted below us");
}

static void roots(void)
{
	files();
	NEED(mkdir("new", 0700) == 0);
	in_child(change_root, "roots");
	rmdir("new");
	say_file("C");
}

/* ---- process ids */

static void first_process(void)
{
	int a = open("A", O_RDWR);

	look(a, "before");
	if (unshare(CLONE_NEWPID | CLONE_NEWNS)) {
		printf("no namespaces here\n");
		return;
	}
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		printf("process %d of %d\n", getpid(), getppid());
		use(a, "process 1, the outer /proc");
		NEED(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		NEED(mount("proc", "/proc", "proc", 0, NULL) == 0);
		use(a, "its own /proc");
		int b = open("B", O_RDWR);
		use(b, "opened there");
		fflush(stdout);
		/* Process 1 of a namespace inside, whose parent is a process 1. */
		for (int i = 0; i < 2; i++) {
			pid = (pid_t)syscall(SYS_clone, (long)(CLONE_NEWPID | SIGCHLD), 0L, 0L, 0L, 0L);
			if (!pid) {
				printf("process %d of %d\n", getpid(), getppid());
				use(b, "inner process 1");
				close(b);
				int c = open("C", O_RDWR);
				printf("number %d\n", c == b);
				use(c, "the number reused");
				fflush(stdout);
				_exit(5);
			}
			say_child("inner", pid);
			use(b, "still B");
		}
		fflush(stdout);
		execl("/proc/self/exe", "hz_world", "executed", NULL);
		_exit(127);
	}
	say_child("process 1", pid);
	look(a, "after");
}

static int executed(void)
{
	int a = open("A", O_RDWR);

	printf("process %d, executed\n", getpid());
	use(a, "A");
	fflush(stdout);
	return 0;
}

static void process_ids(void)
{
	files();
	in_child(first_process, "process ids");
}

/* ---- Landlock: what is open may be used, nothing may be opened any more */

static void locked_land(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE,
	};
	int a = open("A", O_RDWR), b = open("B", O_RDWR), c = open("C", O_RDONLY);
	int set = (int)syscall(444 /* landlock_create_ruleset */, &attr, sizeof(attr), 0);

	if (set < 0) {
		printf("no Landlock here\n");
		return;
	}
	use(a, "used before");
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(syscall(446 /* landlock_restrict_self */, set, 0) == 0);
	close(set);
	use(a, "restricted");
	use(b, "first used when restricted");
	look(c, "for reading");
	say(open("A", O_RDONLY), "open");
	say(dup(b) > 0, "dup");
}

static void landlock(void)
{
	files();
	in_child(locked_land, "Landlock");
}

int main(int argc, char **argv)
{
	static const struct step steps[] = {
		{ "users", users }, { "roots", roots }, { "process_ids", process_ids }, { "landlock", landlock },
	};

	buf = fenced(16384);
	mine = fenced(16384);
	fill(mine, 16384, 7);
	if (argc == 2 && !strcmp(argv[1], "executed"))
		return executed();
	return run_steps(steps, COUNT(steps), argc, argv);
}

/*
 * hz_files_root: what only root can set up: other users, mounts, chroot and
 * the inode's flags. Part of hz_files.
 */
#define NOBODY 65534

/* A child without rights; what the parent may open, the child may not. */
static void as_nobody(int (*run)(int), int fd, const char *what)
{
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		NEED(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		int r = run(fd);
		fflush(stdout);
		_exit(r);
	}
	say_child(what, pid);
}

static int use_it(int fd)
{
	look(fd, "inherited");
	say(write(fd, buf, 4096), "write");
	say(open("mine", O_RDWR), "open");
	close(fd);
	return 0;
}

static int own_files(int fd)
{
	int a = open("mine", O_RDWR), b;

	(void)fd;
	look(a, "own");
	say(fchmod(a, 0), "mode 000");
	look(a, "own, mode 000");
	b = open("mine", O_RDONLY);
	say(b, "open again");
	close(a);
	say(chmod("mine", 0400), "mode 400");
	a = open("mine", O_RDONLY);
	look(a, "own, mode 400");
	close(a);
	say(chmod("mine", 0200), "mode 200");
	a = open("mine", O_WRONLY);
	look(a, "own, mode 200");
	close(a);
	return 0;
}

/* Writes by others than root take the set-id bits away. */
static int set_id(int fd)
{
	struct stat st;

	(void)fd;
	for (int i = 0; i < 6; i++) {
		NEED(chmod("mine", 06755) == 0);
		int a = open("mine", O_RDWR);
		(void)!pread(a, buf, 4096, 0);
		NEED(fstat(a, &st) == 0);
		printf("read: %o", (unsigned)st.st_mode);
		say(pwrite(a, buf + i % 2, i < 4 ? 4096 : 100, i & 2 ? 50000 : 4096), " pwrite");
		NEED(fstat(a, &st) == 0);
		printf("written: %o\n", (unsigned)st.st_mode);
		close(a);
	}
	return 0;
}

static void other_users(void)
{
	int fd;

	NEED(chmod(".", 0777) == 0);
	make_file("mine", 40000, 1);
	NEED(chown("mine", NOBODY, NOBODY) == 0);
	as_nobody(own_files, -1, "own files");
	as_nobody(set_id, -1, "set-id bits");
	NEED(chown("mine", 0, 0) == 0 && chmod("mine", 0600) == 0);
	fd = open("mine", O_RDWR);
	as_nobody(use_it, fd, "never used before");
	look(fd, "used");
	as_nobody(use_it, fd, "used before");
	close(fd);
	say_file("mine");
}

static void read_only_mount(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		make_file("A", 40000, 1);
		NEED(mkdir("ro", 0777) == 0);
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount(".", "ro", NULL, MS_BIND, NULL)) {
			printf("no mounts here\n");
			fflush(stdout);
			_exit(0);
		}
		int before = open("ro/A", O_RDWR);	/* keeps the mount writable: */
		look(before, "before");
		close(before);				/* until here */
		say(mount("none", "ro", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "read-only");
		int ro = open("ro/A", O_RDONLY);
		look(ro, "read-only mount");
		say(open("ro/A", O_RDWR), "for writing");
		int rw = open("A", O_RDWR);
		look(rw, "the same file elsewhere");
		look(ro, "read-only mount");
		close(ro);
		close(rw);
		/* mounted over, and no /proc at all */
		rw = open("A", O_RDWR);
		say(mount("none", "/proc", "tmpfs", 0, NULL), "over /proc");
		look(rw, "without /proc");
		int new = open("A", O_RDWR);
		look(new, "opened without /proc");
		fflush(stdout);
		_exit(0);
	}
	say_child("mounts", pid);
	rmdir("ro");
	say_file("A");
}

static void in_chroot(void)
{
	mkdir("jail", 0777);
	make_file("jail/A", 40000, 1);
	make_file("B", 40000, 2);
	for (int i = 0; i < 2; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			int b = open("B", O_RDWR);

			if (i)
				look(b, "outside, before");
			NEED(chroot("jail") == 0 && chdir("/") == 0);
			look(b, "from outside");
			int a = open("/A", O_RDWR);
			look(a, "inside");
			say(open("/proc/self/fd", O_RDONLY), "no /proc");
			if (i) {
				NEED(setuid(NOBODY) == 0);
				look(a, "and nobody");
				say(write(a, buf, 4096), "write");
			}
			fflush(stdout);
			_exit(0);
		}
		say_child("chroot", pid);
		say_file("jail/A");
		say_file("B");
	}
}

static void inode_flag(const char *path, int flag)
{
	int fd = raw_open(path, O_RDONLY, 0), f = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &f) == 0)
		f = (f & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)) | flag;
	if (ioctl(fd, FS_IOC_SETFLAGS, &f))
		printf("no such flags here\n");
	close(fd);
}

static void inode_flags(void)
{
	make_file("A", 40000, 1);
	int early = open("A", O_RDWR), used = open("A", O_RDWR), app;

	look(used, "used");
	inode_flag("A", FS_IMMUTABLE_FL);
	int ro = open("A", O_RDONLY);
	look(ro, "immutable");
	say(open("A", O_RDWR), "for writing");
	look(early, "opened before");
	look(used, "used before");
	say(ftruncate(used, 5), "ftruncate");
	inode_flag("A", FS_APPEND_FL);
	app = open("A", O_WRONLY | O_APPEND);
	say(write(app, buf, 4096), "append-only");
	say(pwrite(app, buf, 4096, 0), "pwrite");
	say(open("A", O_RDWR), "without O_APPEND");
	look(ro, "append-only");
	look(early, "opened before");
	look(used, "used before");
	inode_flag("A", 0);
	look(used, "free again");
	close(early);
	close(used);
	close(app);
	close(ro);
	say_file("A");
}

static const struct step root_steps[] = {
	{ "other_users", other_users }, { "read_only_mount", read_only_mount },
	{ "in_chroot", in_chroot }, { "inode_flags", inode_flags },
};

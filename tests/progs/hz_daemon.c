/*
 * hz_daemon: what daemons do: two forks, a session, every descriptor closed in
 * a loop, standard ones on /dev/null, and then a life of writing files. The
 * transcript comes out through a file; whoever started the daemon waits for it.
 */
#include "transcript.h"
#include <sys/prctl.h>
#include <sys/resource.h>

static char *buf;

/* A log that is appended to, a file in place, one after the other. */
static int life(int how)
{
	FILE *out = fopen("result", "w");
	int data = open("data", O_RDWR | O_CREAT, 0600), log, wrong = 0;

	NEED(out && data >= 0);
	for (int i = 0; i < 40; i++) {
		log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
		wrong += write(log, "one line of the log\n", 20) != 20;
		wrong += close(log) != 0;
		fill(buf, 16384, (uint64_t)i);
		wrong += pwrite(data, buf, 8192, i * 8192) != 8192;
		wrong += pwrite(data, buf + 1, 9999, i * 4096 + 77) != 9999;
		wrong += pread(data, buf + 4, 9999, i * 4096 + 77) != 9999;
		wrong += fdatasync(data) != 0 && i == 0;
	}
	fprintf(out, "way %d: numbers %d %d, wrong %d, %016llx, session %d\n", how, fileno(out), data, wrong,
		(unsigned long long)hash(buf, 16384), getsid(0) != getpid());
	wrong += close(data) != 0 || fclose(out) != 0;
	return wrong;
}

static void close_all(int how, int used)
{
	struct rlimit rl;

	NEED(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	switch (how) {
	case 0:
		for (int fd = (int)rl.rlim_cur - 1; fd > 2; fd--)
			close(fd);
		break;
	case 1:
		for (int fd = 0; fd < (int)rl.rlim_cur; fd++)
			close(fd);
		break;
	case 2: close_range(3, ~0U, 0); break;
	case 3: unseen(SYS_close_range, 0, ~0U, 0); break;
	default: close(used); break;
	}
}

/* The parent knows only its child; the daemon is its grandchild. */
static void daemons(void)
{
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	make_file("before", 40000, 1);
	for (int how = 0; how < 5; how++) {
		int fd = open("before", O_RDWR), st;

		NEED(pread(fd, buf, 8192, 4096) == 8192 && pwrite(fd, buf, 4096, 0) == 4096);
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			if (setsid() < 0)
				_exit(90);
			if (how == 4) {		/* as the C library does it: a fork of its own */
				if (daemon(1, 0))
					_exit(91);
			} else if (fork()) {
				_exit(0);
			}
			close_all(how, fd);
			int null = open("/dev/null", O_RDWR);
			for (int i = 0; i < 3; i++)
				if (i != null)
					dup2(null, i);
			if (null > 2)
				close(null);
			umask(027);
			_exit(life(how));
		}
		say_child("started", pid);
		NEED(wait(&st) > 0);
		printf("daemon: status %x\n", (unsigned)st);
		say(pread(fd, buf, 8192, 4096), "pread");
		close(fd);
		say_file("result");
		say_file("data");
		say_file("log");
		FILE *in = fopen("result", "r");
		char line[128] = "";
		printf("%s", in && fgets(line, sizeof(line), in) ? line : "nothing\n");
		if (in)
			fclose(in);
	}
}

int main(int argc, char **argv)
{
	static const struct step steps[] = { { "daemons", daemons } };

	buf = fenced(16384);
	return run_steps(steps, COUNT(steps), argc, argv);
}

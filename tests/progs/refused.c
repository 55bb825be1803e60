/*
 * refused: starts a program for which some system calls are refused, as an
 * older kernel or a container's filter does.
 *
 *   refused ERRNO CALL[,CALL...] PROGRAM [ARGUMENT...]
 *
 * ERRNO is ENOSYS, EPERM, EINVAL, EAGAIN, ENOMEM or EMFILE; CALL one of the
 * names below, some of which mean the call with one argument only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ANY (-1)
#define RULES 16

static const struct {
	const char *name;
	unsigned nr;
	int arg;		/* the argument to look at, or ANY */
	unsigned low, high;	/* its values */
} calls[] = {
	{ "cachestat", 451, ANY, 0, 0 },
	{ "close_range", 436, ANY, 0, 0 },
	{ "copy_file_range", SYS_copy_file_range, ANY, 0, 0 },
	{ "dontfork", SYS_madvise, 2, 10, 10 },
	{ "faccessat2", 439, ANY, 0, 0 },
	{ "fadvise64", SYS_fadvise64, ANY, 0, 0 },
	{ "fallocate", SYS_fallocate, ANY, 0, 0 },
	{ "getlease", SYS_fcntl, 1, F_GETLEASE, F_GETLEASE },
	{ "hugepage", SYS_madvise, 2, 14, 15 },
	{ "io_getevents", SYS_io_getevents, ANY, 0, 0 },
	{ "io_setup", SYS_io_setup, ANY, 0, 0 },
	{ "io_submit", SYS_io_submit, ANY, 0, 0 },
	{ "madvise", SYS_madvise, ANY, 0, 0 },
	{ "ofd_getlk", SYS_fcntl, 1, F_OFD_GETLK, F_OFD_GETLK },
	{ "populate", SYS_madvise, 2, 22, 23 },
	{ "preadv2", SYS_preadv2, ANY, 0, 0 },
	{ "prlimit64", SYS_prlimit64, ANY, 0, 0 },
	{ "pwritev2", SYS_pwritev2, ANY, 0, 0 },
	{ "readlinkat", SYS_readlinkat, ANY, 0, 0 },
	{ "sendfile", SYS_sendfile, ANY, 0, 0 },
	{ "statx", SYS_statx, ANY, 0, 0 },
	{ "statx_dio", SYS_statx, 3, 0x2000, 0x22000 },
	{ "sync_file_range", SYS_sync_file_range, ANY, 0, 0 },
	{ "wipeonfork", SYS_madvise, 2, 18, 18 },
};

static const struct { const char *name; int value; } errors[] = {
	{ "ENOSYS", ENOSYS }, { "EPERM", EPERM }, { "EINVAL", EINVAL },
	{ "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM }, { "EMFILE", EMFILE },
};

static struct sock_filter code[RULES * 7 + 2];
static unsigned short used;

static void add(unsigned short op, unsigned k, unsigned char yes, unsigned char no)
{
	code[used++] = (struct sock_filter)BPF_JUMP(op, k, yes, no);
}

static void refuse(size_t i, unsigned err)
{
	const int arg = calls[i].arg;

	add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	add(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr, 0, arg == ANY ? 1 : 4);
	if (arg != ANY) {
		add(BPF_LD | BPF_W | BPF_ABS,
		    (unsigned)(offsetof(struct seccomp_data, args) + 8 * (unsigned)arg), 0, 0);
		add(BPF_JMP | BPF_JGE | BPF_K, calls[i].low, 0, 2);
		add(BPF_JMP | BPF_JGT | BPF_K, calls[i].high, 1, 0);
	}
	add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err, 0, 0);
}

static unsigned error_of(const char *name)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (!strcmp(errors[i].name, name))
			return (unsigned)errors[i].value;
	fprintf(stderr, "refused: %s?\n", name);
	exit(99);
}

int main(int argc, char **argv)
{
	struct sock_fprog p = { 0, code };
	unsigned err;

	if (argc < 4)
		return 99;
	err = error_of(argv[1]);
	for (char *name = strtok(argv[2], ","); name; name = strtok(NULL, ",")) {
		size_t i = 0;

		while (i < COUNT(calls) && strcmp(calls[i].name, name))
			i++;
		if (i == COUNT(calls) || used > 7 * (RULES - 1)) {
			fprintf(stderr, "refused: %s?\n", name);
			return 99;
		}
		refuse(i, err);
	}
	add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	p.len = used;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) != 0) {
		perror("refused: seccomp");
		return 98;
	}
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 97;
}

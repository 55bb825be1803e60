/*
 * program: can a preload reach it? The answer is wanted before it runs: the
 * loader ignores LD_PRELOAD without a word where it does not apply.
 */
#include "cli.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPT_DEPTH 4		/* the kernel's own limit is near */

struct program {
	const char *path;
	int fd;
	struct stat st;
	char head[4096];	/* its first bytes, NUL-terminated */
	size_t head_len;
};

static int inspect(const char *path, const char *library, unsigned depth);

/* As execve sees it: 0, or the reason against it. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? errno : 0;
}

/* execvp's search. 0 and the path, or the reason why there is none. */
static int search(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	int why = ENOENT;

	if (!*name)
		return ENOENT;
	if (strchr(name, '/')) {
		if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
			return ENAMETOOLONG;
		return executable(path);
	}
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;;) {
		const char *end = strchrnul(dirs, ':');
		int n = snprintf(path, PATH_MAX, "%.*s%s%s",
				 (int)(end - dirs), dirs,
				 end == dirs ? "" : "/", name);
		int e = n < PATH_MAX ? executable(path) : ENAMETOOLONG;

		if (!e)
			return 0;
		if (e == EACCES)
			why = EACCES;
		if (!*end)
			return why;
		dirs = end + 1;
	}
}

/* Would execve of it change who the process is? Then the loader is in secure mode. */
static const char *switches_identity(const struct program *p)
{
	struct statvfs vfs;
	bool nosuid = fstatvfs(p->fd, &vfs) == 0 && (vfs.f_flag & ST_NOSUID);

	if (nosuid || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return NULL;
	if ((p->st.st_mode & S_ISUID) && p->st.st_uid != getuid())
		return "a set-user-id program";
	if ((p->st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    p->st.st_gid != getgid())
		return "a set-group-id program";
	if (getuid() != 0 &&
	    fgetxattr(p->fd, "security.capability", NULL, 0) > 0)
		return "a program with file capabilities";
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The names glibc's loader has had; musl's is ld-musl-ARCH, Android's linker. */
static bool is_glibc_loader(const char *path)
{
	const char *name = base_name(path);

	return strncmp(name, "ld-linux", 8) == 0 ||
	       strncmp(name, "ld-2.", 5) == 0 ||
	       strncmp(name, "ld64.so.", 8) == 0 ||
	       strncmp(name, "ld.so", 5) == 0;
}

/* The path of PT_INTERP; "" if there is none, NULL if it cannot be read. */
static const char *elf_loader(const struct program *p, char loader[PATH_MAX])
{
	bool wide = p->head[EI_CLASS] == ELFCLASS64;
	size_t entry = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	Elf64_Ehdr e64;
	Elf32_Ehdr e32;
	uint64_t table, count;

	memcpy(&e64, p->head, sizeof(e64));
	memcpy(&e32, p->head, sizeof(e32));
	table = wide ? e64.e_phoff : e32.e_phoff;
	count = wide ? e64.e_phnum : e32.e_phnum;
	if ((wide ? e64.e_phentsize : e32.e_phentsize) != entry)
		return NULL;
	for (uint64_t i = 0; i < count; i++) {
		Elf64_Phdr p64 = { 0 };
		Elf32_Phdr p32 = { 0 };
		uint64_t at, len;
		ssize_t n;

		n = pread(p->fd, wide ? (void *)&p64 : (void *)&p32, entry,
			  (off_t)(table + i * entry));
		if (n != (ssize_t)entry)
			return NULL;
		if ((wide ? p64.p_type : p32.p_type) != PT_INTERP)
			continue;
		at = wide ? p64.p_offset : p32.p_offset;
		len = wide ? p64.p_filesz : p32.p_filesz;
		if (len >= PATH_MAX ||
		    pread(p->fd, loader, len, (off_t)at) != (ssize_t)len)
			return NULL;
		loader[len] = '\0';
		return loader;
	}
	return "";
}

/* Bytes of the library's header, to compare with. */
static bool library_header(const char *library, Elf64_Ehdr *e)
{
	int fd = open(library, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && read(fd, e, sizeof(*e)) == sizeof(*e);

	if (fd >= 0)
		close(fd);
	return good && memcmp(e->e_ident, ELFMAG, SELFMAG) == 0;
}

static int check_elf(const struct program *p, const char *library)
{
	Elf64_Ehdr ours, theirs;
	char loader[PATH_MAX];
	const char *found;

	if (!library_header(library, &ours)) {
		complain("%s: not a library", library);
		return STATUS_OWN;
	}
	if (p->head_len < sizeof(theirs))
		return 0;	/* execve has the better message */
	memcpy(&theirs, p->head, sizeof(theirs));
	/* e_machine is at the same place in both classes. */
	if (theirs.e_ident[EI_CLASS] != ours.e_ident[EI_CLASS] ||
	    theirs.e_ident[EI_DATA] != ours.e_ident[EI_DATA] ||
	    theirs.e_machine != ours.e_machine) {
		complain("%s: a %s-bit program for another kind of machine than the library: it cannot be preloaded",
			 p->path,
			 theirs.e_ident[EI_CLASS] == ELFCLASS64 ? "64" : "32");
		return STATUS_OWN;
	}
	found = elf_loader(p, loader);
	if (!found)
		return 0;
	if (!*found) {
		if (is_glibc_loader(p->path))
			return 0;	/* run by hand, it preloads too */
		complain("%s: a static program: no library can be preloaded into it",
			 p->path);
		return STATUS_OWN;
	}
	if (!is_glibc_loader(found)) {
		complain("%s: uses the loader %s, not glibc's: it cannot be preloaded",
			 p->path, found);
		return STATUS_OWN;
	}
	if (access(found, F_OK) != 0) {
		complain("%s: its loader %s: %s", p->path, found, strerror(errno));
		return STATUS_NOT_FOUND;
	}
	return 0;
}

/* The program that `env` of a #! line will run; NULL if that is hard to say. */
static char *env_program(char *words)
{
	char *save, *word = strtok_r(words, " \t", &save);

	if (word && strncmp(word, "-S", 2) == 0) {
		word += 2;
		if (!*word)
			word = strtok_r(NULL, " \t", &save);
	}
	while (word && strchr(word, '='))
		word = strtok_r(NULL, " \t", &save);
	return word && *word != '-' ? word : NULL;
}

static int check_script(struct program *p, const char *library, unsigned depth)
{
	char *interpreter = p->head + 2, *words, path[PATH_MAX];
	int why;

	interpreter[strcspn(interpreter, "\n")] = '\0';
	interpreter += strspn(interpreter, " \t");
	words = interpreter + strcspn(interpreter, " \t");
	if (*words)
		*words++ = '\0';
	if (!*interpreter || depth >= SCRIPT_DEPTH)
		return 0;	/* execve will say */
	why = executable(interpreter);
	if (why) {
		complain("%s: its interpreter %s: %s", p->path, interpreter,
			 strerror(why));
		return why == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
	}
	if (strcmp(base_name(interpreter), "env") == 0) {
		char *name = env_program(words);

		why = inspect(interpreter, library, depth + 1);
		if (why || !name || search(name, path) != 0)
			return why;
		return inspect(path, library, depth + 1);
	}
	return inspect(interpreter, library, depth + 1);
}

static int check_open(struct program *p, const char *library, unsigned depth)
{
	const char *identity;
	ssize_t n = pread(p->fd, p->head, sizeof(p->head) - 1, 0);

	if (n < 0 || fstat(p->fd, &p->st) != 0)
		return 0;
	p->head_len = (size_t)n;
	p->head[n] = '\0';
	if (n >= 2 && memcmp(p->head, "#!", 2) == 0)
		return check_script(p, library, depth);
	identity = switches_identity(p);
	if (identity) {
		complain("%s: %s: the loader takes no preload there",
			 p->path, identity);
		return STATUS_OWN;
	}
	if (n >= EI_NIDENT && memcmp(p->head, ELFMAG, SELFMAG) == 0)
		return check_elf(p, library);
	/* execvp gives a text without #! to the shell. */
	if (depth < SCRIPT_DEPTH && !memchr(p->head, '\0', (size_t)n))
		return inspect("/bin/sh", library, SCRIPT_DEPTH);
	return 0;
}

static int inspect(const char *path, const char *library, unsigned depth)
{
	struct program p = { .path = path };
	int status;

	/* Execute-only files are run unread. */
	p.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (p.fd < 0)
		return 0;
	status = check_open(&p, library, depth);
	close(p.fd);
	return status;
}

int program_check(const char *name, const char *library)
{
	char path[PATH_MAX];
	int why = search(name, path);

	if (!why)
		return inspect(path, library, 0);
	complain("%s: %s", name,
		 why == ENOENT ? "command not found" : strerror(why));
	return why == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
}

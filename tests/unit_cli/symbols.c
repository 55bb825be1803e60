/*
 * symbols: programs built in every way tell their own call sites; what is
 * found for them is compared with what they know and with addr2line. Then
 * files that are not what was recorded.
 */
#include "sites.h"

#include <signal.h>
#include <time.h>

static const char *base(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

static void is_frame(const struct symbol *s, unsigned i, const char *function,
		     const char *file, int line, const char *name)
{
	const struct symbol_frame *f = &s->frames[i];

	if (!ok(i < s->frames_n, "%s: frame %u", name, i)) {
		diag("why: %s", s->why ? s->why : "(nothing)");
		return;
	}
	is_str(f->function, function, "%s: frame %u, function", name, i);
	is_str(base(f->file), file, "%s: frame %u, file", name, i);
	is_int(f->line, line, "%s: frame %u, line", name, i);
}

/* Of a build that addr2line cannot read; no bias. */
#define NOT_BY_ADDR2LINE	UINT64_MAX

/*
 * addr2line -i prints function and file:line of every frame by turns. It wants
 * a virtual address: offset + bias.
 */
static void is_as_addr2line(const struct site *site, const struct symbol *s, uint64_t bias,
			    const char *name)
{
	char command[2048], function[512], place[1024];
	unsigned frames = 0, same = 0;
	FILE *f;

	if (bias == NOT_BY_ADDR2LINE || system("command -v addr2line >/dev/null") != 0) {
		skip(1, "%s: no addr2line", name);
		return;
	}
	snprintf(command, sizeof(command), "addr2line -C -f -i -e '%s' %#lx", site->module,
		 (unsigned long)(site->at.offset - 1 + bias));
	f = popen(command, "r");
	while (f && frames < SYMBOL_FRAMES && fgets(function, sizeof(function), f) &&
	       fgets(place, sizeof(place), f)) {
		const struct symbol_frame *mine = &s->frames[frames++];
		char *colon = strrchr(place, ':');
		size_t len = strcspn(function, "(\n");

		if (!colon || frames > s->frames_n)
			continue;
		*colon = '\0';
		same += mine->function && mine->file &&
			strncmp(mine->function, function, len) == 0 &&
			strcmp(base(mine->file), base(place)) == 0 &&
			(long)mine->line == strtol(colon + 1, NULL, 10);
	}
	if (f)
		pclose(f);
	ok(frames && same == frames && frames == s->frames_n, "%s: %u frames as addr2line",
	   name, frames);
}

/* plain_site and inlined_site, with all that debug information has. */
static void has_all(const char *program, uint64_t bias)
{
	struct site sites[2];
	struct symbol s;
	int n = sites_of(program, sites, 2);

	if (!is_int(n, 2, "%s: tells its sites", program))
		return;
	ok(symbols_find(&sites[0].at, &s), "%s: found", program);
	is_int(s.frames_n, 1, "%s: one frame", program);
	is_frame(&s, 0, "plain_site", "site.c", sites[0].line, program);
	is_str(s.why, NULL, "%s: nothing is missing", program);
	ok(s.offset_in_function > 0 && s.offset_in_function < 100, "%s: offset %lu in the function",
	   program, s.offset_in_function);
	is_as_addr2line(&sites[0], &s, bias, program);

	symbols_find(&sites[1].at, &s);
	is_int(s.frames_n, 3, "%s: inlined, three frames", program);
	is_frame(&s, 0, "innermost", "site.c", sites[1].line, program);
	is_frame(&s, 1, "middle", "site.c", 22, program);
	is_frame(&s, 2, "inlined_site", "site.c", 27, program);
	is_as_addr2line(&sites[1], &s, bias, program);
}

/* A function's name and no more; or, with NULL, not even that. */
static void has_name(const char *program, const char *function, const char *why)
{
	struct site sites[2];
	struct symbol s;

	if (!is_int(sites_of(program, sites, 2), 2, "%s: tells its sites", program))
		return;
	is_int(symbols_find(&sites[0].at, &s), function != NULL, "%s: found or not", program);
	is_int(s.frames_n, function != NULL, "%s: frames", program);
	is_str(s.frames[0].function, function, "%s: the function", program);
	is_str(s.frames[0].file, NULL, "%s: no file", program);
	is_str(s.why, why, "%s: why", program);
}

static void test_builds(void)
{
	static const char no_line[] = "no debug information: file and line are not known";

	ok(run("cc -g -O0 -o plain $S/site.c"), "built: -g");
	has_all("plain", 0);
	ok(run("cc -g -O2 -o optimised $S/site.c"), "built: -g -O2");
	has_all("optimised", 0);
	ok(run("cc -g -O2 -no-pie -o fixed $S/site.c"), "built: -no-pie");
	has_all("fixed", 0x400000);
	ok(run("cc -g -gdwarf-4 -gz -o older $S/site.c"), "built: DWARF 4, compressed");
	has_all("older", 0);
	ok(run("cc -g -O2 -fPIC -shared -DLIBRARY -o libsite.so $S/site.c && "
	       "cc -o user $S/user.c -L. -lsite"), "built: a shared library");
	has_all("user", 0);
	ok(run("cc -g -O2 -o apart $S/site.c && objcopy --only-keep-debug apart apart.debug && "
	       "strip -s apart && objcopy --add-gnu-debuglink=apart.debug apart"),
	   "built: debug information in a file of its own");
	has_all("apart", 0);
	ok(run("cc -g -O2 -flto -o lto $S/site.c"), "built: -flto");
	has_all("lto", 0);
	ok(run("cc -g -O2 -gsplit-dwarf -o split $S/site.c"), "built: -gsplit-dwarf");
	has_all("split", NOT_BY_ADDR2LINE);
	ok(run("cc -O2 -rdynamic -o exported $S/site.c && strip -s exported"),
	   "built: stripped, with exported symbols");
	has_name("exported", "plain_site", no_line);
	ok(run("cc -O2 -o unstripped $S/site.c"), "built: without -g");
	has_name("unstripped", "plain_site", no_line);
	ok(run("cc -O2 -Wl,--build-id -o stripped $S/site.c && strip -s stripped"), "built: stripped");
	has_name("stripped", NULL, "stripped: no symbol covers it");

	if (!run("command -v clang >/dev/null"))
		skip(1, "no clang: it writes no .debug_aranges");
	else if (ok(run("clang -g -O2 -o clang $S/site.c"), "built: by clang"))
		has_all("clang", 0);
}

static void test_cxx(void)
{
	struct site sites[3];
	struct symbol s;

	if (!run("command -v g++ >/dev/null")) {
		skip(1, "no g++");
		return;
	}
	ok(run("g++ -g -O2 -o cxx $S/site.cc"), "built: C++");
	if (!is_int(sites_of("cxx", sites, 3), 3, "C++: tells its sites"))
		return;
	symbols_find(&sites[0].at, &s);
	is_frame(&s, 0, "outer::box<int>::site(int)", "site.cc", sites[0].line, "C++");
	is_as_addr2line(&sites[0], &s, 0, "C++");
	symbols_find(&sites[1].at, &s);
	is_frame(&s, 0, "outer::box<char*>::site(char*)", "site.cc", sites[1].line, "C++");
	symbols_find(&sites[2].at, &s);
	is_frame(&s, 0, "(anonymous namespace)::nameless()", "site.cc", sites[2].line, "C++");
}

/* ---- not what was recorded ------------------------------------------------- */

static void test_not_there(void)
{
	char gone[1100];

	is_unknown("", 0, "made while the program ran, in no file");
	is_unknown("[anon:jit]", 0, "made while the program ran, in no file");
	is_unknown("[vdso]", 0, "the kernel's own code, in no file");
	is_unknown("/usr/bin/x (deleted)", 7, "the file was deleted while the program ran");
	snprintf(gone, sizeof(gone), "%s/nothing", folder);
	is_unknown(gone, 7, "the file is not there any more");
}

static void test_replaced(void)
{
	struct site sites[2];
	struct timespec now;
	struct symbol s;

	ok(run("cp optimised other && cp optimised another"), "a file that will be replaced");
	if (!is_int(sites_of("other", sites, 2), 2, "it tells its sites"))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	sites[0].at.until_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	symbols_find(&sites[0].at, &s);
	ok(!s.replaced, "it is the one that was recorded");
	/* Dates of files are those of the last tick. */
	usleep(50000);
	ok(run("mv another other"), "replaced");
	ok(!symbols_find(&sites[1].at, &s) && s.replaced, "another inode is seen");
	is_str(s.why, "the file was replaced or changed since", "and said");
	is_int(s.frames_n, 0, "no names of the wrong file");
	/* As if the number had been given to the new file. */
	sites[0].at.inode = 0;
	ok(!symbols_find(&sites[0].at, &s) && s.replaced, "a later change is seen, too");
	sites[0].at.until_ns = 0;
	symbols_find(&sites[0].at, &s);
	ok(!s.replaced, "without a number and a time nothing is compared");
}

/* The only child that there is. */
static pid_t reader_pid(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

/* The reader dies between two questions, as if on a file. */
static void test_dead_reader(void)
{
	struct site sites[2];
	struct symbol s;
	pid_t pid;

	if (!is_int(sites_of("plain", sites, 2), 2, "a reader that dies"))
		return;
	ok(symbols_find(&sites[0].at, &s), "while it lives");
	pid = reader_pid();
	if (!pid) {
		skip(4, "no list of children in /proc");
		return;
	}
	kill(pid, SIGKILL);
	ok(!symbols_find(&sites[0].at, &s), "when it is dead");
	is_str(s.why, "libdw fails on this file", "why");
	ok(!symbols_find(&sites[1].at, &s) && !reader_pid(), "the file is not tried again");
	sites_of("optimised", sites, 2);
	ok(symbols_find(&sites[0].at, &s), "another file gets another reader");
}

/* libdebuginfod makes its cache before it asks a server. */
static void ask_network(char cache[1100])
{
	snprintf(cache, 1100, "%s/debuginfod", folder);
	setenv("DEBUGINFOD_CACHE_PATH", cache, 1);
	setenv("DEBUGINFOD_URLS", "http://127.0.0.1:9", 1);
}

int main(void)
{
	char cache[1100];

	if (symbols_unbuilt) {
		is_unknown("/proc/self/exe", 0, symbols_unbuilt);
		test_not_there();
		return done_testing();
	}
	begin();
	ask_network(cache);
	test_builds();
	test_cxx();
	test_not_there();
	test_replaced();
	test_dead_reader();
	ok(access(cache, F_OK) != 0, "the network was not asked for debug information");
	end();
	return done_testing();
}

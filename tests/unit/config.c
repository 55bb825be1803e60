/*
 * config: sizes, bad values, globs, and which paths are routed. The globs are
 * held against a slow matcher that follows the contract word by word.
 */
#include "config.h"

#include "tap.h"

#include <stdio.h>
#include <string.h>

static void test_defaults(void)
{
	struct config c;

	memset(&c, 0xa5, sizeof(c));
	config_defaults(&c);
	is_int(c.mode, MODE_direct, "default: mode");
	ok(!c.log && !c.dir && !c.include, "default: log, dir and include are not set");
	is_str(c.exclude, config_items[CONFIG_EXCLUDE].def, "default: exclude is the list's");
	ok(c.exclude_is_default, "default: exclude is known to be the default");
	ok(c.min_file == 0, "default: min-file");
	ok(c.pool == 64 << 20, "default: pool");
	ok(c.chunk == 1 << 20, "default: chunk");

	for (unsigned id = 0; id < CONFIGS; id++) {
		const struct config_item *item = &config_items[id];

		ok(config_set(&c, (enum config_id)id, item->def),
		   "%s: the default is a good value", item->env);
		ok(strncmp(item->env, "DIOSHIM_", 8) == 0 && *item->option &&
		   *item->arg && *item->help, "%s: named in full", item->env);
	}
	ok(!c.exclude_is_default, "the default set by hand is the user's own");
}

struct size {
	const char *text;
	uint64_t bytes;
};

static void test_good_sizes(void)
{
	static const struct size good[] = {
		{ "0", 0 }, { "1", 1 }, { "007", 7 }, { "4096", 4096 },
		{ "1K", 1024 }, { "1k", 1024 }, { "3M", 3 << 20 },
		{ "3m", 3 << 20 }, { "2G", (uint64_t)2 << 30 },
		{ "2g", (uint64_t)2 << 30 }, { "0K", 0 },
		{ "18446744073709551615", UINT64_MAX },
		{ "18014398509481983K", UINT64_MAX - 1023 },
		{ "17592186044415M", UINT64_MAX - ((1 << 20) - 1) },
		{ "17179869183G", UINT64_MAX - ((1 << 30) - 1) },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct config c;

		config_defaults(&c);
		c.min_file = 12345;
		ok(config_set(&c, CONFIG_MIN_FILE, good[i].text) &&
		   c.min_file == good[i].bytes, "min-file %s", good[i].text);
	}
}

/* A refused value leaves every byte of the settings as it was. */
static void refuse(enum config_id id, const char *text)
{
	struct config c, before;

	memset(&c, 0, sizeof(c));
	config_defaults(&c);
	c.min_file = 77;
	before = c;
	ok(!config_set(&c, id, text) &&
	   c.mode == before.mode && c.log == before.log &&
	   c.dir == before.dir && c.include == before.include &&
	   c.exclude == before.exclude &&
	   c.exclude_is_default == before.exclude_is_default &&
	   c.min_file == before.min_file && c.pool == before.pool &&
	   c.chunk == before.chunk,
	   "%s refuses \"%.30s\"", config_items[id].env, text ? text : "(null)");
}

static void test_bad_sizes(void)
{
	static const char *const bad[] = {
		"", " ", "x", "K", "-1", "+1", " 1", "1 ", "1x", "12x", "1KB",
		"1KK", "1K1", "1T", "0x10", "1.5M", "1e3", "1,000", "\n1",
		"18446744073709551616", "18446744073709551625",
		"18014398509481984K", "17592186044416M", "17179869184G",
		"99999999999999999999999999", "\xb2", "1\xff",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refuse(CONFIG_MIN_FILE, bad[i]);
		refuse(CONFIG_POOL, bad[i]);
		refuse(CONFIG_CHUNK, bad[i]);
	}
	refuse(CONFIG_MIN_FILE, NULL);
}

static void test_pool_and_chunk(void)
{
	static const char *const pools[] = { "0", "1", "65535", "63K", "2G",
					     "1073741825" };
	static const char *const chunks[] = { "0", "1", "4096", "32K", "65535",
					      "65537", "96K", "3M", "32M", "1G" };
	struct config c;

	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		refuse(CONFIG_POOL, pools[i]);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		refuse(CONFIG_CHUNK, chunks[i]);

	config_defaults(&c);
	for (unsigned shift = 16; shift <= 24; shift++) {
		char text[32];

		snprintf(text, sizeof(text), "%u", 1u << shift);
		ok(config_set(&c, CONFIG_CHUNK, text) && c.chunk == 1u << shift,
		   "chunk %s", text);
	}
	ok(config_set(&c, CONFIG_POOL, "64K") && c.pool == 65536, "smallest pool");
	ok(config_set(&c, CONFIG_POOL, "1G") && c.pool == 1 << 30, "largest pool");
	ok(config_set(&c, CONFIG_POOL, "100000") && c.pool == 100000,
	   "a pool need not be a power of two");
}

static void test_texts(void)
{
	char path[4097];
	struct config c;

	config_defaults(&c);
	ok(config_set(&c, CONFIG_MODE, "off") && c.mode == MODE_off, "mode off");
	ok(config_set(&c, CONFIG_MODE, "direct") && c.mode == MODE_direct,
	   "mode direct");
	ok(config_set(&c, CONFIG_MODE, "auto") && c.mode == MODE_auto, "mode auto");
	refuse(CONFIG_MODE, "");
	refuse(CONFIG_MODE, "Direct");
	refuse(CONFIG_MODE, "direct ");
	refuse(CONFIG_MODE, "of");
	refuse(CONFIG_MODE, NULL);
	refuse(CONFIG_MODE, "strict=");
	refuse(CONFIG_MODE, "strict=1024");
	refuse(CONFIG_MODE, "strict=512 ");
	refuse(CONFIG_MODE, "automatic");

	ok(config_set(&c, CONFIG_LOG, "-") && !strcmp(c.log, "-"), "log -");
	ok(config_set(&c, CONFIG_LOG, "") && !c.log, "an empty log is none");
	ok(config_set(&c, CONFIG_DIR, "/a b") && !strcmp(c.dir, "/a b"), "dir");
	ok(config_set(&c, CONFIG_INCLUDE, "") && !c.include, "an empty include is none");
	ok(config_set(&c, CONFIG_EXCLUDE, "") && !c.exclude && !c.exclude_is_default,
	   "an empty exclude takes the default away");
	ok(config_set(&c, CONFIG_EXCLUDE, "*.log") && !strcmp(c.exclude, "*.log"),
	   "exclude");

	memset(path, 'x', sizeof(path));
	path[4095] = '\0';
	ok(config_set(&c, CONFIG_DIR, path), "a path of 4095 bytes");
	path[4095] = 'x';
	path[4096] = '\0';
	refuse(CONFIG_DIR, path);
	refuse(CONFIG_LOG, path);
}

static void test_set_bounds(void)
{
	struct config c;

	config_defaults(&c);
	ok(!config_set(&c, CONFIGS, "1"), "no setting past the list");
}

struct match {
	const char *patterns, *path;
	bool want;
};

static const struct match matches[] = {
	/* nothing and empty elements */
	{ NULL, "/a", false }, { "", "/a", false }, { ":", "/a", false },
	{ "::", "/a", false }, { ":a", "/a", true }, { "a:", "/a", true },
	{ "x::a", "/a", true }, { "x:y", "/a", false },
	/* without a slash: the last component */
	{ "a", "/a", true }, { "a", "/x/a", true }, { "a", "/a/x", false },
	{ "a", "/ab", false }, { "*", "/", true }, { "*.db", "/v/x.db", true },
	{ "*.db", "/v/x.db/y", false }, { "*.db", "/v/x.dbx", false },
	{ "*.db", "/v/.db", true }, { "a?c", "/abc", true },
	{ "a?c", "/ac", false }, { "??", "/a", false }, { "**", "/a/b", true },
	{ "a**c", "/x/abc", true }, { "*a*b*c*", "/xaxbxcx", true },
	{ "*a*b*c*", "/xaxcxbx", false }, { "*ab", "/aab", true },
	{ "*aab", "/aaab", true }, { "a*a*a*a*b", "/aaaaaaaaaaaaaaaaaaa", false },
	{ "[ab]", "/a", false }, { "[ab]", "/[ab]", true }, { "\\a", "/a", false },
	/* with one: the path and the folders above it */
	{ "/usr", "/usr", true }, { "/usr", "/usr/lib/x", true },
	{ "/usr", "/usrlocal/x", false }, { "/usr", "/a/usr", false },
	{ "/usr/", "/usr/x", true }, { "/usr//", "/usr", true },
	{ "/lib*", "/lib", true }, { "/lib*", "/lib64/libc.so", true },
	{ "/lib*", "/li", false }, { "/", "/", true }, { "/", "/a/b", true },
	{ "//", "/a", true }, { "/*", "/a/b/c", true }, { "/*/b", "/a/b", true },
	{ "/*/b", "/a/b/c", true }, { "/*/b", "/a/x/b", false },
	{ "/*/b", "/b", false }, { "/a/*.log", "/a/x.log", true },
	{ "/a/*.log", "/a/b/x.log", false }, { "/a/?", "/a//", false },
	{ "/a?b", "/a/b", false }, { "/a*b", "/a/b", false },
	{ "usr/x", "/usr/x", false }, { "usr/", "/usr", false },
	/* the double star */
	{ "/a/**/z", "/a/z", true }, { "/a/**/z", "/a/b/z", true },
	{ "/a/**/z", "/a/b/c/z", true }, { "/a/**/z", "/a/bz", false },
	{ "/a/**/z", "/az", false }, { "**/z", "/z", true },
	{ "**/z", "/a/b/z/y", true }, { "**/z", "/a/bz", false },
	{ "/a/**", "/a", false }, { "/a/**", "/a/b", true },
	{ "/a**z", "/a/b/z", true }, { "/a**z", "/az", true },
	{ "/**.db", "/a/b.db", true }, { "/**/*.db", "/a/c/b.db", true },
	{ "/**/*.db", "/b.db", true }, { "/***/z", "/a/b/z", true },
	{ "/**/a/**/b", "/x/a/a/y/b", true }, { "/**/a/*/b", "/a/x/a/y/b", true },
	{ "/**/a/*/b", "/a/x/y/a/b", false },
	/* bytes are bytes */
	{ "*\xff", "/a\xff", true }, { "?", "/\xc3\xa4", false },
	{ "*", "/\n", true },
};

static void test_matches(void)
{
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		const struct match *m = &matches[i];

		ok(config_match(m->patterns, m->path) == m->want,
		   "row %zu: \"%s\" %s \"%s\"", i,
		   m->patterns ? m->patterns : "(null)",
		   m->want ? "matches" : "does not match",
		   m->path[1] == '\n' ? "/\\n" : m->path);
	}
}

/* The contract, read aloud: exponential, and obviously right. */
static bool slow_glob(const char *first, const char *p, const char *s,
		      const char *end)
{
	const char *rest = p;

	if (*p == '\0')
		return s == end;
	while (*rest == '*')
		rest++;
	if (rest - p >= 2) {
		bool folders = (p == first || p[-1] == '/') && *rest == '/';

		if (folders && slow_glob(first, rest + 1, s, end))
			return true;
		for (; s <= end; s++) {
			bool whole = !folders || *s == '/';

			if (whole && s < end + !folders &&
			    slow_glob(first, rest + folders, s + folders, end))
				return true;
		}
		return false;
	}
	if (rest - p == 1) {
		for (;; s++) {
			if (slow_glob(first, rest, s, end))
				return true;
			if (s == end || *s == '/')
				return false;
		}
	}
	if (s == end || (*p == '?' ? *s == '/' : *p != *s))
		return false;
	return slow_glob(first, p + 1, s + 1, end);
}

static bool slow_match(const char *pattern, const char *path)
{
	const char *last = strrchr(path, '/');
	char copy[32];
	size_t n = strlen(pattern);

	if (!n)
		return false;
	if (!strchr(pattern, '/'))
		return slow_glob(pattern, pattern, last + 1, path + strlen(path));
	memcpy(copy, pattern, n + 1);
	while (n && copy[n - 1] == '/')
		copy[--n] = '\0';
	if (!n)
		return true;
	for (const char *end = path + strlen(path); end > path; end--)
		if ((*end == '\0' || *end == '/') &&
		    slow_glob(copy, copy, path, end))
			return true;
	return false;
}

static void nth_text(char *text, const char *alphabet, unsigned len, unsigned n)
{
	unsigned base = (unsigned)strlen(alphabet);

	for (unsigned i = 0; i < len; i++, n /= base)
		text[i] = alphabet[n % base];
	text[len] = '\0';
}

static unsigned power(unsigned base, unsigned n)
{
	return n ? base * power(base, n - 1) : 1;
}

/* Every pattern of up to 6 bytes of five against every path of 5 of three. */
static void test_every_small_glob(void)
{
	static char paths[1 + 3 + 9 + 27 + 81 + 243][8];
	unsigned paths_n = 0, wrong = 0;

	for (unsigned len = 0; len <= 5; len++)
		for (unsigned i = 0; i < power(3, len); i++, paths_n++) {
			paths[paths_n][0] = '/';
			nth_text(paths[paths_n] + 1, "ab/", len, i);
		}
	for (unsigned len = 0; len <= 6; len++) {
		for (unsigned i = 0; i < power(5, len); i++) {
			char pat[8];

			nth_text(pat, "ab/*?", len, i);
			for (unsigned k = 0; k < paths_n; k++) {
				bool got = config_match(pat, paths[k]);

				if (got == slow_match(pat, paths[k]))
					continue;
				if (wrong++ < 10)
					printf("# \"%s\" against \"%s\": got %d\n",
					       pat, paths[k], got);
			}
		}
	}
	is_int(paths_n, 364, "all small paths were tried");
	is_int(wrong, 0, "every small pattern against every small path");
}

/* Stars must not cost exponential time: the slow one would take for ever. */
static void test_many_stars(void)
{
	char pat[256], path[4096];
	size_t n = 0;

	pat[n++] = '/';
	while (n < 250) {
		pat[n++] = '*';
		pat[n++] = 'a';
	}
	pat[n++] = 'b';
	pat[n] = '\0';
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[4095] = '\0';
	ok(!config_match(pat, path), "125 stars against 4095 bytes");
	for (n = 1; n < 250; n += 3)
		memcpy(pat + n, "**a", 3);
	ok(!config_match(pat, path), "double stars as well");
}

static void allows(const struct config *c, const char *path, bool block, bool want)
{
	ok(config_allows(c, path, block) == want, "%s%s is %srouted", path,
	   block ? " (block device)" : "", want ? "" : "not ");
}

static void test_default_exclusion(void)
{
	static const char *const system[] = {
		"/usr/bin/true", "/lib/x", "/lib64/ld.so", "/bin/sh", "/sbin/x",
		"/etc/passwd", "/proc/1/io", "/sys/block", "/dev/shm/x",
		"/run/x", "/boot/vmlinuz",
	};
	struct config c;

	config_defaults(&c);
	for (size_t i = 0; i < sizeof(system) / sizeof(system[0]); i++)
		allows(&c, system[i], false, false);
	allows(&c, "/home/user/file", false, true);
	allows(&c, "/var/lib/db", false, true);
	allows(&c, "/tmp/usr/x", false, true);
	allows(&c, "/dev/vda", true, true);
	allows(&c, "/dev/mapper/x", true, true);
	allows(&c, "/dev/vda", false, false);
	allows(&c, "/usr/block-node", true, false);
	allows(&c, "/device", true, true);
}

static void test_include_and_exclude(void)
{
	struct config c;

	config_defaults(&c);
	config_set(&c, CONFIG_INCLUDE, "*.db:/data");
	allows(&c, "/home/x.db", false, true);
	allows(&c, "/data/deep/er", false, true);
	allows(&c, "/home/x", false, false);
	allows(&c, "/usr/x.db", false, false);
	allows(&c, "/dev/vda", true, false);
	config_set(&c, CONFIG_EXCLUDE, "*.tmp:/data/cold:/dev");
	allows(&c, "/data/x.tmp", false, false);
	allows(&c, "/data/cold/x", false, false);
	allows(&c, "/data/x", false, true);
	allows(&c, "/usr/x.db", false, true);
	config_set(&c, CONFIG_INCLUDE, "");
	allows(&c, "/dev/vda", true, false);
	config_set(&c, CONFIG_EXCLUDE, "");
	allows(&c, "/usr/bin/true", false, true);
	allows(&c, "/dev/vda", true, true);
}

int main(void)
{
	test_defaults();
	test_good_sizes();
	test_bad_sizes();
	test_pool_and_chunk();
	test_texts();
	test_set_bounds();
	test_matches();
	test_every_small_glob();
	test_many_stars();
	test_default_exclusion();
	test_include_and_exclude();
	return done_testing();
}

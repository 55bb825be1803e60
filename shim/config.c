#include "config.h"

#include <string.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define CHUNK_MIN	(64 * KIB)
#define CHUNK_MAX	(16 * MIB)
#define POOL_CHUNKS	64
#define STREAM_MAX	(16 * MIB)
#define AGE_MIN		20	/* ms: two ticks of the slowest kernel, HZ=100 */
#define AGE_MAX		3600000	/* ms */
#define PATH_LONGEST	4095	/* bytes, without the terminator */

enum config_type { TYPE_MODE, TYPE_PATH, TYPE_GLOBS, TYPE_BYTES, TYPE_MS, TYPE_COUNT };

const struct config_item config_items[CONFIGS] = {
#define CONFIG(NAME, option, type, arg, def, help) \
	{ "DIOSHIM_" #NAME, option, arg, def, help },
#include "config.def"
#undef CONFIG
};

static const enum config_type types[CONFIGS] = {
#define CONFIG(NAME, option, type, arg, def, help) TYPE_##type,
#include "config.def"
#undef CONFIG
};

void config_defaults(struct config *c)
{
	*c = (struct config){ 0 };
	for (unsigned id = 0; id < CONFIGS; id++)
		config_set(c, (enum config_id)id, config_items[id].def);
	c->exclude_is_default = true;
}

/* Only the plain form: digits, then at most one of K, M, G. */
static bool parse_bytes(const char *t, uint64_t *bytes)
{
	uint64_t n = 0, unit = 1;

	if (*t < '0' || *t > '9')
		return false;
	for (; *t >= '0' && *t <= '9'; t++) {
		uint64_t digit = (uint64_t)(*t - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	switch (*t) {
	case 'K': case 'k': unit = KIB; t++; break;
	case 'M': case 'm': unit = MIB; t++; break;
	case 'G': case 'g': unit = GIB; t++; break;
	default: break;
	}
	if (*t != '\0' || n > UINT64_MAX / unit)
		return false;
	*bytes = n * unit;
	return true;
}

static bool set_bytes(struct config *c, enum config_id id, uint64_t n)
{
	if (id == CONFIG_MIN_FILE) {
		c->min_file = n;
		return true;
	}
	if (id == CONFIG_POOL) {
		if (n < CHUNK_MIN || n > POOL_CHUNKS * CHUNK_MAX)
			return false;
		c->pool = n;
		return true;
	}
	if (id == CONFIG_CHUNK) {
		if (n < CHUNK_MIN || n > CHUNK_MAX || (n & (n - 1)) != 0)
			return false;
		c->chunk = n;
		return true;
	}
	if (id == CONFIG_AUTO_READ || id == CONFIG_AUTO_WRITE) {
		*(id == CONFIG_AUTO_READ ? &c->auto_read : &c->auto_write) = n;
		return true;
	}
	if (id == CONFIG_STREAM) {
		if (n > STREAM_MAX || (n && n < CHUNK_MIN))
			return false;
		c->stream = n;
		return true;
	}
	return false;
}

static bool set_ms(struct config *c, enum config_id id, uint64_t ms)
{
	if (id != CONFIG_STREAM_AGE || ms < AGE_MIN || ms > AGE_MAX)
		return false;
	c->stream_age_ns = ms * 1000000;
	return true;
}

static bool set_count(struct config *c, enum config_id id, uint64_t n)
{
	if (id == CONFIG_BACKTRACE && n <= CONFIG_BACKTRACE_MAX) {
		c->backtrace = (uint32_t)n;
		return true;
	}
	if (id == CONFIG_AUTO_EFFORT && n <= 100) {
		c->auto_effort = (uint32_t)n;
		return true;
	}
	if (id == CONFIG_RECORDS && n <= CONFIG_RECORDS_MAX) {
		c->records = (uint32_t)n;
		return true;
	}
	return false;
}

static bool set_text(struct config *c, enum config_id id, const char *text)
{
	const char *value = *text ? text : NULL;

	if (id == CONFIG_LOG)
		c->log = value;
	else if (id == CONFIG_DIR)
		c->dir = value;
	else if (id == CONFIG_INCLUDE)
		c->include = value;
	else if (id == CONFIG_EXCLUDE)
		c->exclude = value, c->exclude_is_default = false;
	else
		return false;
	return true;
}

static const struct mode_text {
	const char *text;
	enum config_mode mode;
	uint32_t strict_align;
} mode_texts[] = {
	{ "direct", MODE_direct, 0 }, { "off", MODE_off, 0 }, { "observe", MODE_observe, 0 },
	{ "auto", MODE_auto, 0 }, { "strict", MODE_strict, 0 }, { "strict=file", MODE_strict, 0 },
	{ "strict=512", MODE_strict, 512 }, { "strict=4096", MODE_strict, 4096 },
};

static bool set_mode(struct config *c, const char *text)
{
	for (size_t i = 0; i < sizeof(mode_texts) / sizeof(mode_texts[0]); i++)
		if (strcmp(text, mode_texts[i].text) == 0) {
			c->mode = mode_texts[i].mode;
			c->strict_align = mode_texts[i].strict_align;
			return true;
		}
	return false;
}

bool config_set(struct config *c, enum config_id id, const char *text)
{
	uint64_t n;

	if (!text || (unsigned)id >= CONFIGS)
		return false;
	switch (types[id]) {
	case TYPE_MODE:
		return set_mode(c, text);
	case TYPE_PATH:
		return strlen(text) <= PATH_LONGEST && set_text(c, id, text);
	case TYPE_GLOBS:
		return set_text(c, id, text);
	case TYPE_BYTES:
		return parse_bytes(text, &n) && set_bytes(c, id, n);
	case TYPE_MS:
	case TYPE_COUNT:
		if (text[strspn(text, "0123456789")] != '\0' || !parse_bytes(text, &n))
			return false;
		return types[id] == TYPE_MS ? set_ms(c, id, n) : set_count(c, id, n);
	}
	return false;
}

/*
 * A star that may be asked to take more: the pattern goes on at p, the text
 * at s. Of each kind only the latest star is worth a second try, so the work
 * is bounded by pattern times text squared, and in practice linear.
 */
struct star {
	size_t p, s;
	bool set;
	bool folders;		/* of **: takes whole folders, "/" + "**" + "/" */
};

/* Lets the latest star take more and goes on after it; false: none can. */
static bool take_more(struct star *one, struct star *two, const char *text,
		      size_t len, size_t *p, size_t *s)
{
	struct star *star = one;

	if (!one->set || one->s >= len || text[one->s] == '/') {
		one->set = false;
		star = two;
		if (!two->set || two->s >= len)
			return false;
		if (two->folders)
			while (two->s < len && text[two->s] != '/')
				two->s++;
		if (two->s >= len)
			return false;
	}
	star->s++;
	*p = star->p;
	*s = star->s;
	return true;
}

/* Steps over the stars at pat[*p] and remembers them. */
static void begin_star(struct star *one, struct star *two, const char *pat,
		       size_t plen, size_t *p, size_t s)
{
	size_t first = *p;

	while (*p < plen && pat[*p] == '*')
		++*p;
	one->set = false;
	if (*p - first == 1) {
		*one = (struct star){ *p, s, true, false };
		return;
	}
	/* Between slashes, ** also stands for no folder at all. */
	two->folders = (first == 0 || pat[first - 1] == '/') &&
		       *p < plen && pat[*p] == '/';
	if (two->folders)
		++*p;
	two->p = *p;
	two->s = s;
	two->set = true;
}

static bool glob(const char *pat, size_t plen, const char *text, size_t len)
{
	struct star one = { 0 }, two = { 0 };
	size_t p = 0, s = 0;

	for (;;) {
		if (p < plen && pat[p] == '*') {
			begin_star(&one, &two, pat, plen, &p, s);
		} else if (p < plen && s < len &&
			   (pat[p] == text[s] ||
			    (pat[p] == '?' && text[s] != '/'))) {
			p++;
			s++;
		} else if (p == plen && s == len) {
			return true;
		} else if (!take_more(&one, &two, text, len, &p, &s)) {
			return false;
		}
	}
}

/* The path itself and every folder above it. */
static bool match_above(const char *pat, size_t plen, const char *path)
{
	size_t len = strlen(path);

	for (; len; len--) {
		if ((path[len] == '\0' || path[len] == '/') &&
		    glob(pat, plen, path, len))
			return true;
	}
	return false;
}

static bool match_one(const char *pat, size_t plen, const char *path)
{
	const char *last = strrchr(path, '/');

	if (!plen)
		return false;
	if (!memchr(pat, '/', plen)) {
		last = last ? last + 1 : path;
		return glob(pat, plen, last, strlen(last));
	}
	while (plen && pat[plen - 1] == '/')
		plen--;
	if (!plen)		/* "/": the folder above everything */
		return path[0] == '/';
	return match_above(pat, plen, path);
}

bool config_match(const char *patterns, const char *path)
{
	while (patterns) {
		const char *colon = strchr(patterns, ':');
		size_t len = colon ? (size_t)(colon - patterns)
				   : strlen(patterns);

		if (match_one(patterns, len, path))
			return true;
		patterns = colon ? colon + 1 : NULL;
	}
	return false;
}

bool config_allows(const struct config *c, const char *path, bool block_device)
{
	if (c->include && !config_match(c->include, path))
		return false;
	if (block_device && c->exclude_is_default &&
	    strncmp(path, "/dev/", 5) == 0)
		return true;
	return !config_match(c->exclude, path);
}

/*
 * The settings: any text for any of them. What is refused changes nothing, what
 * is taken lies in its range; a glob is held against a table that follows the
 * contract of config.h.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#define TEXT_MAX 64	/* bytes of a pattern or path that the table takes */

/* A text up to the end of the input or a NUL; of a small alphabet or as it is. */
static char *take_text(struct bytes *b, size_t max)
{
	static const char alphabet[] = "/ab/*?:*/**a/*b0123456789KMGkmg.";
	bool small = once_in(b, 2);
	size_t n = below(b, 65536) % (max + 1);
	char *text = malloc(n + 1);

	for (size_t i = 0; i < n; i++) {
		text[i] = (char)take(b, 1);
		if (small)
			text[i] = alphabet[(unsigned char)text[i] % (sizeof(alphabet) - 1)];
		if (!any_left(b))
			n = i + 1;
	}
	text[n] = '\0';
	return text;
}

/* Does all of pattern p match all of text s? One cell per pair of places, from the ends. */
static bool table_glob(const char *pat, size_t plen, const char *s, size_t len)
{
	static bool cell[TEXT_MAX * 2 + 2][TEXT_MAX * 2 + 2];

	for (size_t p = plen + 1; p-- > 0;) {
		size_t stars = 0;
		bool folders;

		while (p + stars < plen && pat[p + stars] == '*')
			stars++;
		folders = stars >= 2 && (p == 0 || pat[p - 1] == '/') && p + stars < plen &&
			  pat[p + stars] == '/';
		for (size_t i = len + 1; i-- > 0;) {
			bool *yes = &cell[p][i];

			if (p == plen) {
				*yes = i == len;
			} else if (!stars) {
				*yes = i < len && (pat[p] == s[i] || (pat[p] == '?' && s[i] != '/')) &&
				       cell[p + 1][i + 1];
			} else if (stars == 1) {
				*yes = cell[p + 1][i] || (i < len && s[i] != '/' && cell[p][i + 1]);
			} else if (!folders) {
				*yes = cell[p + stars][i] || (i < len && cell[p][i + 1]);
			} else {	/* nothing at all, or whole folders */
				*yes = cell[p + stars + 1][i];
				for (size_t k = i; k < len && !*yes; k++)
					*yes = s[k] == '/' && cell[p + stars + 1][k + 1];
			}
		}
	}
	return cell[0][0];
}

static bool table_match(const char *pat, size_t plen, const char *path)
{
	const char *last = strrchr(path, '/');
	size_t len = strlen(path);

	if (!plen)
		return false;
	if (!memchr(pat, '/', plen)) {
		last = last ? last + 1 : path;
		return table_glob(pat, plen, last, strlen(last));
	}
	while (plen && pat[plen - 1] == '/')
		plen--;
	if (!plen)
		return path[0] == '/';
	for (; len; len--)
		if ((path[len] == '\0' || path[len] == '/') && table_glob(pat, plen, path, len))
			return true;
	return false;
}

static bool table_matches(const char *patterns, const char *path)
{
	for (;;) {
		size_t n = strcspn(patterns, ":");

		if (table_match(patterns, n, path))
			return true;
		if (!patterns[n])
			return false;
		patterns += n + 1;
	}
}

static bool same_config(const struct config *a, const struct config *b)
{
	return a->mode == b->mode && a->log == b->log && a->dir == b->dir &&
	       a->include == b->include && a->exclude == b->exclude &&
	       a->exclude_is_default == b->exclude_is_default && a->min_file == b->min_file &&
	       a->pool == b->pool && a->chunk == b->chunk;
}

/* A number of bytes, read slowly; false where it is none or too large. */
static bool slow_bytes(const char *text, uint64_t *bytes)
{
	unsigned __int128 n = 0, unit = 1;
	size_t digits = strspn(text, "0123456789");
	const char *tail = text + digits;

	if (!digits || strlen(tail) > 1 || (*tail && !strchr("KkMmGg", *tail)))
		return false;
	for (size_t i = 0; i < digits; i++) {
		n = n * 10 + (unsigned)(text[i] - '0');
		if (n > UINT64_MAX)
			return false;
	}
	if (*tail)
		unit = strchr("Kk", *tail) ? 1 << 10 : strchr("Mm", *tail) ? 1 << 20 : 1 << 30;
	*bytes = (uint64_t)(n * unit);
	return n * unit <= UINT64_MAX;
}

static void test_set(struct config *c, enum config_id id, const char *text)
{
	struct config before = *c;
	uint64_t n = 0;
	bool number = slow_bytes(text, &n), taken = config_set(c, id, text);

	must(taken || same_config(c, &before), "refused, and yet changed");
	if (id == CONFIG_MIN_FILE)
		must(taken == number && (!taken || c->min_file == n), "min-file %s", text);
	if (id == CONFIG_POOL && taken)
		must(number && c->pool == n, "pool %s", text);
	if (id == CONFIG_CHUNK && taken)
		must(number && c->chunk == n, "chunk %s", text);
	must(c->chunk >= 64 << 10 && c->chunk <= 16 << 20 && (c->chunk & (c->chunk - 1)) == 0 &&
	     c->pool >= 64 << 10 && c->pool <= 1 << 30, "pool %llu, chunk %llu",
	     (unsigned long long)c->pool, (unsigned long long)c->chunk);
	must((!c->log || strlen(c->log) < 4096) && (!c->dir || strlen(c->dir) < 4096), "a long path");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = BYTES(data, size);
	char *text[8];
	unsigned n = 0;
	struct config c;

	config_defaults(&c);
	if (once_in(&b, 2)) {
		for (; n < 8 && any_left(&b); n++) {
			unsigned id = below(&b, CONFIGS + 1);

			text[n] = take_text(&b, once_in(&b, 8) ? 5000 : 40);
			test_set(&c, (enum config_id)id, text[n]);
		}
		config_allows(&c, n ? text[0] : "/x", once_in(&b, 2));
	} else {
		char *path;

		text[n++] = take_text(&b, TEXT_MAX);
		text[n++] = path = take_text(&b, TEXT_MAX);
		if (*path)
			path[0] = '/';
		must(config_match(text[0], path) == table_matches(text[0], path),
		     "\"%s\" against \"%s\": not %d", text[0], path, config_match(text[0], path));
	}
	while (n > 0)
		free(text[--n]);
	return 0;
}

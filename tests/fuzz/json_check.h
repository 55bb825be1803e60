/*
 * json_check: is a text JSON by the letter of RFC 8259, and UTF-8? And is a
 * line plain text, without controls? Written apart from the writer in cli/.
 * Depends on: libc.
 */
#ifndef DIOSHIM_FUZZ_JSON_CHECK_H
#define DIOSHIM_FUZZ_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The code point at s, of at most n bytes, its bytes in *len; -1: none. */
static inline int32_t json_point(const char *s, size_t n, size_t *len)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*s;
	int32_t x;

	*len = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
	if (*len == 0 || *len > n)
		return -1;
	x = *len == 1 ? c : c & (0x7f >> *len);
	for (size_t i = 1; i < *len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return -1;
		x = x << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (x < least[*len] || x > 0x10ffff || (x >= 0xd800 && x < 0xe000))
		return -1;
	return x;
}

/* Valid UTF-8 without C0, C1 or DEL. */
static inline bool json_plain(const char *s, size_t n)
{
	size_t len;

	for (; n > 0; s += len, n -= len) {
		int32_t x = json_point(s, n, &len);

		if (x < 0x20 || (x >= 0x7f && x < 0xa0))
			return false;
	}
	return true;
}

static inline const char *json_space(const char *s)
{
	return s + strspn(s, " \t\r\n");
}

/* Behind the string at s, or NULL. */
static inline const char *json_string(const char *s)
{
	size_t len;

	if (*s++ != '"')
		return NULL;
	while (*s != '"') {
		if (json_point(s, strnlen(s, 4), &len) < 0x20)
			return NULL;
		if (*s == '\\') {
			if (s[1] == 'u' && strspn(s + 2, "0123456789abcdefABCDEF") < 4)
				return NULL;
			if (!s[1] || !strchr("\"\\/bfnrtu", s[1]))
				return NULL;
			len = s[1] == 'u' ? 6 : 2;
		}
		s += len;
	}
	return s + 1;
}

static inline const char *json_value(const char *s, unsigned depth);

/* Behind the object or array whose bracket is at s. */
static inline const char *json_list(const char *s, unsigned depth)
{
	const char last = *s == '{' ? '}' : ']';

	s = json_space(s + 1);
	if (*s == last)
		return s + 1;
	for (;;) {
		if (last == '}') {
			s = json_string(json_space(s));
			s = s ? json_space(s) : NULL;
			if (!s || *s++ != ':')
				return NULL;
		}
		s = json_value(json_space(s), depth + 1);
		if (!s)
			return NULL;
		s = json_space(s);
		if (*s == last)
			return s + 1;
		if (*s++ != ',')
			return NULL;
	}
}

/* Numbers are those that the report has: whole, and not below zero. */
static inline const char *json_value(const char *s, unsigned depth)
{
	size_t digits = strspn(s, "0123456789");

	if (depth > 16)
		return NULL;
	if (*s == '{' || *s == '[')
		return json_list(s, depth);
	if (*s == '"')
		return json_string(s);
	if (digits)
		return digits > 1 && *s == '0' ? NULL : s + digits;
	for (const char *const *word = (const char *const[]){ "true", "false", "null", NULL }; *word; word++)
		if (strncmp(s, *word, strlen(*word)) == 0)
			return s + strlen(*word);
	return NULL;
}

static inline bool json_valid(const char *s)
{
	s = json_value(json_space(s), 0);
	return s && *json_space(s) == '\0';
}

#endif

/*
 * json: writes JSON, indented, to a stream. Keys are plain ASCII names. Texts
 * may be any bytes: what is not UTF-8 becomes U+FFFD, byte for byte, so that
 * the output is always valid.
 */
#ifndef DIOSHIM_JSON_H
#define DIOSHIM_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *f;
	unsigned depth;
	bool filled;		/* the innermost object or array has a member */
	bool flat;		/* all on one line */
};

/* key is NULL inside arrays and at the top; bracket is '{' or '['. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_number(struct json *j, const char *key, uint64_t value);
void json_signed(struct json *j, const char *key, int64_t value);

/* Of nanoseconds the microseconds, with three digits behind the point. */
void json_micros(struct json *j, const char *key, uint64_t ns);
void json_real(struct json *j, const char *key, double value);	/* finite */
void json_null(struct json *j, const char *key);
void json_bool(struct json *j, const char *key, bool value);
void json_text(struct json *j, const char *key, const char *text);
void json_hex(struct json *j, const char *key, const char *bytes);

/* {name: number, ...} */
void json_numbers(struct json *j, const char *key, const uint64_t *list, const char *const *names,
		  unsigned n);

/* Bytes that are not UTF-8 are lost in the text: then they follow in hex. */
void json_name(struct json *j, const char *key, const char *hex_key, const char *text);

/* "reasons": {name: {"bytes": n}}; those without a byte are left out. */
void json_reasons(struct json *j, const uint64_t *bytes);

/* Bytes of the UTF-8 character at text, 0 if there is none. */
unsigned utf8_length(const char *text);
bool utf8_valid(const char *text);

#endif

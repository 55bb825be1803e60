#include "json.h"

#include <inttypes.h>

static void begin(struct json *j, const char *key)
{
	if (j->filled)
		fputs(j->flat ? ", " : ",", j->f);
	if (j->depth && !j->flat)
		fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
	if (key)
		fprintf(j->f, "\"%s\": ", key);
	j->filled = true;
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin(j, key);
	putc(bracket, j->f);
	j->depth++;
	j->filled = false;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (j->filled && !j->flat)
		fprintf(j->f, "\n%*s", (int)(2 * j->depth), "");
	putc(bracket, j->f);
	j->filled = true;
	if (!j->depth)
		putc('\n', j->f);
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void json_signed(struct json *j, const char *key, int64_t value)
{
	begin(j, key);
	fprintf(j->f, "%" PRId64, value);
}

void json_micros(struct json *j, const char *key, uint64_t ns)
{
	begin(j, key);
	fprintf(j->f, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
}

/* As few digits as it takes: whole numbers look whole up to 2^53. */
void json_real(struct json *j, const char *key, double value)
{
	begin(j, key);
	fprintf(j->f, "%.16g", value);
}

void json_null(struct json *j, const char *key)
{
	begin(j, key);
	fputs("null", j->f);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin(j, key);
	fputs(value ? "true" : "false", j->f);
}

unsigned utf8_length(const char *text)
{
	const unsigned char *t = (const unsigned char *)text;
	unsigned n = t[0] < 0x80 ? 1 : t[0] < 0xc2 ? 0 : t[0] < 0xe0 ? 2 :
		     t[0] < 0xf0 ? 3 : t[0] < 0xf5 ? 4 : 0;

	for (unsigned i = 1; i < n; i++)
		if ((t[i] & 0xc0) != 0x80)
			return 0;
	if ((t[0] == 0xe0 && t[1] < 0xa0) || (t[0] == 0xed && t[1] > 0x9f) ||
	    (t[0] == 0xf0 && t[1] < 0x90) || (t[0] == 0xf4 && t[1] > 0x8f))
		return 0;	/* overlong, a surrogate, past U+10FFFF */
	return n;
}

bool utf8_valid(const char *text)
{
	unsigned n = 1;

	for (; n && *text; text += n)
		n = utf8_length(text);
	return n;
}

void json_text(struct json *j, const char *key, const char *text)
{
	begin(j, key);
	putc('"', j->f);
	while (*text) {
		unsigned n = utf8_length(text);

		if (!n)
			fputs("\\ufffd", j->f), n = 1;
		else if (*text == '"' || *text == '\\')
			fprintf(j->f, "\\%c", *text);
		else if (n == 1 && (*text < ' ' || *text == 0x7f))
			fprintf(j->f, "\\u%04x", (unsigned)*text);
		else
			fwrite(text, 1, n, j->f);
		text += n;
	}
	putc('"', j->f);
}

void json_hex(struct json *j, const char *key, const char *bytes)
{
	begin(j, key);
	putc('"', j->f);
	for (; *bytes; bytes++)
		fprintf(j->f, "%02x", (unsigned char)*bytes);
	putc('"', j->f);
}

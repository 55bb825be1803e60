#include "page.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MIN	80
#define WIDTH_MAX	100

/* Columns that it takes: characters, not bytes. */
static unsigned columns_of(const char *text, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

unsigned page_columns(const char *text)
{
	return columns_of(text, strlen(text));
}

void page_wrap(const struct page *o, unsigned at, unsigned indent, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, " ");
		unsigned word = columns_of(text, len);

		if (at > indent && at + 1 + word > o->width) {
			fprintf(o->f, "\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			putc(' ', o->f);
			at++;
		}
		fwrite(text, 1, len, o->f);
		at += word;
		text += len + (text[len] == ' ');
	}
	putc('\n', o->f);
}

void page_line(const struct page *o, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		fputs("  ", o->f);
		page_wrap(o, 2, 2, text);
	}
	va_end(ap);
	free(text);
}

void page_shorten(const char *text, unsigned max, char *to, size_t size)
{
	unsigned all = page_columns(text), head = max / 4, cut;
	const char *tail = text;

	if (all <= max || max < 8) {
		snprintf(to, size, "%s", text);
		return;
	}
	cut = all - (max - 3);
	for (unsigned n = 0; n < head + cut; n++)
		for (tail++; ((unsigned char)*tail & 0xc0) == 0x80;)
			tail++;
	for (unsigned n = 0; n < head; n++)
		do
			*to++ = *text++, size--;
		while (((unsigned char)*text & 0xc0) == 0x80);
	snprintf(to, size, "...%s", tail);
}

void page_begin(struct page *o, FILE *f)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(fileno(f));
	struct winsize ws;

	*o = (struct page){ f, WIDTH_MAX, "", "", "", "" };
	if (!terminal)
		return;
	if (ioctl(fileno(f), TIOCGWINSZ, &ws) == 0 && ws.ws_col &&
	    ws.ws_col < WIDTH_MAX)
		o->width = ws.ws_col < WIDTH_MIN ? WIDTH_MIN : ws.ws_col;
	if ((none && *none) || !term || strcmp(term, "dumb") == 0)
		return;
	o->bold = "\033[1m";
	o->good = "\033[32m";
	o->bad = "\033[1;31m";
	o->end = "\033[0m";
}

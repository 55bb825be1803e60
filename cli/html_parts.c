#include "html.h"

#include "human.h"
#include "json.h"
#include "names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void html_text(FILE *f, const char *text)
{
	while (*text) {
		unsigned n = utf8_length(text);
		const char *entity = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" :
				     *text == '&' ? "&amp;" : *text == '"' ? "&quot;" :
				     *text == '\'' ? "&#39;" : NULL;
		bool c1 = n == 2 && (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0;

		if (entity)
			fputs(entity, f);
		else if (*text == '\n' || *text == '\t')
			putc(' ', f);
		else if (!n || c1 || (n == 1 && (*text < ' ' || *text == 0x7f)))
			fputs("\xef\xbf\xbd", f);
		else
			fwrite(text, 1, n, f);
		text += n ? n : 1;
	}
}

void html_code(FILE *f, const char *text)
{
	fputs("<bdi class=code>", f);
	html_text(f, text);
	fputs("</bdi>", f);
}

__attribute__((format(printf, 3, 0)))
static void data(FILE *f, uint64_t n, const char *name, va_list ap)
{
	fputs(" data-name=\"", f);
	vfprintf(f, name, ap);
	fprintf(f, "\" data-value=\"%" PRIu64 "\"", n);
}

void html_data(FILE *f, uint64_t n, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	data(f, n, name, ap);
	va_end(ap);
}

void html_bytes(FILE *f, uint64_t n, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	fputs("<span", f);
	data(f, n, name, ap);
	fprintf(f, " title=\"%s bytes\">%s</span>", human_count(n).text, human_bytes(n).text);
	va_end(ap);
}

void html_count(FILE *f, uint64_t n, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	fputs("<span", f);
	data(f, n, name, ap);
	fprintf(f, ">%s</span>", human_count(n).text);
	va_end(ap);
}

struct human html_route(unsigned route)
{
	struct human name;

	snprintf(name.text, sizeof(name.text), "%s", route_names[route]);
	for (char *c = name.text; *c; c++)
		*c = *c == '_' ? '-' : *c;
	return name;
}

static double share(uint64_t n, uint64_t all)
{
	return all ? 100.0 * (double)n / (double)all : 0;
}

static void open_bar(FILE *f)
{
	fputs("<svg class=bar viewBox=\"0 0 100 10\" preserveAspectRatio=none aria-hidden=true>"
	      "<rect class=ground width=100 height=10 />", f);
}

void html_bar(FILE *f, uint64_t n, uint64_t all, const char *class)
{
	open_bar(f);
	if (n)
		fprintf(f, "<rect class=%s width=%.3f height=10 />", class, share(n, all));
	fputs("</svg>", f);
}

void html_stack(FILE *f, const uint64_t *routes, uint64_t all, const char *prefix,
		const char *suffix)
{
	double x = 0;

	open_bar(f);
	for (unsigned i = 0; i < ROUTES; i++) {
		double width = share(routes[i], all);

		fprintf(f, "<rect class=%s x=%.3f width=%.3f height=10", route_names[i], x, width);
		html_data(f, routes[i], "%s%s%s", prefix, route_names[i], suffix);
		fprintf(f, "><title>%s %s</title></rect>", html_route(i).text,
			human_bytes(routes[i]).text);
		x += width;
	}
	fputs("</svg>", f);
}

void html_legend(FILE *f)
{
	fputs("<ul class=legend>", f);
	for (unsigned i = 0; i < ROUTES; i++)
		fprintf(f, "<li><svg class=key viewBox=\"0 0 10 10\" aria-hidden=true><rect class=%s "
			"width=10 height=10 /></svg>%s", route_names[i], html_route(i).text);
	fputs("</ul>\n", f);
}

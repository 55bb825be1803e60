/* The run over time: bytes per second and route, as they were sampled. */
#include "html.h"

#include "human.h"
#include "names.h"
#include "timeline.h"

#include <inttypes.h>
#include <time.h>

#define SHOWN	4	/* the latest of a folder */

enum { WIDTH = 720, HEIGHT = 160, TOP = 22, FLOOR = TOP + HEIGHT };

/* Pipes and terminals would hide the files. */
static bool drawn(unsigned route)
{
	return route != ROUTE_not_file;
}

static uint64_t grown(const struct timeline *t, size_t i, unsigned route)
{
	uint64_t now = t->samples[i].routes[route], before = t->samples[i - 1].routes[route];

	return now > before ? now - before : 0;
}

/* Bytes per second, of the routes up to one. */
static double rate(const struct timeline *t, size_t i, unsigned routes)
{
	uint64_t ms = t->samples[i].ms - t->samples[i - 1].ms;
	double bytes = 0;

	for (unsigned k = 0; k < routes; k++)
		if (drawn(k))
			bytes += (double)grown(t, i, k);
	return bytes * 1000 / (double)(ms ? ms : 1);
}

static void area(FILE *f, const struct timeline *t, unsigned route, double most, double span)
{
	const struct timeline_sample *last = &t->samples[t->n - 1];

	fprintf(f, "<path class=%s", route_names[route]);
	html_data(f, last->routes[route], "timeline.%s", route_names[route]);
	fputs(" d=\"", f);
	for (size_t i = 1; i < t->n; i++) {
		double x = WIDTH * (double)t->samples[i - 1].ms / span;
		double width = WIDTH * (double)t->samples[i].ms / span - x;
		double low = HEIGHT * rate(t, i, route) / most;
		double high = HEIGHT * rate(t, i, route + 1) / most;

		if (grown(t, i, route))
			fprintf(f, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x, FLOOR - high, width, high - low, width);
	}
	fprintf(f, "\"><title>%s</title></path>", html_route(route).text);
}

/* 1, 2 or 5 of some power of ten: at most eight of them in the whole. */
static double round_step(double span)
{
	double step = 1;

	for (unsigned i = 0; span / step > 8; i++)
		step *= i % 3 == 1 ? 2.5 : 2;
	return step;
}

static void axes(FILE *f, double most, double span)
{
	double step = round_step(span);

	fprintf(f, "<line class=floor x1=0 x2=%d y1=%d y2=%d /><line class=grid x1=0 x2=%d y1=%d y2=%d />",
		WIDTH, FLOOR, FLOOR, WIDTH, TOP, TOP);
	fprintf(f, "<text class=start x=0 y=%d>%s/s</text>", TOP - 7, human_bytes((uint64_t)most).text);
	for (unsigned i = 0; i * step <= span; i++) {
		double at = i * step, x = WIDTH * at / span;

		fprintf(f, "<line class=grid x1=%.1f x2=%.1f y1=%d y2=%d /><text class=%s x=%.1f y=%d>%g s</text>",
			x, x, FLOOR, FLOOR + 5, !i ? "start" : at > 0.97 * span ? "end" : "middle", x,
			FLOOR + 17, at / 1000);
	}
}

static void one(FILE *f, const struct timeline *t)
{
	double most = 0, span = t->n ? (double)t->samples[t->n - 1].ms : 0;
	time_t began = (time_t)(t->began_ns / 1000000000);
	char when[64] = "";
	struct tm tm;

	for (size_t i = 1; i < t->n; i++)
		if (rate(t, i, ROUTES) > most)
			most = rate(t, i, ROUTES);
	if (gmtime_r(&began, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(f, "<figure><figcaption>began %s, %zu samples</figcaption>", when, t->n);
	if (span <= 0 || most <= 0) {
		fputs("<p class=note>Too short, or no file data: nothing to draw.</p></figure>\n", f);
		return;
	}
	fprintf(f, "<div class=scroll><svg class=timeline viewBox=\"0 0 %d %d\" role=img aria-label=\"bytes per second by "
		"route\">", WIDTH, FLOOR + 20);
	for (unsigned i = 0; i < ROUTES; i++)
		if (drawn(i))
			area(f, t, i, most, span);
	axes(f, most, span);
	fputs("</svg></div></figure>\n", f);
	html_legend(f);
}

void html_timelines(FILE *f, const struct report *r)
{
	size_t first = r->timelines_n > SHOWN ? r->timelines_n - SHOWN : 0;

	fputs("<section><h2>Over time</h2>\n", f);
	if (!r->timelines_n)
		fputs("<p class=note>Not sampled: <code>dioshim run --html</code> does it, and keeps it beside the "
		      "ledgers of <code>--dir</code>.</p>\n", f);
	else
		fputs("<p>Bytes per second, by the way they travelled.</p>\n", f);
	if (first)
		fprintf(f, "<p class=note>%zu earlier runs are not drawn.</p>\n", first);
	for (size_t i = first; i < r->timelines_n; i++)
		one(f, r->timelines[i]);
	fputs("</section>\n", f);
}

/* Pictures of how requests lay: address, offset and length. */
#include "html.h"

#include "human.h"
#include "names.h"

#include <inttypes.h>
#include <string.h>

enum { BAR = 20, WIDTH = LEDGER_POWERS * BAR, HEIGHT = 80, FLOOR = 96 };

/* 1 .. 4K, and what more divides. */
static const char *power_name(unsigned i)
{
	static char text[16];

	snprintf(text, sizeof(text), i < 10 ? "%u" : i + 1 < LEDGER_POWERS ? "%uK" : "%uK+",
		 i < 10 ? 1u << i : 1u << (i - 10));
	return text;
}

static unsigned power_of(uint32_t align)
{
	unsigned i = 0;

	while (i + 1 < LEDGER_POWERS && 1u << i < align)
		i++;
	return i;
}

static uint64_t largest(const uint64_t *list, unsigned n)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < n; i++)
		if (list[i] > most)
			most = list[i];
	return most;
}

static void histogram(FILE *f, const uint64_t *powers, uint32_t align, const char *prefix,
		      unsigned d)
{
	uint64_t most = largest(powers, LEDGER_POWERS);
	unsigned wanted = power_of(align);

	fprintf(f, "<svg class=powers viewBox=\"0 0 %d %d\" role=img aria-label=\"calls by the largest "
		"power of two that divides the %s\">", WIDTH, FLOOR + 16, dim_names[d]);
	for (unsigned i = 0; i < LEDGER_POWERS; i++) {
		double height = most ? (double)HEIGHT * (double)powers[i] / (double)most : 0;

		/* One call among a million is still to be seen. */
		if (powers[i] && height < 1)
			height = 1;
		fprintf(f, "<rect class=%s x=%u y=%.2f width=%d height=%.2f", !align ? "not_file" :
			i < wanted ? "off" : "fits", i * BAR + 2, FLOOR - height, BAR - 4, height);
		html_data(f, powers[i], "%s.%s.calls_by_power_of_two.%u", prefix, dim_names[d], i);
		fprintf(f, "><title>%s: %s calls</title></rect>", power_name(i),
			human_count(powers[i]).text);
		if ((i % 3 == 0 && i + 2 < LEDGER_POWERS) || i + 1 == LEDGER_POWERS)
			fprintf(f, "<text x=%u y=%d>%s</text>", i * BAR + BAR / 2, FLOOR + 12, power_name(i));
	}
	fprintf(f, "<line class=floor x1=0 x2=%d y1=%d y2=%d />", WIDTH, FLOOR, FLOOR);
	if (align)
		fprintf(f, "<line class=wanted x1=%u x2=%u y1=4 y2=%d /><text class=wanted x=%u y=12>wants %"
			PRIu32 "</text>", wanted * BAR, wanted * BAR, FLOOR, wanted * BAR - 4, align);
	fputs("</svg>", f);
}

static void remainders(FILE *f, const struct ledger_rests *rests, const char *prefix, unsigned d)
{
	uint64_t left[LEDGER_RESTS];
	const char *sep = "commonest remainders: ";

	memcpy(left, rests->slot, sizeof(left));
	fputs("<p class=note>", f);
	for (unsigned n = 0; n < LEDGER_RESTS; n++) {
		uint64_t *best = &left[0];

		for (unsigned i = 1; i < LEDGER_RESTS; i++)
			if (LEDGER_REST_COUNT(left[i]) > LEDGER_REST_COUNT(*best))
				best = &left[i];
		if (!LEDGER_REST_COUNT(*best))
			break;
		fprintf(f, "%s%" PRIu32 " (", sep, LEDGER_REST(*best));
		html_count(f, LEDGER_REST_COUNT(*best), "%s.%s.remainders.%u.calls", prefix, dim_names[d], n);
		fputs(")", f);
		sep = ", ";
		*best = 0;
	}
	if (rests->given)
		fprintf(f, "; each may be %s calls more", human_count(rests->given).text);
	fputs("</p>", f);
}

void html_alignment(FILE *f, const struct ledger_site *s, uint32_t mem_align,
		    uint32_t offset_align, const char *prefix)
{
	fputs("<div class=dims>", f);
	for (unsigned d = 0; d < DIMS; d++) {
		fprintf(f, "<figure><figcaption>%s: ", dim_names[d]);
		html_count(f, s->off_calls[d], "%s.%s.off_calls", prefix, dim_names[d]);
		fputs(" calls off</figcaption>", f);
		histogram(f, s->powers[d], d == DIM_address ? mem_align : offset_align, prefix, d);
		remainders(f, &s->rests[d], prefix, d);
		fputs("</figure>", f);
	}
	fputs("</div>\n", f);
}

/* Of all sites; what the files want is marked where they agree. */
void html_overall_alignment(FILE *f, const struct report *r)
{
	struct ledger_site all = { 0 };
	uint32_t mem = 0, offset = 0;
	bool agree = true;

	fputs("<section><h2>How requests lay</h2>\n", f);
	for (size_t i = 0; i < r->sites_n; i++) {
		const struct site *s = &r->sites[i];

		agree &= (!mem || !s->mem_align || mem == s->mem_align) &&
			 (!offset || !s->offset_align || offset == s->offset_align);
		mem = s->mem_align ? s->mem_align : mem;
		offset = s->offset_align ? s->offset_align : offset;
		for (unsigned d = 0; d < DIMS; d++) {
			all.off_calls[d] += s->sum.off_calls[d];
			for (unsigned k = 0; k < LEDGER_POWERS; k++)
				all.powers[d][k] += s->sum.powers[d][k];
		}
	}
	if (!r->sites_n) {
		fputs("<p class=note>Not kept: it takes <code>--backtrace=1</code> or more.</p></section>\n", f);
		return;
	}
	fputs("<p>Calls by the largest power of two that divides their address, offset and length, over all "
	      "call sites, also those on what is no file for direct I/O. What lies left of what the file wants is "
	      "off.", f);
	if (!agree)
		fputs(" The files want different alignments: see each call site.", f);
	fputs("</p>\n", f);
	html_alignment(f, &all, agree ? mem : 0, agree ? offset : 0, "sum.sites");
	fputs("</section>\n", f);
}

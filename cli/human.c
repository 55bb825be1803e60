#include "human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct human human_count(uint64_t n)
{
	char digits[24];
	struct human out;
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), k = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out.text[k++] = ',';
		out.text[k++] = digits[i];
	}
	out.text[k] = '\0';
	return out;
}

struct human human_bytes(uint64_t n)
{
	static const char units[] = "KMGTPE";
	double x = (double)n;
	struct human out;
	int unit = -1;

	/* Not 1024.0 of a unit: that is 1.0 of the next. */
	for (; x >= (unit < 0 ? 1024 : 1023.95) && unit < 5; unit++)
		x /= 1024;
	if (unit < 0)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " B", n);
	else
		snprintf(out.text, sizeof(out.text), "%.1f %ciB", x, units[unit]);
	return out;
}

struct human human_share(uint64_t part, uint64_t all)
{
	double x = all ? 100.0 * (double)part / (double)all : 0;
	struct human out;

	if (!all)
		strcpy(out.text, "-");
	else if (part && x < 0.05)
		strcpy(out.text, "<0.1 %");
	else if (part < all && x >= 99.95)
		strcpy(out.text, ">99.9 %");
	else
		snprintf(out.text, sizeof(out.text), "%.1f %%", x);
	return out;
}

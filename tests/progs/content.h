/*
 * content: bytes that say where in a file they belong. After transcript.h.
 */
#ifndef CONTENT_H
#define CONTENT_H

#define PERIOD (4 << 20)	/* after which they repeat: what is copied from is not endless */

/* Those of [off, off + n); never zero. */
static UNUSED void content(char *to, off_t off, size_t n)
{
	for (; n > 0; to++, off++, n--) {
		uint64_t w = ((uint64_t)off % PERIOD >> 3) * 0x9E3779B97F4A7C15u | 0x0101010101010101u;

		for (; !(off & 7) && n >= 8; n -= 8, to += 8, off += 8) {
			memcpy(to, &w, 8);
			w = (((uint64_t)off + 8) % PERIOD >> 3) * 0x9E3779B97F4A7C15u | 0x0101010101010101u;
		}
		if (!n)
			break;
		*to = (char)(w >> 8 * (off & 7));
	}
}

#endif

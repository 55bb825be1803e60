/*
 * text: numbers and paths without stdio.
 * Depends on: nothing.
 */
#ifndef DIOSHIM_TEXT_H
#define DIOSHIM_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_NUMBER 24	/* bytes that any number and its NUL fit into */

/* x in decimal, NUL-terminated; how many digits. */
static inline size_t text_number(char *to, uint64_t x)
{
	char digits[TEXT_NUMBER];
	size_t n = 0, i = 0;

	do
		digits[n++] = (char)('0' + x % 10);
	while (x /= 10);
	while (n > 0)
		to[i++] = digits[--n];
	to[i] = '\0';
	return i;
}

#endif

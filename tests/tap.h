/*
 * tap: a small Test Anything Protocol for C tests, read by prove(1).
 *
 * One header, for test programs of one file each. Every line is flushed at
 * once, so that a crash or a fork loses and doubles nothing; only the process
 * that made the first line may go on. Ends with `return done_testing();`.
 * Depends on nothing but libc.
 */
#ifndef DIOSHIM_TAP_H
#define DIOSHIM_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_PRINTF(fmt, args) \
	__attribute__((unused, format(printf, fmt, args)))

static int tap_run, tap_failed;

__attribute__((format(printf, 4, 0)))
static inline void tap_vline(const char *head, int number, const char *sep,
			     const char *fmt, va_list ap)
{
	char text[1024];
	char *newline;

	/* A name is one line. */
	vsnprintf(text, sizeof(text), fmt, ap);
	for (newline = text; (newline = strchr(newline, '\n')); newline++)
		*newline = ' ';
	if (number > 0)
		printf("%s %d%s%s\n", head, number, sep, text);
	else
		printf("%s%s%s\n", head, sep, text);
	fflush(stdout);
}

/* A comment for people, on stderr: prove shows that without -v. */
TAP_PRINTF(1, 2) static void diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("# ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

/* One test; the condition comes back, so that a caller can stop or explain. */
TAP_PRINTF(2, 3) static bool ok(bool cond, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vline(cond ? "ok" : "not ok", ++tap_run, " - ", fmt, ap);
	va_end(ap);
	if (!cond)
		tap_failed++;
	return cond;
}

TAP_PRINTF(3, 4) static bool is_int(long long got, long long want,
				    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vline(got == want ? "ok" : "not ok", ++tap_run, " - ", fmt, ap);
	va_end(ap);
	if (got != want) {
		tap_failed++;
		diag("    got: %lld", got);
		diag("   want: %lld", want);
	}
	return got == want;
}

/* NULL equals NULL alone. */
TAP_PRINTF(3, 4) static bool is_str(const char *got, const char *want,
				    const char *fmt, ...)
{
	bool same = got && want ? strcmp(got, want) == 0 : got == want;
	va_list ap;

	va_start(ap, fmt);
	tap_vline(same ? "ok" : "not ok", ++tap_run, " - ", fmt, ap);
	va_end(ap);
	if (!same) {
		tap_failed++;
		diag("    got: %s", got ? got : "(null)");
		diag("   want: %s", want ? want : "(null)");
	}
	return same;
}

/* n tests that cannot run here; the text says what is missing. */
TAP_PRINTF(2, 3) static void skip(int n, const char *fmt, ...)
{
	while (n-- > 0) {
		va_list ap;

		va_start(ap, fmt);
		tap_vline("ok", ++tap_run, " # SKIP ", fmt, ap);
		va_end(ap);
	}
}

/* None of the tests of this program can run here. Before any other line. */
__attribute__((noreturn)) TAP_PRINTF(1, 2) static void skip_all(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_vline("1..0", 0, " # SKIP ", fmt, ap);
	va_end(ap);
	exit(0);
}

/* The plan, last. The value is the exit status of main. */
__attribute__((unused)) static int done_testing(void)
{
	printf("1..%d\n", tap_run);
	fflush(stdout);
	if (tap_failed)
		diag("%d of %d failed", tap_failed, tap_run);
	return tap_failed || !tap_run ? 1 : 0;
}

#endif

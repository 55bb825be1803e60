/*
 * log: lines of text without stdio: the report of DIOSHIM_LOG, and complaints
 * about settings.
 * Depends on: book, own, sys.
 */
#ifndef DIOSHIM_LOG_H
#define DIOSHIM_LOG_H

/* "dioshim: NAME: bad value "TEXT", using the default" on standard error. */
void log_bad_value(const char *name, const char *text);

/* Appends this process's figures to the file; %p is the process id, - standard error. */
void log_report(const char *where);

#endif

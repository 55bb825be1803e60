/*
 * top: how what was watched is shown. Depends on: watch.
 */
#ifndef DIOSHIM_TOP_H
#define DIOSHIM_TOP_H

#include "watch.h"

#include <stdio.h>

/* A table in lines of at most so many columns; 0: as long as the paths are. */
void top_print(const struct watch *w, unsigned width, FILE *f);

#endif

/*
 * doctor: what `dioshim doctor` has found out, and its two forms.
 * Depends on: place, host.
 */
#ifndef DIOSHIM_DOCTOR_H
#define DIOSHIM_DOCTOR_H

#include "host.h"

#include <stdio.h>

struct doctor {
	struct place *places;
	size_t places_n;
	struct finding kernel[HOST_KERNEL];
	struct finding swiotlb, evidence[HOST_SWIOTLB];
	bool eligible;		/* the I/O of all places is direct */
};

void doctor_text(const struct doctor *d, FILE *f);
void doctor_json(const struct doctor *d, FILE *f);

#endif

/*
 * human: figures as people read them. Returned by value, so that several can
 * stand in one printf. Pure; depends on libc alone.
 */
#ifndef DIOSHIM_HUMAN_H
#define DIOSHIM_HUMAN_H

#include <stdint.h>

struct human {
	char text[32];
};

/* 1,234,567 */
struct human human_count(uint64_t n);

/* 1.2 GiB */
struct human human_bytes(uint64_t n);

/* Per cent, rounded, but 0 and 100 only when it is nothing and all. */
struct human human_share(uint64_t part, uint64_t all);

#endif

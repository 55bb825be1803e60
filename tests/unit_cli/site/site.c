#include "where.h"

#define OUTER	__attribute__((noinline, visibility("default")))

OUTER void plain_site(void);
OUTER void inlined_site(void);

OUTER void plain_site(void)
{
	where(__LINE__);
	__asm__ volatile("");		/* no tail call */
}

static inline __attribute__((always_inline)) void innermost(void)
{
	where(__LINE__);
	__asm__ volatile("");
}

static inline __attribute__((always_inline)) void middle(void)
{
	innermost();			/* line 22 */
}

OUTER void inlined_site(void)
{
	middle();			/* line 27 */
}

#ifndef LIBRARY
int main(void)
{
	plain_site();
	inlined_site();
	return 0;
}
#endif

/*
 * twins: the other names of a family's wrappers, from calls.def. An entry
 * file defines TWIN_<family>(name, of) to be TWIN_ALIAS and includes this last.
 */
#if !defined(__clang__)
/* glibc's declaration of the other name may promise less (nothrow, leaf): no matter. */
#pragma GCC diagnostic ignored "-Wmissing-attributes"
#endif
#define TWIN_ALIAS(name, of) \
	extern __typeof__(of) name __attribute__((alias(#of), visibility("default")));
#ifndef TWIN_open
#define TWIN_open(name, of)
#endif
#ifndef TWIN_io
#define TWIN_io(name, of)
#endif
#ifndef TWIN_copy
#define TWIN_copy(name, of)
#endif
#ifndef TWIN_fd
#define TWIN_fd(name, of)
#endif
#ifndef TWIN_stdio
#define TWIN_stdio(name, of)
#endif
#ifndef TWIN_map
#define TWIN_map(name, of)
#endif
#ifndef TWIN_exec
#define TWIN_exec(name, of)
#endif
#ifndef TWIN_share
#define TWIN_share(name, of)
#endif
#ifndef TWIN_process
#define TWIN_process(name, of)
#endif
#define CALL(family, type, name, args)
#define TWIN(family, name, of) TWIN_##family(name, of)
#include "calls.def"

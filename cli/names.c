#include "names.h"

const char *const counter_names[COUNTERS] = {
#define COUNTER(name, unit, sentence) #name,
#include "counters.def"
#undef COUNTER
};

const char *const counter_sentences[COUNTERS] = {
#define COUNTER(name, unit, sentence) sentence,
#include "counters.def"
#undef COUNTER
};

const char *const counter_units[COUNTERS] = {
#define UNIT_CALLS "calls"
#define UNIT_BYTES "bytes"
#define UNIT_FILES "files"
#define UNIT_NS "ns"
#define COUNTER(name, unit, sentence) UNIT_##unit,
#include "counters.def"
#undef COUNTER
};

const char *const route_names[ROUTES] = {
#define ROUTE(name, copies, sentence) #name,
#include "counters.def"
#undef ROUTE
};

const char *const route_sentences[ROUTES] = {
#define ROUTE(name, copies, sentence) sentence,
#include "counters.def"
#undef ROUTE
};

const unsigned route_copies[ROUTES] = {
#define ROUTE(name, copies, sentence) copies,
#include "counters.def"
#undef ROUTE
};

const char *const reason_names[REASONS] = {
#define REASON(name, route, sentence) #name,
#include "reasons.def"
#undef REASON
};

const char *const reason_sentences[REASONS] = {
#define REASON(name, route, sentence) sentence,
#include "reasons.def"
#undef REASON
};

const enum route reason_routes[REASONS] = {
#define ROUTE_BOUNCED ROUTE_bounced
#define ROUTE_STAGED ROUTE_staged
#define ROUTE_CACHED ROUTE_cached
#define ROUTE_IN_KERNEL ROUTE_in_kernel
#define REASON(name, route, sentence) ROUTE_##route,
#include "reasons.def"
#undef REASON
};

const char *const class_names[CLASSES] = {
#define CLASS(name, sentence) #name,
#include "counters.def"
#undef CLASS
};

const char *const class_sentences[CLASSES] = {
#define CLASS(name, sentence) sentence,
#include "counters.def"
#undef CLASS
};

const char *const align_names[ALIGNS] = {
#define ALIGN(name, sentence) #name,
#include "counters.def"
#undef ALIGN
};

const char *const align_sentences[ALIGNS] = {
#define ALIGN(name, sentence) sentence,
#include "counters.def"
#undef ALIGN
};

const char *auto_name(unsigned answer)
{
	if (answer == 0 || answer > REASONS + 1)
		return NULL;
	return answer == REASON_NONE + 1 ? "direct" : reason_names[answer - 1];
}

const char *const op_names[] = {
	[LEDGER_READ] = "read", [LEDGER_WRITE] = "write", [LEDGER_COPY] = "copy",
};

const char *const dim_names[DIMS] = {
	[DIM_address] = "address", [DIM_offset] = "offset", [DIM_length] = "length",
};

const char *reason_name(enum reason why)
{
	return why < REASONS ? reason_names[why] : "";
}

const char *mode_name(enum config_mode mode)
{
	static const char *const names[] = {
		[MODE_direct] = "direct", [MODE_off] = "off", [MODE_observe] = "observe",
		[MODE_strict] = "strict", [MODE_auto] = "auto",
	};

	return (unsigned)mode < sizeof(names) / sizeof(names[0]) ? names[mode] : "unknown";
}

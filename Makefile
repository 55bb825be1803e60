# dioshim: `make help` lists the targets. Needs gcc (or clang) and make.

B       ?= build
.DEFAULT_GOAL := all
CC      ?= cc
WERROR  ?=
JOBS    ?= 2
VERSION := 0.1.0

# Flags: what they are for stands in docs/design.md. Architecture by the compiler.
MACHINE  := $(shell $(CC) -dumpmachine)
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wundef -Wvla -Wcast-qual -Wcast-align \
            -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wconversion \
            -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference \
            $(if $(WERROR),-Werror)
HARDEN   := -fstack-protector-strong -fstack-clash-protection \
            $(if $(filter x86_64%,$(MACHINE)),-fcf-protection)
CFLAGS   ?= -O2 -g
BASE     := -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(HARDEN) -fno-common -MMD -MP
SHIM_CF  := $(BASE) -fPIC -fvisibility=hidden -fno-plt -ftls-model=initial-exec \
            -Wframe-larger-than=2048
# Entry files define what the fortified headers would redirect.
ENTRY_CF := -U_FORTIFY_SOURCE
PLAIN_CF := -D_FORTIFY_SOURCE=2
CLI_CF   := $(BASE) -Ishim -DDIOSHIM_VERSION='"$(VERSION)"' $(PLAIN_CF)
SHIM_LD  := -shared -Wl,-O1,--as-needed,--no-undefined-version,-z,defs,-z,now,-z,relro,-z,text \
            -Wl,-z,noexecstack,-z,nodelete,--hash-style=gnu,-soname,libdioshim.so

SHIM_SRC := $(wildcard shim/*.c)
SHIM_OBJ := $(SHIM_SRC:%.c=$(B)/%.o)

# What it cannot be built for is said once, not by every file.
REFUSED  := $(shell LC_ALL=C $(CC) -D_GNU_SOURCE $(CFLAGS) -include shim/sys.h -E -x c -o /dev/null /dev/null 2>&1 \
            | sed -n '/error: /{s/.*error: \(.error \)\{0,1\}//p;q;}')
ifneq ($(if $(filter-out clean help,$(or $(MAKECMDGOALS),all)),$(REFUSED)),)
$(error $(REFUSED))
endif

# Optional: elfutils' libdw names call sites. A "yes" is kept in the build folder; LIBDW=no does without.
LIBDW    := $(or $(filter yes,$(shell cat $(B)/libdw 2>/dev/null)),$(shell \
            echo 'int main(void) { return !dwfl_version(0); }' | $(CC) $(CFLAGS) -include elfutils/libdwfl.h \
            -x c -o /dev/null - -ldw -lelf 2>/dev/null && echo yes || echo no))
CLI_LIBS := -pthread $(if $(filter yes,$(LIBDW)),-ldw -lelf -ldl)
CLI_SRC  := $(filter-out $(if $(filter yes,$(LIBDW)),%_none.c,%_dwfl.c),$(wildcard cli/*.c))
CLI_SHIM := $(addprefix shim/,align.c config.c sys.c)
CLI_OBJ  := $(patsubst %.c,$(B)/%.o,$(CLI_SRC) $(CLI_SHIM))
PROGS    := $(patsubst tests/progs/%.c,$(B)/tests/%,$(wildcard tests/progs/*.c))
MULTI    := $(patsubst tests/progs/%/,$(B)/tests/%,$(wildcard tests/progs/*/))
UNITS     = $(addprefix $(B)/tests/,$(UNIT_NAMES))
EXAMPLES := $(patsubst %.c,$(B)/%,$(wildcard examples/*.c))
TESTS    := $(wildcard tests/*.t tests/programs/*.t tests/hazards/*.t tests/machines/*.t)
SOAKS    := $(wildcard tests/machines/*.soak)
DURATION ?= 600

include tests/checks.mk

all: $(B)/libdioshim.so $(B)/dioshim $(EXAMPLES)	## build the library, the command and the examples (default)

$(B)/libdioshim.so: $(SHIM_OBJ) $(B)/shim/exports.map
	$(CC) $(CFLAGS) $(LDFLAGS) $(SHIM_LD) -Wl,--version-script=$(B)/shim/exports.map -o $@ $(SHIM_OBJ) -ldl

# One list makes the export map: an anonymous node, for a named one intercepts nothing.
$(B)/shim/exports.map: shim/calls.def Makefile
	@mkdir -p $(@D)
	printf '#define CALL(family, type, name, args) name;\n#define TWIN(family, name, of) name;\n{ global:\n#include "$(CURDIR)/shim/calls.def"\nlocal: *; };\n' \
		| $(CC) -E -P -x c - > $@

$(B)/shim/entry%.o: shim/entry%.c
	@mkdir -p $(@D)
	$(CC) $(SHIM_CF) $(ENTRY_CF) -c -o $@ $<

$(B)/shim/%.o: shim/%.c
	@mkdir -p $(@D)
	$(CC) $(SHIM_CF) $(PLAIN_CF) -c -o $@ $<

$(B)/dioshim: $(CLI_OBJ) $(B)/libdw
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed,-z,now,-z,relro -o $@ $(CLI_OBJ) $(CLI_LIBS)

# Written only when the answer is another one: then the command is linked anew.
$(B)/libdw: ask
	@mkdir -p $(@D)
	@echo $(LIBDW) | cmp -s - $@ || { echo "libdw, for names in reports: $(LIBDW)"; echo $(LIBDW) > $@; }

$(B)/cli/main.o: Makefile	# for the version
$(B)/cli/%.o: cli/%.c
	@mkdir -p $(@D)
	$(CC) $(CLI_CF) -c -o $@ $<

$(B)/tests/unit_%: tests/unit/%.c $(SHIM_OBJ)
	@mkdir -p $(@D)
	$(CC) $(BASE) -Ishim -Itests -o $@ $< $(SHIM_OBJ) -ldl -pthread

# Units of the command: of its objects each links what it needs.
$(B)/cli/cli.a: $(CLI_OBJ) $(B)/libdw
	@rm -f $@
	ar rcs $@ $(filter-out %/main.o,$(CLI_OBJ))

$(B)/tests/unit_cli_%: tests/unit_cli/%.c $(B)/cli/cli.a
	@mkdir -p $(@D)
	$(CC) $(BASE) -Icli -Ishim -Itests -DSOURCES='"$(CURDIR)/tests/unit_cli"' -o $@ $< $(B)/cli/cli.a $(CLI_LIBS)

$(B)/examples/%: examples/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE) -o $@ $<

PROG_CF  := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Itests

$(B)/tests/%: tests/progs/%.c
	@mkdir -p $(@D)
	$(CC) $(PROG_CF) -MMD -MP -o $@ $< -pthread -ldl

# A program of several files is a folder.
.SECONDEXPANSION:
$(MULTI): $(B)/tests/%: $$(wildcard tests/progs/$$*/*.[ch])
	@mkdir -p $(@D)
	$(CC) $(PROG_CF) -o $@ $(filter %.c,$^) -pthread -ldl

-include $(SHIM_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(PROGS:=.d) $(UNITS:=.d) $(EXAMPLES:=.d)

tests-build: all $(PROGS) $(MULTI) $(UNITS)	## build the test programs

check:	## install or name what the tests need, and run them (TAP, by prove)
	tests/install-deps
	$(MAKE) tests-build
	DIOSHIM_BUILD=$(abspath $(B)) tests/prove-all $(B)/check.log -j$(JOBS) $(if $(V),-v) $(UNITS) $(TESTS)

check-units: all $(UNITS)	## the unit tests alone (1 min)
	DIOSHIM_BUILD=$(abspath $(B)) tests/prove-all $(B)/check-units.log -j$(JOBS) $(UNITS)

soak: tests-build	## the random machines, each DURATION (600 s) long
	for s in $(SOAKS); do DIOSHIM_BUILD=$(abspath $(B)) $$s $(DURATION) || exit 1; done

include tests/fuzz/fuzz.mk
include pack/install.mk
include pack/release.mk

demo: all	## unmodified programs under the shim, on real files, and the ledger
	DIOSHIM_BUILD=$(abspath $(B)) examples/demo.sh

bench: all	## the measuring stick: ratios against plain programs, O_DIRECT, the device
	tests/install-deps fio gnuplot-nox nocache sqlite3
	DIOSHIM_BUILD=$(abspath $(B)) CC="$(CC)" bench/run $(BENCH_ARGS)

bench-auto: all	## whole programs, plain and under --mode auto, and where direct I/O begins to win (25 min)
	tests/install-deps fio rocksdb-tools
	DIOSHIM_BUILD=$(abspath $(B)) CC="$(CC)" bench/auto $(BENCH_ARGS)

clean:	## remove the build folder
	rm -rf $(B)

help:	## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t16

.PHONY: all ask tests-build check check-units soak demo bench bench-auto clean help

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
CLI_SRC  := $(wildcard cli/*.c)
CLI_SHIM := $(addprefix shim/,align.c config.c sys.c)
CLI_OBJ  := $(patsubst %.c,$(B)/%.o,$(CLI_SRC) $(CLI_SHIM))
PROGS    := $(patsubst tests/progs/%.c,$(B)/tests/%,$(wildcard tests/progs/*.c))
MULTI    := $(patsubst tests/progs/%/,$(B)/tests/%,$(wildcard tests/progs/*/))
UNITS    := $(patsubst tests/unit/%.c,$(B)/tests/unit_%,$(wildcard tests/unit/*.c))
TESTS    := $(wildcard tests/*.t tests/programs/*.t tests/hazards/*.t tests/machines/*.t)
SOAKS    := $(wildcard tests/machines/*.soak)
DURATION ?= 600

include tests/checks.mk

all: $(B)/libdioshim.so $(B)/dioshim	## build the library and the command (default)

$(B)/libdioshim.so: $(SHIM_OBJ) $(B)/shim/exports.map
	$(CC) $(CFLAGS) $(SHIM_LD) -Wl,--version-script=$(B)/shim/exports.map -o $@ $(SHIM_OBJ) -ldl

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

$(B)/dioshim: $(CLI_OBJ)
	$(CC) $(CFLAGS) -Wl,--as-needed,-z,now,-z,relro -o $@ $(CLI_OBJ)

$(B)/cli/%.o: cli/%.c
	@mkdir -p $(@D)
	$(CC) $(CLI_CF) -c -o $@ $<

$(B)/tests/unit_%: tests/unit/%.c $(SHIM_OBJ)
	@mkdir -p $(@D)
	$(CC) $(BASE) -Ishim -Itests -o $@ $< $(SHIM_OBJ) -ldl -pthread

PROG_CF  := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Itests

$(B)/tests/%: tests/progs/%.c
	@mkdir -p $(@D)
	$(CC) $(PROG_CF) -MMD -MP -o $@ $< -pthread -ldl

# A program of several files is a folder.
.SECONDEXPANSION:
$(MULTI): $(B)/tests/%: $$(wildcard tests/progs/$$*/*.[ch])
	@mkdir -p $(@D)
	$(CC) $(PROG_CF) -o $@ $(filter %.c,$^) -pthread -ldl

-include $(SHIM_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(PROGS:=.d) $(UNITS:=.d)

tests-build: all $(PROGS) $(MULTI) $(UNITS)	## build the test programs

check: all	## install or name what the tests need, and run them (TAP, by prove)
	tests/install-deps
	$(MAKE) tests-build
	DIOSHIM_BUILD=$(abspath $(B)) prove --merge --timer -j$(JOBS) $(if $(V),-v) $(UNITS) $(TESTS)

soak: tests-build	## the random machines, each DURATION (600 s) long
	for s in $(SOAKS); do DIOSHIM_BUILD=$(abspath $(B)) $$s $(DURATION) || exit 1; done

include tests/fuzz/fuzz.mk

demo: all	## unmodified programs under the shim, on real files, and the ledger
	DIOSHIM_BUILD=$(abspath $(B)) examples/demo.sh

bench: all	## the measuring stick: ratios against plain programs, O_DIRECT, the device
	tests/install-deps fio gnuplot-nox nocache sqlite3
	DIOSHIM_BUILD=$(abspath $(B)) CC="$(CC)" bench/run $(BENCH_ARGS)

clean:	## remove the build folder
	rm -rf $(B)

help:	## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t16

.PHONY: all tests-build check soak demo bench clean help

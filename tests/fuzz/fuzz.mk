# The fuzz targets: tests/fuzz/NAME.c, each with the objects that it tests.
#
#   make fuzz [DURATION=60] [FUZZ="plan config"]   libFuzzer, with address and undefined sanitizers (clang)
#   make fuzz-smoke                                the corpora and made inputs, by any compiler

FUZZ       ?= answers config engine ledger plan
FUZZ_CC    ?= clang
FUZZ_SMOKE := $(addprefix $(B)/fuzz/smoke_,answers config engine ledger plan)

FUZZ_answers := $(addprefix shim/,align.c book.c book_map.c fdtab.c log.c own.c sys.c)
FUZZ_config  := shim/config.c
FUZZ_engine  := $(addprefix shim/,adopt.c ahead.c align.c auto.c behind.c book.c book_map.c cache.c config.c engine.c fdtab.c file.c locks.c \
                  mapped.c memory.c own.c plan.c policy.c pool.c seg_bounce.c seg_cached.c seg_direct.c stream.c \
                  sys.c window.c window_fill.c)
FUZZ_ledger  := $(CLI_SRC) $(CLI_SHIM)
FUZZ_plan    := shim/plan.c

# The command's main gives way to the target's.
FUZZ_CF := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -g -Ishim -Icli -DDIOSHIM_VERSION='"$(VERSION)"'
FUZZ_MAIN = $(if $(filter %/main.c,$^),-Dmain=dioshim_main)
FUZZ_LIBS = -pthread $(if $(filter cli/%,$^),$(CLI_LIBS))
FUZZ_SANITIZE := -O1 -fsanitize=address,undefined,fuzzer -fno-sanitize-recover=undefined

.SECONDEXPANSION:
$(B)/fuzz/fuzz_%: tests/fuzz/%.c $$(FUZZ_$$*) tests/fuzz/fuzz.mk $(wildcard tests/fuzz/*.h shim/*.h shim/*.def cli/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CF) $(FUZZ_MAIN) $(FUZZ_SANITIZE) -o $@ $(filter %.c,$^) $(FUZZ_LIBS)

$(B)/fuzz/smoke_%: tests/fuzz/%.c tests/fuzz/replay.c $$(FUZZ_$$*) tests/fuzz/fuzz.mk $(wildcard tests/fuzz/*.h shim/*.h shim/*.def cli/*.h)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_CF) -O1 -c -o $@.replay.o tests/fuzz/replay.c
	$(CC) $(FUZZ_CF) $(FUZZ_MAIN) -O1 -o $@ $(filter-out %/replay.c,$(filter %.c,$^)) $@.replay.o $(FUZZ_LIBS)

fuzz: $(addprefix $(B)/fuzz/fuzz_,$(FUZZ))	## fuzz the planner, the engine and the parsers, DURATION (60 s) each; FUZZ=... for some
	DIOSHIM_BUILD=$(abspath $(B)) tests/fuzz/run $(if $(filter file,$(origin DURATION)),60,$(DURATION)) $(FUZZ)

fuzz-smoke: $(FUZZ_SMOKE)	## replay the corpora and some thousand made inputs (part of make check)
	DIOSHIM_BUILD=$(abspath $(B)) prove -v tests/machines/fuzz.t

tests-build: $(FUZZ_SMOKE)

.PHONY: fuzz fuzz-smoke

# make            libtern.a, tern, tern-convert, tern-tune and the model that ships
# make run        tells a story
# make test       every test (SAN=address,undefined or SAN=thread: under sanitizers; CC=clang)
# make test-arm   for AArch64 under qemu, all that depends on the CPU
# make bench      times every kernel of this CPU, next to the speed of plain reads
# make install    PREFIX=/usr/local, DESTDIR for packagers; with manual pages and shell completions
# make fuzz       the parsers and the line editor under libFuzzer, a minute each
# make format     clang-format over all sources

AR       ?= ar
PREFIX   ?= /usr/local
# Tests under sanitizers of addresses and undefined behavior take no longer for -O1, and compilers half as long. Under that
# of threads they take three times as long.
OPTIMIZE ?= $(if $(filter-out thread,$(SAN)),-O1 -g1,-O3 $(if $(SAN),-g1,-g))

# Everything is built in a directory of its own for each compiler and sanitizer; the plain build's programs are then
# copied to the top.
comma := ,
ifeq ($(origin CC)$(SAN),default)
BUILD := build
else
BUILD := build/$(notdir $(CC))$(if $(SAN),-$(subst $(comma),-,$(SAN)))
endif
MACHINE := $(shell $(CC) -dumpmachine)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
# -ffp-contract=off: a multiply and an add stay two roundings, so that every CPU computes the same bits.
TERN_CFLAGS := -std=c11 -D_XOPEN_SOURCE=700 -Iinclude -Isrc -Itools -Itests $(OPTIMIZE) $(WARNINGS) -ffp-contract=off \
	-fvisibility=hidden -pthread -MMD -MP $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
TERN_LDFLAGS := -pthread $(if $(SAN),-fsanitize=$(SAN))
TERN_LDLIBS := -lm

LIB_SOURCES := $(filter-out src/cli/% src/console/% src/json/%,$(wildcard src/*/*.c))
# The kernels of one instruction set are compiled with its flags, which isa_list.h names, and nothing else is.
ifneq ($(filter x86_64% amd64%,$(MACHINE)),)
LIB_SOURCES += $(wildcard src/kernels/x86/*.c)
TUNE_KERNELS := $(wildcard tools/tune/x86/*.c)
endif
ifneq ($(filter aarch64% arm64%,$(MACHINE)),)
LIB_SOURCES += $(wildcard src/kernels/arm/*.c)
TUNE_KERNELS := $(wildcard tools/tune/arm/*.c)
endif
isa_cflags = $(shell sed -n 's/^[A-Z0-9]*_ISA.$(basename $(@F)),.*"\(.*\)".*/\1/p' src/kernels/isa_list.h)
$(foreach f,src/kernels/x86 src/kernels/arm tools/tune/x86 tools/tune/arm,$(BUILD)/$f/%.o): ISA_CFLAGS = $(isa_cflags)
# The checks of these sanitizers make the kernels' templates so large that compiling them would take minutes. What is not
# checked here, the guard pages of the kernels' tests catch.
ifneq ($(filter-out thread,$(SAN)),)
$(foreach f,x86 arm,$(BUILD)/src/kernels/$f/%.o): ISA_CFLAGS = $(isa_cflags) $(if $(findstring undefined,$(SAN)), \
	-fno-sanitize=bounds$(comma)object-size$(comma)null$(comma)alignment$(comma)pointer-overflow)
endif

PROGRAMS        := tern tern-convert tern-tune
CLI_SOURCES     := $(wildcard src/cli/*.c src/cli/*/*.c)
# What the programs and the tests use besides the library.
SHARED_SOURCES  := $(wildcard src/console/*.c src/json/*.c)
CONVERT_SOURCES := $(wildcard tools/convert/*.c tools/convert/*/*.c)
TUNE_SOURCES    := $(wildcard tools/tune/*.c) $(TUNE_KERNELS)
TEST_SOURCES    := $(wildcard tests/*.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
CONVERT_PARTS := $(filter-out %/main.o,$(call objects,$(CONVERT_SOURCES)))
TUNE_PARTS := $(filter-out %/main.o,$(call objects,$(TUNE_SOURCES)))
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_SOURCES))
# What the scripts run besides the programs.
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/programs/*.c))

MODEL := $(BUILD)/models/tern-tiny.gguf

# What the programs print about themselves, from the tables that drive them.
MANUALS     := $(PROGRAMS:%=$(BUILD)/%.1)
COMPLETIONS := $(foreach shell,bash zsh fish,$(PROGRAMS:%=$(BUILD)/completions/%.$(shell)))

all: $(BUILD)/libtern.a $(PROGRAMS:%=$(BUILD)/%) $(MODEL) $(MANUALS) $(COMPLETIONS)
ifeq ($(SAN)$(RUN),)
	@for f in $(PROGRAMS); do cmp -s $(BUILD)/$$f $$f || cp $(BUILD)/$$f $$f; done
	@mkdir -p build/models && { cmp -s $(MODEL) build/models/tern-tiny.gguf || cp $(MODEL) build/models/; }
endif

$(BUILD)/libtern.a: $(call objects,$(LIB_SOURCES))
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tern: $(call objects,$(CLI_SOURCES) $(SHARED_SOURCES)) $(BUILD)/libtern.a
	$(CC) $(TERN_LDFLAGS) $(LDFLAGS) -o $@ $^ $(TERN_LDLIBS)

$(BUILD)/tern-convert: $(call objects,$(CONVERT_SOURCES) $(SHARED_SOURCES)) $(BUILD)/libtern.a
	$(CC) $(TERN_LDFLAGS) $(LDFLAGS) -o $@ $^ $(TERN_LDLIBS)

# Reads checkpoints with the converter's code.
$(BUILD)/tern-tune: $(call objects,$(TUNE_SOURCES) $(SHARED_SOURCES)) $(CONVERT_PARTS) $(BUILD)/libtern.a
	$(CC) $(TERN_LDFLAGS) $(LDFLAGS) -o $@ $^ $(TERN_LDLIBS)

$(MODEL): $(BUILD)/tern-convert $(wildcard models/tern-tiny/*)
	@mkdir -p $(@D)
	$(RUN) $(BUILD)/tern-convert models/tern-tiny -o $@ --force --quiet

$(BUILD)/tern.1: $(BUILD)/tern
	$(RUN) $< help --man >$@.new && mv $@.new $@

$(BUILD)/tern-%.1: $(BUILD)/tern-%
	$(RUN) $< --man >$@.new && mv $@.new $@

$(BUILD)/completions/tern.%: $(BUILD)/tern
	@mkdir -p $(@D)
	$(RUN) $< completion $* >$@.new && mv $@.new $@

define TOOL_COMPLETION
$(BUILD)/completions/$1.%: $(BUILD)/$1
	@mkdir -p $$(@D)
	$(RUN) $$< --completion $$* >$$@.new && mv $$@.new $$@
endef
$(foreach p,$(filter-out tern,$(PROGRAMS)),$(eval $(call TOOL_COMPLETION,$p)))

# Test programs also see the inside of the library and of the tools.
# tern's own objects are tested through the program, except a conversation, which has a unit test.
$(BUILD)/tests/test_conversation: $(call objects,src/cli/chat/conversation.c src/cli/chat/transcript.c src/cli/think_tags.c)
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TUNE_PARTS) $(CONVERT_PARTS) $(call objects,$(SHARED_SOURCES)) $(BUILD)/libtern.a
	$(CC) $(TERN_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libtern.a $(TERN_LDLIBS)

# What measurements need besides the programs.
$(BUILD)/bench/tune_speed: $(call objects,bench/tune_speed.c) $(TUNE_PARTS) $(CONVERT_PARTS) $(call objects,$(SHARED_SOURCES)) $(BUILD)/libtern.a
	$(CC) $(TERN_LDFLAGS) $(LDFLAGS) -o $@ $^ $(TERN_LDLIBS)

$(BUILD)/bench/make_model: $(call objects,bench/make_model.c bench/vocabulary.c $(SHARED_SOURCES)) $(BUILD)/libtern.a
	$(CC) $(TERN_LDFLAGS) $(LDFLAGS) -o $@ $^ $(TERN_LDLIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(TERN_CFLAGS) $(ISA_CFLAGS) $(CFLAGS) -c -o $@ $<

run: all
	$(RUN) ./tern run -v "Tell me a story about a fox." -n 200 --temp 0.8 --seed 1

test: all $(TESTS) $(TEST_PROGRAMS)
	@RUN="$(RUN)" CC="$(CC)" SAN="$(SAN)" TERN="$(BUILD)/tern" TERN_CONVERT="$(BUILD)/tern-convert" \
		TERN_TUNE="$(BUILD)/tern-tune" MODEL="$(MODEL)" BUILD="$(BUILD)" \
		sh tests/run.sh $(TESTS)

# A cross compiler and qemu-user: on Debian, gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.
test-arm:
	$(MAKE) test CC=aarch64-linux-gnu-gcc RUN="qemu-aarch64 -L /usr/aarch64-linux-gnu"

bench: $(BUILD)/tests/check_kernels
	$(RUN) $(BUILD)/tests/check_kernels --bench

# Every fuzz target for a minute each (clang).
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz:
	$(MAKE) CC=clang SAN=fuzzer-no-link,address,undefined OPTIMIZE="-O1 -g" BUILD=build/fuzz $(FUZZERS:%=build/fuzz/%)
	python3 tests/fuzz/seeds.py build/fuzz/corpus
	@for f in $(FUZZERS); do echo $$f; mkdir -p build/fuzz/corpus/$$f; \
		build/fuzz/$$f -max_total_time=60 -verbosity=0 build/fuzz/corpus/$$f || exit 1; done

build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o $(CONVERT_PARTS) $(call objects,$(SHARED_SOURCES)) build/fuzz/libtern.a
	$(CC) -fsanitize=fuzzer,address,undefined -pthread -o $@ $^ -lm

INSTALL_ROOT = $(DESTDIR)$(PREFIX)
# Under it; the root may have spaces.
INSTALLED_TEXTS = $(foreach p,$(PROGRAMS),share/man/man1/$(p).1 share/bash-completion/completions/$(p) \
	share/zsh/site-functions/_$(p) share/fish/vendor_completions.d/$(p).fish)

install: all
	umask 022; for d in bin lib include share/tern/models $(sort $(dir $(INSTALLED_TEXTS))); do \
		mkdir -p "$(INSTALL_ROOT)/$$d" || exit 1; done
	install -m 755 $(PROGRAMS:%=$(BUILD)/%) "$(INSTALL_ROOT)/bin/"
	install -m 644 $(BUILD)/libtern.a "$(INSTALL_ROOT)/lib/"
	install -m 644 include/tern.h "$(INSTALL_ROOT)/include/"
	install -m 644 $(MODEL) "$(INSTALL_ROOT)/share/tern/models/"
	install -m 644 $(MANUALS) "$(INSTALL_ROOT)/share/man/man1/"
	for p in $(PROGRAMS); do \
		install -m 644 $(BUILD)/completions/$$p.bash "$(INSTALL_ROOT)/share/bash-completion/completions/$$p" && \
		install -m 644 $(BUILD)/completions/$$p.zsh "$(INSTALL_ROOT)/share/zsh/site-functions/_$$p" && \
		install -m 644 $(BUILD)/completions/$$p.fish "$(INSTALL_ROOT)/share/fish/vendor_completions.d/" || exit 1; done

uninstall:
	for f in $(PROGRAMS:%=bin/%) lib/libtern.a include/tern.h share/tern/models/tern-tiny.gguf $(INSTALLED_TEXTS); do \
		rm -f "$(INSTALL_ROOT)/$$f"; done
	rmdir "$(INSTALL_ROOT)/share/tern/models" "$(INSTALL_ROOT)/share/tern" 2>/dev/null || true

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build $(PROGRAMS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all run test test-arm bench fuzz install uninstall format clean
.SECONDARY:

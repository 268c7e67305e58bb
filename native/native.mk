# Builds the native half: the two addons, init, the conformance probe and the C tests. Included by ../Makefile,
# with paths relative to it.
#
#   dist/libexec/tsrunc/tsrunc.node    addon/*.cc and core/*.c but for seccomp
#   dist/libexec/tsrunc/seccomp.node   addon/seccomp.cc, core/seccomp*.c, libseccomp (static)
#   dist/libexec/tsrunc/init           init/*.c, static, musl
#   dist/libexec/tsrunc/shim           launcher/*.c, parts of core/, static, musl: what containerd-shim-tsrunc-v2 links to
#   build/conformance-probe            ../conformance/harness/probe/*.c, static, musl
#   build/bench-stopwatch            ../conformance/bench/stopwatch.c, static, musl
#   build/native/test/*_test           test/*_test.c, with ASan and UBSan

# Objects sit in directories that mirror the sources': $$(@D) in a rule's order-only part.
.SECONDEXPANSION:
.SECONDARY:

# Short lines by default; V=1 prints the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)' $@)

LIBEXEC := dist/libexec/tsrunc
OBJ := build/native
MUSL_CC ?= musl-gcc

# Set for all sources; empty, so that a file which defines it by itself does not redefine it.
GNU := -D_GNU_SOURCE=
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wwrite-strings -Wformat=2 -Wvla
HARDENING := -fstack-protector-strong -D_FORTIFY_SOURCE=2
LINK_HARDENING := -Wl,-z,relro,-z,now -Wl,-z,noexecstack
DEPENDENCIES = -MMD -MP

ADDON_CC := $(filter-out native/addon/seccomp%,$(wildcard native/addon/*.cc))
ADDON_C := $(filter-out native/core/seccomp%,$(wildcard native/core/*.c))
SECCOMP_CC := $(wildcard native/addon/seccomp*.cc)
SECCOMP_C := $(wildcard native/core/seccomp*.c)
INIT_C := $(wildcard native/init/*.c)
LAUNCHER_C := $(wildcard native/launcher/*.c) native/core/socket.c native/core/spawn.c
PROBE_C := $(wildcard conformance/harness/probe/*.c)
TEST_C := $(wildcard native/test/*_test.c)

objects = $(patsubst %,$(OBJ)/$(1)/%.o,$(2))

# --- addons: loaded by an engine, so symbols are hidden and libstdc++ is linked in (dlopen of the shared one costs 0.6 ms).
ADDON_INCLUDES := -Inode_modules/node-addon-api -Inode_modules/node-api-headers/include -Ischemas/generated
ADDON_FLAGS := -O2 -g1 -fPIC -fvisibility=hidden $(HARDENING) \
  -DNAPI_VERSION=9 -DNAPI_DISABLE_CPP_EXCEPTIONS -DNODE_ADDON_API_DISABLE_DEPRECATED
# Headers of others come in with -isystem: their warnings are not ours.
ADDON_INCLUDES := $(ADDON_INCLUDES:-Inode%=-isystem node%)
ADDON_CFLAGS := -std=gnu17 $(GNU) $(WARNINGS) $(ADDON_FLAGS) $(ADDON_INCLUDES)
ADDON_CXXFLAGS := -std=c++20 $(WARNINGS) $(ADDON_FLAGS) -fno-exceptions -fno-rtti $(ADDON_INCLUDES)
ADDON_LDFLAGS := -shared -static-libstdc++ -static-libgcc $(LINK_HARDENING) -Wl,--gc-sections -Wl,--exclude-libs,ALL

$(OBJ)/addon/%.c.o: %.c native/native.mk | $$(@D)/.
	$(call say,CC  )
	$(Q)$(CC) $(ADDON_CFLAGS) $(DEPENDENCIES) -c $< -o $@

$(OBJ)/addon/%.cc.o: %.cc native/native.mk | $$(@D)/.
	$(call say,CXX )
	$(Q)$(CXX) $(ADDON_CXXFLAGS) $(DEPENDENCIES) -c $< -o $@

$(LIBEXEC)/tsrunc.node: $(call objects,addon,$(ADDON_CC) $(ADDON_C)) | $(LIBEXEC)/.
	$(call say,LINK)
	$(Q)$(CXX) $(ADDON_LDFLAGS) $^ -o $@.new && strip --strip-unneeded $@.new && mv $@.new $@

# Static, so that a host needs no libseccomp of a certain version, and lazy, so that only seccomp users map it.
$(LIBEXEC)/seccomp.node: $(call objects,addon,$(SECCOMP_CC) $(SECCOMP_C)) | $(LIBEXEC)/.
	$(call say,LINK)
	$(Q)$(CXX) $(ADDON_LDFLAGS) $^ -Wl,-Bstatic -lseccomp -Wl,-Bdynamic -o $@.new && strip --strip-unneeded $@.new && mv $@.new $@

# --- init and the probe: static executables without glibc. The kernel's headers come last, musl's own win.
MULTIARCH := $(shell $(CC) -print-multiarch)
MUSL_FLAGS := -std=gnu17 $(GNU) $(WARNINGS) $(HARDENING) -Os -g1 -fno-asynchronous-unwind-tables \
  -ffunction-sections -fdata-sections -fno-pie -Ischemas/generated \
  -idirafter /usr/include -idirafter /usr/include/$(MULTIARCH)
# Not position independent: no relocations to do at start, and the address of a program that execs right away is no secret worth it.
MUSL_LDFLAGS := -static -no-pie -Wl,--gc-sections $(LINK_HARDENING)

$(OBJ)/musl/%.c.o: %.c native/native.mk | $$(@D)/.
	$(call say,CC  )
	$(Q)$(MUSL_CC) $(MUSL_FLAGS) $(DEPENDENCIES) -c $< -o $@

$(LIBEXEC)/init: $(call objects,musl,$(INIT_C)) | $(LIBEXEC)/.
	$(call say,LINK)
	$(Q)$(MUSL_CC) $(MUSL_LDFLAGS) $^ -o $@.new && strip -s $@.new && mv $@.new $@

$(LIBEXEC)/shim: $(call objects,musl,$(LAUNCHER_C)) | $(LIBEXEC)/.
	$(call say,LINK)
	$(Q)$(MUSL_CC) $(MUSL_LDFLAGS) $^ -o $@.new && strip -s $@.new && mv $@.new $@

build/conformance-probe: $(call objects,musl,$(PROBE_C)) | build/.
	$(call say,LINK)
	$(Q)$(MUSL_CC) $(MUSL_LDFLAGS) $^ -o $@.new && strip -s $@.new && mv $@.new $@

build/bench-stopwatch: $(call objects,musl,conformance/bench/stopwatch.c) | build/.
	$(call say,LINK)
	$(Q)$(MUSL_CC) $(MUSL_LDFLAGS) $^ -o $@.new && strip -s $@.new && mv $@.new $@

# --- C tests: glibc, with sanitizers. A test links what it uses of core and init (all but main.c) out of two archives.
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TEST_FLAGS := -std=gnu17 $(GNU) $(WARNINGS) -Wno-write-strings -O1 -g $(SANITIZERS) -Ischemas/generated
TESTS := $(patsubst native/test/%.c,$(OBJ)/test/%,$(TEST_C))

$(OBJ)/test/%.c.o: %.c native/native.mk | $$(@D)/.
	$(call say,CC  )
	$(Q)$(CC) $(TEST_FLAGS) $(DEPENDENCIES) -c $< -o $@

$(OBJ)/test/init.a: $(call objects,test,$(filter-out native/init/main.c,$(INIT_C)))
$(OBJ)/test/core.a: $(call objects,test,$(ADDON_C) $(SECCOMP_C))
$(OBJ)/test/launcher.a: $(call objects,test,$(filter-out %/main.c %/start.c %/delete.c,$(wildcard native/launcher/*.c)))
$(OBJ)/test/init.a $(OBJ)/test/core.a $(OBJ)/test/launcher.a:
	$(call say,AR  )
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(TESTS): $(OBJ)/test/%: $(OBJ)/test/native/test/%.c.o $(OBJ)/test/init.a $(OBJ)/test/core.a $(OBJ)/test/launcher.a
	$(call say,LINK)
	$(Q)$(CC) $(SANITIZERS) $^ -Wl,--as-needed -lseccomp -o $@

# --- fuzzing: libFuzzer where clang is, a driver of our own under gcc's sanitizers where it is not.
FUZZ_CLANG := $(shell command -v clang 2>/dev/null)
FUZZ_CC := $(if $(FUZZ_CLANG),clang -fsanitize=fuzzer,$(CC) -DFUZZ_DRIVER)
FUZZ_RUNS ?= 1000000
FUZZ_SEED ?= 1

build/native/fuzz/plan_fuzz: native/test/plan_fuzz.c native/test/plan_sample.h native/init/plan.c native/init/plan.h \
  schemas/generated/plan_ops.h native/native.mk | build/native/fuzz/.
	$(call say,LINK)
	$(Q)$(FUZZ_CC) $(TEST_FLAGS) -O2 native/test/plan_fuzz.c native/init/plan.c -o $@

%/.:
	@mkdir -p $@

.PHONY: native native-tests
native: $(LIBEXEC)/tsrunc.node $(LIBEXEC)/seccomp.node $(LIBEXEC)/init $(LIBEXEC)/shim
native-tests: $(TESTS)

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

# Every developer command; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
DESTDIR ?=
RUNTIME ?= dist/bin/tsrunc
NPM_BIN := node_modules/.bin
# Put there by `make setup`; a copy of the lockfile that node_modules was installed from.
INSTALLED := node_modules/.installed-from

TS_SOURCES := $(shell find runtime schemas shim conformance -name '*.ts' 2>/dev/null)
# What goes into the executable: the product's sources, the dependencies and the commit.
APP_SOURCES := package.json package-lock.json $(wildcard .git/logs/HEAD) \
  $(filter-out conformance/% %.test.ts schemas/generate.ts schemas/generator/% ,$(TS_SOURCES))

include native/native.mk

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS="$$(printf '\t')" read -r name text; \
	  do printf '  %-13s %s\n' "$$name" "$$text"; done

# --- building

.PHONY: setup
setup: ## install what building and testing need (apt as root, npm)
	@.ci/setup

# A fresh clone gets its node_modules from any target; later changes of the lockfile do, too.
$(INSTALLED): package-lock.json
	@.ci/setup node_modules

.PHONY: build
build: native dist/bin/tsrunc build/conformance-probe ## executable, addons and init in dist/
native $(call objects,addon,$(ADDON_CC)): | $(INSTALLED)

dist/bin/tsrunc: $(APP_SOURCES) | $(INSTALLED)
	$(NPM_BIN)/bun runtime/build.ts
	@touch $@

# The sources as JavaScript in build/, which is what node runs; output of sources that are gone is removed.
build/.compiled: $(TS_SOURCES) tsconfig.json | $(INSTALLED) build/.
	@find build/runtime build/schemas build/shim build/conformance -name '*.js' 2>/dev/null | while read -r js; \
	  do ts="$${js#build/}"; [ -e "$${ts%.js}.ts" ] || rm -f "$$js" "$$js.map"; done
	$(NPM_BIN)/tsc -p .
	@touch $@

.PHONY: compile
compile: build/.compiled

.PHONY: generate
generate: | $(INSTALLED) ## schemas/ -> schemas/generated/
	$(NPM_BIN)/bun schemas/generate.ts

.PHONY: install
install: build ## copy the built tree under $(DESTDIR)$(PREFIX)
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/libexec/tsrunc"
	install -m 755 dist/bin/tsrunc "$(DESTDIR)$(PREFIX)/bin/tsrunc"
	ln -sfn ../libexec/tsrunc/shim "$(DESTDIR)$(PREFIX)/bin/containerd-shim-tsrunc-v2"
	install -m 755 $(LIBEXEC)/init $(LIBEXEC)/shim "$(DESTDIR)$(PREFIX)/libexec/tsrunc/"
	install -m 644 $(LIBEXEC)/tsrunc.node $(LIBEXEC)/seccomp.node "$(DESTDIR)$(PREFIX)/libexec/tsrunc/"

.PHONY: clean
clean: ## remove build/ and dist/
	rm -rf build dist

# --- checking

.PHONY: ok
ok: lint types generated test-unit ## the gate before a commit: format, lint, types, generated files, unit tests, hot-path budget

.PHONY: check
check: lint types generated dead-code ## what of ok needs no test run, and unused code

.PHONY: lint
lint: | $(INSTALLED)
	$(NPM_BIN)/biome ci --colors=off --error-on-warnings .

.PHONY: types
types: build/.compiled

.PHONY: generated
generated: | $(INSTALLED)
	$(NPM_BIN)/bun schemas/generate.ts --check

.PHONY: dead-code
dead-code: | $(INSTALLED)
	$(NPM_BIN)/knip --no-progress

.PHONY: fmt
fmt: | $(INSTALLED) ## format and sort imports (C too, where clang-format is installed)
	$(NPM_BIN)/biome check --colors=off --write --linter-enabled=false .
	@if command -v clang-format >/dev/null; then clang-format -i native/*/*.[ch] native/*/*.cc; fi

# --- testing; T='text' runs only the tests whose names match

MOCHA = node_modules/.bin/mocha $(if $(T),-g '$(T)')

.PHONY: test
test: setup ## everything, as root; ends with "N passed, N failed, N skipped"; ALL=1 with the long lanes, LANES='text' some
	$(MAKE) build native-tests compile
	node .ci/test.mjs

.PHONY: test-unit
test-unit: build/.compiled native ## unit tests and the hot-path budget
	$(MOCHA)

.PHONY: test-native
test-native: native-tests ## C tests under ASan and UBSan
	@for test in $(TESTS); do echo "$$test"; $$test || exit 1; done

.PHONY: fuzz
fuzz: build/native/fuzz/plan_fuzz ## a bounded run of the plan decoder's fuzzer; FUZZ_RUNS, FUZZ_SEED
	$< $(if $(FUZZ_CLANG),-runs=$(FUZZ_RUNS) -seed=$(FUZZ_SEED) -max_len=65536,$(FUZZ_RUNS) $(FUZZ_SEED))

.PHONY: cases
cases: build build/.compiled ## conformance cases; RUNTIME=path of any OCI runtime (default: ours)
	RUNTIME="$(abspath $(RUNTIME))" $(MOCHA) --config conformance/mocharc.json

.PHONY: conformance
conformance: build build/.compiled ## opencontainers/runtime-tools, beside runc and crun; RUNTIME=path; needs root and Go
	node build/conformance/runtime-tools/main.js --runtime "$(abspath $(RUNTIME))"

.PHONY: e2e-cri
e2e-cri: build build/.compiled ## containerd's CRI plugin through crictl; RUNTIME_TYPE=io.containerd.runc.v2 for runc's shim; needs root and Go
	$(MOCHA) --config conformance/e2e/cri/mocharc.json

.PHONY: critest
critest: build build/.compiled ## cri-tools' validation of containerd's CRI plugin; RUNTIME_TYPE, FOCUS='text'; needs root and Go
	node build/conformance/e2e/cri/critest.js

.PHONY: e2e-containerd
e2e-containerd: build build/.compiled ## the host's containerd through ctr; RUNTIME_TYPE=io.containerd.runc.v2 for runc's shim; needs root
	$(MOCHA) --config conformance/e2e/containerd/mocharc.json

.PHONY: e2e-docker
e2e-docker: build build/.compiled ## the host's Docker on RUNTIME; RUNTIME_TYPE and DOCKER_BIN as in docs/docker.md; needs root
	RUNTIME="$(abspath $(RUNTIME))" $(MOCHA) --config conformance/e2e/docker/mocharc.json

.PHONY: test-vm
test-vm: build build/.compiled ## the cases in guests with cgroup v2 and systemd: root, ordinary user, user namespace; ALL=1 for the long ones; needs root
	node build/conformance/vm/main.js $(if $(ALL),--all) $(if $(T),-- --grep '$(T)')

.PHONY: vm
vm: export VM_COMMAND = $(CMD)
vm: build build/.compiled ## CMD='command' in a guest; KIND=uml (quick) or qemu (Debian's kernel)
	@conformance/vm/run.sh $(or $(KIND),qemu) "$$VM_COMMAND"

.PHONY: test-root
test-root: ## conformance cases with tsrunc, then with runc
	$(MAKE) cases
	@if command -v runc >/dev/null; then $(MAKE) cases RUNTIME="$$(command -v runc)"; else echo "skipped: cases with runc (not installed)"; fi

.PHONY: bench
bench: build build/.compiled build/bench-stopwatch ## side by side with other runtimes; OUT=file.json
	node build/conformance/bench/main.js $(if $(OUT),--out "$(OUT)")

.PHONY: bench-containerd
bench-containerd: build build/.compiled build/bench-stopwatch ## our containerd shim beside runc's; OUT=file.json
	node build/conformance/bench/containerd.js $(if $(OUT),--out "$(OUT)")

.PHONY: demo
demo: ## run a busybox container and show what it sees
	@.ci/setup build
	$(MAKE) build
	.ci/demo

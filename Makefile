# The two commands of the README are `make demo` and `make test`; each does its own set-up.
PRESET ?= release
BUILD := build/$(PRESET)
NINJA := ninja -C $(BUILD)
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)

.PHONY: help setup build demo test test-cluster test-kubernetes test-oip test-package test-ray test-s3 bench fuzz web format tidy clean

help:
	@echo "make demo   explain the UCI Adult job with the shipped model and say what was found"
	@echo "make test   build everything and run every test (also under sanitizers)"
	@echo "make bench  measure against pinned peers (long); make fuzz  a minute a target"

setup:
	@scripts/setup.sh

$(BUILD)/build.ninja: CMakeLists.txt CMakePresets.json
	@cmake --preset $(PRESET) > $(PRESET).configure.log 2>&1 || { cat $(PRESET).configure.log; rm -f $(PRESET).configure.log; exit 1; }
	@rm -f $(PRESET).configure.log

build: setup
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@echo "build: compiling into $(BUILD)"
	@$(NINJA) --quiet

demo: build
	@scripts/demo.sh $(BUILD)/bin/windlass

test:
	@scripts/test.sh

bench: setup
	@scripts/setup.sh bench
	@$(MAKE) --no-print-directory PRESET=bench build
	@ninja --quiet -C build/bench windlass_benchmarks
	@benchmarks/setup_peers.sh
	@python3 benchmarks/run.py --windlass build/bench/bin/windlass --programs build/bench/benchmarks $(JOBS)

# Tables and the store on s3://, on a server of this machine.
test-s3: build
	@tests/s3/test.sh $(BUILD)

# Models behind a real MLServer on this machine.
test-oip: build
	@tests/oip/test.sh $(BUILD)/bin/windlass

# Wheels and the tarball, in clean environments. PYTHONS="python3.10 python3.12" tries several.
test-package: setup
	@tests/package/test.sh $(PYTHONS)

# Ray clusters on a real Kubernetes on this machine (root; tests/kubernetes/README.md).
test-kubernetes: build
	@tests/kubernetes/test.sh $(BUILD)/bin/windlass

# A real Ray on this machine: the engine ray, jobs over its REST API, services, clusters started here.
test-ray: build
	@tests/ray/test.sh $(BUILD)

# Faults of a Ray cluster on network namespaces; needs root. REPEAT=100 kills that often.
test-cluster: build
	@tests/cluster/test.sh $(BUILD)

# SECONDS_EACH=5 make fuzz is a quick look.
fuzz:
	@scripts/fuzz.sh

web:
	@cd web && npm ci && npm run build

# The release build's files, test programs left out. SOURCES=store/gc looks at one.
SOURCES ?= (src/windlass|plugins)/
tidy: build
	@scripts/setup.sh tidy
	@run-clang-tidy-14 -p $(BUILD) -quiet -j $(CMAKE_BUILD_PARALLEL_LEVEL) \
	  -extra-arg=-Wno-unknown-warning-option '^(?!.*_test).*$(SOURCES)' \
	  >$(BUILD)/tidy.out 2>$(BUILD)/tidy.log || { cat $(BUILD)/tidy.out $(BUILD)/tidy.log; exit 1; }
	@grep -vE '^clang-tidy-14 |^$$' $(BUILD)/tidy.out || echo "tidy: nothing found"

format:
	@git ls-files '*.cc' '*.h' | xargs clang-format-14 -i

clean:
	rm -rf build

# What a user of the library needs; `make help` lists it. Research: tools/Makefile.

# Make ends a path at a space.
ifneq ($(words x$(CURDIR)x$(CARGO_TARGET_DIR)),1)
$(error make can't build where a path has a space in it, as in '$(CURDIR)' or CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)': \
    move the folder, or call cargo build --release yourself. DESTDIR and PREFIX may have spaces)
endif

TARGET = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
RELEASE = $(abspath $(TARGET))/release
export PKG_CONFIG_PATH := $(abspath $(TARGET))/pkgconfig:$(PKG_CONFIG_PATH)
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

# What programs ask for at run time; build.rs says why, and packaging/test.sh that both agree.
MAJOR = $(word 1,$(subst ., ,$(VERSION)))
MINOR = $(word 2,$(subst ., ,$(VERSION)))
ABI = $(if $(filter 0,$(MAJOR)),0.$(MINOR),$(MAJOR))
ifeq ($(shell uname -s),Darwin)
SHARED = libsidelight.dylib
SONAME = libsidelight.$(ABI).dylib
SHARED_FILE = libsidelight.$(VERSION).dylib
else
SHARED = libsidelight.so
SONAME = $(SHARED).$(ABI)
SHARED_FILE = $(SHARED).$(VERSION)
endif

# A packager has its own: make lib SETUP=true CARGOFLAGS=--frozen
SETUP ?= tools/setup.sh
CARGOFLAGS ?=

all: lib

help: ## This list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z][a-z0-9-]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nResearch: make -C tools help\n'

##@ Try it

demo: ## The main job on the shipped pictures, from C: a table and a page with before and after
	@echo "make demo: about 3.5 minutes on two idle cores from a fresh checkout"
	@$(MAKE) --no-print-directory examples CARGOFLAGS="$(CARGOFLAGS) -p sidelight -p sidelight-demo"
	@$(RELEASE)/sidelight-demo c-examples/build tests/pictures target/demo

##@ Build

# The link lets programs run with the library where it was built. What a static library leaves to the
# system's linker, rustc tells; the C compiler adds libc and libgcc_s (or libgcc_eh) by itself.
NATIVE_LIBS = $(TARGET)/native-libs
lib: setup ## The library: target/release/libsidelight.so and .a
	cargo build --release $(CARGOFLAGS)
	@ln -sf $(SHARED) $(RELEASE)/$(SONAME)
	@rustc --crate-type staticlib --crate-name nothing --print native-static-libs \
	    -o $(TARGET)/nothing.a - </dev/null 2>&1 | \
	    sed -n 's/^note: native-static-libs: //p' | tr ' ' '\n' | \
	    grep -v -x -e -lc -e -lgcc_s | tr '\n' ' ' | sed 's/ $$//' > $(NATIVE_LIBS)
	@rm -f $(TARGET)/nothing.a

examples: pc ## The C examples, in c-examples/build
	$(MAKE) -C c-examples

video: pc ## The C examples for HEVC as well
	@tools/setup.sh video
	$(MAKE) -C c-examples video

header: setup ## Rewrites include/sidelight.h from src/capi
	SIDELIGHT_BLESS_HEADER=1 cargo test --profile tests --test header

clean: ## Removes what was built
	cargo clean
	$(MAKE) -C c-examples clean
	$(MAKE) -C benches/c clean
	rm -rf ffi-tests/build

setup:
	@$(SETUP) build

# A pkg-config file for the library as it lies in the build folder.
pc: lib
	@mkdir -p $(TARGET)/pkgconfig
	@sed -e 's|@PREFIX@|$(CURDIR)|' -e 's|@INCLUDEDIR@|$(CURDIR)/include|' \
	    -e 's|@LIBDIR@|$(RELEASE)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e "s|@LIBS_PRIVATE@|$$(cat $(NATIVE_LIBS))|" packaging/sidelight.pc.in \
	    > $(TARGET)/pkgconfig/sidelight.pc

##@ Test and measure

test: ## Everything that is tested with what setup installs
	@echo "make test: about 15 minutes on two idle cores from a fresh checkout"
	@tools/setup.sh test
	@$(MAKE) --no-print-directory examples video c-benches
	cargo test --profile tests --workspace
	ffi-tests/programs/jpeg.sh
	ffi-tests/programs/video.sh
	$(MAKE) -C ffi-tests test LIBDIR=$(RELEASE)
	packaging/test.sh

# It is an unstable flag of rustc. Stacks are left out: threads that take over another's are reported.
test-asan: setup ## The kernels' and the filter's tests with AddressSanitizer
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cllvm-args=-asan-stack=0" \
	    CARGO_TARGET_DIR=$(abspath $(TARGET))/asan cargo test --release -p sidelight --lib \
	    --target $$(rustc -vV | sed -n 's/^host: //p') -- kernels filter

SECONDS ?= 60
fuzz: ## Every reader against inputs made up to break it [SECONDS=60] [TARGETS=...]: fuzz/README.md
	@fuzz/run.sh "$(abspath $(TARGET))/fuzz" $(SECONDS) $(TARGETS)

bench: examples c-benches ## Speed: of the kernels, of decoding from C, of loading the library
	cargo bench
	c-examples/build/jpeg_encode --quality 20 tests/pictures/coffee.png $(TARGET)/bench.jpg
	benches/c/build/bench_filter --jpeg $(TARGET)/bench.jpg
	benches/c/build/bench_load $(RELEASE)/$(SHARED)

bench-instructions: ## What the kernels' inner loops cost on x86-64 and ARM, from their assembly
	benches/instructions.sh

c-benches: pc
	$(MAKE) -C benches/c

include packaging/install.mk integrations/integrations.mk tests/cross/cross.mk

.PHONY: all help demo lib examples video header clean setup pc test test-asan fuzz bench bench-instructions \
    c-benches

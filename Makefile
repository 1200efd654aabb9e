# make demo   the main job on the shipped pictures, from C: a table and target/demo/index.html
# make test   everything that is tested
# make install [PREFIX=/usr/local] [LIBDIR=] [DESTDIR=]   the library for others to build with
# make eval   figures, BD-rates and a report on a folder of pictures
# make ffmpeg [FFMPEG_SOURCE=]   a small FFmpeg with the filter; make test-ffmpeg tests it
# make vapoursynth test-vapoursynth   the plugin for VapourSynth: integrations/vapoursynth/README.md
# make test-python   the binding for Python: bindings/python/README.md
# make test-torch bench-torch tools-torch   the trainer against libtorch, the tools with it
# make lib examples video bench header train eval-peers eval-coders test-report test-asan clean
# make bench-peers   the filter's speed beside inference engines'
# make fuzz [SECONDS=60] [TARGETS=...]   every reader against inputs made up to break it
# make install-strip uninstall test-install abi-check abi-baseline

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

# The link lets programs run with the library where it was built. What a static library leaves to the
# system's linker, rustc tells; the C compiler adds libc and libgcc_s (or libgcc_eh) by itself.
NATIVE_LIBS = $(TARGET)/native-libs
lib: setup
	cargo build --release $(CARGOFLAGS)
	@ln -sf $(SHARED) $(RELEASE)/$(SONAME)
	@rustc --crate-type staticlib --crate-name nothing --print native-static-libs \
	    -o $(TARGET)/nothing.a - </dev/null 2>&1 | \
	    sed -n 's/^note: native-static-libs: //p' | tr ' ' '\n' | \
	    grep -v -x -e -lc -e -lgcc_s | tr '\n' ' ' | sed 's/ $$//' > $(NATIVE_LIBS)
	@rm -f $(TARGET)/nothing.a

examples: pc
	$(MAKE) -C c-examples

# The examples for HEVC.
video: pc
	@tools/setup.sh video
	$(MAKE) -C c-examples video

# A pkg-config file for the library as it lies in the build folder.
pc: lib
	@mkdir -p $(TARGET)/pkgconfig
	@sed -e 's|@PREFIX@|$(CURDIR)|' -e 's|@INCLUDEDIR@|$(CURDIR)/include|' \
	    -e 's|@LIBDIR@|$(RELEASE)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e "s|@LIBS_PRIVATE@|$$(cat $(NATIVE_LIBS))|" sidelight.pc.in \
	    > $(TARGET)/pkgconfig/sidelight.pc

setup:
	@$(SETUP) build

demo: examples
	cargo build --release -p sidelight-tools
	$(RELEASE)/sidelight-tools demo --examples c-examples/build --pictures tests/pictures \
	    --out target/demo

test: examples video
	@tools/setup.sh test
	cargo test --release --workspace
	c-examples/test.sh
	c-examples/test-video.sh
	$(MAKE) -C ffi-tests test LIBDIR=$(RELEASE)
	packaging/test.sh

# integrations/ffmpeg, against the library in the build folder: the distribution's FFmpeg, or that of a
# source tree.
FFMPEG = $(abspath $(TARGET))/ffmpeg
ffmpeg: pc
	@tools/setup.sh ffmpeg
	@integrations/ffmpeg/build.sh $(FFMPEG) "$(FFMPEG_SOURCE)"

test-ffmpeg: ffmpeg
	integrations/ffmpeg/test.sh $(FFMPEG)

# fuzz/README.md. What is found lies in fuzz/artifacts.
SECONDS ?= 60
fuzz:
	@fuzz/run.sh "$(abspath $(TARGET))/fuzz" $(SECONDS) $(TARGETS)

# The kernels' and the filter's tests with AddressSanitizer, which finds what they read or write beyond a
# row. It is an unstable flag of rustc. Stacks are left out: threads that take over another's are reported.
test-asan: setup
	RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cllvm-args=-asan-stack=0" \
	    CARGO_TARGET_DIR=$(abspath $(TARGET))/asan cargo test --release -p sidelight --lib \
	    --target $$(rustc -vV | sed -n 's/^host: //p') -- kernels filter

# What is installed, as others build with it.
test-install: lib
	@tools/setup.sh test
	packaging/test.sh

# The public header's types and functions against abi/sidelight.abi: fails where programs that were
# built with that would break, and tells what was added. abi-baseline rewrites it.
abi-check abi-baseline: lib
	@tools/setup.sh test
	@abi/check.sh $(@:abi-%=%) $(RELEASE)/$(SHARED)

# The report's page in a browser; leaves screenshots, target/report-test-*.png.
test-report: setup
	@tools/setup.sh report
	cargo test --release -p sidelight-tools report -- --include-ignored

bench: setup
	cargo bench

# Rewrites include/sidelight.h from src/capi.
header: setup
	SIDELIGHT_BLESS_HEADER=1 cargo test --release --test header

# make train DATA=<folder of PNG pictures> [OUT=<folder>] [MODELS="jpeg hevc"]: the shipped models' recipe.
# JPEG's model of colour has the network of the model of luma; HEVC's start from JPEG's.
TOOL = $(RELEASE)/sidelight-tools
MODELS ?= jpeg hevc
train: OUT ?= target/train
train: setup
	@test -n "$(DATA)" || { echo "say where the pictures are: make train DATA=<folder>"; exit 1; }
	@mkdir -p $(OUT)
	cargo build --release -p sidelight-tools
	for model in $(MODELS); do tools/train.sh $$model "$(DATA)" "$(OUT)" $(TOOL) || exit 1; done

# make eval DATA=<folder of PNG pictures> [QF=10,20,30,40] [CODEC=jpeg|jpeg-flat|mozjpeg-psnr|x265-intra]
#   [PLANES=colour|luma|limited] [SIZE=s|m|l] [OUT=<folder>]: docs/evaluation.md
# make eval DATA=<folder of YUV4MPEG2 clips> CODEC=x265
CODEC ?= jpeg
PLANES ?= colour
SIZE ?= m
eval eval-peers eval-coders: OUT ?= target/eval/$(notdir $(abspath $(DATA)))-$(CODEC)-$(PLANES)-$(SIZE)
eval: tools
	@test -n "$(DATA)" || { echo "say where the pictures are: make eval DATA=<folder>"; exit 1; }
	@tools/setup.sh eval
	@$(RELEASE)/sidelight-tools eval --data "$(DATA)" --out "$(OUT)" --codec $(CODEC) \
	    --planes $(PLANES) --size $(SIZE) $(if $(QF),--quality $(QF)); status=$$?; \
	test ! -f "$(OUT)/results.json" || $(RELEASE)/sidelight-tools report "$(OUT)"; exit $$status

# After make eval, with the same variables: ffmpeg's filters, WebP, JPEG XL, AVIF.
eval-peers: tools
	@tools/setup.sh peers
	$(RELEASE)/sidelight-tools peers --data "$(DATA)" --out "$(OUT)"
	$(RELEASE)/sidelight-tools report "$(OUT)"

# After make eval, with the same variables or OUT alone: other coders on the same updates. NNCodec is
# built from source.
PEERS = $(abspath $(TARGET))/peers/venv
eval-coders: tools
	@tools/setup.sh coders
	@$(MAKE) --no-print-directory $(PEERS)/ready
	$(RELEASE)/sidelight-tools integers --payloads "$(OUT)/payloads" --out "$(OUT)/integers.json"
	$(PEERS)/bin/python tools/peers/update_coders.py "$(OUT)/integers.json" \
	    --out "$(OUT)/update_coders.json"
	$(RELEASE)/sidelight-tools report "$(OUT)"

$(PEERS)/ready: tools/peers/requirements.txt
	python3 -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# make bench-peers [MODEL=<model file>] [MODEL_I8=<another>]: our filter beside inference engines that run
# the same network: docs/evaluation.md. Downloads 0.9 GB. The first has hidden layers of 16 bits, the other of 8.
MODEL ?= tools/peers/i16-32x3.slm
MODEL_I8 ?= models/jpeg-ycc-32x3.slm
ENGINES = $(abspath $(TARGET))/engines
ENGINES_TORCH = $(wildcard $(ENGINES)/venv/lib/python3.*/site-packages/torch)
bench-peers: tools
	@tools/setup.sh coders
	@$(MAKE) --no-print-directory $(ENGINES)/venv/ready
	@$(MAKE) --no-print-directory $(ENGINES)/libtorch
	@$(ENGINES)/venv/bin/python tools/peers/engines.py --tool $(RELEASE)/sidelight-tools \
	    --libtorch $(ENGINES)/libtorch --model $(MODEL) \
	    $(if $(MODEL_I8),--model-i8 $(MODEL_I8)) --pictures tests/pictures --work $(ENGINES) \
	    --out $(TARGET)/bench-peers.json $(BENCH_PEERS_FLAGS)

$(ENGINES)/venv/ready: tools/peers/engines.txt
	python3 -m venv --clear $(ENGINES)/venv
	$(ENGINES)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

$(ENGINES)/libtorch: tools/peers/libtorch.cpp $(ENGINES)/venv/ready
	g++ -std=c++20 -O2 -I$(ENGINES_TORCH)/include $< -o $@ -L$(ENGINES_TORCH)/lib -lc10 -ltorch_cpu \
	    -Wl,-rpath,$(ENGINES_TORCH)/lib

# ---- libtorch ----

# docs/adaptation.md. LIBTORCH=<folder> takes one that is there. A build folder of its own, so that no
# libsidelight.so that wants libtorch lies where others look for one.
TORCH = $(abspath $(TARGET))/torch
LIBTORCH ?= $(TORCH)/site/torch
TORCH_READY = $(if $(filter $(TORCH)/%,$(LIBTORCH)),$(TORCH)/ready)
TORCH_CARGO = LIBTORCH="$(LIBTORCH)" CARGO_TARGET_DIR=$(TORCH)/cargo cargo
test-torch bench-torch: export OMP_WAIT_POLICY = passive
test-torch: $(TORCH_READY)
	$(TORCH_CARGO) test --release -p sidelight -p sidelight-tools --features torch --lib --bins \
	    torch -- --nocapture

bench-torch: $(TORCH_READY)
	$(TORCH_CARGO) bench --features torch --bench torch

tools-torch: $(TORCH_READY)
	$(TORCH_CARGO) build --release -p sidelight-tools --features torch

# The packages of CUDA hold what libtorch wants to be loaded, not what it wants to use a GPU.
$(TORCH)/ready: tools/torch/requirements.txt
	@tools/setup.sh torch
	python3 -m venv --clear $(TORCH)/venv
	rm -rf $(TORCH)/site
	$(TORCH)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps \
	    --target $(TORCH)/site -r $<
	touch $@

# ---- integrations ----

# VapourSynth's wheel has headers and a .pc file; it wants Python 3.12 or later. Nothing outside the
# folder is written: the tests do without `vapoursynth config`.
VS = $(abspath $(TARGET))/vapoursynth
vapoursynth: pc $(VS)/venv/ready
	@PKG_CONFIG_PATH="$$($(VS)/venv/bin/vapoursynth get-pkgconfig-dir):$$PKG_CONFIG_PATH" \
	    $(MAKE) --no-print-directory -C integrations/vapoursynth BUILD=$(VS)

test-vapoursynth: vapoursynth
	$(VS)/venv/bin/python integrations/vapoursynth/test.py $(VS)/vs-sidelight.so \
	    $(RELEASE)/$(SHARED)

$(VS)/venv/ready: integrations/vapoursynth/requirements.txt
	python=$$(tools/setup.sh python3.12) && $$python -m venv --clear $(VS)/venv
	$(VS)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# ---- bindings ----

# The wheel is built with what requirements.txt pins, not with the newest of everything.
PY = $(abspath $(TARGET))/python
test-python: $(PY)/venv/ready
	PATH="$(PY)/venv/bin:$$PATH" CARGO_TARGET_DIR=$(PY)/cargo pip install --quiet \
	    --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall \
	    ./bindings/python
	cd bindings/python && PYTHONDONTWRITEBYTECODE=1 $(PY)/venv/bin/python -m pytest \
	    -p no:cacheprovider

$(PY)/venv/ready: bindings/python/tests/requirements.txt
	@tools/setup.sh python
	python3 -m venv --clear $(PY)/venv
	$(PY)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# ---- installing ----

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DOCDIR ?= $(PREFIX)/share/doc/sidelight
MANDIR ?= $(PREFIX)/share/man
CMAKEDIR ?= $(LIBDIR)/cmake/Sidelight
INSTALL ?= install
STRIP ?= strip

DOCS = README.md CHANGELOG.md SECURITY.md LICENSE-MIT LICENSE-APACHE models/README.md \
	$(sort $(wildcard docs/*.md))
# In the .pc file, so that pkg-config --define-variable=prefix= moves all of it.
under_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
# From CMAKEDIR up to the prefix: the CMake files find everything from where they lie.
UP = $(shell echo "$(CMAKEDIR:$(PREFIX)/%=%)" | sed 's|[^/][^/]*|..|g')
CMAKE_PREFIX = $(if $(filter $(PREFIX)/%,$(CMAKEDIR)),$${_sidelight_here}/$(UP),$(PREFIX))
cmake_path = $(patsubst $(PREFIX)/%,$${_sidelight_prefix}/%,$(1))

# Builds only what is missing, so that root needs no cargo after `make lib`.
install:
	@test -f $(RELEASE)/$(SHARED) && test -f $(NATIVE_LIBS) || $(MAKE) lib
	$(INSTALL) -d "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(CMAKEDIR)" "$(DESTDIR)$(INCLUDEDIR)" \
	    "$(DESTDIR)$(DOCDIR)/docs" "$(DESTDIR)$(DOCDIR)/models" "$(DESTDIR)$(MANDIR)/man3"
	$(INSTALL) -m 755 $(RELEASE)/$(SHARED) "$(DESTDIR)$(LIBDIR)/$(SHARED_FILE)"
	ln -sf $(SHARED_FILE) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/$(SHARED)"
	$(INSTALL) -m 644 $(RELEASE)/libsidelight.a "$(DESTDIR)$(LIBDIR)/"
	$(INSTALL) -m 644 include/sidelight.h "$(DESTDIR)$(INCLUDEDIR)/"
	$(INSTALL) -m 644 packaging/sidelight.3 "$(DESTDIR)$(MANDIR)/man3/"
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@INCLUDEDIR@|$(call under_prefix,$(INCLUDEDIR))|' \
	    -e 's|@LIBDIR@|$(call under_prefix,$(LIBDIR))|' -e 's|@VERSION@|$(VERSION)|' \
	    -e "s|@LIBS_PRIVATE@|$$(cat $(NATIVE_LIBS))|" sidelight.pc.in \
	    > "$(DESTDIR)$(LIBDIR)/pkgconfig/sidelight.pc"
	@for file in SidelightConfig SidelightConfigVersion; do \
	    sed -e 's|@PREFIX@|$(CMAKE_PREFIX)|' -e 's|@INCLUDEDIR@|$(call cmake_path,$(INCLUDEDIR))|' \
	        -e 's|@LIBDIR@|$(call cmake_path,$(LIBDIR))|' -e 's|@VERSION@|$(VERSION)|' \
	        -e 's|@ABI@|$(ABI)|' -e 's|@SHARED_FILE@|$(SHARED_FILE)|' -e 's|@SONAME@|$(SONAME)|' \
	        -e "s|@LIBS_PRIVATE@|$$(tr ' ' ';' <$(NATIVE_LIBS))|" packaging/$$file.cmake.in \
	        > "$(DESTDIR)$(CMAKEDIR)/$$file.cmake" || exit 1; \
	done
	@for file in $(DOCS); do \
	    $(INSTALL) -m 644 $$file "$(DESTDIR)$(DOCDIR)/$$file" || exit 1; \
	done

# Without debug information: 1.9 MB in place of 10.4.
install-strip: install
	$(STRIP) --strip-unneeded "$(DESTDIR)$(LIBDIR)/$(SHARED_FILE)"
	$(STRIP) --strip-debug "$(DESTDIR)$(LIBDIR)/libsidelight.a"

uninstall:
	rm -f "$(DESTDIR)$(LIBDIR)/$(SHARED_FILE)" "$(DESTDIR)$(LIBDIR)/$(SONAME)" \
	    "$(DESTDIR)$(LIBDIR)/$(SHARED)" "$(DESTDIR)$(LIBDIR)/libsidelight.a" \
	    "$(DESTDIR)$(INCLUDEDIR)/sidelight.h" "$(DESTDIR)$(LIBDIR)/pkgconfig/sidelight.pc" \
	    "$(DESTDIR)$(MANDIR)/man3/sidelight.3"
	rm -rf "$(DESTDIR)$(CMAKEDIR)" "$(DESTDIR)$(DOCDIR)"

tools: setup
	cargo build --release -p sidelight-tools

clean:
	cargo clean
	$(MAKE) -C c-examples clean
	rm -rf ffi-tests/build

.PHONY: all lib examples video pc setup demo test fuzz test-asan test-report bench header train \
	eval eval-peers eval-coders bench-peers tools clean install install-strip uninstall test-install \
	abi-check abi-baseline ffmpeg test-ffmpeg \
	vapoursynth test-vapoursynth test-python test-torch bench-torch tools-torch

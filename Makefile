# make demo   the main job on the shipped pictures, from C: a table and target/demo/index.html
# make test   everything that is tested
# make lib examples bench header train clean

TARGET = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
RELEASE = $(abspath $(TARGET))/release
export PKG_CONFIG_PATH := $(abspath $(TARGET))/pkgconfig:$(PKG_CONFIG_PATH)
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

all: lib

lib: setup
	cargo build --release

examples: pc
	$(MAKE) -C c-examples

# A pkg-config file for the library as it lies in the build folder.
pc: lib
	@mkdir -p $(TARGET)/pkgconfig
	@sed -e 's|@PREFIX@|$(CURDIR)|' -e 's|@INCLUDEDIR@|$(CURDIR)/include|' \
	    -e 's|@LIBDIR@|$(RELEASE)|' -e 's|@VERSION@|$(VERSION)|' sidelight.pc.in \
	    > $(TARGET)/pkgconfig/sidelight.pc

setup:
	@tools/setup.sh build

demo: examples
	cargo build --release -p sidelight-tools
	$(RELEASE)/sidelight-tools demo --examples c-examples/build --pictures tests/pictures \
	    --out target/demo

test: examples
	@tools/setup.sh test
	cargo test --release --workspace
	c-examples/test.sh
	$(MAKE) -C ffi-tests test LIBDIR=$(RELEASE)

bench: setup
	cargo bench

# Rewrites include/sidelight.h from src/capi.
header: setup
	SIDELIGHT_BLESS_HEADER=1 cargo test --release --test header

# make train DATA=<folder of PNG pictures> [OUT=<folder>]: the shipped models' recipe. The model of
# colour has the network of the model of luma.
OUT ?= target/train
TOOL = $(RELEASE)/sidelight-tools
train: setup
	@test -n "$(DATA)" || { echo "say where the pictures are: make train DATA=<folder>"; exit 1; }
	@mkdir -p $(OUT)
	cargo build --release -p sidelight-tools
	$(TOOL) pretrain --data "$(DATA)" --out $(OUT)/luma.ck --steps 115000
	$(TOOL) export --data "$(DATA)" --checkpoint $(OUT)/luma.ck --out $(OUT)/jpeg-y-32x3.slm
	$(TOOL) tune --data "$(DATA)" --model $(OUT)/jpeg-y-32x3.slm --out $(OUT)/jpeg-y-32x3.slm
	$(TOOL) pretrain --data "$(DATA)" --part chroma --channels 16 --out $(OUT)/chroma.ck \
	    --steps 100000
	$(TOOL) export --data "$(DATA)" --checkpoint $(OUT)/chroma.ck --channels 16 \
	    --luma $(OUT)/jpeg-y-32x3.slm --out $(OUT)/jpeg-ycc-32x3.slm
	$(TOOL) tune --data "$(DATA)" --model $(OUT)/jpeg-ycc-32x3.slm \
	    --out $(OUT)/jpeg-ycc-32x3.slm

clean:
	cargo clean
	$(MAKE) -C c-examples clean
	rm -rf ffi-tests/build

.PHONY: all lib examples pc setup demo test bench header train clean

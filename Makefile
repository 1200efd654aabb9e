# make demo   the main job on the shipped pictures, from C: a table and target/demo/index.html
# make test   everything that is tested
# make eval-coders   other coders on the updates of an evaluation
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

# make train DATA=<folder of PNG pictures> [OUT=<checkpoint>]: the shipped model's recipe.
OUT ?= target/train/jpeg-y-32x3.ck
train: setup
	@test -n "$(DATA)" || { echo "say where the pictures are: make train DATA=<folder>"; exit 1; }
	@mkdir -p $(dir $(OUT))
	cargo build --release -p sidelight-tools
	$(RELEASE)/sidelight-tools pretrain --data "$(DATA)" --out $(OUT) --steps 115000
	$(RELEASE)/sidelight-tools export --data "$(DATA)" --checkpoint $(OUT) \
	    --out $(basename $(OUT)).slm
	$(RELEASE)/sidelight-tools tune --data "$(DATA)" --model $(basename $(OUT)).slm \
	    --out $(basename $(OUT)).slm

# make eval-coders OUT=<folder of an evaluation>: codes the updates of OUT/payloads with other coders.
# NNCodec is built from source: that wants a C++ compiler and Python's headers.
PEERS = $(abspath $(TARGET))/peers/venv
eval-coders: setup $(PEERS)/ready
	@test -d "$(OUT)/payloads" || \
	    { echo "say which evaluation: make eval-coders OUT=<folder>"; exit 1; }
	cargo build --release -p sidelight-tools
	$(RELEASE)/sidelight-tools integers --payloads "$(OUT)/payloads" --out "$(OUT)/integers.json"
	$(PEERS)/bin/python tools/peers/update_coders.py "$(OUT)/integers.json" \
	    --out "$(OUT)/update_coders.json"

$(PEERS)/ready: tools/peers/requirements.txt
	python3 -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

clean:
	cargo clean
	$(MAKE) -C c-examples clean
	rm -rf ffi-tests/build

.PHONY: all lib examples pc setup demo test bench header train eval-coders clean

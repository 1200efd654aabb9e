# make demo   the main job on the shipped pictures, from C: a table and target/demo/index.html
# make test   everything that is tested
# make eval   figures, BD-rates and a report on a folder of pictures
# make lib examples bench header train eval-peers eval-coders test-report clean

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

# The report's page in a browser; leaves screenshots, target/report-test-*.png.
test-report: setup
	@tools/setup.sh report
	cargo test --release -p sidelight-tools report -- --include-ignored

bench: setup
	cargo bench

# Rewrites include/sidelight.h from src/capi.
header: setup
	SIDELIGHT_BLESS_HEADER=1 cargo test --release --test header

# make train DATA=<folder of PNG pictures> [OUT=<folder>]: the shipped models' recipe. The model of
# colour has the network of the model of luma.
TOOL = $(RELEASE)/sidelight-tools
train: OUT ?= target/train
train: setup
	@test -n "$(DATA)" || { echo "say where the pictures are: make train DATA=<folder>"; exit 1; }
	@mkdir -p $(OUT)
	cargo build --release -p sidelight-tools
	$(TOOL) pretrain --data "$(DATA)" --out $(OUT)/luma.ck --steps 115000
	$(TOOL) export --data "$(DATA)" --checkpoint $(OUT)/luma.ck --out $(OUT)/jpeg-y-32x3.slm
	$(TOOL) tune --data "$(DATA)" --model $(OUT)/jpeg-y-32x3.slm --out $(OUT)/jpeg-y-32x3.slm
	$(TOOL) pretrain --data "$(DATA)" --part chroma --channels 16 --vivid --steps 100000 \
	    --out $(OUT)/chroma1.ck
	$(TOOL) pretrain --data "$(DATA)" --part chroma --channels 16 --from $(OUT)/chroma1.ck \
	    --out $(OUT)/chroma.ck --steps 25000 --rate 0.0005 --seed 2
	$(TOOL) export --data "$(DATA)" --checkpoint $(OUT)/chroma.ck --channels 16 \
	    --luma $(OUT)/jpeg-y-32x3.slm --out $(OUT)/jpeg-ycc-32x3.slm
	$(TOOL) tune --data "$(DATA)" --model $(OUT)/jpeg-ycc-32x3.slm \
	    --out $(OUT)/jpeg-ycc-32x3.slm

# make eval DATA=<folder of PNG pictures> [QF=10,20,30,40] [CODEC=jpeg|jpeg-flat|mozjpeg-psnr|x265-intra]
#   [PLANES=colour|luma|limited] [OUT=<folder>]: docs/evaluation.md
CODEC ?= jpeg
PLANES ?= colour
eval eval-peers eval-coders: OUT ?= target/eval/$(notdir $(abspath $(DATA)))-$(CODEC)-$(PLANES)
eval: tools
	@test -n "$(DATA)" || { echo "say where the pictures are: make eval DATA=<folder>"; exit 1; }
	@tools/setup.sh eval
	@$(RELEASE)/sidelight-tools eval --data "$(DATA)" --out "$(OUT)" --codec $(CODEC) \
	    --planes $(PLANES) $(if $(QF),--quality $(QF)); status=$$?; \
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

tools: setup
	cargo build --release -p sidelight-tools

clean:
	cargo clean
	$(MAKE) -C c-examples clean
	rm -rf ffi-tests/build

.PHONY: all lib examples pc setup demo test test-report bench header train \
	eval eval-peers eval-coders tools clean

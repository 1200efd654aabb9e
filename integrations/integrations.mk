# The integrations and the bindings for Python and WebAssembly, against the library in the build folder. Included by the
# Makefile at the root.

##@ Integrations

FFMPEG = $(abspath $(TARGET))/ffmpeg
ffmpeg: pc ## A small FFmpeg with the filter, of the distribution's source [FFMPEG_SOURCE=<source tree>]
	@tools/setup.sh ffmpeg
	@integrations/ffmpeg/build.sh $(FFMPEG) "$(FFMPEG_SOURCE)"

test-ffmpeg: ffmpeg ## Its tests
	integrations/ffmpeg/test.sh $(FFMPEG)

# By itself, as a Rust workspace, so that building the library needs no GStreamer.
GST = $(abspath $(TARGET))/gstreamer
gstreamer: ## The elements for GStreamer: integrations/gstreamer/README.md
	@tools/setup.sh gstreamer
	cd integrations/gstreamer && CARGO_TARGET_DIR=$(GST) cargo build --release --locked

test-gstreamer: gstreamer video ## Their tests
	cd integrations/gstreamer && CARGO_TARGET_DIR=$(GST) cargo test --release --locked
	integrations/gstreamer/test.sh $(GST)/release

PIXBUF = $(abspath $(TARGET))/gdk-pixbuf
gdk-pixbuf: pc ## The loader for GdkPixbuf: integrations/gdk-pixbuf/README.md
	@tools/setup.sh gdk-pixbuf
	@$(MAKE) --no-print-directory -C integrations/gdk-pixbuf BUILD=$(PIXBUF)

test-gdk-pixbuf: gdk-pixbuf examples ## Its tests
	@$(MAKE) --no-print-directory -C integrations/gdk-pixbuf BUILD=$(PIXBUF) $(PIXBUF)/show
	integrations/gdk-pixbuf/test.sh $(PIXBUF)

# VapourSynth's wheel has headers and a .pc file; it wants Python 3.12 or later. Nothing outside the
# folder is written: the tests do without `vapoursynth config`.
VS = $(abspath $(TARGET))/vapoursynth
vapoursynth: pc $(VS)/venv/ready ## The plugin for VapourSynth: integrations/vapoursynth/README.md
	@PKG_CONFIG_PATH="$$($(VS)/venv/bin/vapoursynth get-pkgconfig-dir):$$PKG_CONFIG_PATH" \
	    $(MAKE) --no-print-directory -C integrations/vapoursynth BUILD=$(VS)

test-vapoursynth: vapoursynth ## Its tests
	$(VS)/venv/bin/python integrations/vapoursynth/test.py $(VS)/vs-sidelight.so \
	    $(RELEASE)/$(SHARED)

# In an environment that has VapourSynth and the wheel, and no more.
test-vapoursynth-wheel: pc $(VS)/venv/ready ## The plugin as a wheel, built, installed in a new environment, and tested
	rm -rf $(VS)/dist $(VS)/new
	PATH="$(VS)/venv/bin:$$PATH" pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	    -w $(VS)/dist ./integrations/vapoursynth
	$(VS)/venv/bin/python -m venv $(VS)/new
	grep '^VapourSynth' integrations/vapoursynth/requirements.txt | \
	    $(VS)/new/bin/pip install --quiet --disable-pip-version-check --no-deps -r /dev/stdin $(VS)/dist/*.whl
	if nm -D --defined-only $(VS)/new/lib/python3*/site-packages/vapoursynth/plugins/vs-sidelight.so | \
	    grep -v VapourSynthPluginInit2; then echo "names of the library are outside"; exit 1; fi
	$(VS)/new/bin/python integrations/vapoursynth/test.py installed $(RELEASE)/$(SHARED)

$(VS)/venv/ready: integrations/vapoursynth/requirements.txt
	python=$$(tools/setup.sh python3.12) && $$python -m venv --clear $(VS)/venv
	$(VS)/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# The wheel is built with what requirements.txt pins, not with the newest of everything.
PY = $(abspath $(TARGET))/python
test-python: $(PY)/venv/ready ## The binding for Python, built and tested: bindings/python/README.md
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

WASM = $(abspath $(TARGET))/wasm
wasm: ## The package for browsers and Node, in target/wasm/package: bindings/wasm/README.md
	bindings/wasm/build.sh $(WASM)/package

wasm-pack: wasm ## The package as an archive for npm, in target/wasm
	cd $(WASM)/package && npm pack --pack-destination $(WASM)

# What is not on the system is downloaded and unpacked in target/cross.
test-wasm: wasm examples ## Its tests, and the library's own on WebAssembly
	tests/cross/wasm.sh
	bindings/wasm/test.sh $(WASM)

PAGE = $(abspath $(TARGET))/page
page: wasm ## A page that filters JPEGs in the browser, to be served from target/page: bindings/wasm/page/README.md
	bindings/wasm/page/build.sh $(PAGE) $(WASM)/package

test-page: page examples cli $(PAGE)-test/ready ## Its tests, in Chromium
	node bindings/wasm/page/test/test.mjs $(PAGE) c-examples/build $(CLI)/sidelight $(PAGE)-test

$(PAGE)-test/ready: bindings/wasm/page/test/package.json bindings/wasm/page/test/package-lock.json
	@tools/setup.sh page
	mkdir -p $(PAGE)-test
	cp $^ $(PAGE)-test
	npm ci --silent --no-audit --no-fund --prefix $(PAGE)-test
	touch $@

.PHONY: ffmpeg test-ffmpeg gstreamer test-gstreamer gdk-pixbuf test-gdk-pixbuf vapoursynth test-vapoursynth \
    test-vapoursynth-wheel test-python wasm wasm-pack test-wasm page test-page

# make demo   the main job on the shipped pictures, from C: a table and target/demo/index.html
# make test   everything that is tested
# make eval   figures, BD-rates and a report on a folder of pictures
# make lib examples bench header train eval-peers test-report clean

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

clean:
	cargo clean
	$(MAKE) -C c-examples clean
	rm -rf ffi-tests/build

.PHONY: all lib examples pc setup demo test test-report bench header train \
	eval eval-peers eval-coders tools clean

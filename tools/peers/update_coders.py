#!/usr/bin/env python3
"""Codes the integers of weight-updates with other coders and compares the bytes.

    update_coders.py INTEGERS.json --out RESULT.json
    update_coders.py --self-test

INTEGERS.json comes from `sidelight-tools integers`. Every coder gets the very integers of an
update, its output is decoded and compared, and what does not come back exactly does not count.

What each coder is used like:

- Each tries every arrangement of the integers (a tensor for each list, weights with a row for each output
  channel or as they are, lists of one shape as the rows of a tensor, one tensor of all scales and one of all biases, everything in one tensor) and
  every setting below; the smallest output of each update counts, and saying which one it was is
  free. Sidelight has one setting; "one setting" is what a peer needs with the one that is best for
  all updates together.
- The values go in as int8 if all fit, else as int16 (NNCodec wants int32 and codes their values).
- The step field of an update, four bits in Sidelight's body, is left out for the others.
- Sidelight's payload has an 8-byte header with the model's id, a check and the binding to the
  picture; no peer carries these. So the peers' bytes are compared with the payload (in the peers'
  favour by the header) and with the body alone.
- Sidelight's shapes and initial probabilities come from the base model, which both sides have.
  NNCodec's probabilities are those of its standard; xz and zstd get no dictionary.

nncodec     NNC (ISO/IEC 15938-17) by the reference implementation of Fraunhofer HHI, through its
            public functions `compress` and `decompress`. Tensors of type int32 are coded without
            loss. Unary parts of 1, 2, 3, 5 and 11, with and without optimised initial
            probabilities, row skipping, signalling of the differential update, and floating point
            at step 1 and with dependent quantisation are tried. (Dependent quantisation has only
            every second multiple of its step in each of its states, so it is no code for given
            integers; it is dropped where it loses one.) Names of tensors are as short as can be.
            The package's front ends for training frameworks are not loaded: coding needs no torch.
nncodec, as it comes
            The same with default settings, one tensor for each list and our names.
nncodec core
            Its arithmetic coder alone, called directly: no container, shapes known, one stream
            for all tensors. An alphabet limited to the range of the values (NNC's codebook mode
            without its codebook) is tried too and then two bytes are added for the range.
            Compared with the body.
xz          LZMA at preset 9e: .xz without check, .lzma and a raw LZMA stream whose properties are
            free, with literal contexts of 0..4 bits and positions ignored.
zstd        Levels 19 and 22 without magic number, check and content size.
npz         numpy.savez_compressed.
entropy     Not a coder: the zero-order entropy of all integers of an update, whose distribution is
            known for free. "+ 8" adds as many bytes as Sidelight's header has.
"""

import argparse
import io
import itertools
import json
import lzma
import statistics
import sys
import types
from collections import Counter
from math import log2
from pathlib import Path

import numpy as np
import zstandard

# The package's own front ends, which need torch and more; nothing here calls them.
frameworks = types.ModuleType("nncodec.framework")
frameworks.tensorflow_model = frameworks.pytorch_model = frameworks.use_case_init = None
sys.modules["nncodec.framework"] = frameworks

from nncodec import nnc  # noqa: E402
from nncodec.extensions import deepCABAC  # noqa: E402
from nncodec.nnc_core.hdsp.hdsp_tool import HDSP_OPTS_OFF  # noqa: E402

HEADER_BYTES = 8
CLASSES = [("< 100 B", 0, 99), ("100-500 B", 100, 500), ("> 500 B", 501, 1 << 30)]
# NNCodec's `cabac_unary_length_minus1`.
UNARY = [0, 1, 2, 4, 10]


def arrangements(tensors):
    """The ways to lay out an update: lists of arrays that hold the same integers."""
    by_shape, by_kind = {}, {}
    for name, array in tensors.items():
        by_shape.setdefault(array.shape, []).append(array)
        by_kind.setdefault(name.rsplit(".", 1)[-1], []).append(array.ravel())
    kinds = [np.concatenate(arrays) for arrays in by_kind.values()]

    def by_output(array):
        """Taps [9][inputs][outputs] as a row for each output channel, kernel by kernel."""
        return array.T.reshape(array.shape[2], -1) if array.ndim == 3 else array

    return {
        "outputs": [np.ascontiguousarray(by_output(array)) for array in tensors.values()],
        "lists": list(tensors.values()),
        "rows": [np.stack(arrays) for arrays in by_shape.values()],
        "kinds": kinds,
        "all by layer": [np.concatenate([array.ravel() for array in tensors.values()])],
        "all by kind": [np.concatenate(kinds)],
    }


def equal(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


def nncodec_size(arrays, names, **settings):
    tensors = dict(zip(names, arrays))
    stream = nnc.compress(tensors, bitstream_path=None, return_bitstream=True, **settings)
    decoded = nnc.decompress(bytearray(stream))
    lossless = all(np.array_equal(decoded.get(name, 0 * a), a) for name, a in tensors.items())
    return len(stream) if lossless else None


def nncodec(tensors):
    outputs = {}
    for layout, arrays in arrangements(tensors).items():
        names = [str(i or "") for i in range(len(arrays))]
        matrix = any(array.ndim > 1 for array in arrays)
        integers = [array.astype(np.int32) for array in arrays]
        for unary, optimise, skip, update in itertools.product(
            UNARY, [False, True], [False, True] if matrix else [False], [False, True]
        ):
            setting = f"{layout}, {unary=}, {optimise=}, {skip=}, {update=}"
            outputs[setting] = nncodec_size(
                integers,
                names,
                cabac_unary_length_minus1=unary,
                param_opt=optimise,
                row_skipping=skip,
                pre_signalling=update,
            )
        floats = [array.astype(np.float32) for array in arrays]
        # With four steps an octave these are steps of 1 and 1/2.
        for qp, dependent in [(0, False), (0, True), (-4, True)]:
            per_tensor = {name: np.int32(qp) for name in names}
            setting = f"{layout}, float, {qp=}, {dependent=}"
            outputs[setting] = nncodec_size(
                floats, names, qp_per_tensor=per_tensor, use_dq=dependent
            )
    return outputs


def nncodec_as_it_comes(tensors):
    integers = [array.astype(np.int32) for array in tensors.values()]
    return {"defaults": nncodec_size(integers, tensors.keys())}


def nncodec_core_size(arrays, unary, optimise, skip, codebook):
    # Arguments of the coder: no dependent quantisation, rows in order, the standard's second
    # edition, no parent.
    fixed = (0, 0, 1, 0)
    encoder = deepCABAC.Encoder()
    for array in arrays:
        encoder.initCtxModels(unary + 1, optimise)
        empty = np.array([skip and not row.any() for row in array], dtype=np.int32)
        encoder.encodeLayer(array, *fixed, skip, empty, *HDSP_OPTS_OFF(), *codebook)
    stream = encoder.finish()
    decoder = deepCABAC.Decoder()
    # It reads ahead.
    decoder.setStream(np.concatenate([stream, np.zeros(16, dtype=np.uint8)]))
    decoded = [np.zeros_like(array) for array in arrays]
    for array in decoded:
        decoder.initCtxModels(unary + 1)
        decoder.decodeLayer(array, *fixed, *HDSP_OPTS_OFF(), *codebook)
    if not equal(arrays, decoded):
        return None
    return len(stream) + (2 if codebook[0] else 0)


def nncodec_core(tensors):
    everything = np.concatenate([array.ravel() for array in tensors.values()])
    low, high = min(0, everything.min()), max(0, everything.max())
    codebooks = {"full": (0, 0)}
    if low < high:
        codebooks["limited"] = (int(high - low + 1), int(-low))
    outputs = {}
    for layout, arrays in arrangements(tensors).items():
        integers = [array.astype(np.int32) for array in arrays]
        matrix = any(array.ndim > 1 for array in arrays)
        for unary, optimise, skip, alphabet in itertools.product(
            UNARY, [False, True], [False, True] if matrix else [False], codebooks
        ):
            setting = f"{layout}, {unary=}, {optimise=}, {skip=}, {alphabet} alphabet"
            codebook = codebooks[alphabet]
            outputs[setting] = nncodec_core_size(integers, unary, optimise, skip, codebook)
    return outputs


def raw(arrays):
    """The arrays as bytes, each value in one or two."""
    fits = all(-128 <= array.min() and array.max() < 128 for array in arrays if array.size)
    kind = np.dtype("<i1" if fits else "<i2")
    return b"".join(array.astype(kind).tobytes() for array in arrays)


def xz(tensors):
    outputs = {}
    preset = 9 | lzma.PRESET_EXTREME
    for layout, arrays in arrangements(tensors).items():
        data = raw(arrays)
        stream = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_NONE, preset)
        same = lzma.decompress(stream) == data
        outputs[f"{layout}, xz"] = len(stream) if same else None
        for bits in range(5):
            chain = [
                {
                    "id": lzma.FILTER_LZMA1,
                    "preset": preset,
                    "dict_size": 1 << 16,
                    "lc": bits,
                    "lp": 0,
                    "pb": 0,
                }
            ]
            stream = lzma.compress(data, lzma.FORMAT_ALONE, filters=chain)
            same = lzma.decompress(stream, lzma.FORMAT_ALONE) == data
            outputs[f"{layout}, lzma, lc={bits}"] = len(stream) if same else None
            stream = lzma.compress(data, lzma.FORMAT_RAW, filters=chain)
            same = lzma.decompress(stream, lzma.FORMAT_RAW, filters=chain) == data
            outputs[f"{layout}, raw, lc={bits}"] = len(stream) if same else None
    return outputs


def zstd(tensors):
    outputs = {}
    for layout, arrays in arrangements(tensors).items():
        data = raw(arrays)
        for level in [19, 22]:
            parameters = zstandard.ZstdCompressionParameters.from_level(
                level,
                source_size=len(data),
                format=zstandard.FORMAT_ZSTD1_MAGICLESS,
                write_content_size=False,
                write_checksum=False,
                write_dict_id=False,
            )
            stream = zstandard.ZstdCompressor(compression_params=parameters).compress(data)
            decompressor = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
            same = decompressor.decompressobj().decompress(stream) == data
            outputs[f"{layout}, {level=}"] = len(stream) if same else None
    return outputs


def npz(tensors):
    outputs = {}
    for layout, arrays in arrangements(tensors).items():
        kind = np.int8 if len(raw(arrays)) == sum(array.size for array in arrays) else np.int16
        names = [str(i) for i in range(len(arrays))]
        file = io.BytesIO()
        np.savez_compressed(file, **{n: a.astype(kind) for n, a in zip(names, arrays)})
        file.seek(0)
        with np.load(file) as loaded:
            same = equal([loaded[name] for name in names], arrays)
        outputs[layout] = len(file.getvalue()) if same else None
    return outputs


def entropy(tensors):
    """Bytes, rounded up."""
    counts = Counter(np.concatenate([array.ravel() for array in tensors.values()]).tolist())
    n = counts.total()
    return -(-sum(c * log2(n / c) for c in counts.values()) // 8)


# Each returns the bytes of every setting, None where an integer was lost.
CODERS = {
    "nncodec": nncodec,
    "nncodec, as it comes": nncodec_as_it_comes,
    "nncodec core": nncodec_core,
    "xz": xz,
    "zstd": zstd,
    "npz": npz,
}


def measure(update):
    """The row of an update and the bytes of every setting of every coder."""
    tensors = {
        tensor["name"]: np.array(tensor["values"]).reshape(tensor["shape"])
        for tensor in update["tensors"]
    }
    values = np.concatenate([array.ravel() for array in tensors.values()])
    sizes, settings = {}, {}
    outputs = {name: coder(tensors) for name, coder in CODERS.items()}
    for name, output in outputs.items():
        lossless = {setting: size for setting, size in output.items() if size is not None}
        settings[name] = min(lossless, key=lossless.get)
        sizes[name] = lossless[settings[name]]
    sizes["entropy"] = entropy(tensors)
    sizes["entropy + 8"] = sizes["entropy"] + HEADER_BYTES
    row = {
        "name": update["name"],
        "payload_bytes": update["payload_bytes"],
        "body_bytes": update["body_bytes"],
        "integers": len(values),
        "nonzero": int(np.count_nonzero(values)),
        "bytes": sizes,
        "settings": settings,
    }
    return row, outputs


def one_setting(outputs):
    """The lossless setting with the fewest bytes over all updates, and its mean bytes."""
    totals = {}
    for setting in outputs[0]:
        sizes = [output.get(setting) for output in outputs]
        if None not in sizes:
            totals[setting] = sum(sizes)
    best = min(totals, key=totals.get)
    return {"setting": best, "mean_bytes": totals[best] / len(outputs)}


def ratios(rows, coder, ours):
    """Median of peer / ours over all updates and over each class of payload size."""
    groups = {"all": rows}
    for name, low, high in CLASSES:
        groups[name] = [row for row in rows if low <= row["payload_bytes"] <= high]
    return {
        name: statistics.median(row["bytes"][coder] / row[ours] for row in group)
        for name, group in groups.items()
        if group
    }


def summary(rows, outputs):
    mean = statistics.mean
    result = {
        "updates": len(rows),
        "mean_payload_bytes": mean(row["payload_bytes"] for row in rows),
        "mean_body_bytes": mean(row["body_bytes"] for row in rows),
        "coders": {},
    }
    for coder in rows[0]["bytes"]:
        result["coders"][coder] = {
            "mean_bytes": mean(row["bytes"][coder] for row in rows),
            "median_ratio_to_payload": ratios(rows, coder, "payload_bytes"),
            "median_ratio_to_body": ratios(rows, coder, "body_bytes"),
        }
    for coder in CODERS:
        one = one_setting([output[coder] for output in outputs])
        result["coders"][coder]["one_setting"] = one
    return result


def print_table(result):
    print(
        f"{result['updates']} updates; Sidelight: {result['mean_payload_bytes']:.1f} bytes on "
        f"average, {result['mean_body_bytes']:.1f} without the header"
    )
    groups = ["all", *(name for name, _, _ in CLASSES)]
    wide = 12 * len(groups)
    print(
        f"{'':22}{'mean':>8}{'one':>9} {'median of bytes / payload':^{wide}} {'... / body':^{wide}}"
    )
    heads = "".join(f"{group:>12}" for group in groups)
    print(f"{'':22}{'bytes':>8}{'setting':>9} {heads} {heads}")
    for coder, figures in result["coders"].items():
        one = f"{figures['one_setting']['mean_bytes']:.1f}" if coder in CODERS else "-"
        line = f"{coder:22}{figures['mean_bytes']:8.1f}{one:>9}"
        for ours in ["payload", "body"]:
            found = figures[f"median_ratio_to_{ours}"]
            cells = (f"{found[g]:.2f}" if g in found else "-" for g in groups)
            line += " " + "".join(f"{cell:>12}" for cell in cells)
        print(line)


def self_test():
    """Synthetic updates: none lossy, none below what is possible, extremes included."""
    random = np.random.default_rng(1)

    def update(draw):
        shapes = [[32], [32], [32], [32], [4], [4], [4, 2, 3, 3]]
        kinds = ["scale", "bias", "scale", "bias", "scale", "bias", "weight"]
        tensors = [
            {"name": f"layer{i // 2}.{kind}", "shape": shape, "values": draw(np.prod(shape))}
            for i, (shape, kind) in enumerate(zip(shapes, kinds))
        ]
        return {"name": "", "payload_bytes": 80, "body_bytes": 72, "tensors": tensors}

    draws = [
        lambda n: [0] * n,
        lambda n: np.rint(random.laplace(0, 0.8, n)).astype(int).tolist(),
        lambda n: (random.random(n) < 0.03).astype(int).tolist(),
        lambda n: (-random.integers(0, 2, n)).tolist(),
        lambda n: random.integers(-255, 256, n).tolist(),
    ]
    rows, outputs = zip(*(measure(update(draw)) for draw in draws))
    for row in rows:
        assert row["integers"] == 208
        # Arrangements see no more than what adaptive coding of zeros gives.
        for coder, size in row["bytes"].items():
            assert size >= 0.7 * row["bytes"]["entropy"], (coder, row)
    assert rows[0]["bytes"]["entropy"] == 0 and rows[0]["nonzero"] == 0
    # Random bytes and a bit do not shrink: two bytes each but for NNCodec and the entropy.
    assert rows[4]["bytes"]["zstd"] > 208
    half = entropy({"a": np.array([0, 1] * 32)})
    assert half == 8, half
    assert raw([np.array([-128, 127])]) == b"\x80\x7f"
    assert raw([np.array([-129])]) == b"\x7f\xff"
    lossy, better = {"a": 1, "b": 9, "c": 7}, {"a": None, "b": 9, "c": 5}
    assert one_setting([lossy, better]) == {"setting": "c", "mean_bytes": 6}
    print_table(summary(rows, outputs))
    print("self-test passed")


def main():
    parser = argparse.ArgumentParser(description="Other coders on the integers of updates")
    parser.add_argument("integers", type=Path, nargs="?", help="JSON of `sidelight-tools integers`")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--self-test", action="store_true", help="check this script, and end")
    options = parser.parse_args()
    if options.self_test:
        self_test()
        return
    if options.integers is None or options.out is None:
        parser.error("INTEGERS.json and --out are needed")
    updates = json.loads(options.integers.read_text())
    rows, outputs = [], []
    for i, update in enumerate(updates):
        row, output = measure(update)
        rows.append(row)
        outputs.append(output)
        if sys.stderr.isatty():
            print(f"\r{i + 1}/{len(updates)}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    result = {"summary": summary(rows, outputs), "updates": rows}
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print_table(result["summary"])


if __name__ == "__main__":
    main()

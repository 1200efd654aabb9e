"""Coefficients that are chosen for the filter."""

import math

import numpy as np
import pytest
from conftest import Coded, psnr

import sidelight
from sidelight import CodecParams, Decoder, Picture

COSINES = np.array(
    [
        [math.sqrt((1 if k == 0 else 2) / 8) * math.cos((2 * n + 1) * k * math.pi / 16) for n in range(8)]
        for k in range(8)
    ]
)


def transform(plane, quant):
    """Quantised coefficients of a plane, rows × columns × 8 × 8."""
    height, width = plane.shape
    full = np.pad(plane, ((0, -height % 8), (0, -width % 8)), "edge").astype(float) - 128
    rows, columns = full.shape[0] // 8, full.shape[1] // 8
    blocks = full.reshape(rows, 8, columns, 8).swapaxes(1, 2)
    return np.rint(COSINES @ blocks @ COSINES.T / quant).astype(np.int16)


def inverse(blocks, quant, shape):
    """Nearly what decoders make of them."""
    rows, columns = blocks.shape[:2]
    samples = COSINES.T @ (blocks.reshape(rows, columns, 8, 8) * quant.astype(float)) @ COSINES + 128
    plane = np.clip(np.rint(samples), 0, 255).astype(np.uint8).swapaxes(1, 2)
    return plane.reshape(8 * rows, 8 * columns)[: shape[0], : shape[1]]


class Case:
    def __init__(self, layout, width=49, height=37):
        self.coded = Coded(layout, width, height)
        self.original = self.coded.original
        self.params = self.coded.params()
        self.quant = self.params.quant_luma
        self.coefficients = [transform(plane, self.quant) for plane in self.original]

    def run(self, coefficients=None, payload=None, **more):
        return sidelight.jpeg_optimise(
            Picture(self.original),
            self.coefficients if coefficients is None else coefficients,
            self.params,
            payload,
            **{"effort": 1, "threads": 2, "model_size": "small", **more},
        )

    def decoded(self, coefficients):
        return [inverse(c, self.quant, o.shape) for c, o in zip(coefficients, self.original)]


@pytest.fixture(scope="module")
def gray():
    return Case("I400")


@pytest.mark.parametrize("layout", ["I400", "I420", "I422", "I444", "I440", "I411"])
def test_coefficients_are_better(layout):
    case = Case(layout)
    kept = [c.copy() for c in case.coefficients]
    new, report = case.run()
    assert isinstance(new, tuple) and report.changed
    for old, kept, new_ in zip(case.coefficients, kept, new):
        assert (old == kept).all() and new_.shape == old.shape and new_.dtype == np.int16
    assert any((old != new_).any() for old, new_ in zip(case.coefficients, new))
    assert report.bits[1] > 0 and "PSNR-Y" in repr(report)
    # The base model that the report is of is the one that does better on what came in.
    decoded = Picture(case.decoded(case.coefficients))
    base, _ = sidelight.encode(
        Picture(case.original), decoded, case.params, no_update=True, model_size="small"
    )
    # A little off: the inverse transform rounds elsewhere.
    for coefficients, told, filtered in [
        (case.coefficients, report.psnr_decoded_before, report.psnr_filtered_before),
        (new, report.psnr_decoded, report.psnr_filtered),
    ]:
        decoded = case.decoded(coefficients)
        decoder = Decoder()
        decoder.set_payload(base, case.params)
        better = decoder.filter(Picture(decoded)).planes
        for p, original in enumerate(case.original):
            assert abs(psnr(original, decoded[p]) - told[p]) < 0.02
            assert abs(psnr(original, better[p]) - filtered[p]) < 0.1
    if layout == "I400":
        assert report.psnr_decoded[1:] == report.psnr_filtered_before[1:] == (0, 0)


def test_shapes_and_strides(gray):
    expected = gray.run()[0][0]
    (blocks,) = gray.coefficients
    rows, columns = blocks.shape[:2]
    flat = blocks.reshape(rows, columns, 64)
    spread = np.zeros((rows, 2 * columns, 64), np.int16)[:, ::2]
    spread[:] = flat
    raw = np.zeros(flat.nbytes + 1, np.uint8)[1:].view(np.int16).reshape(flat.shape)
    raw[:] = flat
    for given in (blocks, [blocks], (flat,), spread, raw, np.asfortranarray(flat)):
        new = gray.run(given)[0][0]
        assert new.shape == (given if isinstance(given, np.ndarray) else given[0]).shape
        assert (new.reshape(expected.shape) == expected).all()


def test_threads_do_not_matter(gray):
    expected = gray.run(threads=1)[0][0]
    for threads in (2, 5):
        assert (gray.run(threads=threads)[0][0] == expected).all()


def test_payloads(gray):
    base = gray.run()[1]
    decoded = gray.decoded(gray.coefficients)
    payload, report = sidelight.encode(
        Picture(gray.original), Picture(decoded), gray.params, steps=20, model_size="small"
    )
    assert report.mode == "update"
    new, told = gray.run(payload=payload)
    assert told.model == int.from_bytes(payload[1:5], "little")
    assert told.psnr_filtered_before[0] > base.psnr_filtered_before[0]
    assert (gray.run(payload=bytearray(payload))[0][0] == new[0]).all()
    with pytest.raises(sidelight.Corrupt):
        gray.run(payload=payload[:-1])
    off, report = sidelight.encode(Picture(decoded), Picture(decoded), gray.params)
    assert report.mode == "off"
    with pytest.raises(sidelight.InvalidArgument):
        gray.run(payload=off)


def test_weights(gray):
    reports = [gray.run(strength=strength)[1] for strength in (0.05, 20)]
    assert reports[0].bits[1] > reports[1].bits[1]
    reports = [gray.run(decoded_weight=weight)[1] for weight in (0, 100)]
    assert reports[0].psnr_decoded[0] < reports[1].psnr_decoded[0]
    gray.run(progressive=True)
    # As the signature says.
    for a, b in zip(gray.run()[0], gray.run(strength=0.6, decoded_weight=0.2)[0]):
        assert (a == b).all()


def test_progress(gray):
    seen = []
    gray.run(progress=seen.append)
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 1
    calls = []
    new, report = gray.run(progress=lambda f: calls.append(f) or True)
    assert len(calls) == 1 and not report.changed and (new[0] == gray.coefficients[0]).all()

    def fails(fraction):
        raise KeyError("no")

    with pytest.raises(KeyError):
        gray.run(progress=fails)


@pytest.mark.parametrize(
    "more",
    [
        {"effort": 0},
        {"effort": 10},
        {"strength": 0.04},
        {"strength": 21},
        {"strength": float("nan")},
        {"decoded_weight": -1},
        {"decoded_weight": 101},
        {"threads": 257},
        {"model_size": "xl"},
    ],
)
def test_settings_out_of_range(gray, more):
    with pytest.raises(sidelight.InvalidArgument, match=next(iter(more))):
        gray.run(**more)


def test_arguments(gray):
    (blocks,) = gray.coefficients
    for bad in ([], [blocks] * 2, blocks[1:], blocks[:, 1:], blocks[..., 1:], blocks.reshape(-1)):
        with pytest.raises(sidelight.InvalidArgument, match="coefficients"):
            gray.run(bad)
    for bad in (blocks.astype(np.int32), blocks.astype(">i2"), blocks.tolist(), 3, [None]):
        with pytest.raises(TypeError, match="coefficients"):
            gray.run(bad)
    for place, value in [((1, 2, 0, 0), 1024), ((1, 2, 0, 0), -1025), ((1, 2, 3, 4), -1024)]:
        wild = blocks.copy()
        wild[place] = value
        with pytest.raises(sidelight.InvalidArgument, match="block 2 of row 1"):
            gray.run(wild)
    wide = Picture(gray.original[0].astype(np.uint16), bit_depth=10)
    with pytest.raises(sidelight.InvalidArgument, match="8 bits"):
        sidelight.jpeg_optimise(wide, blocks, gray.params)
    hevc = CodecParams.hevc(30, 30, 30)
    with pytest.raises(sidelight.InvalidArgument, match="JPEG"):
        sidelight.jpeg_optimise(Picture(gray.original), blocks, hevc)
    for bad in (None, gray.original[0]):
        with pytest.raises(TypeError):
            sidelight.jpeg_optimise(bad, blocks, gray.params)

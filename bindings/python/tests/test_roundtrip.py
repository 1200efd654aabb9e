"""What the encoder measures is what decoders get."""

import numpy as np
import pytest
from conftest import Coded, psnr
from numpy.testing import assert_array_equal

import sidelight
from sidelight import Decoder, CodecParams, Picture

SHAPES = [
    ("I400", 97, 75, 8),
    ("I400", 64, 48, 12),
    ("I420", 97, 75, 8),
    ("I420", 80, 64, 10),
    ("I422", 81, 64, 8),
    ("I444", 65, 49, 8),
    ("I440", 65, 49, 8),
    ("I411", 97, 50, 10),
]


@pytest.mark.parametrize(("layout", "width", "height", "depth"), SHAPES)
def test_decoders_get_what_was_measured(layout, width, height, depth):
    coded = Coded(layout, width, height, depth)
    payload, report = coded.encode()
    assert report.mode == "update" and report.payload_bytes == len(payload)
    assert report.steps == 20
    decoder = Decoder()
    assert decoder.set_payload(payload, coded.params()) == "update"
    picture = coded.picture(coded.decoded)
    assert picture.layout == layout and picture.bit_depth == depth
    better = decoder.filter(picture)
    assert repr(better) == repr(picture)
    told = [report.psnr_payload, *report.psnr_chroma_payload]
    before = [report.psnr_decoded, *report.psnr_chroma_decoded]
    assert len(better.planes) == len(coded.original)
    for p, plane in enumerate(better.planes):
        assert plane.dtype == coded.original[p].dtype and plane.shape == coded.original[p].shape
        assert psnr(plane, coded.original[p], coded.peak) == pytest.approx(told[p], abs=1e-9)
        assert psnr(coded.decoded[p], coded.original[p], coded.peak) == pytest.approx(before[p])
    assert report.psnr_payload > report.psnr_base > report.psnr_decoded
    if layout == "I400":
        assert report.psnr_chroma_payload == (0.0, 0.0)


def test_base_model(gray):
    decoder = Decoder()
    decoder.set_mode("base", gray.params())
    better = decoder.filter(Picture(gray.decoded))
    payload, report = gray.encode(no_update=True)
    assert report.mode == "base"
    assert psnr(better.luma, gray.original[0]) > report.psnr_decoded
    # The encoder may take another model of the size.
    decoder.set_payload(payload, gray.params())
    best = decoder.filter(Picture(gray.decoded))
    assert psnr(best.luma, gray.original[0]) == pytest.approx(report.psnr_base, abs=1e-9)
    decoder.set_mode("off")
    assert_array_equal(decoder.filter(Picture(gray.decoded)).luma, gray.decoded[0])
    for wrong in [("update", gray.params()), ("update",), ("base",), ("", gray.params())]:
        decoder.set_mode("base", gray.params())
        with pytest.raises(sidelight.InvalidArgument):
            decoder.set_mode(*wrong)
        assert_array_equal(decoder.filter(Picture(gray.decoded)).luma, gray.decoded[0])


def test_threads_do_not_matter(gray, gray_payload):
    assert gray.encode(threads=1)[0] == gray.encode(threads=3)[0] == gray_payload
    outputs = []
    for threads in (1, 3):
        decoder = Decoder(threads)
        decoder.set_payload(gray_payload, gray.params())
        outputs.append(decoder.filter(Picture(gray.decoded)).luma)
    assert_array_equal(*outputs)


def test_an_update_that_does_not_pay_is_not_sent(gray):
    payload, report = gray.encode(gray.params(slope=1.0))
    assert report.mode == "off" and len(payload) == 8
    assert report.psnr_payload == report.psnr_decoded
    assert Decoder().set_payload(payload, gray.params()) == "off"


TYPES = ["irap", "p", "b", "i"]


@pytest.fixture(scope="module", params=[8, 10])
def clip(request):
    return [
        (Coded("I420", 93, 70, request.param, at=(60, 120 + 3 * t)), kind)
        for t, kind in enumerate(TYPES)
    ]


def test_a_video(clip):
    originals = [coded.picture(coded.original) for coded, _ in clip]
    decoded = [coded.picture(coded.decoded, picture_type=kind) for coded, kind in clip]
    params = CodecParams.hevc(37, 38, 39, slope=1e-6)
    payload, report = sidelight.encode(originals, decoded, params, steps=6, model_size="small")
    assert report.mode == "update"
    message = sidelight.SEI_UUID + payload
    decoder = Decoder()
    gains = []
    for picture, (coded, kind) in zip(decoded, clip):
        # A message of somebody else, and one of this picture.
        messages = [bytes(16) + b"x"] + ([message] if picture is decoded[0] else [])
        assert decoder.set_sei(picture, messages) == ("update" if picture is decoded[0] else None)
        better = decoder.filter(picture)
        assert better.picture_type == kind
        gains.append(psnr(better.luma, coded.original[0], coded.peak))
    assert np.mean(gains) == pytest.approx(report.psnr_payload, abs=1e-9)
    # Bound to the first picture, and not to the second one until that is asked for: there it is a copy, no news.
    assert decoder.set_sei(decoded[1], [message]) is None
    assert (decoder.filter(decoded[1]).luma != decoded[1].luma).any()
    with pytest.raises(sidelight.Stale):
        Decoder().set_sei(decoded[1], [message])
    carrier = CodecParams.hevc(0, 0, 0, binding=decoded[0].binding)
    assert decoder.set_payload(payload, carrier) == "update"
    again = sidelight.payload_bind(payload, decoded[1])
    assert decoder.set_sei(decoded[1], [sidelight.SEI_UUID + again]) == "update"
    # An IRAP picture without a payload ends it.
    assert decoder.set_sei(decoded[0], []) is None
    assert_array_equal(decoder.filter(decoded[0]).luma, decoded[0].luma)


def test_skip_binding(gray, gray_payload):
    other = gray.params(binding=78)
    with pytest.raises(sidelight.Stale):
        Decoder().set_payload(gray_payload, other)
    assert Decoder(skip_binding=True).set_payload(gray_payload, other) == "update"

"""Payloads in files and streams, and bytes that are none."""

import io

import numpy as np
import pytest
from conftest import ROOT, code
from numpy.testing import assert_array_equal
from PIL import Image

import sidelight
from sidelight import Decoder, CodecParams, Picture, Stream

NAL = ROOT / "tests/data/nal"


def test_a_payload_rides_in_a_jpeg(gray):
    file, decoded = code(gray.original[0])
    params = CodecParams.from_jpeg(file, slope=1e-6)
    assert params.codec == "jpeg" and len(file) // 2 < params.coded_bytes < len(file) and params.slope == 1e-6
    assert_array_equal(params.quant_luma.ravel(), gray.quant)
    assert params.quant_chroma is None and params.carriage_bytes == 11
    payload, report = sidelight.encode(Picture(gray.original), Picture(decoded), params, steps=20)
    carried = sidelight.jpeg_insert(file, payload)
    assert len(carried) == len(file) + len(payload) + params.carriage_bytes
    assert_array_equal(np.asarray(Image.open(io.BytesIO(carried))), decoded)
    again = CodecParams.from_jpeg(carried)
    assert again.binding == params.binding and again.coded_bytes == params.coded_bytes
    assert Decoder().set_payload(sidelight.jpeg_extract(carried), again) == report.mode
    assert sidelight.jpeg_remove(carried) == file
    assert sidelight.jpeg_insert(bytearray(file), memoryview(payload)) == carried
    assert sidelight.jpeg_insert(np.frombuffer(file, np.uint8), payload) == carried
    with pytest.raises(sidelight.NoPayload):
        sidelight.jpeg_extract(file)
    other = code(gray.original[0][1:])[0]
    with pytest.raises(sidelight.Stale):
        Decoder().set_payload(payload, CodecParams.from_jpeg(other))


def test_tables_of_a_colour_jpeg():
    file = (ROOT / "tests/data/jpeg/yuv420.jpg").read_bytes()
    params = CodecParams.from_jpeg(file)
    tables = Image.open(io.BytesIO(file)).quantization
    assert_array_equal(params.quant_luma.ravel(), tables[0])
    assert_array_equal(params.quant_chroma.ravel(), tables[1])


def test_what_a_payload_would_break():
    file = (ROOT / "tests/data/jpeg/gray.jpg").read_bytes()
    jumbf = b"JP\0\x01\0\0\0\x01\0\0\0\x30jumb\0\0\0\x1ejumdc2pa"
    signed = file[:2] + b"\xff\xeb" + (len(jumbf) + 2).to_bytes(2, "big") + jumbf + file[2:]
    with pytest.raises(sidelight.Conflict):
        sidelight.jpeg_insert(signed, b"payload")
    carried = sidelight.jpeg_insert(signed, b"payload", anyway=True)
    with pytest.raises(sidelight.Conflict):
        sidelight.jpeg_remove(carried)
    assert sidelight.jpeg_remove(carried, anyway=True) == signed


def test_planes_of_another_decoder(gray):
    file, decoded = code(gray.original[0])
    assert sidelight.jpeg_check_planes(file, Picture(decoded)) == 0
    other = decoded.copy()
    other[:, ::3] ^= 4
    assert sidelight.jpeg_check_planes(file, Picture(other)) == 4
    with pytest.raises(sidelight.InvalidArgument):
        sidelight.jpeg_check_planes(file, Picture(decoded[:-1]))
    with pytest.raises(sidelight.Corrupt):
        sidelight.jpeg_check_planes(file[: len(file) // 2], Picture(decoded))


def test_files_that_are_not_good():
    for call in (CodecParams.from_jpeg, sidelight.jpeg_extract, sidelight.jpeg_remove):
        for data in (b"", b"GIF89a", b"\xff\xd8\xff"):
            with pytest.raises(sidelight.Corrupt):
                call(data)
        for data in ("abc", None, 3, [1, 2]):
            with pytest.raises(TypeError, match="bytes-like"):
                call(data)
    arithmetic = (ROOT / "tests/data/jpeg/arithmetic.jpg").read_bytes()
    with pytest.raises(sidelight.Unsupported):
        CodecParams.from_jpeg(arithmetic)
    gray = (ROOT / "tests/data/jpeg/gray.jpg").read_bytes()
    with pytest.raises(sidelight.InvalidArgument):
        sidelight.jpeg_insert(gray, b"")
    assert sidelight.jpeg_extract(sidelight.jpeg_insert(gray, b"\xff" * 65526)) == b"\xff" * 65526
    for size in (65527, 1 << 27):
        with pytest.raises(sidelight.TooLarge):
            sidelight.jpeg_insert(gray, bytes(size))


def test_payloads_that_are_not_good(gray, gray_payload):
    decoder = Decoder()
    picture = Picture(gray.decoded)

    def refused(payload, error):
        decoder.set_mode("base", gray.params())
        with pytest.raises(error):
            decoder.set_payload(payload, gray.params())
        assert_array_equal(decoder.filter(picture).luma, picture.luma)

    # One in 256 gets past the CRC-8; the binding then does not fit.
    for n in range(len(gray_payload)):
        refused(gray_payload[:n], (sidelight.Corrupt, sidelight.Stale))
    for at in range(len(gray_payload)):
        damaged = bytearray(gray_payload)
        damaged[at] ^= 0x10
        refused(damaged, sidelight.Error)
    refused(bytes(65527), sidelight.TooLarge)
    unknown = ROOT / "tests/data/payload"
    names = [p.name for p in unknown.glob("bad_*.bin")]
    assert names
    for name in names:
        with pytest.raises(sidelight.Error):
            decoder.set_payload((unknown / name).read_bytes(), gray.params())
    # Made for JPEG.
    with pytest.raises(sidelight.Stale):
        decoder.set_payload(gray_payload, CodecParams.hevc(30, 30, 30, binding=77))
    with pytest.raises(sidelight.Corrupt):
        sidelight.payload_bind(bytes(8), picture)
    for messages in ([3], gray_payload, None):
        with pytest.raises(TypeError):
            decoder.set_sei(picture, messages)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vvc"])
def test_streams(codec):
    plain = (NAL / f"{codec}.bit").read_bytes()
    payload = (NAL / "payload.bin").read_bytes()
    units = []
    stream = Stream(codec)
    for at in range(0, len(plain), 100):
        stream.push(plain[at : at + 100])
        units += stream
    stream.finish()
    units += stream
    assert b"".join(unit.data for unit in units) == plain
    first = next(unit for unit in units if unit.has_picture)
    assert first.is_irap and not first.payloads
    written = first.rewrite(payload)
    assert len(written) > len(first.data) + len(payload)
    with_payload = b"".join(written if unit is first else unit.data for unit in units)
    assert with_payload == (NAL / f"{codec}_payload.bit").read_bytes()

    stream.push(with_payload)
    stream.finish()
    units = list(stream)
    assert [p for unit in units for p in unit.payloads] == [payload]
    assert b"".join(unit.rewrite() for unit in units) == plain


def test_samples_with_lengths():
    sample = (NAL / "hevc_sample_payload.bin").read_bytes()
    stream = Stream("hevc", 4)
    stream.push(sample)
    (unit,) = stream
    assert unit.payloads == [(NAL / "payload.bin").read_bytes()]
    assert unit.rewrite(None) == (NAL / "hevc_sample.bin").read_bytes()


def test_streams_that_are_not_good():
    for arguments in [("av1",), ("hevc", 3), ("hevc", -1)]:
        with pytest.raises(sidelight.InvalidArgument):
            Stream(*arguments)
    stream = Stream("hevc")
    stream.push(b"no start code")
    for _ in range(2):
        with pytest.raises(sidelight.Corrupt):
            list(stream)
    stream = Stream("hevc", 4)
    stream.push((NAL / "bad_sample_length.bin").read_bytes())
    with pytest.raises(sidelight.InvalidArgument):
        stream.push(b"1234")
    with pytest.raises(sidelight.Corrupt):
        next(stream)
    stream.push((NAL / "hevc_sample.bin").read_bytes())
    with pytest.raises(sidelight.InvalidArgument):
        next(stream).rewrite(b"")

"""Arguments, threads, callbacks."""

import signal
import threading
import time

import numpy as np
import pytest
from conftest import Coded, psnr

import sidelight
from sidelight import Decoder, CodecParams, Picture


def test_progress(gray, gray_payload):
    seen = []
    assert gray.encode(progress=seen.append)[0] == gray_payload
    assert seen == sorted(seen) and 0 <= seen[0] and seen[-1] == 1.0


def test_cancelling_gives_the_best_so_far(gray):
    calls = []
    payload, report = gray.encode(progress=lambda f: calls.append(f) or len(calls) == 6)
    assert len(calls) == 6 and report.steps < 7
    assert report.psnr_payload >= report.psnr_base
    assert Decoder().set_payload(payload, gray.params()) == report.mode


def test_exceptions_of_callbacks(gray):
    class Mine(Exception):
        pass

    calls = []

    def fails(fraction):
        calls.append(fraction)
        raise Mine("no")

    with pytest.raises(Mine, match="no"):
        gray.encode(progress=fails)
    assert len(calls) == 1
    with pytest.raises(TypeError):
        gray.encode(progress=3)


def test_keyboard_interrupt(gray):
    # Long enough that the signal comes while it runs.
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        gray.encode(steps=100_000, threads=1)
    timer.join()
    assert time.monotonic() - start < 30


def test_other_threads_run_meanwhile(gray):
    """Without the GIL: a thread counts while this one encodes and filters."""
    stop = threading.Event()
    ticks = [0]

    def count():
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    try:
        before = ticks[0]
        gray.encode(steps=30, threads=1)
        assert ticks[0] - before > 10
        decoder = Decoder(1)
        decoder.set_mode("base", gray.params())
        picture = Picture(np.tile(gray.decoded[0], (12, 12)))
        before = ticks[0]
        for _ in range(5):
            decoder.filter(picture)
        assert ticks[0] - before > 10
    finally:
        stop.set()
        counter.join()


def test_a_decoder_is_shared_by_threads(gray, gray_payload):
    decoder = Decoder(1)
    decoder.set_payload(gray_payload, gray.params())
    picture = Picture(np.tile(gray.decoded[0], (3, 3)))
    expected = decoder.filter(picture).luma
    failures = []

    def work():
        for _ in range(5):
            decoder.set_payload(gray_payload, gray.params())
            if (decoder.filter(picture).luma != expected).any():
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize(
    "more",
    [
        {"model_size": "xl"},
        {"model_size": "s"},
        {"objective": "best"},
        {"effort": 0},
        {"effort": 10},
        {"budget_ms": -1},
        {"steps": -1},
        {"steps": 100_001},
        {"threads": -1},
        {"threads": 257},
    ],
)
def test_settings_out_of_range(gray, more):
    with pytest.raises(sidelight.InvalidArgument):
        gray.encode(**more)


def test_pictures_that_disagree(gray):
    picture = Picture(gray.decoded)
    wide = Picture(gray.decoded[0].astype(np.uint16), bit_depth=10)
    deeper = Picture(gray.decoded[0].astype(np.uint16), bit_depth=12)
    small = Picture(gray.decoded[0][1:])
    hevc = CodecParams.hevc(30, 30, 30)
    for a, b in [
        (picture, wide),
        (wide, deeper),
        (picture, small),
        ([], []),
        ([picture], []),
        ([picture] * 2, [picture]),
        ([picture] * 2, [picture, small]),
        ([picture] * 4097, [picture] * 4097),
    ]:
        with pytest.raises(sidelight.InvalidArgument):
            sidelight.encode(a, b, hevc)
    with pytest.raises(sidelight.InvalidArgument, match="JPEG"):
        sidelight.encode([picture] * 2, [picture] * 2, gray.params())
    for a in (None, 3, [None], [picture, 3], gray.decoded):
        with pytest.raises(TypeError):
            sidelight.encode(a, picture, hevc)
    with pytest.raises(TypeError):
        sidelight.encode(picture, picture, None)


def test_equal_pictures_need_nothing(gray):
    picture = Picture(gray.decoded)
    payload, report = sidelight.encode(picture, picture, gray.params())
    assert report.mode == "off" and report.psnr_payload == float("inf")


def test_codec_parameters_are_checked(gray):
    ones = np.ones(64, int)
    assert CodecParams.jpeg(ones).quant_chroma is None
    assert CodecParams.jpeg(ones.reshape(8, 8), list(range(1, 65))).quant_chroma[1, 0] == 9
    bad = [ones * 0, ones * 65536, -ones, ones[:63], [], np.ones((8, 9), int)]
    for table in bad:
        with pytest.raises(sidelight.InvalidArgument):
            CodecParams.jpeg(table)
        with pytest.raises(sidelight.InvalidArgument):
            CodecParams.jpeg(ones, table)
    for table in [np.ones(64), "a" * 64, None]:
        with pytest.raises(TypeError):
            CodecParams.jpeg(table)
    for more in [{"slope": -1.0}, {"slope": float("nan")}, {"coded_bytes": -1}, {"carriage_bytes": -1}]:
        with pytest.raises(sidelight.InvalidArgument):
            CodecParams.jpeg(ones, **more)
    for qp in [(-1, 0, 0), (0, 52, 0), (0, 0, 300)]:
        with pytest.raises(sidelight.InvalidArgument):
            CodecParams.hevc(*qp)
    params = CodecParams.hevc(1, 2, 3, binding=2**64 - 1, coded_bytes=5, slope=0.5, carriage_bytes=9)
    assert (params.codec, params.qp, params.binding) == ("hevc", (1, 2, 3), 2**64 - 1)
    assert (params.coded_bytes, params.slope, params.carriage_bytes) == (5, 0.5, 9)
    assert params.quant_luma is None and CodecParams.hevc(0, 0, 0).carriage_bytes == 25
    for binding in (-1, 2**64):
        with pytest.raises(OverflowError):
            CodecParams.hevc(1, 2, 3, binding=binding)


def test_small_model():
    coded = Coded("I420", 64, 48)
    pictures = coded.picture(coded.original), coded.picture(coded.decoded)
    params = CodecParams.hevc(38, 0, 0, slope=1e-6)
    models = {
        sidelight.encode(*pictures, params, no_update=True, model_size=size)[0][1:5]
        for size in ("small", "medium")
    }
    assert len(models) == 2


def test_objectives():
    coded = Coded("I420", 97, 75)
    usual = coded.encode(objective="rate-distortion")[0]
    assert usual == coded.encode()[0]
    payload, report = coded.encode(objective="published")
    assert report.mode == "update" and payload != usual
    decoder = Decoder()
    assert decoder.set_payload(payload, coded.params()) == "update"
    out = decoder.filter(coded.picture(coded.decoded))
    assert abs(psnr(coded.original[0], out.planes[0]) - report.psnr_payload) < 1e-9

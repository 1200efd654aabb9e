"""Arrays in and out."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import sidelight
from sidelight import Decoder, Picture


def ramp(height, width, dtype=np.uint8):
    return (np.arange(height * width) % 251).astype(dtype).reshape(height, width)


def test_views_of_any_strides():
    big = ramp(40, 60)
    for view in [big[::2, ::3], big[::-1, ::-1], big.T, np.asfortranarray(big), big[5:6, :]]:
        picture = Picture(view)
        assert (picture.height, picture.width) == view.shape
        assert_array_equal(picture.luma, view)
    rgb = ramp(30, 60).reshape(30, 20, 3)
    assert_array_equal(Picture([rgb[..., i] for i in range(3)]).planes[2], rgb[..., 2])
    row = np.broadcast_to(np.arange(9, dtype=np.uint8), (4, 9))
    assert_array_equal(Picture(row).luma, row)


def test_unaligned_samples():
    bytes_ = np.zeros(2 * 6 * 4 + 1, np.uint8)
    plane = bytes_[1:].view(np.uint16).reshape(4, 6)
    plane[:] = ramp(4, 6, np.uint16)
    assert not plane.flags.aligned
    assert_array_equal(Picture(plane, bit_depth=10).luma, plane)


def test_read_only_arrays_and_no_aliases(gray):
    plane = gray.decoded[0].copy()
    before = plane.copy()
    plane.flags.writeable = False
    picture = Picture(plane)
    decoder = Decoder()
    decoder.set_mode("base", gray.params())
    better = decoder.filter(picture)
    sidelight.encode(picture, picture, gray.params(), no_update=True)
    assert_array_equal(plane, before)
    assert (better.luma != before).any()
    # What is handed out belongs to the caller, and what was handed in is not kept.
    better.luma[:] = 0
    assert better.luma.any()
    plane.flags.writeable = True
    plane[:] = 0
    assert_array_equal(picture.luma, before)


@pytest.mark.parametrize(
    ("layout", "chroma"),
    [("I420", (3, 4)), ("I422", (5, 4)), ("I444", (5, 7)), ("I440", (3, 7)), ("I411", (5, 2))],
)
def test_layout_from_shapes(layout, chroma):
    planes = (ramp(5, 7), ramp(*chroma), ramp(*chroma))
    picture = Picture(planes)
    assert picture.layout == layout
    assert picture.picture_type == "irap" and picture.bit_depth == 8
    assert [p.shape for p in picture.planes] == [p.shape for p in planes]
    assert Picture(list(planes), layout=layout).layout == layout
    with pytest.raises(sidelight.InvalidArgument):
        Picture(planes, layout="I400")


def test_odd_and_tiny_pictures(gray):
    decoder = Decoder()
    decoder.set_mode("base", gray.params())
    for shape in [(1, 1), (1, 9), (9, 1), (2, 3), (33, 17)]:
        assert decoder.filter(Picture(ramp(*shape))).luma.shape == shape
    one = [ramp(1, 1)] * 3
    with pytest.raises(sidelight.InvalidArgument, match="say which"):
        Picture(one)
    assert decoder.filter(Picture(one, layout="I420")).layout == "I420"


@pytest.mark.parametrize(
    "planes",
    [
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((), np.uint8),
        np.zeros((1, 65536), np.uint8),
        [],
        [ramp(4, 4)] * 2,
        [ramp(4, 4)] * 4,
        [ramp(4, 4), ramp(2, 2), ramp(2, 3)],
        [ramp(4, 4), ramp(2, 2), ramp(2, 0)],
        [ramp(4, 4), ramp(1, 4), ramp(1, 4)],
        [ramp(4, 8), ramp(2, 2), ramp(2, 2)],  # 4:1:0
    ],
)
def test_wrong_shapes(planes):
    with pytest.raises(sidelight.InvalidArgument):
        Picture(planes)


@pytest.mark.parametrize(
    "planes",
    [
        ramp(4, 4, np.float32),
        ramp(4, 4, np.int8),
        ramp(4, 4, np.uint32),
        ramp(4, 4).astype(bool),
        [ramp(4, 4), ramp(2, 2, np.uint16), ramp(2, 2)],
        [[1, 2], [3, 4]],
        None,
        "abc",
        b"abcd",
        [None],
    ],
)
def test_wrong_types(planes):
    with pytest.raises(TypeError):
        Picture(planes)


def test_foreign_byte_order():
    with pytest.raises(TypeError, match="machine's order"):
        Picture(ramp(4, 4).astype(np.dtype(np.uint16).newbyteorder()), bit_depth=10)


def test_bit_depths():
    wide = ramp(4, 4, np.uint16)
    for depth in (10, 12):
        assert Picture(wide, bit_depth=depth).bit_depth == depth
    for depth in (None, 0, -1, 8, 9, 16, 2**40):
        with pytest.raises(sidelight.InvalidArgument):
            Picture(wide, bit_depth=depth)
    with pytest.raises(sidelight.InvalidArgument):
        Picture(ramp(4, 4), bit_depth=10)


@pytest.fixture
def base(gray):
    decoder = Decoder(threads=2)
    decoder.set_mode("base", gray.params())
    return decoder


def test_deeper_results(gray, base):
    decoded = gray.decoded[0]
    eight = Picture(decoded)
    ten = Picture(decoded.astype(np.uint16) << 2, bit_depth=10)
    assert base.filter(eight).bit_depth == 8
    deep = base.filter(eight, bit_depth=10)
    assert (deep.bit_depth, deep.luma.dtype) == (10, np.uint16)
    assert np.array_equal(deep.luma, base.filter(ten).luma)
    sixteen, twelve = (base.filter(eight, bit_depth=depth).luma for depth in (16, 12))
    inside = (twelve > 0) & (twelve < 4095)
    assert np.array_equal(sixteen[inside], twelve[inside] << 4)
    assert np.array_equal(base.filter(ten, bit_depth=16).luma, sixteen)
    base.set_mode("off")
    assert np.array_equal(base.filter(eight, bit_depth=16).luma, decoded.astype(np.uint16) << 8)
    for picture, depths in [(eight, (0, 7, 9, 11, 14, 17, 2**40)), (ten, (8, 9))]:
        for depth in depths:
            with pytest.raises(sidelight.InvalidArgument, match="bit_depth is"):
                base.filter(picture, bit_depth=depth)
    with pytest.raises(sidelight.InvalidArgument):
        base.filter(base.filter(eight, bit_depth=16))


def test_strength(gray, base):
    decoded = gray.decoded[0]
    picture = Picture(decoded)
    full = base.filter(picture).luma
    residual = base.filter(picture, bit_depth=12).luma.astype(int) - 16 * decoded.astype(int)
    for strength in (0, 1, 32, 63, sidelight.FULL_STRENGTH):
        base.set_strength(strength)
        base.set_mode("base", gray.params())
        expected = decoded + (strength * residual + 512 >> 10)
        assert np.array_equal(base.filter(picture).luma, expected.clip(0, 255))
    assert np.array_equal(base.filter(picture).luma, full)
    for strength in (-1, 65, 256, 2**40):
        with pytest.raises(sidelight.InvalidArgument, match="strength is"):
            base.set_strength(strength)
    assert np.array_equal(base.filter(picture).luma, full)


def test_words_are_checked():
    for more in [{"picture_type": "idr"}, {"layout": "420"}]:
        with pytest.raises(sidelight.InvalidArgument, match="not one of"):
            Picture(ramp(4, 4), **more)


def test_binding():
    picture = Picture(ramp(5, 7))
    assert picture.binding == Picture(ramp(5, 7), picture_type="b").binding
    assert picture.binding != Picture(ramp(7, 5)).binding

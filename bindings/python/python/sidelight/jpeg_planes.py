"""Planes of a JPEG as they are coded, and what libjpeg-turbo makes of them in RGB and back.

decode() wants PyTurboJPEG (before 2) and the shared library libturbojpeg, of version 2 or 3; Pillow gives
planes upsampled, which a filter is not for. to_rgb() and from_rgb() want numpy alone.
"""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, cast

import numpy as np

import sidelight

if TYPE_CHECKING:
    import numpy.typing as npt

    _Plane = npt.NDArray[np.uint8]

__all__ = ["MAX_PIXELS", "decode", "from_rgb", "to_rgb"]

MAX_PIXELS = 1 << 28
"""The most pixels that decode() takes."""

# By TurboJPEG's numbers of samplings and colour spaces.
_LAYOUTS = {0: "I444", 1: "I422", 2: "I420", 3: "I400", 4: "I440", 5: "I411"}
_SAMPLING_GRAY = 3
_YCBCR, _GRAY = 1, 2

# Columns and rows of luma samples for each of chroma.
_RATIOS = {"I444": (1, 1), "I422": (2, 1), "I420": (2, 2), "I440": (1, 2), "I411": (4, 1)}

# Where warnings go is the whole process's business.
_WARNINGS = threading.Lock()

# Rows that are converted at a time.
_STRIP = 64


def decode(data: bytes) -> sidelight.Picture:
    """Decodes a JPEG with libjpeg-turbo's accurate integer transform, before chroma is interpolated.

    Raises ValueError for files that are no gray or YCbCr JPEG, too large, or so damaged that samples had to
    be guessed.
    """
    import turbojpeg

    codec = turbojpeg.TurboJPEG()
    with _WARNINGS, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            width, height, sampling, space = codec.decode_header(data)
            if space not in (_YCBCR, _GRAY) or sampling not in _LAYOUTS:
                raise ValueError("not a gray or YCbCr JPEG of a common chroma sampling")
            if width * height > MAX_PIXELS:
                raise ValueError(f"{width} x {height} are more than {MAX_PIXELS} pixels")
            if sampling == _SAMPLING_GRAY:
                # PyTurboJPEG 1.8 fails to give planes of gray files.
                coded = [codec.decode(data, turbojpeg.TJPF_GRAY)[:, :, 0]]
            else:
                coded = codec.decode_to_yuv_planes(data)
        except OSError as error:
            raise ValueError(f"JPEG decoder: {error}") from error
    layout = _LAYOUTS[sampling]
    planes = []
    for i, plane in enumerate(coded):
        across, down = _RATIOS[layout] if i else (1, 1)
        # Planes are padded to whole groups of samples.
        planes.append(plane[: -(-height // down), : -(-width // across)])
    picture = sidelight.Picture(planes, layout=layout)  # type: ignore[arg-type]
    if told:
        # Most warnings mean no harm, but behind some the planes are not finished.
        try:
            good = sidelight.jpeg_check_planes(data, picture) <= 1
        except sidelight.Error:
            good = False
        if not good:
            raise ValueError(f"damaged: {told[0].message}")
    return picture


def to_rgb(picture: sidelight.Picture) -> _Plane:
    """The picture in RGB (or gray, as it is), with the upsampling and the colours that libjpeg-turbo makes."""
    if picture.bit_depth != 8:
        raise ValueError("pictures of 8 bits only")
    planes, layout = cast("tuple[_Plane, ...]", picture.planes), picture.layout
    luma = planes[0]
    if layout == "I400":
        return luma
    height, width = luma.shape
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        rows = np.arange(top, min(top + _STRIP, height))
        y = luma[rows].astype(np.int16)
        cb, cr = (_upsampled(p, layout, rows)[:, :width] for p in planes[1:])
        green = ((_CB_GREEN[cb] + _CR_GREEN[cr]) >> 16).astype(np.int16)
        for i, change in enumerate((_CR_RED[cr], green, _CB_BLUE[cb])):
            np.clip(y + change, 0, 255, out=out[rows[0] : rows[-1] + 1, :, i], casting="unsafe")
    return out


def from_rgb(rgb: _Plane, layout: str) -> sidelight.Picture:
    """The planes that libjpeg-turbo makes of RGB (or gray, as it is) before it transforms them."""
    if rgb.ndim == 2:
        return sidelight.Picture(rgb)
    height, width, _ = rgb.shape
    full = [np.empty((height, width), np.uint8) for _ in range(3)]
    for top in range(0, height, _STRIP):
        strip = slice(top, top + _STRIP)
        r, g, b = (rgb[strip, :, i].astype(np.int32) for i in range(3))
        middle = (128 << 16) + _HALF - 1
        full[0][strip] = (_fix(0.299) * r + _fix(0.587) * g + _fix(0.114) * b + _HALF) >> 16
        full[1][strip] = (_fix(0.5) * b - _fix(0.16874) * r - _fix(0.33126) * g + middle) >> 16
        full[2][strip] = (_fix(0.5) * r - _fix(0.41869) * g - _fix(0.08131) * b + middle) >> 16
    if layout == "I400":
        return sidelight.Picture(full[0])
    planes = [full[0], *(_downsampled(plane, *_RATIOS[layout]) for plane in full[1:])]
    return sidelight.Picture(planes, layout=layout)  # type: ignore[arg-type]


def _fix(x: float) -> int:
    return int(x * 65536 + 0.5)


_HALF = 1 << 15
_CHROMA = np.arange(-128, 128, dtype=np.int32)
_CR_RED = ((_fix(1.402) * _CHROMA + _HALF) >> 16).astype(np.int16)
_CB_BLUE = ((_fix(1.772) * _CHROMA + _HALF) >> 16).astype(np.int16)
_CB_GREEN = -_fix(0.34414) * _CHROMA
_CR_GREEN = -_fix(0.71414) * _CHROMA + _HALF


def _upsampled(plane: _Plane, layout: str, rows: npt.NDArray[np.intp]) -> _Plane:
    """Rows of chroma at full width: the triangle filter, where libjpeg-turbo does not replicate."""
    across, down = _RATIOS[layout]
    height, width = plane.shape
    near = plane[rows // down]
    if across == 4 or (across == 2 and width <= 2) or across == down == 1:
        return np.repeat(near, across, axis=1)
    sums = near.astype(np.int16)
    if down == 2:
        other = np.clip(rows // 2 + np.where(rows % 2 == 1, 1, -1), 0, height - 1)
        sums = 3 * sums + plane[other]
    if across == 1:
        return ((sums + (1 + rows % 2)[:, None].astype(np.int16)) >> 2).astype(np.uint8)
    shift, left, right = (4, 8, 7) if down == 2 else (2, 1, 2)
    before = np.concatenate((sums[:, :1], sums[:, :-1]), axis=1)
    after = np.concatenate((sums[:, 1:], sums[:, -1:]), axis=1)
    out = np.empty((len(rows), 2 * width), np.uint8)
    out[:, 0::2] = (3 * sums + before + left) >> shift
    out[:, 1::2] = (3 * sums + after + right) >> shift
    return out


def _downsampled(plane: _Plane, across: int, down: int) -> _Plane:
    """Means of samples; rounding alternates by column where libjpeg-turbo's does."""
    if across == down == 1:
        return plane
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % down), (0, -width % across)), mode="edge")
    count = across * down
    sums: npt.NDArray[np.int32] = np.zeros((padded.shape[0] // down, padded.shape[1] // across), np.int32)
    for i in range(count):
        sums += padded[i // across :: down, i % across :: across]
    sums += count // 2
    if across == 2:
        sums -= 1 - np.arange(sums.shape[1], dtype=np.int32) % 2
    return (sums // count).astype(np.uint8)

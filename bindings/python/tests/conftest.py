"""Pictures of the repository, and what a JPEG codec makes of them."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sidelight

ROOT = Path(__file__).resolve().parents[3]
QUALITY = 12


def code(plane, quality=QUALITY):
    """The file of a plane that is coded as a gray JPEG, and the plane decoded."""
    file = io.BytesIO()
    Image.fromarray(plane).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue(), np.asarray(Image.open(file))


def psnr(a, b, peak=255):
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return 10 * math.log10(peak**2 / error)


class Coded:
    """A colour picture before and after coding, each plane as a gray JPEG."""

    def __init__(self, layout, width, height, bit_depth=8, name="chelsea", at=(60, 120)):
        picture = Image.open(ROOT / "tests/pictures" / f"{name}.png").convert("YCbCr")
        y, x = at
        planes = [np.asarray(p)[y : y + height, x : x + width] for p in picture.split()]
        if layout == "I400":
            planes = planes[:1]
        else:
            down, across = {"I420": (2, 2), "I422": (1, 2), "I440": (2, 1), "I411": (1, 4)}.get(
                layout, (1, 1)
            )
            planes[1:] = [p[::down, ::across] for p in planes[1:]]
        decoded = [code(p)[1] for p in planes]
        tables = Image.open(io.BytesIO(code(planes[0])[0])).quantization
        self.quant = tables[0]
        if bit_depth > 8:
            planes, decoded = (
                [p.astype(np.uint16) << (bit_depth - 8) for p in both] for both in (planes, decoded)
            )
        self.depth = None if bit_depth == 8 else bit_depth
        self.peak = (1 << bit_depth) - 1
        self.original, self.decoded = planes, decoded

    def picture(self, planes, **more):
        return sidelight.Picture(planes, bit_depth=self.depth, **more)

    def params(self, **more):
        """Bytes are nearly free, so that an update pays."""
        return sidelight.CodecParams.jpeg(self.quant, **{"slope": 1e-6, "binding": 77, **more})

    def encode(self, params=None, **more):
        return sidelight.encode(
            self.picture(self.original),
            self.picture(self.decoded),
            params or self.params(),
            **{"steps": 20, **more},
        )


@pytest.fixture(scope="session")
def gray():
    return Coded("I400", 97, 75)


@pytest.fixture(scope="session")
def gray_payload(gray):
    return gray.encode()[0]

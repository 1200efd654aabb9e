"""Tests of the VapourSynth plugin: what it gives is compared with what the library gives for the same planes.

usage: test.py PLUGIN|installed LIBRARY. Run by `make test-vapoursynth` and, for the wheel's, which VapourSynth finds by
itself, by `make test-vapoursynth-wheel`. Ends with "N passed, N failed".
"""

import ctypes as c
import math
import os
import random
import sys

import vapoursynth as vs

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
JPEG, HEVC = 1, 2
OFF, BASE, UPDATE = 0, 1, 2
TYPES = {"I": 1, "P": 2, "B": 3}
core = vs.core


# ---- the library ----


class CodecParams(c.Structure):
    _fields_ = [
        ("codec", c.c_uint32),
        ("quant", c.c_uint16 * 64 * 2),
        ("carriage_bytes", c.c_uint32),
        ("binding", c.c_uint64),
        ("coded_bytes", c.c_uint64),
        ("slope_db_per_byte", c.c_double),
        ("qp", c.c_uint8 * 3),
        ("reserved", c.c_uint8 * 61),
    ]


class CPicture(c.Structure):
    _fields_ = [
        ("data", c.c_void_p * 3),
        ("stride", c.c_ssize_t * 3),
        ("width", c.c_uint32),
        ("height", c.c_uint32),
        ("layout", c.c_uint32),
        ("bit_depth", c.c_uint32),
        ("picture_type", c.c_uint32),
        ("reserved", c.c_uint8 * 20),
    ]


class Buffer(c.Structure):
    _fields_ = [("data", c.c_void_p), ("size", c.c_size_t)]


class DecoderSettings(c.Structure):
    _fields_ = [
        ("threads", c.c_uint32),
        ("skip_binding", c.c_uint32),
        ("model_size", c.c_uint32),
        ("reserved", c.c_uint32 * 15),
    ]


class EncoderSettings(c.Structure):
    _fields_ = [
        ("no_update", c.c_uint32),
        ("threads", c.c_uint32),
        ("steps", c.c_uint32),
        ("model_size", c.c_uint32),
        ("progress", c.c_void_p),
        ("progress_user", c.c_void_p),
        ("reserved", c.c_uint64 * 8),
    ]


def call(name, *arguments):
    result = getattr(library, name)(*arguments)
    if result < 0:
        raise RuntimeError(f"{name}: {strerror(result)}")
    return result


def strerror(error):
    library.sidelight_strerror.restype = c.c_char_p
    return library.sidelight_strerror(error).decode()


def taken(buffer):
    data = c.string_at(buffer.data, buffer.size)
    library.sidelight_buffer_unref(c.byref(buffer))
    return data


# How often chroma's width and height are halved, by SidelightLayout.
HALVINGS = ((0, 0), (1, 1), (1, 0), (0, 0), (0, 1), (2, 0))


class Picture:
    """Planes as bytes without padding, and the type as _PictType has it."""

    def __init__(self, width, height, layout, depth, planes, kind="I"):
        self.width, self.height, self.layout, self.depth = width, height, layout, depth
        self.planes, self.kind = planes, kind
        self.bytes = 2 if depth > 8 else 1

    def size(self, plane):
        down_w, down_h = (0, 0) if plane == 0 else HALVINGS[self.layout]
        return -(-self.width >> down_w), -(-self.height >> down_h)

    def to_c(self):
        """The struct; `kept` holds its memory."""
        p = CPicture(width=self.width, height=self.height, layout=self.layout, bit_depth=self.depth)
        p.picture_type = TYPES.get(self.kind, 0)
        p.kept = [c.create_string_buffer(plane, len(plane)) for plane in self.planes]
        for i, plane in enumerate(p.kept):
            p.data[i] = c.addressof(plane)
            p.stride[i] = self.size(i)[0] * self.bytes
        return p

    def format(self):
        family = vs.GRAY if self.layout == 0 else vs.YUV
        return core.query_video_format(family, vs.INTEGER, self.depth, *HALVINGS[self.layout])


def filtered(pictures, params, payload=None, strength=64, depth=None):
    """What the library makes of them, planes of each."""
    settings = DecoderSettings(threads=2, skip_binding=1)
    decoder = c.c_void_p()
    call("sidelight_decoder_open", c.byref(settings), c.byref(decoder))
    if payload is None:
        call("sidelight_decoder_set_mode", decoder, BASE, c.byref(params))
    else:
        call("sidelight_decoder_set_payload", decoder, payload, c.c_size_t(len(payload)), c.byref(params))
    call("sidelight_decoder_set_strength", decoder, c.c_uint32(strength))
    result = []
    for picture in pictures:
        p = picture.to_c()
        bits = depth or picture.depth
        planes = [bytes(len(plane) // picture.bytes * (2 if bits > 8 else 1)) for plane in picture.planes]
        out = Picture(picture.width, picture.height, picture.layout, bits, planes).to_c()
        call("sidelight_decoder_filter", decoder, c.byref(p), c.byref(out))
        result.append([plane.raw for plane in out.kept])
    library.sidelight_decoder_close(c.byref(decoder))
    return result


def encoded(originals, pictures, params, mode):
    """A payload that asks for `mode`."""
    settings, encoder = EncoderSettings(threads=1, steps=30, no_update=mode != UPDATE), c.c_void_p()
    params = CodecParams.from_buffer_copy(params)
    if mode == OFF:
        params.slope_db_per_byte = 1e9  # nothing pays
    call("sidelight_encoder_open", c.byref(settings), c.byref(encoder))
    before, after = [p.to_c() for p in originals], [p.to_c() for p in pictures]
    array = CPicture * len(pictures)
    payload = Buffer()
    call("sidelight_encoder_encode", encoder, array(*before), array(*after), c.c_size_t(len(pictures)),
         c.byref(params), c.byref(payload), None)
    library.sidelight_encoder_close(c.byref(encoder))
    return taken(payload)


def mode_of(payload, codec):
    settings, decoder = DecoderSettings(skip_binding=1), c.c_void_p()
    call("sidelight_decoder_open", c.byref(settings), c.byref(decoder))
    params = jpeg_params(QUANT) if codec == JPEG else hevc_params(0)
    result = call("sidelight_decoder_set_payload", decoder, payload, c.c_size_t(len(payload)), c.byref(params))
    library.sidelight_decoder_close(c.byref(decoder))
    return result


def hevc_params(intra, p=None, b=None):
    params = CodecParams(codec=HEVC, slope_db_per_byte=1e-9)
    params.qp[:] = [intra, intra if p is None else p, intra if b is None else b]
    return params


def jpeg_params(quant):
    params = CodecParams(codec=JPEG, slope_db_per_byte=1e-9)
    for i, step in enumerate(quant):
        params.quant[i // 64][i % 64] = step
    return params


# ---- pictures ----

QUANT = [16 + 4 * (i // 8 + i % 8) for i in range(64)]
QUANT_CHROMA = QUANT + [40 + 2 * (i // 8 + i % 8) for i in range(64)]


def coded(width, height, layout, depth, kind="I", seed=0, step=24):
    """A made-up picture, and the same with blocks of 8x8 coded coarsely."""
    picture = Picture(width, height, layout, depth, [], kind)
    original = Picture(width, height, layout, depth, [], kind)
    noise = random.Random(seed)
    cosine = [[math.cos((2 * x + 1) * u * math.pi / 16) * (0.5 if u else 0.125**0.5) for x in range(8)]
              for u in range(8)]
    top = (1 << depth) - 1
    for plane in range(3 if layout else 1):
        w, h = picture.size(plane)
        phase, slope = noise.uniform(0, 6), noise.uniform(0.1, 0.5)

        def sample(x, y):
            x, y = min(x, w - 1), min(y, h - 1)
            edge = 60 if x * slope + y > (h + w * slope) / 2 else 0
            return 100 + edge + 30 * math.sin(x * slope + phase) * math.cos(y / 7)

        smooth, blocks = bytearray(), [[0.0] * (w + 8) for _ in range(h + 8)]
        for by in range(0, h, 8):
            for bx in range(0, w, 8):
                block = [[sample(bx + x, by + y) for x in range(8)] for y in range(8)]
                for forward in (True, False):
                    for _ in range(2):  # rows, then columns
                        block = [[sum(row[i] * (cosine[u][i] if forward else cosine[i][u]) for i in range(8))
                                  for u in range(8)] for row in block]
                        block = [list(column) for column in zip(*block)]
                    if forward:
                        block = [[round(v / step) * step for v in row] for row in block]
                for y in range(8):
                    blocks[by + y][bx:bx + 8] = block[y]
        coarse = bytearray()
        for y in range(h):
            for x in range(w):
                for out, value in ((smooth, sample(x, y)), (coarse, blocks[y][x] + noise.uniform(-1, 1))):
                    value = max(0, min(top, round(value * (1 << depth - 8))))
                    out += value.to_bytes(picture.bytes, sys.byteorder)
        original.planes.append(bytes(smooth))
        picture.planes.append(bytes(coarse))
    return original, picture


def clip_of(pictures, length=None):
    """A clip that shows them over and over. Its rows have the padding that VapourSynth gives them."""
    first = pictures[0]
    blank = core.std.BlankClip(width=first.width, height=first.height, format=first.format().id,
                               length=length or len(pictures))

    def fill(n, f):
        picture, frame = pictures[n % len(pictures)], f.copy()
        for i, plane in enumerate(picture.planes):
            row = picture.size(i)[0] * picture.bytes
            for y in range(picture.size(i)[1]):
                c.memmove(frame.get_write_ptr(i).value + y * frame.get_stride(i), plane[y * row:(y + 1) * row], row)
        if picture.kind:
            frame.props["_PictType"] = picture.kind
        frame.props["number"] = n
        return frame

    return core.std.ModifyFrame(blank, blank, fill)


def planes_of(frame):
    result = []
    for i in range(frame.format.num_planes):
        plane = frame[i]
        row = plane.shape[1] * frame.format.bytes_per_sample
        start, stride = frame.get_read_ptr(i).value, frame.get_stride(i)
        result.append(b"".join(c.string_at(start + y * stride, row) for y in range(plane.shape[0])))
    return result


# ---- checks ----

passed = failed = 0


def check(name, ok):
    global passed, failed
    passed, failed = passed + bool(ok), failed + (not ok)
    if not ok:
        print(f"not ok: {name}", flush=True)


def same(name, clip, pictures, expected, changed=None):
    """Frame by frame the library's bytes; `changed`: which frames are to differ from the source, all by
    default."""
    for n, (picture, planes) in enumerate(zip(pictures, expected, strict=True)):
        frame = clip.get_frame(n)
        check(f"{name}, frame {n} ({picture.kind}): bytes", planes_of(frame) == planes)
        for i, plane in enumerate(planes):
            differs = planes_of(frame)[i] != picture.planes[i]
            check(f"{name}, frame {n}, plane {i}: {'filtered' if changed is None or changed[n] else 'as it was'}",
                  differs == (changed is None or changed[n]))
        check(f"{name}, frame {n}: properties", frame.props["number"] == n and
              frame.props.get("_PictType") == picture.kind)


def refused(name, clip, text, **arguments):
    """An error when the filter is made, that says `text`."""
    try:
        core.sidelight.Filter(clip, **arguments)
        check(f"{name}: refused", False)
    except vs.Error as error:
        check(f"{name}: says '{text}', not '{error}'", text in str(error))


def formats():
    names = {0: "gray", 1: "420", 2: "422", 3: "444", 4: "440", 5: "411"}
    sizes = [(0, 33, 19), (1, 34, 18), (2, 34, 19), (3, 33, 19), (4, 33, 18), (5, 36, 19)]
    for layout, width, height in sizes:
        for depth in (8, 10, 12):
            pictures = [coded(width, height, layout, depth, kind, seed)[1] for seed, kind in enumerate("IPB")]
            clip, name = clip_of(pictures), f"{names[layout]}, {depth} bits"
            same(f"{name}, HEVC", core.sidelight.Filter(clip, qp=37), pictures, filtered(pictures, hevc_params(37)))
            for quant in (QUANT, QUANT_CHROMA):
                same(f"{name}, JPEG, {len(quant)} steps", core.sidelight.Filter(clip, quant=quant), pictures,
                     filtered(pictures, jpeg_params(quant)))
    for width, height in [(1, 1), (2, 1), (1, 9), (259, 3)]:
        for layout in (0, 3):
            pictures = [coded(width, height, layout, 8)[1]]
            expected = filtered(pictures, hevc_params(51))
            frame = core.sidelight.Filter(clip_of(pictures), qp=51).get_frame(0)
            check(f"{width}x{height}, {names[layout]}", planes_of(frame) == expected[0])


def outputs():
    """Strengths of the correction, and outputs deeper than the clip."""
    for layout, depth, deeper in [(1, 8, 10), (1, 8, 16), (3, 8, 12), (0, 10, 16), (2, 10, 12), (5, 12, 16)]:
        pictures = [coded(36, 20, layout, depth, kind, seed)[1] for seed, kind in enumerate("IPB")]
        clip, params = clip_of(pictures), hevc_params(37)
        for strength, steps in [(1, 64), (0.5, 32), (0, 0), (0.01, 1), (0.999, 64)]:
            name = f"layout {layout}, {depth} to {deeper} bits, strength {strength}"
            plain = core.sidelight.Filter(clip, qp=37, strength=strength)
            for n, planes in enumerate(filtered(pictures, params, strength=steps)):
                frame = plain.get_frame(n)
                check(f"{name}, frame {n}", planes_of(frame) == planes)
                if steps != 1:  # which may be too little to change a sample
                    check(f"{name}, frame {n}: changed", (planes != pictures[n].planes) == (steps > 0))
            deep = core.sidelight.Filter(clip, qp=37, strength=strength, depth=deeper)
            expected = filtered(pictures, params, strength=steps, depth=deeper)
            check(f"{name}: format", deep.format.bits_per_sample == deeper and
                  deep.format.color_family == clip.format.color_family)
            for n, planes in enumerate(expected):
                frame = deep.get_frame(n)
                check(f"{name}, frame {n}", planes_of(frame) == planes and frame.props["number"] == n)
        own = core.sidelight.Filter(clip, qp=37, depth=depth)
        same(f"depth {depth}, the clip's own", own, pictures, filtered(pictures, params))
        left = core.sidelight.Filter(clip, qp=37, qp_b=0, depth=deeper).get_frame(2)
        words = [int.from_bytes(planes_of(left)[0][i:i + 2], sys.byteorder) for i in range(0, 72, 2)]
        size = pictures[2].bytes
        source = [int.from_bytes(pictures[2].planes[0][i:i + size], sys.byteorder) for i in range(0, 36 * size, size)]
        check(f"{depth} to {deeper} bits, a frame left alone", words == [s << deeper - depth for s in source])
    for text, arguments in [
        ("strength is to be 0 to 1", {"strength": 1.01}), ("strength is to be 0 to 1", {"strength": -0.1}),
        ("strength is to be 0 to 1", {"strength": math.nan}),
        ("depth is to be the clip's, 12, or more", {"depth": 10}),
        ("depth is to be the clip's, 12, or more", {"depth": 14}),
        ("depth is to be at least 0", {"depth": -8}),
    ]:
        refused(f"{arguments}", clip, text, qp=30, **arguments)


def picture_types():
    """One picture in all types: what differs is what the type does."""
    planes = coded(32, 32, 1, 8)[1].planes
    pictures = [Picture(32, 32, 1, 8, planes, kind) for kind in ("I", "P", "B", None, "?")]
    expected = filtered(pictures, hevc_params(22, 32, 42))
    check("types: they matter", len({tuple(e) for e in expected}) == 3)
    check("types: none is I", expected[3] == expected[4] == expected[0])
    clip = clip_of(pictures)
    same("types", core.sidelight.Filter(clip, qp=32, qp_i=22, qp_b=42), pictures, expected)
    same("qp for all types", core.sidelight.Filter(clip, qp=32), pictures, filtered(pictures, hevc_params(32)))
    for name, arguments, qps, changed in [
        ("qp_b alone", {"qp_b": 42}, (0, 0, 42), "..B.."),
        ("no qp_i", {"qp": 32, "qp_i": 0}, (0, 32, 32), ".PB.."),
    ]:
        same(name, core.sidelight.Filter(clip, **arguments), pictures, filtered(pictures, hevc_params(*qps)),
             [t != "." for t in changed])
    odd = clip.std.SetFrameProps(_PictType=7)
    check("a type that is a number", planes_of(core.sidelight.Filter(odd, qp_i=22).get_frame(1)) == expected[0])


def payloads():
    made = [coded(64, 48, 1, 8, kind, seed) for seed, kind in enumerate("IPBP")]
    originals, pictures = [o for o, _ in made], [p for _, p in made]
    clip, by_base = clip_of(pictures), filtered(pictures, hevc_params(40))
    for name, mode in (("update", UPDATE), ("base", BASE), ("off", OFF)):
        payload = encoded(originals, pictures, hevc_params(40), mode)
        check(f"payload, {name}: the mode", mode_of(payload, HEVC) == mode)
        expected = filtered(pictures, hevc_params(0), payload)
        if mode == UPDATE:
            update, by_update = payload, expected
            check("payload: an update is not the base", expected != by_base)
        same(f"payload, {name}", core.sidelight.Filter(clip, payload=payload), pictures, expected,
             [planes != p.planes for planes, p in zip(expected, pictures)])
    return pictures, clip, update, by_update


def bindings(pictures, clip, update, expected):
    """The encoder binds to its first picture."""
    good = core.sidelight.Filter(clip, update, carrier=0)
    check("carrier: the right one", planes_of(good.get_frame(1)) == expected[1])
    check("carrier: frame 0 by default", planes_of(core.sidelight.Filter(clip, update, skip_binding=0).get_frame(1)) == expected[1])
    refused("carrier: another", clip, strerror(-116), payload=update, carrier=1)
    refused("carrier: changed by a filter", clip.std.Invert(), strerror(-116), payload=update, skip_binding=0)
    check("carrier: not checked", planes_of(core.sidelight.Filter(clip, update, carrier=1, skip_binding=1).get_frame(1)) == expected[1])
    for n in (-1, 4, 2**31, 2**40):
        refused(f"carrier: {n}", clip, "carrier is", payload=update, carrier=n)

    def broken(n, f):
        raise ValueError("no such frame")

    refused("carrier: no frame to be had", core.std.ModifyFrame(clip, clip, broken), "no such frame",
            payload=update, carrier=0)


def jpegs():
    with open(os.path.join(ROOT, "tests", "data", "jpeg", "yuv420.jpg"), "rb") as file:
        jpeg = file.read()
    params = CodecParams()
    call("sidelight_jpeg_read", jpeg, c.c_size_t(len(jpeg)), c.byref(params), None)
    params.slope_db_per_byte = 1e-9
    original, picture = coded(128, 96, 1, 8)
    payload = encoded([original], [picture], params, UPDATE)
    check("JPEG: the mode", mode_of(payload, JPEG) == UPDATE)
    carrying = Buffer()
    call("sidelight_jpeg_rewrite", jpeg, c.c_size_t(len(jpeg)), payload, c.c_size_t(len(payload)), c.byref(carrying))
    carrying = taken(carrying)
    expected = filtered([picture], params, payload)
    clip = clip_of([picture])
    sidelight = core.sidelight.Filter
    quant = [params.quant[i // 64][i % 64] for i in range(128)]
    for name, arguments in [
        ("the file alone", {"jpeg": carrying}),
        ("a payload besides", {"jpeg": jpeg, "payload": payload}),
        ("payload and tables", {"payload": payload, "quant": quant}),
        ("codec and mode", {"payload": payload, "quant": quant, "codec": "jpeg", "mode": "payload"}),
    ]:
        same(f"JPEG: {name}", sidelight(clip, **arguments), [picture], expected)
    base = filtered([picture], params)
    check("JPEG: an update is not the base", base != expected)
    same("JPEG: base by the file", sidelight(clip, jpeg=carrying, mode="base"), [picture], base)
    params.binding ^= 1 << 3 | 1 << 40
    stale = encoded([original], [picture], params, UPDATE)
    refused("JPEG: another file's payload", clip, strerror(-116), jpeg=jpeg, payload=stale)
    same("JPEG: not checked", sidelight(clip, jpeg=jpeg, payload=stale, skip_binding=1), [picture],
         filtered([picture], params, stale))
    for name, other in [
        ("narrower", clip.std.Crop(right=2)),
        ("lower", clip.std.Crop(top=2)),
        ("larger", clip.std.AddBorders(right=16)),
    ]:
        size = f"the clip is {other.width}x{other.height} and the jpeg 128x96"
        refused(f"JPEG: {name}", other, size, jpeg=carrying)
        refused(f"JPEG: {name}: base", other, size, jpeg=carrying, mode="base")
        for mode in ("payload", "base"):
            frame = sidelight(other, jpeg=carrying, mode=mode, skip_binding=1).get_frame(0)
            check(f"JPEG: {name}: not checked: {mode}", frame.width == other.width)
    for name in ("GRAY8", "YUV422P8", "YUV444P8", "YUV420P10"):
        other = core.std.BlankClip(width=128, height=96, length=1, format=getattr(vs, name))
        refused(f"JPEG: {name}", other, "is not the jpeg's", jpeg=carrying)
        sidelight(other, jpeg=carrying, skip_binding=1)
    for key, limited in (("_Range", 0), ("_ColorRange", 1)):  # the latter is of older source filters
        bare = clip.std.RemoveFrameProps(["_Range", "_ColorRange"])
        refused(f"JPEG: limited by {key}", bare.std.SetFrameProps(**{key: limited}), "limited range", jpeg=carrying)
        same(f"JPEG: full by {key}", sidelight(bare.std.SetFrameProps(**{key: 1 - limited}), jpeg=carrying), [picture],
             expected)
    for file, fmt in (("restart444", "YUV444P8"), ("progressive420", "YUV420P8"), ("gray", "GRAY8")):
        with open(os.path.join(ROOT, "tests", "data", "jpeg", f"{file}.jpg"), "rb") as stream:
            data = stream.read()
        sof = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        height, width = int.from_bytes(data[sof + 5:sof + 7], "big"), int.from_bytes(data[sof + 7:sof + 9], "big")
        other = core.std.BlankClip(width=width, height=height, length=1, format=getattr(vs, fmt))
        other = other.std.RemoveFrameProps(["_Range", "_ColorRange"])
        check(f"JPEG: {file} is taken", sidelight(other, jpeg=data, mode="base").num_frames == 1)
    refused("JPEG: no payload in it", clip, strerror(-2), jpeg=jpeg)
    refused("JPEG: cut off", clip, strerror(-74), jpeg=jpeg[:100], payload=payload)
    refused("JPEG: no JPEG", clip, strerror(-74), jpeg=b"", mode="base")
    refused("JPEG: HEVC's payload", clip, strerror(-116), quant=quant, payload=hevc_update)
    refused("JPEG's payload for HEVC", clip, strerror(-116), payload=payload)
    refused("JPEG's payload for HEVC, by carrier", clip, strerror(-116), payload=payload, carrier=0)


def bad_payloads(clip, update):
    folder = os.path.join(ROOT, "tests", "data", "payload")
    names = sorted(name for name in os.listdir(folder) if name.startswith("bad_"))
    check("damaged payloads: there are some", len(names) > 10)
    for i in range(len(update)):
        refused(f"payload, byte {i} damaged", clip, "payload: ",
                payload=update[:i] + bytes([update[i] ^ 0x55]) + update[i + 1:])
    for size in (0, 1, 7, len(update) - 1):
        refused(f"payload, {size} bytes of it", clip, strerror(-74), payload=update[:size])
    refused("payload of 65537 bytes", clip, strerror(-27), payload=update + bytes(65537 - len(update)))
    refused("payload, by carrier: damaged", clip, strerror(-74), payload=update[:-1] + b"\0", carrier=0)
    refused("payload, by carrier: none", clip, "sidelight: payload", payload=b"", carrier=0)
    refused("payload of text", clip, strerror(-74), payload="hello")
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        # A wrong binding alone is no damage where it is not looked at, but the model is unknown.
        refused(name, clip, "payload: ", payload=data)


def bad_arguments(clip, update):
    quant = QUANT_CHROMA
    for text, arguments in [
        ("needs qp", {}),
        ("needs qp", {"mode": "base"}),
        ("needs qp", {"codec": "hevc"}),
        ("no payload", {"mode": "payload"}),
        ("no payload", {"mode": "payload", "quant": quant}),
        ("qp is to be 0 to 51", {"qp": 52}),
        ("qp is to be 0 to 51", {"qp": -1}),
        ("qp_i is to be 0 to 51", {"qp": 30, "qp_i": 2**32 + 30}),
        ("qp_b is to be 0 to 51", {"qp": 30, "qp_b": 99}),
        ("codec is to be", {"codec": "h265", "qp": 30}),
        ("codec is to be", {"codec": "", "qp": 30}),
        ("codec is to be", {"codec": "hev", "qp": 30}),
        ("mode is to be", {"mode": "off", "qp": 30}),
        ("model_size is to be \"small\", \"medium\" or \"large\"", {"qp": 30, "model_size": "huge"}),
        ("model_size is to be \"small\", \"medium\" or \"large\"", {"qp": 30, "model_size": ""}),
        ("skip_binding is to be 0 to 1", {"payload": update, "skip_binding": 2}),
        ("quant is to have 64 or 128", {"quant": quant[:63]}),
        ("quant is to have 64 or 128", {"quant": quant + [1]}),
        ("quant is to have 64 or 128", {"quant": 5}),
        ("steps of 1 to 65535; number 3 is 0", {"quant": quant[:3] + [0] + quant[4:]}),
        ("steps of 1 to 65535; number 127 is 65536", {"quant": quant[:127] + [65536]}),
        ("steps of 1 to 65535; number 0 is -1", {"quant": [-1] + quant[1:]}),
        ("jpeg or quant", {"codec": "jpeg", "payload": update}),
        ("jpeg or quant", {"codec": "jpeg"}),
        ("skip_binding=0 needs the file", {"quant": quant, "payload": update, "skip_binding": 0}),
        ("quant goes with JPEG", {"codec": "hevc", "qp": 30, "quant": quant}),
        ("qp goes with HEVC", {"codec": "jpeg", "qp": 30, "quant": quant}),
        ("carrier goes with HEVC", {"codec": "jpeg", "payload": update, "quant": quant, "carrier": 0}),
        ("quant does not go with jpeg", {"jpeg": b"x", "quant": quant}),
        ("qp does not go with a payload", {"payload": update, "qp": 30}),
        ("model_size does not go with a payload", {"payload": update, "model_size": "small"}),
        ('payload goes with mode="payload"', {"payload": update, "mode": "base", "qp": 30}),
        ("carrier goes with mode", {"qp": 30, "carrier": 0}),
        ("skip_binding goes with mode", {"qp": 30, "skip_binding": 0}),
    ]:
        refused(f"{ {k: v if len(str(v)) < 20 else '...' for k, v in arguments.items()} }", clip, text, **arguments)


def bad_formats():
    for name in ("RGB24", "RGBS", "GRAY9", "GRAY14", "GRAY16", "GRAYS", "YUV420P9", "YUV422P14", "YUV444P16",
                 "YUV444PS", "YUV410P8"):
        clip = core.std.BlankClip(width=32, height=32, length=1, format=getattr(vs, name))
        refused(name, clip, f"{clip.format.name} is not supported", qp=30)
    gray = core.std.BlankClip(width=32, height=32, length=1, format=vs.GRAY8)
    for name, other in [
        ("variable size", gray.std.CropAbs(16, 16)),
        ("variable format", gray.std.BlankClip(format=vs.GRAY10)),
    ]:
        refused(name, core.std.Splice([gray, other], mismatch=True), "variable", qp=30)
    for width, height in [(65536, 2), (2, 65536)]:
        refused(f"{width}x{height}", core.std.BlankClip(width=width, height=height, format=vs.GRAY8, length=1),
                f"{width}x{height} is too large", qp=30)


def order(update):
    """Many threads, frames in any order, more than once, from two filters at a time."""
    pictures = [coded(96, 64, 1, 10, kind, seed)[1] for seed, kind in enumerate("IBBPBBPI")]
    expected = filtered(pictures, hevc_params(0), update)
    check("order: the frames differ", len({tuple(e) for e in expected}) == len(expected))
    length, shuffle = 48, random.Random(1)
    for threads in (1, 2, 8):
        core.num_threads = threads
        for clip in (clip_of(pictures, length), clip_of(pictures, length).std.Reverse()):
            reverse = clip.get_frame(0).props["number"] != 0
            # Two filters, so that one decoder's state cannot be the other's.
            clips = [core.sidelight.Filter(clip, update), core.sidelight.Filter(clip, qp=37)]
            wanted = [expected, filtered(pictures, hevc_params(37))]
            asked = [(which, n) for which in (0, 1) for n in range(length)] * 2
            shuffle.shuffle(asked)
            futures = [(which, n, clips[which].get_frame_async(n)) for which, n in asked]
            wrong = 0
            for which, n, future in futures:
                with future.result(timeout=300) as frame:
                    source = length - 1 - n if reverse else n
                    wrong += planes_of(frame) != wanted[which][source % len(pictures)]
                    wrong += frame.props["number"] != source
            check(f"order: {threads} threads{', reversed' if reverse else ''}: {wrong} wrong", wrong == 0)
            check(f"order: {threads} threads: all frames came", len(futures) == 4 * length)
    check("properties: the clip's", clips[0].num_frames == length and clips[0].fps == clip.fps and
          clips[0].format.id == clip.format.id)


def source_fails():
    clip = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=3)

    def broken(n, f):
        raise ValueError("no such frame")

    try:
        core.sidelight.Filter(core.std.ModifyFrame(clip, clip, broken), qp=30).get_frame(1)
        check("a source that fails", False)
    except vs.Error as error:
        check("a source that fails", "no such frame" in str(error))


if __name__ == "__main__":
    # "installed": VapourSynth has found the plugin by itself.
    plugin, library = sys.argv[1], c.CDLL(sys.argv[2])
    if plugin != "installed":
        core.std.LoadPlugin(os.path.abspath(plugin))
    formats()
    outputs()
    picture_types()
    pictures, clip, hevc_update, by_update = payloads()
    bindings(pictures, clip, hevc_update, by_update)
    jpegs()
    bad_payloads(clip, hevc_update)
    bad_arguments(clip, hevc_update)
    bad_formats()
    order(hevc_update)
    source_fails()
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)

"""What a picture costs a worker of sidelight.batch, in seconds of one core: python examples/task_cost.py PICTURE.png

The picture is coded as a JPEG of quality 75 in 4:2:0. The best of three, but for the update."""

import io
import sys
import time

import numpy as np
from PIL import Image

import sidelight
from sidelight import jpeg_planes


def cost(what, work, times=3):
    seconds = []
    for _ in range(times):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    print(f"| {what} | {min(seconds):.2f} |")
    return result


def main(path):
    original = Image.open(path).convert("RGB")
    file = io.BytesIO()
    original.save(file, "JPEG", quality=75, subsampling="4:2:0")
    data = file.getvalue()
    print(f"{original.width} x {original.height}, {len(data)} bytes\n\n| | s |\n|---|---|")
    decoded = cost("decode to planes", lambda: jpeg_planes.decode(data))
    params = sidelight.CodecParams.from_jpeg(data)
    decoder = sidelight.Decoder(1)
    decoder.set_mode("base", params)
    better = cost("filter, base model of medium size", lambda: decoder.filter(decoded))
    rgb = cost("RGB", lambda: jpeg_planes.to_rgb(better))
    cost("PNG", lambda: Image.fromarray(rgb).save(io.BytesIO(), "PNG"))
    wanted = jpeg_planes.from_rgb(np.asarray(original), decoded.layout)
    cost("instead: payload for the base model",
         lambda: sidelight.encode(wanted, decoded, params, no_update=True, threads=1))
    cost("payload with an update, effort 5", lambda: sidelight.encode(wanted, decoded, params, threads=1), 1)


if __name__ == "__main__":
    main(sys.argv[1])

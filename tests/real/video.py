"""Payloads in a real stream, and how many of its pictures are filtered in the FFmpeg that PyAV brings.

  video.py make ORIGINAL.y4m IN.hevc OUT.hevc [IRAP...]   a payload for each IRAP picture, or for those of these
                                                          numbers, from 0, alone
  video.py count FILE...    a line for each file, number of threads and place to start at

A line of `count` is: the file, the threads (0: FFmpeg's choice), how it began, pictures shown, pictures filtered.
"""

import os
import sys

import av
import numpy as np
import sidelight
from av.sidedata.sidedata import Type

KINDS = {2: "p", 3: "b"}  # AVPictureType


def messages_of(frame):
    """The frame's SEI messages, in order: by its name the container gives one alone."""
    data = frame.side_data
    all_of_it = [data[i] for i in range(len(data))]
    return [bytes(one) for one in all_of_it if one.type == Type.SEI_UNREGISTERED]


def picture_of(frame):
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        planes.append(np.ascontiguousarray(rows[:, : plane.width]))
    kind = "irap" if frame.key_frame else KINDS.get(int(frame.pict_type), "i")
    return sidelight.Picture(planes, picture_type=kind)


def open_video(path, threads):
    container = av.open(path)
    video = container.streams.video[0]
    video.thread_type = "FRAME" if threads != 1 else "NONE"
    video.codec_context.thread_count = threads
    return container, video


def frames_of(path, threads=1):
    container, video = open_video(path, threads)
    yield from container.decode(video)
    container.close()


def count(decoder, frames):
    """Pictures shown and filtered."""
    shown = filtered = 0
    for frame in frames:
        picture = picture_of(frame)
        try:
            decoder.set_sei(picture, messages_of(frame))
        except sidelight.Error:
            pass  # unfiltered
        better = decoder.filter(picture)
        shown += 1
        filtered += any((a != b).any() for a, b in zip(picture.planes, better.planes))
    return shown, filtered


def count_all(path):
    name = os.path.basename(path)
    for threads in (1, 4, 0):
        print(name, threads, "start", *count(sidelight.Decoder(1), frames_of(path, threads)))
        if path.endswith((".hevc", ".ts")):
            continue  # no index to seek by
        container, video = open_video(path, threads)
        irap = [packet.pts for packet in container.demux(video) if packet.is_keyframe and packet.pts is not None]
        container.close()
        # A player that begins at the second IRAP picture.
        container, video = open_video(path, threads)
        container.seek(irap[1], stream=video)
        print(name, threads, "seek", *count(sidelight.Decoder(1), container.decode(video)))
        # And goes on to the third, and back to the second and the first.
        decoder = sidelight.Decoder(1)
        container.seek(irap[1], stream=video)
        count(decoder, (frame for frame, _ in zip(container.decode(video), range(3))))
        for number in (2, 1, 0):
            container.seek(irap[number], stream=video)
            print(name, threads, f"to-{number}", *count(decoder, container.decode(video)))
        container.close()


def make(original, coded, target, numbers):
    """The base model's payload for IRAP pictures, those of these numbers or all."""
    originals, decoded = ([picture_of(frame) for frame in frames_of(path)] for path in (original, coded))
    params = sidelight.CodecParams.hevc(35, 36, 37, slope=1e-9)
    payload, report = sidelight.encode(originals[:8], decoded[:8], params, no_update=True)
    if report.mode != "base":
        sys.exit("the base model gains nothing on this clip")
    carriers = [picture for picture in decoded if picture.picture_type == "irap"]
    stream = sidelight.Stream("hevc")
    with open(coded, "rb") as file:
        stream.push(file.read())
    stream.finish()
    irap = 0
    with open(target, "wb") as out:
        for unit in stream:
            sent = unit.is_irap and (not numbers or irap in numbers)
            out.write(unit.rewrite(sidelight.payload_bind(payload, carriers[irap])) if sent else unit.data)
            irap += unit.is_irap


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(*sys.argv[2:5], {int(number) for number in sys.argv[5:]})
    else:
        for file in sys.argv[2:]:
            count_all(file)

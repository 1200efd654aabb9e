#!/bin/sh
# FFmpeg 8 hands out an SEI message that stands in hvcC, where mp4 and Matroska keep a stream's parameter sets, as side
# data of every frame, as if each picture had brought it; 7.1 hands it out with none. So side data of a frame
# need not be that frame's, and who acts on them (a binding, a timecode, captions) has to know copies from news. x265
# writes a message about itself among its headers, which muxers put into hvcC: no odd stream is needed.
#
# PyAV 15.1.0 (FFmpeg 7.1.1) against PyAV 16.1.0 (FFmpeg 8.0.1); decoded on one thread. 2026-11-30.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 15.1.0 16.1.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install -q "av==$version" numpy
done
cat >"$work/make.py" <<'P'
import sys
import av, numpy as np

with av.open(sys.argv[1], "w") as out:
    stream = out.add_stream("libx265", rate=25)
    stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
    stream.options = {"x265-params": "log-level=none:keyint=8:pools=1"}
    stream.codec_context.flags |= av.codec.context.Flags.global_header
    for i in range(24):
        picture = np.full((96, 128, 3), 10 * i, np.uint8)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
    out.mux(stream.encode())
P
cat >"$work/count.py" <<'P'
import sys
import av

with av.open(sys.argv[1]) as file:
    stream = file.streams.video[0]
    stream.codec_context.thread_count = 1
    frames = list(file.decode(stream))
kind = av.sidedata.sidedata.Type.SEI_UNREGISTERED
with_message = sum(any(s.type == kind for s in frame.side_data) for frame in frames)
print("FFmpeg", av.ffmpeg_version_info, with_message, "of", len(frames))
P
"$work/15.1.0/bin/python" "$work/make.py" "$work/in.mp4"
old=$("$work/15.1.0/bin/python" "$work/count.py" "$work/in.mp4")
new=$("$work/16.1.0/bin/python" "$work/count.py" "$work/in.mp4")
printf 'frames with the message that hvcC holds: %s; %s\n' "$old" "$new"
case "$old/$new" in
    *" 0 of 24/"*" 24 of 24") echo "as described" ;;
    *) echo "not as described" && exit 1 ;;
esac

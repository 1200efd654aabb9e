#!/bin/sh
# Builds a small FFmpeg with the filter from the distribution's source package, or from a source tree
# of one's own, against the library that pkg-config finds. Run by `make ffmpeg`.
#
#   build.sh OUT [SOURCE]    leaves OUT/ffmpeg and OUT/ffprobe; SOURCE is not changed
set -eu
export LC_ALL=C
# What make was called with is not for the make in here.
unset MAKEFLAGS MFLAGS

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
own=${2:-}
jobs=${JOBS:-$(nproc)}

# What apt-get installs from has its sources at the same places. The system's own lists stay as they are.
fetch() {
    apt=$out/apt
    rm -rf "$apt"
    mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
    for list in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/' "$list" >"$apt/parts/$(basename "$list")"
    done
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -f "$list" ] || sed -n 's/^deb\(-src\)\? /deb-src /p' "$list" | sort -u >"$apt/parts/$(basename "$list" .list).list"
    done
    (
        cd "$apt"
        set -- -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts" \
            -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=
        apt-get "$@" update
        apt-get "$@" source ffmpeg
    ) >"$apt/log" 2>&1 || { cat "$apt/log" >&2; exit 1; }
    mv "$apt"/ffmpeg-*/ "$out/src"
    rm -rf "$apt"
}

# A tree that was patched before is used again; another SOURCE, or another patch, makes a new one.
key=$(cat "$here"/patches/*.patch | cksum)$own
if [ "$(cat "$out/key" 2>/dev/null)" != "$key" ]; then
    rm -rf "$out/src" "$out/build"
    if [ -n "$own" ]; then
        mkdir "$out/src"
        (cd "$own" && tar -cf - --exclude=./.git .) | tar -xf - -C "$out/src"
    else
        echo "fetching FFmpeg's source package"
        fetch
    fi
    patch=ffmpeg-5.1.patch
    ! grep -q FFFilter "$out/src/libavfilter/allfilters.c" || patch=ffmpeg-9.0.patch
    patch -s -d "$out/src" -p1 <"$here/patches/$patch"
    ln -s "$here/vf_sidelight.c" "$out/src/libavfilter/vf_sidelight.c"
    echo "$key" >"$out/key"
fi

mkdir -p "$out/build"
cd "$out/build"
libdir=$(pkg-config --variable=libdir sidelight)
set -- --enable-libsidelight --enable-zlib --enable-gpl --extra-ldflags="-Wl,-rpath,$libdir" \
    --disable-autodetect --disable-everything --disable-network --disable-doc --disable-ffplay --disable-debug \
    --enable-decoder=hevc,h264,mjpeg,rawvideo,png,wrapped_avframe --enable-parser=hevc,h264,mjpeg,png \
    --enable-encoder=rawvideo,wrapped_avframe,png,mjpeg \
    --enable-demuxer=hevc,h264,mov,matroska,rawvideo,yuv4mpegpipe,image2,mjpeg \
    --enable-muxer=hevc,h264,mov,mp4,matroska,rawvideo,yuv4mpegpipe,image2,mjpeg,framemd5,null \
    --enable-filter=sidelight,sendcmd,scale,format,null,trim,setpts,crop,vflip,select,showinfo,psnr,ssim,spp \
    --enable-bsf=hevc_mp4toannexb,h264_mp4toannexb,extract_extradata,setts \
    --enable-protocol=file,pipe
command -v nasm >/dev/null || set -- "$@" --disable-x86asm
# The library's version is in what configure found: another one asks for a new try.
settings="$* $(pkg-config --modversion sidelight)"
if [ ! -f Makefile ] || [ "$(cat settings 2>/dev/null)" != "$settings" ]; then
    ../src/configure "$@" >configure.txt 2>&1 || { cat configure.txt >&2; exit 1; }
    echo "$settings" >settings
fi
make -s -j"$jobs" >make.txt 2>&1 || { tail -n 40 make.txt >&2; exit 1; }
cp -p ffmpeg ffprobe "$out"
echo "$out/ffmpeg"

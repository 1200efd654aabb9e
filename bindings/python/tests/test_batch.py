"""Folders through the workers of a Dask cluster, and the planes that they work on."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import sidelight

distributed = pytest.importorskip("distributed")
fsspec = pytest.importorskip("fsspec")
pytest.importorskip("turbojpeg")
batch = pytest.importorskip("sidelight.batch")
jpeg_planes = pytest.importorskip("sidelight.jpeg_planes")

NAMES = ("camera", "chelsea", "coffee", "lake")


def original(name, at=0, size=(160, 120)):
    whole = Image.open(ROOT / "tests/pictures" / f"{name}.png").convert("RGB")
    return whole.crop((at, at, at + size[0], at + size[1]))


def coded(image, **more):
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 15, "optimize": True, **more})
    return file.getvalue()


def with_base(data, image):
    """The file with a payload that asks for the base model."""
    picture = jpeg_planes.decode(data)
    wanted = jpeg_planes.from_rgb(np.asarray(image), picture.layout)
    params = sidelight.CodecParams.from_jpeg(data, slope=1e-9)
    return sidelight.jpeg_insert(data, sidelight.encode(wanted, picture, params, no_update=True)[0])


def folder_of(path, count, size=(160, 120)):
    """Originals and their JPEGs, some in a folder below."""
    for i in range(count):
        image = original(NAMES[i % len(NAMES)], 8 * i, size)
        stem = ("deeper/" if i % 3 == 0 else "") + f"{i:03}"
        for kind in ("jpeg", "original"):
            (path / kind / "deeper").mkdir(parents=True, exist_ok=True)
        image.save(path / "original" / f"{stem}.png")
        (path / "jpeg" / f"{stem}.jpg").write_bytes(coded(image))
    return str(path / "jpeg"), str(path / "original")


def tree(folder):
    """The bytes of what is there for users."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".sidelight" not in path.parts
    }


def rows_of(folder):
    rows = json.loads((folder / "results.json").read_text())
    with (folder / "results.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == table
    assert not list((folder / ".sidelight/temporary").iterdir())
    return {row["picture"]: row for row in rows}


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def local():
    """A worker in this process, which sees its memory."""
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**options) as client:
        yield client


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


@pytest.mark.parametrize("name", [p.name for p in sorted((ROOT / "tests/data/jpeg").glob("*.jpg"))])
def test_planes_are_the_accurate_ones(name):
    data = (ROOT / "tests/data/jpeg" / name).read_bytes()
    if name == "cmyk.jpg":
        with pytest.raises(ValueError, match="not a gray or YCbCr JPEG"):
            jpeg_planes.decode(data)
        return
    picture = jpeg_planes.decode(data)
    if name != "arithmetic.jpg":  # Not read by the library.
        assert sidelight.jpeg_check_planes(data, picture) == 0


@pytest.mark.parametrize("size", [(97, 75), (1, 1), (2, 3), (3, 2), (64, 64)])
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_rgb_is_what_libjpeg_makes_of_planes(sampling, size):
    data = coded(original("coffee", 40, size), subsampling=sampling)
    picture = jpeg_planes.decode(data)
    assert np.array_equal(jpeg_planes.to_rgb(picture), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(("sampling", "layout"), [("4:4:4", "I444"), ("4:2:2", "I422"), ("4:2:0", "I420")])
def test_planes_are_what_libjpeg_makes_of_rgb(sampling, layout):
    """At quality 100 what it codes is what it was given, but for a level or two."""
    image = original("coffee", 40, (97, 75))
    decoded = jpeg_planes.decode(coded(image, quality=100, subsampling=sampling))
    made = jpeg_planes.from_rgb(np.asarray(image), layout)
    assert decoded.layout == made.layout == layout
    for a, b in zip(decoded.planes, made.planes):
        assert np.abs(a.astype(int) - b.astype(int)).max() <= 2
        assert abs(np.mean(a.astype(int) - b)) < 0.05


def test_names_that_are_not_utf_8(tmp_path, client):
    source, _ = folder_of(tmp_path, 2)
    odd = os.fsencode(source) + b"/odd\xff.jpg"
    try:
        shutil.copy(os.path.join(source, "001.jpg"), odd)
    except OSError:
        pytest.skip("no such names here")
    rows = batch.run(source, str(tmp_path / "out"), client=client, settings=batch.Settings(mode="base"))
    assert {row["picture"]: row["result"] for row in rows} == dict.fromkeys(
        ("001.jpg", "deeper/000.jpg", "odd\udcff.jpg"), "done"
    )
    assert (tmp_path / "out/001.png").read_bytes() == open(os.fsencode(tmp_path) + b"/out/odd\xff.png", "rb").read()
    assert b"odd\xff.jpg" in (tmp_path / "out/results.csv").read_bytes()


def test_large_originals_are_refused(tmp_path, client, monkeypatch):
    source, originals = folder_of(tmp_path, 1)
    monkeypatch.setattr(batch, "MAX_BYTES", 100)
    (row,) = batch.run(source, str(tmp_path / "out"), client=client, originals=originals)
    assert row["result"] == "failed" and "more than 100 bytes" in row["note"]


def test_the_costs_of_a_task_are_printed(tmp_path):
    original("coffee").save(tmp_path / "small.png")
    example = ROOT / "bindings/python/examples/task_cost.py"
    command = [sys.executable, str(example), str(tmp_path / "small.png")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told.startswith("160 x 120, ")
    rows = [line.split(" | ") for line in told.splitlines()[4:]]
    assert len(rows) == 6 and all(float(row[1].strip(" |")) >= 0 for row in rows)


def test_damaged_files_have_no_planes():
    data = coded(original("coffee"))
    for broken in (b"", b"\xff\xd8", data[:100], data[: len(data) // 2], b"GIF89a" + data):
        with pytest.raises(ValueError):
            jpeg_planes.decode(broken)


def test_decoding(tmp_path, client):
    source, _ = folder_of(tmp_path, 3)
    jpegs = tmp_path / "jpeg"
    carried = with_base((jpegs / "001.jpg").read_bytes(), Image.open(tmp_path / "original/001.png"))
    (jpegs / "001.jpg").write_bytes(carried)
    (jpegs / "cut.JPEG").write_bytes(carried[:-400])
    (jpegs / "stale.jpg").write_bytes(sidelight.jpeg_insert(coded(original("lake")), sidelight.jpeg_extract(carried)))
    (jpegs / "001.jpeg").write_bytes(carried)
    (jpegs / "notes.txt").write_text("not a picture")
    out = tmp_path / "jpeg/out"  # Inside: what is written is not read.
    returned = batch.run(source, str(out), client=client)
    rows = rows_of(out)
    assert list(rows.values()) == returned
    assert sorted(rows) == ["001.jpeg", "001.jpg", "002.jpg", "cut.JPEG", "deeper/000.jpg", "stale.jpg"]
    assert rows["001.jpeg"]["result"] == "done" and rows["001.jpeg"]["mode"] == "base"
    assert rows["001.jpg"]["note"] == "001.png is made of 001.jpeg"
    assert rows["002.jpg"]["mode"] == "off" and rows["002.jpg"]["note"].startswith("no payload")
    assert rows["cut.JPEG"]["result"] == "failed" and "damaged" in rows["cut.JPEG"]["note"]
    assert rows["stale.jpg"]["mode"] == "off" and "Stale" in rows["stale.jpg"]["note"]
    made = {"001.png", "002.png", "deeper/000.png", "stale.png"}
    assert set(tree(out)) == made | {"results.csv", "results.json"}

    decoder = sidelight.Decoder()
    decoder.set_payload(sidelight.jpeg_extract(carried), sidelight.CodecParams.from_jpeg(carried))
    better = jpeg_planes.to_rgb(decoder.filter(jpeg_planes.decode(carried)))
    assert np.array_equal(np.asarray(Image.open(out / "001.png")), better)
    plain = Image.open(jpegs / "002.jpg")
    assert np.array_equal(np.asarray(Image.open(out / "002.png")), np.asarray(plain))


def test_encoding(tmp_path, client):
    source, originals = folder_of(tmp_path, 4)
    (tmp_path / "original/001.png").unlink()
    Image.new("RGB", (9, 9)).save(tmp_path / "original/002.png")
    out = tmp_path / "out"
    settings = batch.Settings(effort=1)
    batch.run(source, str(out), client=client, originals=originals, settings=settings)
    rows = rows_of(out)
    assert rows["001.jpg"]["note"] == "no original"
    assert "the original is 9 x 9" in rows["002.jpg"]["note"]
    for name in ("deeper/000.jpg", "deeper/003.jpg"):
        row, carried = rows[name], (out / name).read_bytes()
        assert row["result"] == "done" and row["mode"] != "off"
        assert row["psnr_filtered"] > row["psnr_decoded"] + 0.1
        assert len(sidelight.jpeg_extract(carried)) == row["payload_bytes"]
        assert sidelight.jpeg_remove(carried) == (tmp_path / "jpeg" / name).read_bytes()
        decoder = sidelight.Decoder()
        assert decoder.set_payload(sidelight.jpeg_extract(carried), sidelight.CodecParams.from_jpeg(carried)) != "off"


def test_a_worker_is_killed(tmp_path, client):
    """The outputs are those of a run without a kill, and what was whole by then is not written again."""
    source, _ = folder_of(tmp_path, 24, (320, 240))
    settings = batch.Settings(mode="base")
    batch.run(source, str(tmp_path / "calm"), client=client, settings=settings)
    out, killed, whole = tmp_path / "killed", [], {}

    def kill(done, total, failed):
        if done == 4 and not killed:
            whole.update({p: p.stat().st_mtime_ns for p in out.rglob("*.json")})
            busy = [address for address, tasks in client.processing().items() if tasks]
            killed.extend(client.run(os.getpid, workers=busy[:1]).values())
            os.kill(killed[0], signal.SIGKILL)

    batch.run(source, str(out), client=client, settings=settings, progress=kill)
    assert killed and len(whole) >= 4
    assert tree(out) == tree(tmp_path / "calm")
    rows = rows_of(out)
    assert len(rows) == 24 and {row["result"] for row in rows.values()} == {"done"}
    assert {p: p.stat().st_mtime_ns for p in whole} == whole


def test_going_on(tmp_path, client):
    """What is whole is not done again; what is gone, or made of another file, is."""
    source, _ = folder_of(tmp_path, 6)
    out = tmp_path / "out"
    batch.run(source, str(out), client=client)
    first, times = tree(out), {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    (out / "001.png").unlink()
    (tmp_path / "jpeg/002.jpg").write_bytes(coded(original("lake")))
    (out / ".sidelight/rows/004.jpg.json").write_text("{")
    batch.run(source, str(out), client=client)
    again = {str(p.relative_to(out)) for p in out.rglob("*.png") if times[p] != p.stat().st_mtime_ns}
    assert again == {"001.png", "002.png", "004.png"}
    second = tree(out)
    assert {name for name in first if first[name] != second[name]} == {"002.png", "results.csv", "results.json"}
    batch.run(source, str(out), client=client, settings=batch.Settings(mode="base"))
    assert {row["mode"] for row in rows_of(out).values()} == {"base"}


def test_the_program_is_stopped_and_goes_on(tmp_path):
    source, _ = folder_of(tmp_path, 24, (320, 240))
    run = [sys.executable, "-m", "sidelight.batch", source, "--mode", "base", "--workers", "2"]
    calm, out = tmp_path / "calm", tmp_path / "out"
    assert subprocess.run([*run, calm], timeout=120).returncode == 0
    program = subprocess.Popen([*run, out], stderr=subprocess.DEVNULL)
    while len(list(out.rglob("*.jpg.json"))) < 3 and program.poll() is None:
        time.sleep(0.01)
    program.send_signal(signal.SIGINT)
    assert program.wait(timeout=60) != 0
    assert not (out / "results.csv").exists() and len(tree(out)) < 24
    for path in out.rglob("*.png"):
        Image.open(path).load()
    assert subprocess.run([*run, out], timeout=120).returncode == 0
    assert tree(out) == tree(calm)


def test_the_program_tells_what_is_wrong(tmp_path):
    (tmp_path / "a").mkdir()
    shutil.copy(ROOT / "tests/data/jpeg/cmyk.jpg", tmp_path / "a")
    run = [sys.executable, "-m", "sidelight.batch"]
    for arguments, status, text in [
        ([tmp_path / "a", tmp_path / "b"], 2, "1 of 1, 1 failed"),
        ([tmp_path / "a", tmp_path / "a"], 1, "can't be the output"),
        ([tmp_path / "b", tmp_path / "c"], 1, "no JPEGs in"),
        ([tmp_path / "a", tmp_path / "b", "--scheduler", "tcp://127.0.0.1:1", "--workers", "1"], 2, "--workers goes"),
        ([tmp_path / "a", "nowhere://b"], 1, "nowhere"),
    ]:
        done = subprocess.run([*run, *arguments], capture_output=True, text=True, timeout=120)
        assert (done.returncode, text in done.stderr) == (status, True), done.stderr


def test_storage(memory, local, tmp_path):
    """URLs of any storage; what fails now and then is tried again, what fails for good is told."""
    for i, name in enumerate(NAMES):
        memory.pipe(f"/in/{i}.jpg", coded(original(name)))
    calls, cat = {}, type(memory).cat_file

    def flaky(fs, path, *more, **named):
        calls[path] = calls.get(path, 0) + 1
        if path.endswith("/in/1.jpg") and calls[path] < 3 or path.endswith("/in/2.jpg"):
            raise OSError("no answer")
        return cat(fs, path, *more, **named)

    type(memory).cat_file = flaky
    try:
        rows = batch.run("memory://in", f"file://{tmp_path}/out", client=local)
    finally:
        type(memory).cat_file = cat
    assert [row["result"] for row in rows] == ["done", "done", "failed", "done"]
    assert rows[2]["note"] == "OSError: no answer"
    assert calls["/in/1.jpg"] == calls["/in/2.jpg"] == 3
    again = batch.run("memory://in", f"file://{tmp_path}/out", client=local)
    assert [row["result"] for row in again] == ["done"] * 4
    batch.run("memory://in", "memory://out", client=local)
    assert memory.cat_file("/out/2.png") == (tmp_path / "out/2.png").read_bytes()
    assert memory.cat_file("/out/results.json") == (tmp_path / "out/results.json").read_bytes()
    assert not memory.find("/out/.sidelight/temporary")

"""Folders of JPEGs through the filter, or through the encoder, on the workers of a Dask cluster.

`python -m sidelight.batch IN OUT` is run() as a program. A picture is a task: it is read, and what is made of
it written, by the worker; the scheduler sees names and rows of results alone. IN and OUT are paths or URLs of
whatever storage fsspec knows, that all workers reach.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import posixpath
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Callable, Literal, Optional

import fsspec
import numpy as np
from PIL import Image

import sidelight
from sidelight import jpeg_planes

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["COLUMNS", "MAX_BYTES", "Settings", "run"]

COLUMNS = (
    "picture",
    "result",
    "mode",
    "bytes_in",
    "bytes_out",
    "payload_bytes",
    "psnr_decoded",
    "psnr_filtered",
    "note",
)
"""The columns of results.csv, and the keys of each picture in results.json."""

MAX_BYTES = 1 << 30
"""The largest file that is read."""

_STATE = ".sidelight"
# Tasks that are with the scheduler at a time.
_WINDOW = 4096

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What is made of each picture."""

    mode: Literal["payload", "base", "off"] = "payload"
    """Decoding: as the payload says and unfiltered without one, by the base model, or as decoded."""
    model_size: Literal["default", "small", "medium", "large"] = "default"
    """Size of the base model, where no payload names one."""
    effort: int = 5
    """Encoding: what training may cost, 1 to 9."""
    no_update: bool = False
    """Encoding: payloads that ask for the base model at most."""


@dataclass(frozen=True)
class _Task:
    """One picture; all that a worker has to know."""

    name: str
    source: str
    output: str
    journal: str
    temporary: str
    original: Optional[str]
    size: int
    key: str
    settings: Settings


def run(
    source: str,
    output: str,
    *,
    client: Client,
    originals: Optional[str] = None,
    settings: Settings = Settings(),  # noqa: B008: it is frozen
    retries: int = 2,
    progress: Optional[Callable[[int, int, int], Any]] = None,
) -> list[Row]:
    """Makes a picture of each JPEG under `source`, and gives the rows of results, by name.

    Without originals each comes out as a PNG, filtered. With a folder of originals, of the same names but for
    the ending, each comes out as the JPEG with its payload. What an earlier run left whole is not done again.
    Storage that fails is tried `retries` times more; so is a picture whose worker died, and at the fourth death
    it has failed. results.csv and results.json are written last.

    `progress` is told how many pictures are through, of how many, and how many of these failed.
    """
    from distributed import as_completed

    run_id = uuid.uuid4().hex
    fs, root = fsspec.core.url_to_fs(output)
    failed, tasks = _tasks(source, output, originals, settings, run_id)
    rows = {row["picture"]: row for row in failed}
    total = len(rows) + len(tasks)
    running: dict[Future[Row], _Task] = {}
    waiting = iter(enumerate(tasks))
    finished = as_completed()

    def submit(count: int) -> None:
        for number, task in itertools.islice(waiting, count):
            # Not of the name: keys are to be UTF-8, which names of files need not be.
            future = client.submit(process, task, key=f"sidelight-{run_id}-{number}", retries=retries, pure=False)
            running[future] = task
            finished.add(future)

    fs.makedirs(root, exist_ok=True)
    try:
        submit(_WINDOW)
        for future in finished:
            task = running.pop(future)
            try:
                row = future.result()
            except Exception as error:  # Of storage or of the cluster: it is this picture's.
                row = _row(task.name, "failed", bytes_in=task.size, note=_told(error))
            future.release()
            rows[task.name] = row
            submit(1)
            if progress:
                progress(len(rows), total, sum(row["result"] == "failed" for row in rows.values()))
    finally:
        client.cancel(list(running))
        temporary = posixpath.join(root, _STATE, "temporary", run_id)
        if fs.exists(temporary):
            fs.rm(temporary, recursive=True)
    ordered = [rows[name] for name in sorted(rows)]
    _write_results(fs, root, run_id, ordered)
    return ordered


def process(task: _Task) -> Row:
    """What a worker does for a picture. Only storage raises: all else is the picture's row."""
    fs, output = fsspec.core.url_to_fs(task.output)
    journal = fs._strip_protocol(task.journal)
    done = _done(fs, output, journal, task.key)
    if done:
        return done
    # Ours decides which pictures are too large.
    Image.MAX_IMAGE_PIXELS = jpeg_planes.MAX_PIXELS
    if task.size > MAX_BYTES:
        return _row(task.name, "failed", bytes_in=task.size, note=f"{task.size} bytes are more than {MAX_BYTES}")
    data = _read(task.source)
    original = _read(task.original) if task.original else None
    try:
        if original is None:
            made, row = _decoded(data, task.settings)
        else:
            made, row = _encoded(data, original, task.settings)
    except Exception as error:  # Bytes to bytes: it would fail again.
        return _row(task.name, "failed", bytes_in=len(data), note=_told(error))
    row = _row(task.name, "done", bytes_in=len(data), bytes_out=len(made), **row)
    _write(fs, output, fs._strip_protocol(task.temporary), made)
    entry = json.dumps({"key": task.key, "row": row}).encode()
    _write(fs, journal, fs._strip_protocol(task.temporary), entry)
    return row


def _decoded(data: bytes, settings: Settings) -> tuple[bytes, Row]:
    """A PNG with the JPEG's ICC profile and EXIF."""
    picture = jpeg_planes.decode(data)
    decoder = sidelight.Decoder(1, model_size=settings.model_size)
    row: Row = {"mode": "off"}
    try:
        params = sidelight.CodecParams.from_jpeg(data)
        if settings.mode == "base":
            decoder.set_mode("base", params)
            row["mode"] = "base"
        elif settings.mode == "payload":
            payload = sidelight.jpeg_extract(data)
            row["payload_bytes"] = len(payload)
            row["mode"] = decoder.set_payload(payload, params)
    except sidelight.NoPayload:
        row["note"] = "no payload; unfiltered"
    except sidelight.Error as error:
        row["note"] = f"{_told(error)}; unfiltered"
    rgb = jpeg_planes.to_rgb(picture if row["mode"] == "off" else decoder.filter(picture))
    file = io.BytesIO()
    with Image.open(io.BytesIO(data)) as jpeg:
        metadata = {key: jpeg.info[key] for key in ("icc_profile", "exif") if key in jpeg.info}
    Image.fromarray(rgb).save(file, "PNG", **metadata)
    return file.getvalue(), row


def _encoded(data: bytes, original: bytes, settings: Settings) -> tuple[bytes, Row]:
    """The JPEG with a payload, or without one where none gains."""
    decoded = jpeg_planes.decode(data)
    wanted = jpeg_planes.from_rgb(_opened(original, decoded), decoded.layout)
    payload, report = sidelight.encode(
        wanted,
        decoded,
        sidelight.CodecParams.from_jpeg(data),
        no_update=settings.no_update,
        effort=settings.effort,
        threads=1,
        model_size=settings.model_size,
    )
    row: Row = {
        "mode": report.mode,
        "psnr_decoded": _rounded(report.psnr_decoded),
        "psnr_filtered": _rounded(report.psnr_payload),
    }
    if report.mode == "off":
        return sidelight.jpeg_remove(data), {**row, "note": "no payload would gain"}
    return sidelight.jpeg_insert(data, payload), {**row, "payload_bytes": len(payload)}


def _opened(data: bytes, like: sidelight.Picture) -> Any:
    """An original as an array, gray where the JPEG is."""
    image: Image.Image
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > jpeg_planes.MAX_PIXELS:
            raise ValueError(f"the original has more than {jpeg_planes.MAX_PIXELS} pixels")
        if image.size != (like.width, like.height):
            size = f"{image.width} x {image.height}"
            raise ValueError(f"the original is {size}, the JPEG {like.width} x {like.height}")
        if image.mode.startswith(("I", "F")):
            raise ValueError("originals of more than 8 bits are not supported")
        if image.mode == "L":
            rgb = np.asarray(image)
            return rgb if like.layout == "I400" else np.stack((rgb, rgb, rgb), axis=2)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(white, image).convert("RGB"))
        return np.asarray(image.convert("RGB"))


def _tasks(
    source: str, output: str, originals: Optional[str], settings: Settings, run_id: str
) -> tuple[list[Row], list[_Task]]:
    """What can't be done, and what is to be done, by name."""
    found = _files(source, output)
    others = _files(originals, output) if originals else {}
    if originals and fsspec.core.url_to_fs(originals) == fsspec.core.url_to_fs(source):
        others = {name: info for name, info in others.items() if not _is_jpeg(name)}
    by_stem: dict[str, list[str]] = {}
    for name in others:
        by_stem.setdefault(posixpath.splitext(name)[0], []).append(name)
    common = json.dumps([sidelight.__version__, asdict(settings), bool(originals)])
    rows, tasks = [], []
    taken: dict[str, str] = {}
    for name in sorted(found):
        if not _is_jpeg(name):
            continue
        stem = posixpath.splitext(name)[0]
        made = name if originals else stem + ".png"
        matches = by_stem.get(stem, [])
        problem = None
        if made in taken:
            problem = f"{made} is made of {taken[made]}"
        elif originals and len(matches) == 1 and (others[matches[0]].get("size") or 0) > MAX_BYTES:
            problem = f"the original has more than {MAX_BYTES} bytes"
        elif originals and len(matches) != 1:
            problem = "several originals: " + ", ".join(sorted(matches)) if matches else "no original"
        if problem:
            rows.append(_row(name, "failed", bytes_in=found[name].get("size"), note=problem))
            continue
        taken[made] = name
        infos = [found[name], others[matches[0]] if originals else {}]
        known = [sorted((k, str(v)) for k, v in info.items()) for info in infos]
        key = hashlib.sha256(repr([common, known]).encode("utf-8", "surrogateescape")).hexdigest()
        tasks.append(
            _Task(
                name=name,
                source=_join(source, name),
                output=_join(output, made),
                journal=_join(output, f"{_STATE}/rows/{name}.json"),
                temporary=_join(output, f"{_STATE}/temporary/{run_id}"),
                original=_join(originals, matches[0]) if originals else None,
                size=found[name].get("size") or 0,
                key=key,
                settings=settings,
            )
        )
    if not rows and not tasks:
        raise ValueError(f"no JPEGs in {source}")
    return rows, tasks


def _files(folder: str, output: str) -> dict[str, dict[str, Any]]:
    """What is known of each file under a folder, by its name from there on; without what is in the output."""
    fs, root = fsspec.core.url_to_fs(folder)
    out_fs, out = fsspec.core.url_to_fs(output)
    root, out = root.rstrip("/") + "/", out.rstrip("/") + "/"
    if fs == out_fs and root == out:
        raise ValueError(f"{folder} is where pictures are read, and can't be the output")
    files = {}
    for path, info in fs.find(root, detail=True).items():
        if not (fs == out_fs and path.startswith(out)):
            files[path[len(root) :]] = info
    return files


def _is_jpeg(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in (".jpg", ".jpeg", ".jpe")


def _join(folder: str, name: str) -> str:
    return folder.rstrip("/") + "/" + name


def _read(url: str) -> bytes:
    fs, path = fsspec.core.url_to_fs(url)
    data: bytes = fs.cat_file(path)
    return data


def _write(fs: Any, path: str, temporary: str, data: bytes) -> None:
    """A file that is there whole or not at all."""
    part = posixpath.join(temporary, uuid.uuid4().hex)
    for folder in (temporary, posixpath.dirname(path)):
        fs.makedirs(folder, exist_ok=True)
    fs.pipe_file(part, data)
    fs.mv(part, path)


def _done(fs: Any, output: str, journal: str, key: str) -> Optional[Row]:
    """The row of a picture that is whole, and was made as it would be now."""
    try:
        entry = json.loads(fs.cat_file(journal))
        if entry["key"] == key and fs.exists(output):
            return _row(**entry["row"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        pass
    return None


def _row(picture: str, result: str, **more: Any) -> Row:
    row = {"picture": picture, "result": result, **more}
    if not row.keys() <= set(COLUMNS):
        raise KeyError("not a row of results")
    return {column: row.get(column) for column in COLUMNS}


def _told(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _rounded(psnr: float) -> Optional[float]:
    return round(psnr, 4) if math.isfinite(psnr) else None


def _write_results(fs: Any, root: str, run_id: str, rows: list[Row]) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    listed = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    temporary = posixpath.join(root, _STATE, "temporary", run_id)
    for name, text in (("results.csv", table.getvalue()), ("results.json", listed)):
        _write(fs, posixpath.join(root, name), temporary, text.encode("utf-8", "surrogateescape"))
    fs.rm(temporary, recursive=True)

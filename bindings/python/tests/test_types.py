"""The stub against the module, and the annotations of what is written in Python."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import sidelight

pytest.importorskip("mypy")
pytest.importorskip("distributed")

CONFIG = ROOT / "bindings/python/pyproject.toml"

CALLS = """
import numpy as np
import sidelight
decoder = sidelight.Decoder(1, model_size="small")
decoder.set_mode("base", sidelight.CodecParams.hevc(30, 31, 32))
reveal_type(decoder.filter(sidelight.Picture(np.zeros((8, 8), np.uint8))).width)
decoder.set_mode("update")
sidelight.Picture(np.zeros((8, 8), np.float32))
sidelight.encode(1)
"""


def mypy(*arguments):
    run = [sys.executable, "-m", *arguments]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT / "bindings/python/tests")
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return ["--config-file", str(CONFIG), "--cache-dir", str(tmp_path_factory.mktemp("cache"))]


def test_the_stub_is_the_modules():
    status, text = mypy("mypy.stubtest", "sidelight", "--mypy-config-file", str(CONFIG))
    assert status == 0, text
    assert Path(sidelight.__file__).with_name("py.typed").exists()


def test_annotations_are_right(options):
    status, text = mypy("mypy", *options, "-p", "sidelight")
    assert status == 0, text


def test_wrong_calls_are_found(options, tmp_path):
    calls = tmp_path / "calls.py"
    calls.write_text(CALLS)
    status, text = mypy("mypy", *options, str(calls))
    assert status == 1
    errors = [line.split(":")[1] for line in text.splitlines() if ": error:" in line]
    assert sorted(set(errors)) == ["7", "8", "9"], text
    assert 'note: Revealed type is "int"' in text.replace("builtins.", "")

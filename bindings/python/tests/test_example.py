"""The example, on small pictures."""

import subprocess
import sys

from conftest import ROOT
from PIL import Image

EXAMPLE = ROOT / "bindings/python/examples/results_row.py"


def test_a_row(tmp_path):
    for name in ("camera", "coffee"):
        whole = Image.open(ROOT / "tests/pictures" / f"{name}.png")
        whole.crop((100, 100, 233, 197)).save(tmp_path / f"{name}.png")
    run = [sys.executable, EXAMPLE, tmp_path, "10"]
    lines = subprocess.run(run, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == 3 and lines[0].startswith("| QF | bytes |")
    quality, _, plain, base, update, payload, net = (
        float(cell) for cell in lines[2].strip("| ").split("|")
    )
    assert quality == 10 and 20 < plain < 40
    assert base > 0.3 and update >= 0 and payload >= 8 and net >= 0

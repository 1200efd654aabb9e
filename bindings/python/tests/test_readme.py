"""The README's example is a program."""

import re

from conftest import ROOT


def test_the_example_runs(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "bindings/python/README.md").read_text(encoding="utf-8")
    names = {}
    exec(re.search(r"```python\n(.*?)```", text, re.S).group(1), names)
    assert capsys.readouterr().out.startswith("update ")
    assert names["better"].shape == names["original"].shape

"""What is public, its documentation, and the stub."""

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import sidelight

STUB = Path(sidelight.__file__).with_name("__init__.pyi")


def test_exceptions():
    assert sidelight.Error.__module__ == "sidelight"
    for name in sidelight.__all__:
        thing = getattr(sidelight, name)
        if inspect.isclass(thing) and issubclass(thing, Exception):
            assert issubclass(thing, sidelight.Error), name
    assert issubclass(sidelight.InvalidArgument, ValueError)


def test_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert sidelight.__version__ == version


def test_everything_is_documented():
    assert sidelight.__doc__
    for name in sidelight.__all__:
        thing = getattr(sidelight, name)
        if inspect.isclass(thing) or callable(thing):
            assert thing.__doc__, name
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for member in public(thing):
                assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"


def public(thing):
    return {name for name in vars(thing) if not name.startswith("_")}


def names(nodes):
    """Of classes and functions, with their nodes."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    return {node.name: node for node in nodes if isinstance(node, kinds)}


def test_the_stub_has_the_same_names():
    tree = ast.parse(STUB.read_text())
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    assert sorted(listed) == sorted(sidelight.__all__)
    stubs = names(tree.body)
    assert set(stubs) == set(listed) - {"SEI_UUID", "FULL_STRENGTH", "__version__"}
    for name, node in stubs.items():
        thing = getattr(sidelight, name)
        if isinstance(node, ast.ClassDef):
            members = {m for m in names(node.body) if not m.startswith("_")}
            assert members == public(thing), name


def signatures():
    tree = names(ast.parse(STUB.read_text()).body)
    for name, node in tree.items():
        thing = getattr(sidelight, name)
        if isinstance(node, ast.FunctionDef):
            yield name, thing, node.args
            continue
        for member, method in names(node.body).items():
            # Python 3.9 has no signatures of such classes.
            if member == "__new__" and sys.version_info >= (3, 10):
                yield name, thing, method.args
            elif not member.startswith("_") and callable(getattr(thing, member)):
                yield f"{name}.{member}", getattr(thing, member), method.args


@pytest.mark.parametrize(("name", "thing", "args"), list(signatures()))
def test_the_stub_has_the_same_signatures(name, thing, args):
    def plain(parameters):
        return [p for p in parameters if p[0] not in ("self", "cls")]

    defaults = [None] * (len(args.args) - len(args.defaults)) + args.defaults
    stub = [(a.arg, d and ast.literal_eval(d)) for a, d in zip(args.args, defaults)]
    stub += [(a.arg, d and ast.literal_eval(d)) for a, d in zip(args.kwonlyargs, args.kw_defaults)]
    parameters = inspect.signature(thing).parameters.values()
    real = [(p.name, None if p.default is p.empty else p.default) for p in parameters]
    assert plain(stub) == plain(real)

"""Records: frozen, equal by class and value, silent about what is secret, and known by their defaults."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from copy import copy
from pickle import dumps, loads
from typing import Any

import pytest
from rich.pretty import pretty_repr

import zun_compose
from zun_compose.cli.settings import Settings
from zun_compose.container import FileContent
from zun_compose.driver import Session
from zun_compose.model import Build, FileObject, Probe, ProbeKind, Service
from zun_compose.options import RunOptions
from zun_compose.parse import Loaded, Request
from zun_compose.parse.discovery import Found
from zun_compose.record import Mutable, Record, as_dict, defaults, field, replace

SECRET = "s3cret-value"
SILENT = {
    (Probe, "headers"),
    (Build, "args"),
    (Service, "environment"),
    (FileObject, "content"),
    (FileContent, "content"),
    (Session, "environment"),
    (RunOptions, "environment"),
    (Request, "environment"),
    (Found, "variables"),
    (Loaded, "tree"),
    (Loaded, "variables"),
}


class Point(Record):
    x: int
    y: int = 0
    seen: list[int] = field(default_factory=list)


class Pair(Record, kw_only=True):
    first: object
    second: object = None


class Other(Record):
    x: int
    y: int = 0
    seen: list[int] = field(default_factory=list)


class Count(Mutable):
    at: int = 0


def every() -> Iterator[type[Record]]:
    """All records of the package."""
    for module in pkgutil.walk_packages(zun_compose.__path__, "zun_compose."):
        importlib.import_module(module.name)
    for kind in Record.__subclasses__():
        if kind.__module__.startswith("zun_compose."):
            yield kind


def test_a_record_is_frozen_and_hidden_names_are_fields() -> None:
    kinds = list(every())
    assert len(kinds) > 100
    for kind in kinds:
        assert kind.__struct_config__.frozen, kind
        assert set(kind.unshown) <= set(kind.__struct_fields__), kind
        assert not kind.__subclasses__(), kind


def test_what_may_hold_a_secret_is_silent_by_its_name() -> None:
    """A new field of such a name must be decided on: here, or as unshown."""
    telling = {
        (kind, name)
        for kind in every()
        for name in kind.__struct_fields__
        if name in ("environment", "variables", "args", "headers", "content", "tree")
        and name not in kind.unshown
    }
    # The name of a variable, not its value.
    assert telling == {(FileObject, "environment")}


def test_secrets_are_in_no_repr() -> None:
    unshown = {(kind, name) for kind in every() for name in kind.unshown}
    assert unshown >= SILENT
    for kind, name in unshown:
        required: dict[str, Any] = {
            field: "x" for field, default in defaults(kind) if type(default) is object
        }
        one = kind(**{**required, name: {"KEY": SECRET}})
        assert SECRET in str(getattr(one, name))
        for text in (repr(one), str(one), f"{one}", repr([one]), pretty_repr(one)):
            assert text.count(f"{kind.__name__}(") == 1
            assert SECRET not in text
            assert "KEY" not in text


def test_secrets_are_in_no_repr_of_what_holds_them() -> None:
    probe = Probe(kind=ProbeKind.HTTP, headers={"Authorization": SECRET})
    assert SECRET not in repr(Service(name="a", readiness=(probe,), environment={"A": SECRET}))


def test_settings_are_silent_about_the_environment() -> None:
    shown = repr(Settings(driver="memory", environment={"KEY": SECRET}))
    assert "driver='memory'" in shown
    assert SECRET not in shown
    assert SECRET not in pretty_repr(Settings(environment={"KEY": SECRET}))


def test_a_repr_shows_the_rest() -> None:
    assert repr(Point(1, seen=[2])) == "Point(x=1, y=0, seen=[2])"


def test_records_are_equal_by_class_and_value() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    other: object = Other(1)
    assert Point(1) != other
    assert hash(Pair(first=1)) == hash(Pair(first=1))
    assert Point(1).seen is not Point(1).seen


def test_records_do_not_change() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del point.x
    moved = replace(point, x=2)
    assert (point.x, moved.x) == (1, 2)
    with pytest.raises(TypeError):
        replace(point, z=2)  # type: ignore[call-arg]
    assert copy(point) == point == loads(dumps(point))


def test_mutables_change_and_take_nothing_else() -> None:
    count = Count()
    count.at += 1
    assert count == Count(1)
    with pytest.raises(AttributeError):
        count.other = 1  # type: ignore[attr-defined]


def test_defaults_are_known() -> None:
    (x, x_default), *rest = defaults(Point)
    assert x == "x"
    assert x_default not in (0, None, "")
    assert rest == [("y", 0), ("seen", [])]


def test_a_record_becomes_a_dict_all_the_way_down() -> None:
    pair = Pair(first=(Point(1), [Point(2)]), second={"a": Point(3), "b": "c"})
    assert as_dict(pair) == {
        "first": ({"x": 1, "y": 0, "seen": []}, [{"x": 2, "y": 0, "seen": []}]),
        "second": {"a": {"x": 3, "y": 0, "seen": []}, "b": "c"},
    }


def test_help_loads_no_records() -> None:
    """What `--help` and `version` load is click and three small modules; records cost what msgspec costs."""
    program = (
        "import sys\n"
        "import zun_compose.cli.main as main\n"
        "main.run(['--help'])\n"
        "main.run(['version'])\n"
        "print('zun_compose.record' in sys.modules, 'msgspec' in sys.modules, 'dataclasses' in sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "False False False"

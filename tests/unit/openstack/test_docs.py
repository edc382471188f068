"""docs/openstack-proxy.md names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from zun_compose.openstack import errors
from zun_compose.openstack.proxy import Proxy

PAGE = (Path(__file__).parents[3] / "docs" / "openstack-proxy.md").read_text()


def test_the_table_has_every_method() -> None:
    rows = re.search(r"^\| method .*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert rows is not None
    told = {
        name for row in rows[0].strip().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    ours = [part for part in Proxy.__mro__ if part.__module__.startswith("zun_compose.")]
    names = {name for part in ours for name, found in vars(part).items() if callable(found)}
    assert told == {name for name in names if not name.startswith("_")}


def test_the_table_has_every_error() -> None:
    rows = re.search(r"^\| class .*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert rows is not None
    told = {
        name
        for row in rows[0].strip().splitlines()[2:]
        for name in re.findall(r"\b[A-Z]\w+", row.split("|")[1])
    }
    classes = {name for name, found in vars(errors).items() if isinstance(found, type)}
    ours = {name for name in classes if vars(errors)[name].__module__ == errors.__name__}
    assert told == ours - {"ServiceError"}

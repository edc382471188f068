"""The proxy stands alone, is loaded late, and has no method that no test of the cloud calls."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from zun_compose.openstack.proxy import Proxy

CLOUD_TESTS = Path(__file__).parents[2] / "openstack"


def loaded(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(said.stdout.split())


def test_it_loads_nothing_else_of_the_package() -> None:
    ours = {name for name in loaded("import zun_compose.openstack.proxy") if name.startswith("zun_compose")}
    assert {name for name in ours if not name.startswith("zun_compose.openstack")} == {"zun_compose"}


def test_the_sdk_is_loaded_on_use() -> None:
    assert "openstack" in loaded("import zun_compose.openstack.proxy")
    assert not {"openstack", "keystoneauth1", "requests"} & loaded("import zun_compose.openstack")
    assert "openstack" not in loaded("import zun_compose.cli.main")


def test_every_method_is_called_by_a_test_of_the_cloud() -> None:
    called = {
        node.attr
        for path in CLOUD_TESTS.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    ours = [part for part in Proxy.__mro__ if part.__module__.startswith("zun_compose.")]
    names = {name for part in ours for name, found in vars(part).items() if callable(found)}
    assert {name for name in names if not name.startswith("_")} <= called


def test_every_public_method_says_what_it_does() -> None:
    ours = [part for part in Proxy.__mro__ if part.__module__.startswith("zun_compose.")]
    silent = [
        name
        for part in ours
        for name, found in vars(part).items()
        if callable(found) and not name.startswith("_") and not (found.__doc__ or "").strip()
    ]
    assert not silent

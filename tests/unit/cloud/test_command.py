"""What the cloud's command says when it cannot do what it is asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cloud import __main__ as command
from tests.cloud import packages, settings
from tests.cloud.errors import CloudError
from tests.cloud.settings import Port


def called(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> int:
    monkeypatch.setenv("ZUN_COMPOSE_CLOUD", str(folder))
    monkeypatch.setattr(sys, "argv", ["cloud", *words])
    return command.main()


@pytest.mark.parametrize("word", ["up", "down", "status", "reload", "wipe", "packages"])
def test_who_is_not_root_gets_one_line_and_no_folder(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("/var/tmp/zun-compose-no-cloud")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert called(monkeypatch, folder, word) == 1
    told = capsys.readouterr().err
    assert "takes root" in told
    assert told.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize("entry", ["fruit=1", "zun", "zun=0", "zun=65536", "zun=x"])
def test_a_port_that_is_none_is_refused_before_anything_is_made(
    entry: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("/var/tmp/zun-compose-no-cloud")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    try:
        assert called(monkeypatch, folder, "up", "--port", entry) == 1
        assert entry in capsys.readouterr().err
        assert not (folder / "settings.json").exists()
    finally:
        (folder / settings.LOCK).unlink(missing_ok=True)
        folder.rmdir()


def test_every_port_has_a_number_of_its_own() -> None:
    assert set(settings.PORTS) == set(Port)
    assert len(set(settings.PORTS.values())) == len(Port)


def test_missing_packages_are_named_as_apt_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "PATH", str(tmp_path))
    lacking = packages.missing(engine=True, venv=False)
    assert {"mariadb-server", "openvswitch-switch", "docker.io", "docker-registry"} <= set(lacking)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CloudError, match=r"apt-get install .*mariadb-server"):
        packages.install(lacking, tmp_path / "log")


def test_what_pip_installs_is_pinned_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = dict(
        line.lower().split("==") for line in packages.CONSTRAINTS.read_text().splitlines() if "==" in line
    )
    wanted = [
        line.lower() for line in packages.REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"
    ]
    assert len(pins) > 200
    for line in wanted:
        name, exact, version = line.partition("==")
        assert not exact or pins[name] == version

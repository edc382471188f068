"""A cloud's folder: whose it is, what is remembered, who holds it."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from tests.cloud import settings
from tests.cloud.errors import CloudError
from tests.cloud.settings import Port


def test_what_was_settled_is_read_again(tmp_path: Path) -> None:
    place = tmp_path / "cloud"
    with settings.locked(place):
        made = settings.fresh(place)._replace(
            ports={**settings.PORTS, Port.ZUN: 9999}, heat_plugins=("/a", "/b")
        )
        settings.save(made)
    assert settings.load(place) == made


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    place = tmp_path / "cloud"
    with settings.locked(place):
        settings.save(settings.fresh(place))
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE((place / "settings.json").stat().st_mode) == 0o600


def test_each_cloud_has_a_password_of_its_own(tmp_path: Path) -> None:
    assert settings.fresh(tmp_path).password != settings.fresh(tmp_path).password


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("years of work")
    with pytest.raises(CloudError, match="not empty"), settings.locked(tmp_path):
        pass
    with pytest.raises(CloudError, match="not empty"):
        settings.load(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis"]


def test_a_folder_that_only_keeps_the_virtual_environment_is_taken(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    with settings.locked(tmp_path):
        settings.save(settings.fresh(tmp_path))
    assert settings.load(tmp_path) is not None


def test_settings_that_cannot_be_read_are_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(CloudError, match="run wipe"):
        settings.load(tmp_path)


@pytest.mark.parametrize("folder", ["relative", "/" + "x" * 60])
def test_a_folder_whose_sockets_would_have_no_room_is_refused(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZUN_COMPOSE_CLOUD", folder)
    with pytest.raises(CloudError, match="ZUN_COMPOSE_CLOUD"):
        settings.folder()


def test_two_calls_do_not_cross(tmp_path: Path) -> None:
    place = tmp_path / "cloud"
    lines: list[str] = []

    def second() -> None:
        with settings.locked(place):
            lines.append("second")

    with settings.locked(place):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        lines.append("first")
    other.join(10)
    assert lines == ["first", "second"]


def test_who_waited_for_a_folder_that_was_wiped_meanwhile_gets_a_new_one(tmp_path: Path) -> None:
    place = tmp_path / "cloud"
    held = threading.Event()

    def second() -> None:
        with settings.locked(place):
            if (place / settings.LOCK).exists():
                held.set()

    with settings.locked(place):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        (place / settings.LOCK).unlink()
        place.rmdir()
    other.join(10)
    assert held.is_set()

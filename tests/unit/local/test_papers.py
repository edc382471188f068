"""What is kept of containers, and in which folder."""

from __future__ import annotations

import os
import stat

import pytest

from zun_compose.drivers.local.home import Home, Place, safe, wipe
from zun_compose.drivers.local.logs import LogStream
from zun_compose.drivers.local.papers import (
    Account,
    Blueprint,
    Check,
    Content,
    Fixture,
    Nic,
    Publication,
)
from zun_compose.errors import NotFound, StateError


@pytest.fixture
def place(tmp_path) -> Place:
    made = Place(tmp_path / ("a" * 64))
    made.path.mkdir()
    return made


BLUEPRINT = Blueprint(
    id="a" * 64,
    name="web",
    stack="s",
    service="web",
    number=1,
    image="host",
    image_id="sha256:x",
    created_at="now",
    argv=("sh", "-c", "true"),
    environment={"SECRET": "hidden"},
    mounts=(Fixture(kind="bind", target="/data", source="/x", read_only=True),),
    files=(Content(target="/conf", number=0),),
    nics=(Nic(network="n", aliases=("web",), ipv4="10.0.0.2"),),
    ports=(Publication(target=80, published="8080"),),
    exposed=((80, "tcp"),),
    extra_hosts=(("a", "1.2.3.4"),),
    ulimits=(("nofile", 1, 2),),
    check=Check(test=("CMD", "true"), command=("true",), interval=1.5),
)


def test_a_blueprint_comes_back_as_it_was_written(place) -> None:
    BLUEPRINT.save(place)
    assert Blueprint.load(place) == BLUEPRINT
    assert stat.S_IMODE(place.spec.stat().st_mode) == 0o600
    assert "hidden" not in repr(BLUEPRINT)


def test_what_a_newer_version_added_is_left_out(place) -> None:
    BLUEPRINT.save(place)
    place.spec.write_text(place.spec.read_text().replace('{"format"', '{"from_the_future":1,"format"'))
    assert Blueprint.load(place) == BLUEPRINT


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_torn_blueprint_is_no_container(place, text) -> None:
    place.spec.write_text(text)
    with pytest.raises(NotFound):
        Blueprint.load(place)


def test_an_account_comes_back_as_it_was_written(place) -> None:
    account = Account(status="running", pid=3, ports=((80, "tcp", "0.0.0.0", 8080),), addresses={"n": "a"})
    account.save(place)
    assert Account.load(place) == account


def test_a_home_is_private_and_keeps_its_id(tmp_path) -> None:
    home = Home(tmp_path / "home")
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert Home(tmp_path / "home").engine == home.engine
    assert Home(tmp_path / "other").engine != home.engine


def test_a_newer_home_is_refused(tmp_path) -> None:
    Home(tmp_path)
    (tmp_path / "version").write_text("99")
    with pytest.raises(StateError, match="newer"):
        Home(tmp_path)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "x" * 300, "web.1", "é"])
def test_any_name_is_one_file_name(name) -> None:
    assert "/" not in safe(name)
    assert safe(name) not in (".", "..")
    assert len(safe(name)) <= 255
    assert safe(name) != safe(f"{name}2")


def test_a_name_has_one_holder(tmp_path) -> None:
    home = Home(tmp_path)
    for container in ("a" * 64, "b" * 64):
        place = home.place(container)
        place.path.mkdir()
        place.spec.write_text("{}")
        place.name.write_text("web")
    assert home.take_name("web", "a" * 64)
    assert not home.take_name("web", "b" * 64)
    assert home.find("web").id == home.find("aaaaaa").id == "a" * 64
    home.drop_name("web", "b" * 64)
    assert home.named("web") is not None
    home.drop_name("web", "a" * 64)
    assert home.named("web") is None


def test_whatever_modes_there_are_a_folder_can_be_wiped(tmp_path) -> None:
    folder = tmp_path / "gone"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").touch()
    (folder / "link").symlink_to(tmp_path)
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)
    wipe(folder)
    assert not folder.exists()
    assert tmp_path.exists()
    wipe(folder)


def log(place: Place, *entries: str) -> None:
    with place.log.open("a") as file:
        file.writelines(f"{entry}\n" for entry in entries)


def read(place: Place, **wanted) -> list[str]:
    asked = {"follow": False, "tail": None, "since": None, "until": None, "timestamps": False, **wanted}
    return [line.text for line in LogStream(place, **asked)]


def test_logs_are_read_through_rotated_files(place) -> None:
    log(place, "2026-01-01T00:00:00.000000000Z o one")
    place.log.rename(place.log.with_name("log.2"))
    log(place, "2026-01-01T00:00:01.000000000Z e two")
    place.log.rename(place.log.with_name("log.1"))
    log(place, "2026-01-01T00:00:02.000000000Z o three")
    assert read(place) == ["one", "two", "three"]
    assert read(place, tail=2) == ["two", "three"]
    assert read(place, tail=0) == []


def test_cut_lines_are_whole_again(place) -> None:
    log(
        place,
        "2026-01-01T00:00:00.000000000Z O one ",
        "2026-01-01T00:00:00.000000000Z e other",
        "2026-01-01T00:00:01.000000000Z o two",
    )
    assert read(place) == ["other", "one two"]


def test_a_reader_goes_on_when_the_file_is_rotated_under_it(place) -> None:
    log(place, "2026-01-01T00:00:00.000000000Z o one")
    stream = LogStream(place, follow=False, tail=None, since=None, until=None, timestamps=True)
    assert next(stream).at == "2026-01-01T00:00:00.000000000Z"
    log(place, "2026-01-01T00:00:00.000000000Z o two")
    os.rename(place.log, place.log.with_name("log.1"))
    log(place, "2026-01-01T00:00:01.000000000Z o three")
    assert [line.text for line in stream] == ["two", "three"]

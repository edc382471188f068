"""Files in and out of containers: what an engine does, and where things land."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.contract.lab import Lab, Process
from zun_compose.container import State
from zun_compose.copying import copy_in, copy_out
from zun_compose.driver import Copies, ExecProbe
from zun_compose.errors import DriverError, NotFound, Rejected
from zun_compose.options import CopyOptions

ALIVE = ("created", "running", "ended")


def tar_of(*entries: tuple[str, bytes | str | None], owner: int = 0, mode: int = 0o640) -> io.BytesIO:
    """A tar of files (bytes), links (str) and folders (None)."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.uid = entry.gid = owner
            entry.mode, entry.mtime = (mode, 1_600_000_000)
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o750
                tar.addfile(entry)
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    made.seek(0)
    return made


def entries(driver: Any, container: str, path: str) -> dict[str, tarfile.TarInfo]:
    archive = io.BytesIO(b"".join(driver.get_archive(container, path)))
    with tarfile.open(fileobj=archive) as tar:
        return {entry.name.rstrip("/"): entry for entry in tar}


def content(driver: Any, container: str, path: str) -> bytes:
    archive = io.BytesIO(b"".join(driver.get_archive(container, path)))
    with tarfile.open(fileobj=archive) as tar:
        file = tar.extractfile(next(iter(tar)))
        assert file is not None
        return file.read()


@pytest.mark.parametrize("life", ALIVE)
def test_what_is_put_in_comes_out_again(lab: Lab, life: str) -> None:
    driver = lab.need(Copies)
    process = Process(exits=0) if life == "ended" else Process()
    container = lab.create(process)
    if life != "created":
        lab.driver.start(container)
    if life == "ended":
        lab.ended(container)
    driver.put_archive(
        container, "/tmp", tar_of(("tree", None), ("tree/file", b"text"), ("tree/link", "file"))
    )
    assert driver.look(container, "/tmp/tree").folder
    assert driver.look(container, "/tmp/tree/file").name == "file"
    assert driver.look(container, "/tmp/tree/link").link == "/tmp/tree/file"
    got = entries(driver, container, "/tmp/tree")
    assert set(got) == {"tree", "tree/file", "tree/link"}
    assert [got[name].mode & 0o7777 for name in ("tree", "tree/file")] == [0o750, 0o640]
    assert got["tree/file"].mtime == 1_600_000_000
    assert got["tree/link"].linkname == "file"
    assert content(driver, container, "/tmp/tree/file") == b"text"


def test_what_is_put_into_a_stopped_one_is_there_when_it_runs(lab: Lab) -> None:
    driver = lab.need(Copies)
    container = lab.create()
    driver.put_archive(container, "/tmp", tar_of(("file", b"text")))
    lab.driver.start(container)
    commands = lab.need(ExecProbe)
    assert commands.execute(container, ["cat", "/tmp/file"], timeout=20).output == "text"
    commands.execute(container, ["sh", "-c", "echo more >> /tmp/file"], timeout=20)
    lab.driver.stop(container, 0)
    assert lab.driver.inspect(container).state is State.EXITED
    assert content(driver, container, "/tmp/file") == b"textmore\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has all owners")
def test_owners_are_as_the_tar_tells(lab: Lab) -> None:
    driver = lab.need(Copies)
    container = lab.running()
    driver.put_archive(container, "/tmp", tar_of(("file", b""), owner=1234))
    assert entries(driver, container, "/tmp/file")["file"].uid == 1234


def test_what_is_not_there_is_not_found(lab: Lab) -> None:
    driver = lab.need(Copies)
    container = lab.running()
    for call in (
        lambda: driver.look(container, "/tmp/no"),
        lambda: list(driver.get_archive(container, "/tmp/no")),
        lambda: driver.put_archive(container, "/tmp/no", tar_of(("file", b""))),
        lambda: list(driver.get_archive(lab.name("gone"), "/")),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_file_never_takes_the_place_of_a_folder(lab: Lab) -> None:
    driver = lab.need(Copies)
    container = lab.running()
    driver.put_archive(container, "/tmp", tar_of(("thing", None), ("thing/kept", b"kept")))
    with pytest.raises(DriverError):
        driver.put_archive(container, "/tmp", tar_of(("thing", b"file")))
    with pytest.raises(DriverError):
        driver.put_archive(container, "/tmp", tar_of(("thing/kept", None)))
    assert content(driver, container, "/tmp/thing/kept") == b"kept"


def test_what_the_engine_has_mounted_stays(lab: Lab) -> None:
    driver = lab.need(Copies)
    lab.alone()
    container = lab.running()
    before = content(driver, container, "/etc/hosts")
    with pytest.raises(DriverError):
        driver.put_archive(container, "/etc", tar_of(("hosts", b"gone")))
    assert lab.need(ExecProbe).execute(container, ["cat", "/etc/hosts"], timeout=20).output != "gone"
    assert content(driver, container, "/etc/hosts") == before


def test_links_lead_to_the_containers_own_files(lab: Lab, tmp_path: Path) -> None:
    """An absolute link, or one that climbs, is resolved in the container's root, never in the machine's."""
    driver = lab.need(Copies)
    (tmp_path / "own").write_text("the machine's")
    container = lab.running()
    climbing = "../" * 30 + str(tmp_path).lstrip("/")
    links = (("absolute", str(tmp_path)), ("climbing", climbing), ("file", f"{tmp_path}/own"))
    driver.put_archive(container, "/tmp", tar_of(*links))
    for name in ("absolute", "climbing"):
        with pytest.raises(NotFound):
            driver.look(container, f"/tmp/{name}/own")
        with pytest.raises(NotFound):
            list(driver.get_archive(container, f"/tmp/{name}/own"))
        with pytest.raises(DriverError):
            driver.put_archive(container, f"/tmp/{name}", tar_of(("made", b"")))
    assert driver.look(container, "/tmp/file").link == f"{tmp_path}/own"
    with pytest.raises(DriverError):
        list(driver.get_archive(container, f"{tmp_path}/own"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


def test_no_tar_leads_out_of_the_container(lab: Lab, tmp_path: Path) -> None:
    driver = lab.need(Copies)
    container = lab.running()
    climbing = "../" * 30 + f"{tmp_path}/made".lstrip("/")
    for hostile in (
        tar_of((climbing, b"out")),
        tar_of((f"{tmp_path}/made", b"out")),
        tar_of(("door", str(tmp_path)), ("door/made", b"out")),
    ):
        try:
            driver.put_archive(container, "/tmp", hostile)
        except DriverError:
            continue
    assert list(tmp_path.iterdir()) == []


# Where things land: source, what is there already, destination -> what is there then. Below /tmp/at.
INTO: list[tuple[str, dict[str, Any], str, Any]] = [
    ("file", {}, "new", {"new": b"1"}),
    ("file", {"old": b"0"}, "old", {"old": b"1"}),
    ("file", {"in": None}, "in", {"in": None, "in/file": b"1"}),
    ("file", {"in": None}, "in/", {"in": None, "in/file": b"1"}),
    ("file", {}, "no/", NotFound),
    ("file", {}, "no/deep", NotFound),
    ("file", {"old": b"0"}, "old/", Rejected),
    ("tree", {}, "new", {"new": None, "new/leaf": b"2", "new/link": "leaf"}),
    ("tree", {}, "new/", {"new": None, "new/leaf": b"2", "new/link": "leaf"}),
    (
        "tree",
        {"in": None},
        "in",
        {"in": None, "in/tree": None, "in/tree/leaf": b"2", "in/tree/link": "leaf"},
    ),
    ("tree/.", {"in": None}, "in", {"in": None, "in/leaf": b"2", "in/link": "leaf"}),
    ("tree/.", {}, "new", {"new": None, "new/leaf": b"2", "new/link": "leaf"}),
    ("tree", {"old": b"0"}, "old", Rejected),
    ("tree", {}, "no/deep", NotFound),
    ("tree/link", {}, "new", {"new": "leaf"}),
    ("file/", {}, "new", Rejected),
    ("none", {}, "new", NotFound),
]
SOURCE: dict[str, Any] = {"file": b"1", "tree": None, "tree/leaf": b"2", "tree/link": "leaf"}


def grow(folder: Path, things: dict[str, Any]) -> None:
    folder.mkdir()
    for name, what in things.items():
        path = folder / name
        if what is None:
            path.mkdir()
        elif isinstance(what, str):
            path.symlink_to(what)
        else:
            path.write_bytes(what)


def grown(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def plant(driver: Any, container: str, name: str, things: dict[str, Any]) -> None:
    driver.put_archive(
        container, "/tmp", tar_of((name, None), *((f"{name}/{key}", what) for key, what in things.items()))
    )


def planted(driver: Any, container: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    archive = io.BytesIO(b"".join(driver.get_archive(container, f"/tmp/{name}")))
    with tarfile.open(fileobj=archive) as tar:
        for entry in tar:
            called = entry.name.rstrip("/").partition("/")[2]
            if called:
                file = tar.extractfile(entry) if entry.isreg() else None
                found[called] = entry.linkname if entry.issym() else file.read() if file is not None else None
    return found


def test_everything_lands_where_docker_puts_it(lab: Lab, tmp_path: Path) -> None:
    """The same table both ways: into a container, and out of it."""
    driver = lab.need(Copies)
    seen = lab.driver.inspect(lab.running())
    ground: dict[str, Any] = {"from": None, **{f"from/{name}": what for name, what in SOURCE.items()}}
    for number, (_, before, _, _) in enumerate(INTO):
        ground[f"at{number}"] = None
        ground |= {f"at{number}/{name}": what for name, what in before.items()}
    grow(tmp_path / "ground", ground)
    plant(driver, seen.id, "ground", ground)
    here, there = tmp_path / "ground", "/tmp/ground"

    for number, (source, _, destination, after) in enumerate(INTO):
        goal = f"at{number}/{destination}"
        copies: list[Callable[[], None]] = [
            partial(copy_in, driver, [seen], f"{here}/from/{source}", f"{there}/{goal}", CopyOptions()),
            partial(copy_out, driver, seen, f"{there}/from/{source}", f"{here}/{goal}", CopyOptions()),
        ]
        for copy in copies:
            if isinstance(after, type):
                with pytest.raises((NotFound, Rejected)):
                    copy()
            else:
                copy()
    inside, outside = planted(driver, seen.id, "ground"), grown(here)
    for number, (source, before, destination, after) in enumerate(INTO):
        case = f"{source} to {destination} beside {before}"
        expected = before if isinstance(after, type) else after
        assert part(inside, f"at{number}/") == expected, f"into the container: {case}"
        assert part(outside, f"at{number}/") == expected, f"out of the container: {case}"


def part(things: dict[str, Any], below: str) -> dict[str, Any]:
    return {name.removeprefix(below): what for name, what in things.items() if name.startswith(below)}


def test_links_are_followed_when_asked(lab: Lab, tmp_path: Path) -> None:
    driver = lab.need(Copies)
    container = lab.running()
    seen = lab.driver.inspect(container)
    grow(tmp_path / "from", SOURCE)
    plant(driver, container, "from", SOURCE)
    follow = CopyOptions(follow=True)
    copy_in(driver, [seen], f"{tmp_path}/from/tree/link", "/tmp", follow)
    copy_out(driver, seen, "/tmp/from/tree/link", str(tmp_path), follow)
    assert content(driver, container, "/tmp/link") == (tmp_path / "link").read_bytes() == b"2"
    assert not (tmp_path / "link").is_symlink()
    plant(driver, container, "goal", {"door": "in", "in": None})
    copy_in(driver, [seen], f"{tmp_path}/from/file", "/tmp/goal/door", CopyOptions())
    assert planted(driver, container, "goal") == {"door": "in", "in": None, "in/file": b"1"}


def test_tars_go_in_and_out_as_they_are(lab: Lab) -> None:
    driver = lab.need(Copies)
    first, second = (lab.driver.inspect(lab.running(service=name)) for name in ("a", "b"))
    copy_in(driver, [first, second], tar_of(("file", b"text"), mode=0o600), "/tmp", CopyOptions())
    for seen in (first, second):
        out = io.BytesIO()
        copy_out(driver, seen, "/tmp/file", out, CopyOptions())
        out.seek(0)
        with tarfile.open(fileobj=out) as tar:
            # Old versions of Docker put the kind of file into the mode too.
            assert [(entry.name, entry.mode & 0o7777) for entry in tar] == [("file", 0o600)]
    with pytest.raises(Rejected):
        copy_in(driver, [first], tar_of(("file", b"")), "/tmp/file", CopyOptions())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of others")
def test_owners_are_kept_only_when_asked(lab: Lab, tmp_path: Path) -> None:
    driver = lab.need(Copies)
    seen = lab.driver.inspect(lab.running())
    file = tmp_path / "file"
    file.write_text("")
    os.chown(file, 1234, 1235)
    copy_in(driver, [seen], str(file), "/tmp/plain", CopyOptions())
    copy_in(driver, [seen], str(file), "/tmp/kept", CopyOptions(archive=True))
    got = [entries(driver, seen.id, f"/tmp/{name}")[name] for name in ("plain", "kept")]
    assert [(entry.uid, entry.gid) for entry in got] == [(0, 0), (1234, 1235)]
    copy_out(driver, seen, "/tmp/kept", f"{tmp_path}/ours", CopyOptions())
    copy_out(driver, seen, "/tmp/kept", f"{tmp_path}/theirs", CopyOptions(archive=True))
    assert [(tmp_path / name).stat().st_uid for name in ("ours", "theirs")] == [0, 1234]

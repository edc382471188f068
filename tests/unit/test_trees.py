"""Archives that mean harm, and files that are no files: unpacked on this machine."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zun_compose.errors import Rejected
from zun_compose.trees import below, pack, unpack


@pytest.fixture
def goal(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    folder = tmp_path / "goal"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    yield folder, descriptor
    os.close(descriptor)


def made(*entries: tarfile.TarInfo) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    out.seek(0)
    return out


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        [entry("../out")],
        [entry("in/../../out")],
        [entry("door", tarfile.SYMTYPE, ".."), entry("door/out")],
        [
            entry("deep", tarfile.DIRTYPE),
            entry("deep/door", tarfile.SYMTYPE, "../.."),
            entry("deep/door/out"),
        ],
        [entry("link", tarfile.LNKTYPE, "../kept")],
        [entry("door", tarfile.SYMTYPE, ".."), entry("link", tarfile.LNKTYPE, "door/kept")],
        [entry("device", tarfile.CHRTYPE)],
        [entry("device", tarfile.BLKTYPE)],
    ],
)
def test_nothing_comes_to_lie_elsewhere(goal: tuple[Path, int], hostile: list[tarfile.TarInfo]) -> None:
    folder, descriptor = goal
    (folder.parent / "kept").write_text("kept")
    with pytest.raises(Rejected):
        unpack(made(*hostile), below(descriptor), lambda parts: parts, owners=False)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["goal", "kept"]
    assert (folder.parent / "kept").stat().st_nlink == 1


def test_a_link_that_is_there_is_replaced_not_followed(goal: tuple[Path, int]) -> None:
    folder, descriptor = goal
    (folder.parent / "kept").write_text("kept")
    (folder / "file").symlink_to("../kept")
    unpack(made(entry("/file")), below(descriptor), lambda parts: parts, owners=False)
    assert (folder / "file").read_text() == "x"
    assert (folder.parent / "kept").read_text() == "kept"


def test_only_the_bits_that_are_wanted_are_taken_over(goal: tuple[Path, int]) -> None:
    folder, descriptor = goal
    unpack(
        made(entry("program", mode=0o6755)), below(descriptor), lambda parts: parts, owners=False, modes=0o777
    )
    assert (folder / "program").stat().st_mode & 0o7777 == 0o755


def test_what_is_no_tar_is_refused(goal: tuple[Path, int]) -> None:
    with pytest.raises(Rejected, match="no tar"):
        unpack(io.BytesIO(b"text" * 500), below(goal[1]), lambda parts: parts, owners=False)


def test_a_tree_comes_back_as_it_was(goal: tuple[Path, int], tmp_path: Path) -> None:
    folder, descriptor = goal
    tree = tmp_path / "tree"
    (tree / "closed").mkdir(parents=True)
    (tree / "closed" / "file").write_text("text")
    os.link(tree / "closed" / "file", tree / "twice")
    (tree / "link").symlink_to("closed/file")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(os.path.relpath(tree / "socket"))
    os.utime(tree / "closed", (1_600_000_000, 1_600_000_000))
    (tree / "closed").chmod(0o500)
    out = io.BytesIO()
    parent = os.open(tmp_path, os.O_RDONLY)
    pack(out, parent, "tree", "tree", owners=True)
    os.close(parent)
    out.seek(0)
    unpack(out, below(descriptor), lambda parts: ("new", *parts[1:]), owners=False)
    new = folder / "new"
    assert sorted(path.name for path in new.iterdir()) == ["closed", "link", "pipe", "twice"]
    assert (new / "twice").samefile(new / "closed" / "file")
    assert (new / "link").readlink() == Path("closed/file")
    assert (new / "closed").stat().st_mode & 0o777 == 0o500
    assert (new / "closed").stat().st_mtime == 1_600_000_000


def pax(name: str, **headers: str) -> tarfile.TarInfo:
    info = entry(name)
    info.pax_headers = headers
    return info


@pytest.mark.parametrize(
    "odd",
    [
        pax("file", path="in\0side"),
        pax("file", mtime="nan"),
        pax("file", mtime="1e300"),
        pax("file", **{"GNU.sparse.map": "a,b"}),
        entry("link", tarfile.SYMTYPE, "x" * 101 + "\0y"),
    ],
    ids=["nul in a path", "no time", "late time", "sparse map", "nul in a link"],
)
def test_what_python_refuses_is_told_as_a_refusal(goal: tuple[Path, int], odd: tarfile.TarInfo) -> None:
    with pytest.raises(Rejected):
        unpack(made(odd), below(goal[1]), lambda parts: parts, owners=False)


@pytest.mark.parametrize(
    "hostile",
    [
        entry("../\x1b[2J"),
        entry("\x1b[2J", tarfile.CHRTYPE),
        entry("a\x1b[2J", tarfile.LNKTYPE, "."),
        entry("a\x1b[2J", tarfile.LNKTYPE, "nowhere"),
    ],
    ids=["upwards", "device", "link to a folder", "link to nothing"],
)
def test_a_refusal_does_not_drive_the_terminal(goal: tuple[Path, int], hostile: tarfile.TarInfo) -> None:
    with pytest.raises(Rejected) as told:
        unpack(made(hostile), below(goal[1]), lambda parts: parts, owners=False)
    assert "\N{REPLACEMENT CHARACTER}[2J" in str(told.value)
    assert "\x1b" not in str(told.value)

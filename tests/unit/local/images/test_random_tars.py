"""Random layers: harmless ones come out as Python's own extraction has them, no other leaves its folder."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.local.images.archives import (
    CHARACTER,
    FIFO,
    FILE,
    FOLDER,
    HARDLINK,
    SYMLINK,
    Item,
    tar,
)
from tests.unit.local.images.conftest import SMALL, snapshot
from zun_compose.drivers.local.images.removal import remove_tree
from zun_compose.drivers.local.images.unpack import unpack
from zun_compose.errors import Rejected

Tree = dict[str, tuple[int, bytes]]

letters = st.sampled_from(["a", "b", "c", "ä", "x y"])
harmless_paths = st.lists(letters, min_size=1, max_size=4).map("/".join)
contents = st.binary(max_size=2000)
modes = st.integers(0, 0o777)


@st.composite
def harmless(draw: st.DrawFn) -> list[Item]:
    """Entries with different names, each below folders only, links that stay inside."""
    items: list[Item] = []
    leaves: list[str] = []
    folders: set[str] = set()
    for path in draw(st.lists(harmless_paths, max_size=12, unique=True)):
        above = {path.rsplit("/", count)[0] for count in range(1, path.count("/") + 1)}
        if path in folders or above & set(leaves):
            continue
        kind = draw(st.sampled_from([FILE, FOLDER, SYMLINK, HARDLINK]))
        folders |= above
        files = [one.name for one in items if one.kind == FILE]
        if kind == HARDLINK and not files:
            kind = FILE
        if kind == FOLDER:
            folders.add(path)
            # A folder that its owner cannot enter would stop Python's extraction.
            items.append(Item(f"{path}/", FOLDER, mode=draw(modes) | 0o700))
            continue
        leaves.append(path)
        if kind == FILE:
            items.append(Item(path, content=draw(contents), mode=draw(modes)))
        elif kind == SYMLINK:
            items.append(Item(path, SYMLINK, link=draw(letters)))
        else:
            items.append(Item(path, HARDLINK, link=draw(st.sampled_from(files))))
    return items


def tree(folder: Path) -> Tree:
    """Return kinds, contents and how many names each has; Python's filter changes modes by design."""
    return {
        name: (stat.S_IFMT(mode) | (links if stat.S_ISREG(mode) else 0), content)
        for name, (mode, links, content) in snapshot(folder).items()
    }


@given(harmless(), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_harmless_layers_come_out_as_python_has_them(items: list[Item], form: int) -> None:
    data = tar(*items, form=form)
    with tempfile.TemporaryDirectory() as base:
        ours, theirs = Path(base, "ours"), Path(base, "theirs")
        ours.mkdir(0o700)
        theirs.mkdir()
        unpack(io.BytesIO(data), ours)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(theirs, filter="data")
        assert tree(ours) == tree(theirs)
        for item in items:
            if item.kind in (FILE, FOLDER):
                assert stat.S_IMODE((ours / item.name).lstat().st_mode) == item.mode
        remove_tree(ours)


parts = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "..",
        ".",
        "",
        "/",
        "witness",
        ".wh.a",
        ".wh.b",
        ".wh..wh..opq",
        ".wh..",
        ".wh...",
        "\0",
        "n" * 300,
    ]
)
names = st.lists(parts, max_size=5).map("/".join)
targets = st.one_of(names, st.sampled_from(["..", "../witness", "/", "../witness/file", "a", "b", "."]))
kinds = st.sampled_from([FILE, FOLDER, SYMLINK, SYMLINK, HARDLINK, FIFO, CHARACTER, b"7", b"9"])
hostile = st.lists(
    st.builds(Item, names, kinds, st.just(b""), targets, st.integers(0, 0o7777), st.integers(0, 2**33)),
    max_size=14,
)


@given(hostile, st.booleans())
@example([Item("a", SYMLINK, link="../witness"), Item("a/file", content=b"harm")], False)
@example([Item("a", SYMLINK, link="../witness"), Item("a", FOLDER), Item("a/file", content=b"harm")], False)
@example([Item("a", FOLDER), Item("a/b"), Item("a", SYMLINK, link="../witness"), Item("a/new")], False)
@example([Item("a", FOLDER), Item("a", SYMLINK, link="../witness"), Item("a", FOLDER, mode=0)], False)
@example(
    [Item("a", SYMLINK, link="../witness/file"), Item("b", HARDLINK, link="a"), Item("b", mode=0)], False
)
def test_no_layer_leaves_its_folder(items: list[Item], cut: bool) -> None:
    items = [
        Item(one.name, one.kind, b"harm" if one.kind == FILE else b"", one.link, one.mode, one.mtime)
        for one in items
    ]
    try:
        data = tar(*items)
    except ValueError:
        return
    if cut:
        data = data[: len(data) * 2 // 3]
    with tempfile.TemporaryDirectory() as base:
        folder, witness = Path(base, "folder"), Path(base, "witness")
        folder.mkdir(0o700)
        witness.mkdir()
        (witness / "file").write_text("untouched")
        before = snapshot(witness), witness.stat().st_mode, witness.stat().st_mtime_ns
        try:
            unpack(io.BytesIO(data), folder, limits=SMALL)
        except Rejected:
            pass
        finally:
            remove_tree(folder)
        assert (snapshot(witness), witness.stat().st_mode, witness.stat().st_mtime_ns) == before
        assert os.listdir(base) == ["witness"]


@given(st.binary(max_size=3000), st.integers(0, 2047), st.binary(min_size=1, max_size=600))
def test_no_damage_brings_another_error(noise: bytes, place: int, patch: bytes) -> None:
    whole = bytearray(tar("a/", Item("a/b", content=b"x" * 300), Item("c" * 150)))
    whole[place : place + len(patch)] = patch
    for data in (noise, bytes(whole)):
        with tempfile.TemporaryDirectory() as base:
            folder = Path(base, "folder")
            folder.mkdir(0o700)
            try:
                unpack(io.BytesIO(data), folder, limits=SMALL)
            except Rejected:
                pass
            finally:
                remove_tree(folder)
            assert os.listdir(base) == []

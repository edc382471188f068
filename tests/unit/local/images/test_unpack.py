"""What one layer becomes on disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
from pathlib import Path

import pytest

from tests.unit.local.images.archives import (
    BLOCK,
    CHARACTER,
    FIFO,
    FILE,
    FOLDER,
    HARDLINK,
    SYMLINK,
    Item,
    sha,
    tar,
)
from zun_compose.drivers.local.images.layer_tree import OPAQUE_ATTRIBUTE
from zun_compose.drivers.local.images.removal import remove_tree
from zun_compose.drivers.local.images.unpack import Unpacked, unpack


@pytest.fixture
def folder(tmp_path: Path):
    made = tmp_path / "layer"
    made.mkdir(mode=0o700)
    yield made
    remove_tree(made)


def into(folder: Path, *items: Item | str) -> Unpacked:
    return unpack(io.BytesIO(tar(*items)), folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def is_whiteout(path: Path) -> bool:
    seen = path.lstat()
    return stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return OPAQUE_ATTRIBUTE in os.listxattr(path) and os.getxattr(path, OPAQUE_ATTRIBUTE) == b"y"


def test_entries_come_out_as_they_went_in(folder: Path) -> None:
    content = os.urandom(300_000)
    into(
        folder,
        Item("./", FOLDER, mode=0o755),
        Item("etc/", FOLDER, mode=0o750, mtime=1_600_000_000),
        Item("etc/key", content=content, mode=0o400, mtime=1_500_000_000),
        Item("./etc/link", SYMLINK, link="/etc/key"),
        Item("etc/again", HARDLINK, link="./etc/key"),
        Item("etc/pipe", FIFO, mode=0o620),
        Item("etc/empty"),
    )
    key = folder / "etc/key"
    assert key.read_bytes() == content
    assert mode(key) == 0o400
    assert key.stat().st_mtime == 1_500_000_000
    assert (folder / "etc").stat().st_mtime == 1_600_000_000
    assert mode(folder / "etc") == 0o750
    assert mode(folder) == 0o755
    assert os.readlink(folder / "etc/link") == "/etc/key"
    assert (folder / "etc/again").stat().st_ino == key.stat().st_ino
    assert stat.S_ISFIFO((folder / "etc/pipe").lstat().st_mode)
    assert (folder / "etc/empty").read_bytes() == b""


def test_digests_and_sizes_are_told(folder: Path) -> None:
    plain = tar("a/", Item("a/b", content=b"x" * 5000), Item("c", content=b"y"))
    packed = gzip.compress(plain)
    found = unpack(io.BytesIO(packed), folder)
    assert (found.diff_id, found.digest) == (sha(plain), sha(packed))
    assert found.size == 5001
    assert found.disk == 4096 * 5


def test_digests_count_what_follows_the_end(folder: Path) -> None:
    plain = tar("a") + b"more"
    packed = gzip.compress(plain)
    found = unpack(io.BytesIO(packed + bytes(7)), folder)
    assert (found.diff_id, found.digest) == (sha(plain), sha(packed + bytes(7)))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressions(folder: Path, pack) -> None:
    content = os.urandom(1000) * 2000
    plain = tar(Item("a", content=content))
    found = unpack(io.BytesIO(pack(plain)), folder)
    assert (folder / "a").read_bytes() == content
    assert found.diff_id == sha(plain)


def test_gzip_of_several_members(folder: Path) -> None:
    plain = tar(Item("a", content=b"x" * 10_000))
    unpack(
        io.BytesIO(b"".join(gzip.compress(plain[at : at + 777]) for at in range(0, len(plain), 777))), folder
    )
    assert (folder / "a").stat().st_size == 10_000


def test_zstd_where_it_can_be_read(folder: Path) -> None:
    zstd = pytest.importorskip("backports.zstd")
    plain = tar(Item("a", content=b"x" * 10_000))
    found = unpack(io.BytesIO(zstd.compress(plain)), folder)
    assert found.diff_id == sha(plain)
    assert (folder / "a").stat().st_size == 10_000


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_forms_of_tar(folder: Path, form: int) -> None:
    name = "/".join(["n" * 40] * 5 if form == tarfile.USTAR_FORMAT else ["n" * 200] * 10)
    target = "t" * (100 if form == tarfile.USTAR_FORMAT else 3000)
    unpack(
        io.BytesIO(tar(Item(name, content=b"deep"), Item("link", SYMLINK, link=target), form=form)), folder
    )
    assert (folder / name).read_bytes() == b"deep"
    assert os.readlink(folder / "link") == target


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_any_kind(folder: Path, form: int) -> None:
    names = [
        "ä\u0301/日本/🎺",
        "a\nb",
        "\x1b[31m",
        "back\\slash",
        " ",
        "-rf",
        "~",
        "n" * 255,
        "bad\udcff",
        "...",
        "..x",
    ]
    unpack(
        io.BytesIO(
            tar(*(Item(name, content=name.encode("utf-8", "surrogateescape")) for name in names), form=form)
        ),
        folder,
    )
    for name in names:
        assert (folder / name).read_bytes() == os.fsencode(name)


def test_a_deep_and_long_path_can_be_made_and_removed(folder: Path) -> None:
    name = "/".join(["n" * 30] * 127)
    into(folder, Item(name, content=b"x"))
    remove_tree(folder)
    assert not folder.exists()


def test_device_nodes_are_left_out(folder: Path) -> None:
    into(
        folder,
        "dev/",
        Item("dev/null", CHARACTER),
        Item("dev/sda", BLOCK),
        "was",
        Item("was", CHARACTER),
        "dev/kept",
    )
    assert sorted(os.listdir(folder / "dev")) == ["kept"]
    assert not (folder / "was").exists()


def test_a_device_that_overlayfs_would_take_for_a_whiteout_is_left_out(folder: Path) -> None:
    info = tarfile.TarInfo("gone")
    info.type, info.devmajor, info.devminor = CHARACTER, 0, 0
    unpack(io.BytesIO(info.tobuf() + bytes(1024)), folder)
    assert os.listdir(folder) == []


def test_attributes_of_strangers_are_left_out(folder: Path) -> None:
    into(folder, Item("a/", FOLDER, pax={"SCHILY.xattr.user.overlay.opaque": "y"}))
    assert os.listxattr(folder / "a") == []


def test_setuid_stays_a_mode_of_our_own_file(folder: Path) -> None:
    into(folder, Item("su", content=b"x", mode=0o4755), Item("sticky/", FOLDER, mode=0o1777))
    assert mode(folder / "su") == 0o4755
    assert (folder / "su").stat().st_uid == os.getuid()
    assert mode(folder / "sticky") == 0o1777


def test_closed_folders_take_later_entries(folder: Path) -> None:
    into(
        folder,
        Item("shut/", FOLDER, mode=0),
        Item("shut/in/", FOLDER, mode=0),
        Item("shut/in/file", content=b"x", mode=0),
        Item("shut/link", HARDLINK, link="shut/in/file"),
        "shut/.wh.gone",
        "later/x",
    )
    assert mode(folder / "shut") == 0
    remove_tree(folder)
    assert not folder.exists()


def test_a_closed_top_is_open_for_us(folder: Path) -> None:
    into(folder, Item("./", FOLDER, mode=0), "a")
    assert mode(folder) == 0o700


def test_whiteouts(folder: Path) -> None:
    into(folder, "a/", "a/.wh.gone", ".wh.top", "b/.wh..wh..opq", "b/new", ".wh..wh.plnk", ".wh..wh.aufs")
    assert is_whiteout(folder / "a/gone")
    assert is_whiteout(folder / "top")
    assert is_opaque(folder / "b")
    assert not is_opaque(folder / "a")
    assert sorted(os.listdir(folder)) == ["a", "b", "top"]
    assert os.listdir(folder / "b") == ["new"]


def test_the_whole_layer_may_be_opaque(folder: Path) -> None:
    into(folder, ".wh..wh..opq", "a")
    assert is_opaque(folder)


def test_a_whiteout_is_for_what_lies_below(folder: Path) -> None:
    # What the layer itself brings stays, in either order, and hides what it replaces.
    into(
        folder,
        "file",
        ".wh.file",
        "dir/",
        "dir/x",
        ".wh.dir",
        ".wh.late",
        "late/y",
        ".wh.f",
        Item("f", content=b"z"),
    )
    assert (folder / "file").is_file()
    assert (folder / "dir/x").is_file()
    assert is_opaque(folder / "dir")
    assert is_opaque(folder / "late")
    assert (folder / "late/y").is_file()
    assert (folder / "f").read_bytes() == b"z"


def test_nothing_shines_through_an_opaque_folder_so_it_needs_no_whiteouts(folder: Path) -> None:
    into(folder, "a/", "a/.wh.x", "a/.wh..wh..opq", "a/y")
    assert os.listdir(folder / "a") == ["y"]


KINDS = {
    "file": Item("same", FILE, b"file"),
    "folder": Item("same/", FOLDER),
    "symlink": Item("same", SYMLINK, link="../../outside"),
    "hard link": Item("same", HARDLINK, link="other"),
    "fifo": Item("same", FIFO),
}


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_of_two_entries_with_one_name_the_last_counts(folder: Path, first: str, second: str) -> None:
    below = ["same/below/x"] if first == "folder" else []
    into(folder, "other", KINDS[first], *below, KINDS[second])
    seen = (folder / "same").lstat().st_mode
    kinds = {
        "file": stat.S_ISREG,
        "folder": stat.S_ISDIR,
        "symlink": stat.S_ISLNK,
        "hard link": stat.S_ISREG,
        "fifo": stat.S_ISFIFO,
    }
    assert kinds[second](seen)
    assert (folder / "same/below/x").exists() == (first == second == "folder")
    if second == "hard link":
        assert (folder / "same").stat().st_ino == (folder / "other").stat().st_ino
    assert (folder / "other").read_bytes() == b""


def test_a_hard_link_to_a_symlink_is_one_too(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    into(folder, Item("a", SYMLINK, link="../outside"), Item("b", HARDLINK, link="a"))
    assert os.readlink(folder / "b") == "../outside"
    assert outside.stat().st_nlink == 1


def test_a_file_written_through_a_hard_link_is_a_new_file(folder: Path) -> None:
    into(folder, Item("a", content=b"1"), Item("b", HARDLINK, link="a"), Item("b", content=b"2"))
    assert (folder / "a").read_bytes() == b"1"
    assert (folder / "b").read_bytes() == b"2"


@pytest.mark.parametrize("mtime", ["1e400", "nan", "-5.5", "99999999999999999999", "0.123456789", "x", ""])
def test_times_of_any_kind(folder: Path, mtime: str) -> None:
    into(folder, Item("a", pax={"mtime": mtime}), Item("b/", FOLDER, pax={"mtime": mtime}))
    assert (folder / "a").exists()


def test_ten_thousand_entries(folder: Path) -> None:
    into(folder, *(f"d{number % 100}/{number}" for number in range(10_000)))
    assert sum(len(files) for _, _, files in os.walk(folder)) == 10_000

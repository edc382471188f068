"""Merging layers gives what overlayfs would show, and images of many layers make use of it."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from tests.unit.local.images.archives import FOLDER, SYMLINK, Item, layout, tar
from tests.unit.local.images.conftest import Lab, snapshot
from zun_compose.drivers.local.images.merge import merge, most_layers
from zun_compose.drivers.local.images.removal import remove_tree
from zun_compose.drivers.local.images.unpack import unpack


@pytest.fixture
def base(tmp_path: Path):
    made = tmp_path / "layers"
    made.mkdir(mode=0o700)
    yield made
    remove_tree(made)


def merged(base: Path, *layers: list[Item | str]) -> Path:
    folders = []
    for number, items in enumerate(layers):
        folder = base / str(number)
        folder.mkdir(mode=0o700)
        unpack(io.BytesIO(tar(*items)), folder)
        folders.append(folder)
    before = snapshot(base)
    merge(folders, base / "merged")
    after = {name: what for name, what in snapshot(base).items() if name.partition("/")[0] != "merged"}
    assert {name: (one[0], one[2]) for name, one in after.items()} == {
        name: (one[0], one[2]) for name, one in before.items()
    }
    return base / "merged"


def test_upper_layers_cover_lower_ones(base: Path) -> None:
    found = merged(
        base,
        [
            "a/x",
            "b/x",
            "c",
            Item("d", SYMLINK, link="c"),
            "e/deep/x",
            Item("s", SYMLINK, link="../../x"),
            Item("m/", FOLDER, mode=0o750),
        ],
        [
            Item("a/x", content=b"new"),
            "a/y",
            "b",
            "c/x",
            "d/x",
            "e/.wh.deep",
            Item("m/", FOLDER, mode=0o705, mtime=7),
        ],
    )
    names = sorted(str(path.relative_to(found)) for path in found.rglob("*") if not path.is_dir())
    assert names == ["a/x", "a/y", "b", "c/x", "d/x", "s"]
    assert (found / "a/x").read_bytes() == b"new"
    assert os.readlink(found / "s") == "../../x"
    assert (found / "e").is_dir()
    assert stat.S_IMODE((found / "m").stat().st_mode) == 0o705
    assert (found / "m").stat().st_mtime == 7


def test_whiteouts_and_opaque_folders_are_carried_out(base: Path) -> None:
    found = merged(
        base,
        ["a/x", "a/sub/x", "gone", "back/old"],
        ["a/.wh..wh..opq", "a/y", ".wh.gone", ".wh.back", ".wh.never"],
        ["back/new"],
    )
    assert sorted(os.listdir(found)) == ["a", "back"]
    assert os.listdir(found / "a") == ["y"]
    assert os.listdir(found / "back") == ["new"]
    assert os.listxattr(found / "a") == []


def test_closed_folders_are_merged_and_stay_closed(base: Path) -> None:
    found = merged(base, [Item("shut/", FOLDER, mode=0), "shut/x"], ["shut/y", Item("shut/", FOLDER, mode=0)])
    assert stat.S_IMODE((found / "shut").stat().st_mode) == 0
    (found / "shut").chmod(0o700)
    assert sorted(os.listdir(found / "shut")) == ["x", "y"]


def test_files_take_no_space_twice(base: Path) -> None:
    found = merged(base, [Item("x", content=b"x" * 10_000)], ["y"])
    assert (found / "x").stat().st_ino == (base / "0" / "x").stat().st_ino


def test_an_image_of_many_layers_fits_into_one_mount(lab: Lab) -> None:
    layers = [tar("old", f"f{number}", Item("last", content=str(number).encode())) for number in range(80)]
    layers[60] = tar(".wh.old", "f60")
    for number in range(61, 80):
        layers[number] = tar(f"f{number}", Item("last", content=str(number).encode()))
    (found,) = lab.store.import_archive(layout(*layers).tar(lab.path()))
    most = most_layers(lab.store.root / "layers")
    assert len(found.layers) == most < 80
    assert sum(len(str(layer)) + 9 for layer in found.layers) < 3500
    lowest = found.layers[0]
    names = {f"f{number}" for number in range(81 - most)}
    assert {"last", *names} - {"old"} == set(os.listdir(lowest)) - {"old"}
    assert sum(layer.name.startswith("m") for layer in found.layers) == 1
    again = lab.store.import_archive(lab.path())
    assert again == [found]
    (two,) = lab.store.import_archive(layout(*layers, tar("more"), name="two:1").tar(lab.path()))
    assert two.layers[0] != found.layers[0]
    folder = two.layers[0].stat().st_ino
    lab.store.import_archive(layout(*layers, tar("other"), name="three:1").tar(lab.path()))
    three = lab.store.resolve("three:1")
    assert three is not None
    assert three.layers[0] == two.layers[0]
    assert two.layers[0].stat().st_ino == folder
    lab.store.remove("three:1")
    lab.store.remove("shop/app:1")
    assert not lowest.exists()
    assert two.layers[0].exists()
    lab.store.prune(())
    assert os.listdir(lab.store.root / "layers") == []

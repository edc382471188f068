from __future__ import annotations

import os

import pytest

from zun_compose.drivers.local.seeding import seed


@pytest.fixture
def volume(tmp_path):
    made = tmp_path / "volume"
    made.mkdir()
    return made


def layer(tmp_path, name, files):
    root = tmp_path / name
    root.mkdir()
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def names(volume):
    return sorted(str(path.relative_to(volume)) for path in volume.rglob("*") if path.is_file())


def test_the_higher_layer_wins(tmp_path, volume) -> None:
    low = layer(tmp_path, "low", {"data/a": "low", "data/deep/b": "low", "other/c": "no"})
    high = layer(tmp_path, "high", {"data/a": "high"})
    seed((low, high), "/data", volume)
    assert names(volume) == ["a", "deep/b"]
    assert (volume / "a").read_text() == "high"


def test_modes_and_links_are_kept(tmp_path, volume) -> None:
    low = layer(tmp_path, "low", {"data/run": "x"})
    (low / "data" / "run").chmod(0o750)
    (low / "data" / "link").symlink_to("run")
    (low / "data").chmod(0o700)
    seed((low,), "/data", volume)
    assert (volume / "run").stat().st_mode & 0o777 == 0o750
    assert os.readlink(volume / "link") == "run"
    assert volume.stat().st_mode & 0o777 == 0o700


def test_an_opaque_folder_hides_what_is_below(tmp_path, volume) -> None:
    low = layer(tmp_path, "low", {"data/old": "x", "data/deep/old": "x"})
    high = layer(tmp_path, "high", {"data/deep/new": "x"})
    try:
        os.setxattr(high / "data" / "deep", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("no user attributes here")
    seed((low, high), "/data", volume)
    assert names(volume) == ["deep/new", "old"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_what_was_removed_is_not_there(tmp_path, volume) -> None:
    low = layer(tmp_path, "low", {"data/kept": "x", "data/gone": "x"})
    high = layer(tmp_path, "high", {"data/.x": "x"})
    os.mknod(high / "data" / "gone", 0o020000, os.makedev(0, 0))
    seed((low, high), "/data", volume)
    assert names(volume) == [".x", "kept"]


def test_a_folder_that_became_a_file_leaves_nothing(tmp_path, volume) -> None:
    low = layer(tmp_path, "low", {"data/a": "x"})
    high = layer(tmp_path, "high", {"data": "a file"})
    seed((low, high), "/data", volume)
    assert names(volume) == []

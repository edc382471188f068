"""image: what it prints, and its exit codes; the store is the real one."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from tests.unit.local.images.archives import layout, sha, tar

LAYER = tar("bin/", "bin/sh")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An image named shop/app:1."""
    return layout(LAYER).tar(tmp_path / "image.tar")


def needed(tmp_path: Path, image: str) -> Path:
    """Make what a container leaves on disk."""
    folder = tmp_path / "state" / "zun-compose" / "local" / "containers" / "c1"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"image_id": image}))
    return folder


def test_import_names_what_came(program: Program, archive: Path) -> None:
    done = program("image", "import", str(archive))
    name, image = done.out.split()
    assert (done.code, name) == (0, "shop/app:1")
    done = program("image", "import", str(archive), "--reference", "busybox")
    assert done.out.split() == ["shop/app:1", "busybox:latest", image]


def test_the_store_lies_in_the_state_folder(program: Program, archive: Path, tmp_path: Path) -> None:
    program("image", "import", str(archive))
    assert (tmp_path / "state" / "zun-compose" / "local" / "images" / "index.json").exists()


def test_import_of_a_root_file_system(program: Program, tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(LAYER)
    done = program("image", "import", str(tmp_path / "root.tar"))
    assert done.code == 1
    assert "--kind rootfs" in done.err
    done = program("image", "import", str(tmp_path / "root.tar"), "--kind", "rootfs", "--reference", "base:1")
    assert done.code == 0
    assert done.out.startswith("base:1 sha256:")


def test_ls_lists_images_and_disk_use(program: Program, archive: Path) -> None:
    empty = program("image", "ls")
    assert empty.out.splitlines()[0].split() == ["REFERENCE", "IMAGE", "ID", "CREATED", "SIZE"]
    assert empty.out.splitlines()[1].startswith("host:latest ")
    assert empty.out.splitlines()[-1] == "disk use: 0B"
    image = program("image", "import", str(archive)).out.split()[1]
    lines = program("image", "ls").out.splitlines()
    assert lines[2].split()[:2] == ["shop/app:1", image.removeprefix("sha256:")[:12]]
    assert "ago" in lines[2]
    assert lines[-1] == "disk use: 8.19kB"


def test_ls_prints_json(program: Program, archive: Path) -> None:
    image = program("image", "import", str(archive)).out.split()[1]
    host, own, used = program("image", "ls", "--format", "json").json_lines()
    assert host["Host"] is True
    assert own == {
        "Reference": "shop/app:1",
        "ID": image,
        "Size": 0,
        "CreatedAt": "2026-01-02T03:04:05Z",
        "Host": False,
    }
    assert used == {"DiskUse": 8192}


def test_rm_goes_on_after_an_error(program: Program, archive: Path) -> None:
    program("image", "import", str(archive))
    done = program("image", "rm", "absent", "shop/app:1", "host")
    assert done.code == 1
    assert done.out == "shop/app:1\n"
    assert 'no such image: "absent"' in done.err
    assert "machine itself" in done.err
    assert program("image", "rm", "-f", "shop/app:1").code == 0
    assert program("image", "rm", "shop/app:1").code == 1
    assert program("image", "ls").out.endswith("disk use: 0B\n")


def test_an_image_that_a_container_needs_stays(program: Program, archive: Path, tmp_path: Path) -> None:
    image = program("image", "import", str(archive)).out.split()[1]
    container = needed(tmp_path, image)
    done = program("image", "rm", "shop/app:1")
    assert (done.code, done.out) == (1, "")
    assert "needed by a container" in done.err
    assert program("image", "prune", "-a", "-f").out == "removed 0, freed 0B\n"
    (container / "spec.json").unlink()
    assert program("image", "prune", "-a", "-f").out == "removed 1, freed 8.19kB\n"


def test_prune_takes_images_without_a_name(
    program: Program, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = program("image", "import", str(archive)).out.split()[1]
    layout(tar("other")).tar(archive)
    second = program("image", "import", str(archive)).out.split()[1]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = program("image", "prune")
    assert done.code == 1
    assert first.removeprefix("sha256:")[:12] in done.err
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    done = program("image", "prune")
    assert (done.code, done.out) == (0, "")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert program("image", "prune").out == "removed 1, freed 8.19kB\n"
    listed = [line["ID"] for line in program("image", "ls", "--format", "json").json_lines()[1:-1]]
    assert listed == [second]
    assert program("image", "prune").out == "removed 0, freed 0B\n"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["import", "absent.tar"], 1, 'no image archive "absent.tar"'),
        (["import"], 2, "missing argument"),
        (["import", "x", "--kind", "zip"], 2, "zip"),
        (["rm"], 2, "missing argument"),
        (["frobnicate"], 2, "frobnicate"),
        (["pull", "A B"], 1, "no image name"),
        (["pull", "127.0.0.1:9/x:y"], 1, "does not answer"),
        (["ls", "--format", "yaml"], 2, "yaml"),
    ],
)
def test_exit_codes(program: Program, arguments: list[str], code: int, word: str) -> None:
    done = program("image", *arguments)
    assert done.code == code
    assert word in done.err
    assert done.out == ""


def test_hostile_names_do_no_harm_on_the_terminal(program: Program, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../\x1b[2J\n"))
    (tmp_path / "x.tar").write_bytes(out.getvalue())
    done = program("image", "import", str(tmp_path / "x.tar"), "--kind", "rootfs")
    assert done.code == 1
    assert "\x1b" not in done.err
    assert "climbs out" in done.err


def test_pull_of_the_machine_itself(program: Program) -> None:
    done = program("image", "pull", "host")
    assert done.code == 0
    assert done.out.startswith("host:latest sha256:")


def test_ids_are_digests_of_the_configuration(program: Program, archive: Path, tmp_path: Path) -> None:
    image = program("image", "import", str(archive)).out.split()[1]
    blob = tmp_path / "state" / "zun-compose" / "local" / "images" / "blobs" / image.removeprefix("sha256:")
    assert sha(blob.read_bytes()) == image


def test_the_store_is_that_of_the_local_driver_named(program: Program, archive: Path, tmp_path: Path) -> None:
    there = ("--driver", "local", "--host", str(tmp_path / "there"))
    assert program(*there, "image", "import", str(archive)).code == 0
    assert (tmp_path / "there" / "images" / "index.json").exists()
    assert program("image", "ls", "--format", "{{.Reference}}").out == "host:latest\n"
    assert "shop/app:1\n" in program(*there, "image", "ls", "--format", "{{.Reference}}").out

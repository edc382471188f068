"""Images given away again: what comes in anew is what was there."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.unit.local.images.archives import (
    FIFO,
    HARDLINK,
    SYMLINK,
    Item,
    docker_save,
    layout,
    tar,
)
from zun_compose.drivers.local.images.archive import opened
from zun_compose.drivers.local.images.formats import find
from zun_compose.drivers.local.images.platforms import wanted_platform
from zun_compose.drivers.local.images.records import LIMITS
from zun_compose.drivers.local.images.saving import save_found
from zun_compose.drivers.local.images.store import ImageStore
from zun_compose.errors import NotFound, Rejected

BASE = tar(
    "etc/",
    Item("etc/motd", content=b"hello"),
    "var/",
    "var/old",
    Item("tool", content=b"#!", mode=0o4755),
    Item("same", HARDLINK, link="tool"),
    Item("link", SYMLINK, link="etc/motd"),
    Item("pipe", FIFO),
)
ABOVE = tar("etc/.wh.motd", "var/", "var/.wh..wh..opq", "var/new")


def saved(store: ImageStore, name: str, to: Path) -> tarfile.TarFile:
    with to.open("w+b") as out:
        store.save(name, out)
    return tarfile.open(to)


def content(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    assert found is not None
    return found.read()


def entries(archive: tarfile.TarFile, name: str) -> dict[str, tarfile.TarInfo]:
    return {one.name: one for one in tarfile.open(fileobj=io.BytesIO(content(archive, name)))}


def test_layers_are_as_they_were(lab, tmp_path):
    lab.store.import_archive(docker_save(BASE, ABOVE).tar(lab.path()))
    with saved(lab.store, "shop/app:1", tmp_path / "out.tar") as archive:
        (listed,) = json.loads(content(archive, "manifest.json"))
        lowest, highest = (entries(archive, name) for name in listed["Layers"])
    assert listed["RepoTags"] is None, "nobody's names are given away"
    assert lowest["tool"].mode == 0o4755
    assert {lowest["same"].linkname, lowest["tool"].linkname} == {"same", ""}
    assert (lowest["link"].issym(), lowest["link"].linkname) == (True, "etc/motd")
    assert lowest["pipe"].isfifo()
    assert {one.uid for one in lowest.values()} == {0}
    assert sorted(highest) == ["etc", "etc/.wh.motd", "var", "var/.wh..wh..opq", "var/new"]

    again = ImageStore(tmp_path / "again")
    (image,) = again.import_archive(tmp_path / "out.tar")
    first = lab.store.resolve("shop/app:1")
    assert first is not None
    assert image.config == first.config
    assert [sorted(path.name for path in layer.rglob("*")) for layer in image.layers] == [
        sorted(path.name for path in layer.rglob("*")) for layer in first.layers
    ]
    with (tmp_path / "twice.tar").open("w+b") as out:
        again.save(image.id, out)
    assert (tmp_path / "twice.tar").read_bytes() == (tmp_path / "out.tar").read_bytes()


@pytest.mark.parametrize("zipped", [True, False])
def test_an_archive_of_any_form_becomes_the_one_that_all_load(lab, tmp_path, zipped):
    source = layout(BASE, ABOVE, zipped=zipped).tar(lab.path())
    with opened(source, tmp_path, LIMITS) as archive, (tmp_path / "out.tar").open("w+b") as out:
        (found,) = find(archive, wanted_platform(None), LIMITS)
        save_found(archive, found, out)
    with tarfile.open(tmp_path / "out.tar") as plain:
        (listed,) = json.loads(content(plain, "manifest.json"))
        assert listed["Config"] == f"{found.id.removeprefix('sha256:')}.json"
        assert [content(plain, name) for name in listed["Layers"]] == [BASE, ABOVE]


def test_a_layer_that_is_another_is_refused(lab, tmp_path):
    broken = docker_save(BASE)
    broken["layer0/layer.tar"] = ABOVE
    with opened(broken.tar(lab.path()), tmp_path, LIMITS) as archive:
        (found,) = find(archive, wanted_platform(None), LIMITS)
        with pytest.raises(Rejected, match="layer 1 does not have the digest"):
            save_found(archive, found, io.BytesIO())


def test_what_is_not_there_cannot_be_given_away(lab):
    with pytest.raises(NotFound):
        lab.store.save("nothing", io.BytesIO())
    with pytest.raises(Rejected, match="the machine itself"):
        lab.store.save("host", io.BytesIO())

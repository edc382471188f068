"""The store: names, sharing, removal, and what several processes do to it at once."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import json
import lzma
import multiprocessing
import os
import random
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.unit.local.images.archives import (
    PLAIN_LAYER,
    SYMLINK,
    Item,
    Layout,
    as_json,
    config,
    docker_save,
    layout,
    named,
    sha,
    tar,
)
from tests.unit.local.images.conftest import SMALL, Lab
from zun_compose.container import PortKey
from zun_compose.drivers.local.images.manifests import OCI_INDEX
from zun_compose.drivers.local.images.records import ImageConfig, StoredImage
from zun_compose.drivers.local.images.store import ImageStore
from zun_compose.drivers.local.images.use import images_in_use
from zun_compose.errors import Conflict, NotFound, Rejected, StateError, Unavailable
from zun_compose.model import Healthcheck

BASE = tar("bin/", Item("bin/sh", content=b"#!" * 1000))
TOP = tar("app/", Item("app/main", content=b"print()" * 100), "bin/.wh.sh")
OTHER = tar(Item("other", content=b"o" * 9000))


def brought(lab: Lab, source: Path, **how) -> StoredImage:
    (found,) = lab.store.import_archive(source, **how)
    return found


def known(lab: Lab, reference: str) -> StoredImage:
    image = lab.store.resolve(reference)
    assert image is not None
    return image


def layers_on_disk(lab: Lab) -> set[str]:
    return set(os.listdir(lab.store.root / "layers"))


FORMS = {
    "folder": lambda files, lab: files.folder(lab.path("layout")),
    "tar": lambda files, lab: files.tar(lab.path()),
    "gzip": lambda files, lab: packed(gzip.compress, files, lab),
    "bzip2": lambda files, lab: packed(bz2.compress, files, lab),
    "xz": lambda files, lab: packed(lzma.compress, files, lab),
}


def packed(pack, files: Layout, lab: Lab) -> Path:
    path = files.tar(lab.path())
    path.write_bytes(pack(path.read_bytes()))
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["oci", "oci gzip", "docker"])
def test_an_image_comes_in_by_any_form(lab: Lab, form: str, kind: str) -> None:
    files = docker_save(BASE, TOP) if kind == "docker" else layout(BASE, TOP, zipped=kind == "oci gzip")
    found = brought(lab, FORMS[form](files, lab))
    assert found.id == sha(config([BASE, TOP]))
    assert found.references == ("shop/app:1",)
    assert found.created == "2026-01-02T03:04:05Z"
    assert found.config == ImageConfig(command=("sh",), environment={"PATH": "/bin"})
    assert found.size == 2000 + 700
    lower, upper = found.layers
    assert (lower / "bin/sh").stat().st_size == 2000
    assert (upper / "app/main").exists()
    assert stat.S_ISCHR((upper / "bin/sh").lstat().st_mode)
    assert lab.store.resolve("shop/app:1") == found


def test_the_store_is_closed_to_others(lab: Lab) -> None:
    brought(lab, layout(BASE).tar(lab.path()))
    assert stat.S_IMODE(lab.store.root.stat().st_mode) == 0o700


def test_what_an_image_says_of_itself(lab: Lab) -> None:
    says = {
        "Entrypoint": ["/entry"],
        "Cmd": ["-v"],
        "Env": ["A=1", "B=x=y", "C=", "broken"],
        "WorkingDir": "/srv",
        "User": "web:www",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "9000-9002": {}},
        "Volumes": {"/data": {}, "/cache": {}},
        "StopSignal": "SIGINT",
        "Labels": {"a": "b"},
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 2_000_000_000, "Retries": 5, "Timeout": 0},
    }
    found = brought(lab, docker_save(BASE, config=says).tar(lab.path()))
    assert found.config == ImageConfig(
        entrypoint=("/entry",),
        command=("-v",),
        environment={"A": "1", "B": "x=y", "C": ""},
        working_dir="/srv",
        user="web:www",
        exposed=tuple(PortKey(*one) for one in ((53, "udp"), (80,), (9000,), (9001,), (9002,))),
        volumes=("/cache", "/data"),
        stop_signal="SIGINT",
        labels={"a": "b"},
        healthcheck=Healthcheck(test=("CMD-SHELL", "true"), interval=2.0, retries=5),
    )


def test_an_image_without_any_words(lab: Lab) -> None:
    assert brought(lab, docker_save(BASE, config=None).tar(lab.path())).config == ImageConfig()


@pytest.mark.parametrize(
    "asked",
    ["busybox", "busybox:latest", "library/busybox", "docker.io/busybox", "index.docker.io/library/busybox"],
)
def test_names_are_read_as_docker_reads_them(lab: Lab, asked: str) -> None:
    found = brought(lab, layout(BASE).tar(lab.path()), reference="docker.io/library/busybox:latest")
    assert found.references == ("busybox:latest",)
    assert lab.store.resolve(asked) == found


@pytest.mark.parametrize(
    "asked", ["busybox:1", "shop/busybox", "localhost/busybox", "BusyBox", "", "a b", "../x", ":", "@"]
)
def test_other_names_are_not_found(lab: Lab, asked: str) -> None:
    brought(lab, layout(BASE).tar(lab.path()), reference="busybox")
    assert lab.store.resolve(asked) is None


def test_an_image_is_found_by_id_and_by_its_beginning(lab: Lab) -> None:
    found = brought(lab, layout(BASE).tar(lab.path()))
    digits = found.id.removeprefix("sha256:")
    for asked in (found.id, digits, digits[:12], digits[:4], found.id[:15]):
        assert lab.store.resolve(asked) == found
    assert lab.store.resolve(digits[:3]) is None
    assert lab.store.resolve(f"{digits}0") is None


def test_a_beginning_of_several_ids_is_refused(lab: Lab) -> None:
    ids: dict[str, str] = {}
    for number in range(400):
        label = str(number)
        start = sha(config([BASE], author=label))[7:11]
        if start in ids:
            break
        ids[start] = label
    else:
        pytest.fail("no two of 400 ids begin alike")
    for author in (ids[start], label):
        files = docker_save(BASE, tags=[f"a:{author}"], author=author)
        brought(lab, files.tar(lab.path()))
    with pytest.raises(Rejected, match="2 images"):
        lab.store.resolve(start)


def test_an_image_is_found_by_the_digest_of_its_manifest(lab: Lab) -> None:
    files = layout(BASE)
    digest = json.loads(files["index.json"])["manifests"][0]["digest"]
    found = brought(lab, files.tar(lab.path()))
    assert found.digests == (f"shop/app@{digest}",)
    assert lab.store.resolve(f"shop/app@{digest}") == found
    assert lab.store.resolve(f"shop/app:9@{digest}") == found
    assert lab.store.resolve(f"shop/other@{digest}") is None


def test_images_share_layers(lab: Lab) -> None:
    first = brought(lab, layout(BASE, TOP).tar(lab.path()))
    used = lab.store.disk_use()
    second = brought(lab, docker_save(BASE, OTHER, tags=["other"]).tar(lab.path()))
    assert first.layers[0] == second.layers[0]
    assert lab.store.disk_use() - used == 4096 * 4
    assert len(layers_on_disk(lab)) == 3
    lab.store.remove("shop/app:1")
    assert lab.store.resolve("shop/app:1") is None
    assert all(layer.is_dir() for layer in second.layers)
    assert not first.layers[1].exists()
    lab.store.remove("other")
    assert layers_on_disk(lab) == set()
    assert lab.store.disk_use() == 0


def test_disk_use_is_what_the_disk_says(lab: Lab) -> None:
    layer = tar(*(Item(f"d{n % 7}/{n}", content=b"x" * (n * 97)) for n in range(300)))
    brought(lab, layout(BASE, layer).tar(lab.path()))
    told = sum(path.lstat().st_blocks * 512 for path in (lab.store.root / "layers").rglob("*"))
    assert lab.store.disk_use() == pytest.approx(told, rel=0.02)


def test_a_layer_used_twice_is_stacked_once_at_its_upper_place(lab: Lab) -> None:
    found = brought(lab, layout(BASE, TOP, BASE).tar(lab.path()))
    assert len(found.layers) == 2
    assert (found.layers[0] / "app").exists()
    assert (found.layers[1] / "bin/sh").exists()


def test_removing_a_name_leaves_the_others(lab: Lab) -> None:
    source = layout(BASE).tar(lab.path())
    first = brought(lab, source)
    brought(lab, source, reference="second")
    assert known(lab, "second").references == ("shop/app:1", "second:latest")
    lab.store.remove("shop/app:1")
    assert known(lab, "second").id == first.id
    brought(lab, source)
    lab.store.remove(first.id)
    assert [one.host for one in lab.store.images()] == [True]
    with pytest.raises(NotFound, match="second"):
        lab.store.remove("second")


def test_a_name_moves_to_the_newer_image(lab: Lab) -> None:
    old = brought(lab, layout(BASE).tar(lab.path()))
    new = brought(lab, layout(OTHER).tar(lab.path()))
    assert known(lab, "shop/app:1").id == new.id
    assert known(lab, old.id).references == ()
    assert lab.store.prune([new.id]) == 4096 * 3
    assert lab.store.resolve(old.id) is None
    assert lab.store.prune(["shop/app:1"]) == 0
    assert known(lab, "shop/app:1").id == new.id
    assert lab.store.prune([]) > 0
    assert layers_on_disk(lab) == set()


def test_several_images_in_one_archive(lab: Lab) -> None:
    files = Layout()
    files.index(files.image(BASE, **named("a:1")), files.image(BASE, TOP, **named("b:1")))
    found = lab.store.import_archive(files.tar(lab.path()))
    assert [one.references for one in found] == [("a:1",), ("b:1",)]
    with pytest.raises(Rejected, match="2 images"):
        lab.store.import_archive(files.tar(lab.path()), reference="one")


def test_one_image_under_two_names_is_one(lab: Lab) -> None:
    files = Layout()
    files.index(files.image(BASE, **named("a:1")), files.image(BASE, **named("a:2")))
    assert brought(lab, files.tar(lab.path())).references == ("a:1", "a:2")


def test_the_image_for_this_machine_is_taken(lab: Lab) -> None:
    def files_for(*platforms: dict[str, str]) -> tuple[Layout, list[str]]:
        files = Layout()
        entries = []
        for number, one in enumerate(platforms):
            entries.append(files.image(tar(f"p{number}"), platform=one))
        note = {"vnd.docker.reference.type": "attestation-manifest"}
        unknown = {"os": "unknown", "architecture": "unknown"}
        entries.append(files.image(tar("attestation"), platform=unknown, annotations=note))
        top = files.blob(as_json({"schemaVersion": 2, "manifests": entries}), OCI_INDEX, **named("multi:1"))
        return files.index(top), [entry["digest"] for entry in entries]

    own = json.loads(config([]))["architecture"]
    strange = {"os": "linux", "architecture": "mips64le"}
    files, _ = files_for(strange, {"os": "linux", "architecture": own})
    found = brought(lab, files.tar(lab.path()))
    assert os.listdir(found.layers[0]) == ["p1"]
    other = brought(lab, files.tar(lab.path()), platform="linux/mips64le")
    assert os.listdir(other.layers[0]) == ["p0"]
    files, _ = files_for(strange)
    with pytest.raises(Rejected, match=f"no image for linux/{own}.*only for linux/mips64le"):
        lab.store.import_archive(files.tar(lab.path()))
    with pytest.raises(Rejected, match="no platform"):
        lab.store.import_archive(files.tar(lab.path()), platform="a/b/c/d")


def test_layers_behind_symlinks_as_old_docker_wrote_them(lab: Lab) -> None:
    files = docker_save(BASE, BASE)
    del files["layer1/layer.tar"]
    items = [Item(name, content=data) for name, data in files.items()]
    lab.path().write_bytes(
        tar(*items, "layer1/", Item("layer1/layer.tar", SYMLINK, link="../layer0/layer.tar"))
    )
    assert len(brought(lab, lab.path()).layers) == 1


def test_a_root_file_system_becomes_an_image(lab: Lab) -> None:
    lab.path().write_bytes(gzip.compress(BASE))
    found = brought(lab, lab.path(), kind="rootfs", reference="base:1")
    assert found.config == ImageConfig()
    assert (found.layers[0] / "bin/sh").exists()
    assert found.references == ("base:1",)
    again = brought(lab, lab.path(), kind="rootfs")
    assert again == found
    lab.path().write_bytes(BASE)
    os.utime(lab.path(), (1, 1))
    assert brought(lab, lab.path(), kind="rootfs").layers == found.layers


def test_the_machine_is_an_image(lab: Lab) -> None:
    host = lab.store.resolve("host")
    assert host is not None
    assert host.host
    assert host.layers == ()
    assert host.config.command == ()
    assert "/bin" in host.config.environment["PATH"].split(":")
    assert lab.store.resolve("host:latest") == host
    assert lab.store.resolve(host.id) == host
    assert lab.store.images()[0] == host
    assert lab.store.pull("host") == host
    code = (
        "from pathlib import Path; from zun_compose.drivers.local.images.store import ImageStore; "
        f"print(ImageStore(Path({str(lab.folder / 'no')!r})).resolve('host').id)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == host.id
    assert not (lab.folder / "no").exists()
    with pytest.raises(Rejected, match="machine itself"):
        lab.store.remove("host")
    with pytest.raises(Rejected, match="taken"):
        lab.store.import_archive(layout(BASE).tar(lab.path()), reference="host")
    lab.store.prune([])
    assert lab.store.resolve("host") == host


def test_a_name_by_digest_cannot_be_given(lab: Lab) -> None:
    with pytest.raises(Rejected, match="by digest"):
        lab.store.import_archive(layout(BASE).tar(lab.path()), reference=f"a@{sha(b'x')}")
    with pytest.raises(Rejected, match="no image name"):
        lab.store.import_archive(layout(BASE).tar(lab.path()), reference="A B")


def test_an_archive_that_is_not_there(lab: Lab) -> None:
    with pytest.raises(NotFound, match="no image archive"):
        lab.store.import_archive(lab.path("absent"))


def test_a_store_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = ImageStore(tmp_path / "file" / "images")
    with pytest.raises(Unavailable, match="cannot be used"):
        store.prune([])


def test_a_broken_or_newer_index_is_told_and_left(lab: Lab) -> None:
    brought(lab, layout(BASE).tar(lab.path()))
    index = lab.store.root / "index.json"
    for text, code in (
        ("{", "state.broken"),
        ('{"format": 1}', "state.broken"),
        ('{"format": 2}', "state.newer"),
    ):
        index.write_text(text)
        for act in (lambda: lab.store.resolve("a"), lambda: lab.store.prune([])):
            with pytest.raises(StateError) as told:
                act()
            assert told.value.code == code
        assert index.read_text() == text
    assert len(layers_on_disk(lab)) == 1


def test_what_another_process_changed_is_seen(lab: Lab) -> None:
    mine = ImageStore(lab.store.root, limits=SMALL)
    assert mine.resolve("shop/app:1") is None
    found = brought(lab, layout(BASE).tar(lab.path()))
    assert mine.resolve("shop/app:1") == found
    lab.store.remove("shop/app:1")
    assert mine.resolve("shop/app:1") is None


def test_rests_of_a_killed_import_are_swept(lab: Lab) -> None:
    brought(lab, layout(BASE).tar(lab.path()))
    before = lab.seen()
    rest = lab.store.root / "tmp" / "1-1"
    (rest / "layer" / "shut").mkdir(parents=True)
    (rest / "layer" / "shut").chmod(0)
    (lab.store.root / "layers" / "0123456789abcdef").mkdir()
    busy = lab.store.root / "tmp" / "2-2"
    busy.mkdir()
    holder = os.open(busy, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    lab.store.prune(["shop/app:1"])
    assert busy.exists()
    os.close(holder)
    lab.store.prune(["shop/app:1"])
    assert lab.seen() == before


def _work(root: Path, archives: list[Path], seed: int) -> None:
    store = ImageStore(root, limits=SMALL)
    for turn in range(12):
        which = (seed + turn) % len(archives)
        (image,) = store.import_archive(archives[which])
        for layer in image.layers:
            os.stat(layer)
        if turn % 3 == seed % 3:
            try:
                store.remove(image.id)
            except NotFound:
                continue


def test_processes_at_once_leave_a_whole_store(lab: Lab) -> None:
    archives = [
        layout(BASE, TOP, name="a:1").tar(lab.path("a.tar")),
        layout(BASE, OTHER, name="b:1").tar(lab.path("b.tar")),
        docker_save(BASE, tags=["c:1"]).tar(lab.path("c.tar")),
    ]
    context = multiprocessing.get_context("spawn")
    crowd = [context.Process(target=_work_loosely, args=(lab.store.root, archives, n)) for n in range(3)]
    for one in crowd:
        one.start()
    deadline = time.monotonic() + 60
    while any(one.is_alive() for one in crowd) and time.monotonic() < deadline:
        for image in lab.store.images():
            assert image.id
    for one in crowd:
        one.join(1)
        assert one.exitcode == 0
    for image in lab.store.images():
        assert all(layer.is_dir() for layer in image.layers)
    named_ = {layer.name for image in lab.store.images() for layer in image.layers}
    assert layers_on_disk(lab) == named_
    assert os.listdir(lab.store.root / "tmp") == []


def _work_loosely(root: Path, archives: list[Path], seed: int) -> None:
    """As `_work`, but a layer may be gone again by the time it is looked at."""
    for _ in range(3):
        try:
            _work(root, archives, seed)
        except FileNotFoundError:
            continue


_ENDLESS = """
import sys
from pathlib import Path
from zun_compose.drivers.local.images.store import ImageStore
store = ImageStore(Path(sys.argv[1]))
while True:
    for archive in sys.argv[2:]:
        store.import_archive(Path(archive))
    print(flush=True)
    for image in store.images()[1:]:
        store.remove(image.id)
"""


def test_a_kill_at_any_moment_leaves_a_whole_store(lab: Lab, size) -> None:
    content = [Item(f"d{number % 9}/{number}", content=b"x" * 2000) for number in range(300)]
    archives = [
        layout(tar(*content), TOP, name="a:1").tar(lab.path("a.tar")),
        docker_save(tar(*content, "more"), tags=["b:1"]).tar(lab.path("b.tar")),
    ]
    command = [sys.executable, "-c", _ENDLESS, str(lab.store.root), *map(str, archives)]
    chance = random.Random(7)
    for _ in range(size(5, 50)):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.random() * 0.2)
            process.kill()
        found = lab.store.images()
        assert all(any(layer.iterdir()) for image in found for layer in image.layers)
        lab.store.prune([image.id for image in found])
        assert layers_on_disk(lab) == {layer.name for image in found for layer in image.layers}
        assert os.listdir(lab.store.root / "tmp") == []
    for archive in archives:
        assert len(lab.store.import_archive(archive)) == 1


def test_threads_at_once(lab: Lab) -> None:
    sources = [layout(BASE, tar(f"f{n}"), name=f"t{n}:1").tar(lab.path(f"{n}.tar")) for n in range(6)]
    crowd = [threading.Thread(target=lab.store.import_archive, args=(source,)) for source in sources]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert len(lab.store.images()) == 7
    assert len(layers_on_disk(lab)) == 7


def test_which_images_containers_need(tmp_path: Path) -> None:
    assert images_in_use(tmp_path / "containers") == frozenset()
    for name, text in (("a", '{"image_id": "sha256:1"}'), ("b", '{"image_id": "sha256:2"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spec.json").write_text(text)
    assert images_in_use(tmp_path) == {"sha256:1", "sha256:2"}
    (tmp_path / "b" / "spec.json").write_text("{")
    with pytest.raises(Conflict, match='"b"'):
        images_in_use(tmp_path)


def test_media_types_do_not_decide_how_a_layer_is_read(lab: Lab) -> None:
    # Writers mislabel; the first bytes tell, the digests decide.
    files = Layout()
    zipped = gzip.compress(BASE)
    entry = files.image(BASE)
    body = json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"])
    body["layers"] = [files.blob(zipped, PLAIN_LAYER)]
    files.index(files.blob(as_json(body), entry["mediaType"], **named("a:1")))
    assert brought(lab, files.tar(lab.path())).size == 2000


def test_an_image_that_is_needed_keeps_its_last_name(lab: Lab) -> None:
    source = layout(BASE).tar(lab.path())
    image = brought(lab, source).id
    brought(lab, source, reference="second")
    with pytest.raises(Conflict, match="needed by a container"):
        lab.store.remove(image, needed=[image])
    lab.store.remove("second", needed=[image])
    for reference in ("shop/app:1", image):
        with pytest.raises(Conflict, match="needed by a container"):
            lab.store.remove(reference, needed=[image])
    assert known(lab, "shop/app:1").id == image
    lab.store.remove("shop/app:1", needed=["sha256:other"])

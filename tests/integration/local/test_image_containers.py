"""Containers of an image: a root of their own above shared layers."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tests.engines import busybox
from tests.integration.local.bench import Bench
from zun_compose.container import FileContent
from zun_compose.errors import Rejected
from zun_compose.model import Mount, MountType


@pytest.fixture
def image(bench: Bench, tmp_path) -> str:
    try:
        root = busybox.root()
    except LookupError as error:
        pytest.skip(str(error))
    archive = tmp_path / "busybox.tar"
    archive.write_bytes(root)
    with tarfile.open(archive, "a") as tar:
        for name, text in (("seeded/file", "from the image"), ("etc/hosts", "of the image")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    bench.driver.store.import_archive(archive, reference="bb", kind="rootfs")
    return "bb"


def test_what_it_writes_is_its_own_and_stays(bench: Bench, image) -> None:
    first = bench.run("sh", "-c", "cat /bin/made 2>&1; echo mine > /bin/made", name="first", image=image)
    bench.ended(first)
    assert "mine" not in bench.shell("cat /bin/made 2>&1 || true", name="second", image=image)
    bench.driver.start(first)
    bench.ended(first)
    assert [line.text for line in bench.driver.logs(first)][-1] == "mine"


def test_nothing_of_the_machine_is_there(bench: Bench, image, tmp_path) -> None:
    assert bench.shell(f"ls {tmp_path} 2>/dev/null || echo gone", image=image) == "gone"
    assert "of the image" not in bench.shell("cat /etc/hosts", image=image)


def test_a_new_volume_gets_what_the_image_has_there(bench: Bench, image) -> None:
    mount = Mount(type=MountType.VOLUME, source="bench_data", target="/seeded")
    assert (
        bench.shell("cat /seeded/file; echo changed > /seeded/file", image=image, mounts=(mount,))
        == "from the image"
    )
    assert bench.shell("cat /seeded/file", image=image, mounts=(mount,)) == "changed"
    bench.driver.remove_volume("bench_data")
    plain = Mount(type=MountType.VOLUME, source="bench_data", target="/seeded", nocopy=True)
    assert bench.shell("ls /seeded", image=image, mounts=(plain,)) == ""
    bench.driver.remove_volume("bench_data")


def test_a_working_folder_is_made(bench: Bench, image) -> None:
    assert bench.shell("pwd", image=image, working_dir="/made/for/it") == "/made/for/it"


def test_a_removed_container_leaves_no_file(bench: Bench, image) -> None:
    container = bench.run("sh", "-c", "mkdir -p /a/b && touch /a/b/c && chmod 0 /a/b /a", image=image)
    bench.ended(container)
    bench.driver.remove(container)
    assert list(Path(bench.root, "containers").iterdir()) == []


def planted(bench: Bench, tmp_path, *links: tuple[str, str]) -> str:
    """An image with symbolic links that lead where bubblewrap keeps the machine's root while it mounts."""
    archive = tmp_path / "links.tar"
    with tarfile.open(archive, "w") as tar:
        for name, target in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        tar.add(busybox.program().resolve(), "bin/busybox")
    bench.driver.store.import_archive(archive, reference="planted", kind="rootfs")
    return "planted"


def test_links_of_an_image_lead_nowhere_outside(bench: Bench, tmp_path, image) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    far = f"/oldroot{outside}"
    links = (("etc", far), ("data", f"{far}/data"), ("work", f"{far}/work"), ("f", f"{far}/f"))
    made = planted(bench, tmp_path, *links)
    mount = Mount(type=MountType.VOLUME, target="/data/deep")
    secret = FileContent(target="/f/secret", content=b"secret")
    script = "/bin/busybox ls /data/deep /f/secret && /bin/busybox pwd"
    text = bench.output(
        "/bin/busybox", "sh", "-c", script, image=made, mounts=(mount,), files=(secret,), working_dir="/work"
    )
    assert "secret" in text
    assert list(outside.iterdir()) == []


def test_links_that_a_container_left_lead_nowhere_outside(bench: Bench, tmp_path, image) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    volume = Mount(type=MountType.VOLUME, source="bench_data", target="/data")
    bench.shell(f"ln -s /oldroot{outside} /data/way", image=image, mounts=(volume,))
    inner = Mount(type=MountType.TMPFS, target="/data/way/deep")
    with pytest.raises(Rejected, match="leads elsewhere"):
        bench.run("true", image=image, mounts=(volume, inner))
    assert list(outside.iterdir()) == []
    bench.driver.remove("bench-web-1")
    bench.driver.remove_volume("bench_data")

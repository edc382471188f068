"""Archives made to do harm: refused in plain words, the store as before, nothing outside touched."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local.images.archives import (
    CONFIG,
    FIFO,
    FOLDER,
    HARDLINK,
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
from tests.unit.local.images.conftest import Lab
from zun_compose.drivers.local.images.manifests import OCI_INDEX, OCI_MANIFEST
from zun_compose.errors import DriverError, Rejected

GOOD = tar("bin/", Item("bin/sh", content=b"#!"))
SECRET = Item("x", content=b"harm")


def refused(lab: Lab, source: Path, word: str, **how: Any) -> str:
    """Import what must be refused, and see that nothing happened; returns the message."""
    before = lab.seen()
    with pytest.raises(Rejected) as told:
        lab.store.import_archive(source, **how)
    message = str(told.value)
    assert word in message, message
    assert f'"{source}"' in message
    assert message.isprintable()
    assert lab.seen() == before
    assert [one.id for one in lab.store.images() if not one.host] == []
    return message


LAYERS: dict[str, tuple[list[Item | str], str]] = {
    "climbs": ([Item("../x", content=b"harm")], "climbs out"),
    "climbs inside": ([Item("a/../../x", content=b"harm")], "climbs out"),
    "climbs within": (["a/", Item("a/../x", content=b"harm")], "climbs out"),
    "absolute": ([Item("/x", content=b"harm")], "absolute"),
    "absolute folder": ([Item("/a/", FOLDER)], "absolute"),
    "below a symlink": (
        [Item("up", SYMLINK, link="../../../../witness"), Item("up/x", content=b"harm")],
        "which is a symlink",
    ),
    "below a symlink to the root": (
        [Item("up", SYMLINK, link="/"), Item("up/tmp/x", content=b"harm")],
        "which is a symlink",
    ),
    "below a symlink to itself": (
        [Item("me", SYMLINK, link="me"), Item("me/x", content=b"harm")],
        "which is a symlink",
    ),
    "below a loop": (
        [Item("a", SYMLINK, link="b"), Item("b", SYMLINK, link="a"), Item("a/b/x", content=b"harm")],
        "which is a symlink",
    ),
    "below a file": (["a", "a/x"], "which is no folder"),
    "folder below a symlink": ([Item("up", SYMLINK, link=".."), "up/x/"], "which is a symlink"),
    "hard link out": ([Item("x", HARDLINK, link="../../../../witness/file")], "climbs out"),
    "hard link absolute": ([Item("x", HARDLINK, link="/etc/passwd")], "absolute"),
    "hard link to nothing": ([Item("x", HARDLINK, link="nothing")], "does not have"),
    "hard link by a symlink": (
        [Item("up", SYMLINK, link="../../../../witness"), Item("x", HARDLINK, link="up/file")],
        "does not have",
    ),
    "hard link to itself": (["x", Item("x", HARDLINK, link="x")], "itself"),
    "hard link to a folder": (["a/", Item("x", HARDLINK, link="a")], "is a folder"),
    "hard link to a whiteout": ([".wh.a", Item("x", HARDLINK, link="a")], "does not have"),
    "hard link to the top": ([Item("x", HARDLINK, link=".")], "does not have"),
    "hard link over its target": (["a/", "a/x", Item("a", HARDLINK, link="a/x")], "does not have"),
    "no name": ([Item("", content=b"harm")], "no name"),
    "the top as a file": ([Item(".", content=b"harm")], "no folder"),
    "the top as a symlink": ([Item("./", SYMLINK, link="/tmp")], "no folder"),
    "whiteout of nothing": ([".wh."], "hides nothing"),
    "whiteout of the folder": (["a/", "a/.wh.."], "hides nothing"),
    "whiteout of the parent": (["a/", "a/.wh..."], "hides nothing"),
    "whiteout below a symlink": ([Item("up", SYMLINK, link=".."), "up/.wh.x"], "which is a symlink"),
    "opaque below a symlink": ([Item("up", SYMLINK, link=".."), "up/.wh..wh..opq"], "which is a symlink"),
    "zero byte": ([Item("a", content=b"x", pax={"path": "a\0b"})], "zero byte"),
    "zero byte in a symlink": ([Item("a", SYMLINK, link="b", pax={"linkpath": "b\0c"})], "impossible target"),
    "long part": ([Item("n" * 256)], "cannot be kept"),
    "long name": ([Item("/".join(["n" * 200] * 30))], "more than 4095 bytes"),
    "long symlink": ([Item("a", SYMLINK, link="n" * 5000)], "impossible target"),
    "deep": (["a/" * 200 + "x"], "folders deep"),
    "many": ([str(number) for number in range(20_001)], "more than 20000 entries"),
    "control characters in its name": ([Item("../\x1b[31m\n\u202e", content=b"harm")], "climbs out"),
}


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("how", ["oci", "rootfs"])
def test_layers_that_reach_out_are_refused(lab: Lab, case: str, how: str) -> None:
    items, word = LAYERS[case]
    layer = tar(*items)
    if how == "rootfs":
        lab.path().write_bytes(layer)
        refused(lab, lab.path(), word, kind="rootfs", reference="a")
    else:
        refused(lab, layout(GOOD, layer, zipped=True).folder(lab.path("layout")), word)


def test_a_wrong_layer_is_named(lab: Lab) -> None:
    message = refused(lab, layout(GOOD, tar("../x")).tar(lab.path()), 'entry "../x" climbs out')
    assert "layer 2 of 2" in message


@pytest.mark.parametrize("kind", ["gzip", "many members", "inside a tar"])
def test_bombs_are_refused(lab: Lab, kind: str) -> None:
    bomb = tar(Item("zeros", content=bytes(8 * 1024 * 1024)))
    if kind == "gzip":
        lab.path().write_bytes(gzip.compress(bomb))
        refused(lab, lab.path(), "200 times its compressed size", kind="rootfs")
    elif kind == "many members":
        lab.path().write_bytes(b"".join(gzip.compress(bytes(1024 * 1024)) for _ in range(20)))
        refused(lab, lab.path(), "200 times", kind="auto")
    else:
        refused(lab, layout(bomb, zipped=True).tar(lab.path()), "200 times")


def test_too_much_content_is_refused_before_it_is_written(lab: Lab) -> None:
    # Only the header says 33 MiB; a reader that believed it would fill the disk or wait for more.
    info = tarfile.TarInfo("big")
    info.size = 33 * 1024 * 1024
    lab.path().write_bytes(info.tobuf())
    refused(lab, lab.path(), "larger than", kind="rootfs")


def test_content_below_each_limit_adds_up(lab: Lab) -> None:
    layer = tar(*(Item(str(number), content=os.urandom(1024) * 4096) for number in range(9)))
    lab.path().write_bytes(layer)
    refused(lab, lab.path(), "bytes", kind="rootfs")


@pytest.mark.parametrize("form", ["0.0", "0.1", "1.0", "old"])
def test_sparse_files_are_refused(lab: Lab, form: str) -> None:
    size = str(1 << 50)
    records = {
        "0.0": {"GNU.sparse.size": size, "GNU.sparse.numblocks": "0"},
        "0.1": {"GNU.sparse.size": size, "GNU.sparse.map": "0,0"},
        "1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": size},
        "old": {},
    }[form]
    lab.path().write_bytes(tar(Item("big", b"S" if form == "old" else b"0", pax=records)))
    refused(lab, lab.path(), "sparse", kind="rootfs")


def test_a_huge_header_is_refused(lab: Lab) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    lab.path().write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(lab, lab.path(), "longer than", kind="rootfs")


def test_headers_without_end_are_refused(lab: Lab) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    lab.path().write_bytes(info.tobuf(tarfile.USTAR_FORMAT) * 100_000)
    refused(lab, lab.path(), "too many headers", kind="rootfs")


def test_a_global_header_that_renames_all_is_refused(lab: Lab) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", pax_headers={"path": "../x"}) as archive:
        archive.addfile(tarfile.TarInfo("good"))
    lab.path().write_bytes(out.getvalue())
    refused(lab, lab.path(), "global header", kind="rootfs")


@pytest.mark.parametrize("field", [b"-0000000001\0", b"9999999999\0\0", b"\xff" * 12, b"\x80" + b"\xff" * 11])
def test_sizes_that_are_none_are_refused(lab: Lab, field: bytes) -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf())
    header[124:136] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    lab.path().write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(Rejected):
        lab.store.import_archive(lab.path(), kind="rootfs")
    assert lab.store.disk_use() == 0


PAX: dict[str, bytes] = {
    "no length": b"path=a\n",
    "length of nothing": b"0 path=a\n",
    "length beyond": b"999 path=a\n",
    "length too short": b"3 path=a\n",
    "no newline": b"9 path=ab",
    "no equals": b"8 pathab\n",
    "endless digits": b"1" * 5000 + b" path=a\n",
    "size of letters": b"10 size=x\n",
    "negative size": b"11 size=-1\n",
}


@pytest.mark.parametrize("case", PAX)
def test_broken_pax_headers_are_refused(lab: Lab, case: str) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(PAX[case])
    padded = PAX[case] + bytes(-len(PAX[case]) % 512)
    lab.path().write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + padded + tar("x"))
    refused(lab, lab.path(), "header", kind="rootfs")


@pytest.mark.parametrize("place", [1, 100, 511, 513, 1024, 1500, 1535, 2047, 2048, 2559])
def test_an_archive_that_is_cut_is_refused(lab: Lab, place: int) -> None:
    whole = tar("a/", Item("a/b", content=b"x" * 700))[: 512 * 4 + 1024]
    lab.path().write_bytes(whole[:place])
    with pytest.raises(Rejected, match=r"ends too early|not a tar"):
        lab.store.import_archive(lab.path(), kind="rootfs")
    lab.path().write_bytes(gzip.compress(whole)[: place * len(gzip.compress(whole)) // 3072])
    with pytest.raises(Rejected):
        lab.store.import_archive(lab.path(), kind="rootfs")
    assert lab.store.disk_use() == 0


def test_damage_in_compressed_data_is_told(lab: Lab) -> None:
    data = bytearray(gzip.compress(tar(Item("a", content=os.urandom(50_000)))))
    data[20_000] ^= 0xFF
    lab.path().write_bytes(bytes(data))
    refused(lab, lab.path(), "damaged", kind="rootfs")
    lab.path().write_bytes(gzip.compress(GOOD) + b"something else")
    refused(lab, lab.path(), "followed by something else", kind="rootfs")


def test_what_is_no_archive_is_told(lab: Lab) -> None:
    lab.path().write_bytes(b"hello" * 1000)
    refused(lab, lab.path(), "not a tar archive")
    lab.path().write_bytes(b"")
    refused(lab, lab.path(), "ends too early")
    lab.path().write_bytes(tar("just/", "files"))
    refused(lab, lab.path(), "--kind rootfs")
    empty = lab.path("empty")
    empty.mkdir()
    refused(lab, empty, "--kind rootfs")


def test_a_fifo_as_archive_keeps_nobody_waiting(lab: Lab) -> None:
    os.mkfifo(lab.path("fifo"))
    refused(lab, lab.path("fifo"), "no plain file")
    refused(lab, lab.path("fifo"), "no plain file", kind="rootfs")
    made = layout(GOOD).folder(lab.path("layout"))
    (made / "index.json").unlink()
    os.mkfifo(made / "index.json")
    refused(lab, made, "no plain file")


def test_symlinks_in_a_layout_are_not_followed(lab: Lab) -> None:
    made = layout(GOOD).folder(lab.path("layout"))
    (made / "index.json").rename(lab.witness / "index.json")
    (made / "index.json").symlink_to(lab.witness / "index.json")
    refused(lab, made, "cannot be read as a plain file")
    (made / "index.json").unlink()
    (lab.witness / "index.json").rename(made / "index.json")
    (made / "blobs").rename(lab.witness / "blobs")
    (made / "blobs").symlink_to(lab.witness / "blobs")
    refused(lab, made, "cannot be read as a plain file")


# Documents

Change = Callable[[Layout], None]


def _replace(name: str, data: bytes) -> Change:
    def change(files: Layout) -> None:
        files[name] = data

    return change


def _edited(name: str, edit: Callable[[Any], Any]) -> Change:
    def change(files: Layout) -> None:
        files[name] = as_json(edit(json.loads(files[name])))

    return change


def _first(**changes: Any) -> Callable[[Any], Any]:
    def edit(body: Any) -> Any:
        body["manifests"][0].update(changes)
        return body

    return edit


OCI: dict[str, tuple[Change, str]] = {
    "index is no JSON": (_replace("index.json", b"{"), "not JSON"),
    "index is a list": (_replace("index.json", b"[]"), "not a JSON object"),
    "index is not text": (_replace("index.json", b"\xff\xfe\x00"), "not JSON"),
    "index is nested deeply": (_replace("index.json", b"[" * 100_000), "not JSON"),
    "index has a huge number": (_replace("index.json", b'{"a": ' + b"1" * 10_000 + b"}"), "not JSON"),
    "index is huge": (_replace("index.json", b" " * (256 * 1024 + 1)), "larger than 262144 bytes"),
    "index of another version": (_edited("index.json", lambda body: {**body, "schemaVersion": 1}), "version"),
    "index without manifests": (_edited("index.json", lambda body: {"schemaVersion": 2}), "no list"),
    "index with nothing": (_edited("index.json", lambda body: {**body, "manifests": []}), "names no image"),
    "index with much": (
        _edited("index.json", lambda body: {**body, "manifests": body["manifests"] * 1001}),
        "more than 1000",
    ),
    "descriptor is text": (_edited("index.json", lambda body: {**body, "manifests": ["x"]}), "no object"),
    "digest climbs": (_edited("index.json", _first(digest="sha256:../../../witness/file")), "no sha256"),
    "digest of another kind": (_edited("index.json", _first(digest="md5:" + "0" * 32)), "no sha256"),
    "digest is a number": (_edited("index.json", _first(digest=7)), "no sha256"),
    "manifest is absent": (_edited("index.json", _first(digest="sha256:" + "0" * 64)), "does not hold"),
    "size is negative": (_edited("index.json", _first(size=-1)), "without a size"),
    "media type is absent": (_edited("index.json", _first(mediaType=None)), "media type"),
    "media type is a chart": (_edited("index.json", _first(mediaType="text/plain")), "no image"),
    "layout of another version": (_replace("oci-layout", b'{"imageLayoutVersion": "9"}'), "unknown version"),
    "layout is no JSON": (_replace("oci-layout", b"1.0.0"), "not JSON"),
}


@pytest.mark.parametrize("case", OCI)
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_broken_indexes_are_refused(lab: Lab, case: str, form: str) -> None:
    change, word = OCI[case]
    files = layout(GOOD)
    change(files)
    source = files.tar(lab.path()) if form == "tar" else files.folder(lab.path("layout"))
    refused(lab, source, word)


def _manifest(**changes: Any) -> Layout:
    files = Layout()
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": files.blob(config([GOOD]), CONFIG),
        "layers": [files.blob(GOOD, PLAIN_LAYER)],
    }
    return files.index(files.blob(as_json({**body, **changes}), OCI_MANIFEST))


def _digest(data: bytes, kind: str) -> dict[str, Any]:
    return {"digest": sha(data), "size": len(data), "mediaType": kind}


MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "old schema": ({"schemaVersion": 1}, "schema version"),
    "other media type": ({"mediaType": OCI_INDEX}, "no image's"),
    "no config": ({"config": None}, "no object"),
    "config of another kind": ({"config": _digest(b"{}", "application/x-helm")}, "no image's"),
    "absent config": ({"config": _digest(b"absent", CONFIG)}, "does not hold"),
    "no layers": ({"layers": None}, "no list"),
    "fewer layers": ({"layers": []}, "0 layers"),
    "absent layer": ({"layers": [_digest(b"absent", PLAIN_LAYER)]}, "does not hold"),
    "layer kept elsewhere": (
        {"layers": [_digest(GOOD, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]},
        "cannot be unpacked",
    ),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_broken_manifests_are_refused(lab: Lab, case: str) -> None:
    changes, word = MANIFESTS[case]
    refused(lab, _manifest(**changes).tar(lab.path()), word)


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no rootfs": ({"rootfs": None}, "rootfs"),
    "rootfs is a list": ({"rootfs": []}, '"rootfs"'),
    "diff id climbs": ({"rootfs": {"type": "layers", "diff_ids": ["sha256:../../x"]}}, "no sha256"),
    "diff ids are numbers": ({"rootfs": {"type": "layers", "diff_ids": [1]}}, '"diff_ids"'),
    "wrong diff id": ({"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]}}, "names another"),
    "more diff ids": ({"rootfs": {"type": "layers", "diff_ids": [sha(GOOD)] * 2}}, "2"),
    "command is text": ({"config": {"Cmd": "sh"}}, '"Cmd"'),
    "environment is an object": ({"config": {"Env": {"A": "b"}}}, '"Env"'),
    "zero byte in the environment": ({"config": {"Env": ["A=b\0c"]}}, '"Env"'),
    "port of letters": ({"config": {"ExposedPorts": {"http/tcp": {}}}}, "no port"),
    "port beyond": ({"config": {"ExposedPorts": {"1-70000/tcp": {}}}}, "no port"),
    "port of strange digits": ({"config": {"ExposedPorts": {"²/tcp": {}}}}, "no port"),
    "label is a number": ({"config": {"Labels": {"a": 1}}}, '"Labels"'),
    "interval is text": ({"config": {"Healthcheck": {"Test": ["CMD", "x"], "Interval": "1s"}}}, "Health"),
    "user is a number": ({"config": {"User": 0.5}}, '"User"'),
    "created is a number": ({"created": 7}, '"created"'),
}


@pytest.mark.parametrize("case", CONFIGS)
@pytest.mark.parametrize("form", ["oci", "docker"])
def test_broken_configurations_are_refused(lab: Lab, case: str, form: str) -> None:
    changes, word = CONFIGS[case]
    if form == "oci":
        files = Layout()
        files.index(files.image(GOOD, document=config([GOOD], **changes)))
    else:
        files = docker_save(GOOD, **changes)
    refused(lab, files.tar(lab.path()), word)


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_every_document_and_layer_must_have_its_digest(lab: Lab, form: str) -> None:
    good = layout(GOOD, zipped=True) if form == "oci" else docker_save(GOOD)
    names = [name for name in good if name not in ("oci-layout", "index.json", "manifest.json")]
    assert len(names) == (3 if form == "oci" else 2)
    for name in names:
        changed = Layout(good)
        data = bytearray(changed[name])
        # A blank or a letter more: the document stays what it was otherwise.
        changed[name] = bytes(data) + (b" " if data.startswith(b"{") else b"\0")
        with pytest.raises(Rejected, match="digest"):
            lab.store.import_archive(changed.tar(lab.path()))
    assert lab.store.disk_use() == 0
    assert len(lab.store.import_archive(good.tar(lab.path()))) == 1


def test_one_wrong_image_keeps_all_others_out(lab: Lab) -> None:
    files = Layout()
    right = files.image(GOOD, **named("right:1"))
    wrong = files.image(tar("../x"), **named("wrong:1"))
    refused(lab, files.index(right, wrong).tar(lab.path()), "climbs out")


def test_indexes_that_name_each_other_are_refused(lab: Lab) -> None:
    # A true loop would need a hash to be broken; a long chain is what can be made.
    files = Layout()
    entry = files.image(GOOD)
    for _ in range(20):
        entry = files.blob(as_json({"schemaVersion": 2, "manifests": [entry]}), OCI_INDEX)
    refused(lab, files.index(entry).tar(lab.path()), "without end")


def test_an_index_that_claims_to_name_itself_is_refused(lab: Lab) -> None:
    files = Layout()
    digest = "ab" * 32
    loop = {"mediaType": OCI_INDEX, "digest": f"sha256:{digest}", "size": 3}
    files[f"blobs/sha256/{digest}"] = as_json({"schemaVersion": 2, "manifests": [loop]})
    refused(lab, files.index(loop).tar(lab.path()), "digest")


DOCKER: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"[", "not JSON"),
    "an object": (b"{}", "not a list"),
    "empty": (b"[]", "not a list"),
    "text inside": (b'["x"]', "no object"),
    "no config": (b'[{"Layers": []}]', "without Config"),
    "layers of numbers": (b'[{"Config": "x", "Layers": [1]}]', "without Config"),
    "config outside": (b'[{"Config": "../../witness/file", "Layers": []}]', "does not hold"),
    "config by an absolute name": (b'[{"Config": "/etc/passwd", "Layers": []}]', "does not hold"),
}


@pytest.mark.parametrize("case", DOCKER)
def test_broken_docker_archives_are_refused(lab: Lab, case: str) -> None:
    text, word = DOCKER[case]
    files = docker_save(GOOD)
    files["manifest.json"] = text
    refused(lab, files.tar(lab.path()), word)
    refused(lab, files.folder(lab.path("saved")), word)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", ".."])
def test_an_archive_around_the_layers_may_not_climb_either(lab: Lab, name: str) -> None:
    items = [Item(one, content=data) for one, data in layout(GOOD).items()]
    lab.path().write_bytes(tar(*items, Item(name, content=b"harm")))
    refused(lab, lab.path(), "climbs out")


def test_links_between_layers_may_not_loop(lab: Lab) -> None:
    files = docker_save(GOOD)
    del files["layer0/layer.tar"]
    items = [Item(name, content=data) for name, data in files.items()]
    links = [
        Item("layer0/layer.tar", SYMLINK, link="../layer1/layer.tar"),
        Item("layer1/layer.tar", SYMLINK, link="../layer0/layer.tar"),
    ]
    lab.path().write_bytes(tar(*items, *links))
    refused(lab, lab.path(), "leads nowhere")
    lab.path().write_bytes(tar(*items, Item("layer0/layer.tar", SYMLINK, link="../../../witness/file")))
    refused(lab, lab.path(), "does not hold")


def test_names_that_are_none_are_refused(lab: Lab) -> None:
    source = docker_save(GOOD, tags=["../../etc"]).tar(lab.path())
    refused(lab, source, "which is none")
    source = docker_save(GOOD, tags=["host:latest"]).tar(lab.path())
    refused(lab, source, "taken")


def test_zlib_that_never_ends_is_refused(lab: Lab) -> None:
    # Empty stored blocks: input without any output.
    machine = zlib.compressobj(wbits=31)
    head = machine.compress(b"") + machine.flush(zlib.Z_FULL_FLUSH)
    lab.path().write_bytes(head + b"\0\0\0\xff\xff" * 100_000)
    refused(lab, lab.path(), "ends too early", kind="rootfs")


def test_a_failing_import_leaves_what_was_there(lab: Lab) -> None:
    first = lab.store.import_archive(layout(GOOD).tar(lab.path()))
    before = lab.seen()
    for layer in (tar("../x"), tar(Item("f", FIFO), Item("f/x"))):
        with pytest.raises(DriverError):
            lab.store.import_archive(layout(GOOD, layer).tar(lab.path()))
    assert lab.seen() == before
    assert lab.store.resolve("shop/app:1") == first[0]

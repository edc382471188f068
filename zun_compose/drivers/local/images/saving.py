"""Images as archives that every engine loads: what docker save wrote up to version 24, without names.

Names are left out on purpose: whoever loads the archive would give them to it, on a machine
that others share.
Layers are written uncompressed, and checked on the way.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from zun_compose.drivers.local.images.archive import Archive
from zun_compose.drivers.local.images.layer_tree import OPAQUE, OPAQUE_ATTRIBUTE, WHITEOUT
from zun_compose.drivers.local.images.manifests import Found
from zun_compose.drivers.local.images.records import LIMITS
from zun_compose.drivers.local.images.streams import CHUNK, Bounded, Hashed, decompressed
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected

_BLOCK = 512
Writer = Callable[[IO[bytes]], str]
"""Writes one layer and returns its diff id."""


def save_found(archive: Archive, image: Found, target: IO[bytes]) -> None:
    """Write an image of an archive. Raises Rejected for a layer that is not what it says."""

    def copied(number: int) -> Writer:
        layer = image.layers[number]

        def write(out: IO[bytes]) -> str:
            stream = archive.open(layer.name)
            if stream is None:
                raise Rejected(f"the archive does not hold {shown(layer.name)}")
            digest = hashlib.sha256()
            with stream:
                compressed = Hashed(stream)
                plain = Bounded(decompressed(compressed), compressed, LIMITS)
                while data := plain.read(CHUNK):
                    digest.update(data)
                    out.write(data)
            if f"sha256:{digest.hexdigest()}" != layer.diff_id:
                raise Rejected(f"layer {number + 1} does not have the digest that its configuration names")
            return layer.diff_id

        return write

    _save(target, image.text, [copied(number) for number in range(len(image.layers))])


def save_folders(document: bytes, layers: list[Path], target: IO[bytes]) -> None:
    """Write an image whose layers are unpacked; all is root's. Raises Rejected for what cannot be read."""

    def packed(folder: Path) -> Writer:
        def write(out: IO[bytes]) -> str:
            hashing = _Hashing(out)
            try:
                with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                    _pack(tar, folder)
            except OSError as error:
                raise Rejected(f"a layer of the image cannot be read: {error.strerror or error}") from error
            return f"sha256:{hashing.digest.hexdigest()}"

        return write

    _save(target, document, [packed(folder) for folder in layers])


def _save(target: IO[bytes], document: bytes, layers: list[Writer]) -> None:
    """Write layers, then a configuration that names their digests, then the list of both."""
    names, digests = [], []
    for number, write in enumerate(layers):
        name = f"{number}/layer.tar"
        digests.append(_entry(target, name, write))
        names.append(name)
    body = json.loads(document)
    if body["rootfs"]["diff_ids"] != digests:
        body["rootfs"]["diff_ids"] = digests
        document = json.dumps(body, separators=(",", ":")).encode()
    config = f"{hashlib.sha256(document).hexdigest()}.json"
    _entry(target, config, lambda out: str(out.write(document)))
    listed = json.dumps([{"Config": config, "RepoTags": None, "Layers": names}]).encode()
    _entry(target, "manifest.json", lambda out: str(out.write(listed)))
    target.write(bytes(2 * _BLOCK))


def _entry(target: IO[bytes], name: str, write: Writer) -> str:
    """Write an entry whose size is only known when it is written; returns what `write` says."""
    start = target.tell()
    target.write(bytes(_BLOCK))
    said = write(target)
    info = tarfile.TarInfo(name)
    end = target.tell()
    info.size, info.mode = end - start - _BLOCK, 0o644
    target.write(bytes(-info.size % _BLOCK))
    end = target.tell()
    target.seek(start)
    # GNU's form has sizes above 8 GiB in the same one block
    target.write(info.tobuf(tarfile.GNU_FORMAT))
    target.seek(end)
    return said


class _Hashing(io.RawIOBase):
    """Hands on what is written, and its digest."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        return self._out.write(data)


def _pack(tar: tarfile.TarFile, top: Path) -> None:
    for path in _walk(top):
        name = str(path.relative_to(top))
        status = path.lstat()
        info = tar.gettarinfo(path, name)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)
        if info.ischr() and os.major(status.st_rdev) == os.minor(status.st_rdev) == 0:
            folder, _, last = name.rpartition("/")
            info = tarfile.TarInfo(f"{folder}/{WHITEOUT}{last}" if folder else f"{WHITEOUT}{last}")
            tar.addfile(info)
        elif info.isreg():
            with path.open("rb") as file:
                tar.addfile(info, file)
        else:
            tar.addfile(info)
        if info.isdir() and _opaque(path):
            tar.addfile(tarfile.TarInfo(f"{name}/{OPAQUE}"))


def _walk(top: Path) -> Iterator[Path]:
    for path in sorted(top.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _opaque(folder: Path) -> bool:
    return OPAQUE_ATTRIBUTE in os.listxattr(folder, follow_symlinks=False)

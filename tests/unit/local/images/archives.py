"""Image archives made by hand: right ones, and any kind of wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zun_compose.drivers.local.images.manifests import OCI_INDEX, OCI_MANIFEST
from zun_compose.drivers.local.images.platforms import wanted_platform

PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
FILE, FOLDER, SYMLINK, HARDLINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
CHARACTER, BLOCK, FIFO = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE


@dataclass(frozen=True)
class Item:
    """One entry of a layer."""

    name: str
    kind: bytes = FILE
    content: bytes = b""
    link: str = ""
    mode: int | None = None
    mtime: int = 1_000_000_000
    pax: Mapping[str, str] = field(default_factory=dict)


def tar(*items: Item | str, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar; a plain name is an empty file, or a folder if it ends with a slash."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for one in items:
            if isinstance(one, str):
                one = Item(one, FOLDER if one.endswith("/") else FILE)
            info = tarfile.TarInfo(one.name)
            info.type, info.linkname, info.mtime = one.kind, one.link, one.mtime
            info.mode = one.mode if one.mode is not None else (0o755 if one.kind == FOLDER else 0o644)
            info.size = len(one.content)
            info.pax_headers = dict(one.pax)
            archive.addfile(info, io.BytesIO(one.content) if one.content else None)
    return out.getvalue()


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()


def config(layers: Iterable[bytes], **changes: Any) -> bytes:
    """Return a configuration document for plain layers."""
    here = wanted_platform(None)
    body = {
        "architecture": here.architecture,
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [sha(layer) for layer in layers]},
    }
    return as_json({**body, **changes})


class Layout(dict[str, bytes]):
    """An OCI layout as files by name."""

    def blob(self, data: bytes, kind: str, **more: Any) -> dict[str, Any]:
        self[f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"] = data
        return {"mediaType": kind, "digest": sha(data), "size": len(data), **more}

    def image(
        self, *layers: bytes, document: bytes | None = None, zipped: bool = False, **more: Any
    ) -> dict[str, Any]:
        """Add an image of plain layers; returns its descriptor."""
        text = config(layers) if document is None else document
        kind = f"{PLAIN_LAYER}+gzip" if zipped else PLAIN_LAYER
        listed = [self.blob(gzip.compress(one, mtime=0) if zipped else one, kind) for one in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(text, CONFIG),
            "layers": listed,
        }
        return self.blob(as_json(manifest), OCI_MANIFEST, **more)

    def index(self, *entries: Mapping[str, Any]) -> Layout:
        """Finish with index.json."""
        self["oci-layout"] = as_json({"imageLayoutVersion": "1.0.0"})
        self["index.json"] = as_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)})
        return self

    def folder(self, path: Path) -> Path:
        for name, data in self.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path

    def tar(self, path: Path) -> Path:
        path.write_bytes(tar(*(Item(name, content=data) for name, data in self.items())))
        return path


def named(name: str) -> dict[str, Any]:
    return {"annotations": {"org.opencontainers.image.ref.name": name}}


def layout(*layers: bytes, name: str = "shop/app:1", zipped: bool = False) -> Layout:
    """Return the layout of one image."""
    made = Layout()
    return made.index(made.image(*layers, zipped=zipped, **named(name)))


def docker_save(*layers: bytes, tags: Iterable[str] = ("shop/app:1",), **changes: Any) -> Layout:
    """Return the files that docker save writes for one image (up to version 24)."""
    text = config(layers, **changes)
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    files = Layout({name: text})
    for number, layer in enumerate(layers):
        files[f"layer{number}/layer.tar"] = layer
    listed = [f"layer{number}/layer.tar" for number in range(len(layers))]
    files["manifest.json"] = as_json([{"Config": name, "RepoTags": list(tags), "Layers": listed}])
    return files

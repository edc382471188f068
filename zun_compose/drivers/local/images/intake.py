"""What is on its way into the store: layers unpacked aside, digests checked, nothing visible yet."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from zun_compose.drivers.local.images.archive import Archive, open_file, opened
from zun_compose.drivers.local.images.config import Document, read_document
from zun_compose.drivers.local.images.formats import find
from zun_compose.drivers.local.images.host import is_host
from zun_compose.drivers.local.images.index import LayerEntry, folder_of
from zun_compose.drivers.local.images.manifests import Found, Layer, digest_of
from zun_compose.drivers.local.images.platforms import wanted_platform
from zun_compose.drivers.local.images.records import Limits
from zun_compose.drivers.local.images.references import Reference
from zun_compose.drivers.local.images.unpack import unpack
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected
from zun_compose.record import Mutable, Record, field


class StagedImage(Record, kw_only=True):
    """One image about to become visible: its configuration as given and as read, and its names."""

    id: str
    text: bytes
    document: Document
    references: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


class Intake(Mutable):
    """Images being brought in below `scratch`; `known` are the diff ids of layers that the store has.

    Methods raise Rejected for what is wrong with an archive, OSError where the disk fails.
    """

    scratch: Path
    known: Collection[str]
    limits: Limits
    folders: dict[str, Path] = field(default_factory=dict)
    layers: dict[str, LayerEntry] = field(default_factory=dict)
    images: list[StagedImage] = field(default_factory=list)

    def archive(self, source: Path, name: Reference | None, platform: str | None) -> None:
        """Take all images of an OCI layout or docker save archive; `name` is for the only one."""
        wanted = wanted_platform(platform)
        with opened(source, self.scratch, self.limits) as archive:
            found = find(archive, wanted, self.limits)
            if name is not None and len(found) != 1:
                raise Rejected(f"it holds {len(found)} images, which cannot all be named {shown(str(name))}")
            for image in found:
                self.image(archive, image, name)

    def image(self, archive: Archive, found: Found, name: Reference | None) -> None:
        """Take one image, under `name` or else its own names."""
        references = found.references if name is None else (name,)
        if any(is_host(str(one)) for one in references):
            raise Rejected('the name "host" is taken: import it under another by --reference')
        for number, layer in enumerate(found.layers, 1):
            if layer.diff_id in self.known or layer.diff_id in self.layers:
                continue
            try:
                self._layer(archive, layer)
            except Rejected as error:
                what = f"layer {number} of {len(found.layers)} ({layer.diff_id[:19]})"
                raise Rejected(f"{what}: {error.reason}") from error
        self.images.append(
            StagedImage(
                id=found.id,
                text=found.text,
                document=found.document,
                references=tuple(str(one) for one in references if one.digest is None),
                digests=tuple(f"{one.repository}@{found.digest}" for one in references if found.digest),
            )
        )

    def rootfs(self, source: Path, name: Reference | None) -> None:
        """Take a tar of a root file system as an image of one layer."""
        folder = self.scratch / "layer"
        folder.mkdir(mode=0o700)
        with open_file(source) as stream:
            changed = datetime.fromtimestamp(int(os.fstat(stream.fileno()).st_mtime), UTC)
            unpacked = unpack(stream, folder, limits=self.limits)
        here = wanted_platform(None)
        # The file's own time, so that the same file makes the same image.
        body = {
            "architecture": here.architecture,
            "os": here.os,
            "created": changed.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [unpacked.diff_id]},
        }
        text = json.dumps(body, sort_keys=True).encode()
        if unpacked.diff_id not in self.known:
            self.folders[unpacked.diff_id] = folder
            self.layers[unpacked.diff_id] = LayerEntry(unpacked.size, unpacked.disk)
        names = () if name is None else (str(name),)
        image = StagedImage(id=digest_of(text), text=text, document=read_document(text), references=names)
        self.images.append(image)

    def _layer(self, archive: Archive, layer: Layer) -> None:
        stream = archive.open(layer.name)
        if stream is None:
            raise Rejected(f"the archive does not hold {shown(layer.name)}")
        folder = self.scratch / f"layer-{folder_of(layer.diff_id)}"
        folder.mkdir(mode=0o700)
        with stream:
            unpacked = unpack(stream, folder, limits=self.limits)
        if layer.digest is not None and unpacked.digest != layer.digest:
            raise Rejected(f"its digest is {unpacked.digest}, the manifest names {layer.digest}")
        if unpacked.diff_id != layer.diff_id:
            raise Rejected(f"its content has the digest {unpacked.diff_id}, the configuration names another")
        self.folders[layer.diff_id] = folder
        self.layers[layer.diff_id] = LayerEntry(unpacked.size, unpacked.disk)

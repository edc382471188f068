"""The store's one index file: which image has which names and layers. Small, and replaced as a whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zun_compose import __version__
from zun_compose.drivers.local.images.host import host_image, is_host
from zun_compose.drivers.local.images.references import Reference, parsed
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected, StateError
from zun_compose.record import Mutable, field

FORMAT = 1
_SHORT = 16
_SHORTEST_ID = 4
_HEX = frozenset("0123456789abcdef")


class ImageEntry(Mutable):
    """One image: its names, the digests of its manifests by repository, and its layers, lowest first.

    Of an image with too many layers for one mount, the folder `merged` stands for the lowest `below` of
    those that differ.
    """

    references: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    merged: str = ""
    below: int = 0

    @property
    def distinct(self) -> list[str]:
        """The layers without repetition, each at its upper place, since overlayfs takes no folder twice.

        That place covers what the lower one would give.
        """
        return list(dict.fromkeys(reversed(self.layers)))[::-1]

    @property
    def folders(self) -> list[str]:
        """The names of the folders to be mounted, lowest first."""
        own = [folder_of(layer) for layer in self.distinct]
        return [self.merged, *own[self.below :]] if self.merged else own


class LayerEntry(Mutable):
    """One unpacked layer: bytes of its files, and about what it takes on disk."""

    size: int
    disk: int


class Index(Mutable):
    """What the store holds: images by id, layers by diff id."""

    images: dict[str, ImageEntry] = field(default_factory=dict)
    layers: dict[str, LayerEntry] = field(default_factory=dict)

    def named(self, reference: str) -> str | None:
        """Return the id of the image with a name or digest."""
        for image, entry in self.images.items():
            if reference in entry.references or reference in entry.digests:
                return image
        return None

    def find(self, reference: str) -> str | None:
        """Return the id that a reference means, names before beginnings of ids. Raises Rejected."""
        if is_host(reference) or reference == host_image().id:
            return host_image().id
        name = parsed(reference)
        if name is not None and (found := self.named(str(name))) is not None:
            return found
        digits = reference.removeprefix("sha256:")
        if len(digits) < _SHORTEST_ID or not _HEX.issuperset(digits):
            return None
        known = [image for image in self.images if image.startswith(f"sha256:{digits}")]
        if len(known) > 1:
            raise Rejected(f"{shown(reference)} begins the ids of {len(known)} images: give more of it")
        return known[0] if known else None

    def move_name(self, name: str, target: ImageEntry) -> None:
        """Give a name to an image, whichever had it before."""
        for entry in self.images.values():
            if name in entry.references:
                entry.references.remove(name)
        target.references.append(name)

    def drop_name(self, image: str, name: Reference | None) -> None:
        """Take a name from an image, all if it is none of its names; without any the image is forgotten."""
        entry = self.images[image]
        if name is not None and str(name) in entry.references:
            entry.references.remove(str(name))
        elif name is not None and str(name) in entry.digests:
            entry.digests.remove(str(name))
        else:
            entry.references, entry.digests = [], []
        if not entry.references:
            self.drop_images([image])

    def drop_images(self, images: Iterable[str]) -> None:
        """Forget images, and the layers that no image has then."""
        for image in images:
            del self.images[image]
        used = {layer for entry in self.images.values() for layer in entry.layers}
        self.layers = {layer: entry for layer, entry in self.layers.items() if layer in used}


def folder_of(layer: str) -> str:
    """Return the short name of a layer's folder.

    overlayfs takes all paths of its layers in one page of 4 KiB, so they are kept short. Two layers
    whose digests begin alike are made, not met: the second one is refused.
    """
    return layer.removeprefix("sha256:")[:_SHORT]


def read(path: Path) -> Index:
    """Read the index; an empty one if there is none. Raises StateError, OSError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Index()
    try:
        body = json.loads(text)
        number = body["format"]
        if number > FORMAT:
            raise StateError(
                f'image store "{path.parent}" has format {number}, this is zun-compose {__version__} which '
                f"reads up to {FORMAT}: a newer one is needed; nothing was changed",
                code="state.newer",
            )
        return Index(
            images={str(key): _image(value) for key, value in body["images"].items()},
            layers={
                str(key): LayerEntry(int(v["size"]), int(v["disk"])) for key, v in body["layers"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StateError(
            f'the index of image store "{path.parent}" is broken; nothing was changed: remove that folder '
            "and import or pull its images again",
            code="state.broken",
        ) from error


def _image(body: Any) -> ImageEntry:
    references, digests, layers = (list(map(str, body[key])) for key in ("references", "digests", "layers"))
    return ImageEntry(references, digests, layers, str(body["merged"]), int(body["below"]))


def write(path: Path, index: Index) -> None:
    """Replace the index, so that whoever reads meanwhile sees the old or the new one. Raises OSError."""
    body = {
        "format": FORMAT,
        "zun_compose": __version__,
        "images": {
            key: {
                "references": one.references,
                "digests": one.digests,
                "layers": one.layers,
                "merged": one.merged,
                "below": one.below,
            }
            for key, one in index.images.items()
        },
        "layers": {key: {"size": one.size, "disk": one.disk} for key, one in index.layers.items()},
    }
    temporary = path.with_name(f".{path.name}.new")
    # Whoever writes holds the store's lock; no fsync: an index that a power cut tears is told as broken.
    temporary.write_text(json.dumps(body))
    os.replace(temporary, path)

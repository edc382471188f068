"""Images on disk: found by name, brought in from archives and registries, removed when nobody needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from zun_compose.drivers.local.images import index as indexes
from zun_compose.drivers.local.images.config import Document, read_document
from zun_compose.drivers.local.images.host import NAME, host_image, is_host
from zun_compose.drivers.local.images.index import ImageEntry, Index, folder_of
from zun_compose.drivers.local.images.place import Place
from zun_compose.drivers.local.images.records import LIMITS, Limits, StoredImage
from zun_compose.drivers.local.images.references import Reference, parse, parsed
from zun_compose.drivers.local.images.removal import remove_tree
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Conflict, DriverError, NotFound, Rejected, Unavailable

if TYPE_CHECKING:
    from zun_compose.driver import PullProgress
    from zun_compose.drivers.local.images.intake import Intake


def _nobody(_: PullProgress) -> None:
    """Listen to progress for nobody."""


class ImageStore:
    """Images under `root`, a private folder that is made on use.

    Layers are unpacked once, whoever shares them. Nothing becomes visible before all its digests were
    checked. Safe from several threads and processes. Methods raise DriverError (Rejected for what is
    wrong with an archive, NotFound for what is not there, Unavailable where the disk fails) and StateError
    for a store that this version cannot read.
    """

    def __init__(self, root: Path, *, limits: Limits = LIMITS) -> None:
        self._place = Place(root)
        self._limits = limits
        self._seen: tuple[tuple[int, int, int], Index] | None = None
        self._documents: dict[str, Document] = {}

    @property
    def root(self) -> Path:
        """The folder that holds everything."""
        return self._place.root

    # Looking

    def resolve(self, reference: str) -> StoredImage | None:
        """Return the image of a name, a name with digest, an id or its beginning; None if there is none.

        "host" is the machine itself. Raises Rejected for a beginning that several ids share.
        """
        with self._told():
            while True:
                index = self._index()
                found = index.find(reference)
                try:
                    return None if found is None else self._image(index, found)
                except FileNotFoundError:
                    # Somebody removed it between our two looks; if not, the store is damaged.
                    if self._index() is index:
                        raise

    def images(self) -> Sequence[StoredImage]:
        """Return all images: the machine itself first, then by name, those without one by id."""
        with self._told():
            while True:
                index = self._index()
                ordered = sorted(
                    index.images.items(),
                    key=lambda item: (not item[1].references, item[1].references, item[0]),
                )
                try:
                    return [host_image(), *(self._image(index, image) for image, _ in ordered)]
                except FileNotFoundError:
                    if self._index() is index:
                        raise

    def disk_use(self) -> int:
        """Return about how many bytes all layers take on disk."""
        with self._told():
            return _disk_use(self._index())

    # Giving away

    def save(self, reference: str, target: IO[bytes]) -> StoredImage:
        """Write an image as docker save does, without names; all its files belong to root.

        The store keeps layers unpacked and no owners, so its digests are others than those it came with.
        Raises NotFound, and Rejected for the machine itself and for what cannot be read.
        """
        from zun_compose.drivers.local.images.saving import save_folders

        with self._told(), self._place.locked():
            index = indexes.read(self._place.index)
            found = _ours(index, reference, "given away")
            document = (self._place.documents / found.removeprefix("sha256:")).read_bytes()
            layers = [self._place.layers / folder_of(layer) for layer in index.images[found].layers]
            save_folders(document, layers, target)
            return self._image(index, found)

    # Changing

    def import_archive(
        self,
        source: Path,
        *,
        reference: str | None = None,
        kind: Literal["auto", "rootfs"] = "auto",
        platform: str | None = None,
    ) -> Sequence[StoredImage]:
        """Bring in the images of an OCI layout (folder or tar) or docker save archive, compressed or not.

        With kind "rootfs" a plain tar of a root file system becomes an image of one layer, as docker import
        does. `reference` names the image, in place of the archive's own names. Of several platforms that of
        this machine is taken, or the one that `platform` names. All or nothing is brought in.
        """
        from zun_compose.drivers.local.images.intake import Intake

        name = None if reference is None else _new_name(reference)
        with self._told(), self._place.scratch() as scratch, self._place.locked():
            intake = Intake(scratch, self._index().layers, self._limits)
            with self._told(f'image archive "{source}"', source):
                if kind == "rootfs":
                    intake.rootfs(source, name)
                else:
                    intake.archive(source, name, platform)
                return self._commit(intake)

    def pull(
        self, reference: str, platform: str | None = None, progress: Callable[[PullProgress], None] = _nobody
    ) -> StoredImage:
        """Bring in an image from its registry; layers that are here already are not fetched again.

        Raises NotFound if the registry has none, Rejected if it refuses us or sends what its digests deny,
        Unavailable if it does not answer.
        """
        if is_host(reference):
            return host_image()
        from zun_compose.drivers.local.images.archive import FolderArchive
        from zun_compose.drivers.local.images.intake import Intake
        from zun_compose.drivers.local.images.platforms import wanted_platform
        from zun_compose.drivers.local.images.registry import Fetch

        name = parse(reference)
        fetch = Fetch(name, reference, wanted_platform(platform), self._limits, progress)
        with self._told(), self._place.scratch() as scratch, self._told(f'image "{name}"'):
            held: Collection[str] = self._index().layers
            while True:
                found = fetch.into(scratch, held)
                with self._place.locked():
                    known = self._index().layers
                    if all(layer.diff_id in known for layer in found.layers if layer.diff_id in held):
                        intake = Intake(scratch, known, self._limits)
                        intake.image(FolderArchive(scratch), found, None)
                        return self._commit(intake)[0]
                # Somebody removed a layer that we counted on while we fetched the others.
                held = ()

    def remove(self, reference: str, *, needed: Collection[str] = ()) -> None:
        """Take a name away; an image without names goes, with its unshared layers. An id takes all names.

        `needed` are ids of images that containers were made of: one of them that would go raises Conflict.
        NotFound if there is no such image.
        """
        with self._told(), self._place.locked():
            index = indexes.read(self._place.index)
            found = _ours(index, reference, "removed")
            index.drop_name(found, parsed(reference))
            if found in needed and found not in index.images:
                raise Conflict(f"image {shown(reference)} is needed by a container: remove that first")
            self._replace(index)

    def prune(self, keep: Collection[str]) -> int:
        """Remove all images that `keep` does not name (by id or name); returns the bytes freed, about."""
        with self._told(), self._place.locked():
            index = indexes.read(self._place.index)
            before = _disk_use(index)
            kept = {index.find(one) for one in keep}
            index.drop_images([image for image in index.images if image not in kept])
            self._replace(index)
            return before - _disk_use(index)

    def _image(self, index: Index, image: str) -> StoredImage:
        if image == host_image().id:
            return host_image()
        entry = index.images[image]
        document = self._document(image)
        return StoredImage(
            id=image,
            references=tuple(entry.references),
            digests=tuple(entry.digests),
            layers=tuple(self._place.layers / folder for folder in entry.folders),
            config=document.config,
            size=sum(index.layers[layer].size for layer in entry.layers),
            created=document.created,
        )

    def _document(self, image: str) -> Document:
        known = self._documents.get(image)
        if known is None:
            known = read_document((self._place.documents / image.removeprefix("sha256:")).read_bytes())
            self._documents[image] = known
        return known

    def _index(self) -> Index:
        """Return the index as it is on disk, read again only when it was replaced; not to be changed."""
        try:
            found = os.stat(self._place.index)
        except FileNotFoundError:
            return Index()
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if self._seen is None or self._seen[0] != stamp:
            self._seen = (stamp, indexes.read(self._place.index))
        return self._seen[1]

    def _commit(self, intake: Intake) -> Sequence[StoredImage]:
        """Make what was brought in visible, under the lock: folders first, the index that names them last."""
        index = indexes.read(self._place.index)
        taken = {folder_of(layer): layer for layer in index.layers}
        for layer, folder in intake.folders.items():
            if taken.setdefault(folder_of(layer), layer) != layer:
                raise Rejected(
                    f"a layer's digest {layer} begins as that of another layer, which no chance brings"
                )
            target = self._place.layers / folder_of(layer)
            remove_tree(target)
            folder.rename(target)
        index.layers.update(intake.layers)
        for image in intake.images:
            (self._place.documents / image.id.removeprefix("sha256:")).write_bytes(image.text)
            entry = index.images.setdefault(image.id, ImageEntry(layers=list(image.document.diff_ids)))
            self._merge(index, entry, intake.scratch)
            for name in image.references:
                index.move_name(name, entry)
            entry.digests = list(dict.fromkeys((*entry.digests, *image.digests)))
        self._replace(index)
        return [self._image(index, image) for image in dict.fromkeys(one.id for one in intake.images)]

    def _merge(self, index: Index, entry: ImageEntry, scratch: Path) -> None:
        """Merge the lowest layers of an image that has more than one mount takes."""
        from zun_compose.drivers.local.images.merge import merge, most_layers

        most, distinct = most_layers(self._place.layers), entry.distinct
        if len(distinct) <= most:
            return
        count = len(distinct) - most + 1
        below = distinct[:count]
        name = f"m{sha256(' '.join(below).encode()).hexdigest()[:15]}"
        known = any(one.merged == name for one in index.images.values())
        entry.merged, entry.below = name, count
        if known:
            # It may be mounted.
            return
        merge([self._place.layers / folder_of(layer) for layer in below], scratch / name)
        remove_tree(self._place.layers / name)
        (scratch / name).rename(self._place.layers / name)

    def _replace(self, index: Index) -> None:
        """Make an index the valid one, then remove what it does not name, a crash's rest included."""
        indexes.write(self._place.index, index)
        layers = {folder_of(layer) for layer in index.layers}
        layers.update(entry.merged for entry in index.images.values())
        documents = {image.removeprefix("sha256:") for image in index.images}
        for folder in self._place.layers.iterdir():
            if folder.name not in layers:
                remove_tree(folder)
        for path in self._place.documents.iterdir():
            if path.name not in documents:
                path.unlink()

    @contextmanager
    def _told(self, what: str = "", source: Path | None = None) -> Iterator[None]:
        """Turn errors of the system into ours, and name what was being brought in."""
        try:
            yield
        except Rejected as error:
            if not what:
                raise
            raise Rejected(f"{what} is refused: {error.reason}", reason=error.reason) from error
        except OSError as error:
            raise self._failed(error, source) from error

    def _failed(self, error: OSError, source: Path | None) -> DriverError:
        reason = os.strerror(error.errno).lower() if error.errno else "input or output failed"
        if source is not None and error.filename is not None and Path(error.filename) == source:
            if isinstance(error, FileNotFoundError):
                return NotFound(f'there is no image archive "{source}"')
            return Rejected(f'image archive "{source}" cannot be read: {reason}')
        return Unavailable(f'the image store "{self.root}" cannot be used: {reason}')


def _new_name(reference: str) -> Reference:
    name = parse(reference)
    if name.digest is not None:
        raise Rejected(f"{shown(reference)} names an image by digest, which cannot be given away")
    if is_host(reference):
        raise Rejected(f'the name "{NAME}" is taken: it stands for the machine itself')
    return name


def _ours(index: indexes.Index, reference: str, verb: str) -> str:
    """Return the id of a stored image. Raises NotFound, and Rejected for the machine itself."""
    found = index.find(reference)
    if found is None:
        raise NotFound(f"no such image: {shown(reference)}")
    if found == host_image().id:
        raise Rejected(f'image "{NAME}" is the machine itself and cannot be {verb}')
    return found


def _disk_use(index: Index) -> int:
    return sum(layer.disk for layer in index.layers.values())

"""The simulated image store and registry."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from zun_compose.container import ImageSeen
from zun_compose.errors import NotFound
from zun_compose.model import Build


def normalised(reference: str) -> str:
    """A reference as an engine prints it: with its tag, ids and digests untouched."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class ImageStore:
    """Local images by reference. Without a list of images every reference is at hand."""

    def __init__(self, images: Iterable[ImageSeen | str] | None, registry: Collection[str] | None) -> None:
        self._everything = images is None
        self._registry = None if registry is None else {normalised(reference) for reference in registry}
        self._images: dict[str, ImageSeen] = {}
        self._removed: set[str] = set()
        for image in images or ():
            self._add(image if isinstance(image, ImageSeen) else self._plain(image))

    def get(self, reference: str) -> ImageSeen | None:
        """The image of a reference or id."""
        name = normalised(reference)
        found = self._images.get(name)
        if found is None and reference.startswith("sha256:"):
            found = next((image for image in self._images.values() if image.id == reference), None)
        if found is None and self._everything and name not in self._removed:
            found = self._add(self._plain(name))
        return found

    def all(self) -> Mapping[str, str]:
        """References to ids; where everything is at hand, it answers for references never heard of."""
        known = {reference: image.id for reference, image in self._images.items()}
        return _Everything(self, known) if self._everything else known

    def pull(self, reference: str) -> None:
        """Fetch an image.

        Raises:
            NotFound: the registry has none of that name.
        """
        name = normalised(reference)
        if self._registry is not None and name not in self._registry:
            raise NotFound(f'image "{name}" not found in the registry')
        self._removed.discard(name)
        if name not in self._images:
            self._add(self._plain(name))

    def build(self, tag: str, build: Build) -> str:
        """Make an image whose id depends on what it is built from."""
        source = (build.context, build.dockerfile, build.dockerfile_inline, build.target)
        recipe = (source, sorted(build.labels.items()))
        arguments = sorted((key, value or "") for key, value in build.args.items())
        made = ImageSeen(id=_digest(repr((recipe, arguments))), reference=normalised(tag))
        for reference in (tag, *build.tags):
            self._removed.discard(normalised(reference))
            self._add(ImageSeen(id=made.id, reference=normalised(reference)))
        return made.id

    def remove(self, reference: str) -> None:
        """Forget an image."""
        found = self.get(reference)
        if found is not None:
            self._images.pop(found.reference, None)
            self._removed.add(found.reference)

    def _add(self, image: ImageSeen) -> ImageSeen:
        self._images[normalised(image.reference)] = image
        return image

    @staticmethod
    def _plain(reference: str) -> ImageSeen:
        name = normalised(reference)
        return ImageSeen(id=_digest(name), reference=name)


class _Everything(Mapping[str, str]):
    """A store in which every reference can be looked up; iterating gives those named so far."""

    def __init__(self, store: ImageStore, known: dict[str, str]) -> None:
        self._store = store
        self._known = known

    def __getitem__(self, reference: str) -> str:
        image_id = self._known.get(normalised(reference))
        if image_id is None:
            found = self._store.get(reference)
            if found is None:
                raise KeyError(reference)
            image_id = found.id
        return image_id

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

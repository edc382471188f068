"""Images as the driver offers them; the store itself is in images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zun_compose.container import ImageSeen
from zun_compose.driver import PullProgress
from zun_compose.drivers.local.containers import Part
from zun_compose.drivers.local.home import Home
from zun_compose.drivers.local.images.store import ImageStore
from zun_compose.drivers.local.images.use import images_in_use
from zun_compose.errors import Conflict, NotFound, Unsupported
from zun_compose.model import Build


def store_of(home: Home) -> ImageStore:
    """Return the images of a home."""
    return ImageStore(home.root / "images")


class Pictures(Part):
    """Images; all but building."""

    @property
    def store(self) -> ImageStore:
        """The images themselves, for whoever imports archives."""
        return store_of(self._home)

    def image(self, reference: str) -> ImageSeen | None:
        """The local image of that reference or id, if there is one."""
        found = self.store.resolve(reference)
        if found is None:
            return None
        return ImageSeen(
            id=found.id,
            reference=reference,
            exposed=tuple(found.config.exposed),
            healthcheck=found.config.healthcheck,
            volumes=tuple(found.config.volumes),
            digests=tuple(found.digests),
        )

    def images(self) -> Mapping[str, str]:
        """All local references to image ids."""
        return {reference: image.id for image in self.store.images() for reference in image.references}

    def pull(self, reference: str, platform: str | None, progress: Callable[[PullProgress], None]) -> None:
        """Pull it from its registry."""
        self.store.pull(reference, platform, progress)

    def build(
        self, tag: str, build: Build, labels: Mapping[str, str], progress: Callable[[str], None]
    ) -> str:
        """Refuse: there is no builder here."""
        raise Unsupported(
            f'the local driver cannot build image "{tag}": build it elsewhere and bring it in with '
            "`zun-compose image import`, or use --driver docker"
        )

    def remove_image(self, reference: str) -> None:
        """Remove a reference, and the image with its last one."""
        found = self.store.resolve(reference)
        if found is None:
            return
        last = reference == found.id or len(found.references) < 2
        if last and found.id in images_in_use(self._home.root / "containers"):
            raise Conflict(f'image "{reference}" is used by a container')
        try:
            self.store.remove(reference)
        except NotFound:
            return

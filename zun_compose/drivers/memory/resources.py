"""The half of the memory driver that is not containers: networks, volumes, images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from zun_compose.container import ImageSeen, NetworkSeen, VolumeSeen
from zun_compose.driver import PullProgress
from zun_compose.drivers.memory.images import ImageStore, normalised
from zun_compose.drivers.memory.registry import Containers
from zun_compose.drivers.memory.storage import NetworkStore, VolumeStore
from zun_compose.drivers.memory.world import World
from zun_compose.errors import Conflict, Unavailable
from zun_compose.model import Build, Network, Volume


class Resources:
    """Networks, volumes and images of one simulated engine, and the way into its world."""

    def __init__(
        self,
        world: World,
        engine_id: str,
        *,
        images: Iterable[ImageSeen | str] | None,
        registry: Collection[str] | None,
        pulls: Mapping[str, float],
        outages: Sequence[tuple[float, float]],
    ) -> None:
        self._world = world
        self._images = ImageStore(images, registry)
        self._networks = NetworkStore()
        self._volumes = VolumeStore()
        self._containers = Containers(engine_id, world, self._networks, self._volumes)
        self._pulls = {normalised(reference): seconds for reference, seconds in pulls.items()}
        self._outages = tuple(outages)

    def networks(self, stack: str) -> Sequence[NetworkSeen]:
        """Networks that carry the stack's label."""
        with self._entered():
            users = self._containers.on_networks()
            return [_counted(seen, users) for seen in self._networks.of_stack(stack)]

    def network(self, name: str) -> NetworkSeen | None:
        """One by name."""
        with self._entered():
            seen = self._networks.get(name)
            return None if seen is None else _counted(seen, self._containers.on_networks())

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create it."""
        with self._entered():
            self._networks.create(network, labels)

    def remove_network(self, name: str) -> None:
        """Remove it; running containers hold it."""
        with self._entered():
            self._networks.remove(name, self._containers.on_networks().get(name, 0))

    def volumes(self, stack: str) -> Sequence[VolumeSeen]:
        """Volumes that carry the stack's label."""
        with self._entered():
            return self._volumes.of_stack(stack)

    def volume(self, name: str) -> VolumeSeen | None:
        """One by name."""
        with self._entered():
            return self._volumes.get(name)

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        """Create it."""
        with self._entered():
            self._volumes.create(volume, labels)

    def remove_volume(self, name: str) -> None:
        """Remove it; every container that mounts it, running or not, holds it."""
        with self._entered():
            self._volumes.remove(name)

    def image(self, reference: str) -> ImageSeen | None:
        """The local image of a reference or id."""
        with self._entered():
            return self._images.get(reference)

    def images(self) -> Mapping[str, str]:
        """All local references to image ids."""
        with self._entered():
            return self._images.all()

    def pull(self, reference: str, platform: str | None, progress: Callable[[PullProgress], None]) -> None:
        """Pull it."""
        self._world.last(self._pulls.get(normalised(reference), 0.0))
        with self._entered():
            self._images.pull(reference)
        progress(PullProgress(image=reference, status="complete"))

    def build(
        self, tag: str, build: Build, labels: Mapping[str, str], progress: Callable[[str], None]
    ) -> str:
        """Build an image; the same input gives the same id."""
        with self._entered():
            image = self._images.build(tag, build)
        progress(f"built {normalised(tag)}")
        return image

    def remove_image(self, reference: str) -> None:
        """Remove it; every container made from it holds it."""
        with self._entered():
            found = self._images.get(reference)
            if found is not None and (users := self._containers.use_image(found.id)):
                raise Conflict(f'image "{reference}" is in use by {users} container(s)')
            self._images.remove(reference)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        with self._world.entered():
            now = self._world.now
            if self._outages and any(begin <= now < end for begin, end in self._outages):
                raise Unavailable("the engine does not answer")
            yield


def _counted(seen: NetworkSeen, users: Mapping[str, int]) -> NetworkSeen:
    return NetworkSeen(
        id=seen.id, name=seen.name, driver=seen.driver, labels=seen.labels, containers=users.get(seen.name, 0)
    )

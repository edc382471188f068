"""Simulated networks and volumes, and who uses them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from zun_compose.container import ContainerSpec, ImageSeen, MountSeen, NetworkSeen, VolumeSeen
from zun_compose.errors import Conflict, NotFound
from zun_compose.labels import belongs
from zun_compose.model import MountType, Network, Volume

# Networks that every engine has.
_GIVEN = ("bridge", "host", "none")


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class NetworkStore:
    """Networks by name. Only running containers hold one, as on Docker."""

    def __init__(self) -> None:
        self._networks: dict[str, NetworkSeen] = {
            name: NetworkSeen(id=_hex(f"network/{name}"), name=name, driver=name) for name in _GIVEN
        }
        self._made = 0

    def of_stack(self, stack: str) -> Sequence[NetworkSeen]:
        """Networks that carry the stack's label, by name."""
        found = [seen for seen in self._networks.values() if belongs(seen.labels, stack)]
        return sorted(found, key=lambda seen: seen.name)

    def get(self, name: str) -> NetworkSeen | None:
        """One by name."""
        return self._networks.get(name)

    def need(self, name: str) -> None:
        """Raise NotFound unless the network exists."""
        if name not in self._networks:
            raise NotFound(f'network "{name}" not found')

    def create(self, network: Network, labels: Mapping[str, str]) -> None:
        """Make one; raises Conflict if the name is taken."""
        if network.name in self._networks:
            raise Conflict(f'network "{network.name}" already exists')
        self._made += 1
        self._networks[network.name] = NetworkSeen(
            id=_hex(f"network/{self._made}"),
            name=network.name,
            driver=network.driver or "bridge",
            labels=dict(labels),
        )

    def remove(self, name: str, users: int) -> None:
        """Remove one; raises Conflict while `users` is not 0."""
        if name in _GIVEN:
            raise Conflict(f'network "{name}" belongs to the engine')
        if name in self._networks and users:
            raise Conflict(f'network "{name}" is in use by {users} container(s)')
        self._networks.pop(name, None)


class VolumeStore:
    """Volumes by name, with the ids of the containers that mount them."""

    def __init__(self) -> None:
        self._volumes: dict[str, VolumeSeen] = {}
        self._users: dict[str, set[str]] = {}
        self._made = 0

    def of_stack(self, stack: str) -> Sequence[VolumeSeen]:
        """Volumes that carry the stack's label, by name."""
        found = [seen for seen in self._volumes.values() if belongs(seen.labels, stack)]
        return sorted(found, key=lambda seen: seen.name)

    def get(self, name: str) -> VolumeSeen | None:
        """One by name."""
        return self._volumes.get(name)

    def create(self, volume: Volume, labels: Mapping[str, str]) -> None:
        """Make one; raises Conflict if the name is taken."""
        if volume.name in self._volumes:
            raise Conflict(f'volume "{volume.name}" already exists')
        self._volumes[volume.name] = VolumeSeen(
            name=volume.name, driver=volume.driver or "local", labels=dict(labels)
        )

    def remove(self, name: str) -> None:
        """Remove one; raises Conflict while a container, running or not, mounts it."""
        if users := self._users.get(name):
            raise Conflict(f'volume "{name}" is in use by {len(users)} container(s)')
        self._volumes.pop(name, None)

    def mount(
        self,
        container: str,
        spec: ContainerSpec,
        image: ImageSeen,
        others: Callable[[str], tuple[MountSeen, ...]],
    ) -> tuple[MountSeen, ...]:
        """Attach what a container mounts; volumes that are missing are made, as Docker does.

        `others` gives the mounts of a container named in volumes_from; it raises NotFound.
        """
        seen: dict[str, MountSeen] = {}
        for other in spec.volumes_from:
            seen.update((mount.target, mount) for mount in others(other.partition(":")[0]))
        for target in image.volumes:
            seen[target] = MountSeen(type="volume", target=target, anonymous=True)
        for mount in spec.mounts:
            if mount.type is MountType.VOLUME:
                anonymous = mount.source is None or _is_anonymous(mount.source)
                seen[mount.target] = MountSeen(
                    type="volume", target=mount.target, name=mount.source, anonymous=anonymous
                )
            else:
                seen[mount.target] = MountSeen(type=str(mount.type), target=mount.target, source=mount.source)
        return tuple(self._attach(container, mount) for mount in seen.values())

    def unmount(self, container: str, mounts: Sequence[MountSeen], *, anonymous: bool) -> None:
        """Detach a container; with `anonymous` its own nameless volumes go too, unless others use them."""
        for mount in mounts:
            if mount.name is None:
                continue
            users = self._users.get(mount.name, set())
            users.discard(container)
            if not users:
                self._users.pop(mount.name, None)
                if anonymous and mount.anonymous:
                    self._volumes.pop(mount.name, None)

    def _attach(self, container: str, mount: MountSeen) -> MountSeen:
        if mount.type != "volume":
            return mount
        name = mount.name
        if name is None:
            self._made += 1
            name = _hex(f"volume/{self._made}")
        if name not in self._volumes:
            self._volumes[name] = VolumeSeen(name=name, driver="local")
        self._users.setdefault(name, set()).add(container)
        return MountSeen(type="volume", target=mount.target, name=name, anonymous=mount.anonymous)


def _is_anonymous(name: str) -> bool:
    return len(name) == 64 and all(c in "0123456789abcdef" for c in name)

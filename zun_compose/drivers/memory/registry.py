"""All containers of one memory engine, by id, name and stack. Called with the world's lock held."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from zun_compose.container import ContainerSpec, ImageSeen, MountSeen
from zun_compose.drivers.memory.container import Container
from zun_compose.drivers.memory.fate import Fate
from zun_compose.drivers.memory.ports import HostPorts
from zun_compose.drivers.memory.storage import NetworkStore, VolumeStore
from zun_compose.drivers.memory.world import World
from zun_compose.errors import Conflict, NotFound

_SHARED = "container:"


class Containers:
    """Keeps containers and what they hold: their names, volumes and places on networks."""

    def __init__(self, engine: str, world: World, networks: NetworkStore, volumes: VolumeStore) -> None:
        self._engine = engine
        self._world = world
        self._networks = networks
        self._volumes = volumes
        self._host_ports = HostPorts()
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[str, Container] = {}
        self._stacks: dict[str, dict[str, Container]] = {}
        self._ordered: dict[str, Sequence[Container]] = {}
        self._made = 0

    def find(self, key: str) -> Container | None:
        """One by id or name."""
        return self._by_id.get(key) or self._by_name.get(key)

    def need(self, key: str) -> Container:
        """One by id or name; raises NotFound."""
        found = self.find(key)
        if found is None:
            raise NotFound(f'container "{key}" not found')
        return found

    def of_stack(self, stack: str) -> Sequence[Container]:
        """All of a stack, by service then number."""
        ordered = self._ordered.get(stack)
        if ordered is None:
            members = self._stacks.get(stack, {}).values()
            ordered = sorted(members, key=lambda member: (member.spec.service.name, member.spec.number))
            self._ordered[stack] = ordered
        return ordered

    def everywhere(self) -> Sequence[Container]:
        """All of all stacks, in their order."""
        return [container for stack in sorted(self._stacks) for container in self.of_stack(stack)]

    def add(self, spec: ContainerSpec, fate: Fate, image: ImageSeen) -> Container:
        """Create one, whole or not at all; raises Conflict for a taken name, NotFound for what it needs."""
        if spec.name in self._by_name:
            raise Conflict(f'container name "{spec.name}" is already in use')
        for join in spec.joins:
            self._networks.need(join.network)
        if spec.network_mode is not None and spec.network_mode.startswith(_SHARED):
            self.need(spec.network_mode.removeprefix(_SHARED))
        self._made += 1
        identity = hashlib.sha256(f"{self._engine}/{self._made}".encode()).hexdigest()
        container = Container(
            self._world,
            self._host_ports,
            spec,
            identity=identity,
            fate=fate,
            image=image,
            mounts=self._volumes.mount(identity, spec, image, self._mounts_of),
            gone=self._gone,
        )
        self._by_id[container.id] = container
        self._by_name[container.name] = container
        self._stacks.setdefault(spec.stack, {})[container.id] = container
        self._ordered.pop(spec.stack, None)
        container.tell("create")
        return container

    def check_start(self, container: Container) -> None:
        """Raise what keeps a container from being started: a network or namespace that went away."""
        for join in container.spec.joins:
            self._networks.need(join.network)
        mode = container.spec.network_mode or ""
        if mode.startswith(_SHARED):
            owner = self.find(mode.removeprefix(_SHARED))
            if owner is None or not owner.up:
                raise Conflict(f'container "{container.name}" shares the network of one that does not run')

    def rename(self, container: Container, name: str) -> None:
        """Give it another name; raises Conflict if that is taken."""
        if name in self._by_name:
            raise Conflict(f'container name "{name}" is already in use')
        old = container.name
        del self._by_name[old]
        container.name = name
        self._by_name[name] = container
        container.tell("rename", attributes={"oldName": old})

    def forget(self, container: Container, *, volumes: bool) -> None:
        """Take it out; `volumes` takes its anonymous ones too."""
        container.alarm = 0
        del self._by_id[container.id]
        del self._by_name[container.name]
        members = self._stacks[container.spec.stack]
        del members[container.id]
        if not members:
            del self._stacks[container.spec.stack]
        self._ordered.pop(container.spec.stack, None)
        self._volumes.unmount(container.id, container.mounts, anonymous=volumes)
        container.tell("destroy")

    def on_networks(self) -> Mapping[str, int]:
        """How many running containers each network has."""
        return Counter(join.network for one in self._by_id.values() if one.up for join in one.spec.joins)

    def use_image(self, image: str) -> int:
        """How many containers were made from an image id."""
        return sum(1 for one in self._by_id.values() if one.image.id == image)

    def _mounts_of(self, key: str) -> tuple[MountSeen, ...]:
        return self.need(key).mounts

    def _gone(self, container: Container) -> None:
        self.forget(container, volumes=True)

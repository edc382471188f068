"""What a container's creation and removal mean for its networks: ports, forwarded ports, names."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Any

from zun_compose.container import ContainerSpec, Published
from zun_compose.drivers.zun import creation, hosts
from zun_compose.drivers.zun.belongings import Belongings
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.groups import Groups
from zun_compose.drivers.zun.names import Names, place_of, remembered
from zun_compose.drivers.zun.ports import Ports, Reserved, kept_ports
from zun_compose.drivers.zun.publishing import Publishing
from zun_compose.errors import DriverError
from zun_compose.labels import PROJECT
from zun_compose.record import Record


class Grounds(Record, kw_only=True):
    """What a container is made on: Neutron's networks by name, ids of groups, ports if any are made."""

    networks: Mapping[str, Any]
    groups: Sequence[str]
    reserved: Sequence[Reserved] = ()


class Joining:
    """The places of containers on the networks of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._ports = Ports(cloud)
        self._names = Names(cloud)
        self.publishing = Publishing(cloud)
        self.belongings = Belongings(cloud, self.publishing)
        self._ahead: dict[str, Grounds] = {}

    def ahead(self, stack: str, coming: Sequence[ContainerSpec], networks: Mapping[str, Any]) -> set[str]:
        """Make ports before the containers, so that each is told of all at its creation; returns whose."""
        services = {spec.service.name: spec.service for spec in coming}
        names = {spec.name for spec in coming}
        with ThreadPoolExecutor(1) as aside:
            # those of an attempt that was ended in between may have the very addresses that are declared
            swept = aside.submit(self._ports.sweep, stack, names)
            groups = Groups(self._cloud).needed(stack, services.values())
            swept.result()
        made = self._ports.at_once(coming, groups, networks)
        with self._cloud.lock:
            for spec in coming:
                reserved = made[spec.name]
                self._cloud.coming[spec.name] = place_of(spec, reserved)
                self._ahead[spec.name] = Grounds(
                    networks={join.network: networks[join.network] for join in spec.joins},
                    groups=groups[spec.service.name],
                    reserved=reserved,
                )
        return set(made)

    def release(self, names: Collection[str]) -> set[str]:
        """Give back the ports that were made ahead for containers that do not come; returns their stacks."""
        with self._cloud.lock:
            places = [self._cloud.coming.pop(name) for name in names if name in self._cloud.coming]
            found = [grounds for grounds in map(self.taken, names) if grounds is not None]
        self._ports.release([one.port for grounds in found for one in grounds.reserved if one.port])
        return {place.stack for place in places}

    def taken(self, name: str) -> Grounds | None:
        """Return what was made ready for a container, for whoever makes it now; None if nothing was."""
        with self._cloud.lock:
            return self._ahead.pop(name, None)

    def prepare(
        self, spec: ContainerSpec, wanted: dict[str, Any], grounds: Grounds, known: Sequence[Any]
    ) -> Sequence[Reserved]:
        """Make ready what a container needs on its networks and put it into what Zun is asked for.

        `known` are the containers that Zun lists. Whoever does not come to create it calls `abandon`.
        """
        networks = grounds.networks
        reserved = grounds.reserved or self._ports.reserve(spec, grounds.groups, networks)
        try:
            by_id = {str(one.id): one for one in networks.values()}
            told = remembered(spec, reserved)
            with self._cloud.lock:
                # of two that come first on a network one makes what they share
                forwarded_now = self.publishing.open(spec, reserved, by_id)
            if forwarded_now:
                told["forwarded"] = True
            file = self._names.written(spec, reserved, known)
        except BaseException:
            self.abandon(spec, reserved)
            raise
        wanted["nets"] = [one.asked() for one in reserved] or None
        wanted["security_groups"] = list(grounds.groups)
        if file is not None:
            told["told"] = True
            content = base64.b64encode(file.encode()).decode()
            mount = {"type": "bind", "source": content, "destination": hosts.PATH}
            wanted["mounts"] = [*(wanted["mounts"] or ()), mount]
        wanted["labels"] = creation.with_memory(wanted["labels"], told)
        return reserved

    def abandon(self, spec: ContainerSpec, reserved: Sequence[Reserved]) -> None:
        """Take back what was made ready for a container that will not be."""
        with self._cloud.lock:
            self._cloud.coming.pop(spec.name, None)
        ports = [one.port for one in reserved if one.port]
        # the failure that led here is the one to tell
        with suppress(DriverError), translated(f'give back the ports of stack "{spec.stack}"'):
            self.publishing.shut(spec.stack, ports)
        self._ports.release(ports)

    def created(self, container: str, spec: ContainerSpec, wanted: Mapping[str, Any]) -> None:
        """Note that a container came to be, and what it knows of the others."""
        with self._cloud.lock:
            self._cloud.coming.pop(spec.name, None)
        files = [one for one in wanted["mounts"] or () if one["destination"] == hosts.PATH]
        text = base64.b64decode(files[0]["source"]).decode() if files and files[0]["type"] == "bind" else None
        self._names.created(container, spec.name, text)

    def started(self, container: Any, *, first: bool) -> None:
        """Have the others told of a container that runs for the first time, and itself of the others."""
        stack = (container.labels or {}).get(PROJECT)
        if stack:
            self._names.changed(stack, None if first else str(container.id))
            if first and forwarded(container):
                self.publishing.settle(stack)

    def left_alone(self, container: str) -> AbstractContextManager[None]:
        """Let no command of ours run in a container."""
        return self._names.left_alone(container)

    def removed(self, container: Any) -> None:
        """Give back what a container that is gone had, and what its stack needs no more without it."""
        stack = (container.labels or {}).get(PROJECT, "")
        if forwarded(container):
            with suppress(DriverError), translated(f'shut the published ports of stack "{stack}"'):
                self.publishing.shut(stack, kept_ports(container))
        self._ports.given_back(container)
        self._names.removed(container, self.belongings.sweep(stack))

    def published(self, container: Any) -> tuple[Published, ...]:
        """Return where the published ports of a container are reached from outside."""
        if not forwarded(container):
            return ()
        seen = self.publishing.seen((container.labels or {}).get(PROJECT, ""))
        return tuple(row for port in kept_ports(container) for row in seen.get(port, ()))

    def close(self) -> None:
        """Wait for hosts files that are being written."""
        self._names.close()


def forwarded(container: Any) -> bool:
    """Whether any published port of a container was forwarded when it was created."""
    return bool(creation.memory(container.labels).get("forwarded"))

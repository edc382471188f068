"""Networks of a stack: a Neutron network with its subnets each. Its labels are its tags."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from zun_compose.container import NetworkSeen
from zun_compose.drivers.zun.belongings import Belongings
from zun_compose.drivers.zun.cloud import Part, only
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.publishing import OWN_TAGS, Publishing, network_tags
from zun_compose.drivers.zun.tags import is_mark, of_stack, read, tags
from zun_compose.errors import Conflict, DriverError, NotFound, Rejected
from zun_compose.labels import PROJECT
from zun_compose.model import IpamPool, Network

MTU = ("mtu", "com.docker.network.driver.mtu")
"""Options of a network that name its MTU in bytes: our word and Docker's."""

# Where no pool is declared: a /24 of these that no subnet in sight takes, begun at by the network's name.
_POOL = ipaddress.ip_network("10.64.0.0/10")
_PREFIX = 24
# fd00::/8 is for private use (RFC 4193); the rest of the first 48 bits comes from the name.
_PREFIX_6 = 64

_GOING = 60.0
"""Seconds that Zun may take to give back the ports of containers that are gone."""


class Networks(Part):
    """Networks over one cloud."""

    def networks(self, stack: str) -> Sequence[NetworkSeen]:
        """Those of the stack, by name."""
        with translated(f'list the networks of stack "{stack}"'):
            listed = self._cloud.neutron.networks(tags=of_stack(stack), **self._cloud.own)
            found = [_seen(one) for one in listed]
        return sorted(found, key=lambda seen: seen.name)

    def network(self, name: str) -> NetworkSeen | None:
        """One by name, with the number of its containers. Raises Conflict if several have that name."""
        with translated(f'inspect network "{name}"'):
            found = self._network_named(name)
            if found is None:
                return None
            return _seen(found, sum(1 for _ in self._ports(found)))

    def _network_named(self, name: str) -> Any | None:
        """Find one of the project's, else one that somebody shares with it."""
        found = list(self._cloud.neutron.networks(name=name))
        own = [one for one in found if one.project_id == self._cloud.own["project_id"]]
        shared = (one for one in found if one.is_shared or one.is_router_external)
        return only(own or shared, name, "network")

    def _network_found(self, name: str) -> Any:
        """Return a network by its name. Raises NotFound."""
        found = self._network_named(name)
        if found is None:
            raise NotFound(f'network "{name}" does not exist')
        return found

    def _network_name(self, network: str) -> str:
        """Return a network's name by its id, which stands for it where it is gone."""
        known = self._cloud.network_names
        if network not in known:
            found = self._cloud.neutron.find_network(network, ignore_missing=True)
            known[network] = network if found is None else str(found.name)
        return known[network]

    def _ports(self, network: Any) -> Iterable[Any]:
        """Yield the ports of containers and other machines; Neutron has some of its own."""
        return (
            port
            for port in self._cloud.neutron.ports(network_id=network.id)
            if not str(port.device_owner or "").startswith("network:")
        )

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create it with a subnet for each pool, or leave nothing."""
        doing = f'create network "{network.name}"'
        tagged = tags({**labels, **network_tags(network)}, f'network "{network.key}"')
        with translated(doing), self._cloud.lock:
            mark = of_stack(labels.get(PROJECT, ""))
            found = self._network_named(network.name)
            if found is not None:
                if found.tags or found.description != mark:
                    raise Conflict(f"cannot {doing}: it exists")
                # somebody was cut off from it before it was whole, so nobody is on it
                self._cloud.neutron.delete_network(found.id, ignore_missing=True)
            made = self._cloud.neutron.create_network(
                name=network.name, description=mark, **_options(network)
            )
            try:
                for pool in self._pools(network):
                    self._cloud.neutron.create_subnet(
                        network_id=made.id, name=network.name, is_dhcp_enabled=False, **pool
                    )
                # found by its tags, and so whole
                self._cloud.neutron.set_tags(made, tagged)
            except BaseException:
                with suppress(DriverError), translated(doing):
                    self._cloud.neutron.delete_network(made.id, ignore_missing=True)
                raise
            self._cloud.empty_networks.add(network.name)

    def _pools(self, network: Network) -> list[dict[str, Any]]:
        pools = [_declared(pool) for pool in network.ipam if pool.subnet]
        versions = {pool["ip_version"] for pool in pools}
        if network.enable_ipv4 is not False and 4 not in versions:
            pools.insert(0, {"ip_version": 4, "cidr": str(self._free(network.name))})
        if network.enable_ipv6 and 6 not in versions:
            digest = hashlib.sha256(network.name.encode()).digest()
            base = int.from_bytes(bytes((0xFD, *digest[:5])), "big") << 80
            pools.append({"ip_version": 6, "cidr": f"{ipaddress.IPv6Address(base)}/{_PREFIX_6}"})
        return pools

    def _free(self, name: str) -> ipaddress.IPv4Network:
        taken = [ipaddress.ip_network(one.cidr) for one in self._cloud.neutron.subnets(ip_version=4)]
        count = 1 << (_PREFIX - _POOL.prefixlen)
        first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        for step in range(count):
            offset = (first + step) % count << (32 - _PREFIX)
            pool = ipaddress.IPv4Network((int(_POOL.network_address) + offset, _PREFIX))
            if not any(pool.overlaps(other) for other in taken if other.version == 4):
                return pool
        raise Rejected(f'network "{name}": no subnet of {_POOL} is free: declare one under ipam')

    def remove_network(self, name: str) -> None:
        """Remove it with its subnets, and let Zun's engine forget it where that is allowed."""
        doing = f'remove network "{name}"'
        with translated(doing):
            found = self._network_named(name)
            if found is None:
                return
            self._refuse_used(found, doing)
            self._deserted(found)
            self._cloud.until(lambda: self._emptied(found, doing), doing, _GOING)
            with suppress(DriverError), translated(doing):
                # for admins only, by Zun's default policy; else a host's engine goes on knowing it
                self._cloud.zun.delete_network(found.id)
            self._cloud.neutron.delete_network(found.id, ignore_missing=True)
            self._cloud.empty_networks.discard(name)
            # what a creation that came to nothing has left, where no container's removal will take it along
            stack = read(found.tags or ()).get(PROJECT, "")
            Belongings(self._cloud, Publishing(self._cloud)).sweep(stack)

    def _deserted(self, network: Any) -> None:
        """Take off a network what its stack has on it beside containers."""
        stack = read(network.tags or ()).get(PROJECT, "")
        for port in self._ports(network):
            # made for a container by somebody who was ended before it was asked for
            if not port.device_id and port.description == of_stack(stack):
                self._cloud.neutron.delete_port(port.id, ignore_missing=True)
        publishing = Publishing(self._cloud)
        publishing.leave(str(network.id))
        if stack and not self._cloud.standing(stack):
            publishing.clear(stack)

    def _refuse_used(self, network: Any, doing: str) -> None:
        """Raise Conflict if a container that stays is on it."""
        users = [one for one in self._cloud.zun.containers() if network.id in (one.addresses or {})]
        staying = [one for one in users if one.status not in ("Deleting", "Deleted")]
        if staying:
            raise Conflict(f"cannot {doing}: {len(staying)} containers are on it")

    def _emptied(self, network: Any, doing: str) -> bool | None:
        """Whether it has no port; None while Zun still gives some back. Raises Conflict if it is used."""
        ports = list(self._ports(network))
        if not ports:
            return True
        self._refuse_used(network, doing)
        if not all(map(_passing, ports)):
            raise Conflict(f"cannot {doing}: {len(ports)} ports are on it")
        return None


def _passing(port: Any) -> bool:
    """Whether a port is a container's, which Zun is about to give back: ours lose their owner first."""
    return str(port.device_owner or "").startswith("compute:kuryr") or is_mark(port.description)


def _options(network: Network) -> dict[str, Any]:
    for key in MTU:
        if network.driver_opts.get(key, "").isdecimal():
            return {"mtu": int(network.driver_opts[key])}
    return {}


def _declared(pool: IpamPool) -> dict[str, Any]:
    subnet = ipaddress.ip_network(str(pool.subnet), strict=False)
    made: dict[str, Any] = {"ip_version": subnet.version, "cidr": str(subnet)}
    if pool.gateway:
        made["gateway_ip"] = pool.gateway
    if pool.ip_range:
        part = ipaddress.ip_network(pool.ip_range, strict=False)
        # Neutron's ranges are of hosts: neither the network's own address nor the one for all
        first = part[1] if part.network_address == subnet.network_address else part[0]
        last = part[-2] if part.broadcast_address == subnet.broadcast_address else part[-1]
        made["allocation_pools"] = [{"start": str(first), "end": str(last)}]
    return made


def _seen(network: Any, containers: int = 0) -> NetworkSeen:
    return NetworkSeen(
        id=str(network.id),
        name=str(network.name),
        driver="neutron",
        labels={key: value for key, value in read(network.tags or ()).items() if key not in OWN_TAGS},
        containers=containers,
    )

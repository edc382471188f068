"""Neutron ports of containers, made before them: so a container's addresses are known before it exists.

Zun would make a port by itself, but only while it makes the container, and with one fixed address at most.
A port is its stack's by its description, which is set in the one call that makes it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from zun_compose.container import ContainerSpec, Join
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.tags import of_stack
from zun_compose.errors import Conflict, DriverError, Rejected
from zun_compose.record import Record


class Reserved(Record, kw_only=True):
    """A container's place on one network. Without `port` Zun makes one, at `addresses` if there are any."""

    network: str
    network_name: str
    port: str | None
    addresses: tuple[str, ...]

    def asked(self) -> dict[str, str]:
        """Return what Zun is asked for."""
        if self.port is not None:
            return {"port": self.port}
        made = {"network": self.network}
        for address in self.addresses:
            made[f"v{ipaddress.ip_address(address).version}-fixed-ip"] = address
        return made


class Ports:
    """The ports of containers in one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._left: dict[tuple[str, str], tuple[str, ...]] = {}

    def reserve(
        self, spec: ContainerSpec, groups: Sequence[str], networks: Mapping[str, Any]
    ) -> list[Reserved]:
        """Make a port on each network that the container joins, in their order, or leave none.

        `networks` are Neutron's by name. A container that takes the place of one
        of its name gets its addresses, if they are free still: then what others know of it stays true.
        """
        made: list[Reserved] = []
        try:
            # one by one: what was made before a failure is in the list
            made.extend(self._reserved(spec, join, groups, networks[join.network]) for join in spec.joins)
        except BaseException:
            self.release([one.port for one in made if one.port])
            raise
        return made

    def at_once(
        self, specs: Sequence[ContainerSpec], groups: Mapping[str, Sequence[str]], networks: Mapping[str, Any]
    ) -> dict[str, list[Reserved]]:
        """Make the ports of several containers in one call, all or none; `groups` are by service."""
        wanted = [(spec, join) for spec in specs for join in spec.joins]
        bodies = [
            self._body(spec, str(networks[join.network].id), _declared(join), groups[spec.service.name])
            for spec, join in wanted
        ]
        found: dict[str, list[Reserved]] = {spec.name: [] for spec in specs}
        for (spec, join), port in zip(wanted, self._cloud.neutron.create_ports(bodies), strict=True):
            found[spec.name].append(_place(join, port))
        return found

    def _reserved(self, spec: ContainerSpec, join: Join, groups: Sequence[str], network: Any) -> Reserved:
        from openstack.exceptions import ForbiddenException

        network_id = str(network.id)
        declared = _declared(join)
        former = self._left.get((spec.name, network_id), ())
        port = None
        if former and not declared:
            with suppress(Conflict, Rejected), translated("take a former address"):
                port = self._port(spec, network_id, former, groups)
        if port is None:
            try:
                port = self._port(spec, network_id, declared, groups)
            except ForbiddenException:
                # on a network of somebody else's Neutron lets tenants choose no address, but Zun may for them
                if len(declared) != 1:
                    raise
                return Reserved(network=network_id, network_name=join.network, port=None, addresses=declared)
        return _place(join, port)

    def _port(
        self, spec: ContainerSpec, network: str, addresses: Sequence[str], groups: Sequence[str]
    ) -> Any:
        return self._cloud.neutron.create_port(**self._body(spec, network, addresses, groups))

    def _body(
        self, spec: ContainerSpec, network: str, addresses: Sequence[str], groups: Sequence[str]
    ) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "network_id": network,
            "name": spec.name,
            "description": of_stack(spec.stack),
            "security_groups": list(groups),
        }
        if addresses:
            versions = {ipaddress.ip_address(address).version for address in addresses}
            wanted["fixed_ips"] = [{"ip_address": address} for address in addresses]
            # who names an address of one family gets none of the other by itself
            wanted["fixed_ips"] += [
                {"subnet_id": subnet.id}
                for subnet in self._cloud.neutron.subnets(network_id=network)
                if subnet.ip_version not in versions
            ]
        return wanted

    def release(self, ports: Sequence[str]) -> None:
        """Remove ports that nobody needs any more; Zun only lets go of them."""
        for port in ports:
            with suppress(DriverError), translated("remove a port"):
                self._cloud.neutron.delete_port(port, ignore_missing=True)

    def given_back(self, container: Any) -> None:
        """Remove the ports of a container that is gone, and remember its addresses for its successor."""
        for network, rows in (container.addresses or {}).items():
            self._left[str(container.name), str(network)] = tuple(str(row["addr"]) for row in rows)
        self.release(kept_ports(container))

    def sweep(self, stack: str, containers: Collection[str] | None = None) -> None:
        """Remove ports of a stack that no container took: their maker was ended in between.

        `containers` are the names of those whose ports count; None for all.
        """
        found = self._cloud.neutron.ports(description=of_stack(stack), **self._cloud.own)
        idle = [port for port in found if not port.device_id]
        self.release([str(port.id) for port in idle if containers is None or port.name in containers])


def kept_ports(container: Any) -> list[str]:
    """Return the ports of a container that are not Zun's to remove."""
    rows = [row for rows in (container.addresses or {}).values() for row in rows]
    return list(dict.fromkeys(str(row["port"]) for row in rows if row.get("preserve_on_delete")))


def _place(join: Join, port: Any) -> Reserved:
    found = tuple(sorted((row["ip_address"] for row in port.fixed_ips), key=_order))
    return Reserved(
        network=str(port.network_id), network_name=join.network, port=str(port.id), addresses=found
    )


def _declared(join: Join) -> tuple[str, ...]:
    if join.attachment is None:
        return ()
    asked = (join.attachment.ipv4_address, join.attachment.ipv6_address)
    return tuple(address for address in asked if address)


def _order(address: str) -> tuple[int, str]:
    return ipaddress.ip_address(address).version, address

"""Published ports: ports of a stack's floating IP, forwarded to its containers.

It takes a network of the cloud's that leads outside, and Neutron's extension for port forwarding. A stack has
a router and a floating IP of its own from its first published port until its last container goes; where a
network has a router to the outside already, that one is used. All of it is the stack's by its description.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

from zun_compose import labels
from zun_compose.capability import Finding, Verdict, in_vain
from zun_compose.container import ContainerSpec, Published
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.ports import Reserved
from zun_compose.drivers.zun.settling import ACTIVE, settle
from zun_compose.drivers.zun.tags import is_mark, of_stack, read
from zun_compose.errors import Conflict, DriverError
from zun_compose.model import Network, Port, Service, Stack
from zun_compose.record import Record

EXTENSION = "floating-ip-port-forwarding"
OUTSIDE = "zun-compose.external_network"
INTERNAL = "zun-compose.internal"
OWN_TAGS = (OUTSIDE, INTERNAL)
"""Tags of networks that tell how they were declared; no labels."""

OPTION = "external_network"
"""Option of a network that names the one its published ports go out by."""

_EPHEMERAL = range(32768, 61000)
# Neutron's owners of a router's ports: plain, distributed, highly available.
_ROUTER = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)
_FRESH = 3.0
"""Seconds that a list of floating IPs is good for, if nobody here changes them."""


class Outside(Record, kw_only=True):
    """The network that leads outside, or the reason why there is none to be used."""

    network: str = ""
    lack: str = ""


class Publishing:
    """The floating IPs of stacks in one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._outsides: dict[str, Outside] = {}
        self._routing: bool | None = None
        self._lock = Lock()
        self._settled: set[str] = set()
        self._seen: dict[str, tuple[float, Mapping[str, tuple[Published, ...]]]] = {}

    def outside(self, name: str = "") -> Outside:
        """Find the way out: the network of that name, else the default one, else the only one."""
        if name not in self._outsides:
            with translated("look for a network that leads outside"):
                self._outsides[name] = self._look_outside(name)
        return self._outsides[name]

    def way_out(self, networks: Iterable[Network]) -> Outside:
        """Find the way out of declared networks: the first that names one decides."""
        names = (one.driver_opts[OPTION] for one in networks if OPTION in one.driver_opts)
        return self.outside(next(names, ""))

    def _look_outside(self, name: str) -> Outside:
        if self._cloud.neutron.find_extension(EXTENSION, ignore_missing=True) is None:
            return Outside(lack="the cloud's Neutron forwards no ports")
        found = list(self._cloud.neutron.networks(is_router_external=True))
        if name:
            found = [one for one in found if name in (one.name, one.id)]
        elif len(found) > 1:
            found = [one for one in found if one.is_default] or found
        if not found:
            which = f' "{name}"' if name else ""
            return Outside(lack=f"the cloud has no external network{which}")
        if len(found) > 1:
            return Outside(
                lack=f"the cloud has {len(found)} external networks, and no option {OPTION} names one"
            )
        return Outside(network=str(found[0].id))

    def findings(self, stack: Stack) -> Iterator[Finding]:
        """Say which ports are published to the containers' own addresses alone, and why."""
        for service in stack.services.values():
            ports, lack = published(service.ports), ""
            # a cloud that does not answer is told of by the first call that cannot do without
            with suppress(DriverError):
                lack = self._lack(stack, service) if ports else ""
            for port in ports if lack else ():
                name = port.published or str(port.target)
                yield in_vain(
                    service,
                    "ports.published",
                    f"reached at the container's own address only, because {lack}",
                    name,
                    Verdict.IGNORES,
                )

    def _lack(self, stack: Stack, service: Service) -> str:
        networks = [
            stack.networks[one.network] for one in service.networks or () if one.network in stack.networks
        ]
        if not networks:
            return "it has no network"
        open_ones = [one for one in networks if not one.internal]
        if not open_ones:
            return "its networks are internal"
        if all(one.external for one in open_ones) and not any(self._routed(one) for one in open_ones):
            return f'network "{open_ones[0].name}" is not the stack\'s and has no router of yours'
        return self.way_out(open_ones).lack

    def _routed(self, network: Network) -> bool:
        with translated(f'inspect network "{network.name}"'):
            found = self._cloud.neutron.find_network(network.name, ignore_missing=True)
            return found is not None and self._router_on(str(found.id)) is not None

    def _router_on(self, network: str) -> Any | None:
        """Return a router that joins a network to the outside."""
        for port in self._cloud.neutron.ports(network_id=network):
            if port.device_owner in _ROUTER:
                # one that is not ours may not even be looked at
                router = self._cloud.neutron.find_router(port.device_id, ignore_missing=True)
                if router is not None and router.external_gateway_info:
                    return router
        return None

    def open(self, spec: ContainerSpec, reserved: Sequence[Reserved], networks: Mapping[str, Any]) -> bool:
        """Forward the published ports of a container that is about to be made, where that is possible.

        `networks` are Neutron's by id. Returns whether any is forwarded. Raises Conflict for a port that is
        forwarded to somebody else already.
        """
        ports = published(spec.service.ports)
        if not ports:
            return False
        place = next(
            (one for one in reserved if one.port and self._reached(spec, networks[one.network])), None
        )
        if place is None:
            return False
        outside = self.outside(read(networks[place.network].tags or ()).get(OUTSIDE, ""))
        address = next((one for one in place.addresses if ipaddress.ip_address(one).version == 4), None)
        if outside.lack or address is None:
            return False
        floating = self._floating(spec.stack, outside.network, place.network)
        taken = {(int(one.external_port), str(one.protocol)) for one in self._forwardings(floating)}
        for port in ports:
            number = chosen(port, taken)
            if number is None:
                raise Conflict(
                    f'cannot publish port {port.published} of container "{spec.name}": another of the '
                    "stack has it; a service with several containers leaves it out, or gives a range"
                )
            self._cloud.neutron.create_floating_ip_port_forwarding(
                floating.id,
                internal_port_id=place.port,
                internal_ip_address=address,
                internal_port=port.target,
                external_port=number,
                protocol=port.protocol,
            )
            taken.add((number, port.protocol))
        with self._lock:
            self._seen.pop(spec.stack, None)
            if floating.status != ACTIVE:
                self._settled.discard(spec.stack)
        return True

    def settle(self, stack: str) -> None:
        """See to it that what is forwarded of a stack arrives; the first that asks waits for it."""
        with self._lock:
            if stack in self._settled:
                return
            self._settled.add(stack)
        for floating in self._cloud.neutron.ips(description=of_stack(stack), **self._cloud.own):
            if floating.status != ACTIVE and self._forwardings(floating):
                settle(self._cloud, str(floating.id))

    def _reached(self, spec: ContainerSpec, network: Any) -> bool:
        """Whether a router of ours may stand, or another does stand, on a network."""
        carried = read(network.tags or ())
        if labels.belongs(carried, spec.stack):
            return INTERNAL not in carried
        return self._router_on(str(network.id)) is not None

    def _floating(self, stack: str, outside: str, network: str) -> Any:
        """Return the stack's floating IP, made if there is none, and see to a router on the network."""
        neutron = self._cloud.neutron
        mark = of_stack(stack)
        if self._router_on(network) is None:
            router = next(
                (one for one in neutron.routers(**self._cloud.own) if one.description == mark), None
            )
            if router is None:
                router = neutron.create_router(
                    name=f"{stack}_router",
                    description=mark,
                    external_gateway_info={"network_id": outside},
                )
            for subnet in neutron.subnets(network_id=network, ip_version=4):
                neutron.add_interface_to_router(router.id, subnet_id=subnet.id)
        for one in neutron.ips(description=mark, **self._cloud.own):
            if one.floating_network_id == outside:
                return one
        return neutron.create_ip(floating_network_id=outside, description=mark)

    def _forwardings(self, floating: Any) -> list[Any]:
        return list(self._cloud.neutron.floating_ip_port_forwardings(floating.id))

    def shut(self, stack: str, ports: Sequence[str]) -> None:
        """Forward nothing to these ports of containers any more."""
        if not self._routes():
            return
        for floating in self._cloud.neutron.ips(description=of_stack(stack), **self._cloud.own):
            for one in self._forwardings(floating):
                if str(one.internal_port_id) in ports:
                    self._cloud.neutron.delete_floating_ip_port_forwarding(floating.id, one.id)
        self._forget(stack)

    def leave(self, network: str) -> None:
        """Take routers of stacks off a network that is about to go."""
        for port in self._cloud.neutron.ports(network_id=network):
            if port.device_owner in _ROUTER:
                router = self._cloud.neutron.find_router(port.device_id, ignore_missing=True)
                if router is not None and is_mark(router.description):
                    self._cloud.neutron.remove_interface_from_router(router.id, port_id=port.id)

    def clear(self, stack: str) -> None:
        """Remove the floating IP and the router of a stack that has no container left."""
        if not self._routes():
            return
        mark = of_stack(stack)
        neutron = self._cloud.neutron
        for floating in neutron.ips(description=mark, **self._cloud.own):
            # one that forwards ports cannot be removed, even if nobody has these
            for one in self._forwardings(floating):
                neutron.delete_floating_ip_port_forwarding(floating.id, one.id)
            neutron.delete_ip(floating.id, ignore_missing=True)
        for router in [one for one in neutron.routers(**self._cloud.own) if one.description == mark]:
            for port in neutron.ports(device_id=router.id):
                if port.device_owner in _ROUTER:
                    neutron.remove_interface_from_router(router.id, port_id=port.id)
            neutron.delete_router(router.id, ignore_missing=True)
        self._forget(stack)

    def _routes(self) -> bool:
        """Whether the cloud's Neutron knows routers at all."""
        if self._routing is None:
            self._routing = self._cloud.neutron.find_extension("router", ignore_missing=True) is not None
        return self._routing

    def _forget(self, stack: str) -> None:
        with self._lock:
            self._seen.pop(stack, None)

    def seen(self, stack: str) -> Mapping[str, tuple[Published, ...]]:
        """Return what is forwarded of a stack, by the id of the port that it goes to."""
        with self._lock:
            known = self._seen.get(stack)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        found: dict[str, tuple[Published, ...]] = {}
        for floating in self._cloud.neutron.ips(description=of_stack(stack), **self._cloud.own):
            for one in self._forwardings(floating):
                row = Published(
                    target=int(one.internal_port),
                    protocol=str(one.protocol),
                    host_ip=str(floating.floating_ip_address),
                    host_port=int(one.external_port),
                )
                key = str(one.internal_port_id)
                found[key] = (*found.get(key, ()), row)
        with self._lock:
            self._seen[stack] = (time.monotonic() + _FRESH, found)
        return found


def published(ports: Iterable[Port]) -> tuple[Port, ...]:
    """Return the ports that others than the stack may reach: none that is declared for a host's loopback."""
    return tuple(port for port in ports if not loopback(port.host_ip))


def loopback(host_ip: str | None) -> bool:
    """Whether a declared host address is one that a machine only has for itself."""
    try:
        return bool(host_ip) and ipaddress.ip_address(str(host_ip)).is_loopback
    except ValueError:
        return False


def chosen(port: Port, taken: Collection[tuple[int, str]]) -> int | None:
    """Return the number to publish a port by: the first free one of what is declared; None if none is."""
    if port.published is None or port.published == "0":
        numbers = _EPHEMERAL
    else:
        first, _, last = port.published.partition("-")
        numbers = range(int(first), int(last or first) + 1)
    return next((number for number in numbers if (number, port.protocol) not in taken), None)


def network_tags(network: Network) -> dict[str, str]:
    """Return what a network has to remember of how it was declared, for who creates containers on it."""
    told = {OUTSIDE: network.driver_opts.get(OPTION, ""), INTERNAL: "yes" if network.internal else ""}
    return {key: value for key, value in told.items() if value}

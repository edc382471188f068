"""Joins starting containers to their stack's networks, in the keeper, and keeps their names in hosts files.

Containers on the same networks share one hosts file, so that a start rewrites a few files and not one for
each container there is.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path
from typing import Any

from zun_compose.drivers.local import leases
from zun_compose.drivers.local.home import Home
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.network import hosts, wiring
from zun_compose.drivers.local.network.bridges import StackNetwork
from zun_compose.drivers.local.papers import Blueprint, Nic
from zun_compose.errors import DriverError, NotFound
from zun_compose.record import Record

# how long names of the ended may linger, for many to go at once
_GATHER = 0.1
_LOOK = 1.0


class _Member(Record):
    """A container that is joined: its ports on bridges, and its places for the hosts files."""

    ports: tuple[str, ...]
    places: tuple[hosts.Place, ...]


def hosts_file(home: Home, blueprint: Blueprint) -> Path | None:
    """Return the hosts file that a container shares with all on the same networks; None if it has its own."""
    if not blueprint.nics:
        return None
    key = repr(([nic.network for nic in blueprint.nics], blueprint.extra_hosts))
    return home.stack(blueprint.stack) / "hosts" / hashlib.sha256(key.encode()).hexdigest()[:16]


class Switchboard:
    """The networks of one stack. Not thread-safe; the keeper has one thread."""

    def __init__(self, home: Home, stack: str) -> None:
        self._home = home
        self._stack = stack
        self._network = StackNetwork()
        self._members: dict[str, _Member] = {}
        self._groups: dict[Path, _Group] = {}
        self._stale_since: float | None = None
        self._inherited: set[str] = set()
        self._take_over()

    def _take_over(self) -> None:
        """Find the containers that run, whose keeper was killed, and what it had made for them."""
        used: dict[str, wiring.NetworkPlan] = {}
        for place in self._home.of_stack(self._stack):
            with suppress(DriverError):
                if standing(place).pid is None:
                    continue
                blueprint = Blueprint.load(place)
                self._members[place.id] = _Member((), tuple(_places(blueprint)))
                self._inherited.add(place.id)
                self._group(blueprint)
                for nic in blueprint.nics:
                    body = leases.known(self._home, nic.network)
                    if body is not None:
                        used[nic.network] = _plan(body)
        self._write()
        if used:
            self._network.adopt(used.values())

    def open_way_out(self, device: int) -> None:
        """Let containers of networks that are not internal use this device."""
        self._network.open_way_out(device)

    def connect(self, blueprint: Blueprint, pid: int) -> dict[str, Any]:
        """Give a new network namespace its interfaces; raises DriverError."""
        self.disconnect(blueprint.id)
        nics = []
        told = {}
        for at, nic in enumerate(blueprint.nics):
            body = leases.known(self._home, nic.network)
            if body is None:
                raise NotFound(f'network "{nic.network}" not found')
            plan = _plan(body)
            self._network.ensure(plan)
            nics.append(_wired(nic, plan, first=at == 0))
            told[nic.network] = nic.ipv4 or nic.ipv6 or ""
        ports = self._network.attach(pid, nics)
        self._members[blueprint.id] = _Member(ports, tuple(_places(blueprint)))
        self._group(blueprint)
        self._welcome(self._members[blueprint.id])
        return {"addresses": told}

    def disconnect(self, container: str) -> None:
        """Forget a container that has ended; its names go from the hosts files with the next refresh."""
        member = self._members.pop(container, None)
        if member is not None:
            self._stale_since = self._stale_since or time.monotonic()
            with suppress(DriverError):
                self._network.detach(member.ports, ended=True)

    def _group(self, blueprint: Blueprint) -> None:
        path = hosts_file(self._home, blueprint)
        if path is not None and path not in self._groups:
            self._groups[path] = _Group(blueprint)

    def _welcome(self, member: _Member) -> None:
        """Add a new member's names to the hosts files: a line each, as writing them all takes long."""
        for path, group in self._groups.items():
            added = "".join(group.lines(member.places))
            if added and group.text:
                group.text += added
                hosts.rewrite(path, group.text)
        self._write(only_new=True)

    def refresh(self) -> float | None:
        """Take those out of the hosts files who have ended; returns in how many seconds to call again."""
        for container in tuple(self._inherited):
            # their supervisors are nobody's children: nobody is told of their end
            if not standing(self._home.place(container)).up:
                self._inherited.discard(container)
                self.disconnect(container)
        if self._stale_since is None:
            return _LOOK if self._inherited else None
        # many end at once, and each time all is written
        left = self._stale_since + _GATHER - time.monotonic()
        if left > 0:
            return left
        self._stale_since = None
        self._write()
        return None

    def _write(self, *, only_new: bool = False) -> None:
        peers = [place for member in self._members.values() for place in member.places]
        for path, group in self._groups.items():
            if only_new and group.text:
                continue
            group.text = hosts.render("", group.own, peers, group.extra_hosts)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            hosts.rewrite(path, group.text)


class _Group:
    """Containers on the same networks, and the text of the hosts file that they share."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.own = [hosts.Place(network=nic.network, addresses=(), names=()) for nic in blueprint.nics]
        self.extra_hosts = blueprint.extra_hosts
        self.text = ""
        self._networks = {place.network for place in self.own}
        self._hidden = {"localhost", *(name for name, _ in blueprint.extra_hosts)}

    def lines(self, places: tuple[hosts.Place, ...]) -> Iterator[str]:
        """Return the lines of a newcomer."""
        for place in places:
            names = [name for name in place.names if name not in self._hidden]
            if place.network in self._networks and names:
                for address in place.addresses:
                    yield f"{address}\t{' '.join(names)}\n"


def _places(blueprint: Blueprint) -> Iterator[hosts.Place]:
    for nic in blueprint.nics:
        addresses = tuple(ip_address(one) for one in (nic.ipv4, nic.ipv6) if one is not None)
        yield hosts.Place(network=nic.network, addresses=addresses, names=nic.aliases)


def _plan(body: dict[str, Any]) -> wiring.NetworkPlan:
    gateways: dict[int, Any] = {}
    for pool in body["pools"]:
        gateway = ip_interface(f"{pool['gateway']}/{pool['subnet'].partition('/')[2]}")
        gateways[gateway.version] = gateway
    return wiring.NetworkPlan(
        name=body["name"], gateway4=gateways.get(4), gateway6=gateways.get(6), internal=bool(body["internal"])
    )


def _wired(nic: Nic, plan: wiring.NetworkPlan, *, first: bool) -> wiring.Nic:
    """Return what the bridge is asked for; the first network is where the default route goes."""
    routed = first and not plan.internal
    ipv4 = ipv6 = None
    if nic.ipv4 is not None and plan.gateway4 is not None:
        ipv4 = IPv4Interface(f"{nic.ipv4}/{plan.gateway4.network.prefixlen}")
    if nic.ipv6 is not None and plan.gateway6 is not None:
        ipv6 = IPv6Interface(f"{nic.ipv6}/{plan.gateway6.network.prefixlen}")
    return wiring.Nic(
        network=nic.network,
        mac=nic.mac or "",
        ipv4=ipv4,
        ipv6=ipv6,
        gateway4=plan.gateway4.ip if routed and ipv4 is not None and plan.gateway4 is not None else None,
        gateway6=plan.gateway6.ip if routed and ipv6 is not None and plan.gateway6 is not None else None,
        name=nic.interface,
    )

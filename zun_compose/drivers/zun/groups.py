"""Security groups: who may reach a container. Neutron lets nobody in who is not named.

A stack has a group whose members reach each other on all ports, as in compose; a service with published
ports has one that lets everybody in by these. Zun's own way, exposed_ports, opens to the world what compose
only shows to the stack. Groups are found by their tags and go with the last container that needs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.publishing import published
from zun_compose.drivers.zun.tags import of_stack
from zun_compose.errors import Conflict, DriverTimeout, NotFound
from zun_compose.model import Service
from zun_compose.record import Record

_GOING = 60.0
"""Seconds that Zun may take to give back the ports of a stack's last containers."""

_NAMES = 20
"""Names that a request for a list may hold; above, all groups of the project are listed."""

_FAMILIES = (("IPv4", "0.0.0.0/0"), ("IPv6", "::/0"))


class Wanted(Record, kw_only=True):
    """A group as it has to be. `rules` are who is let in; none for the members of the group themselves."""

    name: str
    description: str
    rules: tuple[Mapping[str, Any], ...] = ()


class Groups:
    """The security groups of stacks in one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def needed(self, stack: str, services: Iterable[Service]) -> dict[str, list[str]]:
        """Return by service the ids of its groups; those that are missing are made."""
        services = list(services)
        shared = _members(stack)
        opening = {service.name: _opened(stack, service) for service in services if open_ports(service)}
        with self._cloud.lock:
            found = self._found(stack, {wanted.name: wanted for wanted in (shared, *opening.values())})
            return {
                service.name: [
                    found[wanted.name] for wanted in (shared, opening.get(service.name)) if wanted is not None
                ]
                for service in services
            }

    def sweep(self, stack: str, standing: Sequence[Any]) -> None:
        """Remove the groups of a stack that none of its containers, as Zun lists them, is in."""
        used = {group for one in standing for group in one.security_groups or ()}
        for name, group in self._of(stack).items():
            if str(group.id) not in used:
                # a port that is just going still holds it; the last container takes it along
                self._remove(name, str(group.id), 0.0 if standing else _GOING)

    def _remove(self, name: str, group: str, seconds: float) -> None:
        doing = f'remove security group "{name}"'

        def done() -> bool | None:
            try:
                with translated(doing):
                    self._cloud.neutron.delete_security_group(group, ignore_missing=True)
            except Conflict:
                return None
            return True

        with suppress(DriverTimeout, NotFound):
            self._cloud.until(done, doing, seconds)

    def _of(self, stack: str) -> dict[str, Any]:
        tag = of_stack(stack)
        return {
            str(one.name): one for one in self._cloud.neutron.security_groups(tags=tag, **self._cloud.own)
        }

    def _found(self, stack: str, wanted: Mapping[str, Wanted]) -> dict[str, str]:
        """Return the ids of a stack's groups by name; what they lack is made, from the group itself on."""
        tag = of_stack(stack)
        asked = {"name": list(wanted)} if len(wanted) <= _NAMES else {}
        named = [
            one
            for one in self._cloud.neutron.security_groups(**asked, **self._cloud.own)
            if one.name in wanted
        ]
        # one that somebody was cut off from before it had its tag is taken as well
        lost = [one for one in named if not one.tags and one.description == wanted[one.name].description]
        ours = [one for one in named if tag in (one.tags or ())]
        there = {str(one.name): one for one in (*lost, *ours)}

        return {name: self._complete(one, there.get(name), tag) for name, one in wanted.items()}

    def _complete(self, wanted: Wanted, group: Any | None, tag: str) -> str:
        """Make a group, or what one that is there lacks; returns its id."""
        neutron = self._cloud.neutron
        if group is None:
            group = neutron.create_security_group(name=wanted.name, description=wanted.description)
        if tag not in (group.tags or ()):
            neutron.set_tags(group, [tag])
        self._let_in(group, wanted)
        return str(group.id)

    def _let_in(self, group: Any, wanted: Wanted) -> None:
        """Add the rules that a group lacks: all to a new one, the rest where adding them was cut off."""
        there = [row for row in group.security_group_rules or () if row["direction"] == "ingress"]
        rules = wanted.rules or [
            {"ethertype": family, "remote_group_id": group.id} for family, _ in _FAMILIES
        ]
        lacking = [
            {"security_group_id": group.id, "direction": "ingress", **rule}
            for rule in rules
            if not any(all(row[key] == value for key, value in rule.items()) for row in there)
        ]
        if lacking:
            list(self._cloud.neutron.create_security_group_rules(lacking))


def _members(stack: str) -> Wanted:
    """A group whose members may send each other anything."""
    return Wanted(name=members(stack), description="containers of a stack, which reach each other")


def _opened(stack: str, service: Service) -> Wanted:
    """A group for a service's published ports; other ports make another group."""
    rules = tuple(
        {
            "ethertype": family,
            "protocol": protocol,
            "port_range_min": number,
            "port_range_max": number,
            "remote_ip_prefix": anyone,
        }
        for number, protocol in open_ports(service)
        for family, anyone in _FAMILIES
    )
    return Wanted(name=opened(stack, service), description="published ports, for everybody", rules=rules)


def members(stack: str) -> str:
    """Return the name of the group that a stack's containers are in."""
    return f"{stack}_members"


def opened(stack: str, service: Service) -> str:
    """Return the name of the group of a service's published ports; other ports make another name."""
    digest = hashlib.sha256(repr(open_ports(service)).encode()).hexdigest()[:8]
    return f"{stack}_{service.name}_{digest}"


def open_ports(service: Service) -> list[tuple[int, str]]:
    """Return the ports of its containers that everybody may reach, with their protocols."""
    return sorted({(port.target, port.protocol) for port in published(service.ports)})

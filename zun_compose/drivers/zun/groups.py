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

_GOING = 60.0
"""Seconds that Zun may take to give back the ports of a stack's last containers."""

_FAMILIES = (("IPv4", "0.0.0.0/0"), ("IPv6", "::/0"))


class Groups:
    """The security groups of stacks in one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def needed(self, stack: str, services: Iterable[Service]) -> dict[str, list[str]]:
        """Return by service the ids of its groups; those that are missing are made."""
        with self._cloud.lock:
            found = self._of(stack)
            everyone = self._stack(stack, found)
            return {
                service.name: [
                    everyone,
                    *([self._published(stack, service, found)] if open_ports(service) else ()),
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

    def _stack(self, stack: str, found: dict[str, Any]) -> str:
        """A group whose members may send each other anything."""
        name = members(stack)
        group = found.get(name) or self._made(stack, name, "containers of a stack, which reach each other")
        self._let_in(group, ({"ethertype": family, "remote_group_id": group.id} for family, _ in _FAMILIES))
        return str(group.id)

    def _published(self, stack: str, service: Service, found: dict[str, Any]) -> str:
        """A group for a service's published ports; other ports make another group."""
        ports = open_ports(service)
        name = opened(stack, service)
        group = found.get(name) or self._made(stack, name, "published ports, for everybody")
        self._let_in(
            group,
            (
                {
                    "ethertype": family,
                    "protocol": protocol,
                    "port_range_min": number,
                    "port_range_max": number,
                    "remote_ip_prefix": anyone,
                }
                for number, protocol in ports
                for family, anyone in _FAMILIES
            ),
        )
        return str(group.id)

    def _made(self, stack: str, name: str, description: str) -> Any:
        """Make a group, or take one that somebody was cut off from before it had its tags."""
        neutron = self._cloud.neutron
        found = neutron.security_groups(name=name, description=description, **self._cloud.own)
        lost = (one for one in found if not one.tags)
        group = next(lost, None) or neutron.create_security_group(name=name, description=description)
        neutron.set_tags(group, [of_stack(stack)])
        return group

    def _let_in(self, group: Any, rules: Iterable[Mapping[str, Any]]) -> None:
        """Add the rules that a group lacks: all to a new one, the rest where adding them was cut off."""
        there = [row for row in group.security_group_rules or () if row["direction"] == "ingress"]
        lacking = [
            {"security_group_id": group.id, "direction": "ingress", **rule}
            for rule in rules
            if not any(all(row[key] == value for key, value in rule.items()) for row in there)
        ]
        if lacking:
            list(self._cloud.neutron.create_security_group_rules(lacking))


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

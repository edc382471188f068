"""Whether the project's quotas leave room for a plan: what it makes, less what it takes away, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from zun_compose.driver import Changes
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.creation import VOLUME_SIZE, mebibytes
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.groups import members, open_ports, opened
from zun_compose.drivers.zun.publishing import Publishing, published
from zun_compose.drivers.zun.tags import of_stack
from zun_compose.drivers.zun.volumes import size_of
from zun_compose.errors import DriverError, Rejected
from zun_compose.model import MountType, Network, Service, Volume

Needs = Mapping[str, float]
Left = Mapping[str, float]
"""By kind: how much there may still be. A kind without a limit is not in it."""

_UNITS: Mapping[str, tuple[str, str]] = {
    "containers": ("container", "containers"),
    "memory": ("MiB of memory", "MiB of memory"),
    "cpu": ("CPU", "CPUs"),
    "disk": ("GiB of disk", "GiB of disk"),
    "network": ("network", "networks"),
    "subnet": ("subnet", "subnets"),
    "port": ("port", "ports"),
    "router": ("router", "routers"),
    "floatingip": ("floating IP", "floating IPs"),
    "security_group": ("security group", "security groups"),
    "security_group_rule": ("rule of a security group", "rules of security groups"),
    "volumes": ("volume", "volumes"),
    "gigabytes": ("GiB of volumes", "GiB of volumes"),
}
"""What is said of one, and of any other number."""

_OF_ZUN = ("containers", "memory", "cpu", "disk")
_OF_NEUTRON = (
    "network",
    "subnet",
    "port",
    "router",
    "floatingip",
    "security_group",
    "security_group_rule",
)
# Every group of Neutron's lets all out, over IPv4 and over IPv6.
_EGRESS = 2
_FAMILIES = 2


def shortages(cloud: Cloud, changes: Changes) -> Sequence[str]:
    """Say of what there is too little, such as "12 containers, 4 left"; what cannot be asked is left out."""
    leaving = _leaving(cloud, changes)
    asks = [lambda: _zun(cloud, changes, leaving), lambda: _neutron(cloud, changes, leaving)]
    if changes.volumes or any(_anonymous(service, carried) for service, carried in changes.containers):
        asks.append(lambda: _cinder(cloud, changes))
    found = cloud.side_by_side(lambda ask: ask(), asks)
    return [line for needs, left in found for line in compared(needs, left)]


def compared(needs: Needs, left: Left) -> Sequence[str]:
    """Return a line for each kind of which more is needed than is left."""
    return [
        f"{_number(need)} {_unit(kind, need)}, {_number(max(0, left[kind]))} left"
        for kind, need in needs.items()
        if need > 0 and kind in left and need > left[kind]
    ]


def of_containers(changes: Changes, leaving: Iterable[Any] = ()) -> dict[str, float]:
    """Return what containers take of Zun's quotas, less what those in `leaving` give back.

    What a service says nothing of counts as nothing, as it does for Zun, which then gives its own default.
    """
    needs: dict[str, float] = dict.fromkeys(_OF_ZUN, 0)
    for service, _ in changes.containers:
        needs["containers"] += 1
        needs["memory"] += mebibytes(service) or 0
        needs["cpu"] += service.resources.cpus or 0
    for one in leaving:
        needs["containers"] -= 1
        needs["memory"] -= int(one.memory or 0)
        needs["cpu"] -= one.cpu or 0
        needs["disk"] -= one.disk or 0
    return needs


def of_networks(changes: Changes, groups: Iterable[str] = (), leaving: int = 0) -> dict[str, float]:
    """Return what a plan takes of Neutron's quotas.

    `groups` are the names of the stack's security groups that are there, `leaving` how many ports go.
    """
    there = tuple(groups)
    made = 0 if not changes.containers or members(changes.stack) in there else 1
    rules = made * (_EGRESS + _FAMILIES)
    for service in {service.name: service for service, _ in changes.containers}.values():
        ports = open_ports(service)
        if ports and opened(changes.stack, service) not in there:
            made += 1
            rules += _EGRESS + _FAMILIES * len(ports)
    return {
        "network": len(changes.networks) - len(changes.networks_leaving),
        "subnet": sum(map(_subnets, changes.networks)) - len(changes.networks_leaving),
        "port": sum(len(service.networks or ()) for service, _ in changes.containers) - leaving,
        "security_group": made,
        "security_group_rule": rules,
    }


def of_volumes(changes: Changes) -> dict[str, float]:
    """Return what a plan takes of Cinder's quotas; of a type they are volumes_TYPE, as Cinder's are."""
    needs: Counter[str] = Counter()
    for volume in changes.volumes:
        size, kind = _size(volume), volume.driver_opts.get("type")
        for suffix in ("", *([f"_{kind}"] if kind else [])):
            needs[f"volumes{suffix}"] += 1
            needs[f"gigabytes{suffix}"] += size
    for service, carried in changes.containers:
        count = _anonymous(service, carried)
        needs["volumes"] += count
        needs["gigabytes"] += count * VOLUME_SIZE
    return dict(needs)


def _leaving(cloud: Cloud, changes: Changes) -> Sequence[Any]:
    """Return the containers that the plan removes, as Zun lists them."""
    going = set(changes.leaving)
    if going:
        with suppress(DriverError), translated("list the containers"):
            return [one for one in cloud.zun.containers() if one.id in going]
    return []


def _zun(cloud: Cloud, changes: Changes, leaving: Sequence[Any]) -> tuple[Needs, Left]:
    with suppress(DriverError), translated("ask for Zun's quotas"):
        told = cloud.zun.get_quota(cloud.connection.current_project_id, usages=True)
        limits = {kind: getattr(told, kind) for kind in _OF_ZUN}
        left = {
            kind: limit - float(told.in_use.get(kind) or 0)
            for kind, limit in limits.items()
            if limit is not None and limit >= 0
        }
        return of_containers(changes, leaving), left
    return {}, {}


def _neutron(cloud: Cloud, changes: Changes, leaving: Sequence[Any]) -> tuple[Needs, Left]:
    with suppress(DriverError), translated("ask for Neutron's quotas"):
        path = f"/quotas/{cloud.connection.current_project_id}/details"
        answer = cloud.neutron.get(path)
        told = answer.json()["quota"] if answer.status_code == 200 else {}
        left = {kind: _remaining(told[kind]) for kind in _OF_NEUTRON if _limited(told.get(kind))}
        if not left:
            return {}, {}
        found = cloud.neutron.security_groups(tags=of_stack(changes.stack), **cloud.own)
        groups = [str(one.name) for one in found]
        ports = sum(len(one.addresses or {}) for one in leaving)
        return Counter(of_networks(changes, groups, ports)) + Counter(_outside(cloud, changes)), left
    return {}, {}


def _outside(cloud: Cloud, changes: Changes) -> Needs:
    """Return what the published ports of a new network take, where the cloud leads outside."""
    ports = any(published(service.ports) for service, _ in changes.containers)
    networks = [one for one in changes.networks if not one.internal]
    if not ports or not networks:
        return {}
    if Publishing(cloud).way_out(networks).lack:
        return {}
    mark = of_stack(changes.stack)
    return {
        "router": not any(one.description == mark for one in cloud.neutron.routers(**cloud.own)),
        "floatingip": not any(True for _ in cloud.neutron.ips(description=mark, **cloud.own)),
        # the router's own on that network
        "port": 1,
    }


def _cinder(cloud: Cloud, changes: Changes) -> tuple[Needs, Left]:
    with suppress(DriverError), translated("ask for Cinder's quotas"):
        path = f"/os-quota-sets/{cloud.connection.current_project_id}?usage=True"
        answer = cloud.cinder.get(path)
        told = answer.json()["quota_set"] if answer.status_code == 200 else {}
        needs = of_volumes(changes)
        return needs, {kind: _remaining(told[kind]) for kind in needs if _limited(told.get(kind))}
    return {}, {}


def _limited(told: Any) -> bool:
    return isinstance(told, Mapping) and isinstance(told.get("limit"), int) and told["limit"] >= 0


def _remaining(told: Mapping[str, Any]) -> float:
    used = told.get("used", told.get("in_use")) or 0
    return float(told["limit"] - used - (told.get("reserved") or 0))


def _subnets(network: Network) -> int:
    """Return how many subnets a network is made with: one for each pool, and one for each family without."""
    pools = [pool.subnet for pool in network.ipam if pool.subnet]
    six = any(":" in pool for pool in pools)
    four = any(":" not in pool for pool in pools)
    return (
        len(pools) + (network.enable_ipv4 is not False and not four) + bool(network.enable_ipv6 and not six)
    )


def _size(volume: Volume) -> int:
    # a size that is no number is told by a fault of its own
    with suppress(Rejected):
        return size_of(volume)
    return VOLUME_SIZE


def _anonymous(service: Service, carried: Sequence[str]) -> int:
    return sum(
        1
        for mount in service.mounts
        if mount.type is MountType.VOLUME and mount.source is None and mount.target not in carried
    )


def _unit(kind: str, number: float) -> str:
    head, _, type_name = kind.partition("_")
    typed = head in ("volumes", "gigabytes") and type_name
    word = _UNITS[head if typed else kind][number != 1]
    return f'{word} of type "{type_name}"' if typed else word


def _number(value: float) -> str:
    return f"{value:g}" if value != int(value) else str(int(value))

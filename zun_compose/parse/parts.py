"""Small pieces of a service, from their long form to the model's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.model import (
    Attachment,
    Build,
    FileMount,
    Mount,
    MountType,
    Port,
    Resources,
    Ulimit,
)
from zun_compose.parse.tree import Duration


def words(value: Any) -> tuple[str, ...] | None:
    """Return a command as words; None stays."""
    return None if value is None else tuple(value)


def listed(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list attribute as a tuple."""
    value = raw.get(key)
    return tuple(value) if value else ()


def seconds(value: Any) -> float | None:
    """Return a duration in seconds."""
    return value.seconds if isinstance(value, Duration) else None


def whole(value: Any) -> int | None:
    """Return a whole number; None stays."""
    return None if value is None else int(value)


def decimal(value: Any) -> float | None:
    """Return a number; None stays."""
    return None if value is None else float(value)


def hosts(value: Any) -> tuple[tuple[str, str], ...]:
    """Split extra_hosts into pairs."""
    found = []
    for entry in value or ():
        name, _, address = entry.partition("=")
        found.append((name, address))
    return tuple(found)


def file_mounts(value: Any, folder: str) -> tuple[FileMount, ...]:
    """Return the uses of configs or secrets; relative targets start from `folder`."""
    found = []
    for entry in value or ():
        target = entry.get("target") or entry["source"]
        found.append(
            FileMount(
                source=entry["source"],
                target=target if target.startswith("/") else folder + target,
                uid=entry.get("uid"),
                gid=entry.get("gid"),
                mode=entry.get("mode"),
            )
        )
    return tuple(found)


def port(entry: Mapping[str, Any]) -> Port:
    """Return one port."""
    return Port(
        target=int(entry["target"]),
        published=entry.get("published") or None,
        protocol=entry.get("protocol") or "tcp",
        host_ip=entry.get("host_ip") or None,
        mode=entry.get("mode") or "ingress",
        name=entry.get("name"),
        app_protocol=entry.get("app_protocol"),
        span=entry.get("#span"),
    )


def attachment(key: str, entry: Any) -> Attachment:
    """Return a place on a network."""
    entry = entry or {}
    return Attachment(
        network=key,
        aliases=listed(entry, "aliases"),
        ipv4_address=entry.get("ipv4_address"),
        ipv6_address=entry.get("ipv6_address"),
        link_local_ips=listed(entry, "link_local_ips"),
        mac_address=entry.get("mac_address"),
        priority=int(entry.get("priority") or 0),
        gw_priority=int(entry.get("gw_priority") or 0),
        interface_name=entry.get("interface_name"),
        driver_opts=dict(entry.get("driver_opts") or {}),
    )


def mount(entry: Mapping[str, Any]) -> Mount:
    """Return one mount."""
    bind, volume, tmpfs = entry.get("bind") or {}, entry.get("volume") or {}, entry.get("tmpfs") or {}
    return Mount(
        type=MountType(entry["type"]),
        target=entry["target"],
        source=entry.get("source") or None,
        read_only=bool(entry.get("read_only")),
        consistency=entry.get("consistency"),
        propagation=bind.get("propagation"),
        # The short form creates the path; the long one only where it does not say otherwise.
        create_host_path=bind.get("create_host_path", True) is not False,
        selinux=bind.get("selinux"),
        nocopy=bool(volume.get("nocopy")),
        subpath=volume.get("subpath") or (entry.get("image") or {}).get("subpath"),
        tmpfs_size=whole(tmpfs.get("size")),
        tmpfs_mode=whole(tmpfs.get("mode")),
        volume_labels=dict(volume.get("labels") or {}),
    )


def ulimit(name: str, entry: Any) -> Ulimit:
    """Return one limit."""
    if isinstance(entry, dict):
        return Ulimit(name=name, soft=int(entry.get("soft", 0)), hard=int(entry.get("hard", 0)))
    return Ulimit(name=name, soft=int(entry), hard=int(entry))


def replicas(raw: Mapping[str, Any], deploy: Mapping[str, Any]) -> int:
    """Return how many containers are wanted."""
    scale = raw.get("scale")
    if scale is None:
        scale = deploy.get("replicas")
    return 1 if scale is None else int(scale)


def build(build: Mapping[str, Any]) -> Build:
    """Return how to build the image."""
    return Build(
        context=build.get("context") or ".",
        dockerfile=build.get("dockerfile"),
        dockerfile_inline=build.get("dockerfile_inline"),
        args=dict(build.get("args") or {}),
        target=build.get("target"),
        labels=dict(build.get("labels") or {}),
        cache_from=listed(build, "cache_from"),
        network=build.get("network"),
        no_cache=bool(build.get("no_cache")),
        pull=bool(build.get("pull")),
        platforms=listed(build, "platforms"),
        tags=listed(build, "tags"),
        shm_size=whole(build.get("shm_size")),
        extra_hosts=hosts(build.get("extra_hosts")),
    )


def resources(raw: Mapping[str, Any], deploy: Mapping[str, Any]) -> Resources:
    """Return limits and reservations; deploy wins over the older attributes."""
    wanted = deploy.get("resources") or {}
    limits, reserved = wanted.get("limits") or {}, wanted.get("reservations") or {}

    def first(*values: Any) -> Any:
        return next((value for value in values if value not in (None, "")), None)

    return Resources(
        cpus=decimal(first(limits.get("cpus"), raw.get("cpus"))),
        memory=whole(first(limits.get("memory"), raw.get("mem_limit"))),
        pids=whole(first(limits.get("pids"), raw.get("pids_limit"))),
        reserved_cpus=decimal(reserved.get("cpus")),
        reserved_memory=whole(first(reserved.get("memory"), raw.get("mem_reservation"))),
        memory_swap=whole(raw.get("memswap_limit")),
        memory_swappiness=whole(raw.get("mem_swappiness")),
        cpu_shares=whole(raw.get("cpu_shares")),
        cpu_quota=whole(raw.get("cpu_quota")),
        cpu_period=whole(raw.get("cpu_period")),
        cpuset=raw.get("cpuset"),
        oom_kill_disable=raw.get("oom_kill_disable"),
        oom_score_adj=whole(raw.get("oom_score_adj")),
    )

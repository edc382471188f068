"""Small pieces of a service, from their long form to the model's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.model import (
    Attachment,
    BlockIO,
    BlockLimit,
    Build,
    Device,
    DeviceRequest,
    FileMount,
    Healthcheck,
    Logging,
    Mount,
    MountType,
    Port,
    Resources,
    Ulimit,
)
from zun_compose.parse.tree import Duration


def texts(value: Any) -> dict[str, str]:
    """Return a mapping of options with all values as strings."""
    return {key: str(item) for key, item in (value or {}).items()}


def same(value: Any) -> Any:
    """Return what is in the model as it is in the tree."""
    return value


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


def ports(entries: Any) -> tuple[Port, ...]:
    """Return the published ports, as they are declared."""
    return tuple(_port(entry) for entry in entries)


def _port(entry: Mapping[str, Any]) -> Port:
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


def attachments(entries: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """Return the networks that are joined."""
    return tuple(_attachment(key, entry) for key, entry in entries.items())


def _attachment(key: str, entry: Any) -> Attachment:
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


def mounts(entries: Any) -> tuple[Mount, ...]:
    """Return what is mounted."""
    return tuple(_mount(entry) for entry in entries)


def _mount(entry: Mapping[str, Any]) -> Mount:
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


def ulimits(entries: Mapping[str, Any]) -> tuple[Ulimit, ...]:
    """Return the limits of each process."""
    return tuple(_ulimit(key, entry) for key, entry in entries.items())


def _ulimit(name: str, entry: Any) -> Ulimit:
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
        ulimits=ulimits(build.get("ulimits") or {}),
    )


def devices(entries: Any) -> tuple[Device, ...]:
    """Return the devices that are handed in."""
    return tuple(
        Device(source=entry["source"], target=entry["target"], permissions=entry["permissions"])
        for entry in entries
    )


def logging(value: Mapping[str, Any]) -> Logging | None:
    """Return where output goes to."""
    return Logging(driver=value.get("driver"), options=dict(value.get("options") or {})) if value else None


def healthcheck(check: Mapping[str, Any]) -> Healthcheck:
    """Return the check; one that is disabled has the test NONE."""
    test = ("NONE",) if check.get("disable") else check.get("test")
    return Healthcheck(
        test=tuple(test) if test else None,
        interval=seconds(check.get("interval")),
        timeout=seconds(check.get("timeout")),
        retries=whole(check.get("retries")),
        start_period=seconds(check.get("start_period")),
        start_interval=seconds(check.get("start_interval")),
    )


def device_requests(raw: Mapping[str, Any], deploy: Mapping[str, Any]) -> tuple[DeviceRequest, ...]:
    """Return the devices to be given out; `gpus` is the short way to ask for those with that capability."""
    reserved = ((deploy.get("resources") or {}).get("reservations") or {}).get("devices") or ()
    return tuple(
        DeviceRequest(
            driver=entry.get("driver") or None,
            count=whole(entry.get("count")),
            device_ids=listed(entry, "device_ids"),
            capabilities=tuple(dict.fromkeys((*listed(entry, "capabilities"), *given))),
            options=dict(entry.get("options") or {}),
        )
        for entries, given in ((raw.get("gpus") or (), ("gpu",)), (reserved, ()))
        for entry in entries
    )


def block_io(value: Any) -> BlockIO | None:
    """Return the limits on block devices."""
    if not value:
        return None

    def limits(key: str, rate: str = "rate") -> tuple[BlockLimit, ...]:
        return tuple(
            BlockLimit(path=entry.get("path") or "", rate=int(entry.get(rate) or 0))
            for entry in value.get(key) or ()
        )

    return BlockIO(
        weight=whole(value.get("weight")),
        weight_device=limits("weight_device", "weight"),
        device_read_bps=limits("device_read_bps"),
        device_read_iops=limits("device_read_iops"),
        device_write_bps=limits("device_write_bps"),
        device_write_iops=limits("device_write_iops"),
    )


RESOURCES = frozenset(
    (
        *(
            "cpus",
            "mem_limit",
            "pids_limit",
            "mem_reservation",
            "memswap_limit",
            "mem_swappiness",
            "cpu_shares",
        ),
        *("cpu_quota", "cpu_period", "cpu_rt_period", "cpu_rt_runtime", "cpuset", "oom_kill_disable"),
        *("oom_score_adj", "gpus"),
    )
)
"""Attributes of a service that, like its deploy, say what it may use."""


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
        cpu_rt_period=whole(raw.get("cpu_rt_period")),
        cpu_rt_runtime=whole(raw.get("cpu_rt_runtime")),
        cpuset=raw.get("cpuset"),
        oom_kill_disable=raw.get("oom_kill_disable"),
        oom_score_adj=whole(raw.get("oom_score_adj")),
    )

"""What the docker driver does with each attribute that is an engine's to carry out.

What older engines lack is refused by API version; `capabilities` makes the table of one version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from zun_compose.capability import (
    Finding,
    Row,
    Table,
    Verdict,
    findings,
    in_vain,
    rows,
    table,
    without_cloud,
    without_glance,
)
from zun_compose.model import MountType, Service, Stack

Api = tuple[int, int]
NEWEST: Api = (1, 99)
"""An API that has it all."""

_DOES, _EMULATES = Verdict.DOES, Verdict.EMULATES
_IGNORES, _REFUSES = Verdict.IGNORES, Verdict.REFUSES

SINCE: Mapping[str, Api] = {
    "services.*.annotations": (1, 43),
    "services.*.networks.*.gw_priority": (1, 48),
    "services.*.networks.*.interface_name": (1, 49),
    "services.*.volumes.volume.subpath": (1, 45),
}
"""What an engine can do from an API version on, and is refused before."""


@cache
def capabilities(api: Api) -> Table:
    """Return the table for engines that speak this version."""
    return table(*_always(), *(_since(path, needed, api) for path, needed in SINCE.items()), *_by_value(api))


def _since(path: str, needed: Api, api: Api) -> Iterator[tuple[str, Row]]:
    verdict = _DOES if api >= needed else _REFUSES
    yield path, Row(verdict=verdict, note=f"needs an engine with API {_spell(needed)} or later")


def _spell(api: Api) -> str:
    return f"{api[0]}.{api[1]}"


def _always() -> Iterator[Iterator[tuple[str, Row]]]:
    yield without_cloud()
    yield without_glance()
    yield rows(
        "services.*",
        _DOES,
        "cap_add cap_drop cgroup cgroup_parent command domainname entrypoint environment hostname image init "
        "ipc labels logging.** pid privileged read_only runtime stop_grace_period stop_signal user "
        "userns_mode working_dir",
    )
    yield rows("services.*", _DOES, "configs.** secrets.**")
    yield rows(
        "services.*", _DOES, "device_cgroup_rules devices.** gpus.** deploy.resources.reservations.devices.**"
    )
    yield rows(
        "services.*",
        _DOES,
        "dns dns_opt dns_search expose extra_hosts group_add links mac_address network_mode",
    )
    yield rows("services.*", _DOES, "external_links", "of containers on a network of the service's")
    yield rows(
        "services.*", _DOES, "platform restart security_opt shm_size stdin_open sysctls tmpfs tty ulimits.**"
    )
    yield rows("services.*", _DOES, "ports ports.host_ip ports.target ports.published ports.protocol")
    yield rows(
        "services.*",
        _DOES,
        "blkio_config.** cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset mem_limit "
        "mem_reservation mem_swappiness memswap_limit oom_kill_disable oom_score_adj pids_limit "
        "deploy.resources.limits.cpus deploy.resources.limits.memory deploy.resources.limits.pids "
        "deploy.resources.reservations.memory",
        "as far as the machine's cgroups have it",
    )
    yield rows(
        "services.*", _IGNORES, "deploy.resources.reservations.cpus", "the engine does not reserve cpus"
    )
    yield rows("services.*", _DOES, "storage_opt", "where the engine's storage driver takes options")
    yield rows(
        "services.*",
        _DOES,
        "healthcheck healthcheck.disable healthcheck.interval healthcheck.retries healthcheck.test "
        "healthcheck.timeout healthcheck.start_period",
    )
    yield rows(
        "services.*",
        _DOES,
        "networks networks.*.aliases networks.*.ipv4_address networks.*.ipv6_address "
        "networks.*.link_local_ips networks.*.driver_opts networks.*.mac_address",
    )
    yield rows(
        "services.*",
        _DOES,
        "volumes volumes.source volumes.target volumes.read_only volumes.consistency volumes.bind "
        "volumes.bind.propagation volumes.bind.create_host_path volumes.bind.selinux volumes.volume "
        "volumes.volume.labels volumes.volume.nocopy volumes.tmpfs.** volumes.image.** volumes_from",
    )
    yield rows(
        "services.*.build",
        _DOES,
        "args cache_from context dockerfile dockerfile_inline extra_hosts labels network no_cache pull "
        "shm_size tags target ulimits.**",
    )
    yield rows("services.*", _DOES, "build", "by the engine's classic builder")
    yield rows("services.*.build", _DOES, "platforms", "one at a time")
    yield rows("networks.*", _DOES, "driver driver_opts ipam.** internal enable_ipv6 attachable labels")
    yield rows("volumes.*", _DOES, "driver driver_opts labels")


def _by_value(api: Api) -> Iterator[Iterator[tuple[str, Row]]]:
    if api < (1, 44):
        note = "before API 1.44 the engine has it not; while a gate waits, zun-compose runs the check early"
        yield rows("services.*", _EMULATES, "healthcheck.start_interval", note)
    else:
        yield rows("services.*", _DOES, "healthcheck.start_interval", "before API 1.44 it is emulated")
    yield rows(
        "services.*",
        _REFUSES,
        "volumes.type",
        "no engine on Linux has such mounts",
        when=lambda value: value in (MountType.NPIPE, MountType.CLUSTER),
    )
    if api < (1, 48):
        yield rows(
            "services.*",
            _REFUSES,
            "volumes.type",
            "needs an engine with API 1.48 or later",
            when=lambda value: value == MountType.IMAGE,
        )
    yield rows("services.*", _DOES, "volumes.type", "image from API 1.48 on")
    yield rows(
        "services.*",
        _REFUSES,
        "uts",
        "only host can be shared",
        when=lambda value: value not in ("", "host"),
    )
    yield rows("services.*", _DOES, "uts")
    if api < (1, 47):
        yield rows(
            "networks.*",
            _REFUSES,
            "enable_ipv4",
            "false needs an engine with API 1.47 or later",
            when=lambda value: value is False,
        )
    yield rows("networks.*", _DOES, "enable_ipv4", "false from API 1.47 on")


def asked_in_vain(stack: Stack, api: Api) -> tuple[Finding, ...]:
    """Return what a stack asks for and an engine of this version does not do."""
    together = [found for service in stack.services.values() for found in _together(service, api)]
    return (*findings(capabilities(api), stack), *together)


def _together(service: Service, api: Api) -> Iterator[Finding]:
    """What only several attributes together make impossible."""
    for mount in service.mounts:
        if mount.type is not MountType.BIND:
            continue
        colon = ":" in f"{mount.source}{mount.target}"
        if mount.selinux and (colon or not mount.create_host_path):
            note = "goes only with create_host_path and paths without a colon"
            yield in_vain(service, "volumes.bind.selinux", note)
        elif colon and mount.create_host_path and api < (1, 42):
            note = "a colon in a path needs an engine with API 1.42 or later"
            yield in_vain(service, "volumes.source", note)
    if api < (1, 44) and any(one.mac_address for one in sorted(service.networks or (), key=_rank)[1:]):
        note = "on a second network it needs an engine with API 1.44 or later"
        yield in_vain(service, "networks.*.mac_address", note)
    if service.build is not None and len(service.build.platforms) > 1 and not service.platform:
        yield in_vain(service, "build.platforms", "the classic builder makes one platform at a time")


def _rank(attachment: object) -> int:
    return -int(getattr(attachment, "priority", 0))

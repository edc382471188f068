"""ContainerSpec -> body of POST /containers/create. What cannot be carried is Unsupported, never dropped."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from zun_compose import labels
from zun_compose.container import ContainerSpec, Join
from zun_compose.drivers.docker.mounts import binds_and_mounts
from zun_compose.errors import Rejected, Unsupported
from zun_compose.model import (
    Attachment,
    BlockIO,
    DeviceRequest,
    Healthcheck,
    Resources,
    RestartName,
    Service,
)

log = logging.getLogger(__name__)

Api = tuple[int, int]
Body = dict[str, Any]


def body(spec: ContainerSpec, api: Api, links: tuple[str, ...] = ()) -> Body:
    """Return the request body. `links` are "container:alias" of existing containers.

    Raises Unsupported naming the attribute that this API version cannot carry, Rejected for what makes no
    sense.
    """
    service = spec.service
    made: Body = {
        "Image": spec.image,
        "Labels": dict(spec.labels),
        "Env": _environment(service),
        "Tty": service.tty,
        "OpenStdin": service.stdin_open,
        # a one-off run's input ends with the client that feeds it
        "StdinOnce": service.stdin_open and spec.oneoff,
        "HostConfig": host_config(spec, api),
        "ExposedPorts": _exposed(service),
    }
    _put(made, "Cmd", None if service.command is None else list(service.command))
    _put(made, "Entrypoint", None if service.entrypoint is None else list(service.entrypoint))
    _put(made, "Hostname", service.hostname)
    _put(made, "Domainname", service.domainname)
    _put(made, "User", service.user)
    _put(made, "WorkingDir", service.working_dir)
    _put(made, "StopSignal", service.stop_signal)
    if service.stop_grace_period is not None:
        made["StopTimeout"] = whole_seconds(service.stop_grace_period)
    if service.healthcheck is not None:
        made["Healthcheck"] = _healthcheck(service.healthcheck, api, service.name)
    primary = _primary_mac(spec)
    if primary is not None and api < (1, 44):
        made["MacAddress"] = primary
    if spec.network_mode is None and spec.joins:
        at_once = spec.joins if api >= (1, 44) else spec.joins[:1]
        made["NetworkingConfig"] = {
            "EndpointsConfig": {join.network: endpoint(join, spec, api, links) for join in at_once}
        }
    return made


def later_joins(spec: ContainerSpec, api: Api) -> tuple[Join, ...]:
    """Return the joins that the create call of this API version cannot make."""
    return spec.joins[1:] if spec.network_mode is None and api < (1, 44) else ()


def endpoint(join: Join, spec: ContainerSpec, api: Api, links: tuple[str, ...] = ()) -> Body:
    """Return the EndpointSettings of one join."""
    made: Body = {"Aliases": list(join.aliases)}
    if links:
        made["Links"] = list(links)
    attachment = join.attachment or Attachment(network=join.network)
    primary = join is spec.joins[0]
    mac = _primary_mac(spec) if primary else attachment.mac_address
    if api >= (1, 44):
        _put(made, "MacAddress", mac)
    elif mac is not None and not primary:
        _need(api, (1, 44), "networks.mac_address on a second network", spec.service)
    ipam: Body = {}
    _put(ipam, "IPv4Address", attachment.ipv4_address)
    _put(ipam, "IPv6Address", attachment.ipv6_address)
    _put(ipam, "LinkLocalIPs", list(attachment.link_local_ips) or None)
    _put(made, "IPAMConfig", ipam or None)
    options = dict(attachment.driver_opts)
    if attachment.interface_name:
        _need(api, (1, 49), "networks.interface_name", spec.service)
        options["com.docker.network.endpoint.ifname"] = attachment.interface_name
    _put(made, "DriverOpts", options or None)
    if attachment.gw_priority:
        _need(api, (1, 48), "networks.gw_priority", spec.service)
        made["GwPriority"] = attachment.gw_priority
    return made


def host_config(spec: ContainerSpec, api: Api) -> Body:
    """Return the HostConfig."""
    service = spec.service
    binds, mounts = binds_and_mounts(spec, api)
    made: Body = {
        "NetworkMode": spec.network_mode or (spec.joins[0].network if spec.joins else "default"),
        "RestartPolicy": _restart(spec),
        "PortBindings": _port_bindings(spec),
        **_resources(service.resources),
        **_block_io(service.blkio_config),
    }
    lists: Body = {
        "Binds": binds,
        "Mounts": mounts,
        "VolumesFrom": list(spec.volumes_from),
        "CapAdd": list(service.cap_add),
        "CapDrop": list(service.cap_drop),
        "SecurityOpt": _security(spec),
        "GroupAdd": list(service.group_add),
        "Dns": list(service.dns),
        "DnsSearch": list(service.dns_search),
        "DnsOptions": list(service.dns_opt),
        "ExtraHosts": [f"{host}:{address}" for host, address in service.extra_hosts],
        "Ulimits": [{"Name": one.name, "Soft": one.soft, "Hard": one.hard} for one in service.ulimits],
        "Devices": [
            {"PathOnHost": one.source, "PathInContainer": one.target, "CgroupPermissions": one.permissions}
            for one in service.devices
        ],
        "Tmpfs": dict(_tmpfs(entry) for entry in service.tmpfs),
        "Sysctls": dict(service.sysctls),
        "DeviceCgroupRules": list(service.device_cgroup_rules),
        "DeviceRequests": [_device_request(one) for one in service.device_requests],
        "StorageOpt": dict(service.storage_opt),
    }
    made.update((key, value) for key, value in lists.items() if value)
    flags = {
        "AutoRemove": spec.auto_remove,
        "Privileged": service.privileged,
        "ReadonlyRootfs": service.read_only,
    }
    made.update((key, value) for key, value in flags.items() if value)
    _put(made, "Init", service.init)
    _put(made, "Runtime", service.runtime)
    _put(made, "ShmSize", service.shm_size)
    _put(made, "PidMode", spec.pid_mode or service.pid)
    _put(made, "IpcMode", spec.ipc_mode or service.ipc)
    _put(made, "UTSMode", service.uts)
    _put(made, "UsernsMode", service.userns_mode)
    _put(made, "CgroupnsMode", service.cgroup)
    _put(made, "CgroupParent", service.cgroup_parent)
    if service.logging is not None:
        made["LogConfig"] = {"Type": service.logging.driver or "", "Config": dict(service.logging.options)}
    if service.annotations:
        _need(api, (1, 43), "annotations", service)
        made["Annotations"] = dict(service.annotations)
    return made


def whole_seconds(grace: float) -> int:
    """Round up: the API counts stop times in whole seconds, and less than asked for would kill too early."""
    return math.ceil(grace)


def _environment(service: Service) -> list[str]:
    for name in service.environment:
        # the daemon would quote the whole entry, value included, in its refusal
        if not name or "=" in name or "\0" in name:
            raise Rejected(f'service "{service.name}": environment holds the invalid name "{name}"')
    return [name if value is None else f"{name}={value}" for name, value in service.environment.items()]


def _exposed(service: Service) -> Body:
    ports = [f"{port.target}/{port.protocol}" for port in service.ports]
    ports += [
        f"{port}/{entry.protocol}" for entry in service.expose for port in range(entry.first, entry.last + 1)
    ]
    return {port: {} for port in ports}


def _port_bindings(spec: ContainerSpec) -> Body:
    made: dict[str, list[dict[str, str]]] = {}
    for port in spec.service.ports:
        binding = {"HostIp": port.host_ip or "", "HostPort": port.published or ""}
        made.setdefault(f"{port.target}/{port.protocol}", []).append(binding)
    return made


def _healthcheck(check: Healthcheck, api: Api, service: str) -> Body:
    made: Body = {}
    if check.test is not None:
        made["Test"] = list(check.test)
    _put(made, "Interval", nanoseconds(check.interval))
    _put(made, "Timeout", nanoseconds(check.timeout))
    _put(made, "Retries", check.retries)
    _put(made, "StartPeriod", nanoseconds(check.start_period))
    if check.start_interval is not None:
        if api >= (1, 44):
            made["StartInterval"] = nanoseconds(check.start_interval)
        else:
            # nothing is lost: zun-compose runs the check early itself while a gate waits for it
            log.info('service "%s": this docker engine has no healthcheck.start_interval', service)
    return made


def nanoseconds(seconds: float | None) -> int | None:
    """Convert to the API's unit."""
    return None if seconds is None else round(seconds * 1_000_000_000)


def _restart(spec: ContainerSpec) -> Body:
    restart = spec.service.restart
    # the engine refuses a policy on what removes itself
    name = RestartName.NO if spec.auto_remove else restart.name
    count = restart.maximum if name is RestartName.ON_FAILURE else None
    return {"Name": str(name), "MaximumRetryCount": count or 0}


def _resources(resources: Resources) -> Body:
    made: Body = {}
    if resources.cpus is not None:
        made["NanoCpus"] = round(resources.cpus * 1_000_000_000)
    _put(made, "Memory", resources.memory)
    _put(made, "MemoryReservation", resources.reserved_memory)
    _put(made, "MemorySwap", resources.memory_swap)
    _put(made, "MemorySwappiness", resources.memory_swappiness)
    _put(made, "PidsLimit", resources.pids)
    _put(made, "CpuShares", resources.cpu_shares)
    _put(made, "CpuQuota", resources.cpu_quota)
    _put(made, "CpuPeriod", resources.cpu_period)
    _put(made, "CpuRealtimePeriod", resources.cpu_rt_period)
    _put(made, "CpuRealtimeRuntime", resources.cpu_rt_runtime)
    _put(made, "CpusetCpus", resources.cpuset)
    _put(made, "OomKillDisable", resources.oom_kill_disable)
    _put(made, "OomScoreAdj", resources.oom_score_adj)
    return made


def _block_io(limits: BlockIO | None) -> Body:
    if limits is None:
        return {}
    made: Body = {}
    _put(made, "BlkioWeight", limits.weight)
    lists = {
        "BlkioWeightDevice": ("Weight", limits.weight_device),
        "BlkioDeviceReadBps": ("Rate", limits.device_read_bps),
        "BlkioDeviceReadIOps": ("Rate", limits.device_read_iops),
        "BlkioDeviceWriteBps": ("Rate", limits.device_write_bps),
        "BlkioDeviceWriteIOps": ("Rate", limits.device_write_iops),
    }
    for key, (word, entries) in lists.items():
        _put(made, key, [{"Path": one.path, word: one.rate} for one in entries] or None)
    return made


def _device_request(one: DeviceRequest) -> Body:
    made: Body = {"Driver": one.driver or "", "Capabilities": [list(one.capabilities)]}
    _put(made, "Count", one.count)
    _put(made, "DeviceIDs", list(one.device_ids) or None)
    _put(made, "Options", dict(one.options) or None)
    return made


def _security(spec: ContainerSpec) -> list[str]:
    """Return the security options; the API takes a seccomp profile's text where the file names its path."""
    made = []
    for option in spec.service.security_opt:
        key, _, value = option.partition("=" if "=" in option else ":")
        if key != "seccomp" or value in ("unconfined", "builtin"):
            made.append(option)
            continue
        path = Path(spec.labels.get(labels.WORKING_DIR, ""), value)
        try:
            profile = json.dumps(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise Rejected(
                f'service "{spec.service.name}": cannot read the seccomp profile "{value}": {error}'
            ) from None
        made.append(f"seccomp={profile}")
    return made


def _tmpfs(entry: str) -> tuple[str, str]:
    target, _, options = entry.partition(":")
    return target, options


def _primary_mac(spec: ContainerSpec) -> str | None:
    attachment = spec.joins[0].attachment if spec.joins else None
    return (attachment.mac_address if attachment else None) or spec.service.mac_address


def _need(api: Api, version: Api, attribute: str, service: Service) -> None:
    if api < version:
        words = f"{attribute} needs a docker engine with API {version[0]}.{version[1]} or later"
        raise Unsupported(f'service "{service.name}": {words}')


def _put(made: Body, key: str, value: object) -> None:
    if value is not None:
        made[key] = value

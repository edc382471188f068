"""What the local driver does with each attribute that is an engine's to carry out.

Limits need control groups. Without isolation it does less: then services are plain processes of the machine.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from functools import cache

from zun_compose.capability import (
    Row,
    Table,
    Verdict,
    overlaid,
    rows,
    table,
    without_cloud,
    without_glance,
)
from zun_compose.drivers.local.cgroups import CONTROLLER, ONLY_1
from zun_compose.model import MountType

_DOES, _EMULATES = Verdict.DOES, Verdict.EMULATES
_IGNORES, _REFUSES = Verdict.IGNORES, Verdict.REFUSES
_SHARED = ("service:", "container:")
_LOGGING = ("json-file", "local", "none")
_LOG_OPTIONS = ("max-size", "max-file")
_SECURITY = ("no-new-privileges", "seccomp", "apparmor", "label")
_ULIMITS = frozenset(
    name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_")
)
_SEVERAL = "others than root: run by root, or with newuidmap and ranges in /etc/subuid and /etc/subgid"
_ONE_DRIVER = "the local driver has one of its own"
_CGROUPS = "where control groups may be made below your own; elsewhere not enforced, and a warning says so"
_CGROUPS_1 = "where control groups of version 1 may be made; elsewhere not enforced, and a warning says so"
_LIMITS: Mapping[str, str] = {
    "cpus": "cpus deploy.resources.limits.cpus",
    "memory": "mem_limit deploy.resources.limits.memory",
    "pids": "pids_limit deploy.resources.limits.pids",
    "memory_swap": "memswap_limit",
    "memory_swappiness": "mem_swappiness",
    "reserved_memory": "mem_reservation deploy.resources.reservations.memory",
}
_NO_NAMESPACE = "needs a namespace"
_NO_MOUNT = "needs a mount"
_MACHINE = "without isolation there is one network, the machine's"
_NO_BUILDER = "there is no builder: build it elsewhere and bring it in with `zun-compose image import`"

Rows = Iterator[Iterator[tuple[str, Row]]]


@cache
def capabilities(*, isolated: bool, limits: frozenset[str]) -> Table:
    """Return the table with or without isolation, where these limits are kept (see `cgroups.kept`)."""
    whole = table(*_process(), *_limits(limits), *_network(), *_storage(), *_resources())
    if isolated:
        return whole
    return overlaid(whole, table(*_plain()))


def _process() -> Rows:
    yield without_cloud()
    yield without_glance()
    yield rows(
        "services.*",
        _DOES,
        "cap_drop command entrypoint environment image init labels oom_score_adj read_only restart "
        "stdin_open stop_grace_period stop_signal tty working_dir healthcheck.** hostname",
    )
    yield rows("services.*", _EMULATES, "cap_add privileged", "counts in the container's own namespaces only")
    yield rows(
        "services.*",
        _DOES,
        "user group_add",
        _SEVERAL,
    )
    yield rows("services.*", _IGNORES, "annotations", "no OCI runtime is there to read them")
    yield rows("services.*", _IGNORES, "domainname", "the kernel's domain name is left as it is")
    yield rows("services.*", _IGNORES, "storage_opt", "containers write to the user's own file system")
    yield rows("services.*", _REFUSES, "build.**", _NO_BUILDER)
    yield rows("services.*", _DOES, "platform", "counts when an image is pulled")
    yield rows("services.*", _REFUSES, "runtime", _ONE_DRIVER)
    yield rows(
        "services.*", _REFUSES, "cgroup cgroup_parent userns_mode", "not to be had in the local driver"
    )
    yield rows(
        "services.*", _REFUSES, "ipc pid", "host, service:NAME and container:NAME can be shared", when=_alien
    )
    yield rows("services.*", _DOES, "ipc pid")
    yield rows(
        "services.*", _REFUSES, "uts", "only host can be shared", when=lambda one: one not in ("", "host")
    )
    yield rows("services.*", _DOES, "uts")
    yield rows(
        "services.*",
        _REFUSES,
        "sysctls",
        "only settings of the network (net.*) are a container's own here",
        when=lambda one: not one.startswith("net."),
    )
    yield rows("services.*", _DOES, "sysctls")
    yield rows(
        "services.*",
        _REFUSES,
        "security_opt",
        "not known here",
        when=lambda one: not one.startswith(_SECURITY),
    )
    yield rows(
        "services.*",
        _IGNORES,
        "security_opt",
        "not carried out: every container runs without new privileges, and without profiles",
        when=lambda one: one not in ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"),
    )
    yield rows("services.*", _DOES, "security_opt")
    yield rows(
        "services.*",
        _REFUSES,
        "logging.driver",
        "there are json-file, local and none",
        when=lambda one: one not in _LOGGING,
    )
    yield rows("services.*", _DOES, "logging logging.driver")
    yield rows(
        "services.*",
        _IGNORES,
        "logging.options",
        "not carried out: there are max-size and max-file",
        when=lambda one: one not in _LOG_OPTIONS,
    )
    yield rows("services.*", _DOES, "logging.options")


def _alien(mode: str) -> bool:
    return mode not in ("", "host", "private", "shareable") and not mode.startswith(_SHARED)


def _limits(kept: frozenset[str]) -> Rows:
    given = {CONTROLLER[name] for name in kept}
    missing = ", ".join(dict.fromkeys(one for one in CONTROLLER.values() if one not in given))
    for name, controller in CONTROLLER.items():
        paths = _LIMITS.get(name, name)
        if name in kept:
            yield rows("services.*", _DOES, paths, _CGROUPS_1 if name in ONLY_1 else _CGROUPS)
        elif controller in given:
            yield rows("services.*", _IGNORES, paths, "not enforced: control groups of version 2 cannot")
        else:
            note = f"not enforced: no control group that you may write has the controllers {missing}"
            yield rows("services.*", _IGNORES, paths, note)
    yield rows(
        "services.*",
        _IGNORES,
        "cpu_rt_period cpu_rt_runtime deploy.resources.reservations.cpus blkio_config.**",
        "not enforced by the local driver",
    )
    yield rows("services.*", _REFUSES, "ulimits", "no such limit", when=lambda one: one not in _ULIMITS)
    yield rows("services.*", _DOES, "ulimits ulimits.*.hard ulimits.*.soft")
    yield rows("services.*", _DOES, "shm_size")
    yield rows("services.*", _EMULATES, "devices devices.source devices.target", "the machine's own, bound")
    yield rows(
        "services.*",
        _IGNORES,
        "devices.permissions",
        "not carried out: it is as its file is for you",
        when=lambda one: one != "rwm",
    )
    yield rows("services.*", _DOES, "devices.permissions")
    yield rows(
        "services.*",
        _REFUSES,
        "gpus.** deploy.resources.reservations.devices.** device_cgroup_rules",
        "no device is given out: bind it under devices",
    )


def _network() -> Rows:
    yield rows("services.*", _DOES, "dns dns_opt dns_search expose mac_address")
    yield rows("services.*", _DOES, "extra_hosts", "host-gateway needs slirp4netns and nftables")
    yield rows(
        "services.*",
        _REFUSES,
        "links",
        "a service is found by its name and its aliases; give it that alias on a network",
        when=lambda one: one.partition(":")[2] not in ("", one.partition(":")[0]),
    )
    yield rows("services.*", _EMULATES, "links", "the service is found by its name, on their networks")
    yield rows("services.*", _REFUSES, "external_links", "containers of other stacks cannot be reached")
    yield rows(
        "services.*",
        _REFUSES,
        "network_mode",
        "there are host, none, bridge, service:NAME and container:NAME",
        when=lambda one: one not in ("host", "none", "bridge", "default") and not one.startswith(_SHARED),
    )
    yield rows("services.*", _DOES, "network_mode")
    yield rows(
        "services.*",
        _DOES,
        "networks networks.*.aliases networks.*.ipv4_address networks.*.ipv6_address networks.*.mac_address "
        "networks.*.interface_name",
    )
    yield rows("services.*", _IGNORES, "networks.*.link_local_ips networks.*.driver_opts", "not carried out")
    yield rows(
        "services.*",
        _IGNORES,
        "networks.*.gw_priority",
        "not carried out: the way out is by the first network",
    )
    yield rows("services.*", _DOES, "ports ports.host_ip ports.target ports.published")
    yield rows(
        "services.*",
        _REFUSES,
        "ports.protocol",
        "only tcp and udp can be published",
        when=lambda one: one not in ("tcp", "udp"),
    )
    yield rows("services.*", _DOES, "ports.protocol")


def _storage() -> Rows:
    yield rows(
        "services.*",
        _DOES,
        "volumes volumes.source volumes.target volumes.read_only volumes.bind volumes.bind.create_host_path "
        "volumes.volume.** volumes.tmpfs.** volumes_from",
    )
    yield rows("services.*", _EMULATES, "volumes.consistency", "one machine: always consistent")
    yield rows(
        "services.*", _IGNORES, "volumes.bind.propagation", "not carried out: mounts stay where they are made"
    )
    yield rows("services.*", _IGNORES, "volumes.bind.selinux", "not carried out: labels stay as they are")
    yield rows(
        "services.*",
        _REFUSES,
        "volumes.type",
        "there are bind, volume and tmpfs",
        when=lambda one: one not in (MountType.BIND, MountType.VOLUME, MountType.TMPFS),
    )
    yield rows("services.*", _DOES, "volumes.type")
    yield rows("services.*", _REFUSES, "volumes.image.**", "there are no mounts of images")
    yield rows(
        "services.*",
        _IGNORES,
        "tmpfs",
        "not carried out: its options are size and mode",
        when=lambda one: any(
            option.partition("=")[0] not in ("", "size", "mode")
            for option in one.partition(":")[2].split(",")
        ),
    )
    yield rows("services.*", _DOES, "tmpfs")
    for kind in ("configs", "secrets"):
        yield rows("services.*", _DOES, f"{kind} {kind}.source {kind}.target {kind}.mode")
        yield rows("services.*", _DOES, f"{kind}.uid {kind}.gid", _SEVERAL)


def _resources() -> Rows:
    yield rows(
        "networks.*",
        _REFUSES,
        "driver",
        "the local driver has no network drivers but bridge",
        when=lambda one: one not in ("", "default", "bridge"),
    )
    yield rows("networks.*", _DOES, "driver internal enable_ipv4 enable_ipv6 labels ipam")
    yield rows("networks.*", _IGNORES, "driver_opts", "not carried out: bridges have no options")
    yield rows("networks.*", _DOES, "ipam.config.**", "one pool a family")
    yield rows(
        "networks.*",
        _IGNORES,
        "ipam.driver",
        "not carried out: addresses are given by the local driver itself",
        when=lambda one: one not in ("", "default"),
    )
    yield rows("networks.*", _DOES, "ipam.driver")
    yield rows(
        "networks.*",
        _IGNORES,
        "ipam.options",
        "not carried out: addresses are given by the local driver itself",
    )
    yield rows("networks.*", _EMULATES, "attachable", "every network is")
    yield rows(
        "volumes.*",
        _REFUSES,
        "driver",
        "the local driver has no volume drivers",
        when=lambda one: one not in ("", "local"),
    )
    yield rows("volumes.*", _DOES, "driver labels")
    yield rows("volumes.*", _REFUSES, "driver_opts", "a volume is a folder and has no options")


def _plain() -> Rows:
    """Yield what is otherwise for plain processes."""
    yield rows(
        "services.*",
        _REFUSES,
        "image",
        "needs a mount: only the image host runs without isolation",
        when=lambda one: one not in ("host", "host:latest"),
    )
    yield rows("services.*", _DOES, "image")
    yield rows(
        "services.*",
        _REFUSES,
        "volumes.** volumes_from tmpfs configs.** secrets.** read_only devices.** extra_hosts dns dns_search "
        "dns_opt",
        _NO_MOUNT,
    )
    yield rows("services.*", _REFUSES, "sysctls hostname cap_add privileged", _NO_NAMESPACE)
    yield rows("services.*", _REFUSES, "user", _NO_NAMESPACE, when=_somebody)
    yield rows("services.*", _DOES, "user")
    yield rows("services.*", _REFUSES, "group_add", _NO_NAMESPACE)
    yield rows("services.*", _REFUSES, "pid ipc uts", _NO_NAMESPACE, when=lambda one: one not in ("", "host"))
    yield rows("services.*", _DOES, "pid ipc uts")
    yield rows("services.*", _REFUSES, "network_mode", _MACHINE, when=lambda one: one != "host")
    yield rows("services.*", _DOES, "network_mode")
    yield rows(
        "services.*", _IGNORES, "cap_drop security_opt", "not carried out: a plain process is as its user is"
    )
    yield rows("services.*", _IGNORES, "mac_address shm_size", f"not carried out: {_NO_NAMESPACE}")
    yield rows("services.*", _EMULATES, "init", "its supervisor reaps what it leaves behind")
    yield rows("services.*", _EMULATES, "networks", _MACHINE)
    yield rows(
        "services.*",
        _IGNORES,
        "networks.*.aliases networks.*.ipv4_address networks.*.ipv6_address networks.*.mac_address "
        "networks.*.interface_name networks.*.link_local_ips networks.*.driver_opts networks.*.gw_priority",
        f"not carried out: {_MACHINE}",
    )
    yield rows("services.*", _EMULATES, "ports", "a published port must be the one that is listened on")
    yield rows("services.*", _IGNORES, "ports.host_ip", "not carried out: a program listens where it wants")
    yield rows(
        "networks.*",
        _IGNORES,
        "driver driver_opts internal enable_ipv6 attachable ipam.config.** ipam.driver ipam.options",
        f"not carried out: {_MACHINE}",
    )
    # false asks for something, too
    yield rows("networks.*", _IGNORES, "enable_ipv4", f"not carried out: {_MACHINE}", when=lambda _: True)


def _somebody(user: str) -> bool:
    return user.partition(":")[0] not in ROOT


ROOT: tuple[str, ...] = ("", "0", "root")
"""How root is written."""

"""What the zun driver does with each attribute that is an engine's to carry out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from zun_compose.capability import Finding, Row, Table, Verdict, findings, rows, table
from zun_compose.drivers.zun.publishing import OPTION, loopback
from zun_compose.model import MountType, Stack

_DOES, _EMULATES = Verdict.DOES, Verdict.EMULATES
_IGNORES, _REFUSES = Verdict.IGNORES, Verdict.REFUSES

Rows = Iterator[Iterator[tuple[str, Row]]]

_NO_WORD = "Zun has no word for it"
_VOLUME_OPTIONS = ("size", "type", "availability_zone")
_NETWORK_OPTIONS = ("mtu", "com.docker.network.driver.mtu", OPTION)


@cache
def capabilities() -> Table:
    """Return the table."""
    return table(*_process(), *_limits(), *_network(), *_storage(), *_resources())


def asked_in_vain(stack: Stack) -> tuple[Finding, ...]:
    """Return what a stack asks for that is refused or ignored."""
    return findings(capabilities(), stack)


def _process() -> Rows:
    yield rows(
        "services.*",
        _DOES,
        "command entrypoint environment hostname image labels restart stdin_open tty working_dir",
    )
    yield rows(
        "services.*.x-zun",
        _DOES,
        "availability_zone image_driver auto_heal auto_remove",
    )
    yield rows(
        "services.*.x-zun", _DOES, "hints", "as far as the cloud's scheduler has a filter that reads them"
    )
    yield rows(
        "services.*.x-zun",
        _DOES,
        "cpu_policy",
        "dedicated only where the operator has CPUs pinned and the CpuSetFilter on: elsewhere Zun leaves the "
        "container in Creating, and only an admin can delete it",
    )
    yield rows("services.*.x-zun", _DOES, "host", "for admins only, by Zun's default policy")
    yield rows("services.*", _DOES, "runtime", "for admins only, by Zun's default policy")
    yield rows("services.*", _DOES, "privileged", "for nobody, by Zun's default policy")
    yield rows("services.*", _EMULATES, "healthcheck.**", "run by zun-compose, which Zun gives 5 s a run")
    yield rows("services.*", _DOES, "stop_grace_period", "in whole seconds")
    yield rows("services.*", _REFUSES, "user", f"{_NO_WORD}: the image's own user counts")
    yield rows("services.*", _REFUSES, "build.**", "Zun builds nothing: push the image to a registry")
    yield rows(
        "services.*",
        _REFUSES,
        "cap_add cgroup cgroup_parent devices.** device_cgroup_rules gpus.** group_add ipc pid uts "
        "userns_mode sysctls deploy.resources.reservations.devices.**",
        _NO_WORD,
    )
    yield rows(
        "services.*",
        _IGNORES,
        "annotations cap_drop domainname init logging.** oom_score_adj platform security_opt storage_opt "
        "stop_signal",
        f"not carried out: {_NO_WORD}",
    )
    yield rows("services.*", _REFUSES, "read_only", _NO_WORD)


def _limits() -> Rows:
    yield rows("services.*", _DOES, "cpus deploy.resources.limits.cpus", "0.1 to 16")
    yield rows("services.*", _DOES, "mem_limit deploy.resources.limits.memory", "4 to 8192 MiB, rounded up")
    yield rows(
        "services.*",
        _IGNORES,
        "blkio_config.** cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpuset mem_reservation "
        "mem_swappiness memswap_limit oom_kill_disable pids_limit deploy.resources.limits.pids "
        "deploy.resources.reservations.memory deploy.resources.reservations.cpus shm_size ulimits.**",
        f"not enforced: {_NO_WORD}",
    )


def _network() -> Rows:
    yield rows("services.*", _DOES, "expose", "all containers of a stack reach each other")
    yield rows(
        "services.*",
        _EMULATES,
        "ports ports.target ports.protocol",
        "everybody is let in by the port at the container's own address",
    )
    yield rows(
        "services.*",
        _EMULATES,
        "ports.published",
        "a port of the stack's floating IP; the plan says where the cloud has none",
    )
    yield rows(
        "services.*",
        _IGNORES,
        "ports.host_ip",
        "not published: there is no machine whose loopback it could be",
        when=loopback,
    )
    yield rows(
        "services.*", _IGNORES, "ports.host_ip", "not carried out: the address is the cloud's to choose"
    )
    yield rows("services.*", _REFUSES, "dns dns_opt dns_search external_links", _NO_WORD)
    yield rows(
        "services.*",
        _REFUSES,
        "extra_hosts",
        "a container's host is not the tenant's",
        when=lambda pair: pair[1] == "host-gateway",
    )
    yield rows("services.*", _DOES, "extra_hosts", "in the hosts file")
    yield rows("services.*", _EMULATES, "links", "by the hosts file")
    yield rows("services.*", _REFUSES, "network_mode", "a container is on networks of Neutron")
    yield rows("services.*", _DOES, "networks networks.*.ipv4_address networks.*.ipv6_address")
    yield rows("services.*", _EMULATES, "networks.*.aliases", "by the hosts file")
    yield rows(
        "services.*",
        _IGNORES,
        "mac_address networks.*.mac_address networks.*.link_local_ips networks.*.driver_opts "
        "networks.*.interface_name networks.*.gw_priority",
        f"not carried out: {_NO_WORD}",
    )


def _storage() -> Rows:
    yield rows("services.*", _DOES, "volumes volumes.source volumes.target", "a Cinder volume each")
    yield rows("services.*", _REFUSES, "volumes.read_only", _NO_WORD)
    yield rows(
        "services.*",
        _REFUSES,
        "volumes.type",
        "there are volumes only: a host's folders are not the tenant's",
        when=lambda value: value != MountType.VOLUME,
    )
    yield rows("services.*", _DOES, "volumes.type")
    yield rows(
        "services.*",
        _IGNORES,
        "volumes.consistency volumes.bind volumes.bind.** volumes.volume volumes.volume.nocopy "
        "volumes.volume.labels",
        f"not carried out: {_NO_WORD}",
    )
    yield rows("services.*", _REFUSES, "volumes.volume.subpath volumes.tmpfs.** volumes.image.**", _NO_WORD)
    yield rows("services.*", _REFUSES, "tmpfs volumes_from", _NO_WORD)
    yield rows("services.*", _DOES, "configs.** secrets.**", "put in before the first start")


def _resources() -> Rows:
    yield rows(
        "networks.*",
        _IGNORES,
        "driver",
        "not carried out: it is Neutron's to say",
        when=lambda one: one not in ("", "default", "bridge", "overlay", "kuryr", "neutron"),
    )
    yield rows("networks.*", _DOES, "driver internal enable_ipv4 enable_ipv6 labels ipam ipam.config.**")
    yield rows(
        "networks.*",
        _IGNORES,
        "driver_opts",
        "not carried out: there are mtu and external_network",
        when=lambda one: one not in _NETWORK_OPTIONS,
    )
    yield rows(
        "networks.*", _DOES, "driver_opts", "mtu, in bytes; external_network, by which published ports go out"
    )
    yield rows("networks.*", _IGNORES, "ipam.driver ipam.options", "not carried out: Neutron gives addresses")
    yield rows("networks.*", _EMULATES, "attachable", "every network is")
    yield rows(
        "volumes.*",
        _REFUSES,
        "driver",
        "volumes are Cinder's: its types are a driver_opts: {type: ...}",
        when=lambda one: one not in ("", "local", "cinder"),
    )
    yield rows("volumes.*", _DOES, "driver labels")
    yield rows(
        "volumes.*",
        _REFUSES,
        "driver_opts",
        "there are size (GiB), type and availability_zone",
        when=lambda one: one not in _VOLUME_OPTIONS,
    )
    yield rows("volumes.*", _DOES, "driver_opts", "size (GiB), type, availability_zone")

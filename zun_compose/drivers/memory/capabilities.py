"""What the simulation does with each attribute that is an engine's to carry out: it refuses none.

What acts on processes is accepted and kept with the container, but there is no process that it could act on.
"""

from __future__ import annotations

from functools import cache

from zun_compose.capability import Table, Verdict, rows, table

_DOES, _EMULATES = Verdict.DOES, Verdict.EMULATES
_NO_PROCESS = "accepted: there is no process that it could act on"
_EXISTS = "it exists and is used, and has no addresses or files"


@cache
def capabilities() -> Table:
    """Return the table."""
    return table(
        rows(
            "services.*",
            _DOES,
            "command entrypoint user expose healthcheck.** image labels restart stop_grace_period "
            "stop_signal ports ports.host_ip ports.target ports.published ports.protocol volumes_from "
            "network_mode",
        ),
        rows("services.*", _EMULATES, "build.**", "an image whose id depends on what it is built from"),
        rows(
            "services.*",
            _EMULATES,
            "networks networks.*.aliases networks.*.interface_name networks.*.ipv4_address "
            "networks.*.ipv6_address networks.*.link_local_ips networks.*.mac_address "
            "networks.*.driver_opts networks.*.gw_priority",
            _EXISTS,
        ),
        rows(
            "services.*",
            _EMULATES,
            "volumes volumes.type volumes.source volumes.target volumes.read_only volumes.consistency "
            "volumes.bind volumes.bind.propagation volumes.bind.create_host_path volumes.bind.selinux "
            "volumes.volume.** volumes.tmpfs.** volumes.image.** tmpfs configs.** secrets.**",
            _EXISTS,
        ),
        rows(
            "services.*",
            _EMULATES,
            "annotations blkio_config.** cap_add cap_drop cgroup cgroup_parent cpu_period cpu_quota "
            "cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset device_cgroup_rules devices.** dns "
            "dns_opt dns_search domainname environment external_links extra_hosts gpus.** group_add "
            "hostname init ipc links logging.** mac_address mem_limit mem_reservation mem_swappiness "
            "memswap_limit oom_kill_disable oom_score_adj pid pids_limit platform privileged "
            "read_only runtime security_opt shm_size stdin_open storage_opt sysctls tty ulimits.** "
            "userns_mode uts working_dir x-zun.hints x-zun.availability_zone x-zun.host x-zun.cpu_policy "
            "x-zun.image_driver x-zun.auto_heal x-zun.auto_remove deploy.resources.limits.cpus "
            "deploy.resources.limits.memory "
            "deploy.resources.limits.pids deploy.resources.reservations.cpus "
            "deploy.resources.reservations.memory deploy.resources.reservations.devices.**",
            _NO_PROCESS,
        ),
        rows("networks.*", _DOES, "driver labels"),
        rows(
            "networks.*",
            _EMULATES,
            "driver_opts ipam.** internal enable_ipv4 enable_ipv6 attachable",
            _EXISTS,
        ),
        rows("volumes.*", _DOES, "driver labels"),
        rows("volumes.*", _EMULATES, "driver_opts", _EXISTS),
    )

"""The words for a service, but for its `build` and `deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.parse.reference.wording import own
from zun_compose.parse.reference.wording.build import BUILD
from zun_compose.parse.reference.wording.deploy import DEPLOY
from zun_compose.parse.reference.wording.shared import (
    DRIVER_OPTS,
    EXTRA_HOSTS,
    HOOK,
    block_io,
    devices,
    file_mounts,
    hooks,
    ulimits,
)

_BYTES = "Bytes a second, such as `10m`."
_CALLS = "Operations a second."

SERVICE: Mapping[str, Any] = {
    "": "A service: what runs, what it needs, and how it is known to be ready.",
    "annotations": "Annotations that the container's runtime is given.",
    "attach": "Whether an attached `up` of docker compose shows its logs.",
    "build": BUILD,
    "blkio_config": "How much the containers may read from and write to block devices.",
    "blkio_config.weight": "The share beside other containers, from 10 to 1000.",
    "blkio_config.weight_device": block_io("Shares", "weight", "The share, from 10 to 1000."),
    "blkio_config.device_read_bps": block_io("Limits of reading", "rate", _BYTES),
    "blkio_config.device_read_iops": block_io("Limits of reading", "rate", _CALLS),
    "blkio_config.device_write_bps": block_io("Limits of writing", "rate", _BYTES),
    "blkio_config.device_write_iops": block_io("Limits of writing", "rate", _CALLS),
    "cap_add": (
        "Capabilities of the kernel that the container gets besides the usual ones, such as `NET_ADMIN`."
    ),
    "cap_drop": "Capabilities of the kernel that the container loses, or `ALL`.",
    "cgroup": "Whether the container sees control groups of its own (`private`) or the host's.",
    "cgroup_parent": "The control group below which the container's is made.",
    "command": (
        "What is run in place of the image's command: a line that is split into words, or a list of words."
    ),
    "configs": file_mounts("config", "`/NAME`"),
    "container_name": (
        "The container's name, instead of one made of stack, service and number. It allows one container "
        "only."
    ),
    "cpu_count": "CPUs, on Windows.",
    "cpu_percent": "The share of all CPUs in per cent, on Windows.",
    "cpu_shares": "The weight beside other containers where CPU time is short; 1024 is usual.",
    "cpu_quota": "Microseconds of CPU time in each `cpu_period`.",
    "cpu_period": "The span that `cpu_quota` is for, in microseconds.",
    "cpu_rt_period": "The span that `cpu_rt_runtime` is for, in microseconds.",
    "cpu_rt_runtime": "Microseconds of real-time scheduling in each `cpu_rt_period`.",
    "cpus": "CPUs that the container may use, such as `1.5`.",
    "cpuset": "Which CPUs it may use, such as `0-2,4`.",
    "credential_spec": "The account of a managed service, on Windows.",
    "credential_spec.config": "The config that holds it.",
    "credential_spec.file": "The file that holds it.",
    "credential_spec.registry": "The key of the Windows registry that holds it.",
    "depends_on": {
        "": (
            "What must be there before this service starts: names, which are waited for as `x-zun: {gate: "
            "...}` says (default: started), or a mapping that says for each what is waited for."
        ),
        ".*": "An edge: this service waits for that one.",
        ".*.condition": (
            "What is waited for. `service_started`: it was started. `service_listening`: its ports are "
            "bound. `service_healthy`: its healthcheck has passed. `service_ready`: the strongest thing it "
            "declares. `service_completed_successfully`: it ended with 0. `service_completed`: it ended. "
            "docker compose knows only started, healthy and completed successfully."
        ),
        ".*.restart": (
            "Whether this service restarts too when the other is restarted or replaced by zun-compose."
        ),
        ".*.required": "false: a failure of the other is a warning, and it may be left out by its profile.",
        **own.EDGE,
    },
    "deploy": DEPLOY,
    "develop": "What an editing session does; `up` leaves it alone.",
    "develop.watch": {
        "": "What follows a change of the source.",
        "[]": "One part of the source.",
        "[].path": "The file or folder that is watched.",
        "[].action": "What is done after a change.",
        "[].target": "Where changed files go in the container.",
        "[].exec": {**HOOK, "": "A command that is run in the container after the files are copied."},
        "[].include": "Patterns of files that count; without any all do.",
        "[].ignore": "Patterns of files that do not count.",
        "[].initial_sync": "Whether all files are copied before the first change.",
    },
    "device_cgroup_rules": "Rights on devices, such as `c 1:3 mr`.",
    "devices": {
        "": "Devices of the host that the container gets, as `SOURCE:TARGET:PERMISSIONS` or as mappings.",
        "[].source": "The device's file on the host, such as `/dev/ttyUSB0`.",
        "[].target": "Its path in the container. Default: the same.",
        "[].permissions": "`r` to read, `w` to write, `m` to make it. Default: `rwm`.",
    },
    "dns": "Addresses of name servers, instead of the engine's.",
    "dns_opt": "Options of the resolver, such as `ndots:2`.",
    "dns_search": "Domains in which short names are looked for.",
    "domainname": "The domain part of the container's host name.",
    "entrypoint": (
        "What is run in place of the image's entrypoint; the image's command then no longer counts."
    ),
    "env_file": {
        "": (
            "Files of `NAME=value` lines that become variables of the container. `environment` wins over "
            "them."
        ),
        "[].path": "The file.",
        "[].format": "`raw`: values are taken as they are, without quotes and variables being read.",
        "[].required": "false: the file may be missing.",
    },
    "label_file": "Files of `NAME=value` lines that become labels. `labels` wins over them.",
    "environment": (
        "Variables of the container, as a mapping or as a list of `NAME=value`. A name without a value "
        "takes it from the environment of the command, and is left out if there is none."
    ),
    "expose": (
        "Ports that other services reach and the host does not: `8080`, `8080-8090` or `53/udp`. A "
        "listening gate waits for them."
    ),
    "extends": "A service that this one takes everything from that it does not say itself.",
    "extends.service": "The other service.",
    "extends.file": "The file that it stands in. Default: this one. Only local files can be read.",
    "provider": "A program that provides the service instead of a container.",
    "provider.type": "The program's name.",
    "provider.options": "Options that the program gets.",
    "external_links": "Containers outside the stack, as `NAME` or `NAME:ALIAS`.",
    "extra_hosts": EXTRA_HOSTS,
    "gpus": devices("GPUs that the container gets: `all`, or a list of requests."),
    "group_add": "Further groups of the container's user, by name or number.",
    "healthcheck": (
        "A command in the container that tells whether it works. It replaces what the image declares."
    ),
    "healthcheck.disable": "true: there is no healthcheck, whatever the image declares.",
    "healthcheck.interval": "The time between two runs. Default: 30s.",
    "healthcheck.retries": "Failures in a row that make the container unhealthy. Default: 3.",
    "healthcheck.test": (
        "The command: a line for the shell, or a list that begins with `CMD`, `CMD-SHELL` or `NONE`. Exit "
        "code 0 is good."
    ),
    "healthcheck.timeout": "How long a run may take. Default: 30s.",
    "healthcheck.start_period": "The time after the start in which failures do not count. Default: 0s.",
    "healthcheck.start_interval": "The time between two runs within the start period. Default: 5s.",
    "hostname": "The container's host name.",
    "image": "The image, such as `postgres:16`. With `build` it is the name that the result gets.",
    "init": "Whether a small init process runs first, which hands on signals and takes in orphans.",
    "ipc": (
        "Shared memory: `private`, `shareable`, `host`, `none`, or that of `service:NAME` or "
        "`container:NAME`."
    ),
    "isolation": "How the container is kept apart; it has a meaning on Windows only.",
    "labels": "Labels of the containers, as a mapping or as a list of `NAME=value`.",
    "links": (
        "Services that this one reaches under another name, as `SERVICE` or `SERVICE:ALIAS`; it starts "
        "after them."
    ),
    "logging": "Where the engine puts what the container writes.",
    "logging.driver": "The engine's log driver, such as `json-file` or `none`.",
    "logging.options": DRIVER_OPTS,
    "mac_address": "The container's MAC address on its network.",
    "mem_limit": "Memory that the container cannot get more of, such as `512m`.",
    "mem_reservation": "Memory that the engine tries to leave the container when it runs short.",
    "mem_swappiness": "How readily the container's memory is swapped out, from 0 to 100.",
    "memswap_limit": "Memory and swap together; `-1` is no limit.",
    "models": {
        "": "Models that the service uses, by their name in the top-level `models`.",
        ".*.endpoint_var": "The variable that gets the model's address.",
        ".*.model_var": "The variable that gets the model's name.",
    },
    "network_mode": (
        "`host`, `none`, `bridge`, or the network of `service:NAME` or `container:NAME`. Not with `networks`."
    ),
    "networks": {
        "": "The networks that the service is joined to. Default: the stack's network `default`.",
        ".*.aliases": "Further names that the service has on this network.",
        ".*.interface_name": "The name of the network interface in the container.",
        ".*.ipv4_address": "The container's IPv4 address on this network.",
        ".*.ipv6_address": "The container's IPv6 address on this network.",
        ".*.link_local_ips": "Link-local addresses of the container.",
        ".*.mac_address": "The container's MAC address on this network.",
        ".*.driver_opts": DRIVER_OPTS,
        ".*.priority": "Networks are joined from the highest priority to the lowest. Default: 0.",
        ".*.gw_priority": "The network with the highest one is the way out. Default: 0.",
    },
    "oom_kill_disable": "Whether the kernel is kept from killing the container when memory runs out.",
    "oom_score_adj": "How likely the kernel kills it when memory runs out: from -1000 (never) to 1000.",
    "pid": "Processes that it sees: its own, or those of `host`, `service:NAME` or `container:NAME`.",
    "pids_limit": "Processes and threads that the container may have; `-1` is no limit.",
    "platform": "The platform of the image, such as `linux/arm64`.",
    "ports": {
        "": (
            "Ports that the host passes on to the container, as `[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]`, "
            "ranges included, or as mappings. A listening gate waits for the container's side."
        ),
        "[].name": "A name for people.",
        "[].mode": "`ingress` (the default) or `host`; it matters in a swarm only.",
        "[].host_ip": "The host's address that the port is bound to. Default: all.",
        "[].target": "The container's port.",
        "[].published": "The host's port, or a range to take one of. Default: any that is free.",
        "[].protocol": "`tcp` (the default), `udp` or `sctp`.",
        "[].app_protocol": "What is spoken on the port, such as `http`, for people and programs.",
    },
    "post_start": hooks("once it was started"),
    "pre_stop": hooks("before it is stopped"),
    "privileged": "Whether the container has all rights of the host's root.",
    "profiles": "The service is only there if one of these profiles is switched on, or if it is named.",
    "pull_policy": (
        "When the image is pulled: `always`, `never`, `missing` (the default), `build` (made instead), or "
        "again after a time: `daily`, `weekly`, `every_12h`."
    ),
    "pull_refresh_after": "The age at which an image is pulled again.",
    "read_only": "Whether the container's own file system cannot be written to.",
    "restart": (
        "Whether the engine starts an ended container again: `no` (the default), `always`, "
        "`on-failure[:TIMES]` or `unless-stopped`."
    ),
    "runtime": "The OCI runtime, such as `runc`.",
    "scale": "How many containers; the same as `deploy.replicas`.",
    "security_opt": "Options of security modules, such as `no-new-privileges:true`.",
    "shm_size": "Size of `/dev/shm`, such as `64m`.",
    "secrets": file_mounts("secret", "`/run/secrets/NAME`"),
    "sysctls": "Settings of the kernel for the container, such as `net.core.somaxconn`.",
    "stdin_open": "Whether the container's standard input is kept open.",
    "stop_grace_period": "How long the container may take to stop before it is killed. Default: 10s.",
    "stop_signal": "The signal that asks it to stop. Default: as the image says, else `SIGTERM`.",
    "storage_opt": "Options of the engine's storage driver, such as `size`.",
    "tmpfs": "Folders held in memory, such as `/run` or `/tmp:size=64m`.",
    "tty": "Whether the container gets a terminal.",
    "ulimits": ulimits("the containers"),
    "use_api_socket": "Whether the container can use the engine's API with the user's credentials.",
    "user": (
        "Who the processes run as: `USER` or `USER:GROUP`, by name or number. Default: as the image says."
    ),
    "uts": "`host`: the container has the host's name.",
    "userns_mode": "`host`: users are the host's, even if the engine maps them.",
    "volumes": {
        "": (
            "What is mounted into the container: `[SOURCE:]TARGET[:MODE]`, where a source that is a path is "
            "a folder or file of the host and any other a volume, or mappings."
        ),
        "[].type": "What kind of thing is mounted.",
        "[].source": (
            "The path on the host, the name of the volume, or the image. None: a volume without a name."
        ),
        "[].target": "The path in the container.",
        "[].read_only": "Whether it cannot be written to.",
        "[].consistency": "A hint for Docker Desktop.",
        "[].bind": "What is special about a path of the host.",
        "[].bind.propagation": (
            "How mounts below it are shared: `rprivate`, `rshared`, `rslave` and the like."
        ),
        "[].bind.create_host_path": "Whether a missing path is made. In the short form it is.",
        "[].bind.recursive": "Whether mounts below it come along, and whether they can be written to.",
        "[].bind.selinux": "Its SELinux label: `z` shared by containers, `Z` for this one alone.",
        "[].volume": "What is special about a volume.",
        "[].volume.labels": "Labels of a volume without a name.",
        "[].volume.nocopy": (
            "Whether an empty volume is left empty, not filled with what the image has there."
        ),
        "[].volume.subpath": "The folder of the volume that is mounted.",
        "[].tmpfs": "What is special about a folder held in memory.",
        "[].tmpfs.size": "Its size, such as `64m`.",
        "[].tmpfs.mode": "Its permissions, as a number.",
        "[].image": "What is special about an image.",
        "[].image.subpath": "The folder of the image that is mounted.",
    },
    "volumes_from": (
        "Services, or `container:NAME`, whose volumes this one mounts too, with `:ro` to only read."
    ),
    "working_dir": "The folder that commands start in. Default: as the image says.",
    **own.SERVICE,
}

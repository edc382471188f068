"""The table of the language: attribute path -> rule. See rules.py for how to read it.

A path is dotted; `*` stands for any key, `[]` for a list's items. A mapping none of whose children
is named by `*` is closed: other keys than the named ones (and x-...) are faults. `**` leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Union

from zun_compose.parse.rules import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Rule

Entry = Union[Rule, Mapping[str, "Entry"]]  # noqa: UP007 - a recursive alias cannot be spelled with |
Group = Mapping[str, Entry]


def _rule(*types: str, **rest: object) -> Rule:
    return Rule(types=types, **rest)  # type: ignore[arg-type]


def _text(**rest: object) -> Rule:
    return _rule(STRING, **rest)


def _pattern(text: str, looks: str) -> Mapping[str, object]:
    return {"pattern": re.compile(text), "looks": looks}


_FLAG = _rule(BOOLEAN, STRING, cast="bool")
_PLAIN_FLAG = _rule(BOOLEAN, STRING)
_COUNT = _rule(INTEGER, STRING, cast="int")
_SIZE = _rule(NUMBER, STRING, kind="size")
_DURATION = _rule(STRING, kind="duration")
_ANYTHING = _rule(STRING, NUMBER, BOOLEAN, NULL, OBJECT, ARRAY)


_NAMES = re.compile(r"[a-zA-Z0-9._-]+")
_SOME = re.compile(r"(?s).+")


def _pairs(**rest: object) -> Group:
    """Return the rules of a mapping that may also be a list of KEY=VALUE."""
    return {
        "": _rule(OBJECT, ARRAY, merge="pairs", names=_SOME, **rest),
        ".*": _rule(STRING, NUMBER, BOOLEAN, NULL),
        "[]": _text(),
    }


def _options() -> Group:
    return {"": _rule(OBJECT), ".*": _rule(STRING, NUMBER)}


def _strings(unique: str | None = None, **rest: object) -> Group:
    return {"": _rule(ARRAY, unique=unique, distinct=True, **rest), "[]": _text()}


def _string_or_list(unique: str | None = None) -> Group:
    return {"": _rule(STRING, ARRAY, merge="sequence", unique=unique, distinct=True), "[]": _text()}


def _command(**rest: object) -> Group:
    return {"": _rule(STRING, ARRAY, NULL, merge="replace", **rest), "[]": _text()}


def _extra_hosts() -> Group:
    return {
        "": _rule(OBJECT, ARRAY, merge="hosts", distinct=True, names=_SOME),
        ".*": _rule(STRING, ARRAY),
        ".*[]": _text(),
        "[]": _text(),
    }


def _ulimits() -> Group:
    return {
        "": _rule(OBJECT),
        ".*": _rule(INTEGER, STRING, OBJECT, cast="int", merge="ulimit", required=("hard", "soft")),
        ".*.hard": _COUNT,
        ".*.soft": _COUNT,
    }


def _file_mounts(unique: str) -> Group:
    return {
        "": _rule(ARRAY, unique=unique),
        "[]": _rule(STRING, OBJECT),
        "[].source": _text(),
        "[].target": _text(),
        "[].uid": _text(),
        "[].gid": _text(),
        "[].mode": _rule(NUMBER, STRING),
    }


def _hook(suffix: str) -> Group:
    return {
        suffix: _rule(OBJECT, required=("command",)),
        f"{suffix}.command": _rule(STRING, ARRAY, NULL, merge="replace", keep=True),
        f"{suffix}.command[]": _text(),
        f"{suffix}.user": _text(),
        f"{suffix}.privileged": _FLAG,
        f"{suffix}.working_dir": _text(),
        f"{suffix}.environment": _pairs(),
    }


def _hooks() -> Group:
    return {"": _rule(ARRAY), **_hook("[]")}


def _devices(*, single: bool) -> Group:
    return {
        "": _rule(STRING, ARRAY, words=("all",)) if single else _rule(ARRAY),
        "[]": _rule(OBJECT) if single else _rule(OBJECT, required=("capabilities",)),
        "[].capabilities": _rule(ARRAY, distinct=True),
        "[].capabilities[]": _text(),
        "[].count": _rule(STRING, INTEGER),
        "[].device_ids": _rule(ARRAY, distinct=True),
        "[].device_ids[]": _text(),
        "[].driver": _text(),
        "[].options": _pairs(),
    }


def _blkio(value: Rule, key: str) -> Group:
    return {"": _rule(ARRAY), "[]": _rule(OBJECT), "[].path": _text(), f"[].{key}": value}


_NUMERIC = _rule(NUMBER, STRING)
_RATE = _rule(INTEGER, STRING, kind="size")
_UPDATE: Mapping[str, Entry] = {
    "": _rule(OBJECT),
    "parallelism": _COUNT,
    "delay": _DURATION,
    "failure_action": _text(),
    "monitor": _DURATION,
    "max_failure_ratio": _rule(NUMBER, STRING, cast="float"),
    "order": _text(words=("start-first", "stop-first")),
}

_BUILD: Mapping[str, Entry] = {
    "": _rule(STRING, OBJECT, merge="build"),
    "context": _text(),
    "dockerfile": _text(),
    "dockerfile_inline": _text(),
    "entitlements": {"": _rule(ARRAY, unique="text"), "[]": _text()},
    "args": _pairs(),
    "ssh": _pairs(),
    "labels": _pairs(),
    "cache_from": {"": _rule(ARRAY), "[]": _text()},
    "cache_to": {"": _rule(ARRAY), "[]": _text()},
    "no_cache": _FLAG,
    "no_cache_filter": _string_or_list(),
    "additional_contexts": _pairs(),
    "network": _text(),
    "provenance": _rule(STRING, BOOLEAN),
    "sbom": _rule(STRING, BOOLEAN),
    "pull": _FLAG,
    "target": _text(),
    "shm_size": _rule(INTEGER, STRING, kind="size"),
    "extra_hosts": _extra_hosts(),
    "isolation": _text(),
    "privileged": _FLAG,
    "secrets": _file_mounts("secret"),
    "tags": {"": _rule(ARRAY, unique="text"), "[]": _text()},
    "ulimits": _ulimits(),
    "platforms": {"": _rule(ARRAY), "[]": _text()},
}

_DEPLOY: Mapping[str, Entry] = {
    "": _rule(OBJECT, NULL),
    "mode": _text(),
    "endpoint_mode": _text(),
    "replicas": _COUNT,
    "labels": _pairs(),
    "resources": _rule(OBJECT, keep=True),
    "resources.limits": _rule(OBJECT),
    "resources.limits.cpus": _NUMERIC,
    "resources.limits.memory": _text(kind="size"),
    "resources.limits.pids": _COUNT,
    "resources.reservations": _rule(OBJECT),
    "resources.reservations.cpus": _NUMERIC,
    "resources.reservations.memory": _text(kind="size"),
    "resources.reservations.generic_resources": {
        "": _rule(ARRAY),
        "[]": _rule(OBJECT),
        "[].discrete_resource_spec": _rule(OBJECT),
        "[].discrete_resource_spec.kind": _text(),
        "[].discrete_resource_spec.value": _NUMERIC,
    },
    "resources.reservations.devices": _devices(single=False),
    "restart_policy": _rule(OBJECT),
    "restart_policy.condition": _text(),
    "restart_policy.delay": _DURATION,
    "restart_policy.max_attempts": _COUNT,
    "restart_policy.window": _DURATION,
    "placement": _rule(OBJECT, keep=True),
    "placement.constraints": {"": _rule(ARRAY), "[]": _text()},
    "placement.preferences": {"": _rule(ARRAY), "[]": _rule(OBJECT), "[].spread": _text()},
    "placement.max_replicas_per_node": _COUNT,
    **{f"update_config.{key}".rstrip("."): rule for key, rule in _UPDATE.items()},
    **{f"rollback_config.{key}".rstrip("."): rule for key, rule in _UPDATE.items()},
}

_SERVICE: Mapping[str, Entry] = {
    "": _rule(OBJECT),
    "annotations": _pairs(),
    "attach": _FLAG,
    **{f"build.{key}".rstrip("."): rule for key, rule in _BUILD.items()},
    "blkio_config": _rule(OBJECT),
    "blkio_config.weight": _rule(INTEGER, STRING),
    "blkio_config.weight_device": _blkio(_rule(INTEGER, STRING), "weight"),
    "blkio_config.device_read_bps": _blkio(_RATE, "rate"),
    "blkio_config.device_read_iops": _blkio(_RATE, "rate"),
    "blkio_config.device_write_bps": _blkio(_RATE, "rate"),
    "blkio_config.device_write_iops": _blkio(_RATE, "rate"),
    "cap_add": _strings("text"),
    "cap_drop": _strings("text"),
    "cgroup": _text(words=("host", "private")),
    "cgroup_parent": _text(),
    "command": _command(keep=True),
    "configs": _file_mounts("config"),
    "container_name": _text(
        **_pattern(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", "letters, digits, _ . -, at least two")
    ),
    "cpu_count": _rule(INTEGER, STRING, cast="int", minimum=0),
    "cpu_percent": _rule(INTEGER, STRING, cast="float", minimum=0, maximum=100),
    "cpu_shares": _rule(NUMBER, STRING, cast="int"),
    "cpu_quota": _rule(NUMBER, STRING, cast="int"),
    "cpu_period": _rule(NUMBER, STRING, cast="int"),
    "cpu_rt_period": _rule(NUMBER, STRING, cast="int"),
    "cpu_rt_runtime": _rule(NUMBER, STRING, cast="int"),
    "cpus": _rule(NUMBER, STRING, cast="float"),
    "cpuset": _text(),
    "credential_spec": _rule(OBJECT),
    "credential_spec.config": _text(),
    "credential_spec.file": _text(),
    "credential_spec.registry": _text(),
    "depends_on": {
        "": _rule(ARRAY, OBJECT, merge="dependencies", distinct=True, names=_NAMES),
        "[]": _text(),
        ".*": _rule(OBJECT, required=("condition",)),
        ".*.condition": _text(),
        ".*.restart": _FLAG,
        ".*.required": _rule(BOOLEAN, keep=True),
        ".*.timeout": _rule(STRING, NUMBER),
        ".*.retries": _rule(STRING, NUMBER),
        ".*.replicas": _rule(STRING, NUMBER),
    },
    **{f"deploy.{key}".rstrip("."): rule for key, rule in _DEPLOY.items()},
    "develop": _rule(OBJECT, NULL),
    "develop.watch": {
        "": _rule(ARRAY),
        "[]": _rule(OBJECT, required=("path", "action")),
        "[].path": _text(),
        "[].action": _text(words=("rebuild", "sync", "restart", "sync+restart", "sync+exec")),
        "[].target": _text(),
        **_hook("[].exec"),
        "[].include": _rule(STRING, ARRAY),
        "[].include[]": _text(),
        "[].ignore": _rule(STRING, ARRAY),
        "[].ignore[]": _text(),
        "[].initial_sync": _rule(BOOLEAN),
    },
    "device_cgroup_rules": _strings("text"),
    "devices": {
        "": _rule(ARRAY, unique="device"),
        "[]": _rule(STRING, OBJECT, required=("source",)),
        "[].source": _text(),
        "[].target": _text(),
        "[].permissions": _text(),
    },
    "dns": _string_or_list("text"),
    "dns_opt": {"": _rule(ARRAY, merge="sequence", unique="text"), "[]": _text()},
    "dns_search": _string_or_list("text"),
    "domainname": _text(),
    "entrypoint": _command(keep=True),
    "env_file": {
        "": _rule(STRING, ARRAY, merge="sequence", unique="env_file"),
        "[]": _rule(STRING, OBJECT, required=("path",)),
        "[].path": _text(),
        "[].format": _text(),
        "[].required": _FLAG,
    },
    "label_file": {"": _rule(STRING, ARRAY, merge="sequence", unique="text"), "[]": _text()},
    "environment": _pairs(),
    "expose": {"": _rule(ARRAY, unique="text"), "[]": _rule(STRING, NUMBER)},
    "extends": _rule(STRING, OBJECT, required=("service",)),
    "extends.service": _text(),
    "extends.file": _text(),
    "provider": _rule(OBJECT, required=("type",)),
    "provider.type": _text(),
    "provider.options": {
        "": _rule(OBJECT),
        ".*": _rule(STRING, NUMBER, BOOLEAN, ARRAY),
        ".*[]": _rule(STRING, NUMBER, BOOLEAN),
    },
    "external_links": _strings("text"),
    "extra_hosts": _extra_hosts(),
    "gpus": _devices(single=True),
    "group_add": {"": _rule(ARRAY, distinct=True), "[]": _rule(STRING, NUMBER)},
    "healthcheck": _rule(OBJECT),
    "healthcheck.disable": _FLAG,
    "healthcheck.interval": _DURATION,
    "healthcheck.retries": _rule(NUMBER, STRING, cast="int"),
    "healthcheck.test": _command(),
    "healthcheck.timeout": _DURATION,
    "healthcheck.start_period": _DURATION,
    "healthcheck.start_interval": _DURATION,
    "hostname": _text(),
    "image": _text(),
    "init": _FLAG,
    "ipc": _text(),
    "isolation": _text(),
    "labels": _pairs(),
    "links": _strings("text"),
    "logging": _rule(OBJECT, merge="logging"),
    "logging.driver": _text(),
    "logging.options": {"": _rule(OBJECT), ".*": _rule(STRING, NUMBER, NULL)},
    "mac_address": _text(),
    "mem_limit": _SIZE,
    "mem_reservation": _rule(INTEGER, STRING, kind="size"),
    "mem_swappiness": _rule(INTEGER, STRING, kind="size"),
    "memswap_limit": _SIZE,
    "models": {
        "": _rule(ARRAY, OBJECT, merge="keys", distinct=True),
        "[]": _text(),
        ".*": _rule(OBJECT, NULL),
        ".*.endpoint_var": _text(),
        ".*.model_var": _text(),
    },
    "network_mode": _text(),
    "networks": {
        "": _rule(ARRAY, OBJECT, merge="keys", distinct=True, names=_NAMES),
        "[]": _text(),
        ".*": _rule(OBJECT, NULL),
        ".*.aliases": _strings("text"),
        ".*.interface_name": _text(),
        ".*.ipv4_address": _text(),
        ".*.ipv6_address": _text(),
        ".*.link_local_ips": _strings("text"),
        ".*.mac_address": _text(),
        ".*.driver_opts": _options(),
        ".*.priority": _rule(NUMBER),
        ".*.gw_priority": _rule(NUMBER),
    },
    "oom_kill_disable": _FLAG,
    "oom_score_adj": _rule(INTEGER, STRING, cast="int", minimum=-1000, maximum=1000),
    "pid": _rule(STRING, NULL),
    "pids_limit": _rule(NUMBER, STRING, cast="int"),
    "platform": _text(),
    "ports": {
        "": _rule(ARRAY, unique="port"),
        "[]": _rule(NUMBER, STRING, OBJECT),
        "[].name": _text(),
        "[].mode": _text(),
        "[].host_ip": _text(),
        "[].target": _rule(INTEGER, STRING, cast="int"),
        "[].published": _rule(STRING, INTEGER),
        "[].protocol": _text(),
        "[].app_protocol": _text(),
    },
    "post_start": _hooks(),
    "pre_stop": _hooks(),
    "privileged": _FLAG,
    "profiles": _strings("text"),
    "pull_policy": _text(
        **_pattern(
            r"always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+",
            "always, never, missing, build, daily, weekly or every_DURATION",
        )
    ),
    "pull_refresh_after": _text(),
    "read_only": _FLAG,
    "restart": _text(),
    "runtime": _text(),
    "scale": _COUNT,
    "security_opt": _strings(),
    "shm_size": _SIZE,
    "secrets": _file_mounts("secret"),
    "sysctls": _pairs(),
    "stdin_open": _FLAG,
    "stop_grace_period": _DURATION,
    "stop_signal": _text(),
    "storage_opt": {"": _rule(OBJECT), ".**": _ANYTHING},
    "tmpfs": _string_or_list("text"),
    "tty": _FLAG,
    "ulimits": _ulimits(),
    "use_api_socket": _rule(BOOLEAN),
    "user": _text(),
    "uts": _text(),
    "userns_mode": _text(),
    "volumes": {
        "": _rule(ARRAY, unique="volume"),
        "[]": _rule(STRING, OBJECT, required=("type",)),
        "[].type": _text(words=("bind", "volume", "tmpfs", "cluster", "npipe", "image")),
        "[].source": _text(),
        "[].target": _text(),
        "[].read_only": _FLAG,
        "[].consistency": _text(),
        "[].bind": _rule(OBJECT, keep=True),
        "[].bind.propagation": _text(),
        "[].bind.create_host_path": _FLAG,
        "[].bind.recursive": _text(words=("enabled", "disabled", "writable", "readonly")),
        "[].bind.selinux": _text(words=("z", "Z")),
        "[].volume": _rule(OBJECT, keep=True),
        "[].volume.labels": _pairs(),
        "[].volume.nocopy": _FLAG,
        "[].volume.subpath": _text(),
        "[].tmpfs": _rule(OBJECT, keep=True),
        "[].tmpfs.size": _rule(INTEGER, STRING, minimum=0, kind="size"),
        "[].tmpfs.mode": _rule(NUMBER, STRING, cast="int"),
        "[].image": _rule(OBJECT, keep=True),
        "[].image.subpath": _text(),
    },
    "volumes_from": _strings("text"),
    "working_dir": _text(),
    # Our own words; probes.py judges what they hold.
    "readiness": {"": _rule(OBJECT, ARRAY, STRING, merge="replace"), ".**": _ANYTHING, "[]**": _ANYTHING},
}

_EXTERNAL = {
    "external": _rule(BOOLEAN, STRING, OBJECT, cast="bool"),
    "external.name": _text(),
}

_NETWORK: Mapping[str, Entry] = {
    "": _rule(OBJECT, NULL),
    "name": _text(),
    "driver": _text(),
    "driver_opts": _options(),
    "ipam": _rule(OBJECT, keep=True),
    "ipam.driver": _text(),
    "ipam.config": {
        "": _rule(ARRAY, merge="pools"),
        "[]": _rule(OBJECT),
        "[].subnet": _text(),
        "[].ip_range": _text(),
        "[].gateway": _text(),
        "[].aux_addresses": {"": _rule(OBJECT), ".*": _text()},
    },
    "ipam.options": {"": _rule(OBJECT), ".*": _text()},
    **_EXTERNAL,
    "internal": _FLAG,
    "enable_ipv4": _FLAG,
    "enable_ipv6": _FLAG,
    "attachable": _FLAG,
    "labels": _pairs(),
}

_VOLUME: Mapping[str, Entry] = {
    "": _rule(OBJECT, NULL),
    "name": _text(),
    "driver": _text(),
    "driver_opts": _options(),
    **_EXTERNAL,
    "labels": _pairs(),
}

_SECRET: Mapping[str, Entry] = {
    "": _rule(OBJECT),
    "name": _text(),
    "environment": _text(),
    "file": _text(),
    **_EXTERNAL,
    "labels": _pairs(),
    "driver": _text(),
    "driver_opts": _options(),
    "template_driver": _text(),
}

_CONFIG: Mapping[str, Entry] = {
    "": _rule(OBJECT),
    "name": _text(),
    "content": _text(),
    "environment": _text(),
    "file": _text(),
    **_EXTERNAL,
    "labels": _pairs(),
    "template_driver": _text(),
}

_MODEL: Mapping[str, Entry] = {
    "": _rule(OBJECT, required=("model",)),
    "name": _text(),
    "model": _text(),
    "context_size": _rule(INTEGER),
    "runtime_flags": {"": _rule(ARRAY), "[]": _text()},
}

_TOP: Mapping[str, Entry] = {
    "version": _text(),
    "name": _text(),
    "include": {
        "": _rule(ARRAY),
        "[]": _rule(STRING, OBJECT),
        "[].path": _rule(STRING, ARRAY),
        "[].path[]": _text(),
        "[].env_file": _rule(STRING, ARRAY),
        "[].env_file[]": _text(),
        "[].project_directory": _text(),
    },
    "services": _rule(OBJECT, names=_NAMES),
    "networks": _rule(OBJECT),
    "volumes": _rule(OBJECT, names=_NAMES),
    "secrets": _rule(OBJECT, names=_NAMES),
    "configs": _rule(OBJECT, names=_NAMES),
    "models": _rule(OBJECT),
}


def _flatten() -> dict[str, Rule]:
    table: dict[str, Rule] = {}
    for prefix, group in (
        ("", _TOP),
        ("services.*", _SERVICE),
        ("networks.*", _NETWORK),
        ("volumes.*", _VOLUME),
        ("secrets.*", _SECRET),
        ("configs.*", _CONFIG),
        ("models.*", _MODEL),
    ):
        _spread(prefix, group, table)
    return table


def _spread(path: str, entry: Entry, table: dict[str, Rule]) -> None:
    if isinstance(entry, Rule):
        table[path] = entry
        return
    for name, inner in entry.items():
        dot = "." if path and name and name[0] not in ".[" else ""
        _spread(f"{path}{dot}{name}", inner, table)


@cache
def attributes() -> Mapping[str, Rule]:
    """Return the whole table: dotted path -> rule."""
    return _flatten()

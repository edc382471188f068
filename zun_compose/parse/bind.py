"""The checked, normalised tree to the frozen types of the model: resources and the stack.

Services are bound by bind_service.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zun_compose.model import (
    Condition,
    FileObject,
    IpamPool,
    Network,
    Service,
    Stack,
    Volume,
)
from zun_compose.parse import placing
from zun_compose.parse.attributes import own as own_words
from zun_compose.parse.bind_service import Binder
from zun_compose.parse.probes import Reader
from zun_compose.parse.shorthand import text_of
from zun_compose.parse.tree import Faults, Map, locate
from zun_compose.parse.uncarried import closed, uncarried
from zun_compose.record import Record


class Frame(Record, kw_only=True):
    """What a stack has besides its tree."""

    name: str
    working_dir: str
    files: tuple[str, ...]
    environment_files: tuple[str, ...]
    inactive: Mapping[str, tuple[str, ...]]
    default_gate: Condition | None
    lenient: bool = False


def bind(tree: Map, frame: Frame, variables: Mapping[str, str], faults: Faults) -> Stack:
    """Return the stack; faults in our own words are noted."""
    reader = Reader(tree, faults)
    own = tree.get("x-zun")
    gate = frame.default_gate
    externals = {}
    if own is not None and reader.keys(own, own_words.STACK_WORDS, ("x-zun",)):
        if "gate" in own:
            said = reader.condition(own["gate"], ("x-zun", "gate"))
            gate = gate or said
        if "externals" in own:
            externals = reader.externals(own["externals"], ("x-zun", "externals"))
    binder = Binder(
        tree, reader, faults, gate or Condition.STARTED, externals, frame.inactive, lenient=frame.lenient
    )
    services: dict[str, Service] = {
        name: binder.service(name, service) for name, service in (tree.get("services") or {}).items()
    }
    placing.refuse_lost_ends(tree, services.values(), faults)
    configs, secrets = (
        {key: _file(tree, kind, key, entry, variables, faults) for key, entry in _section(tree, kind)}
        for kind in ("configs", "secrets")
    )
    return Stack(
        name=frame.name,
        services=binder.with_jobs(services),
        networks={key: _network(tree, key, entry) for key, entry in _section(tree, "networks")},
        volumes={key: _volume(tree, key, entry) for key, entry in _section(tree, "volumes")},
        configs=configs,
        secrets=secrets,
        externals=externals,
        inactive=frame.inactive,
        working_dir=frame.working_dir,
        files=frame.files,
        environment_files=frame.environment_files,
        # before the warnings, to which it adds
        uncarried={} if frame.lenient else uncarried(tree, services, faults),
        closed={} if frame.lenient else closed(tree, services, configs, secrets),
        warnings=tuple(faults.warnings),
    )


def _section(tree: Map, kind: str) -> Iterable[tuple[str, Map]]:
    return (tree.get(kind) or {}).items()


def strings(value: Any) -> dict[str, str]:
    """Return a mapping with all values as strings."""
    return {key: text_of(item) for key, item in (value or {}).items()}


def _name(key: str, entry: Map) -> str:
    return str(entry.get("name") or key)


def _network(tree: Map, key: str, entry: Map) -> Network:
    ipam = entry.get("ipam") or {}
    return Network(
        key=key,
        name=_name(key, entry),
        external=entry.get("external") is True,
        driver=entry.get("driver"),
        driver_opts=strings(entry.get("driver_opts")),
        ipam_driver=ipam.get("driver"),
        ipam=tuple(
            IpamPool(
                subnet=pool.get("subnet"),
                ip_range=pool.get("ip_range"),
                gateway=pool.get("gateway"),
                aux_addresses=strings(pool.get("aux_addresses")),
            )
            for pool in ipam.get("config") or ()
        ),
        ipam_options=strings(ipam.get("options")),
        internal=bool(entry.get("internal")),
        attachable=bool(entry.get("attachable")),
        enable_ipv4=entry.get("enable_ipv4"),
        enable_ipv6=entry.get("enable_ipv6"),
        labels=strings(entry.get("labels")),
        mark=locate(tree, ("networks", key)),
    )


def _volume(tree: Map, key: str, entry: Map) -> Volume:
    return Volume(
        key=key,
        name=_name(key, entry),
        external=entry.get("external") is True,
        driver=entry.get("driver"),
        driver_opts=strings(entry.get("driver_opts")),
        labels=strings(entry.get("labels")),
        mark=locate(tree, ("volumes", key)),
    )


def _file(
    tree: Map, kind: str, key: str, entry: Map, variables: Mapping[str, str], faults: Faults
) -> FileObject:
    content = entry.get("content")
    variable = entry.get("environment")
    if variable:
        content = variables.get(variable)
        if content is None:
            faults.warn(f'{kind}.{key}: the variable "{variable}" is not set')
    return FileObject(
        key=key,
        name=_name(key, entry),
        external=entry.get("external") is True,
        file=entry.get("file"),
        environment=variable,
        content=content,
        labels=strings(entry.get("labels")),
        mark=locate(tree, (kind, key)),
    )

"""Short forms to long forms: after this each attribute has exactly one shape, numbers have their units.

Runs on a checked tree, in place. Durations become Duration (nanoseconds), sizes Size (bytes). Which
attribute is lengthened how is said in one table at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from zun_compose.parse import units
from zun_compose.parse.merge import as_build, as_keys, as_list, as_pairs, host_list, short_dependency
from zun_compose.parse.ports import check_address, port_count, read_port
from zun_compose.parse.rules import Node, child, item_of, language
from zun_compose.parse.tree import Faults, Map, Path, Seq, spell
from zun_compose.parse.volumes import read_volume


def lengthen(tree: Any, faults: Faults) -> None:
    """Bring all attributes of a whole tree into their long form, in place."""
    long = _Long(tree, faults)
    long.units(tree, language(), ())
    long.walk(tree, _FORMS, ())


class _Long:
    def __init__(self, tree: Any, faults: Faults) -> None:
        self.tree = tree
        self.faults = faults
        self.ports = 0

    def fault(self, path: Path, what: str, hint: str = "", code: str = "value") -> None:
        self.faults.at(self.tree, path, code, f"{spell(path)} {what}", hint)

    def units(self, value: Any, node: Node, path: Path) -> None:
        """Read durations and sizes wherever the table of the language says that an attribute is one."""
        if isinstance(value, list):
            below = item_of(node)
            for index, item in enumerate(value):
                if isinstance(item, dict) and below is not None:
                    self.units(item, below, (*path, index))
            return
        for key, item in value.items():
            below = child(node, key)
            if below is None or not below.measured:
                continue
            if isinstance(item, dict | list):
                self.units(item, below, (*path, key))
            elif below.rule is not None and below.rule.kind is not None and item is not None:
                value[key] = self.unit(below.rule.kind, item, (*path, key))

    def unit(self, kind: str, value: Any, path: Path) -> Any:
        if kind == "size" and isinstance(value, float):
            self.faults.warn(
                f"{spell(path)} has a decimal point or an exponent and is not in quotes: ignored"
            )
            return None
        try:
            if kind == "duration":
                return units.duration(value)
            return units.size(value)
        except ValueError as error:
            self.fault(path, f"is not understood: {error}")
            return value

    def walk(self, value: Any, forms: _Forms, path: Path) -> None:
        """Convert what the table of forms names, outer attributes first."""
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.one(value, index, item, forms.below.get("[]"), path)
        elif isinstance(value, dict):
            other = forms.below.get("*")
            for key, item in list(value.items()):
                self.one(value, key, item, forms.below.get(key, other), path)

    def one(self, owner: Any, key: Any, item: Any, forms: _Forms | None, path: Path) -> None:
        if forms is None:
            return
        here = (*path, key)
        if forms.convert is not None:
            item = forms.convert(self, item, here)
            if item is None and isinstance(owner, dict) and key in _OPTIONAL:
                del owner[key]
                return
            owner[key] = item
        if forms.below and isinstance(item, dict | list):
            self.walk(item, forms, here)


_PORTS = 100_000
"""How many ports the ranges of one stack may make."""

_OPTIONAL = frozenset(("deploy", "develop"))
"""Attributes whose empty value means that they are not there."""

_Convert = Callable[[_Long, Any, Path], Any]


class _Forms:
    """What to convert at one path and below it."""

    __slots__ = ("below", "convert")

    def __init__(self) -> None:
        self.convert: _Convert | None = None
        self.below: dict[str, _Forms] = {}


def _pairs(empty: str | None) -> _Convert:
    """Make a mapping of strings of a list or mapping; `empty` stands for a missing value."""

    def convert(long: _Long, value: Any, path: Path) -> Any:
        if value is None:
            return None
        found = as_pairs(value)
        for name, item in found.items():
            if empty is None and isinstance(value, list) and name.endswith(" "):
                long.fault(path, f'holds the name "{name}", which ends in a blank')
            if not isinstance(item, str):
                found[name] = empty if item is None else text_of(item)
        return found

    return convert


def _sequence(long: _Long, value: Any, path: Path) -> Any:
    return as_list(value)


def _filled(long: _Long, value: Any, path: Path) -> Any:
    """Return the entries that are not empty: a variable without a value adds no server."""
    return Seq([item for item in as_list(value) if item], getattr(value, "mark", None))


def _names(long: _Long, value: Any, path: Path) -> Any:
    return as_keys(value, lambda: None)


def _exposed(long: _Long, value: Any, path: Path) -> Any:
    for index, item in enumerate(value):
        _text(long, item, (*path, index))
    return _texts(long, value, path)


def _texts(long: _Long, value: Any, path: Path) -> Any:
    items = [text_of(item) for item in as_list(value)]
    return Seq(items, getattr(value, "mark", None), list(getattr(value, "marks", ())))


def _flag_text(long: _Long, value: Any, path: Path) -> Any:
    return text_of(value)


def _kept(long: _Long, value: Any, path: Path) -> Any:
    return value


def _build(long: _Long, value: Any, path: Path) -> Any:
    return as_build(value)


def _text(long: _Long, value: Any, path: Path) -> Any:
    """Make a text of a whole number; no other thing may stand for a text here."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool | float):
        long.fault(path, "must be a string", "put it in quotes", "type")
    return text_of(value)


def _each_text(long: _Long, value: Any, path: Path) -> Any:
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value or ())):
        value[key] = _text(long, item, (*path, key))
    return value


def _whole(long: _Long, value: Any, path: Path) -> Any:
    """Cut off what a whole number cannot hold."""
    return int(value) if isinstance(value, float) else value


def _amount(long: _Long, value: Any, path: Path) -> Any:
    if isinstance(value, str):
        if re.fullmatch(r"[-+]?[0-9]{1,18}", value):
            return int(value)
        long.fault(path, "must be a whole number")
    return _whole(long, value, path)


def _natural(long: _Long, value: Any, path: Path) -> Any:
    if isinstance(value, str):
        long.fault(path, "must be a number", "leave out the quotes", "type")
    elif isinstance(value, int | float) and value < 0:
        long.fault(path, "cannot be less than 0")
    return _whole(long, value, path)


def _cores(long: _Long, value: Any, path: Path) -> Any:
    if isinstance(value, str):
        try:
            return units.number(value)
        except ValueError as error:
            long.fault(path, str(error))
    return value


def _dependencies(long: _Long, value: Any, path: Path) -> Any:
    found = as_keys(value, short_dependency)
    for entry in found.values():
        entry.setdefault("required", True)
    return found


def _hosts(long: _Long, value: Any, path: Path) -> Any:
    found = host_list(value)
    entries = []
    for index, item in enumerate(found):
        name, sign, addresses = item.partition("=" if "=" in item else ":")
        if not name or ":" in name or not sign:
            long.fault((*path, index), "needs a name and an address", 'such as "somehost:10.0.0.5"')
            continue
        for address in addresses.split(",") if isinstance(value, list) else [addresses]:
            bare = address[1:-1] if re.fullmatch(r"\[.+\]", address) else address
            entries.append(f"{name}={bare}")
    return Seq(sorted(entries), found.mark)


def _command(long: _Long, value: Any, path: Path) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return Seq(units.words(value))
    except ValueError as error:
        long.fault(path, f"is no command line: {error}")
        return Seq()


def _test(long: _Long, value: Any, path: Path) -> Any:
    return Seq(["CMD-SHELL", value]) if isinstance(value, str) else value


def _file_mounts(long: _Long, value: Any, path: Path) -> Any:
    for index, item in enumerate(value):
        if isinstance(item, str):
            value[index] = Map(_item_mark(value, index))
            value[index]["source"] = item
        mode = value[index].get("mode")
        if isinstance(mode, float):
            long.fault((*path, index, "mode"), "is no file mode", 'such as "0440"')
        if isinstance(mode, str):
            try:
                value[index]["mode"] = int(mode.removeprefix("0o"), 8)
            except ValueError:
                long.fault((*path, index, "mode"), "is no file mode", 'such as "0440"')
    return value


def _env_files(long: _Long, value: Any, path: Path) -> Any:
    found = as_list(value)
    for index, item in enumerate(found):
        if isinstance(item, str):
            found[index] = Map(_item_mark(found, index))
            found[index]["path"] = item
        found[index].setdefault("required", True)
    return found


def _devices(long: _Long, value: Any, path: Path) -> Any:
    for index, item in enumerate(value):
        if isinstance(item, str):
            parts = item.split(":")
            if len(parts) > 3:
                long.fault((*path, index), "is no device", "SOURCE:TARGET:PERMISSIONS")
            entry = Map(_item_mark(value, index))
            entry["source"] = parts[0]
            entry["target"] = parts[1] if len(parts) > 1 and parts[1] else parts[0]
            entry["permissions"] = parts[2] if len(parts) > 2 else "rwm"
            value[index] = entry
        else:
            if "target" not in item:
                long.fault((*path, index), "needs a target", code="missing")
            item.setdefault("permissions", "rwm")
    return value


def _volumes(long: _Long, value: Any, path: Path) -> Any:
    found = Seq((), getattr(value, "mark", None))
    for index, item in enumerate(value):
        mark = _item_mark(value, index)
        entry = item
        if isinstance(item, str):
            try:
                entry = read_volume(item, mark)
            except ValueError as error:
                long.fault((*path, index), f'is no volume: "{item}": {error}', "SOURCE:TARGET:MODE")
                continue
        found.append(entry)
        found.marks.append(mark)
    return found


def _ports(long: _Long, value: Any, path: Path) -> Any:
    found = Seq((), getattr(value, "mark", None))
    for index, item in enumerate(value):
        mark = _item_mark(value, index)
        if isinstance(item, dict):
            expanded = [_port(long, item, (*path, index))]
        elif isinstance(item, float):
            long.fault((*path, index), "is no port: write it without a decimal point")
            continue
        else:
            try:
                text = text_of(item)
                long.ports += port_count(text)
                if long.ports > _PORTS:
                    long.fault((*path, index), f"makes more than {_PORTS} ports")
                    return found
                expanded = read_port(text, mark)
            except ValueError as error:
                hint = "[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]"
                long.fault((*path, index), f'is no port: "{item}": {error}', hint)
                continue
        found.extend(expanded)
        found.marks.extend([mark] * len(expanded))
    return found


def _port(long: _Long, entry: Any, path: Path) -> Any:
    if "published" in entry:
        entry["published"] = text_of(entry["published"])
    if not entry.get("target"):
        long.fault(path, "needs a target", "the container's port", "missing")
    address = entry.get("host_ip")
    if address:
        try:
            check_address(address)
        except ValueError as error:
            long.fault(path, f"has a bad host_ip: {error}")
    return entry


def _gpus(long: _Long, value: Any, path: Path) -> Any:
    if value == "all":
        value = Seq([Map()])
        value[0]["count"] = "all"
    return _requests(long, value, path)


def _requests(long: _Long, value: Any, path: Path) -> Any:
    for index, device in enumerate(value or ()):
        count = device.get("count")
        if "count" in device and "device_ids" in device:
            long.fault((*path, index), "cannot have both count and device_ids", code="conflict")
        if isinstance(count, float):
            long.fault((*path, index, "count"), 'must be "all" or a number')
        if isinstance(count, str):
            if count.lower() == "all":
                device["count"] = -1
            elif re.fullmatch(r"[-+]?\d{1,18}", count):
                device["count"] = int(count)
            else:
                long.fault((*path, index, "count"), 'must be "all" or a number')
        elif count is None and not device.get("device_ids"):
            device["count"] = -1
    return value


def _resource(long: _Long, value: Any, path: Path) -> Any:
    entry = Map() if value is None else value
    external = entry.get("external")
    if isinstance(external, dict):
        entry["external"] = True
        name = external.get("name")
        if name is not None:
            if entry.get("name") not in (None, name):
                long.fault(path, "has two names: external.name and name", "keep name only", "conflict")
            entry["name"] = name
            long.faults.warn(f"{spell(path)}: external.name is obsolete, write name and external: true")
    return entry


def _item_mark(value: Any, index: int) -> Any:
    marks = getattr(value, "marks", [])
    return marks[index] if len(marks) == len(value) else getattr(value, "mark", None)


def text_of(value: Any) -> str:
    """Write a scalar as a string, the way docker compose does."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return units.spell_float(value)
    return "" if value is None else str(value)


_HOOK: Mapping[str, _Convert] = {"command": _command, "environment": _pairs(None)}

_SERVICE: Mapping[str, _Convert] = {
    "annotations": _pairs(""),
    "blkio_config.weight": _natural,
    "blkio_config.weight_device.[].weight": _natural,
    "build": _build,
    "build.additional_contexts": _pairs(""),
    "build.args": _pairs(None),
    "build.extra_hosts": _hosts,
    "build.labels": _pairs(""),
    "build.no_cache_filter": _sequence,
    "build.provenance": _flag_text,
    "build.sbom": _flag_text,
    "build.secrets": _file_mounts,
    "build.ssh": _pairs(None),
    "command": _command,
    "configs": _file_mounts,
    "depends_on": _dependencies,
    "deploy": _kept,
    "deploy.labels": _pairs(""),
    "deploy.resources.limits.cpus": _cores,
    "deploy.resources.reservations.cpus": _cores,
    "deploy.placement.max_replicas_per_node": _natural,
    "deploy.replicas": _natural,
    "deploy.resources.reservations.devices": _requests,
    "deploy.resources.reservations.generic_resources.[].discrete_resource_spec.value": _amount,
    "deploy.resources.reservations.devices.[].options": _pairs(""),
    "deploy.restart_policy.max_attempts": _natural,
    "deploy.rollback_config.parallelism": _natural,
    "deploy.update_config.parallelism": _natural,
    "develop": _kept,
    "develop.watch.[].ignore": _sequence,
    "develop.watch.[].include": _sequence,
    **{f"develop.watch.[].exec.{key}": convert for key, convert in _HOOK.items()},
    "devices": _devices,
    "dns": _filled,
    "dns_search": _sequence,
    "entrypoint": _command,
    "env_file": _env_files,
    "environment": _pairs(None),
    "expose": _exposed,
    "extra_hosts": _hosts,
    "gpus": _gpus,
    "gpus.[].options": _pairs(""),
    "group_add": _each_text,
    "healthcheck.retries": _natural,
    "healthcheck.test": _test,
    "label_file": _sequence,
    "labels": _pairs(""),
    "logging.options": _pairs(""),
    "models": _names,
    "networks": _names,
    "networks.*.driver_opts": _pairs(""),
    "networks.*.gw_priority": _whole,
    "networks.*.priority": _whole,
    "ports": _ports,
    **{f"post_start.[].{key}": convert for key, convert in _HOOK.items()},
    **{f"pre_stop.[].{key}": convert for key, convert in _HOOK.items()},
    "provider.options.*": _texts,
    "scale": _natural,
    "secrets": _file_mounts,
    "storage_opt": _each_text,
    "sysctls": _pairs(""),
    "tmpfs": _sequence,
    "volumes": _volumes,
    "volumes.[].tmpfs.mode": _natural,
    "volumes.[].volume.labels": _pairs(""),
}


def _plant() -> _Forms:
    root = _Forms()
    table = {f"services.*.{path}": convert for path, convert in _SERVICE.items()}
    for kind in ("networks", "volumes", "secrets", "configs"):
        table[f"{kind}.*"] = _resource
        table[f"{kind}.*.labels"] = _pairs("")
        table[f"{kind}.*.driver_opts"] = _each_text if kind == "secrets" else _pairs("")
    for path, convert in table.items():
        forms = root
        for part in path.split("."):
            forms = forms.below.setdefault(part, _Forms())
        forms.convert = convert
    return root


_FORMS = _plant()

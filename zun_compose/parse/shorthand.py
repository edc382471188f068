"""Short forms to long forms: after this each attribute has exactly one shape, numbers have their units.

Runs on a checked tree. Durations become Duration (nanoseconds), sizes Size (bytes).
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Callable
from typing import Any

from zun_compose.parse import units
from zun_compose.parse.merge import as_build, as_keys, as_list, as_pairs, host_list, short_dependency
from zun_compose.parse.rules import Node, child, item_of, language
from zun_compose.parse.tree import Faults, Map, Path, Seq, spell

_PROPAGATIONS = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}


def lengthen(tree: Any, faults: Faults) -> None:
    """Bring all attributes of a whole tree into their long form, in place."""
    _Long(tree, faults).run()


def split_volume(text: str) -> tuple[str, str, str]:
    """Split SOURCE:TARGET:MODE; a drive letter belongs to its path."""
    parts: list[str] = []
    buffer = ""
    for index, char in enumerate(text):
        if char == ":":
            after = text[index + 1 : index + 2]
            if len(buffer) == 1 and buffer.isalpha() and (after in ("\\", "/") or not parts):
                buffer += char
                continue
            parts.append(buffer)
            buffer = ""
        else:
            buffer += char
    parts.append(buffer)
    if len(parts) == 1:
        return "", parts[0], ""
    return parts[0], parts[1], ":".join(parts[2:])


class _Long:
    def __init__(self, tree: Any, faults: Faults) -> None:
        self.tree = tree
        self.faults = faults

    def fault(self, path: Path, what: str, hint: str = "", code: str = "value") -> None:
        self.faults.at(self.tree, path, code, f"{spell(path)} {what}", hint)

    def run(self) -> None:
        tree = self.tree
        self.units(tree, language(), ())
        for name, service in (tree.get("services") or {}).items():
            self.service(service, ("services", name))
        for kind in ("networks", "volumes", "secrets", "configs"):
            for name, entry in (tree.get(kind) or {}).items():
                if entry is None:
                    entry = tree[kind][name] = Map()
                self.pairs(entry, "labels", "")
                self.external(entry, (kind, name))

    def units(self, value: Any, node: Node, path: Path) -> None:
        """Read durations and sizes wherever the table says that an attribute is one."""
        if isinstance(value, dict):
            for key, item in value.items():
                below = child(node, key)
                if below is None or not below.measured:
                    continue
                kind = below.rule.kind if below.rule is not None else None
                if kind in ("duration", "size") and isinstance(item, str | int | float):
                    value[key] = self.unit(kind, item, (*path, key))
                elif isinstance(item, dict | list):
                    self.units(item, below, (*path, key))
        elif isinstance(value, list):
            below = item_of(node)
            if below is not None and below.keys:
                for index, item in enumerate(value):
                    if isinstance(item, dict):
                        self.units(item, below, (*path, index))

    def unit(self, kind: str, value: Any, path: Path) -> Any:
        try:
            if kind == "duration":
                return units.duration(value)
            if kind == "size":
                return units.size(value)
        except ValueError as error:
            self.fault(path, f"is not understood: {error}")
        return value

    def pairs(self, owner: dict[str, Any], key: str, empty: str | None) -> None:
        """Make a mapping of strings of a list or mapping; `empty` stands for a missing value."""
        value = owner.get(key)
        if value is None:
            return
        value = as_pairs(value)
        for name, item in value.items():
            value[name] = empty if item is None else text_of(item)
        owner[key] = value

    def external(self, entry: Map, path: Path) -> None:
        external = entry.get("external")
        if isinstance(external, dict):
            entry["external"] = True
            name = external.get("name")
            if name is not None:
                if entry.get("name") not in (None, name):
                    self.fault(path, "has two names: external.name and name", "keep name only", "conflict")
                entry["name"] = name
                self.faults.warn(f"{spell(path)}: external.name is obsolete, write name and external: true")

    def service(self, service: Map, path: Path) -> None:
        for key, empty in (("annotations", ""), ("labels", ""), ("sysctls", ""), ("environment", None)):
            self.pairs(service, key, empty)
        for key in ("dns", "dns_search", "tmpfs", "label_file"):
            if key in service:
                service[key] = as_list(service[key])
        for key in ("networks", "models"):
            if key in service:
                service[key] = as_keys(service[key], lambda: None)
        if "depends_on" in service:
            self.dependencies(service)
        if "extra_hosts" in service:
            service["extra_hosts"] = self.hosts(service["extra_hosts"], (*path, "extra_hosts"))
        for key in ("command", "entrypoint"):
            if isinstance(service.get(key), str):
                service[key] = self.command(service[key], (*path, key))
        for key in ("group_add", "expose"):
            if key in service:
                service[key] = _mapped(service[key], text_of)
        self.ulimits(service)
        for key in ("configs", "secrets"):
            self.file_mounts(service, key, path)
        if "build" in service:
            service["build"] = as_build(service["build"])
            self.build(service["build"], (*path, "build"))
        for key, convert in _ITEMS.items():
            if key in service:
                service[key] = convert(self, service[key], (*path, key))
        logging = service.get("logging")
        if isinstance(logging, dict):
            self.pairs(logging, "options", "")
        for network in (service.get("networks") or {}).values():
            if isinstance(network, dict):
                self.pairs(network, "driver_opts", "")
        self.nested(service, path)

    def dependencies(self, service: Map) -> None:
        found = as_keys(service["depends_on"], short_dependency)
        for entry in found.values():
            entry.setdefault("required", True)
        service["depends_on"] = found

    def hosts(self, value: Any, path: Path) -> Seq:
        found = host_list(value)
        by_name: dict[str, list[str]] = {}
        for index, item in enumerate(found):
            cut = min((at for at in (item.find("="), item.find(":")) if at >= 0), default=-1)
            if "=" in item:
                cut = item.index("=")
            name, address = (item[:cut], item[cut + 1 :]) if cut > 0 else (item, "")
            if not address:
                self.fault((*path, index), "needs a name and an address", 'such as "somehost:10.0.0.5"')
                continue
            for single in address.split(","):
                plain = single.strip()
                if plain.startswith("[") and plain.endswith("]"):
                    plain = plain[1:-1]
                by_name.setdefault(name, []).append(f"{name}={plain}")
        return Seq([entry for name in sorted(by_name) for entry in by_name[name]], found.mark)

    def command(self, text: str, path: Path) -> Any:
        try:
            found = units.words(text)
        except ValueError as error:
            self.fault(path, f"is no command line: {str(error).lower()}")
            return Seq()
        return Seq(found)

    def ulimits(self, owner: dict[str, Any]) -> None:
        for name, limit in (owner.get("ulimits") or {}).items():
            if isinstance(limit, dict):
                continue
            owner["ulimits"][name] = limit

    def file_mounts(self, owner: dict[str, Any], key: str, path: Path) -> None:
        value = owner.get(key)
        if value is None:
            return
        for index, item in enumerate(value):
            if isinstance(item, str):
                value[index] = Map(_item_mark(value, index))
                value[index]["source"] = item
            mode = value[index].get("mode")
            if isinstance(mode, str):
                try:
                    value[index]["mode"] = int(mode.removeprefix("0o"), 8)
                except ValueError:
                    self.fault((*path, key, index, "mode"), "is no file mode", 'such as "0440"')
                    value[index]["mode"] = 0

    def build(self, build: Any, path: Path) -> None:
        for key, empty in (("args", None), ("labels", ""), ("additional_contexts", "")):
            self.pairs(build, key, empty)
        if "ssh" in build:
            build["ssh"] = as_pairs(build["ssh"])
        for key in ("provenance", "sbom"):
            if isinstance(build.get(key), bool):
                build[key] = "true" if build[key] else "false"
        if "no_cache_filter" in build:
            build["no_cache_filter"] = as_list(build["no_cache_filter"])
        if "extra_hosts" in build:
            build["extra_hosts"] = self.hosts(build["extra_hosts"], (*path, "extra_hosts"))
        self.ulimits(build)
        self.file_mounts(build, "secrets", path)

    def nested(self, service: Map, path: Path) -> None:
        deploy = service.get("deploy")
        if deploy is None and "deploy" in service:
            del service["deploy"]
        if isinstance(deploy, dict):
            self.pairs(deploy, "labels", "")
            resources = deploy.get("resources") or {}
            for part in ("limits", "reservations"):
                cpus = (resources.get(part) or {}).get("cpus")
                if isinstance(cpus, str):
                    try:
                        resources[part]["cpus"] = units.number(cpus)
                    except ValueError as error:
                        self.fault((*path, "deploy", "resources", part, "cpus"), str(error))
            devices = (resources.get("reservations") or {}).get("devices")
            if devices:
                self.requests(devices, (*path, "deploy", "resources", "reservations", "devices"))
        if service.get("gpus") == "all":
            service["gpus"] = Seq([Map()])
            service["gpus"][0]["count"] = "all"
        if isinstance(service.get("gpus"), list):
            self.requests(service["gpus"], (*path, "gpus"))
        healthcheck = service.get("healthcheck")
        if isinstance(healthcheck, dict) and isinstance(healthcheck.get("test"), str):
            healthcheck["test"] = Seq(["CMD-SHELL", healthcheck["test"]])
        for key in ("post_start", "pre_stop"):
            for index, hook in enumerate(service.get(key) or ()):
                self.hook(hook, (*path, key, index))
        develop = service.get("develop")
        if develop is None and "develop" in service:
            del service["develop"]
        for index, watch in enumerate((develop or {}).get("watch") or ()):
            for key in ("include", "ignore"):
                if key in watch:
                    watch[key] = as_list(watch[key])
            if "exec" in watch:
                self.hook(watch["exec"], (*path, "develop", "watch", index, "exec"))
        options = (service.get("provider") or {}).get("options")
        for name, value in (options or {}).items():
            options[name] = _mapped(as_list(value), text_of)

    def hook(self, hook: dict[str, Any], path: Path) -> None:
        self.pairs(hook, "environment", None)
        if isinstance(hook.get("command"), str):
            hook["command"] = self.command(hook["command"], (*path, "command"))

    def requests(self, devices: list[Any], path: Path) -> None:
        for index, device in enumerate(devices):
            self.pairs(device, "options", "")
            count = device.get("count")
            if "count" in device and "device_ids" in device:
                self.fault((*path, index), "cannot have both count and device_ids", code="conflict")
            if isinstance(count, str):
                if count.lower() == "all":
                    device["count"] = -1
                elif re.fullmatch(r"[-+]?\d+", count):
                    device["count"] = int(count)
                else:
                    self.fault((*path, index, "count"), 'must be "all" or a number')
            elif count is None and not device.get("device_ids"):
                device["count"] = -1

    def env_files(self, value: Any, path: Path) -> Seq:
        found = as_list(value)
        for index, item in enumerate(found):
            if isinstance(item, str):
                found[index] = Map(_item_mark(found, index))
                found[index]["path"] = item
            found[index].setdefault("required", True)
        return _seq(found)

    def devices(self, value: list[Any], path: Path) -> Seq:
        for index, item in enumerate(value):
            if isinstance(item, str):
                parts = item.split(":")
                if len(parts) > 3:
                    self.fault((*path, index), "is no device", "SOURCE:TARGET:PERMISSIONS")
                    continue
                entry = Map(_item_mark(value, index))
                entry["source"] = parts[0]
                entry["target"] = parts[1] if len(parts) > 1 and parts[1] else parts[0]
                entry["permissions"] = parts[2] if len(parts) > 2 else "rwm"
                value[index] = entry
            else:
                item.setdefault("target", item.get("source"))
                item.setdefault("permissions", "rwm")
        return _seq(value)

    def volumes(self, value: list[Any], path: Path) -> Seq:
        for index, item in enumerate(value):
            if isinstance(item, str):
                value[index] = self.volume(item, (*path, index), _item_mark(value, index))
            target = value[index].get("target")
            if isinstance(target, str) and target:
                value[index]["target"] = _clean(target)
        return _seq(value)

    def volume(self, text: str, path: Path, mark: Any) -> Map:
        source, target, modes = split_volume(text)
        entry = Map(mark)
        if not target or text.startswith(":") or ":" in modes:
            self.fault(path, "is no volume", "SOURCE:TARGET:MODE")
            entry.update(type="volume", target=target or "/")
            return entry
        bind = bool(source) and is_path(source)
        entry["type"] = "bind" if bind else "volume"
        if source:
            entry["source"] = source
        entry["target"] = target
        detail, host = Map(), Map()
        for mode in modes.split(",") if modes else ():
            if mode == "ro":
                entry["read_only"] = True
            elif mode == "nocopy":
                detail["nocopy"] = True
            elif mode in ("z", "Z"):
                host["selinux"] = mode
            elif mode in _PROPAGATIONS:
                host["propagation"] = mode
        if bind:
            host["create_host_path"] = True
        if bind or host:
            entry["bind"] = host
        # docker compose leaves the empty volume out of very short ones; nothing depends on it.
        if (not bind and len(text) > 2) or detail:
            entry["volume"] = detail
        return entry

    def ports(self, value: list[Any], path: Path) -> Seq:
        found = Seq((), getattr(value, "mark", None))
        for index, item in enumerate(value):
            mark = _item_mark(value, index)
            if isinstance(item, dict):
                expanded = [self.port(item, (*path, index))]
            else:
                expanded = self.short_port(text_of(item), (*path, index), mark)
            found.extend(expanded)
            found.marks.extend([mark] * len(expanded))
        return found

    def port(self, entry: Any, path: Path) -> Any:
        if "published" in entry:
            entry["published"] = text_of(entry["published"])
        if not entry.get("target"):
            self.fault(path, "needs a target", "the container's port", "missing")
            entry["target"] = 0
        elif isinstance(entry["target"], float):
            entry["target"] = int(entry["target"])
        address = entry.get("host_ip")
        if address:
            self.address(address, path)
        return entry

    def address(self, text: str, path: Path) -> None:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            self.fault(path, f'has no valid IP address: "{text}"')

    def short_port(self, text: str, path: Path, mark: Any) -> list[Map]:
        try:
            address, published, target, protocol = split_port(text)
        except ValueError as error:
            self.fault(path, f'is no port: "{text}": {error}', "[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]")
            return []
        if address:
            self.address(address, path)
        first, last = target
        found = []
        for number in range(first, last + 1):
            entry = Map(mark)
            if address:
                entry["host_ip"] = address
            entry["target"] = number
            if published is not None:
                low, high = published
                if high - low == last - first:
                    entry["published"] = str(low + number - first)
                else:
                    entry["published"] = f"{low}-{high}"
            entry["protocol"] = protocol
            if last > first:
                entry["#span"] = (first, last)
            found.append(entry)
        return found


def split_port(text: str) -> tuple[str, tuple[int, int] | None, tuple[int, int], str]:
    """Split [ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]; raises ValueError saying what is wrong."""
    body, _, protocol = text.partition("/")
    rest, _, container = body.rpartition(":")
    address, _, host = rest.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    target = _port_range(container, "container port")
    published = _port_range(host, "host port") if host else None
    if published is not None:
        width = target[1] - target[0]
        if published[1] - published[0] != width and width != 0:
            raise ValueError("the two ranges differ in length")
    protocol = protocol.lower() or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError("the protocol must be tcp, udp or sctp")
    return address, published, target, protocol


def _port_range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not re.fullmatch(r"\d{1,5}", first) or (dash and not re.fullmatch(r"\d{1,5}", last)):
        raise ValueError(f"bad {what}")
    low, high = int(first), int(last) if dash else int(first)
    if high < low or high > 65535:
        raise ValueError(f"bad {what}")
    return low, high


def is_path(source: str) -> bool:
    """Tell whether the source of a short volume is a path, not a name."""
    return source[0] in "./~" or source.startswith("\\\\") or bool(re.match(r"[A-Za-z]:", source))


def _clean(target: str) -> str:
    if not target.startswith("/"):
        return target
    cleaned = posixpath.normpath(target)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _item_mark(value: Any, index: int) -> Any:
    marks = getattr(value, "marks", [])
    return marks[index] if index < len(marks) and len(marks) == len(value) else getattr(value, "mark", None)


def _seq(value: list[Any]) -> Seq:
    return value if isinstance(value, Seq) else Seq(value)


def _mapped(value: Any, convert: Callable[[Any], str]) -> Seq:
    return Seq([convert(item) for item in value], getattr(value, "mark", None), list(getattr(value, "marks", ())))


def text_of(value: Any) -> str:
    """Write a scalar as a string, the way docker compose does."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return units.spell_float(value)
    return "" if value is None else str(value)


_ITEMS: dict[str, Callable[[_Long, Any, Path], Any]] = {
    "devices": _Long.devices,
    "env_file": _Long.env_files,
    "ports": _Long.ports,
    "volumes": _Long.volumes,
}

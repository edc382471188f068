"""The tree as docker compose prints it: `config --format json|yaml`."""

from __future__ import annotations

from typing import Any

from zun_compose.parse import units
from zun_compose.parse.rules import Node, at, child, item_of
from zun_compose.parse.shorthand import text_of
from zun_compose.parse.tree import Duration, Map, Size

_SECTIONS = ("networks", "volumes", "secrets", "configs")
_POINTERS = frozenset(
    (
        "init",
        "scale",
        "replicas",
        "retries",
        "parallelism",
        "max_attempts",
        "attach",
        "count",
        "enable_ipv4",
        "enable_ipv6",
    )
)
_OWN = frozenset(("readiness", "pull_refresh_after"))
"""Attributes that docker compose does not print: our own word, and one that it knows and does not keep."""


def canonical(tree: Map, stack: str, *, extensions: bool, escape: bool) -> dict[str, Any]:
    """Return plain data in docker compose's form; `extensions` keeps x-... below the top level too."""
    render = _Render(extensions, escape)
    result: dict[str, Any] = {"name": render.text(stack)}
    for kind in sorted(_SECTIONS):
        section = tree.get(kind)
        if section:
            result[kind] = {
                render.text(name): render.resource(kind, section[name]) for name in sorted(section)
            }
    services = tree.get("services") or {}
    result["services"] = {render.text(name): render.service(services[name]) for name in sorted(services)}
    if extensions and tree.get("models"):
        result["models"] = {
            render.text(name): render.resource("models", entry) for name, entry in tree["models"].items()
        }
    for key in sorted(tree):
        if key.startswith("x-"):
            result[key] = render.raw(tree[key])
    order = ["name", *sorted(key for key in result if key != "name")]
    return {key: result[key] for key in order}


class _Render:
    def __init__(self, extensions: bool, escape: bool) -> None:
        self.extensions = extensions
        self.escape = escape

    def text(self, value: str) -> str:
        return value.replace("$", "$$") if self.escape and "$" in value else value

    def raw(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.text(key): self.raw(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.raw(item) for item in value] if value else None
        return self.text(value) if isinstance(value, str) else value

    def resource(self, kind: str, entry: Any) -> Any:
        node = at(kind, "*")
        result = self.mapping(entry or {}, node)
        if kind == "networks":
            ipam = result.setdefault("ipam", {})
            if not self.extensions:
                ipam.pop("options", None)  # docker compose reads them and forgets them
        return result

    def service(self, service: Map) -> dict[str, Any]:
        result = self.mapping(service, at("services", "*"))
        result.setdefault("command", None)
        result.setdefault("entrypoint", None)
        if "deploy" in result:
            result["deploy"].setdefault("resources", {})
            result["deploy"].setdefault("placement", {})
        for watch in (result.get("develop") or {}).get("watch") or ():
            watch.setdefault("exec", {"command": None})
        for key, devices in (result.get("blkio_config") or {}).items():
            if isinstance(devices, list) and not self.extensions:
                # docker compose's JSON has these with the names of its own fields.
                titled = [{name.title(): item for name, item in device.items()} for device in devices]
                result["blkio_config"][key] = titled
        build = result.get("build") or {}
        for mount in (*result.get("configs", ()), *result.get("secrets", ()), *build.get("secrets", ())):
            if isinstance(mount.get("mode"), int):
                mount["mode"] = f"0{mount['mode']:o}"
        if isinstance(build.get("ssh"), dict):
            build["ssh"] = [f"{name}={value}" if value else name for name, value in build["ssh"].items()]
        return {key: result[key] for key in sorted(result)}

    def mapping(self, value: dict[str, Any], node: Node | None) -> dict[str, Any]:
        result: dict[str, Any] = {}
        closed = node is not None and bool(node.keys)
        items = value.items() if closed else sorted(value.items())
        for key, item in items:
            if closed and key.startswith("x-"):
                if self.extensions:
                    result[key] = self.raw(item)
                continue
            if closed and (key.startswith("#") or key in _OWN):
                continue
            below = child(node, key)
            if closed and self.omitted(key, item, below):
                continue
            result[self.text(key)] = self.value(item, below)
        return result

    def omitted(self, key: str, value: Any, node: Node | None) -> bool:
        """Tell whether docker compose leaves an empty attribute out."""
        if isinstance(value, Duration):
            return False
        if value is None:
            return node is None or node.rule is None or not node.rule.keep
        if value is False or (isinstance(value, int | float) and not value) or value == "":
            return not (key in _POINTERS or (node is not None and node.rule is not None and node.rule.keep))
        if isinstance(value, dict | list) and not value:
            return not (node is not None and node.rule is not None and (node.rule.keep or node.keys))
        return False

    def value(self, value: Any, node: Node | None) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Duration):
            return units.spell_duration(value)
        if isinstance(value, Size):
            return str(int(value))
        if isinstance(value, dict):
            return self.mapping(value, node)
        if isinstance(value, list):
            below = item_of(node)
            return [self.value(item, below) for item in value]
        if isinstance(value, float) and node is not None and node.cast == "int":
            return int(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
            return int(value)
        if node is not None and node.rule is not None and node.rule.types == ("a string", "a number"):
            return text_of(value)
        # docker compose keeps processor shares and the like in 32 bits.
        return units.single(value) if isinstance(value, float) else value

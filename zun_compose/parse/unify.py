"""What makes two entries of a list the same one: the later replaces the earlier, in the earlier's place."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from zun_compose.parse.rules import Node, Rule, child
from zun_compose.parse.tree import Seq
from zun_compose.parse.volumes import split_volume

_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what an unsaid address stands for


def unify(value: Any, node: Node | None) -> Any:
    """Drop list entries that a later one of the same identity replaces; the place of the first stays."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                below = child(node, key)
                if below is not None and below.unique:
                    value[key] = unify(item, below)
    elif isinstance(value, list) and node is not None:
        below = node.item
        if below is not None and below.unique:
            for index, item in enumerate(value):
                if isinstance(item, dict | list):
                    value[index] = unify(item, below)
        if node.rule is not None and node.rule.unique is not None and len(value) > 1:
            return _distinct(value, node.rule)
    return value


def _distinct(value: list[Any], rule: Rule) -> list[Any]:
    assert rule.unique is not None
    identify = IDENTITIES[rule.unique]
    positions: dict[Hashable, int] = {}
    marks = getattr(value, "marks", [])
    kept: list[int] = []
    for index, item in enumerate(value):
        identity = identify(item)
        if identity is None:
            kept.append(index)
        elif identity in positions:
            kept[positions[identity]] = index
        else:
            positions[identity] = len(kept)
            kept.append(index)
    if len(kept) == len(value):
        return value
    return Seq(
        [value[index] for index in kept],
        getattr(value, "mark", None),
        [marks[index] for index in kept] if len(marks) == len(value) else [],
    )


def _text_identity(item: Any) -> Hashable:
    return item.partition("=")[0] if isinstance(item, str) else None


def _number_identity(item: Any) -> Hashable:
    return str(item) if isinstance(item, str | int) else None


def _port_identity(item: Any) -> Hashable:
    if isinstance(item, dict):
        return (
            item.get("host_ip") or _ANY_ADDRESS,
            str(item.get("published") or ""),
            str(item.get("target") or ""),
            item.get("protocol") or "tcp",
        )
    return str(item)


def _volume_identity(item: Any) -> Hashable:
    if isinstance(item, dict):
        target = item.get("target")
        return target if isinstance(target, str) else None
    if isinstance(item, str):
        return split_volume(item)[1]
    return None


def _device_identity(item: Any) -> Hashable:
    if isinstance(item, dict):
        return str(item.get("target") or item.get("source"))
    parts = str(item).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _mount_identity(default: str) -> Callable[[Any], Hashable]:
    def identify(item: Any) -> Hashable:
        if isinstance(item, dict):
            target = item.get("target")
            return target if target is not None else f"{default}/{item.get('source')}"
        return f"{default}/{item}"

    return identify


def _env_file_identity(item: Any) -> Hashable:
    return item.get("path") if isinstance(item, dict) else str(item)


IDENTITIES: dict[str, Callable[[Any], Hashable]] = {
    "config": _mount_identity(""),
    "device": _device_identity,
    "env_file": _env_file_identity,
    "number": _number_identity,
    "port": _port_identity,
    "secret": _mount_identity("/run/secrets"),
    "text": _text_identity,
    "volume": _volume_identity,
}

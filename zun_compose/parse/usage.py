"""Which attributes of the language a tree uses, each with its place. Pure; `config --report` asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zun_compose.capability import normal
from zun_compose.errors import Mark
from zun_compose.parse.rules import Node, at
from zun_compose.parse.tree import Map, Path, Seq, locate
from zun_compose.record import Record

_SECTIONS = ("services", "networks", "volumes", "configs", "secrets")


class Used(Record, kw_only=True):
    """One attribute of one thing. `path` is that of the language (see capability.normal).

    `value` is a scalar: a list tells of each of its items and a mapping with free keys of each key, after the
    whole, which has None as what only holds others. `place` is the path in the tree.
    """

    thing: str
    path: str
    place: Path
    value: Any
    mark: Mark | None


def used(tree: Map) -> Iterator[Used]:
    """Yield all attributes that a normalised tree asks something by; what was only filled in is left out."""
    for section in _SECTIONS:
        for key, body in (tree.get(section) or {}).items():
            if isinstance(body, dict):
                walk = _Walk(tree, f"{section}.{key}")
                yield from walk.mapping(body, at(section, "*"), f"{section}.*", (section, key))


class _Walk:
    def __init__(self, tree: Map, thing: str) -> None:
        self.tree = tree
        self.thing = thing

    def found(self, path: str, place: Path, value: Any) -> Used:
        mark = locate(self.tree, place, key=isinstance(place[-1], str))
        return Used(thing=self.thing, path=normal(path), place=place, value=value, mark=mark)

    def mapping(self, value: dict[str, Any], node: Node, path: str, place: Path) -> Iterator[Used]:
        # what a short form was made of has no places of its own, and all of it was asked for
        written = value.places if isinstance(value, Map) and value.places else None
        for key, item in value.items():
            if key.startswith(("#", "x-")) or (written is not None and key not in written):
                continue
            known = node.keys.get(key)
            if known is not None:
                yield from self.one(item, known, f"{path}.{key}", (*place, key))
            elif node.other is not None:
                yield self.found(f"{path}.*", (*place, key), key)
                if isinstance(item, dict | list):
                    yield from self.one(item, node.other, f"{path}.*", (*place, key))

    def one(self, value: Any, node: Node, path: str, place: Path) -> Iterator[Used]:
        if value is None or value is False or value == "":
            return
        if isinstance(value, dict):
            yield self.found(path, place, None)
            if not node.free:
                yield from self.mapping(value, node, path, place)
        elif isinstance(value, list | Seq):
            yield self.found(path, place, None)
            for index, item in enumerate(value):
                if isinstance(item, dict) and node.item is not None:
                    yield self.found(path, (*place, index), None)
                    yield from self.mapping(item, node.item, path, (*place, index))
                else:
                    yield self.found(path, (*place, index), item)
        else:
            yield self.found(path, place, value)

"""Checks a tree against the table of the language: types, words, patterns, unknown keys. Changes nothing."""

from __future__ import annotations

from math import isfinite
from typing import Any

from zun_compose.parse.rules import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Node,
    Rule,
    child,
    item_of,
    language,
)
from zun_compose.parse.scalars import Timestamp
from zun_compose.parse.tree import Faults, Path, spell

_SORTS: dict[type, tuple[str, ...]] = {
    bool: (BOOLEAN,),
    int: (INTEGER, NUMBER),
    str: (STRING,),
    type(None): (NULL,),
}

_SINGLE = frozenset((STRING, NUMBER, INTEGER, BOOLEAN))


def check(tree: Any, faults: Faults) -> None:
    """Note every fault of the tree against the table."""
    _Check(tree, faults).value(tree, language(), ())


def check_early(tree: Any, value: Any, node: Node, path: Path, faults: Faults) -> bool:
    """Check the value at a path that is carried out before all is checked; tell whether it is right."""
    before = len(faults.found)
    _Check(tree, faults).value(value, node, path)
    return len(faults.found) == before


def sorts(value: Any) -> tuple[str, ...]:
    """Return the names of the types that a value counts as."""
    kind = type(value)
    known = _SORTS.get(kind)
    if known is not None:
        return known
    if isinstance(value, dict):
        return (OBJECT,)
    if isinstance(value, list):
        return (ARRAY,)
    if isinstance(value, Timestamp):
        return ("a date",)
    if isinstance(value, float):
        return (NUMBER, INTEGER) if value.is_integer() else (NUMBER,)
    if isinstance(value, str):
        return (STRING,)
    if isinstance(value, int):
        return (INTEGER, NUMBER)
    return ("something else",)


class _Check:
    def __init__(self, tree: Any, faults: Faults) -> None:
        self.tree = tree
        self.faults = faults

    def fault(
        self, path: Path, code: str, what: str, hint: str = "", *, key: bool = False, veiled: bool = False
    ) -> None:
        self.faults.at(self.tree, path, code, what, hint, key=key, veiled=veiled)

    def value(self, value: Any, node: Node, path: Path) -> None:
        rule = node.rule
        if rule is not None:
            accepted = rule.types
            for sort in sorts(value):
                if sort in accepted:
                    break
            else:
                found = "a date" if isinstance(value, Timestamp) else sorts(value)[0]
                hint = (
                    "put it in quotes"
                    if found == "a date" or (STRING in accepted and found not in (OBJECT, ARRAY, NULL))
                    else ""
                )
                self.fault(
                    path,
                    "type",
                    f"{spell(path) or 'the file'} must be {_either(accepted)}, not {found}",
                    hint,
                    # Where no single value belongs, this one may have slipped out of `environment`.
                    veiled=not _SINGLE.intersection(accepted),
                )
                return
            if isinstance(value, float) and not isfinite(value) and BOOLEAN not in rule.types:
                self.fault(path, "type", f"{spell(path)} must be a finite number")
            if rule.words or rule.pattern or rule.minimum is not None or rule.maximum is not None:
                self.detail(value, rule, path)
        if isinstance(value, dict):
            self.mapping(value, node, path)
        elif isinstance(value, list):
            self.sequence(value, node, path)

    def detail(self, value: Any, rule: Rule, path: Path) -> None:
        if isinstance(value, str):
            if rule.words and value not in rule.words:
                hint = self.faults.near(value, rule.words) or "one of: " + ", ".join(rule.words)
                self.fault(path, "value", f'{spell(path)} cannot be "{value}"', hint)
            if rule.pattern is not None and not rule.pattern.search(value):
                self.fault(path, "value", f'{spell(path)} cannot be "{value}"', rule.looks)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if rule.minimum is not None and value < rule.minimum:
                self.fault(path, "value", f"{spell(path)} must be at least {rule.minimum:g}")
            if rule.maximum is not None and value > rule.maximum:
                self.fault(path, "value", f"{spell(path)} must be at most {rule.maximum:g}")

    def mapping(self, value: dict[str, Any], node: Node, path: Path) -> None:
        if node.free:
            return
        keys = node.keys
        for key, item in value.items():
            below = keys.get(key)
            if below is None:
                if key[:2] == "x-" and (keys or node.other is None):
                    continue
                below = node.other
            if below is None:
                if node.rule is None or not (keys or node.other):
                    continue
                self.unknown(key, node, path)
                continue
            self.value(item, below, (*path, key))
        if node.rule is not None and (node.rule.names or node.rule.required):
            self.names(value, node.rule, path)

    def names(self, value: dict[str, Any], rule: Rule, path: Path) -> None:
        for key in value:
            if rule.names is not None and not rule.names.fullmatch(key):
                what = f'{spell(path)} cannot hold the name "{key}"'
                hint = "letters, digits, . _ and -" if key else "it is empty"
                self.fault((*path, key), "name", what, hint, key=True)
        for name in rule.required:
            if name not in value:
                self.fault(path, "missing", f"{spell(path)} needs {name}")

    def unknown(self, key: str, node: Node, path: Path) -> None:
        where = spell(path)
        self.fault(
            (*path, key),
            "unknown_key",
            f'{where} has no attribute "{key}"' if where else f'unknown top-level key "{key}"',
            self.faults.near(key, node.keys) or "own keys must start with x-",
            key=True,
        )

    def sequence(self, value: list[Any], node: Node, path: Path) -> None:
        below = item_of(node)
        if below is None or node.free:
            return
        rule = below.rule
        for index, item in enumerate(value):
            # Nearly all lists hold plain strings: skip the walk for them.
            if (
                type(item) is str
                and rule is not None
                and STRING in rule.types
                and not rule.words
                and not rule.pattern
            ):
                continue
            self.value(item, below, (*path, index))
        if node.rule is not None and node.rule.distinct and len(value) > 1:
            self.distinct(value, path)

    def distinct(self, value: list[Any], path: Path) -> None:
        seen: set[Any] = set()
        for index, item in enumerate(value):
            if isinstance(item, str | int | float):
                if item in seen:
                    self.fault((*path, index), "duplicate", f"{spell(path)} holds an entry twice")
                seen.add(item)


def _either(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


__all__ = ["check", "child", "sorts"]

"""Lays one tree over another: how the attributes of several files meet, as the table says.

Works on trees that no check has seen yet: wrong types are left for the check to name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zun_compose.parse.rules import Node, child, item_of
from zun_compose.parse.tree import Faults, Map, Path, Place, Seq, clone, mark_of, spell


def merge(base: Any, over: Any, node: Node | None, faults: Faults, path: Path = ()) -> Any:
    """Return `base` with `over` laid on it; `base` may be changed, `over` is not."""
    rule = node.rule if node is not None else None
    if rule is not None and rule.merge is not None:
        special = _SPECIAL.get(rule.merge)
        if special is not None:
            return special(base, over, node, faults, path)
    if isinstance(base, dict) and isinstance(over, dict):
        return _mappings(base, over, node, faults, path)
    if isinstance(base, list) and isinstance(over, list):
        return _append(base, over)
    if isinstance(base, dict | list) and type(base) is not type(over):
        faults.add(
            "merge",
            f"cannot lay {_sort(over)} over {_sort(base)}: {spell(path)}",
            mark_of(getattr(over, "mark", None)),
        )
        return base
    return clone(over)


def _sort(value: Any) -> str:
    return (
        "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a single value"
    )


def _mappings(
    base: dict[str, Any], over: dict[str, Any], node: Node | None, faults: Faults, path: Path
) -> Any:
    if isinstance(over, Map):
        for key in (*over.reset, *over.override):
            base.pop(key, None)
    for key, value in over.items():
        if key not in base:
            merged = clone(value)
        else:
            below = child(node, key)
            if value is None and not _takes_null(below):
                continue
            merged = merge(base[key], value, below, faults, (*path, key))
        if isinstance(base, Map):
            base.take(key, merged, over)
        else:
            base[key] = merged
    return base


def _takes_null(node: Node | None) -> bool:
    """Tell whether an empty value replaces an earlier one, where elsewhere it says nothing."""
    return node is not None and node.rule is not None and node.rule.merge == "replace"


def _append(base: list[Any], over: list[Any]) -> Seq:
    result = Seq(base, getattr(base, "mark", None), list(getattr(base, "marks", ())))
    marks = getattr(over, "marks", [])
    for item in over:
        result.append(clone(item))
    result.marks = (
        [*result.marks, *marks] if len(result.marks) == len(base) and len(marks) == len(over) else []
    )
    return result


def _replace(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    return clone(over)


def _sequence(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    return _append(as_list(base), as_list(over))


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, a single value as a list of one."""
    if isinstance(value, list):
        return value
    mark = getattr(value, "mark", None)
    return Seq([] if value is None else [value], mark, [])


def as_pairs(value: Any) -> Any:
    """Turn a list of KEY=VALUE into a mapping; the last of a name counts. Other things stay."""
    if not isinstance(value, list):
        return value
    result = Map(getattr(value, "mark", None))
    marks = getattr(value, "marks", [])
    for index, item in enumerate(value):
        if not isinstance(item, str):
            return value
        name, separator, text = item.partition("=")
        result[name] = text if separator else None
        if index < len(marks):
            result.places[name] = Place(marks[index], marks[index])
    return result


def _pairs(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    left, right = as_pairs(base), as_pairs(over)
    if isinstance(left, dict) and isinstance(right, dict):
        if isinstance(right, Map) and isinstance(base, dict):
            # Only the entries of a mapping have names that !reset could mean.
            for key in (*right.reset, *right.override):
                left.pop(key, None)
        for key, value in right.items():
            if isinstance(left, Map):
                left.take(key, value, right)
            else:
                left[key] = value
        return left
    return clone(over)


def as_keys(value: Any, make: Callable[[], Any]) -> Any:
    """Turn a list of names into a mapping from name to `make()`. Other things stay."""
    if not isinstance(value, list):
        return value
    result = Map(getattr(value, "mark", None))
    marks = getattr(value, "marks", [])
    for index, item in enumerate(value):
        if not isinstance(item, str):
            return value
        result[item] = make()
        if index < len(marks):
            result.places[item] = Place(marks[index], marks[index])
    return result


def short_dependency() -> Map:
    """Return what the short form of depends_on stands for."""
    result = Map()
    result["condition"] = "service_started"
    result["required"] = True
    return result


def _keys(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    return _plain(as_keys(base, lambda: None), as_keys(over, lambda: None), node, faults, path)


def _dependencies(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    return _plain(as_keys(base, short_dependency), as_keys(over, short_dependency), node, faults, path)


def _plain(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return _mappings(base, over, node, faults, path)
    return clone(over)


def _build(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    return _plain(as_build(base), as_build(over), node, faults, path)


def as_build(value: Any) -> Any:
    """Turn the short form of build, a context, into the long one."""
    if not isinstance(value, str):
        return value
    result = Map()
    result["context"] = value
    return result


def lengthen_requests(services: Any) -> None:
    """Write out `gpus: all` of services, in place: what is laid on a file's long form is added to it."""
    for service in services.values() if isinstance(services, dict) else ():
        if isinstance(service, dict) and service.get("gpus") == "all":
            request = Map(getattr(service, "mark", None))
            request["count"] = "all"
            service["gpus"] = Seq([request])


def _logging(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        # Options of one driver mean nothing to another.
        if "driver" in base and "driver" in over and base["driver"] != over["driver"]:
            return clone(over)
        return _mappings(base, over, node, faults, path)
    return clone(over)


def _ulimit(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    return _plain(base, over, node, faults, path)


def _hosts(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    left, right = host_list(base), host_list(over)
    known = {item for item in left if isinstance(item, str)}
    for item in right:
        if not isinstance(item, str):
            left.append(item)
        elif item not in known:
            known.add(item)
            left.append(item)
    return left


def host_list(value: Any) -> Seq:
    """Return extra_hosts as a list of NAME=ADDRESS."""
    if isinstance(value, dict):
        found = Seq((), getattr(value, "mark", None))
        for name, addresses in value.items():
            for address in addresses if isinstance(addresses, list) else [addresses]:
                found.append(f"{name}={address}")
        return found
    return Seq(as_list(value), getattr(value, "mark", None), list(getattr(value, "marks", ())))


def _pools(base: Any, over: Any, node: Node | None, faults: Faults, path: Path) -> Any:
    if not isinstance(base, list) or not isinstance(over, list):
        return clone(over)
    result = Seq([clone(item) for item in base], getattr(base, "mark", None))
    known: dict[str, int] = {}
    for index, pool in enumerate(result):
        if isinstance(pool, dict):
            known.setdefault(repr(pool.get("subnet")), index)
    for pool in over:
        if not isinstance(pool, dict):
            result.append(pool)
            continue
        place = known.setdefault(repr(pool.get("subnet")), len(result))
        if place < len(result):
            result[place] = _mappings(result[place], pool, item_of(node), faults, path)
        else:
            result.append(clone(pool))
    return result


_SPECIAL: dict[str, Callable[[Any, Any, Any, Faults, Path], Any]] = {
    "build": _build,
    "dependencies": _dependencies,
    "hosts": _hosts,
    "keys": _keys,
    "logging": _logging,
    "pairs": _pairs,
    "pools": _pools,
    "replace": _replace,
    "sequence": _sequence,
    "ulimit": _ulimit,
}

"""What a file uses of the attributes that nobody carries out (see carried.py), and who is told.

What is refused stands in the way of a plan that holds the service. All else is said in a warning, whatever
the command. `config` prints everything and refuses nothing of it. What only some engines can put in is found
here and judged by the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from zun_compose.capability import Row, Verdict, row_for
from zun_compose.errors import Fault
from zun_compose.model import NOT_CARRIED, Closed, FileObject, Service
from zun_compose.parse.carried import carried
from zun_compose.parse.tree import Faults, Map, Path, locate
from zun_compose.record import Record

_HINT = "take it out, or run this service with docker compose"
_TELLING = (Verdict.IGNORES, Verdict.REFUSES)
_Telling = Mapping[str, tuple[tuple[tuple[str, ...], tuple[Row, ...]], ...]]


class Use(Record, kw_only=True):
    """One use of an attribute that nobody carries out; `where` names the thing, `name` the attribute."""

    where: str
    name: str
    path: Path
    row: Row


def uncarried(
    tree: Map,
    services: Mapping[str, Service],
    faults: Faults,
) -> dict[str, tuple[Fault, ...]]:
    """Return what forbids a service to be brought up, by service; the rest becomes warnings."""
    found: dict[str, tuple[Fault, ...]] = {}
    for name, service in services.items():
        here = tuple(_faults(tree, name, uses(tree, service), faults))
        if here:
            found[name] = here
    return found


def closed(
    tree: Map,
    services: Mapping[str, Service],
    configs: Mapping[str, FileObject],
    secrets: Mapping[str, FileObject],
) -> dict[str, tuple[Closed, ...]]:
    """Return, by service, what cannot be put in as it is asked for where the engine copies no files."""
    found = {name: tuple(_closed(tree, service, configs, secrets)) for name, service in services.items()}
    return {name: here for name, here in found.items() if here}


def uses(tree: Map, service: Service) -> Iterator[Use]:
    """Yield what a service of the tree, and the configs and secrets it uses, ask for in vain."""
    name = service.name
    yield from _uses(tree, ("services", name), f'service "{name}"')
    yield from _overruled(name, tree["services"][name])
    for kind, mounts in (("config", service.configs), ("secret", service.secrets)):
        for source in dict.fromkeys(mount.source for mount in mounts):
            yield from _uses(tree, (f"{kind}s", source), f'{kind} "{source}"')


def _uses(tree: Map, path: tuple[str, str], where: str) -> Iterator[Use]:
    section, key = path
    raw = (tree.get(section) or {}).get(key)
    if not raw:
        return
    telling = _telling()[section]
    for head in raw:
        for parts, rows in telling.get(head, ()):
            for below, value in _reach(raw, parts, ()):
                row = row_for(rows, value)
                if row.verdict in _TELLING:
                    yield Use(where=where, name=".".join(parts), path=(*path, *below), row=row)


def _overruled(name: str, raw: Map) -> Iterator[Use]:
    """Yield what other attributes of the service leave without effect; docker compose reads them alike."""
    policy = (raw.get("deploy") or {}).get("restart_policy") or {}
    found, note = "", ""
    if policy and raw.get("restart"):
        found, note = "deploy.restart_policy", "restart says it already"
    elif policy.get("max_attempts") is not None and policy.get("condition") != "on-failure":
        found, note = "deploy.restart_policy.max_attempts", "it counts for condition on-failure only"
    if found:
        row = Row(verdict=Verdict.IGNORES, note=note)
        path: Path = ("services", name, *found.split("."))
        yield Use(where=f'service "{name}"', name=found, path=path, row=row)


@cache
def _telling() -> Mapping[str, _Telling]:
    """Return the rows that refuse or ignore: by section, then by the first part of the attribute."""
    made: dict[str, dict[str, list[tuple[tuple[str, ...], tuple[Row, ...]]]]] = {
        "services": {},
        "configs": {},
        "secrets": {},
    }
    for path, rows in carried().items():
        section, _, name = path.removesuffix(".**").partition(".*.")
        if section in made and any(row.verdict in _TELLING for row in rows):
            parts = tuple(name.split("."))
            made[section].setdefault(parts[0], []).append((parts, rows))
    return {section: {head: tuple(found) for head, found in heads.items()} for section, heads in made.items()}


def _reach(value: Any, parts: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield what stands at an attribute, in each item of the lists on the way; nothing for what is empty."""
    if not value:
        return
    if not parts:
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _reach(item, parts, (*path, index))
    elif isinstance(value, dict):
        yield from _reach(value.get(parts[0]), parts[1:], (*path, parts[0]))


def _faults(tree: Map, service: str, found: Iterable[Use], faults: Faults) -> Iterator[Fault]:
    for use in found:
        if use.row.verdict is Verdict.REFUSES:
            asks = "asks for" if use.path[0] == "services" else f"uses {use.where} with"
            yield Fault(
                code=NOT_CARRIED,
                what=f'service "{service}" {asks} {use.name}, which zun-compose does not carry out: '
                f"{use.row.note}",
                mark=locate(tree, use.path, key=True),
                hint=_HINT,
            )
        else:
            faults.warn(f"{use.where}: {use.name} is not carried out: {use.row.note}")


def _closed(
    tree: Map, service: Service, configs: Mapping[str, FileObject], secrets: Mapping[str, FileObject]
) -> Iterator[Closed]:
    for kind, mounts, things in (("config", service.configs, configs), ("secret", service.secrets, secrets)):
        for index, mount in enumerate(mounts):
            thing = things.get(mount.source)
            why = service.closed_to(mount.target)
            if thing is None or thing.external or not why:
                continue
            if thing.file is None:
                note = f"has no file to mount, and nothing can be put at {mount.target}: {why}"
            elif not mount.plain:
                asked = "not with the uid, gid or mode asked for"
                note = f"is mounted with the owner and mode of its file, {asked}: {why}"
            else:
                continue
            yield Closed(
                kind=kind,
                index=index,
                source=mount.source,
                refused=thing.file is None,
                note=note,
                mark=locate(tree, ("services", service.name, f"{kind}s", index)),
            )

"""What is done with each attribute of the language: the words of the tables, and how they are read.

Each driver has a table, and so have the parts above the drivers; together they name every attribute. A path
is that of the language without the marks of lists: `services.*.volumes.bind.propagation`. A row tells of
one path and of what free keys or plain items it holds; with `.**` at its end of all below it too. Rows that
refuse or ignore are acted upon: drivers find them in a stack (`findings`), the parser in the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from zun_compose.model import GLANCE, Network, Service, Stack, Volume
from zun_compose.record import Record, defaults

_LISTS = re.compile(r"\[\]|\*\*")
_ENDS = re.compile(r"(?:\.\*)+$|\.$")


class Verdict(StrEnum):
    """What becomes of an attribute: as the specification has it, in effect, said and left out, or refused."""

    DOES = "does"
    EMULATES = "emulates"
    IGNORES = "ignores"
    REFUSES = "refuses"


class Row(Record, kw_only=True):
    """One answer. With `when` it is that for the values (of mappings: the keys) for which `when` is true."""

    verdict: Verdict
    note: str = ""
    when: Callable[[Any], bool] | None = None


Table = Mapping[str, tuple[Row, ...]]
"""Rows by path; those that hold for some values only stand before the one for all others."""


class Finding(Record, kw_only=True):
    """An attribute that a service uses and that is refused or ignored.

    `thing` is what has it: the service, or a network or volume that the service uses. `paths` are all ways to
    write it in the file, `name` how it is said; `value` only of rows with a `when`.
    """

    service: str
    thing: str
    paths: tuple[str, ...]
    name: str
    verdict: Verdict
    note: str
    value: str = ""

    def __str__(self) -> str:
        shown = f' "{self.value}"' if self.value else ""
        return f"{self.name}{shown}: {self.note}"


def in_vain(
    service: Service, name: str, note: str, value: str = "", verdict: Verdict = Verdict.REFUSES
) -> Finding:
    """Return what a driver finds by itself, as no row of a table can tell it; `name` is below the service."""
    return Finding(
        service=service.name,
        thing=f"services.{service.name}",
        paths=(f"services.*.{name}",),
        name=name,
        verdict=verdict,
        note=note,
        value=value,
    )


def rows(
    section: str, verdict: Verdict, names: str, note: str = "", *, when: Callable[[Any], bool] | None = None
) -> Iterator[tuple[str, Row]]:
    """Yield one row for each of `names`, which are parted by blanks; `section` stands before each."""
    row = Row(verdict=verdict, note=note, when=when)
    for name in names.split():
        yield (f"{section}.{name}" if section else name), row


def table(*groups: Iterable[tuple[str, Row]]) -> Table:
    """Return a table of these rows. Raises ValueError for a path that is given twice."""
    made: dict[str, list[Row]] = {}
    for path, row in (pair for group in groups for pair in group):
        known = made.setdefault(path, [])
        if known and known[-1].when is None:
            raise ValueError(f"{path} stands twice in a table")
        known.append(row)
    return {path: tuple(found) for path, found in made.items()}


def overlaid(known: Table, over: Table) -> Table:
    """Return a table with the rows of another in the place of its own; `.**` replaces all below, too."""
    kept = {
        path: found
        for path, found in known.items()
        if not any(name.endswith(".**") and f"{path}.".startswith(name[:-2]) for name in over)
    }
    return {**kept, **over}


def normal(path: str) -> str:
    """Return a path of the language as tables have it: no marks of lists, no free key at the end."""
    return _ENDS.sub("", _LISTS.sub("", path))


def lookup(known: Table, path: str) -> tuple[Row, ...]:
    """Return the rows of a normal path, nearest first; none if the table does not tell of it."""
    found = known.get(path)
    while found is None:
        found = known.get(f"{path}.**")
        path, dot, _ = path.rpartition(".")
        if found is None and not dot:
            return ()
    return found


def rows_of(carried: Table, engine: Table, path: str) -> tuple[Row, ...]:
    """Return the rows of a normal path: what stands above the drivers has the first word.

    Only what a driver refuses whatever its value is refused all the same.
    """
    above, below = lookup(carried, path), lookup(engine, path)
    refused = bool(below) and below[0].when is None and below[0].verdict is Verdict.REFUSES
    return below if refused or not above else above


def row_for(found: Sequence[Row], value: Any) -> Row:
    """Return the row for one value."""
    return next(row for row in found if row.when is None or row.when(value))


# Where the model has another name for it than the file; all else is spelled alike.
_SERVICE_FIELDS: Mapping[str, str] = {
    "cpu_period": "resources.cpu_period",
    "cpu_quota": "resources.cpu_quota",
    "cpu_rt_period": "resources.cpu_rt_period",
    "cpu_rt_runtime": "resources.cpu_rt_runtime",
    "cpu_shares": "resources.cpu_shares",
    "cpus": "resources.cpus",
    "cpuset": "resources.cpuset",
    "deploy.resources.limits.cpus": "resources.cpus",
    "deploy.resources.limits.memory": "resources.memory",
    "deploy.resources.limits.pids": "resources.pids",
    "deploy.resources.reservations.cpus": "resources.reserved_cpus",
    "deploy.resources.reservations.devices": "device_requests",
    "deploy.resources.reservations.memory": "resources.reserved_memory",
    "gpus": "device_requests",
    "mem_limit": "resources.memory",
    "mem_reservation": "resources.reserved_memory",
    "mem_swappiness": "resources.memory_swappiness",
    "memswap_limit": "resources.memory_swap",
    "oom_kill_disable": "resources.oom_kill_disable",
    "oom_score_adj": "resources.oom_score_adj",
    "pids_limit": "resources.pids",
    "ulimits": "ulimits.name",
    "volumes": "mounts",
    "volumes.bind.create_host_path": "mounts.create_host_path",
    "volumes.bind.propagation": "mounts.propagation",
    "volumes.bind.selinux": "mounts.selinux",
    "volumes.consistency": "mounts.consistency",
    # the type tells of both: who has no such mounts refuses them by it
    "volumes.image": "mounts.type",
    "volumes.image.subpath": "mounts.subpath",
    "volumes.tmpfs.mode": "mounts.tmpfs_mode",
    "volumes.tmpfs.size": "mounts.tmpfs_size",
    "volumes.type": "mounts.type",
    "volumes.volume.labels": "mounts.volume_labels",
    "volumes.volume.nocopy": "mounts.nocopy",
    "volumes.volume.subpath": "mounts.subpath",
    "x-zun.auto_heal": "auto_heal",
    "x-zun.auto_remove": "auto_remove",
    "x-zun.availability_zone": "availability_zone",
    "x-zun.cpu_policy": "cpu_policy",
    "x-zun.hints": "hints",
    "x-zun.host": "host",
    "x-zun.image_driver": "image_driver",
}
_NETWORK_FIELDS: Mapping[str, str] = {
    "ipam.config": "ipam",
    "ipam.driver": "ipam_driver",
    "ipam.options": "ipam_options",
}
_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "services": _SERVICE_FIELDS,
    "networks": _NETWORK_FIELDS,
    "volumes": {},
}
_KINDS: Mapping[str, type[Record]] = {"services": Service, "networks": Network, "volumes": Volume}


class _Question(Record, kw_only=True):
    """What to look at in a stack: the fields of the model to follow, and the rows that judge them."""

    section: str
    steps: tuple[str, ...]
    paths: tuple[str, ...]
    rows: tuple[Row, ...]


def _questions(known: Table) -> Iterator[_Question]:
    asked: dict[tuple[str, str], tuple[list[str], tuple[Row, ...]]] = {}
    for path, found in known.items():
        if not any(row.verdict in (Verdict.IGNORES, Verdict.REFUSES) for row in found):
            continue
        plain = path.removesuffix(".**")
        section, _, name = plain.partition(".*.")
        field = _SECTIONS[section].get(name, name.replace(".*", ""))
        asked.setdefault((section, field), ([], found))[0].append(plain)
    for (section, field), (paths, found) in asked.items():
        yield _Question(section=section, steps=tuple(field.split(".")), paths=tuple(paths), rows=found)


def findings(known: Table, stack: Stack) -> tuple[Finding, ...]:
    """Return what the services of a stack, and the networks and volumes they use, ask for in vain."""
    # by the first field: most services leave most fields as they are, and nothing below need be looked at
    questions: dict[str, dict[str, list[_Question]]] = {section: {} for section in _SECTIONS}
    for question in _questions(known):
        questions[question.section].setdefault(question.steps[0], []).append(question)
    heads = {
        section: [
            (name, default, questions[section][name])
            for name, default in defaults(kind)
            if name in questions[section]
        ]
        for section, kind in _KINDS.items()
    }
    found: list[Finding] = []
    for service in stack.services.values():
        for section, key, thing in _things(stack, service):
            for name, default, asked in heads[section]:
                value = getattr(thing, name)
                if value == default:
                    continue
                for question in asked:
                    found += _answers(question, service.name, key, value)
    return tuple(found)


def _things(stack: Stack, service: Service) -> Iterator[tuple[str, str, Any]]:
    """Yield what a service brings along, each with its section and key."""
    yield "services", service.name, service
    for attachment in service.networks or ():
        network = stack.networks.get(attachment.network)
        if network is not None and not network.external:
            yield "networks", network.key, network
    for mount in service.mounts:
        volume = stack.volumes.get(mount.source or "")
        if volume is not None and not volume.external:
            yield "volumes", volume.key, volume


def _answers(question: _Question, service: str, key: str, head: Any) -> Iterator[Finding]:
    section = question.section
    said: set[tuple[Row, str]] = set()
    for value in _values(head, question.steps[1:]):
        row = row_for(question.rows, value)
        # what is empty asks for nothing, unless a row is about just that
        if row.verdict not in (Verdict.IGNORES, Verdict.REFUSES) or (row.when is None and not value):
            continue
        shown = "" if row.when is None else str(value)
        if (row, shown) in said:
            continue
        said.add((row, shown))
        subject = "" if section == "services" else f'{section[:-1]} "{key}": '
        yield Finding(
            service=service,
            thing=f"{section}.{key}",
            paths=question.paths,
            name=f"{subject}{question.paths[0].partition('.*.')[2]}",
            verdict=row.verdict,
            note=row.note,
            value=shown,
        )


def _values(head: Any, steps: Sequence[str]) -> Sequence[Any]:
    """Return what stands at the end of these fields: of mappings the keys, of lists the items."""
    current = _flat(head)
    for step in steps:
        current = [one for value in current for one in _flat(getattr(value, step))]
    return current


def _flat(value: Any) -> Sequence[Any]:
    if isinstance(value, tuple):
        return value
    if isinstance(value, Mapping):
        return list(value)
    return () if value is None else (value,)


def in_glance(image: str) -> bool:
    """Whether an image is an archive in OpenStack's image store."""
    return image.startswith(GLANCE)


def without_cloud() -> Iterator[tuple[str, Row]]:
    """Yield the rows of the words of x-zun that only a cloud carries out, for other engines."""
    yield from rows(
        "services.*.x-zun",
        Verdict.IGNORES,
        "hints availability_zone host cpu_policy auto_heal auto_remove",
        "not carried out: only Zun has it",
    )
    yield from rows(
        "services.*.x-zun",
        Verdict.DOES,
        "image_driver",
        "docker is the only one: glance is refused by the image",
    )


def without_glance() -> Iterator[tuple[str, Row]]:
    """Yield the row that refuses images of Glance; the one for all others stands after it."""
    yield from rows(
        "services.*",
        Verdict.REFUSES,
        "image",
        "Glance is OpenStack's: only the zun driver takes images from it",
        when=in_glance,
    )


def told(found: Iterable[Finding], verdict: Verdict) -> Mapping[str, tuple[str, ...]]:
    """Return the findings of one verdict as sentences, by service; those with one reason are one sentence."""
    by_service: dict[str, dict[str, Finding]] = {}
    for finding in found:
        if finding.verdict is verdict:
            group = by_service.setdefault(finding.service, {})
            key = f"{finding.note}#{finding.name}#{finding.value}" if finding.value else finding.note
            known = group.get(key)
            if known is not None:
                finding = _joined(known, finding)
            group[key] = finding
    return {name: tuple(map(str, group.values())) for name, group in by_service.items()}


def _joined(one: Finding, other: Finding) -> Finding:
    return Finding(
        service=one.service,
        thing=one.thing,
        paths=(*one.paths, *other.paths),
        name=f"{one.name}, {other.name}",
        verdict=one.verdict,
        note=one.note,
    )

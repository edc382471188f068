"""config --report: what a driver does with the attributes of a stack file, where it is not plainly all."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from zun_compose.capability import Finding, Row, Table, Verdict, row_for, rows_of
from zun_compose.driver import Capable, Driver
from zun_compose.errors import Mark, UsageError
from zun_compose.record import Record, as_dict

if TYPE_CHECKING:
    from zun_compose.cli.invocation import Invocation
    from zun_compose.model import Stack
    from zun_compose.parse import Loaded
    from zun_compose.parse.usage import Used


class Line(Record, kw_only=True):
    """One attribute that is not plainly carried out. `service` is "" for what no service asks for alone."""

    service: str
    path: str
    file: str | None
    line: int | None
    verdict: Verdict
    note: str


def report(call: Invocation, loaded: Loaded, services: Collection[str], form: str) -> tuple[str, bool]:
    """Return the report for the driver that the options name, and whether anything is refused."""
    from zun_compose.selection import LOCAL

    driver = _driver(call, loaded.stack)
    try:
        if not isinstance(driver, Capable):
            raise UsageError(f'the driver "{driver.name}" does not tell what it does with each attribute')
        lines = [
            line
            for line in judge(
                loaded,
                driver.capabilities(),
                driver.findings(loaded.stack),
                # said without asking an engine
                copies_files=driver.name == LOCAL,
            )
            if not services or not line.service or line.service in services
        ]
    finally:
        driver.close()
    if form == "json":
        text = json.dumps([as_dict(line) for line in lines], indent=2)
    elif lines:
        text = _tabled(lines)
    else:
        text = f"{driver.name}: all of it is carried out"
    return text, any(line.verdict is Verdict.REFUSES for line in lines)


def _driver(call: Invocation, stack: Stack) -> Driver:
    """Return the named driver without asking its engine; without a name, that of the engine that answers."""
    from zun_compose.drivers.registry import loader
    from zun_compose.selection import AUTO, LOCAL

    name = call.settings.driver
    if name == AUTO:
        return call.choice(stack.name).driver
    connect: Any = loader(name)
    if name == LOCAL and not call.settings.isolation:
        connect = partial(connect, isolated=False)
    driver: Driver = connect(call.settings.host)
    return driver


def judge(loaded: Loaded, table: Table, findings: Sequence[Finding], *, copies_files: bool) -> list[Line]:
    """Return the lines of a report, in the order of the files; `copies_files` as in EngineInfo."""
    from zun_compose.parse.carried import carried
    from zun_compose.parse.usage import used

    attributes = list(used(loaded.tree))
    lines = [
        *_emulated(attributes, carried(), table),
        *_uncarried(loaded),
        *(() if copies_files else _closed(loaded)),
        *_findings(loaded, attributes, findings),
    ]
    unique = {(line.service, line.path, line.file, line.line, line.note): line for line in lines}
    return sorted(unique.values(), key=lambda line: (line.file or "", line.line or 0))


def _emulated(attributes: Sequence[Used], carried: Table, table: Table) -> Iterator[Line]:
    said: dict[tuple[str, ...], Row] = {}
    for one in attributes:
        found = rows_of(carried, table, one.path)
        if not found or (one.value is None and found[0].when is not None):
            continue
        row = row_for(found, one.value)
        if row.verdict is not Verdict.EMULATES:
            continue
        here = tuple(map(str, one.place))
        # what stands above says it of all below
        if any(said.get(here[:depth]) is row for depth in range(len(here))):
            continue
        said[here] = row
        yield _line(one.thing, one.place, one.mark, row)


def _uncarried(loaded: Loaded) -> Iterator[Line]:
    """What nobody carries out, from the file itself."""
    from zun_compose.parse.tree import locate
    from zun_compose.parse.uncarried import uses

    stack = loaded.stack
    for name, service in stack.services.items():
        for use in uses(loaded.tree, service):
            mark = locate(loaded.tree, use.path, key=True)
            yield _line(f"services.{name}", use.path, mark, use.row)


def _closed(loaded: Loaded) -> Iterator[Line]:
    """Configs and secrets that an engine that copies no files cannot put in as they are asked for."""
    for name, found in loaded.stack.closed.items():
        for one in found:
            row = Row(verdict=Verdict.REFUSES if one.refused else Verdict.IGNORES, note=f"it {one.note}")
            yield _line(f"services.{name}", ("services", name, f"{one.kind}s", one.index), one.mark, row)


def _findings(loaded: Loaded, attributes: Sequence[Used], findings: Sequence[Finding]) -> Iterator[Line]:
    """What the driver does not do, each with its place in the file."""
    places: dict[tuple[str, str], list[Used]] = {}
    for one in attributes:
        places.setdefault((one.thing, one.path), []).append(one)
    for finding in findings:
        row = Row(verdict=finding.verdict, note=finding.note)
        known = [one for path in finding.paths for one in places.get((finding.thing, path), ())]
        if finding.value:
            known = [one for one in known if str(one.value) == finding.value] or known[:1]
        for one in _outermost(known):
            yield _line(f"services.{finding.service}", one.place, one.mark, row)
        if not known:
            service = loaded.stack.services[finding.service]
            thing = tuple(finding.thing.split(".", 1))
            path = (*thing, finding.paths[0].partition(".*.")[2])
            yield _line(f"services.{finding.service}", path, service.mark, row)


def _outermost(known: Sequence[Used]) -> Iterator[Used]:
    """Leave out what stands below another one: the whole is said, not each of its parts."""
    places = {one.place for one in known}
    for one in known:
        if not any(one.place[:depth] in places for depth in range(1, len(one.place))):
            yield one


def _line(thing: str, place: Sequence[str | int], mark: Mark | None, row: Row) -> Line:
    from zun_compose.parse.tree import spell

    section, _, name = thing.partition(".")
    own = tuple(place[:2]) == (section, name) and section == "services"
    return Line(
        service=name if section == "services" else "",
        path=spell(tuple(place[2:] if own else place)) or section,
        file=None if mark is None else mark.file,
        line=None if mark is None else mark.line,
        verdict=row.verdict,
        note=row.note,
    )


def _tabled(lines: Sequence[Line]) -> str:
    from zun_compose.cli.table import table

    rows = []
    for line in lines:
        place = "" if line.file is None else f"{line.file}:{line.line}"
        rows.append((line.service or "-", line.path, line.verdict.value, place, line.note))
    return table(("SERVICE", "ATTRIBUTE", "VERDICT", "PLACE", "NOTE"), rows)

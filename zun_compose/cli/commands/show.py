"""ps, status, explain: what there is, how far it is, and what it waits for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.params import output_format, row_format, services
from zun_compose.cli.progress.words import clean, to_be
from zun_compose.cli.table import table
from zun_compose.container import Observed, State
from zun_compose.errors import UsageError

if TYPE_CHECKING:
    from zun_compose.cli.containers import Entry
    from zun_compose.model import Stack
    from zun_compose.status import GateStatus, ServiceStatus, StackStatus

_RUNS = (State.RUNNING, State.PAUSED, State.RESTARTING)


@click.command()
@services()
@click.option("-a", "--all", "everything", is_flag=True, help="Stopped containers too, and those made by run")
@click.option("-q", "--quiet", is_flag=True, help="Print only container ids")
@click.option("--services", "names", is_flag=True, help="Print only the names of services")
@click.option(
    "--status",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="Only containers in this state; may be repeated [default: those that run]",
)
@click.option("--filter", "filters", multiple=True, metavar="status=STATE", help="The same as --status STATE")
@click.option("--orphans/--no-orphans", default=True, help="Whether to list services that the file lacks")
@click.option("--no-trunc", is_flag=True, hidden=True)
@row_format()
@click.pass_obj
def ps(
    call: Invocation,
    /,
    services: tuple[str, ...],
    everything: bool,
    quiet: bool,
    names: bool,
    states: tuple[str, ...],
    filters: tuple[str, ...],
    orphans: bool,
    no_trunc: bool,
    form: str,
) -> None:
    """List containers with docker's STATUS, and READINESS: how far each one really is.

    created, started, listening, healthy and ready follow each other; completed, failed and skipped are
    ends.
    """
    from zun_compose.cli.containers import COLUMNS, HEADERS, as_json, row
    from zun_compose.cli.template import Row, check_form, formatted

    check_form(form, HEADERS)
    target = call.target(services)
    wanted = _states(states, filters)
    containers = call.engine(target).containers(target)
    shown = [
        one
        for one in containers
        if (not services or one.service in services)
        and (everything or not one.oneoff)
        and (one.state in wanted if wanted else everything or one.state in _RUNS)
        and (orphans or isinstance(target, str) or one.service in target.services)
    ]
    if quiet:
        _print_lines(one.id for one in shown)
        return
    if names:
        _print_lines(dict.fromkeys(one.service for one in shown))
        return
    now = datetime.now(UTC)
    entries = _entries(call, target, shown, services)
    if form == "table":
        click.echo(table(COLUMNS, [row(entry, now) for entry in entries]))
        return
    stack = target if isinstance(target, str) else target.name
    rows = [Row(fields=as_json(entry, stack, now), labels=entry.seen.labels) for entry in entries]
    text = formatted(form, rows, HEADERS)
    if text:
        click.echo(text)


@click.command()
@services()
@output_format("table", "json")
@click.pass_obj
def status(call: Invocation, /, services: tuple[str, ...], form: str) -> int:
    """Tell how far each service is. Exits 0 only if all are ready or completed, else 1."""
    target = call.target(services)
    found = call.engine(target).status(target, services)
    if form == "json":
        click.echo(json.dumps(_status_json(found), ensure_ascii=False))
    else:
        click.echo(
            table(("SERVICE", "REPLICAS", "READINESS", "REASON"), [_service_row(s) for s in found.services])
        )
        for orphan in found.orphans:
            call.say(f"container {orphan.name} is of service {orphan.service}, which the stack file lacks")
    return 0 if found.ok and found.services else 1


@click.command()
@services()
@output_format("text", "json")
@click.pass_obj
def explain(call: Invocation, /, services: tuple[str, ...], form: str) -> None:
    """Tell for each gate whether it is open, who was asked, and what the last answer was."""
    stack = call.stack(services)
    gates = call.engine(stack).explain(stack, services)
    if form == "json":
        click.echo(json.dumps([_gate_json(gate) for gate in gates], ensure_ascii=False))
        return
    if not gates:
        click.echo("no service waits for another one")
    for gate in gates:
        _print_lines(_gate_lines(gate))


def _states(states: Sequence[str], filters: Sequence[str]) -> frozenset[State]:
    wanted = {State(state) for state in states}
    for item in filters:
        key, _, value = item.partition("=")
        if key != "status":
            raise UsageError(f'unknown filter "{key}": only status=STATE is known')
        if value not in set(State):
            raise UsageError(f'unknown state "{value}": it is one of {", ".join(State)}')
        wanted.add(State(value))
    return frozenset(wanted)


def _entries(
    call: Invocation, target: Stack | str, shown: Sequence[Observed], services: Sequence[str]
) -> list[Entry]:
    from zun_compose.cli.containers import Entry

    if not shown:
        return []
    found = call.engine(target).status(target, services)
    known = {one.observed.id: one for service in found.services for one in service.containers}
    return [Entry(seen=one, known=known.get(one.id)) for one in shown]


def _print_lines(lines: Any) -> None:
    for line in lines:
        click.echo(line)


def _service_row(service: ServiceStatus) -> tuple[str, ...]:
    running = sum(1 for one in service.containers if one.observed.state in _RUNS)
    return (service.name, f"{running}/{service.replicas}", service.readiness.value, service.reason)


def _status_json(found: StackStatus) -> dict[str, Any]:
    return {
        "name": found.name,
        "ok": found.ok,
        "services": [
            {
                "name": service.name,
                "replicas": service.replicas,
                "readiness": service.readiness.value,
                "reason": service.reason,
                "job": service.job,
                "gates": [_gate_json(gate) for gate in service.gates],
                "containers": [
                    {
                        "id": one.observed.id,
                        "name": one.observed.name,
                        "number": one.observed.number,
                        "state": one.observed.state.value,
                        "health": one.observed.health.value,
                        "our_health": one.our_health,
                        "exit_code": one.observed.exit_code,
                        "readiness": one.readiness.value,
                        "reason": one.reason,
                        "listening": None if one.listening is None else [str(port) for port in one.listening],
                        "ready_since": one.ready_since,
                    }
                    for one in service.containers
                ],
            }
            for service in found.services
        ],
        "orphans": [orphan.name for orphan in found.orphans],
    }


def _gate_json(gate: GateStatus) -> dict[str, Any]:
    return {
        "dependent": gate.dependent,
        "dependency": gate.dependency,
        "condition": gate.condition,
        "verdict": gate.verdict,
        "reason": gate.reason,
        "asked": gate.asked,
        "answer": gate.answer,
        "exit_code": gate.exit_code,
        "log": list(gate.log),
    }


def _gate_lines(gate: GateStatus) -> list[str]:
    reason = f": {gate.reason}" if gate.reason else ""
    lines = [f"{gate.dependent} waits for {gate.dependency} {to_be(gate.condition)}: {gate.verdict}{reason}"]
    if gate.asked:
        lines.append(f"    asked: {gate.asked}")
    if gate.exit_code is not None:
        lines.append(f"    exit code: {gate.exit_code}")
    if gate.answer:
        lines.append(f"    last answer: {clean(gate.answer)}")
    if gate.log and gate.verdict != "open":
        lines.append(f"    last log lines of {gate.dependency}:")
        lines.extend(f"      | {clean(line)}" for line in gate.log)
    return lines

"""Stacks that come up: how long until everything is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.contenders import OURS, PEER, Contender
from bench.floor import FLOOR, Part, floor
from bench.results import Bar, Result, Row, ratio
from bench.session import Session, Timed, check, listener, needs

SERVE = Part(
    command=("sh", "-c", "exec httpd -f -p 8080"),
    listens=True,
    test=("nc", "127.0.0.1", "8080", "-e", "true"),
)
SERVE_LATE = Part(command=("sh", "-c", "sleep 0.2; exec httpd -f -p 8080"), listens=True, test=SERVE.test)
SLEEP = Part(command=("sleep", "3600"))
JOB = Part(command=("true",), ends=True)


def chain(session: Session) -> Result:
    """Ten services, each healthy before the next may start."""
    services = {
        f"s{number}": listener(healthcheck=check(interval="1s"), **_after("s", number, "service_healthy"))
        for number in range(10)
    }
    return _versus(
        session,
        "chain",
        services,
        timed_up("--wait"),
        stages=[[SERVE]] * 10,
        limit=0.30,
        floor_limit=1.3,
        intent="Ten services in a chain, each with a healthcheck (interval 1 s), every gate on healthy; "
        "`up -d --wait`.",
    )


def p2(session: Session) -> Result:
    """Jobs that end at once, one after the other: nine hops."""
    services = {
        f"job{number}": {
            "image": "busybox",
            "command": ["true"],
            **_after("job", number, "service_completed_successfully"),
        }
        for number in range(10)
    }
    return _versus(
        session,
        "p2",
        services,
        timed_up(),
        stages=[[JOB]] * 10,
        limit=0.6,
        intent="Ten jobs `true` in a chain: nine gates `service_completed_successfully`; `up -d`.",
    )


def p4(session: Session) -> Result:
    """A database that is ready at once, with a healthcheck that leaves all times to their defaults."""
    services = {
        "db": listener(healthcheck=check()),
        "app": {
            "image": "busybox",
            "init": True,
            "command": ["sleep", "3600"],
            "depends_on": needs("db"),
        },
    }
    return _versus(
        session,
        "p4",
        services,
        timed_up(),
        stages=[[SERVE], [SLEEP]],
        limit=0.05,
        intent="`db` listens at once and has a healthcheck with default times; `app` waits for it; `up -d`.",
    )


def p9(session: Session) -> Result:
    """A diamond of three levels; each service listens 0.2 s after its start."""
    every: dict[str, Any] = {"healthcheck": check(interval="1s")}
    services = {
        "base": listener(delay=0.2, **every),
        "left": listener(delay=0.2, depends_on=needs("base"), **every),
        "right": listener(delay=0.2, depends_on=needs("base"), **every),
        "top": listener(delay=0.2, depends_on=needs("left", "right"), **every),
    }
    return _versus(
        session,
        "p9",
        services,
        timed_up("--wait"),
        stages=[[SERVE_LATE], [SERVE_LATE, SERVE_LATE], [SERVE_LATE]],
        limit=0.35,
        intent="A diamond of three levels, each ready 0.2 s after its start, healthcheck interval 1 s; "
        "`up -d --wait`.",
    )


def timed_up(*arguments: str) -> Timed:
    """Return the measurement of one `up -d`."""

    def timed(contender: Contender, file: Path) -> dict[str, float]:
        return {"up": contender.must(file, ["up", "-d", *arguments]).seconds}

    return timed


def _after(name: str, number: int, condition: str) -> dict[str, Any]:
    """Return the link of a chain to the one before; the first has none."""
    return {"depends_on": needs(f"{name}{number - 1}", condition=condition)} if number else {}


def _versus(
    session: Session,
    name: str,
    services: Mapping[str, Any],
    timed: Timed,
    *,
    stages: Sequence[Sequence[Part]],
    limit: float,
    intent: str,
    floor_limit: float | None = None,
) -> Result:
    found = session.alternate(session.write(name, services), timed)
    floors = [floor(session.engine, stages) for _ in range(session.runs)]
    row = Row(what="`up`", samples={**found["up"], FLOOR: floors})
    bars = [Bar(what="ours / docker compose", value=ratio(row, OURS, PEER), limit=limit)]
    if floor_limit is not None:
        bars.append(Bar(what="ours / floor", value=ratio(row, OURS, FLOOR), limit=floor_limit))
    notes = [
        f"floor / docker compose: {ratio(row, FLOOR, PEER):.3g}; ours / floor: {ratio(row, OURS, FLOOR):.3g}"
    ]
    return Result(scenario=name, intent=intent, rows=[row], bars=bars, notes=notes)

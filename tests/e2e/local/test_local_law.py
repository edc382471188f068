"""The readiness law on the local driver: no dependent ever starts before its dependency's fact.

The fact is told by the service's own clock and by the kernel's tables, the start by the dependent's own
clock: it writes it into a folder of the test as the first thing it does, so one that ran leaves its word.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.e2e.law import CASES, LATE, Case, free_port
from tests.e2e.listener import PORT
from tests.e2e.local.place import Place
from tests.e2e.site import Ran, until
from tests.e2e.witness import Bound, Tables, bound

READY = "/tmp/ready"  # inside a container, where the image host can be written to
LISTENER = Path(__file__).parents[1] / "listener.py"
RECORD = ["sh", "-c", "date +%s.%N >> /out/app; exec sleep 3600"]


def write(place: Place, case: Case) -> None:
    """Write the stack: `app` needs `late`, which is late."""
    (place.folder / "out").mkdir()
    more = yaml.safe_load(case.more.replace("/ready", READY).replace("${PUBLISHED}", str(free_port())))
    place.stack(
        {
            "late": {
                "command": ["python3", "-S", "/listener.py", case.what, str(LATE)],
                "environment": {"READY": READY},
                "configs": [{"source": "listener", "target": "/listener.py"}],
                **more,
            },
            "app": {
                "command": RECORD,
                "volumes": ["./out:/out"],
                "depends_on": {"late": yaml.safe_load(f"{{{case.gate}}}")},
            },
        },
        configs={"listener": {"file": str(LISTENER)}},
    )


def starts(place: Place) -> list[float]:
    """Return when `app` ran, by its own clock."""
    written = place.folder / "out" / "app"
    return [float(line) for line in written.read_text().split()] if written.exists() else []


def bring_up(place: Place, case: Case) -> tuple[Ran, Tables]:
    """Run `up -d` beside the kernel's tables."""
    write(place, case)
    with Tables(lambda: place.pid("late"), case.protocol, PORT) as tables:
        ran = place.run("up", "-d", expect=0 if case.opens else 1)
        if case.opens and case.kernel:
            until(lambda: tables.opened_by, "the kernel says that the port is bound")
    return ran, tables


def names(cases: Mapping[str, Case], *, opens: bool) -> list[str]:
    return [name for name, case in cases.items() if case.opens is opens]


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", names(CASES, opens=True))
def test_the_dependent_starts_after_the_fact(name: str, places, size) -> None:
    for turn in range(size(1, 10)):
        assert_in_order(places(f"{name}-{turn}"), CASES[name])


def assert_in_order(place: Place, case: Case) -> None:
    _, tables = bring_up(place, case)
    (started,) = until(lambda: starts(place), "app has started")
    stamp = json.loads(place.logs("late"))
    assert started > stamp["before"], f"started {stamp['before'] - started:.3f} s too early"
    if case.kernel:
        # Asked while the port was still closed: without that the test would prove nothing.
        assert tables.closed_until > place.process("late").started
        assert started > tables.closed_until
        assert tables.seen == {Bound(case.protocol, case.address, PORT)}
    assert {row["Readiness"] for row in place.ps().values()} == {"ready"}
    place.down()


@pytest.mark.parametrize("name", [name for name in names(CASES, opens=False) if CASES[name].kernel])
def test_a_socket_that_nobody_can_reach_opens_no_gate(name: str, place: Place) -> None:
    ran, tables = bring_up(place, CASES[name])
    assert starts(place) == []
    assert tables.seen == {Bound("tcp", CASES[name].address, PORT)}, "it did listen, on loopback"
    assert not tables.opened_by
    assert place.states() == {"late-1": "running"}, "what never started is not left behind"
    assert ran.ended - place.process("late").started > 4.0, "not before the edge's timeout"
    for word in ("app -> late", "loopback", "after 4 s"):
        assert word in ran.err
    place.down()


def test_a_dependency_that_dies_first_opens_no_gate(place: Place) -> None:
    ran, _ = bring_up(place, CASES["dies-first"])
    assert starts(place) == []
    assert place.states() == {"late-1": "exited"}
    for word in ("app -> late", "code 1", "no disk, no data"):
        assert word in ran.err
    place.down()


def test_an_open_gate_stays_open_and_ps_shows_that_the_port_has_closed(place: Place) -> None:
    write(place, CASES["late"])
    place.run("up", "-d")
    app, late = place.process("app"), place.process("late")
    assert place.ps()["late-1"]["Readiness"] == "ready"
    os.kill(late.pid, signal.SIGUSR1)
    until(lambda: not any(one.port == PORT for one in bound(late.pid)), "the kernel has no listener any more")
    assert place.ps()["late-1"]["Readiness"] == "started"
    assert place.process("app").pid == app.pid, "the gate was latched"
    assert len(starts(place)) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_waiting_nothing_is_started_behind_the_user(
    number: signal.Signals, place: Place
) -> None:
    write(place, CASES["late"])
    up = place.begin("up", "-d")
    pid = until(lambda: place.pid("late"), "late runs")
    up.send(number)
    assert up.end().code == 130
    until(lambda: any(one.port == PORT for one in bound(pid)), "the dependency listens by now")
    assert place.states() == {"late-1": "running"}
    assert starts(place) == []
    place.down()


def test_the_gates_are_what_orders_the_stack(place: Place) -> None:
    """With every gate set to started the same dependency is too late: so the cases above can fail."""
    case = CASES["late"]
    write(place, Case(what=case.what, gate="condition: service_started"))
    place.run("up", "-d")
    (started,) = until(lambda: starts(place), "app has started")
    stamp = json.loads(until(lambda: place.logs("late"), "late listens"))
    assert started < stamp["before"]

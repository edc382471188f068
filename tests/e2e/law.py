"""What the readiness law is tried and judged by, on each engine that tells starts by itself.

A dependency is late in its own way. Its fact is told twice, and never by zun-compose: by the clock of the
service itself, just before it listens (or gets healthy), and by the kernel's tables of the container, read
beside the operation. The start is the engine's own StartedAt.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.listener import PORT
from tests.e2e.site import Ran, Site, moment, until
from tests.e2e.witness import Bound, Tables, Witness, bound

ROOT = Path(__file__).resolve().parents[2]
LATE = 2.0  # seconds: later than any start takes, so that a gate which did not wait is caught
IMAGE = "zun-compose-tests-host"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A dependency that is late in its own way. `opens` says whether the gate may ever open."""

    what: str
    more: str = 'expose: ["8080"]'
    gate: str = "condition: service_started, x-condition: service_listening"
    protocol: str = "tcp"
    address: str = "0.0.0.0"
    opens: bool = True
    kernel: bool = True


CASES: Mapping[str, Case] = {
    "late": Case(what="tcp"),
    "published": Case(what="tcp", more='ports: ["127.0.0.1:${PUBLISHED}:8080"]'),
    "ipv6-only": Case(what="v6", address="::"),
    "udp": Case(what="udp", more='expose: ["8080/udp"]', protocol="udp"),
    "late-health": Case(
        what="health",
        more='healthcheck: {test: [CMD-SHELL, "test -e /ready"], interval: 1s, retries: 60}',
        gate="condition: service_healthy",
        kernel=False,
    ),
    "loopback-only": Case(
        what="loopback",
        gate="condition: service_started, x-condition: service_listening, x-timeout: 4s",
        address="127.0.0.1",
        opens=False,
    ),
    "resolver-only": Case(
        what="resolver",
        gate="condition: service_started, x-condition: service_listening, x-timeout: 4s",
        address="127.0.0.11",
        opens=False,
    ),
    "dies-first": Case(what="dies", opens=False, kernel=False),
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was seen of one `up`, and how it left things. `app` is None where it never was."""

    ran: Ran
    witness: Witness
    tables: Tables
    states: Mapping[str, str]
    late: Mapping[str, Any]
    app: Mapping[str, Any] | None
    said: str


Gathered = Mapping[str, list[Future[Evidence]]]


def write(site: Site, case: Case) -> None:
    """Write the stack: `app` needs `late`, which is late."""
    # what is given up is given up after the fact, however late the engine makes that
    gate = case.gate.replace("x-timeout: 4s", f"x-timeout: {site.patience:g}s")
    site.put("listener.py", (Path(__file__).parent / "listener.py").read_text())
    site.write(f"""
        services:
          late:
            image: {site.interpreter}
            init: true
            command: [python3, /listener.py, {case.what}, "{site.late}"]
            configs: [{{source: listener, target: /listener.py}}]
            {case.more}
          app:
            image: {site.image}
            init: true
            command: [sleep, "3600"]
            depends_on:
              late: {{{gate}}}
        configs:
          listener: {{file: ./listener.py}}
        """)


def bring_up(site: Site, case: Case) -> Evidence:
    """Run `up -d` between the witnesses, note what came of it, and leave nothing."""
    try:
        return _brought_up(site, case)
    finally:
        site.clear()


def _brought_up(site: Site, case: Case) -> Evidence:
    write(site, case)
    site.environment["PUBLISHED"] = str(free_port())
    with (
        Witness(site.engine, site.name) as witness,
        Tables(lambda: witness.pid("late"), case.protocol, PORT) as tables,
    ):
        ran = site.run("up", "-d", expect=0 if case.opens else 1)
        if case.opens:
            # The table is read once more after the end, so that a gate that opened too early is seen too.
            witness.wait("start", "late")
            if case.kernel:
                until(lambda: tables.opened_by, f"{site.name}: the port listens")
        else:
            witness.wait("destroy", "app")
    return Evidence(
        ran=ran,
        witness=witness,
        tables=tables,
        states=site.states(),
        late=site.container("late")["State"],
        app=site.container("app")["State"] if case.opens else None,
        said=site.logs("late"),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def interpreter(environment: Mapping[str, str] = os.environ) -> str:
    """Make an image of this machine's own Python, for busybox has no interpreter; returns its name."""
    script = str(ROOT / "scripts" / "docker-image")
    subprocess.run(
        [sys.executable, script, "--tag", IMAGE], check=True, stdout=subprocess.DEVNULL, env=environment
    )
    return IMAGE


@contextmanager
def gathered(make: Callable[[str], Site], cases: Mapping[str, Case], times: int) -> Iterator[Gathered]:
    """Bring all cases up, several stacks side by side; each so often."""
    with ThreadPoolExecutor(4) as pool:
        futures: dict[str, list[Future[Evidence]]] = {name: [] for name in cases}
        for _ in range(times):
            for name, case in cases.items():
                futures[name].append(pool.submit(bring_up, make(name), case))
        yield futures


def assert_in_order(case: Case, found: Evidence) -> None:
    """The dependent started once, after the fact."""
    assert found.app is not None
    started = moment(found.app["StartedAt"])
    assert [round(one.at) for one in found.witness.all("start", "app")] == [pytest.approx(started, abs=1)], (
        "started exactly once"
    )
    stamp = json.loads(found.said)
    assert started > stamp["before"], f"{case.what}: started {stamp['before'] - started:.3f} s too early"
    if case.kernel:
        # The kernel was asked while the port was still closed: without that the test would prove nothing.
        assert found.tables.closed_until > moment(found.late["StartedAt"])
        assert started > found.tables.closed_until
        assert found.tables.seen == {Bound(case.protocol, case.address, PORT)}


def assert_shut(case: Case, found: Evidence, patience: float) -> None:
    """A socket that nobody can reach opened no gate."""
    assert found.witness.all("start", "app") == []
    assert found.tables.seen == {Bound("tcp", case.address, PORT)}, "it did listen, on loopback"
    assert not found.tables.opened_by
    assert found.states == {"late-1": "running"}, "what never started is not left behind"
    assert found.ran.ended - moment(found.late["StartedAt"]) > patience, "not before the edge's timeout"
    for word in ("app -> late", "loopback", f"after {patience:g} s"):
        assert word in found.ran.err


def assert_died(found: Evidence) -> None:
    """A dependency that died first opened no gate."""
    assert found.witness.all("start", "app") == []
    assert found.states == {"late-1": "exited"}
    for word in ("app -> late", "no disk, no data"):
        assert word in found.ran.err


def closes_again(site: Site) -> None:
    """An open gate stays open, and `ps` shows that the port has closed."""
    write(site, CASES["late"])
    site.run("up", "-d")
    started = site.container("app")["State"]["StartedAt"]
    late = site.container("late")
    assert readiness(site, "late") == "ready"
    site.engine.api.kill(late["Id"], signal.SIGUSR1)
    pid = int(late["State"]["Pid"])
    until(lambda: not any(one.port == PORT for one in bound(pid)), "the kernel has no listener any more")
    assert readiness(site, "late") == "started"
    app = site.container("app")["State"]
    assert (app["Status"], app["StartedAt"]) == ("running", started), "the gate was latched"


def interrupted(site: Site, number: signal.Signals) -> None:
    """Who is interrupted while waiting starts nothing behind the user."""
    write(site, CASES["late"])
    with Witness(site.engine, site.name) as witness:
        up = site.begin("up", "-d")
        witness.wait("start", "late")
        up.send(number)
        assert up.end().code == 130
        pid = int(site.container("late")["State"]["Pid"])
        until(lambda: any(one.port == PORT for one in bound(pid)), "the dependency listens by now")
        # Nobody is there to open the gate: the process has ended, and the container that waited is gone.
        assert site.states() == {"late-1": "running"}
        assert witness.all("start", "app") == []


def readiness(site: Site, service: str) -> str:
    """Return how far zun-compose says that a service is."""
    rows = site.run("ps", "--format", "json").rows()
    return str(next(row["Readiness"] for row in rows if row["Service"] == service))

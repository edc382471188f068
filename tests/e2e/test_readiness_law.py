"""The readiness law, judged from outside: a dependent never starts before its dependency's fact.

The fact is told twice, and never by zun-compose: by the clock of the service itself, just before it
listens (or gets healthy), and by the kernel's tables of the container, read beside the operation.
The start is the engine's own StartedAt.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker import DockerClient

from tests.e2e.listener import PORT
from tests.e2e.site import Ran, Site, moment, until
from tests.e2e.witness import Bound, Tables, Witness, bound

pytestmark = [pytest.mark.docker, pytest.mark.soak]

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
    """What the witnesses brought back of one `up`."""

    ran: Ran
    site: Site
    witness: Witness
    tables: Tables


Gathered = Mapping[str, list[Future[Evidence]]]


def write(site: Site, case: Case) -> None:
    """Write the stack: `app` needs `late`, which is late."""
    site.put("listener.py", (Path(__file__).parent / "listener.py").read_text())
    site.write(f"""
        services:
          late:
            image: {IMAGE}
            init: true
            command: [python3, /listener.py, {case.what}, "{LATE}"]
            configs: [{{source: listener, target: /listener.py}}]
            {case.more}
          app:
            image: busybox
            init: true
            command: [sleep, "3600"]
            depends_on:
              late: {{{case.gate}}}
        configs:
          listener: {{file: ./listener.py}}
        """)


def bring_up(site: Site, case: Case) -> Evidence:
    """Run `up -d` between the witnesses."""
    write(site, case)
    site.environment["PUBLISHED"] = str(free_port())
    with (
        Witness(site.engine, site.name) as witness,
        Tables(witness, site.engine, "late", case.protocol, PORT) as tables,
    ):
        ran = site.run("up", "-d", expect=0 if case.opens else 1)
        if case.opens:
            # The table is read once more after the end, so that a gate that opened too early is seen too.
            witness.wait("start", "late")
            if case.kernel:
                until(lambda: tables.opened_by, f"{site.name}: the port listens")
        else:
            witness.wait("destroy", "app")
    return Evidence(ran=ran, site=site, witness=witness, tables=tables)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def host_image(engine: DockerClient) -> str:
    """An image of this machine's own Python: busybox has no interpreter."""
    script = str(ROOT / "scripts" / "docker-image")
    subprocess.run([sys.executable, script, "--tag", IMAGE], check=True, stdout=subprocess.DEVNULL)
    return IMAGE


@pytest.fixture(scope="module")
def evidence(
    make_site: Callable[[str], Site], host_image: str, size: Callable[[int, int], int]
) -> Iterator[Gathered]:
    """All cases, several stacks side by side; each as often as the size says."""
    sites: list[Site] = []
    with ThreadPoolExecutor(4) as pool:
        futures: dict[str, list[Future[Evidence]]] = {name: [] for name in CASES}
        for _ in range(size(1, 10)):
            for name, case in CASES.items():
                sites.append(make_site(name))
                futures[name].append(pool.submit(bring_up, sites[-1], case))
        yield futures
    for site in sites:
        site.clear()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.opens])
def test_the_dependent_starts_after_the_fact(name: str, evidence: Gathered) -> None:
    case = CASES[name]
    for found in (future.result() for future in evidence[name]):
        started = moment(found.site.container("app")["State"]["StartedAt"])
        assert [round(one.at) for one in found.witness.all("start", "app")] == [
            pytest.approx(started, abs=1)
        ], "started exactly once"
        stamp = json.loads(found.site.logs("late"))
        assert started > stamp["before"], f"{name}: started {stamp['before'] - started:.3f} s too early"
        if case.kernel:
            # The kernel was asked while the port was still closed: without that the test would prove nothing.
            assert found.tables.closed_until > moment(found.site.container("late")["State"]["StartedAt"])
            assert started > found.tables.closed_until
            assert found.tables.seen == {Bound(case.protocol, case.address, PORT)}


@pytest.mark.parametrize("name", ["loopback-only", "resolver-only"])
def test_a_socket_that_nobody_can_reach_opens_no_gate(name: str, evidence: Gathered) -> None:
    for found in (future.result() for future in evidence[name]):
        assert found.witness.all("start", "app") == []
        assert found.tables.seen == {Bound("tcp", CASES[name].address, PORT)}, "it did listen, on loopback"
        assert not found.tables.opened_by
        assert found.site.states() == {"late-1": "running"}, "what never started is not left behind"
        late = found.site.container("late")["State"]
        assert found.ran.ended - moment(late["StartedAt"]) > 4.0, "not before the edge's timeout"
        for word in ("app -> late", "loopback", "after 4 s"):
            assert word in found.ran.err


def test_a_dependency_that_dies_first_opens_no_gate(evidence: Gathered) -> None:
    for found in (future.result() for future in evidence["dies-first"]):
        assert found.witness.all("start", "app") == []
        assert found.site.states() == {"late-1": "exited"}
        for word in ("app -> late", "no disk, no data"):
            assert word in found.ran.err


def test_an_open_gate_stays_open_and_ps_shows_that_the_port_has_closed(host_image: str, site: Site) -> None:
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_waiting_nothing_is_started_behind_the_user(
    number: signal.Signals, host_image: str, site: Site
) -> None:
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

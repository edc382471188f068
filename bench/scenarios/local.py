"""The local driver: many services beside the same on Docker, what a supervisor costs, how fast gates open."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.contenders import ROOT, Contender, Failed
from bench.results import Bar, Result, Row, ratio
from bench.scenarios import latency
from bench.session import Session, needs

LOCAL = "local"
DOCKER = "docker"
STATE = ROOT / ".bench" / "state" / "zun-compose" / "local"
MANY = 200
MOST = 1000
LINKS = 100
MIB = 1024.0  # KiB, which is what the kernel counts in
TIMES = 3  # turns at most: one of Docker takes minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """A container's supervisor, as its own record names it."""

    pid: int
    status: str

    @property
    def share(self) -> float:
        """Its proportional share of memory, in MiB; raises OSError if it has ended."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) / MIB
        raise Failed(f"the kernel does not tell the memory of process {self.pid}")


def supervisors(stack: str) -> Iterator[Supervisor]:
    """Read who supervises a stack's containers."""
    for member in (STATE / "stacks" / stack / "containers").glob("*"):
        told = json.loads((STATE / "containers" / member.name / "state.json").read_text())
        yield Supervisor(pid=int(told["supervisor"]), status=str(told["status"]))


def contender(session: Session, driver: str) -> Contender:
    """Return our program with a driver that was named."""
    return Contender(name=driver, program=(*session.ours.program, "--driver", driver), suffix=driver)


def sleepers(count: int, image: str) -> Mapping[str, Any]:
    """Return services that need nothing of each other."""
    sleeper = {"image": image, "init": True, "command": ["sleep", "3600"]}
    return {f"s{number:04}": sleeper for number in range(count)}


def many(session: Session) -> Result:
    """200 independent services on local and on Docker, and what each supervisor takes of memory."""
    local, docker = contender(session, LOCAL), contender(session, DOCKER)
    files = {
        LOCAL: session.write("local200", sleepers(MANY, "host")),
        DOCKER: session.write("docker200", sleepers(MANY, "busybox")),
    }
    shares: list[float] = []
    found: dict[str, dict[str, list[float]]] = {"up": {}, "down": {}}
    for number in range(min(session.runs, TIMES)):
        for one in (local, docker) if number % 2 == 0 else (docker, local):
            file = files[one.name]
            with cleared(one, file):
                found["up"].setdefault(one.name, []).append(one.must(file, ["up", "-d"]).seconds)
                if one is local:
                    shares.append(mean(each.share for each in running(one, file, MANY)))
                found["down"].setdefault(one.name, []).append(one.must(file, ["down"]).seconds)
    up = Row(what="`up -d`", samples=found["up"])
    down = Row(what="`down`", samples=found["down"])
    memory = Row(what="a supervisor's memory (PSS), mean of 200", samples={LOCAL: shares}, unit="MiB")
    return Result(
        scenario="local-many",
        intent=f"{MANY} independent services `sleep` on the local driver and on Docker, both by zun-compose.",
        rows=[up, down, memory],
        bars=[
            Bar(what="up, local / docker", value=ratio(up, LOCAL, DOCKER), limit=0.25),
            Bar(what="a supervisor's memory", value=memory.middle(LOCAL), limit=12, unit=" MiB"),
        ],
        notes=[f"down, local / docker: {ratio(down, LOCAL, DOCKER):.3g}"],
    )


def most(session: Session) -> Result:
    """1,000 services up and down."""
    local = contender(session, LOCAL)
    file = session.write("local1000", sleepers(MOST, "host"))
    with cleared(local, file):
        up = local.must(file, ["up", "-d"]).seconds
        shares = [each.share for each in running(local, file, MOST)]
        down = local.must(file, ["down"]).seconds
        left = len(list(supervisors(local.stack(file.parent.name))))
    return Result(
        scenario="local-most",
        intent=f"{MOST} independent services `sleep` on the local driver, once.",
        rows=[
            Row(what="`up -d`", samples={LOCAL: [up]}),
            Row(what="`down`", samples={LOCAL: [down]}),
            Row(what="all supervisors' memory (PSS)", samples={LOCAL: [sum(shares)]}, unit="MiB"),
        ],
        bars=[Bar(what="containers left by down", value=left, limit=0)],
    )


def gates(session: Session) -> Result:
    """Gate latency on local."""
    local = contender(session, LOCAL)
    listening = latency.measure(
        session,
        "listening-local",
        latency.LISTEN,
        "service_started",
        {"x-condition": "service_listening"},
        ours=local,
        there=printed(local),
    )
    ending = latency.measure(
        session,
        "ending-local",
        latency.EXIT,
        "service_completed_successfully",
        {},
        ours=local,
        there=printed(local),
    )
    return Result(
        scenario="local-latency",
        intent=f"Chains of {latency.LINKS} services on the local driver, as in latency.",
        rows=[
            Row(what="listen() to gate_opened, `service_listening`", samples={LOCAL: listening}, unit="ms"),
            Row(
                what="exit to gate_opened, `service_completed_successfully`",
                samples={LOCAL: ending},
                unit="ms",
            ),
        ],
        bars=[
            Bar(what="listening, median", value=median(listening), limit=20, unit=" ms"),
            Bar(what="completion, median", value=median(ending), limit=20, unit=" ms"),
        ],
    )


def links(session: Session) -> Result:
    """A chain of 100, each listening before the next may start."""
    local = contender(session, LOCAL)
    after = {"condition": "service_started", "x-condition": "service_listening"}
    services = {
        f"s{number:03}": {
            "image": "host",
            "init": True,
            "command": ["busybox", "httpd", "-f", "-p", "8080", "-h", "/tmp"],
            "expose": ["8080"],
            **({"depends_on": needs(f"s{number - 1:03}", **after)} if number else {}),
        }
        for number in range(LINKS)
    }
    file = session.write("local-chain", services)
    found = []
    for _ in range(session.runs):
        with cleared(local, file):
            found.append(local.must(file, ["up", "-d"]).seconds)
    row = Row(what="`up -d`", samples={LOCAL: found})
    return Result(
        scenario="local-chain",
        intent=f"{LINKS} services in a chain on the local driver, every gate on listening.",
        rows=[row],
        bars=[Bar(what="up", value=row.middle(LOCAL), limit=6, unit=" s")],
    )


@contextmanager
def cleared(one: Contender, file: Path) -> Iterator[None]:
    """Have nothing of the stack before and after."""
    one.clear(file)
    try:
        yield
    finally:
        one.clear(file)


def running(one: Contender, file: Path, count: int) -> list[Supervisor]:
    """Return all supervisors; raises Failed unless that many containers run."""
    found = [each for each in supervisors(one.stack(file.parent.name)) if each.status == "running"]
    if len(found) != count:
        raise Failed(f"{one.name} left {len(found)} containers running, not {count}")
    return found


def printed(one: Contender) -> Callable[[str, str], float]:
    """Return what finds the moment that a service of a stack printed."""

    def there(stack: str, service: str) -> float:
        for member in (STATE / "stacks" / stack / "containers").glob("*"):
            place = STATE / "containers" / member.name
            if json.loads((place / "spec.json").read_text())["service"] == service:
                words = (place / "log").read_text().split()
                return float(words[words.index("there") + 1])
        raise Failed(f"{one.name}: {service} printed no time")

    return there

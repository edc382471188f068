"""Gate latency: from the moment a service is there, by its own clock reading, to our `gate_opened`.

The services run on this machine, so their clock is ours. They run one after the other, each after a random
delay, so that one thing at a time is waited for and no look falls together with its moment by habit.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.contenders import OURS, ROOT, Contender, Failed
from bench.floor import FLOOR
from bench.results import Bar, Result, Row
from bench.session import Session, needs

There = Callable[[str, str], float]

LINKS = 6
LISTEN = (
    "import socket,time; time.sleep({delay}); s=socket.create_server(('', 8080));"
    "print('there', time.time(), flush=True); time.sleep(3600)"
)
EXIT = "import os,time; time.sleep({delay}); print('there', time.time(), flush=True); os._exit(0)"
TEST = ("python3", "-S", "-c", "import socket; socket.create_connection(('127.0.0.1', 8080), 1)")


def latency(session: Session) -> Result:
    """Listening, completion and health gates, each in a chain."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / "docker-image")], check=True)
    listening = measure(session, "listening", LISTEN, "service_started", {"x-condition": "service_listening"})
    ending = measure(session, "ending", EXIT, "service_completed_successfully", {})
    healthy = measure(session, "healthy", LISTEN, "service_healthy", {})
    test = _test_time(session)
    word = [_exit_word(session, number) for number in range(max(5, session.runs))]
    rows = [
        Row(what="listen() to gate_opened, `service_listening`", samples={OURS: listening}, unit="ms"),
        Row(
            what="exit to gate_opened, `service_completed_successfully`",
            samples={OURS: ending, FLOOR: word},
            unit="ms",
        ),
        Row(what="listen() to gate_opened, `service_healthy`", samples={OURS: healthy}, unit="ms"),
        Row(what="one run of the test by exec", samples={FLOOR: test}, unit="ms"),
    ]
    return Result(
        scenario="latency",
        intent=f"Chains of {LINKS} services with random delays of 0.1 to 1.5 s and nothing else going on; "
        "Python services that print the time after listen(), or before they exit; healthcheck interval 1 s.",
        rows=rows,
        bars=[
            Bar(what="listening, median", value=median(listening), limit=50, unit=" ms"),
            Bar(what="completion, median", value=median(ending), limit=50, unit=" ms"),
            Bar(
                what="health beyond one run of the test",
                value=median(healthy) - median(test),
                limit=150,
                unit=" ms",
            ),
        ],
    )


def measure(
    session: Session,
    name: str,
    program: str,
    condition: str,
    edge: Mapping[str, str],
    *,
    ours: Contender | None = None,
    there: There | None = None,
) -> list[float]:
    """Return the latencies in milliseconds of all gates of all runs.

    `there` returns the moment that a service of a stack printed; by default Docker is asked.
    """
    ours = ours or session.ours
    there = there or (lambda stack, service: _there(session, stack, service))
    found: list[float] = []
    for number in range(session.runs):
        chance = random.Random(f"{name}{number}")
        services: dict[str, Any] = {}
        for link in range(LINKS + 1):
            delay = round(chance.uniform(0.1, 1.5), 3)
            services[f"s{link}"] = {
                "image": "host",
                "init": True,
                "expose": ["8080"],
                "command": ["python3", "-S", "-c", program.format(delay=delay)],
            }
            if condition == "service_healthy":
                services[f"s{link}"]["healthcheck"] = {
                    "test": ["CMD", *TEST],
                    "interval": "1s",
                    "retries": 30,
                }
            if link:
                services[f"s{link}"]["depends_on"] = needs(f"s{link - 1}", condition=condition, **edge)
        file = session.write(f"latency-{name}", services)
        ours.clear(file)
        try:
            found += _one(ours, file, there)
        finally:
            ours.clear(file)
        print(f"  {number + 1}/{session.runs} {name}: median {median(found):.0f} ms so far", file=sys.stderr)
    return found


def _one(ours: Contender, file: Path, there: There) -> list[float]:
    """Bring the chain up once; returns each gate's latency in milliseconds."""
    progress = Contender(name=ours.name, program=(*ours.program, "--progress", "json"), suffix=ours.suffix)
    ran = progress.must(file, ["up", "-d"])
    opened: dict[str, float] = {}
    for line in ran.output.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "gate_opened" and event["dependent"]:
            opened[event["dependency"]] = event["at"]
    if len(opened) != LINKS:
        raise Failed(f"{len(opened)} gates opened, not {LINKS}:\n{ran.output[-2000:]}")
    stack = ours.stack(file.parent.name)
    return [(at - there(stack, service)) * 1000 for service, at in opened.items()]


def _there(session: Session, stack: str, service: str) -> float:
    """Return the moment that a service printed."""
    labels = [f"com.docker.compose.project={stack}", f"com.docker.compose.service={service}"]
    (container,) = session.engine.containers.list(all=True, filters={"label": labels})
    for line in container.logs().decode().splitlines():
        if line.startswith("there "):
            return float(line.split()[1])
    raise Failed(f"{service} printed no time")


def _exit_word(session: Session, number: int) -> float:
    """Return the milliseconds from a process's exit to the engine's answer to `wait`, which has the code."""
    program = EXIT.format(delay=0.3 + number / 10)
    container = session.engine.containers.run(
        "host", ["python3", "-S", "-c", program], detach=True, init=True, name="zcbench-exit"
    )
    try:
        container.wait()
        ended = time.time()
        return (ended - float(container.logs().split()[1])) * 1000
    finally:
        container.remove(force=True)


def _test_time(session: Session) -> list[float]:
    """Return the milliseconds that one run of the test takes by a plain exec, in an idle container."""
    container = session.engine.containers.run(
        "host", ["python3", "-S", "-c", LISTEN.format(delay=0)], detach=True, init=True, name="zcbench-test"
    )
    try:
        give_up = time.monotonic() + 10
        while b"there" not in container.logs():
            if time.monotonic() > give_up:
                raise Failed("the container of the test did not listen in 10 s")
            time.sleep(0.05)
        found = []
        for _ in range(max(5, session.runs)):
            began = time.monotonic()
            if container.exec_run(list(TEST)).exit_code != 0:
                raise Failed("the test failed on a container that listens")
            found.append((time.monotonic() - began) * 1000)
        return found
    finally:
        container.remove(force=True)

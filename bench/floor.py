"""The floor: the same containers by bare calls to the engine's API, each as soon as it may start.

Per container: create, start, then what its dependents wait for, which is listening (read from the kernel) and
one run of the healthcheck's test, or the end of the process.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

FLOOR = "floor"
NAME = "zcbench-floor"
AT_ONCE = 8  # calls in flight, as many as zun-compose makes by default


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One container: what runs, and whether the next stage waits for its port, its test, or its end."""

    command: Sequence[str]
    listens: bool = False
    test: Sequence[str] = ()
    ends: bool = False


def floor(engine: docker.DockerClient, stages: Sequence[Sequence[Part]]) -> float:
    """Return the seconds from nothing to the last stage being there, a network included."""
    clear(engine)
    began = time.monotonic()
    network = engine.api.create_network(NAME)["Id"]
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for number, stage in enumerate(stages):
                names = [f"{NAME}-{number}-{place}" for place in range(len(stage))]
                list(pool.map(lambda part, name: _bring_up(engine, part, name), stage, names))
        return time.monotonic() - began
    finally:
        clear(engine)
        engine.api.remove_network(network)


def clear(engine: docker.DockerClient) -> None:
    """Remove the floor's containers, those of an interrupted run too."""
    for found in engine.api.containers(all=True, filters={"name": NAME}):
        engine.api.remove_container(found["Id"], force=True)


def _bring_up(engine: docker.DockerClient, part: Part, name: str) -> None:
    api = engine.api
    container = api.create_container(
        "busybox",
        list(part.command),
        name=name,
        host_config=api.create_host_config(init=True, network_mode=NAME),
    )["Id"]
    api.start(container)
    if part.listens:
        _until_listening(api.inspect_container(container)["State"]["Pid"])
    if part.test:
        run = api.exec_create(container, list(part.test))["Id"]
        api.exec_start(run)
        if api.exec_inspect(run)["ExitCode"] != 0:
            raise RuntimeError("the test of the floor failed on a container that listens")
    if part.ends:
        api.wait(container)


def _until_listening(pid: int, port: int = 8080) -> None:
    """Wait until a port listens in the network namespace of a process, as the kernel says."""
    wanted = f":{port:04X}"
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        for table in ("tcp", "tcp6"):
            lines = (line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines())
            if any(words[1].endswith(wanted) and words[3] == "0A" for words in lines):
                return
        time.sleep(0.002)
    raise RuntimeError("the container of the floor did not listen in 10 s")

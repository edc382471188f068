"""The drivers that the contract suite runs on: add one here and all tests run on it too.

A maker is a function that returns a ready `Lab`, or skips when its engine is not on this machine and
ZUN_COMPOSE_REQUIRE does not name it.
"""

from __future__ import annotations

import math
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from tests.contract.lab import CHECK, EXIT_3, HELLO, Lab, Process
from tests.engines import dockerd
from tests.engines.require import missing
from zun_compose.driver import Listeners, Terminal, VirtualTime
from zun_compose.drivers.memory import MemoryDriver, RealTimeMemoryDriver
from zun_compose.errors import Unavailable, Unsupported
from zun_compose.model import Service

T = TypeVar("T")

_IMAGE = "busybox:latest"


class RealTimeLab(Lab):
    """A lab whose time passes by itself."""

    def until(self, question: Callable[[], T], seconds: float = 30.0) -> T:
        deadline = time.monotonic() + seconds
        while True:
            answer = question()
            if answer:
                return answer
            if time.monotonic() > deadline:
                pytest.fail(f"still {answer!r} after {seconds:g} s")
            time.sleep(0.02)

    def blocking(self, call: Callable[[], T]) -> T:
        return call()


# memory


def _fate(process: Process) -> dict[str, Any]:
    printed = len(process.prints) * process.every
    fate: dict[str, Any] = {
        "log": [[index * process.every, line] for index, line in enumerate(process.prints)],
        "ignores_term": process.ignores_term,
        "healthy_after": math.inf if process.healthy_after is None else process.healthy_after,
        "exec": {EXIT_3[2]: [[0, 3]], HELLO[2]: [[0, 0, "hello\n"]]},
        "exec_takes": 30.0 if process.slow else 0.0,
    }
    if process.exits is not None:
        fate |= {"exits_after": printed + process.after, "exit_code": process.exits}
    if process.listens is not None:
        fate["listens"] = {process.listens: 0.2}
    return fate


class _Scripted(Lab):
    def doing(self, service: Service, process: Process) -> Service:
        return replace(service, fate=_fate(process))


class RealTimeMemoryLab(_Scripted, RealTimeLab):
    """The memory driver on the real clock."""


@dataclass
class VirtualMemoryLab(_Scripted):
    """The memory driver on its own clock, which the test's thread moves whenever it waits."""

    mover: int = field(default_factory=threading.get_ident)

    def until(self, question: Callable[[], T], seconds: float = 30.0) -> T:
        driver = self.need(VirtualTime)
        deadline = driver.now() + seconds
        while True:
            answer = question()
            if answer:
                return answer
            if driver.now() >= deadline:
                pytest.fail(f"still {answer!r} after {seconds:g} virtual s")
            self._step(deadline)

    def blocking(self, call: Callable[[], T]) -> T:
        result: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                result.append(call())
            except BaseException as error:  # noqa: BLE001 - raised again below, in the test's thread
                failure.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        patience = time.monotonic() + 30
        while thread.is_alive():
            thread.join(0.005)
            self._step(self.need(VirtualTime).now() + 0.05)
            assert time.monotonic() < patience, "a blocking call never returned"
        if failure:
            raise failure[0]
        return result[0]

    def _step(self, latest: float) -> None:
        driver = self.need(VirtualTime)
        due = driver.next_event()
        soon = driver.now() + 0.05
        driver.advance(min(latest, soon if due is None else max(soon, due)))


def memory() -> Lab:
    driver = MemoryDriver(images=[_IMAGE], engine_id="contract")
    return VirtualMemoryLab(driver, _IMAGE, lacks=frozenset({Terminal}))


def memory_in_real_time() -> Lab:
    driver = RealTimeMemoryDriver(images=[_IMAGE], engine_id="contract")
    return RealTimeMemoryLab(driver, _IMAGE, lacks=frozenset({Terminal, VirtualTime}))


# docker


class DockerLab(RealTimeLab):
    """Docker with busybox: processes are small shell scripts."""

    def doing(self, service: Service, process: Process) -> Service:
        lines = ["trap '' TERM" if process.ignores_term else "trap 'exit 143' TERM"]
        if process.listens is not None:
            lines.append(f"nc -lk -p {process.listens} -e true &")
        if process.healthy_after is not None:
            lines.append(f"(sleep {process.healthy_after:g}; touch {CHECK[1].split()[-1]}) &")
        for line in process.prints:
            lines.append(f"echo {shlex.quote(line)}")
            if process.every:
                lines.append(f"sleep {process.every:g}")
        if process.exits is None:
            lines.append("while :; do sleep 3600 & wait $!; done")
        else:
            lines += [f"sleep {process.after:g} & wait $!"] if process.after else []
            lines.append(f"exit {process.exits}")
        return replace(service, command=("sh", "-c", "\n".join(lines)))


def docker() -> Lab:
    from zun_compose.drivers.docker import connect

    try:
        driver = connect(dockerd.ensure())
        driver.engine()
    except (LookupError, OSError, Unavailable, Unsupported) as error:
        missing("docker", str(error))
    return DockerLab(driver, _IMAGE, lacks=frozenset({Listeners, VirtualTime}))


# Add a driver here.
MAKERS = [
    pytest.param(memory, id="memory"),
    pytest.param(memory_in_real_time, id="memory-real-time"),
    pytest.param(docker, id="docker", marks=pytest.mark.docker),
]

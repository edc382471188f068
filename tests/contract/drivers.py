"""The drivers that the contract suite runs on: add one here and all tests run on it too.

A maker is a function that returns a ready `Lab`, or skips when its engine is not on this machine and
ZUN_COMPOSE_REQUIRE does not name it.
"""

from __future__ import annotations

import math
import shlex
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, TypeVar

import pytest

from tests.cloud import registry
from tests.cloud.fixture import Cloud
from tests.conftest import MINUTES
from tests.contract.lab import CHECK, EXIT_3, HELLO, Lab, Process
from tests.engines import busybox, dockerd
from tests.engines.require import missing
from zun_compose.container import ContainerSpec, Join
from zun_compose.driver import (
    Admits,
    Copies,
    EventSource,
    Images,
    Listeners,
    Processes,
    Renames,
    Reserves,
    Terminal,
    VirtualTime,
)
from zun_compose.drivers.memory import MemoryDriver, RealTimeMemoryDriver
from zun_compose.errors import Unavailable, Unsupported
from zun_compose.model import Service
from zun_compose.record import replace

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
    return VirtualMemoryLab(driver, _IMAGE, lacks=frozenset({Admits, Copies, Processes, Reserves, Terminal}))


def memory_in_real_time() -> Lab:
    driver = RealTimeMemoryDriver(images=[_IMAGE], engine_id="contract")
    lacks = frozenset({Admits, Copies, Processes, Reserves, Terminal, VirtualTime})
    return RealTimeMemoryLab(driver, _IMAGE, lacks=lacks)


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
    return DockerLab(driver, _IMAGE, lacks=frozenset({Admits, Listeners, Reserves, VirtualTime}))


# local


class LocalLab(DockerLab):
    """The local driver: processes are the same small shell scripts, in a home of the test's own."""

    def close(self) -> None:
        home = self.driver.home  # type: ignore[attr-defined]
        super().close()

        # a container that removes itself may still be at it
        def gone() -> bool:
            rmtree(home, ignore_errors=True)
            return not home.exists()

        self.until(gone)


def local() -> Lab:
    """On an image of its own: busybox, as on Docker."""
    lab = local_on_the_machine()
    archive = Path(mkdtemp(prefix="zc-busybox-")) / "busybox.tar"
    archive.write_bytes(busybox.root())
    lab.driver.store.import_archive(archive, reference=_IMAGE, kind="rootfs")  # type: ignore[attr-defined]
    rmtree(archive.parent)
    lab.image = _IMAGE
    return lab


def local_on_the_machine() -> Lab:
    """On the pseudo image that is the machine's own root."""
    if sys.platform != "linux":
        pytest.skip("the local driver needs Linux")
    from zun_compose.drivers.local import connect

    try:
        driver = connect(mkdtemp(prefix="zc-home-"))
        driver.engine()
    except Unavailable as error:
        missing("local", str(error))
    return LocalLab(driver, "host:latest", lacks=frozenset({Listeners, Reserves, VirtualTime}), builds=False)


# zun


class ZunLab(DockerLab):
    """A real OpenStack, as an ordinary tenant: the processes are the same small shell scripts."""

    def spec(self, service: Service, number: int = 1, **asked: Any) -> ContainerSpec:
        # without a network Zun takes any there is, another test's too
        return super().spec(service, number, **{"joins": (Join(network="private"),), **asked})

    def until(self, question: Callable[[], T], seconds: float = 30.0) -> T:
        # each look is a call or more over HTTP, and each change takes seconds
        return super().until(question, 4 * seconds)

    def close(self) -> None:
        # which takes as long as many a test: it goes on beside the next ones
        CLEARING.add(self.stack, super().close)

    def alone(self) -> None:
        CLEARING.over()


class Clearing:
    """Labs that are being emptied, one at a time, beside the tests that follow."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._begun: list[tuple[str, Future[None]]] = []

    def add(self, stack: str, close: Callable[[], None]) -> None:
        """Empty a lab soon; waits while two others are waiting already."""
        waiting = [future for _, future in self._begun if not future.done()]
        for future in waiting[:-2]:
            wait([future])
        self._begun.append((stack, self._pool.submit(close)))

    def over(self) -> None:
        """Wait until all that are being emptied are empty, or could not be."""
        wait([future for _, future in self._begun])

    def end(self) -> None:
        """Wait until all are empty; fails if any could not be emptied."""
        begun, self._begun = self._begun, []
        failed = [f"{stack}: {error!r}" for stack, future in begun if (error := future.exception())]
        assert not failed, f"these labs were not emptied: {failed}"


CLEARING = Clearing()


def zun(cloud: Cloud) -> Lab:
    """On the cloud of the tests; `conftest.lab` says how it is found."""
    from zun_compose.drivers.zun import connect

    lacks = frozenset({Admits, EventSource, Images, Listeners, Renames, VirtualTime})
    driver = connect("demo")
    # connected while the test's environment says where
    driver.engine()
    return ZunLab(
        driver,
        registry.image(cloud.settings, registry.BUSYBOX),
        lacks=lacks,
        builds=False,
        counts=False,
        publishes=False,
        shares=False,
    )


# Add a driver here.
MAKERS = [
    pytest.param(memory, id="memory"),
    pytest.param(memory_in_real_time, id="memory-real-time"),
    pytest.param(docker, id="docker", marks=pytest.mark.docker),
    pytest.param(local, id="local"),
    pytest.param(local_on_the_machine, id="local-host"),
    pytest.param(zun, id="zun", marks=[pytest.mark.openstack, pytest.mark.timeout(300), *MINUTES]),
]

"""What a contract test works with: one driver, a way to say what a container does, and a way to wait.

Tests ask for a `Process` and never say how a driver gets one; they wait by `until`, which polls an
observed state against a deadline, so that a slow machine costs time and not truth.
"""

from __future__ import annotations

import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from zun_compose import labels
from zun_compose.container import ContainerSpec, Hint, Observed, State
from zun_compose.driver import Driver
from zun_compose.model import Healthcheck, Network, Service, Volume
from zun_compose.record import replace

T = TypeVar("T")

_numbers = itertools.count(1)

# Commands that every lab's containers understand.
SUCCEED = ("true",)
EXIT_3 = ("sh", "-c", "exit 3")
HELLO = ("sh", "-c", "echo hello")
SLOW = ("sleep", "30")
CHECK = ("CMD-SHELL", "test -f /healthy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What the process of a container does, in seconds after its start.

    It prints `prints`, one line each `every` seconds, then runs on, or exits with `exits` after
    `after` more seconds. It listens on TCP port `listens` soon after the start. From `healthy_after`
    on the test CHECK succeeds in it. `slow` makes the command SLOW slow where time is scripted.
    """

    exits: int | None = None
    after: float = 0.0
    prints: tuple[str, ...] = ()
    every: float = 0.0
    listens: int | None = None
    ignores_term: bool = False
    healthy_after: float | None = None
    slow: bool = False


@dataclass
class Lab(ABC):
    """One driver under test. `lacks` names the capabilities that it has not by design.

    `builds` is False where images are only brought in, `counts` where nobody is told of
    restarts, nor when a container ended, `publishes` where there are no ports of a host, `shares` where a
    volume is one container's at a time.
    """

    driver: Driver
    image: str
    lacks: frozenset[type] = frozenset()
    builds: bool = True
    counts: bool = True
    publishes: bool = True
    shares: bool = True
    stack: str = field(default_factory=lambda: f"zcontract{os.getpid()}x{next(_numbers)}")

    @abstractmethod
    def doing(self, service: Service, process: Process) -> Service:
        """Return the service with what makes its containers run that process."""

    @abstractmethod
    def until(self, question: Callable[[], T], seconds: float = 30.0) -> T:
        """Let time pass until the answer is true, and return it; fail after `seconds`."""

    @abstractmethod
    def blocking(self, call: Callable[[], T]) -> T:
        """Run a call that blocks until time passes, and let it pass."""

    def alone(self) -> None:  # noqa: B027 - most leave nothing behind that could be noticed
        """Wait until no earlier lab is left whose end this one's containers would be told of."""

    def need(self, capability: Any) -> Any:
        """The driver as that capability: a lack that is not declared is a failure, not a skip."""
        if capability in self.lacks:
            pytest.skip(f"{self.driver.name} has no {capability.__name__} by design")
        assert isinstance(self.driver, capability), f"{self.driver.name} lost {capability.__name__}"
        return self.driver

    def need_checks(self) -> None:
        """Skip where the engine runs no healthchecks, or tells nobody what came of them, and says so."""
        if not self.driver.engine().runs_healthchecks:
            pytest.skip(f"{self.driver.name} runs no healthchecks by design")

    def service(self, name: str = "web", process: Process | None = None, **declared: Any) -> Service:
        service = Service(name=name, image=self.image, **declared)
        return self.doing(service, process or Process())

    def spec(self, service: Service, number: int = 1, **asked: Any) -> ContainerSpec:
        oneoff = asked.get("oneoff", False)
        own = {
            labels.PROJECT: self.stack,
            labels.SERVICE: service.name,
            labels.NUMBER: str(number),
            labels.ONEOFF: str(oneoff),
            labels.SCHEME: "1",
        }
        asked = {"image": self.image, "name": self.name(service.name, number), **asked}
        asked["labels"] = {**own, **asked.get("labels", {})}
        return ContainerSpec(stack=self.stack, service=service, number=number, **asked)

    def name(self, service: str, number: int = 1) -> str:
        return f"{self.stack}-{service}-{number}"

    def create(self, process: Process | None = None, service: str = "web", **asked: Any) -> str:
        return self.driver.create(self.spec(self.service(service, process), **asked))

    def running(self, process: Process | None = None, service: str = "web", **asked: Any) -> str:
        container = self.create(process, service, **asked)
        self.driver.start(container)
        return container

    def printed(self, container: str) -> None:
        """Wait for a process's first line, which comes after it has set up its signals."""
        from zun_compose.driver import LogSource

        driver = self.need(LogSource)
        self.until(lambda: list(driver.logs(container)))

    def restarts(self, container: str) -> int:
        """How often a process that prints one line came back: as the engine counts, else by its log."""
        from zun_compose.driver import LogSource

        if self.counts:
            return self.driver.inspect(container).restart_count
        return len(list(self.need(LogSource).logs(container))) - 1

    def ended(self, container: str) -> Observed:
        """Wait for a container's end."""
        self.until(lambda: self.driver.inspect(container).state is State.EXITED)
        return self.driver.inspect(container)

    def network(self, key: str = "net") -> str:
        name = f"{self.stack}_{key}"
        self.need_networks().create_network(
            Network(key=key, name=name), {labels.PROJECT: self.stack, labels.NETWORK: key}
        )
        return name

    def volume(self, key: str = "data") -> str:
        name = f"{self.stack}_{key}"
        self.need_volumes().create_volume(
            Volume(key=key, name=name), {labels.PROJECT: self.stack, labels.VOLUME: key}
        )
        return name

    def need_networks(self) -> Any:
        from zun_compose.driver import Networks

        return self.need(Networks)

    def need_volumes(self) -> Any:
        from zun_compose.driver import Volumes

        return self.need(Volumes)

    def at_once(self, calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """Run calls in as many threads; each one's result, or what it raised."""

        def guarded(call: Callable[[], T]) -> T | Exception:
            try:
                return call()
            except Exception as error:  # noqa: BLE001 - handed to the test, which judges it
                return error

        with ThreadPoolExecutor(len(calls)) as pool:
            futures = [pool.submit(guarded, call) for call in calls]
            return self.blocking(lambda: [future.result() for future in futures])

    def close(self) -> None:
        """Remove everything that the test left, and let the engine go."""
        from zun_compose.driver import Networks, Volumes

        for seen in self.driver.list(self.stack):
            self.driver.remove(seen.id, force=True, volumes=True)
        if isinstance(self.driver, Networks):
            for network in self.driver.networks(self.stack):
                self.driver.remove_network(network.name)
        if isinstance(self.driver, Volumes):
            for volume in self.driver.volumes(self.stack):
                self.driver.remove_volume(volume.name)
        self.driver.close()


def checked(**changes: Any) -> Healthcheck:
    """The healthcheck CHECK each second."""
    return replace(Healthcheck(test=CHECK, interval=1.0, timeout=5.0, retries=2), **changes)


class Ear:
    """A sink that remembers what it heard."""

    def __init__(self) -> None:
        self.hints: list[Hint] = []

    def __call__(self, hint: Hint) -> None:
        self.hints.append(hint)

    def actions(self, container: str | None = None) -> list[str]:
        return [hint.action for hint in list(self.hints) if container in (None, hint.container)]

    def find(self, action: str) -> Hint | None:
        return next((hint for hint in list(self.hints) if hint.action == action), None)

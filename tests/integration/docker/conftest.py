"""A bench of one driver and one stack name a test, and nothing left behind."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from tests.engines import api
from tests.engines.dockerd import _engine_of_docker_tests, docker_engine
from tests.engines.registry import private_registry, registry
from zun_compose import labels
from zun_compose.container import ContainerSpec
from zun_compose.drivers.docker import connect
from zun_compose.drivers.docker.driver import DockerDriver
from zun_compose.model import Network, Service

__all__ = ["_engine_of_docker_tests", "docker_engine", "private_registry", "registry"]

T = TypeVar("T")
IMAGE = "busybox:latest"

_numbers = itertools.count(1)


@dataclass
class Bench:
    """One driver, and one stack that is removed afterwards."""

    url: str
    driver: DockerDriver
    stack: str

    def spec(self, service: Service, number: int = 1, **asked: Any) -> ContainerSpec:
        own = {
            labels.PROJECT: self.stack,
            labels.SERVICE: service.name,
            labels.NUMBER: str(number),
            labels.ONEOFF: str(asked.get("oneoff", False)),
        }
        asked = {"image": IMAGE, "name": f"{self.stack}-{service.name}-{number}", "labels": own, **asked}
        return ContainerSpec(stack=self.stack, service=service, number=number, **asked)

    def create(
        self, *command: str, name: str = "web", asked: dict[str, Any] | None = None, **declared: Any
    ) -> str:
        service = Service(name=name, command=command or ("sleep", "1000"), **declared)
        return self.driver.create(self.spec(service, **(asked or {})))

    def running(self, *command: str, **declared: Any) -> str:
        container = self.create(*command, **declared)
        self.driver.start(container)
        return container

    def raw(self, container: str) -> dict[str, Any]:
        """The engine's own words about a container."""
        reply: dict[str, Any] = api.ask(self.url, "GET", f"/containers/{container}/json")
        return reply

    def network(self, key: str, **declared: Any) -> str:
        made = Network(key=key, name=f"{self.stack}_{key}", **declared)
        self.driver.create_network(made, {labels.PROJECT: self.stack})
        return made.name

    def output(self, container: str) -> list[str]:
        """All lines of a container that has ended or will."""
        self.driver.wait(container, 30)
        return [line.text for line in self.driver.logs(container)]

    def empty(self) -> None:
        for seen in self.driver.list(self.stack):
            self.driver.remove(seen.id, force=True, volumes=True)
        for network in self.driver.networks(self.stack):
            self.driver.remove_network(network.name)
        for volume in self.driver.volumes(self.stack):
            self.driver.remove_volume(volume.name)


def until(question: Callable[[], T], seconds: float = 20.0) -> T:
    """Ask until the answer is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds:g} s"
        time.sleep(0.01)
    return answer


@pytest.fixture
def bench(docker_engine: str) -> Iterator[Bench]:
    driver = connect(docker_engine)
    made = Bench(docker_engine, driver, f"zcdriver{os.getpid()}x{next(_numbers)}")
    yield made
    made.empty()
    driver.close()

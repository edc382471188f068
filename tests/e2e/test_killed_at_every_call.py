"""A crash at every single call to the engine, before and after it took effect, on the simulated engine.

The tests with a real engine are killed at random moments; here no moment is left out, two crashes in a row
included. What is asserted is read from the engine, not from what the core says.
"""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from zun_compose.container import ContainerSpec, Observed, State
from zun_compose.drivers.memory import MemoryDriver
from zun_compose.engine import Engine
from zun_compose.model import (
    Attachment,
    Condition,
    Dependency,
    Expose,
    Mount,
    MountType,
    Network,
    Service,
    Stack,
    Volume,
)
from zun_compose.options import DownOptions, OnFailure, UpOptions
from zun_compose.record import replace

pytestmark = pytest.mark.soak

T = TypeVar("T")

NAME = "crash"
RUNS: Mapping[str, Any] = {"fate": {"listens": {80: 1}}, "expose": (Expose(first=80, last=80),)}


class Killed(BaseException):
    """The process ends here: not an error that anybody may handle."""


class Mortal(MemoryDriver):
    """An engine whose caller dies at its n-th changing call, before or after that takes effect."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls = 0
        self.last: int | None = None
        self.effective = False
        self.dead = False

    @contextmanager
    def dying(self, last: int, *, effective: bool) -> Iterator[None]:
        self.calls, self.last, self.effective, self.dead = 0, last, effective, False
        try:
            yield
        except Killed:
            pass
        finally:
            self.last, self.dead = None, False

    def _do(self, call: Callable[[], T]) -> T:
        self.calls += 1
        if self.dead:
            raise Killed  # clearing up is for the living
        if self.last is None or self.calls < self.last:
            return call()
        self.dead = True
        if self.effective:
            call()
        raise Killed

    def create(self, spec: ContainerSpec) -> str:
        return self._do(lambda: super(Mortal, self).create(spec))

    def start(self, container: str) -> None:
        self._do(lambda: super(Mortal, self).start(container))

    def stop(self, container: str, grace: float | None = None) -> None:
        self._do(lambda: super(Mortal, self).stop(container, grace))

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        self._do(lambda: super(Mortal, self).remove(container, force=force, volumes=volumes))

    def rename(self, container: str, name: str) -> None:
        self._do(lambda: super(Mortal, self).rename(container, name))

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        self._do(lambda: super(Mortal, self).create_network(network, labels))

    def remove_network(self, name: str) -> None:
        self._do(lambda: super(Mortal, self).remove_network(name))

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        self._do(lambda: super(Mortal, self).create_volume(volume, labels))

    def remove_volume(self, name: str) -> None:
        self._do(lambda: super(Mortal, self).remove_volume(name))


def stack(version: str) -> Stack:
    """Return a database with data, a job and an app in a row, of which each changes with the version."""
    changing: Mapping[str, Any] = {
        "image": "app",
        "environment": {"VERSION": version},
        "networks": (Attachment(network="default"),),
    }
    data = Mount(type=MountType.VOLUME, source="data", target="/data")
    scratch = Mount(type=MountType.VOLUME, target="/scratch")
    services = (
        Service(name="db", mounts=(data, scratch), **changing, **RUNS),
        Service(
            name="job",
            job=True,
            fate={"exits_after": 1},
            dependencies=(Dependency(on="db", condition=Condition.LISTENING),),
            **changing,
        ),
        Service(
            name="app",
            replicas=2,
            dependencies=(Dependency(on="job", condition=Condition.COMPLETED_SUCCESSFULLY),),
            **changing,
            **RUNS,
        ),
    )
    return Stack(
        name=NAME,
        services={service.name: service for service in services},
        networks={"default": Network(key="default", name=f"{NAME}_default")},
        volumes={"data": Volume(key="data", name=f"{NAME}_data")},
    )


def assert_as_declared(driver: MemoryDriver, wanted: Stack, scratch: str | None) -> None:
    """Compare the engine's containers with the stack: exactly these, under these names, of this version."""
    seen = {one.name: driver.inspect(one.id) for one in driver.list(NAME)}
    assert {name: one.state for name, one in seen.items()} == {
        f"{NAME}-app-1": State.RUNNING,
        f"{NAME}-app-2": State.RUNNING,
        f"{NAME}-db-1": State.RUNNING,
        f"{NAME}-job-1": State.EXITED,
    }
    assert Engine(driver).plan(without_job(wanted)).empty, "each is of the version that the file declares"
    if scratch is not None:
        assert anonymous(seen[f"{NAME}-db-1"]) == scratch, "the data of the anonymous volume went over"


def without_job(wanted: Stack) -> Stack:
    """Let the job be of the kind that does not run again, so that an unchanged stack needs no step."""
    job = replace(wanted.services["job"], once=True)
    return replace(wanted, services={**wanted.services, "job": job})


def anonymous(one: Observed) -> str:
    found = [mount.name for mount in one.mounts if mount.anonymous]
    assert len(found) == 1
    assert found[0] is not None
    return found[0]


def options(policy: OnFailure) -> UpOptions:
    return UpOptions(wait=True, on_failure=policy)


def calls_of_a_replacement(policy: OnFailure) -> int:
    driver = Mortal()
    Engine(driver).up(stack("one"), options(policy))
    driver.calls = 0
    Engine(driver).up(stack("two"), options(policy))
    return driver.calls


POLICIES = (OnFailure.KEEP, OnFailure.ROLLBACK)


@pytest.fixture
def moments(request: pytest.FixtureRequest, size: Callable[[int, int], int]) -> Callable[[int], range]:
    """Pick the calls to die at: all of them at full size, else every third, another third in each test."""
    stride = size(3, 1)
    offset = zlib.crc32(request.node.name.encode()) % stride
    return lambda count: range(1 + offset, count + 1, stride)


@pytest.mark.parametrize("effective", [False, True], ids=["before", "after"])
def test_a_first_up_killed_at_any_call(effective: bool) -> None:
    probe = Mortal()
    Engine(probe).up(stack("one"), options(OnFailure.KEEP))
    for last in range(1, probe.calls + 1):
        driver = Mortal()
        with driver.dying(last, effective=effective):
            Engine(driver).up(stack("one"), options(OnFailure.KEEP))
        Engine(driver).up(stack("one"), options(OnFailure.KEEP))
        assert_as_declared(driver, stack("one"), None)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("effective", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("after", ["two", "three"])
def test_a_replacement_killed_at_any_call(
    effective: bool, policy: OnFailure, after: str, moments: Callable[[int], range]
) -> None:
    for last in moments(calls_of_a_replacement(policy)):
        driver = Mortal()
        Engine(driver).up(stack("one"), options(policy))
        scratch = anonymous(driver.inspect(f"{NAME}-db-1"))
        with driver.dying(last, effective=effective):
            Engine(driver).up(stack("two"), options(policy))
        Engine(driver).up(stack(after), options(OnFailure.KEEP))
        assert_as_declared(driver, stack(after), scratch)


@pytest.mark.parametrize("policy", POLICIES)
def test_two_replacements_killed_in_a_row(policy: OnFailure, size: Callable[[int, int], int]) -> None:
    count = calls_of_a_replacement(policy)
    pairs = list(itertools.product(range(1, count + 1), repeat=2))
    # The seed keeps a red run red; at full size no pair is left out.
    for first, second in random.Random(count).sample(pairs, size(10, len(pairs))):
        driver = Mortal()
        Engine(driver).up(stack("one"), options(policy))
        scratch = anonymous(driver.inspect(f"{NAME}-db-1"))
        with driver.dying(first, effective=True):
            Engine(driver).up(stack("two"), options(policy))
        with driver.dying(second, effective=True):
            Engine(driver).up(stack("three"), options(policy))
        Engine(driver).up(stack("three"), options(policy))
        assert_as_declared(driver, stack("three"), scratch)


@pytest.mark.parametrize("effective", [False, True], ids=["before", "after"])
def test_down_removes_what_an_up_killed_at_any_call_left(
    effective: bool, moments: Callable[[int], range]
) -> None:
    for last in moments(calls_of_a_replacement(OnFailure.KEEP)):
        driver = Mortal()
        Engine(driver).up(stack("one"), options(OnFailure.KEEP))
        scratch = anonymous(driver.inspect(f"{NAME}-db-1"))
        with driver.dying(last, effective=effective):
            Engine(driver).up(stack("two"), options(OnFailure.KEEP))
        Engine(driver).down(stack("two"), DownOptions(volumes=True))
        assert driver.list(NAME) == []
        assert driver.networks(NAME) == []
        assert driver.volumes(NAME) == []
        assert driver.volume(scratch) is None

"""An `up` that meets a fault of Zun, Neutron or Cinder: the next one converges, and `down -v` leaves nothing.

Where the fault strikes is random; ZUN_COMPOSE_SEED repeats a run, whose seed each failure tells.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

import pytest
from docker import DockerClient

from tests.cloud.fixture import Cloud
from tests.conftest import MINUTES
from tests.e2e.site import Ran
from tests.openstack.conftest import IMAGE, Zun, until
from tests.openstack.gauntlet import Gauntlet, Point, Service, gauntlet, points
from tests.openstack.site import CloudSite, Open, sites
from tests.openstack.tenant import tenancy

SOAK = os.environ.get("ZUN_COMPOSE_SOAK") == "1"
NUMBER = 100 if SOAK else 6
SEED = int(os.environ.get("ZUN_COMPOSE_SEED") or random.SystemRandom().randrange(1_000_000))
LANES = 3

pytestmark = [*MINUTES, pytest.mark.timeout(3600 * 3 if SOAK else 1200)]

STACK = f"""
services:
  db:
    image: {IMAGE}
    command: sh -c 'trap exit TERM; httpd -f -p 8080 & wait'
    expose: ["8080"]
    volumes: ["data:/data"]
    configs: [{{source: settings, target: /etc/shop.conf}}]
    healthcheck: {{test: ["CMD", "nc", "127.0.0.1", "8080", "-e", "true"], interval: 2s}}
  web:
    image: {IMAGE}
    command: sh -c 'trap exit TERM; httpd -f -p 80 & wait'
    ports: ["80"]
    depends_on: {{db: {{condition: service_healthy}}}}
volumes: {{data: {{}}}}
configs: {{settings: {{content: "told"}}}}
"""

Turn = Callable[[Point | None], str]


@pytest.fixture(scope="module")
def trials(
    cloud: Cloud, admin: Zun, engine: DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Future[str]]]:
    """All points, some side by side, each lane with a tenant of its own."""
    lanes: SimpleQueue[tuple[Gauntlet, Open]] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(LANES):
            folder = tmp_path_factory.mktemp("faults")
            tenant = stack.enter_context(tenancy(cloud, admin, folder))
            way = stack.enter_context(gauntlet(cloud, tenant, folder))
            lanes.put((way, stack.enter_context(sites(folder, engine, way.environment))))
        requests = _undisturbed(*(lane := lanes.get()))
        lanes.put(lane)

        def turn(point_of: Iterator[Point]) -> str:
            way, make = lanes.get()
            try:
                return _endured(way, make, point_of)
            finally:
                lanes.put((way, make))

        with ThreadPoolExecutor(LANES) as pool:
            chances = random.Random(SEED)
            yield [pool.submit(turn, points(chances.randrange(1 << 32), requests)) for _ in range(NUMBER)]


def _undisturbed(way: Gauntlet, make: Open) -> dict[Service, int]:
    """Bring the stack up and down without a fault; returns how many requests the `up` sends to whom."""
    site = _site(make)
    way.set(None)
    site.run("up", "-d")
    requests = {service: len(passed) for service, passed in way.settle().items()}
    _leaves_nothing(way, site)
    return requests


def _site(make: Open) -> CloudSite:
    site = make("fault")
    site.write(STACK)
    return site


def _endured(way: Gauntlet, make: Open, chances: Iterator[Point]) -> str:
    """Let one fault strike; returns where it did. An `up` that never came so far counts for nothing."""
    for point in chances:
        site = _site(make)
        way.set(point)
        first = site.begin("up", "-d").end()
        struck = any(one.fault is not None for one in way.settle()[point.service])
        way.set(None)
        try:
            _converges(way, site, first)
        except AssertionError as error:
            raise AssertionError(
                f"seed {SEED}: {point}; the first up ended with {first.code}:\n{first.said}\n{error}"
            ) from error
        if struck:
            return str(point)
    raise AssertionError("unreachable")


def _converges(way: Gauntlet, site: CloudSite, first: Ran) -> None:
    assert first.code in (0, 1), "neither done nor refused"
    assert "Traceback" not in first.err
    site.run("up", "-d")
    rows = site.run("ps", "-a", "--format", "json").rows()
    assert {row["Name"]: row["Readiness"] for row in rows} == {
        f"{site.name}-{name}-1": "ready" for name in ("db", "web")
    }
    assert site.states() == {"db-1": "running", "web-1": "running"}
    held = way.tenant.holds()
    assert held["containers"] == [f"{site.name}-{name}-1" for name in ("db", "web")], "none twice"
    assert held["networks"] == [f"{site.name}_default"]
    assert held["volumes"] == [f"{site.name}_data"]
    assert site.inside("db", "cat", "/etc/shop.conf") == "told"
    _leaves_nothing(way, site)


def _leaves_nothing(way: Gauntlet, site: CloudSite) -> None:
    site.run("down", "-v", "-t", "1")
    left = way.tenant.holds()
    assert not left, f"down left {left}"
    until(lambda: not site.containers(oneoff=True))


@pytest.mark.parametrize("number", range(NUMBER), ids=lambda number: f"{number}-seed-{SEED}")
def test_after_a_fault_the_next_up_converges_and_down_leaves_nothing(
    number: int, trials: list[Future[str]]
) -> None:
    assert trials[number].result()

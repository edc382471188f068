"""Real stacks on a real Docker engine; each test has a folder and a stack name of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from tests.e2e.site import Site
from tests.engines.dockerd import docker_engine

__all__ = ["docker_engine"]

Open = Callable[..., Site]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def engine(docker_engine: str) -> Iterator[DockerClient]:
    """The engine's own API: the judge of these tests."""
    client = DockerClient(base_url=docker_engine, version="auto", timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of zun-compose that is not the user's."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def make_site(
    engine: DockerClient, state_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Site]:
    """Make a stack's site; whoever asks clears it."""

    def make(hint: str) -> Site:
        name = f"zce2e-{hint}-{os.getpid()}-{next(_numbers)}"
        return Site(folder=tmp_path_factory.mktemp(hint), name=name, engine=engine, state=state_home)

    return make


@pytest.fixture
def sites(make_site: Callable[[str], Site]) -> Iterator[Callable[[str], Site]]:
    """Make sites that are cleared after the test."""
    made: list[Site] = []

    def make(hint: str = "more") -> Site:
        made.append(make_site(hint))
        return made[-1]

    yield make
    for site in made:
        site.clear()


@pytest.fixture
def site(sites: Callable[[str], Site]) -> Site:
    """A stack of the test's own."""
    return sites("one")

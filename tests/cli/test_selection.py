"""Which engine a stack is worked on, with memory engines at made-up addresses."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from zun_compose import selection
from zun_compose.drivers.memory import RealTimeMemoryDriver
from zun_compose.errors import Unavailable, Unsupported, UsageError
from zun_compose.selection import Choice, choose
from zun_compose.state import StateStore

HERE = "unix:///here"
THERE = "tcp://there:2375"


class Site:
    """Engines by address; None is where the driver's own settings point to."""

    def __init__(self) -> None:
        self.engines: dict[str | None, str] = {}
        self.asked: list[str | None] = []
        self.installed = True
        self.engine_of_its_own: str | None = None
        self.isolated = True

    def loader(self, name: str):
        if name == "local":
            return self.local
        if name not in ("docker", "other"):
            raise UsageError(f'there is no driver "{name}"')

        def connect(url: str | None = None) -> RealTimeMemoryDriver:
            if not self.installed:
                raise Unsupported(
                    'the docker driver needs the extra "docker": pip install "zun-compose[docker]"'
                )
            self.asked.append(url)
            engine = self.engines.get(url)
            if engine is None:
                return RealTimeMemoryDriver(engine_id="down", outages=[(0.0, math.inf)])
            return RealTimeMemoryDriver(engine_id=engine)

        return connect

    def local(self, url: str | None = None, *, isolated: bool = True) -> RealTimeMemoryDriver:
        self.isolated = isolated
        if self.engine_of_its_own is None:
            return RealTimeMemoryDriver(engine_id="down", outages=[(0.0, math.inf)])
        return RealTimeMemoryDriver(engine_id=self.engine_of_its_own)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(selection, "loader", made.loader)
    monkeypatch.setattr(selection, "_podman_sockets", lambda environment: [])
    return made


@pytest.fixture
def state(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path)


def remember(state: StateStore, choice: Choice) -> None:
    state.remember("shop", choice.name, choice.info, choice.address, "/srv/shop")


def test_a_new_stack_goes_to_docker_and_that_is_said(site: Site, state: StateStore) -> None:
    site.engines[None] = "one"
    choice = choose(stack="shop", state=state, environment={})
    assert (choice.name, choice.info.id, choice.address) == ("docker", "one", None)
    assert 'stack "shop" is on docker engine' in choice.said


def test_a_known_stack_is_not_announced_again(site: Site, state: StateStore) -> None:
    site.engines[None] = "one"
    remember(state, choose(stack="shop", state=state, environment={}))
    assert choose(stack="shop", state=state, environment={}).said == ""


def test_podman_is_next(
    site: Site, state: StateStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "podman.sock"
    socket.touch()
    monkeypatch.setattr(selection, "_podman_sockets", lambda environment: [socket])
    site.engines[f"unix://{socket}"] = "pod"
    choice = choose(stack="shop", state=state, environment={})
    assert choice.info.id == "pod"
    assert str(socket) in choice.said
    remember(state, choice)
    # Docker comes up: the stack stays where it is.
    site.engines[None] = "one"
    assert choose(stack="shop", state=state, environment={}).info.id == "pod"


def test_where_podman_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"CONTAINER_HOST": "unix:///c.sock", "XDG_RUNTIME_DIR": "/run/user/7"}
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    assert [str(path) for path in selection._podman_sockets(environment)] == [
        "/c.sock",
        "/run/user/7/podman/podman.sock",
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert [str(path) for path in selection._podman_sockets({})] == ["/run/podman/podman.sock"]


def test_nobody_answers(site: Site, state: StateStore) -> None:
    with pytest.raises(Unavailable) as caught:
        choose(stack="shop", state=state, environment={})
    assert "no engine is to be had" in str(caught.value)
    assert "tried docker: " in str(caught.value)
    assert "tried local: " in str(caught.value)


@pytest.mark.parametrize("installed", [True, False])
def test_without_an_engine_it_is_the_local_driver(site: Site, state: StateStore, installed: bool) -> None:
    site.engine_of_its_own, site.installed = "mine", installed
    choice = choose(stack="shop", state=state, environment={})
    assert (choice.name, choice.info.id) == ("local", "mine")
    assert 'stack "shop" is on local engine' in choice.said
    remember(state, choice)
    # Docker comes up: the stack stays where it is.
    site.engines[None], site.installed = "one", True
    assert choose(stack="shop", state=state, environment={}).info.id == "mine"


def test_a_named_address_that_is_down_is_no_reason_to_go_local(site: Site, state: StateStore) -> None:
    site.engine_of_its_own = "mine"
    with pytest.raises(Unavailable):
        choose(stack="shop", state=state, environment={"DOCKER_HOST": THERE})


def test_no_isolation_means_the_local_driver(site: Site, state: StateStore) -> None:
    site.engines[None], site.engine_of_its_own = "one", "mine"
    assert choose(stack="shop", state=state, environment={}, isolation=False).name == "local"
    assert not site.isolated
    assert choose("docker", stack="shop", state=state, environment={}, isolation=False).name == "docker"


def test_a_named_address_that_is_down_is_no_reason_for_another(
    site: Site, state: StateStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket = tmp_path / "podman.sock"
    socket.touch()
    monkeypatch.setattr(selection, "_podman_sockets", lambda environment: [socket])
    site.engines[f"unix://{socket}"] = "pod"
    for environment in ({"DOCKER_HOST": THERE}, {"DOCKER_CONTEXT": "far"}):
        with pytest.raises(Unavailable):
            choose(stack="shop", state=state, environment=environment)


def test_a_remembered_engine_that_is_down_is_an_error_not_a_switch(site: Site, state: StateStore) -> None:
    site.engines[THERE] = "far"
    remember(state, choose(host=THERE, stack="shop", state=state, environment={}))
    site.engines = {None: "one"}
    with pytest.raises(Unavailable) as caught:
        choose(stack="shop", state=state, environment={})
    assert "last brought up on docker engine" in str(caught.value)
    assert THERE in str(caught.value)


def test_the_engine_counts_not_its_address(site: Site, state: StateStore) -> None:
    site.engines[THERE] = "far"
    remember(state, choose(host=THERE, stack="shop", state=state, environment={}))
    site.engines = {None: "far"}
    assert choose(stack="shop", state=state, environment={}).info.id == "far"


def test_docker_host_elsewhere_is_not_followed_silently(site: Site, state: StateStore) -> None:
    site.engines = {None: "one", THERE: "far"}
    remember(state, choose(host=THERE, stack="shop", state=state, environment={}))
    choice = choose(stack="shop", state=state, environment={"DOCKER_HOST": "tcp://another:1"})
    assert choice.info.id == "far"
    assert "not where DOCKER_HOST or DOCKER_CONTEXT point to" in choice.said


def test_what_is_named_is_taken_as_it_is(site: Site, state: StateStore) -> None:
    site.engines = {None: "one", THERE: "far", HERE: "near"}
    remember(state, choose(host=THERE, stack="shop", state=state, environment={}))
    assert choose(host=HERE, stack="shop", state=state, environment={}).info.id == "near"
    assert choose("docker", stack="shop", state=state, environment={}).info.id == "one"
    assert choose("other", stack="shop", state=state, environment={}).name == "other"


def test_the_address_of_the_environment_is_kept(site: Site, state: StateStore) -> None:
    site.engines[None] = "one"
    assert choose(stack="shop", state=state, environment={"DOCKER_HOST": THERE}).address == THERE


def test_a_missing_package_is_bad_usage_with_the_remedy(site: Site, state: StateStore) -> None:
    site.installed = False
    with pytest.raises(UsageError) as caught:
        choose("docker", stack="shop", state=state, environment={})
    assert "pip install" in str(caught.value)
    assert "zun-compose[docker]" in str(caught.value)


def test_the_memory_engine_does_not_last() -> None:
    assert choose("memory", environment={}).lasting is False

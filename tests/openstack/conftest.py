"""A cloud with Zun, connections to it, and a record of what the Proxy was asked to do."""

from __future__ import annotations

import functools
import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import docker
import pytest

from tests.cloud.fixture import Cloud
from zun_compose import openstack
from zun_compose.openstack.connection import Connection
from zun_compose.openstack.container import Container
from zun_compose.openstack.proxy import Proxy
from zun_compose.openstack.resource import ZunResource

T = TypeVar("T")

HERE = Path(__file__).parent

# The image that tenants can pull.
IMAGE = "localhost:5001/busybox"
# Ends at TERM, so that nobody waits for a grace.
SLEEP = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"]

EXERCISED: set[str] = set()
NAMED: set[str] = set()


class Zun(NamedTuple):
    """One user's view of the cloud."""

    conn: Connection
    proxy: Proxy
    cloud: str
    programs: Path
    home: str
    """The network that containers get here; Zun itself would take any, also one that a test is making."""

    def cli(self, *words: str) -> Any:
        """Return what the openstack command says, as JSON."""
        command = [str(self.programs / "openstack"), "--os-cloud", self.cloud, *words, "-f", "json"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(said.stdout)

    def create(self, command: list[str] | None = None, **attributes: Any) -> Container:
        """Return a container that Zun is making."""
        own = {"name": unique(), "command": command or SLEEP, "nets": [{"network": self.home}]}
        given = {"image": IMAGE, **own, **attributes}
        return self.proxy.create_container(**given)

    def run(self, command: list[str] | None = None, **attributes: Any) -> Container:
        """Return a container that runs."""
        made = self.create(command, run=True, **attributes)
        return self.proxy.wait_for_status(made, "Running", interval=0.2)


def unique() -> str:
    """Return a name that nobody else has; what has it in the end is removed."""
    name = f"zct-sdk-{uuid.uuid4().hex[:10]}"
    NAMED.add(name)
    return name


def speaking(zun: Zun, newest: str) -> Proxy:
    """Return a Proxy on the same session that goes no further than one microversion."""
    proxy = Proxy(zun.conn.session, service_type="application-container", default_microversion=newest)
    proxy._connection = zun.conn
    return proxy


def until(look: Callable[[], T], wait: float = 30.0) -> T:
    """Return what `look` finds once it is true; fail when it never is."""
    deadline = time.monotonic() + wait
    while not (found := look()):
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.1)
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.openstack)


@pytest.fixture(scope="session", autouse=True)
def recorded() -> Iterator[None]:
    """Note which methods of the Proxy succeeded at least once."""
    patch = pytest.MonkeyPatch()
    for name in public_methods():
        patch.setattr(Proxy, name, _noting(name, getattr(Proxy, name)))
    yield
    patch.undo()


def public_methods() -> list[str]:
    """Return the names of the calls that are ours, not the SDK's."""
    ours = [part for part in Proxy.__mro__ if part.__module__.startswith("zun_compose.")]
    names = {name for part in ours for name, found in vars(part).items() if callable(found)}
    return sorted(name for name in names if not name.startswith("_") and name != "retries")


def _noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def noted(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        EXERCISED.add(name)
        return result

    return noted


def _view(cloud: Cloud, name: str) -> Iterator[Zun]:
    patch = pytest.MonkeyPatch()
    patch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    conn = openstack.connect(name)
    inner = conn.network.networks(is_router_external=False)
    home = next(found.id for found in inner if not found.name.startswith("zct-"))
    yield Zun(conn, conn.container, name, cloud.programs, home)
    _empty(conn.container)
    conn.close()
    patch.undo()


def _empty(proxy: Proxy) -> None:
    """Remove what a test left."""
    left: list[ZunResource] = [one for one in proxy.containers() if one.name in NAMED]
    left += [one for one in proxy.capsules() if one.name in NAMED]
    for one in left:
        if not isinstance(one, Container):
            proxy.delete_capsule(one.id)
        else:
            proxy.delete_container(one.id, stop=True)
    for one in left:
        proxy.wait_for_delete(one, interval=0.2, wait=60)


@pytest.fixture(scope="session")
def admin(cloud: Cloud) -> Iterator[Zun]:
    """The admin."""
    yield from _view(cloud, "admin")


@pytest.fixture(scope="session")
def demo(cloud: Cloud) -> Iterator[Zun]:
    """An ordinary tenant."""
    yield from _view(cloud, "demo")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine under Zun, to see what really happened there."""
    client = docker.DockerClient("unix:///var/run/docker.sock", timeout=30)
    yield client
    client.close()


@pytest.fixture(scope="session")
def inspect(engine: docker.DockerClient) -> Callable[[Container], dict[str, Any]]:
    """What the engine says of a container."""

    def look(container: Container) -> dict[str, Any]:
        found: dict[str, Any] = engine.api.inspect_container(f"zun-{container.id}")
        return found

    return look


@pytest.fixture(scope="session")
def shared(admin: Zun) -> Container:
    """A container for tests that leave it as it was."""
    return admin.run(["sh", "-c", "echo out; echo err >&2; exec sleep 1000"])


@pytest.fixture
def gone(admin: Zun) -> Iterator[Callable[[Container], Container]]:
    """Register a container to be deleted at once after the test, since it holds what others want."""
    held: list[Container] = []

    def hold(container: Container) -> Container:
        held.append(container)
        return container

    yield hold
    for container in held:
        admin.proxy.delete_container(container.id, force=True, all_projects=True)
    for container in held:
        admin.proxy.wait_for_delete(container, interval=0.2)

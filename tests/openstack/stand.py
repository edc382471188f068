"""Zun by two ways at once, one of which fails as a script says, and what has really come of a call."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from tests.engines import api
from tests.faults.proxy import FaultProxy
from tests.openstack.conftest import IMAGE, Zun
from tests.openstack.ordeals import PATIENCE
from zun_compose import openstack as zun
from zun_compose.openstack.connection import Connection
from zun_compose.openstack.container import Container
from zun_compose.openstack.proxy import Proxy
from zun_compose.openstack.retrying import RetryPolicy

ENGINE = "unix:///var/run/docker.sock"
LABEL = "zun-compose-tests.ordeal"
SECRET = "quince-and-medlar"
TRIES = 3


@dataclass
class Stand:
    """Zun by two ways: `faulty` goes through the proxy, `direct` does not. One container runs."""

    proxy: FaultProxy
    direct: Proxy
    faulty: Proxy
    network: str
    running: Container
    mark: str

    def create(self, by: Proxy, name: str) -> Container:
        """Have a container created by one of both ways."""
        return by.create_container(
            IMAGE,
            name=name,
            command=["sleep", "600"],
            labels={LABEL: name},
            environment={"PASSWORD": SECRET},
            nets=[{"network": self.network}],
        )

    def named(self, name: str) -> list[Container]:
        """All containers of that name that Zun has."""
        return list(self.direct.containers(name=name))

    def carried(self, name: str) -> list[str]:
        """The names of the engine's containers that were made for that name."""
        filters = quote(json.dumps({"label": [f"{LABEL}={name}"]}))
        rows = api.ask(ENGINE, "GET", f"/containers/json?all=1&filters={filters}")
        return [row["Names"][0].removeprefix("/") for row in rows]

    def remove(self, name: str) -> None:
        """Remove all of that name, and wait until they are gone."""
        for container in self.named(name):
            self.direct.delete_container(container, stop=True)
        eventually(lambda: not self.named(name) and not self.carried(name))


def eventually(true: Callable[[], bool], limit: float = 60.0) -> None:
    """Look until something holds."""
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@contextmanager
def standing(demo: Zun) -> Iterator[Stand]:
    """Make a stand, whose container is removed at the end."""
    direct = demo.proxy
    with ExitStack() as stack:
        endpoint = urlsplit(str(direct.get_endpoint()))
        proxy = stack.enter_context(FaultProxy(f"http://{endpoint.netloc}"))
        faulty = stack.enter_context(closing(through(proxy, endpoint.path))).container
        mark = uuid.uuid4().hex[:8]
        running = direct.create_container(
            IMAGE,
            name=f"ordeal-{mark}",
            run=True,
            command=["sh", "-c", "echo standing; exec sleep 3000"],
            nets=[{"network": demo.home}],
        )
        stack.callback(_end, direct, running)
        running = direct.wait_for_status(running, "Running", interval=0.2)
        yield Stand(proxy=proxy, direct=direct, faulty=faulty, network=demo.home, running=running, mark=mark)


def _end(direct: Proxy, running: Container) -> None:
    direct.kill_container(running)
    direct.wait_for_status(running, "Stopped", interval=0.2)
    direct.delete_container(running)
    direct.wait_for_delete(running, interval=0.2)


def through(proxy: FaultProxy, path: str, **options: Any) -> Connection:
    """Return a cloud whose Zun is reached through a proxy."""
    options["application_container_endpoint_override"] = f"{proxy.url}{path}"
    conn = zun.connect("demo", **options)
    conn.container.timeouts = (PATIENCE, PATIENCE)
    conn.container.retries = RetryPolicy(tries=TRIES, pause=0.1)
    # the microversions are asked for once, so no fault of a case falls upon that
    conn.container.get_microversions()
    return conn

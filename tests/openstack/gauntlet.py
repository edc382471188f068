"""A cloud that fails on the way: fault proxies before Zun, Neutron and Cinder, and where they strike."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tests.cloud.fixture import Cloud
from tests.cloud.settings import Port
from tests.faults.ledger import Passed
from tests.faults.proxy import FaultProxy
from tests.faults.script import At, Delay, Drop, Fault, Garble, Nonsense, Rule, refusal
from tests.openstack.ordeals import describe
from tests.openstack.tenant import Tenant


class Service(StrEnum):
    """What a stack needs of a cloud."""

    ZUN = "zun"
    NEUTRON = "neutron"
    CINDER = "cinder"


FAULTS: tuple[Fault, ...] = (
    Delay(before_answer=2.0),
    *(Drop(at=at, reset=reset) for at in At for reset in (False, True)),
    refusal(409),
    refusal(500),
    *(refusal(status, forward=forward) for status in (500, 502, 503, 504) for forward in (False, True)),
    *(Garble(what=what, forward=True) for what in Nonsense),
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One request of an `up` and what befalls it; an outage befalls all of that service from there on."""

    service: Service
    number: int
    fault: Fault
    outage: bool

    def __str__(self) -> str:
        rest = " and all after it" if self.outage else ""
        return f"request {self.number} to {self.service}{rest}: {describe(self.fault)}"


def points(seed: int, requests: Mapping[Service, int]) -> Iterator[Point]:
    """Yield points at random; `requests` is how many an undisturbed `up` sends to each service."""
    chance = random.Random(seed)
    while True:
        service = chance.choices(list(requests), weights=list(requests.values()))[0]
        # an `up` looks now and then while it waits: a later one may send a few requests less
        number = chance.randint(1, max(1, requests[service] * 3 // 4))
        yield Point(
            service=service, number=number, fault=chance.choice(FAULTS), outage=chance.random() < 0.25
        )


@dataclass(frozen=True, kw_only=True)
class Gauntlet:
    """A tenant's way to its cloud; `environment` leads commands through it."""

    tenant: Tenant
    proxies: Mapping[Service, FaultProxy]
    environment: Mapping[str, str]

    def set(self, point: Point | None) -> None:
        """Begin the accounts anew and have one point strike; None: nothing does."""
        for service, proxy in self.proxies.items():
            proxy.forget()
            if point is not None and point.service is service:
                times = None if point.outage else 1
                proxy.play(Rule(fault=point.fault, first=point.number, times=times))
            else:
                proxy.play()

    def settle(self) -> Mapping[Service, tuple[Passed, ...]]:
        """Wait until nothing is on its way; returns what has passed."""
        return {service: proxy.settle(90.0) for service, proxy in self.proxies.items()}


@contextmanager
def gauntlet(cloud: Cloud, tenant: Tenant, folder: Path) -> Iterator[Gauntlet]:
    """Stand proxies before a tenant's services."""
    known = json.loads(tenant.clouds_yaml.read_text())["clouds"][tenant.name]
    project = tenant.conn.current_project_id
    places = {
        Service.ZUN: (Port.ZUN, "application_container_endpoint_override", "/v1"),
        Service.NEUTRON: (Port.NEUTRON, "network_endpoint_override", "/v2.0"),
        Service.CINDER: (Port.CINDER, "block_storage_endpoint_override", f"/v3/{project}"),
    }
    with ExitStack() as stack:
        proxies = {}
        for service, (port, override, path) in places.items():
            proxies[service] = stack.enter_context(FaultProxy(_root(cloud.settings.url(port))))
            known[override] = f"{proxies[service].url}{path}"
        # or the SDK would look for it, and find Cinder itself
        known["block_storage_api_version"] = "3"
        file = folder / "gauntlet.yaml"
        file.write_text(json.dumps({"clouds": {tenant.name: known}}))
        file.chmod(0o600)
        environment = {**tenant.environment(), "OS_CLIENT_CONFIG_FILE": str(file)}
        yield Gauntlet(tenant=tenant, proxies=proxies, environment=environment)


def _root(url: str) -> str:
    return f"http://{urlsplit(url).netloc}"

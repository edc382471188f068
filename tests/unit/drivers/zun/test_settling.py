"""Floating IPs with forwarded ports that the cloud does not put in place by itself."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from zun_compose.drivers.zun import settling
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.publishing import Publishing
from zun_compose.drivers.zun.settling import ACTIVE, ERROR, settle


class Neutron:
    """One floating IP; each forwarding that is made anew takes the next of its statuses."""

    def __init__(self, *statuses: str, zones: list[str] | None = None) -> None:
        self.statuses = list(statuses)
        self.zones = ["nova"] if zones is None else zones
        self.numbers = iter(range(2, 100))
        self.rows = [self.row("1")]
        self.asked_again = 0
        self.looked = 0

    @staticmethod
    def row(key: str, **asked: Any) -> SimpleNamespace:
        first = {
            "internal_port_id": "port",
            "internal_ip_address": "10.0.0.9",
            "internal_port": 80,
            "external_port": 8080,
            "protocol": "tcp",
        }
        return SimpleNamespace(id=key, **(asked or first))

    def get_ip(self, floating: str) -> SimpleNamespace:
        assert floating == "f"
        self.looked += 1
        return SimpleNamespace(id="f", status=self.statuses[0], router_id="r")

    def ips(self, **_: str) -> list[SimpleNamespace]:
        return [self.get_ip("f")]

    def find_router(self, router: str, **_: bool) -> SimpleNamespace:
        assert router == "r"
        return SimpleNamespace(availability_zones=self.zones)

    def floating_ip_port_forwardings(self, floating: str) -> list[SimpleNamespace]:
        assert floating == "f"
        return list(self.rows)

    def delete_floating_ip_port_forwarding(self, floating: str, key: str) -> None:
        self.rows = [one for one in self.rows if one.id != key]

    def create_floating_ip_port_forwarding(self, floating: str, **asked: Any) -> None:
        self.rows.append(self.row(str(next(self.numbers)), **asked))
        self.asked_again += 1
        if len(self.statuses) > 1:
            self.statuses.pop(0)


def cloud(neutron: Neutron) -> Cloud:
    made = Cloud()
    made.__dict__["connection"] = SimpleNamespace(network=neutron, current_project_id="p")
    return made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]

    def sleep(seconds: float) -> None:
        now[0] += max(seconds, 0.01)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])


def test_one_in_place_is_left_alone() -> None:
    neutron = Neutron(ACTIVE)
    assert settle(cloud(neutron), "f")
    assert (neutron.looked, neutron.asked_again) == (1, 0)


@pytest.mark.parametrize("status", [ERROR, "DOWN"])
def test_one_that_the_agent_gave_up_is_asked_for_again_with_the_same_forwarding(status: str) -> None:
    neutron = Neutron(status, status, ACTIVE)
    before = vars(neutron.rows[0])
    assert settle(cloud(neutron), "f")
    assert neutron.asked_again == 2
    (after,) = neutron.rows
    assert vars(after) == {**before, "id": after.id}
    assert after.id != before["id"]


def test_nobody_waits_for_a_router_that_no_agent_carries() -> None:
    neutron = Neutron("DOWN", zones=[])
    assert not settle(cloud(neutron), "f")
    assert (neutron.looked, neutron.asked_again) == (1, 0)


def test_one_that_stays_away_is_given_up() -> None:
    neutron = Neutron(ERROR)
    begun = time.monotonic()
    assert not settle(cloud(neutron), "f")
    assert settling.PATIENCE <= time.monotonic() - begun < settling.PATIENCE + 2
    assert 10 < neutron.asked_again <= 30
    assert len(neutron.rows) == 1


def test_a_stack_is_seen_to_once() -> None:
    neutron = Neutron(ERROR, ACTIVE)
    publishing = Publishing(cloud(neutron))
    publishing.settle("s")
    looked = neutron.looked
    publishing.settle("s")
    assert (neutron.asked_again, neutron.looked) == (1, looked)

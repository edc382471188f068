from __future__ import annotations

import pytest

from zun_compose.admission import Admission
from zun_compose.container import Health, Observed, PortKey, Published, State
from zun_compose.drivers.memory import MemoryDriver
from zun_compose.errors import DriverTimeout
from zun_compose.record import replace
from zun_compose.sighting import SocketReading

WEB = Observed(
    id="c1",
    name="web-1",
    service="web",
    number=1,
    state=State.RUNNING,
    started_at="1",
    ports=tuple(Published(target=port, protocol="tcp", host_ip="", host_port=port) for port in (80, 443)),
)


class Forwarding(MemoryDriver):
    """A driver that counts how often it was asked, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.error: DriverTimeout | None = None

    def admit(self, container: str) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


def bound(*ports: int) -> SocketReading:
    return SocketReading(listening=frozenset(PortKey(port) for port in ports), complete=True)


def test_it_is_asked_once_for_each_published_port_and_life() -> None:
    driver = Forwarding()
    admission = Admission(driver)
    asked = []
    for reading in (bound(), bound(8080), bound(80), bound(80), bound(80, 443), bound(443)):
        admission.seen(WEB, reading)
        asked.append(driver.asked)
    assert asked == [0, 0, 1, 1, 2, 2]
    admission.seen(replace(WEB, started_at="2"), bound(80))
    assert driver.asked == 3


def test_it_is_asked_when_the_engine_finds_it_healthy_and_for_each_good_answer() -> None:
    driver = Forwarding()
    admission = Admission(driver)
    for _ in range(3):
        admission.seen(replace(WEB, health=Health.HEALTHY), None)
    assert driver.asked == 1
    admission.answered(WEB)
    admission.answered(WEB)
    assert driver.asked == 3


@pytest.mark.parametrize("published", [True, False])
def test_an_engine_that_does_not_answer_holds_nothing(published) -> None:
    driver = Forwarding()
    driver.error = DriverTimeout("no answer")
    admission = Admission(driver)
    admission.answered(WEB if published else replace(WEB, ports=()))
    assert driver.asked == published

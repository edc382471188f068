"""Engines where places are made ready before containers: whose, when, and what is given back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from zun_compose.container import ContainerSpec
from zun_compose.drivers.memory import MemoryDriver
from zun_compose.engine import Engine
from zun_compose.errors import OperationError
from zun_compose.model import Attachment, Condition, Dependency, Network, Service, Stack
from zun_compose.options import DownOptions
from zun_compose.record import replace


class ReservingDriver(MemoryDriver):
    """Makes ready the place of who is on a network, and notes who asked for what."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []
        self.created: list[str] = []
        self.released: set[str] = set()
        self.vacated: list[str] = []

    def reserve(self, coming: Sequence[ContainerSpec]) -> Collection[str]:
        self.asked.append([spec.name for spec in coming])
        return [spec.name for spec in coming if spec.joins]

    def release(self, names: Collection[str]) -> None:
        self.released |= set(names)

    def vacate(self, stack: str) -> None:
        self.vacated.append(stack)

    def create(self, spec: ContainerSpec) -> str:
        self.created.append(spec.name)
        assert spec.name in {name for names in self.asked for name in names}, "asked for before it is created"
        return super().create(spec)


@pytest.fixture
def driver() -> ReservingDriver:
    return ReservingDriver()


def stack(**services: Service) -> Stack:
    return Stack(name="shop", services=services, networks={"default": Network(key="default", name="shop")})


DB = Service(name="db", image="db", networks=(Attachment(network="default"),))
WEB = replace(DB, name="web", dependencies=(Dependency(on="db", condition=Condition.STARTED),))


def test_all_that_come_are_asked_for_in_one_call(driver: ReservingDriver) -> None:
    Engine(driver).up(stack(web=WEB, db=DB))
    assert sorted(driver.asked[0]) == ["shop-db-1", "shop-web-1"]
    assert len(driver.asked) == 1


def test_what_is_there_already_is_not_asked_for(driver: ReservingDriver) -> None:
    engine = Engine(driver)
    engine.up(stack(db=DB))
    engine.up(stack(db=DB, web=WEB))
    assert driver.asked == [["shop-db-1"], ["shop-web-1"]]


def test_who_got_no_place_is_asked_for_until_its_turn_has_come(driver: ReservingDriver) -> None:
    alone = replace(DB, networks=None, network_mode="none")
    Engine(driver).up(stack(db=alone, other=replace(alone, name="other")))
    assert sorted(driver.asked[0]) == ["shop-db-1", "shop-other-1"]
    assert all(driver.created[0] not in names for names in driver.asked[1:])


def test_all_places_are_told_of_in_the_end_even_after_a_failure(driver: ReservingDriver) -> None:
    failing = replace(DB, fate={"exits_after": 0.5, "exit_code": 3})
    waiting = replace(WEB, dependencies=(Dependency(on="db", condition=Condition.COMPLETED_SUCCESSFULLY),))
    with pytest.raises(OperationError):
        Engine(driver).up(stack(db=failing, web=waiting))
    assert driver.released == {"shop-db-1", "shop-web-1"}, "the driver knows which of them exist"


def test_down_takes_along_what_an_attempt_left_without_containers(driver: ReservingDriver) -> None:
    engine = Engine(driver)
    engine.down(stack(db=DB))
    assert driver.vacated == ["shop"]
    engine.up(stack(db=DB, web=WEB))
    engine.down(stack(db=DB, web=WEB), DownOptions(services=("web",)))
    assert driver.vacated == ["shop"], "others of the stack stay"

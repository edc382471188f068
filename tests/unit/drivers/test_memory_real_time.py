"""The simulated engine on the real clock, and whatever blocks."""

from __future__ import annotations

import threading
import time

import pytest

from tests.unit.drivers.memory_stack import spec, up
from zun_compose import driver as contract
from zun_compose.container import Hint
from zun_compose.drivers.memory import MemoryDriver, RealTimeMemoryDriver, connect
from zun_compose.errors import (
    DriverTimeout,
)


def test_only_the_virtual_driver_has_a_clock_to_move() -> None:
    assert isinstance(MemoryDriver(), contract.VirtualTime)
    assert not isinstance(RealTimeMemoryDriver(), contract.VirtualTime)
    assert isinstance(connect(real_time=False), contract.VirtualTime)
    real = connect("elsewhere")
    assert not isinstance(real, contract.VirtualTime)
    assert real.engine().id == "elsewhere"


def test_in_real_time_hints_come_by_themselves() -> None:
    driver = RealTimeMemoryDriver({"web": {"exits_after": 0.1, "exit_code": 3}})
    died = threading.Event()
    told: list[Hint] = []

    def hear(hint: Hint) -> None:
        told.append(hint)
        if hint.action == "die":
            died.set()

    began = time.time()
    subscription = driver.events("s", hear)
    up(driver)
    assert died.wait(10)
    subscription.close()
    driver.close()
    assert told[-1].exit_code == 3
    assert told[-1].at - told[-2].at == pytest.approx(0.1, abs=0.01)
    assert began - 1 < told[-1].at < time.time() + 1


def test_in_real_time_calls_last() -> None:
    driver = RealTimeMemoryDriver({"web": {"start_takes": 0.2, "exec_takes": 60}})
    container = driver.create(spec())
    began = time.monotonic()
    driver.start(container)
    assert time.monotonic() - began >= 0.2
    began = time.monotonic()
    with pytest.raises(DriverTimeout):
        driver.execute(container, ["x"], timeout=0.1)
    assert 0.1 <= time.monotonic() - began < 30
    driver.close()


def test_closing_frees_whoever_waits() -> None:
    driver = RealTimeMemoryDriver()
    container = up(driver)
    errors: list[BaseException] = []
    entered = threading.Event()

    def wait() -> None:
        entered.set()
        try:
            driver.wait(container)
        except DriverTimeout as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert entered.wait(5)
    driver.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(errors) == 1


def test_a_follower_is_freed_by_close_from_another_thread() -> None:
    driver = MemoryDriver({"web": {"log": ["up"]}})
    stream = driver.logs(up(driver), follow=True)
    assert next(stream).text == "up"
    rest: list[str] = []
    thread = threading.Thread(target=lambda: rest.extend(line.text for line in stream))
    thread.start()
    stream.close()  # type: ignore[attr-defined]
    thread.join(10)
    assert not thread.is_alive()
    assert rest == []

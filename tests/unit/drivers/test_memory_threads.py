"""Many threads doing anything at all to the same few containers."""

from __future__ import annotations

import random
import threading

import pytest

from tests.unit.drivers.memory_stack import spec, up
from zun_compose.container import Hint
from zun_compose.drivers.memory import MemoryDriver, RealTimeMemoryDriver, connect
from zun_compose.errors import DriverError
from zun_compose.model import Healthcheck, Port, Restart, RestartName

SERVICES = 6
PORTS = 3


class Meddler:
    """Does things by a dice, and remembers what no driver may raise."""

    def __init__(self, driver: RealTimeMemoryDriver, seed: int) -> None:
        self.driver = driver
        self.dice = random.Random(seed)
        self.unexpected: list[BaseException] = []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        for _ in range(300):
            n = self.dice.randrange(SERVICES)
            act = self.dice.choice([self.create, self.advance, self.look, self.change, self.signal])
            try:
                act(n, f"s-s{n}-1")
            except DriverError:
                continue
            except BaseException as error:  # noqa: BLE001 - judged by the test's own thread
                self.unexpected.append(error)
                return

    def create(self, n: int, name: str) -> None:
        self.driver.create(
            spec(
                f"s{n}",
                restart=Restart(name=self.dice.choice(list(RestartName))),
                healthcheck=Healthcheck(test=("CMD", "x"), interval=0.01),
                ports=(Port(target=1, published=str(80 + n % PORTS)),),
            )
        )

    def advance(self, n: int, name: str) -> None:
        if isinstance(self.driver, MemoryDriver):
            self.driver.advance(self.driver.now() + 0.02)

    def look(self, n: int, name: str) -> None:
        self.driver.list("s")
        self.driver.inspect(name)
        list(self.driver.logs(name))
        self.driver.execute(name, ["x"], timeout=1)

    def change(self, n: int, name: str) -> None:
        self.driver.start(name)
        if self.dice.random() < 0.5:
            self.driver.stop(name, 0)
        self.driver.remove(name, force=self.dice.random() < 0.5)

    def signal(self, n: int, name: str) -> None:
        self.driver.start(name)
        self.driver.pause(name)
        self.driver.kill(name, self.dice.choice(["TERM", "KILL", "USR1"]))
        self.driver.unpause(name)


@pytest.mark.parametrize("real_time", [False, True])
def test_disorder_raises_driver_errors_only_and_leaves_nothing(real_time: bool) -> None:
    fates = {
        f"s{n}": {"exits_after": 0.01 * n or "never", "exit_code": n % 2, "log": ["a", [0.01, "b"]]}
        for n in range(SERVICES)
    }
    driver = connect(real_time=real_time, fates=fates)
    heard: list[Hint] = []
    subscription = driver.events("s", heard.append)
    meddlers = [Meddler(driver, seed) for seed in range(8)]
    for meddler in meddlers:
        meddler.thread.start()
    for meddler in meddlers:
        meddler.thread.join(60)
    assert [meddler.unexpected for meddler in meddlers] == [[]] * 8
    assert not any(meddler.thread.is_alive() for meddler in meddlers)
    for seen in driver.list("s"):
        driver.remove(seen.id, force=True)
    assert [hint.at for hint in heard] == sorted(hint.at for hint in heard)
    actions = [hint.action for hint in heard]
    assert actions.count("create") == actions.count("destroy") > 20
    for n in range(PORTS):
        up(driver, f"new{n}", ports=(Port(target=1, published=str(80 + n)),))
    subscription.close()
    driver.close()

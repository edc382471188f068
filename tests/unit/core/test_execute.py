"""The thread shell: what runs at once, what a cancellation still lets run, and what holds up an end."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from zun_compose.container import ContainerSpec, State
from zun_compose.drivers.memory import RealTimeMemoryDriver
from zun_compose.engine import Engine
from zun_compose.errors import Cancelled, OperationError
from zun_compose.events import Event, Finished, StepDone, StepStarted
from zun_compose.execute import ThreadShell
from zun_compose.model import Condition, Dependency, Healthcheck, Service, Stack


def stack(count: int, **fate: object) -> Stack:
    names = [f"s{number:02}" for number in range(count)]
    return Stack(name="t", services={name: Service(name=name, image="app", fate=fate) for name in names})


@pytest.mark.parametrize("parallel", [1, 3])
def test_cancelling_takes_back_the_steps_that_no_thread_has_begun(parallel: int) -> None:
    """Fault locked: all creates were handed to the pool at once, and Ctrl-C waited for every one of them."""
    driver = RealTimeMemoryDriver()
    cancel = threading.Event()
    events: list[Event] = []

    def sink(event: Event) -> None:
        events.append(event)
        if isinstance(event.progress, StepDone):
            # By now all creates have been handed in, and most of them wait for a thread.
            cancel.set()

    with pytest.raises(Cancelled):
        Engine(driver, parallel=parallel).up(stack(20, create_takes=0.2), sink=sink, cancel=cancel)
    begun = [event.progress.step for event in events if isinstance(event.progress, StepStarted)]
    made = [event.progress.step for event in events if isinstance(event.progress, StepDone)]
    # A thread may take another job before the coordinator hears of the cancellation, never all of them.
    assert len([step for step in begun if step.startswith("create")]) <= 3 * parallel
    assert {step for step in begun if step.startswith("create")} == {
        step for step in made if step.startswith("create")
    }, "what was begun is awaited"
    assert not driver.list("t"), "what never started is removed"
    last = events[-1].progress
    assert isinstance(last, Finished)
    assert last.outcome == "cancelled"
    driver.close()


def test_a_cancellation_before_the_first_step_launches_nothing() -> None:
    """Fault locked: the first steps were launched before the cancellation was looked at."""
    driver = RealTimeMemoryDriver()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        Engine(driver).up(stack(3), cancel=cancel)
    assert not driver.list("t")
    driver.close()


class Counting(RealTimeMemoryDriver):
    """Counts how many creates are with the engine at once."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.under_way = self.most = 0

    def create(self, spec: ContainerSpec) -> str:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            return super().create(spec)
        finally:
            with self.lock:
                self.under_way -= 1


@pytest.mark.parametrize("parallel", [1, 4])
def test_as_many_steps_run_at_once_as_allowed_and_no_more(parallel: int) -> None:
    driver = Counting()
    Engine(driver, parallel=parallel).up(stack(8, create_takes=0.15))
    assert {seen.state for seen in driver.list("t")} == {State.RUNNING}
    # A busy machine may be slow to begin threads, but never begins too many.
    assert (parallel + 1) // 2 <= driver.most <= parallel
    driver.close()


def test_a_check_that_hangs_does_not_hold_up_the_end() -> None:
    check = Healthcheck(test=("CMD", "check"), interval=0.1, timeout=20.0)
    hangs = Service(name="db", image="app", healthcheck=check, fate={"exec_takes": 15.0})
    web = Service(
        name="web",
        image="app",
        dependencies=(Dependency(on="db", condition=Condition.HEALTHY, timeout=0.5),),
    )
    driver = RealTimeMemoryDriver(runs_healthchecks=False)
    began = time.monotonic()
    with pytest.raises(OperationError, match="db: service_healthy"):
        Engine(driver).up(Stack(name="t", services={"db": hangs, "web": web}))
    assert time.monotonic() - began < 10.0
    driver.close()


@pytest.mark.timeout(30)
def test_a_slow_signal_handler_does_not_make_the_coordinator_wait_for_ever() -> None:
    """Fault locked: after Ctrl-C on a busy machine `up` said that it stops, and did not."""
    handled = threading.Event()

    def slow(*_: object) -> None:
        time.sleep(0.3)
        handled.set()

    shell = ThreadShell(1)
    before = signal.signal(signal.SIGUSR1, slow)
    alarm = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    alarm.start()
    try:
        while not handled.is_set():
            assert shell.next_event(None) is None
    finally:
        alarm.join()
        signal.signal(signal.SIGUSR1, before)
        shell.close()

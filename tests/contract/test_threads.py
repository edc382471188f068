"""Calls from several threads at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.contract.lab import Lab, Process
from zun_compose.container import State
from zun_compose.driver import EventSource
from zun_compose.errors import Conflict, NotFound

THREADS = 8


def test_whole_lives_side_by_side(lab: Lab) -> None:
    def live(number: int) -> Callable[[], str]:
        def run() -> str:
            container = lab.running(number=number)
            assert lab.driver.inspect(container).state is State.RUNNING
            lab.driver.stop(container, 0)
            lab.driver.remove(container)
            return container

        return run

    ids = lab.at_once([live(number) for number in range(1, THREADS + 1)])
    assert [one for one in ids if isinstance(one, Exception)] == []
    assert len(set(map(str, ids))) == THREADS
    assert lab.driver.list(lab.stack) == []


def test_one_of_many_gets_the_name(lab: Lab) -> None:
    results = lab.at_once([lab.create] * THREADS)
    made = [one for one in results if isinstance(one, str)]
    assert len(made) == 1
    assert {type(one) for one in results if not isinstance(one, str)} == {Conflict}
    assert [seen.id for seen in lab.driver.list(lab.stack)] == made


def test_many_may_start_the_same_container(lab: Lab) -> None:
    container = lab.create()
    results = lab.at_once([lambda: lab.driver.start(container)] * THREADS)
    assert results == [None] * THREADS
    assert lab.driver.inspect(container).state is State.RUNNING


def test_many_may_stop_the_same_container(lab: Lab) -> None:
    container = lab.running()
    results = lab.at_once([lambda: lab.driver.stop(container, 0)] * THREADS)
    assert results == [None] * THREADS
    assert lab.driver.inspect(container).state is State.EXITED


def test_many_may_remove_the_same_container(lab: Lab) -> None:
    container = lab.running()
    results = lab.at_once([lambda: lab.driver.remove(container, force=True)] * THREADS)
    assert results == [None] * THREADS
    lab.until(lambda: lab.driver.list(lab.stack) == [])


def test_looking_while_things_change_raises_only_not_found(lab: Lab) -> None:
    container = lab.running(Process(exits=0, after=0.1))

    def look() -> int:
        seen = 0
        for _ in range(20):
            try:
                lab.driver.inspect(container)
                seen += 1
            except NotFound:
                return seen
            lab.driver.list(lab.stack)
        return seen

    def take_away() -> int:
        lab.driver.remove(container, force=True)
        return 0

    results = lab.at_once([look] * 4 + [take_away])
    assert [one for one in results if isinstance(one, Exception)] == []


@pytest.mark.parametrize("count", [THREADS])
def test_no_start_is_missed_by_a_listener(lab: Lab, count: int) -> None:
    heard: list[str] = []
    driver = lab.need(EventSource)
    subscription = driver.events(
        lab.stack, lambda hint: heard.append(hint.container) if hint.action == "start" else None
    )
    try:
        ids = lab.at_once([partial(lab.running, number=n) for n in range(1, count + 1)])
        lab.until(lambda: len(heard) >= count)
    finally:
        subscription.close()
    assert sorted(heard) == sorted(map(str, ids))

"""Turns to ask: one at first, then one more after each; in the order of the plan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Queue
from threading import Event

import pytest

from zun_compose.drivers.zun.turns import Turns

MOST = 3


def ask(turns: Turns, name: str, order: list[str]) -> None:
    with turns.queued(name, soon=False) as turn, turns.taken(turn):
        order.append(name)


def in_line(turns: Turns, count: int) -> None:
    pause = Event()
    while len(turns._queue) < count:
        pause.wait(0.005)


def test_one_more_after_each_until_as_many_as_may() -> None:
    turns = Turns(MOST)
    holding: Queue[Event] = Queue()

    def hold(number: int) -> None:
        with turns.queued(str(number), soon=True) as turn, turns.taken(turn):
            done = Event()
            holding.put(done)
            assert done.wait(10)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(hold, number) for number in range(8)]
        one = holding.get(timeout=10)
        assert holding.empty()
        held = [one]
        for count in (2, 3, 3, 3):
            held.pop(0).set()
            while len(held) < count:
                held.append(holding.get(timeout=10))
            # nobody beyond these has a turn: each of the others waits for one
            assert holding.empty()
        while sum(future.done() for future in asked) < len(asked):
            for done in held:
                done.set()
            held = [] if holding.empty() else [holding.get()]
        for future in asked:
            future.result(10)


def test_first_come_first_served() -> None:
    turns = Turns(1)
    order: list[str] = []
    with ThreadPoolExecutor(5) as pool, turns.queued("first", soon=True) as first, turns.taken(first):
        for number in range(4):
            pool.submit(ask, turns, str(number), order)
            in_line(turns, number + 1)
    assert order == ["0", "1", "2", "3"]


def test_the_plan_s_order_is_kept_among_those_who_are_here() -> None:
    turns = Turns(1)
    turns.expect(["db", "app", "front", "late"])
    order: list[str] = []
    with ThreadPoolExecutor(5) as pool, turns.queued("first", soon=True) as first, turns.taken(first):
        for count, name in enumerate(("other", "front", "app", "db"), 1):
            pool.submit(ask, turns, name, order)
            in_line(turns, count)
    assert order == ["db", "app", "front", "other"]


def test_one_that_is_taken_soon_is_waited_for_and_one_that_gives_up_is_not() -> None:
    turns = Turns(MOST)
    turns.expect(["db", "app", "front"])
    order: list[str] = []
    with ThreadPoolExecutor(5) as pool:
        with turns.queued("db", soon=True) as db:
            app = pool.submit(ask, turns, "app", order)
            in_line(turns, 2)
            assert not order
            with turns.taken(db):
                order.append("db")
            app.result(10)
        with turns.queued("db", soon=True):
            front = pool.submit(ask, turns, "front", order)
            in_line(turns, 2)
        front.result(10)
        # whose turn is far off is waited for by nobody
        with turns.queued("db", soon=False):
            pool.submit(ask, turns, "app", order).result(10)
    assert order == ["db", "app", "front", "app"]


def test_a_turn_that_ends_in_an_error_is_given_back() -> None:
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), turns.queued("one", soon=True) as turn, turns.taken(turn):
            raise ValueError("no")
    with suppress(ValueError), turns.queued("one", soon=True) as turn, turns.taken(turn):
        return
    pytest.fail("no turn is left")

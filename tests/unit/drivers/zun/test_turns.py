"""Turns to ask: one at first, then one more after each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Queue
from threading import Event

import pytest

from zun_compose.drivers.zun.turns import Turns

MOST = 3


def test_one_more_after_each_until_as_many_as_may() -> None:
    turns = Turns(MOST)
    holding: Queue[Event] = Queue()

    def ask() -> None:
        with turns.taken():
            done = Event()
            holding.put(done)
            assert done.wait(10)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
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
    order: list[int] = []
    with ThreadPoolExecutor(5) as pool:
        with turns.taken():
            pause = Event()
            for number in range(4):

                def ask(number: int = number) -> None:
                    with turns.taken():
                        order.append(number)

                pool.submit(ask)
                while len(turns._queue) <= number:
                    pause.wait(0.005)
        pool.shutdown()
    assert order == [0, 1, 2, 3]


def test_a_turn_that_ends_in_an_error_is_given_back() -> None:
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), turns.taken():
            raise ValueError("no")
    with suppress(ValueError), turns.taken():
        return
    pytest.fail("no turn is left")

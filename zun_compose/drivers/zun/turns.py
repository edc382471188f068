"""Turns to ask Zun for containers: in the order of the plan, with a slow start.

What is asked for all at once is done side by side, and the first is done when nearly all are. One at first,
and one more at a time after each answer, has the first container there while others are still asked for; the
plan's order makes that one of those that others wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from threading import Condition

from zun_compose.record import Record


class Turn(Record, eq=False):
    """One who is to ask; the lowest rank asks first."""

    rank: int


class Turns:
    """Of those who are here, who comes first in the plan asks first; `most` ask at once at last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = 1
        self._asking = 0
        self._ranks: dict[str, int] = {}
        self._queue: list[Turn] = []
        self._changed = Condition()

    def expect(self, names: Iterable[str]) -> None:
        """Tell an order of names; who is in none comes after those, in the order of coming."""
        with self._changed:
            for name in names:
                self._rank(name)

    def _rank(self, name: str) -> int:
        return self._ranks.setdefault(name, len(self._ranks))

    @contextmanager
    def queued(self, name: str, *, soon: bool) -> Iterator[Turn]:
        """Give a turn until the block ends; others wait for one that is taken `soon` even before that."""
        with self._changed:
            turn = Turn(self._rank(name))
            if soon:
                self._queue.append(turn)
        try:
            yield turn
        finally:
            self._leave(turn)

    def _leave(self, turn: Turn) -> None:
        with self._changed:
            if turn in self._queue:
                self._queue.remove(turn)
                self._changed.notify_all()

    @contextmanager
    def taken(self, turn: Turn) -> Iterator[None]:
        """Wait until nobody who is here comes before, and hold the turn; it may end in an error."""
        with self._changed:
            if turn not in self._queue:
                self._queue.append(turn)
            self._changed.wait_for(
                lambda: self._asking < self._width and turn is min(self._queue, key=attrgetter("rank"))
            )
            self._queue.remove(turn)
            self._asking += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._asking -= 1
                self._width = min(self._most, self._width + 1)
                self._changed.notify_all()

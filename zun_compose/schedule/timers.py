"""Wishes to be woken, one a thing: the earlier of two wishes for the same thing stands for both."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from enum import StrEnum


class Kind(StrEnum):
    """What a wake-up is for."""

    WATCH = "watch"
    GATE = "gate"
    RETRY = "retry"
    TEND = "tend"
    OUTSIDE = "outside"
    LIMIT = "limit"


class Timers:
    """A heap of wishes. Who is woken early asks again."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Kind, str]] = []
        self._wishes: dict[tuple[Kind, str], float] = {}
        self._ticket = 0

    def wish(self, when: float, kind: Kind, key: str) -> None:
        """Ask to be woken at `when`; infinity asks for nothing."""
        wish = (kind, key)
        if when == float("inf") or self._wishes.get(wish, float("inf")) <= when:
            return
        self._wishes[wish] = when
        self._ticket += 1
        heapq.heappush(self._heap, (when, self._ticket, kind, key))

    def due(self, now: float) -> Iterator[tuple[Kind, str]]:
        """Yield what is due by `now`, also what is wished for meanwhile."""
        while self._heap and self._heap[0][0] <= now:
            when, _, kind, key = heapq.heappop(self._heap)
            if self._wishes.get((kind, key)) == when:
                del self._wishes[kind, key]
                yield kind, key

    @property
    def next(self) -> float | None:
        """When something is due next."""
        return self._heap[0][0] if self._heap else None

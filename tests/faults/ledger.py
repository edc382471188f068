"""What passed through a proxy, for tests to assert on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.script import Fault
from tests.faults.wire import Headers, Request, find


@dataclass(frozen=True, kw_only=True)
class Passed:
    """One exchange.

    `reached` tells that the service has had the whole request, `upstream` the status that it gave; `status`
    is what the client was told, None if it was told nothing that is HTTP. `began` is this process' monotonic
    clock in seconds. `ended` turns True when nothing more comes of it. Headers stay out of the repr: tokens
    are among them.
    """

    number: int
    method: str
    path: str
    began: float
    headers: Headers = field(repr=False)
    fault: Fault | None
    reached: bool = False
    upstream: int | None = None
    status: int | None = None
    ended: bool = False

    def header(self, name: str) -> str | None:
        """Return the request's first header of that name, in lower case."""
        return find(self.headers, name)


class Ledger:
    """All exchanges of one proxy in the order of their arrival; may be used from any thread."""

    def __init__(self) -> None:
        self._entries: dict[int, Passed] = {}
        self._count = 0
        self._changed = threading.Condition()

    def open(self, request: Request, fault: Fault | None) -> int:
        """Note a request; returns its number, from 1."""
        with self._changed:
            self._count += 1
            self._entries[self._count] = Passed(
                number=self._count,
                method=request.method,
                path=request.path,
                began=time.monotonic(),
                headers=request.headers,
                fault=fault,
            )
            self._changed.notify_all()
            return self._count

    def note(self, number: int, **facts: Any) -> None:
        """Add facts to an exchange; one that was forgotten stays so."""
        with self._changed:
            if number in self._entries:
                self._entries[number] = replace(self._entries[number], **facts)
            self._changed.notify_all()

    def passed(self) -> tuple[Passed, ...]:
        """Return what has passed so far."""
        with self._changed:
            return tuple(self._entries.values())

    def forget(self) -> None:
        """Begin anew; numbers go on."""
        with self._changed:
            self._entries.clear()

    def until(self, true: Callable[[tuple[Passed, ...]], bool], timeout: float) -> tuple[Passed, ...]:
        """Wait until something holds of what has passed. Raises TimeoutError, naming what has."""
        with self._changed:
            if not self._changed.wait_for(lambda: true(tuple(self._entries.values())), timeout):
                raise TimeoutError(f"not within {timeout} s: {list(self._entries.values())}")
            return tuple(self._entries.values())

"""The memory driver's time: one lock, one clock, one agenda of what happens when.

Virtual time stands still until `advance`; real time follows time.monotonic and is caught up with at
each call, by whoever waits, and, while somebody listens, by a thread.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import heappop, heappush
from threading import Condition, Event, RLock, Thread, current_thread

from zun_compose.container import Hint
from zun_compose.drivers.memory.hints import Broadcast, Listener, Sink

# A waiter looks again at least this often, so that a clock that jumps costs no hang.
_LONGEST_WAIT = 5.0


class Actor(ABC):
    """Something that acts at a moment. Its newest alarm counts, older ones have lapsed."""

    __slots__ = ("alarm",)

    def __init__(self) -> None:
        self.alarm = 0

    @abstractmethod
    def act(self) -> None:
        """Do what is due at the world's now; called with the world's lock held."""


class _End(Actor):
    __slots__ = ("_at", "_broadcast", "_listener")

    def __init__(self, broadcast: Broadcast, listener: Listener, at: float) -> None:
        super().__init__()
        self._broadcast = broadcast
        self._listener = listener
        self._at = at

    def act(self) -> None:
        self._broadcast.end(self._listener, self._at)


class World:
    """Time and order of everything that one memory engine does."""

    def __init__(
        self,
        *,
        real_time: bool,
        runs_healthchecks: bool = True,
        loses: Callable[[Hint], bool] | None = None,
    ) -> None:
        self.now = 0.0
        self.real_time = real_time
        self.runs_healthchecks = runs_healthchecks
        # In real time engine times are wall-clock seconds, as `logs --since 10m` expects of a daemon.
        self.epoch = time.time() if real_time else 0.0
        self.changed = Condition(RLock())
        self.broadcast = Broadcast(loses)
        self._origin = time.monotonic()
        self._agenda: list[tuple[float, int, Actor]] = []
        self._sequence = 0
        self._closed = Event()
        self._ticker: Thread | None = None

    @property
    def engine_time(self) -> float:
        """Now, in the engine's own seconds."""
        return self.epoch + self.now

    def stamp(self, at: float, mark: int = 0) -> str:
        """A moment of the world in the engine's words (RFC 3339).

        `mark` goes into the digits below a microsecond: it keeps two starts at one virtual instant apart.
        """
        whole = datetime.fromtimestamp(self.epoch + at, UTC).isoformat(timespec="microseconds")
        return f"{whole.removesuffix('+00:00')}{mark % 1000:03d}Z"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Hold the lock at the present moment; what happens inside is told to subscribers on leaving."""
        self.catch_up()
        try:
            with self.changed:
                yield
                self.changed.notify_all()
        finally:
            self.broadcast.deliver()

    def set_alarm(self, actor: Actor, at: float) -> None:
        """Let an actor act at `at` instead of at its earlier alarm. The caller holds the lock."""
        self._sequence += 1
        actor.alarm = self._sequence
        heappush(self._agenda, (at, self._sequence, actor))

    def next_due(self) -> float | None:
        """When the next actor acts, if any will."""
        with self.changed:
            while self._agenda and self._agenda[0][1] != self._agenda[0][2].alarm:
                heappop(self._agenda)
            return self._agenda[0][0] if self._agenda else None

    def advance(self, until: float) -> None:
        """Let everything happen that is due by `until`, in order, and move the clock there."""
        while True:
            with self.changed:
                due = self.next_due()
                if due is None or due > until:
                    self.now = max(self.now, until)
                    self.changed.notify_all()
                    break
                self.now = max(self.now, due)
                heappop(self._agenda)[2].act()
                self.changed.notify_all()
            # Told one moment at a time: a subscriber that looks sees the world as of that moment.
            self.broadcast.deliver()
        self.broadcast.deliver()

    def catch_up(self) -> None:
        """In real time, move to the present."""
        if self.real_time:
            self.advance(time.monotonic() - self._origin)

    def last(self, seconds: float) -> None:
        """Let a call take its time: in real time it does, in virtual time its caller accounts for it."""
        if self.real_time and seconds > 0:
            self._closed.wait(seconds)

    def wait_until(self, reached: Callable[[], bool], deadline: float | None) -> bool:
        """Block until `reached` (asked with the lock held) or the world's clock passes `deadline`.

        In virtual time it is another thread that moves the clock.
        """
        while True:
            self.catch_up()
            with self.changed:
                if reached():
                    return True
                if self._closed.is_set() or (deadline is not None and self.now >= deadline):
                    return False
                self.changed.wait(self._pause(deadline))

    def listen(self, stack: str, sink: Sink, since: float | None, until: float | None) -> Listener:
        """Begin a subscription; `since` and `until` are engine times."""
        self.catch_up()
        listener = self.broadcast.listen(stack, sink, since, self.changed)
        with self.changed:
            if until is not None:
                at = until - self.epoch
                end = _End(self.broadcast, listener, until)
                if at <= self.now:
                    end.act()
                else:
                    self.set_alarm(end, at)
            if self.real_time and self._ticker is None and not self._closed.is_set():
                self._ticker = Thread(target=self._tick, name="zun-compose-memory", daemon=True)
                self._ticker.start()
            self.changed.notify_all()
        self.broadcast.deliver()
        return listener

    def close(self) -> None:
        """End the thread, and whatever waits or lasts."""
        self._closed.set()
        with self.changed:
            self.changed.notify_all()
            ticker = self._ticker
        if ticker is not None and ticker is not current_thread():
            ticker.join(timeout=_LONGEST_WAIT)

    def _tick(self) -> None:
        while not self._closed.is_set():
            self.catch_up()
            with self.changed:
                if not self._closed.is_set():
                    self.changed.wait(self._pause(None))

    def _pause(self, deadline: float | None) -> float | None:
        if not self.real_time:
            return None
        present = time.monotonic() - self._origin
        moments = [present + _LONGEST_WAIT]
        moments += [at for at in (self.next_due(), deadline) if at is not None]
        return max(0.0, min(moments) - present)

"""Tells subscribers what happened: in order, once each, outside the world's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import RLock

from zun_compose.container import Hint

# As many as a real daemon remembers within an order of magnitude: enough for a short reconnect.
_REMEMBERED = 1024

Sink = Callable[[Hint], None]


class Listener:
    """One subscription. Gets what was emitted after it began, up to its end."""

    def __init__(self, broadcast: Broadcast, stack: str, sink: Sink, after: int) -> None:
        self.stack = stack
        self.sink = sink
        self.after = after
        self.closed = False
        self._broadcast = broadcast

    def close(self) -> None:
        """Stop; once this returns the sink is not called any more."""
        self._broadcast.drop(self)


class Broadcast:
    """Orders hints. `emit` and `end` only queue; `deliver` calls the sinks and must be called unlocked."""

    def __init__(self, loses: Callable[[Hint], bool] | None) -> None:
        self._loses = loses
        self._listeners: list[Listener] = []
        self._outbox: deque[tuple[int, str | Listener, Hint]] = deque()
        self._history: deque[tuple[str, Hint]] = deque(maxlen=_REMEMBERED)
        self._sequence = 0
        self._delivery = RLock()
        self._delivering = False

    def emit(self, stack: str, hint: Hint) -> None:
        """Queue a hint for all listeners of a stack. The caller holds the world's lock."""
        if self._loses is not None and self._loses(hint):
            return
        self._sequence += 1
        self._history.append((stack, hint))
        if self._listeners:
            self._outbox.append((self._sequence, stack, hint))

    def end(self, listener: Listener, at: float) -> None:
        """Queue the end of one subscription. The caller holds the world's lock."""
        self._sequence += 1
        self._outbox.append((self._sequence, listener, Hint(container="", action="end", at=at)))

    def listen(
        self, stack: str, sink: Sink, since: float | None, lock: AbstractContextManager[object]
    ) -> Listener:
        """Begin a subscription; with `since` the remembered hints from then on are replayed first."""
        with self._delivery:
            with lock:
                listener = Listener(self, stack, sink, self._sequence)
                self._listeners = [*self._listeners, listener]
                past = [hint for owner, hint in self._history if owner == stack]
            if since is not None:
                for hint in past:
                    if hint.at >= since:
                        sink(hint)
        return listener

    def drop(self, listener: Listener) -> None:
        """Forget a listener; waits for a delivery that another thread has under way."""
        with self._delivery:
            listener.closed = True
            self._listeners = [other for other in self._listeners if other is not listener]

    def deliver(self) -> None:
        """Hand out what is queued. What a sink causes by calling the driver is told after it returns."""
        if not self._outbox:
            return
        with self._delivery:
            if self._delivering:
                return
            self._delivering = True
            try:
                while self._outbox:
                    sequence, target, hint = self._outbox.popleft()
                    for listener in self._listeners:
                        wanted = target is listener or target == listener.stack
                        if wanted and sequence > listener.after and not listener.closed:
                            listener.sink(hint)
                    if isinstance(target, Listener):
                        self.drop(target)
            finally:
                self._delivering = False

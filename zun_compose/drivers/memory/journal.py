"""What a container wrote: lines of ended runs kept, those of the present run computed from its fate."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from zun_compose.container import LogLine
from zun_compose.drivers.memory.fate import Run
from zun_compose.drivers.memory.world import World
from zun_compose.errors import NotFound
from zun_compose.record import Record

# Lines kept a container; older ones are dropped, as a daemon's log rotation does.
_KEPT = 10_000


class _Written(Record):
    at: float
    text: str
    stream: str


class Journal:
    """The log of one container. Positions count from its first line and stay valid when lines are dropped."""

    __slots__ = ("_began", "_dropped", "_kept_of_run", "_past", "_run")

    def __init__(self) -> None:
        self._past: list[_Written] = []
        self._dropped = 0
        self._run: Run | None = None
        self._began = 0.0
        self._kept_of_run = 0

    def begin(self, run: Run, began: float) -> None:
        """A run starts to write at `began`, a moment of the world."""
        self._run = run
        self._began = began
        self._kept_of_run = 0

    def keep(self, elapsed: float) -> None:
        """Keep what the present run wrote so far, before its clock is stopped or shifted."""
        if self._run is None:
            return
        written = self._present(elapsed)
        self._past += written
        self._kept_of_run += len(written)
        if (surplus := len(self._past) - _KEPT) > 0:
            del self._past[:surplus]
            self._dropped += surplus

    def shift(self, began: float) -> None:
        """The present run was frozen: it counts as begun at `began` from now on."""
        self._began = began

    def end(self, elapsed: float) -> None:
        """The present run is over."""
        self.keep(elapsed)
        self._run = None

    def read(self, position: int, elapsed: float) -> tuple[list[_Written], int]:
        """Lines from `position` on, and the position after them."""
        present = self._present(elapsed)
        start = max(position - self._dropped, 0)
        kept = len(self._past)
        lines = self._past[start:] + present[max(start - kept, 0) :]
        return lines, self._dropped + kept + len(present)

    def _present(self, elapsed: float) -> list[_Written]:
        if self._run is None or not self._run.log:
            return []
        until = bisect_right(self._run.log, elapsed, key=lambda line: line.at)
        lines = self._run.log[self._kept_of_run : until]
        return [_Written(self._began + line.at, line.text, line.stream) for line in lines]


class LogStream:
    """An iterator over a journal. Following blocks until the container ends, or `close` is called."""

    def __init__(
        self,
        world: World,
        read: Callable[[int], tuple[list[_Written], int]],
        ended: Callable[[], bool],
        *,
        follow: bool,
        tail: int | None,
        since: float | None,
        until: float | None,
        timestamps: bool,
    ) -> None:
        self._world = world
        self._read = read
        self._ended = ended
        self._follow = follow
        self._since = since
        self._until = until
        self._timestamps = timestamps
        self._closed = False
        self._done = False
        self._lines: list[LogLine] = []
        self._position = 0
        self._fill()
        if tail is not None:
            self._lines = self._lines[-tail:] if tail > 0 else []
        self._lines.reverse()

    def __iter__(self) -> LogStream:
        """Return itself."""
        return self

    def __next__(self) -> LogLine:
        """Return the next line; blocks while following."""
        if not self._lines and self._follow and not self._closed and not self._done:
            self._world.wait_until(self._arrived, self._deadline())
            self._lines.reverse()
        if self._closed or not self._lines:
            self._done = True
            raise StopIteration
        return self._lines.pop()

    def close(self) -> None:
        """End the stream; a thread that is blocked in it returns."""
        self._closed = True
        with self._world.changed:
            self._world.changed.notify_all()

    def _deadline(self) -> float | None:
        return None if self._until is None else self._until - self._world.epoch

    def _arrived(self) -> bool:
        ended = self._ended()
        self._fill()
        self._done = self._done or ended
        return bool(self._lines) or self._done or self._closed

    def _fill(self) -> None:
        try:
            written, self._position = self._read(self._position)
        except NotFound:
            self._done = True
            return
        epoch = self._world.epoch
        for line in written:
            at = epoch + line.at
            if (self._since is None or at >= self._since) and (self._until is None or at <= self._until):
                stamp = self._world.stamp(line.at) if self._timestamps else None
                self._lines.append(LogLine(text=line.text, stream=line.stream, at=stamp))

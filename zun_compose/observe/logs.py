"""Searches a container's log for a pattern, reading each line once however often it is asked.

Only the lines of the container's current life count. Between two looks nothing is kept but a
position: the log itself stays with the engine.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime

from zun_compose.container import LogLine, Observed
from zun_compose.driver import Driver, LogSource
from zun_compose.errors import DriverError
from zun_compose.observe.dial import Patience
from zun_compose.observe.wording import shown
from zun_compose.record import Mutable
from zun_compose.sighting import Answer

LINE = 64 * 1024
_REMEMBERED = 4096
# A float of today's seconds is exact to a quarter of a microsecond: ask for a little more, sort out here.
_OVERLAP = 1e-6


class _Place(Mutable):
    """How far one pattern was searched in one life of a container; times in nanoseconds, the engine's."""

    life: str | None
    after: int | None
    found: str | None = None


class LogSearch:
    """Answers log probes. Safe from several threads."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._places: OrderedDict[tuple[str, str], _Place] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, observed: Observed, pattern: str, patience: Patience) -> Answer:
        """Search what was logged since the last question; a line once found stays found for this life.

        Raises nothing but Stopped.
        """
        began = time.monotonic()
        if not isinstance(self._driver, LogSource):
            return Answer(ok=False, ran=False, text=f"the {self._driver.name} driver has no logs")
        try:
            expression = re.compile(pattern)
        except re.error as error:
            return Answer(ok=False, ran=False, text=shown(f"the pattern is wrong: {error}"))
        place = self._place(observed, pattern)
        if place.found is None:
            try:
                self._search(self._driver, observed, expression, place, patience)
            except TimeoutError:
                return Answer(ok=False, text="not found yet in a long log", seconds=time.monotonic() - began)
            except DriverError as error:
                return Answer(ok=False, ran=False, text=shown(str(error)), seconds=time.monotonic() - began)
        seconds = time.monotonic() - began
        if place.found is None:
            return Answer(ok=False, text="not in the log yet", seconds=seconds)
        return Answer(ok=True, text=shown(f"logged: {place.found}"), seconds=seconds)

    def forget(self, container: str) -> None:
        """Drop what is remembered of a container."""
        with self._lock:
            for key in [key for key in self._places if key[0] == container]:
                del self._places[key]

    def _place(self, observed: Observed, pattern: str) -> _Place:
        key = (observed.id, pattern)
        with self._lock:
            place = self._places.pop(key, None)
            if place is None or place.life != observed.started_at:
                # A first line may be stamped before the engine notes the start, so the end of the
                # life before is what divides two lives.
                place = _Place(life=observed.started_at, after=nanoseconds(observed.finished_at))
            self._places[key] = place
            while len(self._places) > _REMEMBERED:
                self._places.popitem(last=False)
        return place

    @staticmethod
    def _search(
        driver: LogSource, observed: Observed, pattern: re.Pattern[str], place: _Place, patience: Patience
    ) -> None:
        since = None if place.after is None else max(place.after / 1e9 - _OVERLAP, 0.0)
        lines = driver.logs(observed.id, since=since, timestamps=True)
        try:
            for line in lines:
                at = nanoseconds(line.at)
                fresh = at is None or place.after is None or at > place.after
                if at is not None:
                    if place.after is not None and at < place.after:
                        continue
                    place.after = at
                text = line.text[:LINE]
                if pattern.search(text):
                    place.found = text[:LINE]
                    return
                if fresh:
                    # Only now, so that each look gets on at least a line, however little time it has.
                    patience.left()
        finally:
            _close(lines)


def nanoseconds(text: str | None) -> int | None:
    """Return an RFC 3339 time as nanoseconds since 1970; None if it is none, or Docker's "never" (year 1)."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", text or "")
    if match is None:
        return None
    whole, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(whole + zone.replace("Z", "+00:00"))
        seconds = round(moment.astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0")) if seconds > 0 else None


def _close(lines: Iterator[LogLine]) -> None:
    close = getattr(lines, "close", None)
    if callable(close):
        close()

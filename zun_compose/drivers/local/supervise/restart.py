"""Whether and when an ended container is started again. Pure: times come in as seconds.

The rules are Docker's (moby restartmanager): 100 ms at first, doubled up to a minute, anew after a run of
ten seconds; a container that was stopped by hand stays down.
"""

from __future__ import annotations

from zun_compose.record import Mutable

FIRST = 0.1
LONGEST = 60.0
GOOD_RUN = 10.0


class Policy(Mutable):
    """A restart policy and how often it was used."""

    name: str
    maximum: int | None = None
    used: int = 0
    _pause: float = 0.0

    def again(self, code: int, ran: float, *, by_hand: bool) -> float | None:
        """Return in how many seconds to start again what ended with `code` after `ran` seconds, or None."""
        if by_hand or self.name == "no":
            return None
        if self.name == "on-failure" and (code == 0 or (self.maximum and self.used >= self.maximum)):
            return None
        if ran >= GOOD_RUN:
            self._pause = 0.0
        self._pause = min(self._pause * 2, LONGEST) if self._pause else FIRST
        self.used += 1
        return self._pause

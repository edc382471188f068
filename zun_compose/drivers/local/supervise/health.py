"""When to run a healthcheck and what its results amount to. Pure: times come in as seconds.

The rules are Docker's (docs.docker.com/reference/dockerfile/#healthcheck): failures in the start period do
not count, one success ends it; `retries` failures in a row make it unhealthy.
"""

from __future__ import annotations

from zun_compose.drivers.local.papers import Check

INTERVAL = 30.0
TIMEOUT = 30.0
RETRIES = 3
START_INTERVAL = 5.0


class Vitals:
    """The health of one run of a container that began at `started`."""

    def __init__(self, check: Check, started: float) -> None:
        self._interval = check.interval or INTERVAL
        self._start_interval = check.start_interval or START_INTERVAL
        self._retries = check.retries or RETRIES
        self._grace_until = started + (check.start_period or 0.0)
        self.timeout = check.timeout or TIMEOUT
        self.status = "starting"
        self._failures = 0
        self.due = started + self._pause(started)

    def _pause(self, now: float) -> float:
        if self.status == "starting" and now < self._grace_until:
            return min(self._start_interval, self._interval)
        return self._interval

    def ran(self, now: float, *, ok: bool) -> bool:
        """Count a result; returns whether the status changed."""
        before = self.status
        if ok:
            self._failures = 0
            self.status = "healthy"
        elif self.status != "starting" or now >= self._grace_until:
            self._failures += 1
            if self._failures >= self._retries:
                self.status = "unhealthy"
        self.due = now + self._pause(now)
        return self.status != before

"""When a daemon's verdict on a healthcheck changes, computed ahead from what the test will say."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from zun_compose.container import Health
from zun_compose.drivers.memory.fate import Outcome
from zun_compose.model import Healthcheck

# Docker's defaults for what a healthcheck leaves open.
_INTERVAL = 30.0
_TIMEOUT = 30.0
_RETRIES = 3


def outcome_at(outcomes: Sequence[Outcome], elapsed: float) -> Outcome:
    """What a command says `elapsed` seconds after the start; before the first entry it succeeds."""
    place = bisect_right(outcomes, elapsed, key=lambda outcome: outcome.at)
    return outcomes[place - 1] if place else Outcome(0.0, 0)


def verdicts(check: Healthcheck, outcomes: Sequence[Outcome], takes: float) -> Iterator[tuple[float, Health]]:
    """All changes of the daemon's verdict as (seconds after the start, verdict), beginning from STARTING.

    The first check runs after one interval, each next one an interval after the end of the last.
    Stretches in which nothing can change are skipped, so that an hour of checks costs nothing.
    """
    interval = check.interval or _INTERVAL
    timeout = check.timeout or _TIMEOUT
    retries = check.retries or _RETRIES
    grace = check.start_period or 0.0
    verdict, streak, end = Health.STARTING, 0, 0.0
    while True:
        eager = check.start_interval and verdict is Health.STARTING and end < grace
        period = ((check.start_interval or 0.0) if eager else interval) + min(takes, timeout)
        end += period
        good = takes <= timeout and outcome_at(outcomes, end).exit_code == 0
        excused = not good and verdict is Health.STARTING and end < grace
        streak = 0 if good or excused else streak + 1
        seen = Health.HEALTHY if good else Health.UNHEALTHY if streak >= retries else verdict
        if seen is not verdict:
            verdict = seen
            yield end, verdict
        if excused or verdict is (Health.HEALTHY if good else Health.UNHEALTHY):
            change = next((outcome.at for outcome in outcomes if outcome.at > end), math.inf)
            limit = min(change, grace) if excused else change
            if limit == math.inf:
                return
            end += period * max(0, math.ceil((limit - end) / period) - 1)

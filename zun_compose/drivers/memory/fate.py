"""What the memory driver's containers do, on one axis: the seconds that a process has been running.

Pure data and questions about it; nothing here knows a clock. `script.py` reads fates as people write them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property

from zun_compose.container import PortKey
from zun_compose.record import Record, field

ANY_COMMAND = "*"
ALWAYS = -1


class Failure(StrEnum):
    """Which error a scripted failure raises."""

    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class Verb(StrEnum):
    """Calls on one container that can be slow or fail by script."""

    CREATE = "create"
    START = "start"
    STOP = "stop"
    REMOVE = "remove"
    EXECUTE = "execute"
    INSPECT = "inspect"


class Failing(Record, kw_only=True):
    """The first `times` calls of a verb on a container fail (ALWAYS: all of them).

    With `takes_effect` the call does its work first: what a timeout looks like from the far side.
    """

    kind: Failure
    times: int = 1
    takes_effect: bool = False


class Outcome(Record):
    """From `at` seconds after the start on, a command exits with `exit_code` and prints `output`."""

    at: float
    exit_code: int
    output: str = ""


class Line(Record):
    """A log line written `at` seconds after the start."""

    at: float
    text: str
    stream: str = "stdout"


class Run(Record, kw_only=True, dict=True):
    """One life of a process. All times are seconds after its start; infinity is never.

    `listens` and `closes` are ports bound where others can reach them; `loopback` ports are bound
    where they cannot. From `healthy_after` to `unhealthy_after` the healthcheck's test succeeds; None
    leaves it to `execs`, else to the moment all `listens` are bound.
    """

    listens: Mapping[PortKey, float] = field(default_factory=dict)
    closes: Mapping[PortKey, float] = field(default_factory=dict)
    loopback: frozenset[PortKey] = frozenset()
    healthy_after: float | None = None
    unhealthy_after: float | None = None
    exits_after: float = math.inf
    exit_code: int = 0
    oom: bool = False
    log: tuple[Line, ...] = ()
    execs: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)

    @cached_property
    def changes(self) -> tuple[float, ...]:
        """All moments at which something becomes different, in order."""
        moments = {*self.listens.values(), *self.closes.values(), *(line.at for line in self.log)}
        moments.update(outcome.at for outcomes in self.execs.values() for outcome in outcomes)
        moments.update((self.healthy_after or 0.0, self.unhealthy_after or 0.0))
        last = self.exits_after
        return tuple(sorted(moment for moment in moments if 0 < moment <= last and moment != math.inf))

    def listening(self, elapsed: float) -> frozenset[PortKey]:
        """Ports bound where others can reach them, `elapsed` seconds after the start."""
        return frozenset(
            port
            for port, opens in self.listens.items()
            if port not in self.loopback and opens <= elapsed < self.closes.get(port, math.inf)
        )

    def health_outcomes(self, keys: Sequence[str]) -> tuple[Outcome, ...]:
        """What the healthcheck's test says over time; `keys` name its command in `execs`."""
        for key in keys:
            if key in self.execs:
                return self.execs[key]
        if self.healthy_after is None and self.unhealthy_after is None and ANY_COMMAND in self.execs:
            return self.execs[ANY_COMMAND]
        good = self.healthy_after
        if good is None:
            good = max(self.listens.values(), default=0.0)
        outcomes = [Outcome(0.0, 1, "not healthy yet"), Outcome(good, 0)]
        if self.unhealthy_after is not None:
            outcomes.append(Outcome(self.unhealthy_after, 1, "unhealthy"))
        return tuple(outcomes)

    def next_change(self, elapsed: float) -> float:
        """The first moment after `elapsed` at which something becomes different, else infinity."""
        place = bisect_right(self.changes, elapsed)
        return self.changes[place] if place < len(self.changes) else self.exits_after


class Fate(Record, kw_only=True):
    """Everything scripted for the containers of one service. `*_takes` are seconds that calls last.

    The n-th start of a container does `runs[n]`, the last one repeats. `stop_code` is the exit code
    after the stop signal, which a process that `ignores_term` never hears.
    """

    create_takes: float = 0.0
    start_takes: float = 0.0
    stop_takes: float = 0.0
    remove_takes: float = 0.0
    exec_takes: float = 0.0
    stop_code: int = 143
    ignores_term: bool = False
    fail: Mapping[str, Failing] = field(default_factory=dict)
    runs: tuple[Run, ...] = (Run(),)

    def run(self, number: int) -> Run:
        """What start number `number` (from 0) does."""
        return self.runs[min(number, len(self.runs) - 1)]


DEFAULT = Fate()

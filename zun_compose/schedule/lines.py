"""The steps of a plan and where each stands: who waits for whom, who is skipped because of whom."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from zun_compose.plan.steps import Plan, Step, Verb
from zun_compose.record import Mutable


class Phase(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    LAUNCHED = "launched"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to the step."""
        return self not in (Phase.PENDING, Phase.LAUNCHED)


class Line(Mutable):
    """A step's state. `blockers` counts what it still waits for; `cause` says why it did not run.

    A `resting` line waits for another try.
    """

    step: Step
    phase: Phase = Phase.PENDING
    blockers: int = 0
    attempt: int = 0
    cause: str = ""
    resting: bool = False


class Lines:
    """All lines of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.open = len(plan.steps)
        self._lines = {step.id: Line(step) for step in plan.steps}
        self._needed_by: dict[str, list[Line]] = {}
        self._followed_by: dict[str, list[Line]] = {}
        self._starts: dict[str, Line] = {}
        for line in self._lines.values():
            if line.step.verb is Verb.START:
                self._starts[line.step.handle] = line
            self._tie(line, line.step.needs, self._needed_by)
            self._tie(line, line.step.after, self._followed_by)

    def _tie(self, line: Line, identities: tuple[str, ...], followers: dict[str, list[Line]]) -> None:
        for identity in identities:
            if identity in self._lines:
                followers.setdefault(identity, []).append(line)
                line.blockers += 1

    def __getitem__(self, identity: str) -> Line:
        return self._lines[identity]

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines.values())

    def start_of(self, handle: str) -> Line | None:
        """Return the line that starts a container, if the plan has one."""
        return self._starts.get(handle)

    def settle(self, line: Line, phase: Phase, cause: str = "") -> None:
        """Close a line."""
        line.phase, line.cause = phase, cause
        self.open -= 1

    def needing(self, line: Line) -> list[Line]:
        """Return the lines that cannot run unless this one succeeds."""
        return self._needed_by.get(line.step.id, [])

    def following(self, line: Line) -> list[Line]:
        """Return the lines that run once this one has ended either way."""
        return self._followed_by.get(line.step.id, [])

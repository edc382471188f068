"""What the terminal shows of an operation, as data: one line a service, kept up to date by events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from zun_compose.cli.progress.words import doing, done, duration, holds, to_be
from zun_compose.events import (
    Event,
    GateFailed,
    GateOpened,
    GateWaiting,
    ImageProgress,
    Planned,
    ServiceChanged,
    StepDone,
    StepFailed,
    StepSkipped,
    StepStarted,
)
from zun_compose.record import Mutable
from zun_compose.status import Readiness

STACK = "(stack)"
_CLEANING = frozenset({"stop", "remove", "kill"})
_READINESS: Mapping[str, Readiness] = {word.value: word for word in Readiness}


class Look(StrEnum):
    """How a line is to look."""

    PLANNED = "planned"
    ACTIVE = "active"
    WAITING = "waiting"
    STARTED = "started"
    GOOD = "good"
    FAILED = "failed"


class Line(Mutable, kw_only=True):
    """One line: what it is about, how it looks, what it says, and since when (seconds since the epoch)."""

    subject: str
    look: Look = Look.PLANNED
    text: str = ""
    since: float | None = None
    ended: float | None = None

    def elapsed(self, now: float) -> str:
        """Return how long it has been (or was) at work, "" before it began."""
        if self.since is None:
            return ""
        return duration(max(0.0, (self.ended if self.ended is not None else now) - self.since))


class Board:
    """Lines by subject, in the order of the plan."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.steps = 0
        self.carried_out = 0

    @property
    def worth_showing(self) -> bool:
        """Whether anything has been begun: a plan without steps needs no screen."""
        return any(line.look is not Look.PLANNED for line in self.lines.values())

    def take(self, event: Event) -> None:
        """Take one event in."""
        progress = event.progress
        match progress:
            case Planned():
                self.steps = progress.steps
                for service in progress.services:
                    self._line(service)
            case StepStarted() | StepDone() | StepFailed() | StepSkipped():
                self._step(event, progress)
            case GateWaiting() | GateOpened() | GateFailed():
                self._gate(event, progress)
            case ServiceChanged():
                self._changed(event, progress)
            case ImageProgress():
                self._image(event, progress)
            case _:
                pass

    def _step(self, event: Event, progress: StepStarted | StepDone | StepFailed | StepSkipped) -> None:
        subject = progress.service or progress.subject
        kept = self._kept(subject, progress.verb)
        match progress:
            case StepStarted():
                if progress.verb != "wait" and not kept:
                    self._set(event, subject, Look.ACTIVE, doing(progress.verb))
            case StepDone():
                self.carried_out += 1
                if progress.verb != "wait" and not kept:
                    self._set(event, subject, _after(progress), done(progress.verb))
            case StepFailed():
                look = Look.FAILED if progress.retry_in is None else Look.ACTIVE
                if not kept:
                    self._set(event, subject, look, f"failed to {progress.verb}: {progress.error}")
            case StepSkipped():
                self._set(event, subject, Look.FAILED, f"skipped: {progress.cause}")

    def _kept(self, subject: str, verb: str) -> bool:
        """Whether a line is to stay: cleaning up after a failure must not hide what failed."""
        line = self.lines.get(subject)
        return line is not None and line.look is Look.FAILED and verb in _CLEANING

    def _gate(self, event: Event, progress: GateWaiting | GateOpened | GateFailed) -> None:
        subject = progress.dependent or progress.dependency
        match progress:
            case GateWaiting():
                reason = f": {progress.reason}" if progress.reason else ""
                target = f"{progress.dependency} " if progress.dependent else ""
                self._set(
                    event, subject, Look.WAITING, f"waits for {target}{to_be(progress.condition)}{reason}"
                )
            case GateOpened():
                self._opened(event, progress)
            case GateFailed():
                if progress.required:
                    target = f"{progress.dependency}: " if progress.dependent else ""
                    self._set(event, subject, Look.FAILED, f"{target}{progress.reason}")

    def _opened(self, event: Event, progress: GateOpened) -> None:
        if progress.dependent:
            line = self._line(progress.dependent)
            if line.look is Look.WAITING:
                self._set(
                    event,
                    progress.dependent,
                    Look.WAITING,
                    f"{progress.dependency} {holds(progress.condition)}",
                )
        if progress.dependency in self.lines:
            self._set(event, progress.dependency, Look.GOOD, holds(progress.condition))

    def _changed(self, event: Event, progress: ServiceChanged) -> None:
        word = _READINESS.get(progress.readiness)
        if word is None or progress.service not in self.lines:
            return
        if word.good:
            look = Look.GOOD
        elif word is Readiness.FAILED:
            look = Look.FAILED
        else:
            look = Look.STARTED
        detail = f": {progress.detail}" if progress.detail else ""
        self._set(event, progress.service, look, f"{word.value}{detail}")

    def _image(self, event: Event, progress: ImageProgress) -> None:
        share = f" {100 * progress.current // progress.total}%" if progress.total else ""
        subject = next((line.subject for line in self.lines.values() if line.subject == progress.image), "")
        if not subject:
            pulling = [line for line in self.lines.values() if line.text.startswith(("pulling", "building"))]
            subject = pulling[0].subject if len(pulling) == 1 else progress.image
        self._set(event, subject, Look.ACTIVE, f"pulling {progress.status}{share}".rstrip())

    def _line(self, subject: str) -> Line:
        return self.lines.setdefault(subject, Line(subject=subject))

    def _set(self, event: Event, subject: str, look: Look, text: str) -> None:
        line = self._line(subject)
        if line.since is None:
            line.since = event.at
        line.look, line.text = look, text
        line.ended = event.at if look in (Look.GOOD, Look.FAILED, Look.STARTED) else None


def _after(progress: StepDone) -> Look:
    """Return how a line looks after a step: a container's way ends with its start or its removal."""
    if progress.verb == "start":
        return Look.STARTED
    ends = progress.service is None or progress.verb in ("stop", "remove", "kill")
    return Look.GOOD if ends else Look.ACTIVE

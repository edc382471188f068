"""Typed progress of an operation: what a surface renders and a log keeps.

Each event is stamped with a sequence number (from 1, no gaps) and our wall-clock time. Nothing here
carries an environment value, a secret or a command's input.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from zun_compose.record import Record, as_dict


class Planned(Record, kw_only=True):
    """The plan is made; `steps` of them will run for `services`."""

    steps: int
    services: tuple[str, ...]


class StepStarted(Record, kw_only=True):
    """A step was handed to the engine. `attempt` counts from 1."""

    step: str
    verb: str
    subject: str
    service: str | None
    cause: str
    attempt: int = 1


class StepDone(Record, kw_only=True):
    """The engine carried a step out in `seconds`."""

    step: str
    verb: str
    subject: str
    service: str | None
    seconds: float


class StepFailed(Record, kw_only=True):
    """A step failed for good, or will be tried again in `retry_in` seconds."""

    step: str
    verb: str
    subject: str
    service: str | None
    error: str
    code: str
    retry_in: float | None = None


class StepSkipped(Record, kw_only=True):
    """A step will not run because of `cause`."""

    step: str
    verb: str
    subject: str
    service: str | None
    cause: str


class GateWaiting(Record, kw_only=True):
    """A gate is not open yet; repeated only when `reason` changes. `dependent` is "" for --wait."""

    dependent: str
    dependency: str
    condition: str
    reason: str
    deadline_in: float | None = None


class GateOpened(Record, kw_only=True):
    """A gate opened `waited` seconds after its dependency's container was started."""

    dependent: str
    dependency: str
    condition: str
    waited: float
    reason: str = ""


class GateFailed(Record, kw_only=True):
    """A gate will never open (or its deadline passed): why, and the dependency's last words."""

    dependent: str
    dependency: str
    condition: str
    reason: str
    exit_code: int | None = None
    answer: str = ""
    log: tuple[str, ...] = ()
    timed_out: bool = False
    required: bool = True


class ServiceChanged(Record, kw_only=True):
    """What is known of a service's containers changed; `readiness` is the word that `ps` shows."""

    service: str
    container: str
    number: int
    readiness: str
    detail: str = ""


class Unsteady(Record, kw_only=True):
    """Something that held stopped holding after its gate had opened (a flap, a closed port, a crash)."""

    service: str
    container: str
    detail: str


class ImageProgress(Record, kw_only=True):
    """Pull progress (bytes), or a line of a build."""

    image: str
    status: str
    current: int = 0
    total: int = 0


class Warned(Record, kw_only=True):
    """Something the user should know that stops nothing."""

    message: str


class Finished(Record, kw_only=True):
    """The operation ended: outcome is done, failed or cancelled."""

    outcome: str
    seconds: float


Progress = (
    Planned
    | StepStarted
    | StepDone
    | StepFailed
    | StepSkipped
    | GateWaiting
    | GateOpened
    | GateFailed
    | ServiceChanged
    | Unsteady
    | ImageProgress
    | Warned
    | Finished
)


def kind(progress: Progress) -> str:
    """Return the stable name of an event, such as "gate_opened"."""
    name = type(progress).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Event(Record):
    """One stamped event; `at` is wall-clock seconds since the epoch."""

    sequence: int
    at: float
    progress: Progress

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready form: sequence, at, event, and the event's own fields."""
        stamp = {"sequence": self.sequence, "at": self.at, "event": kind(self.progress)}
        return {**stamp, **as_dict(self.progress)}


class Emitter:
    """Stamps events and hands them to one sink, in order. Safe from several threads."""

    def __init__(
        self, sink: Callable[[Event], None] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._sequence = 0
        self._lock = Lock()

    def __call__(self, progress: Progress) -> None:
        """Stamp and deliver one event."""
        with self._lock:
            self._sequence += 1
            if self._sink is not None:
                self._sink(Event(self._sequence, self._clock(), progress))

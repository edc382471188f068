"""What goes into a schedule (events) and what comes out of it (actions)."""

from __future__ import annotations

from zun_compose.container import Observed
from zun_compose.events import GateFailed, Progress
from zun_compose.outside import AskOutside
from zun_compose.plan.steps import Step
from zun_compose.record import Record
from zun_compose.sighting import Answer, Sighting
from zun_compose.watch import Attention


class Succeeded(Record):
    """A step was carried out, in `seconds`."""

    step: str
    seconds: float = 0.0


class Broke(Record):
    """A step failed with an error's text and code."""

    step: str
    error: str
    code: str = "driver"
    retryable: bool = False


class Saw(Record):
    """A look came back; `handle` is the schedule's name for the container."""

    handle: str
    sighting: Sighting


class Checked(Record):
    """A run of the healthcheck came back."""

    handle: str
    answer: Answer


class Asked(Record):
    """A readiness probe answered; for externals `handle` is the external's name."""

    handle: str
    probe: int
    answer: Answer
    external: bool = False


class Hinted(Record):
    """The engine's event stream said that something happened to a container."""

    handle: str


class Swept(Record):
    """All containers of the stack, seen once more before the operation returns."""

    containers: tuple[Observed, ...]


class Withdrawn(Record):
    """A launched step was not begun: the cancellation came first."""

    step: str


class CancelRequested(Record):
    """The user wants no further launches."""


Input = Succeeded | Broke | Saw | Checked | Asked | Hinted | Swept | Withdrawn | CancelRequested


class Launch(Record):
    """Carry a step out, and tell of it (`telling.started`) when it is begun."""

    step: Step
    attempt: int


class Tell(Record):
    """Tell the user."""

    progress: Progress


class Report(Record):
    """Tell the user that a gate failed, with the last words of the container behind `handle`."""

    failure: GateFailed
    handle: str | None


class Sweep(Record):
    """Look at all containers of the stack once more."""


Action = Launch | Attention | AskOutside | Tell | Report | Sweep

"""What goes into a schedule (events) and what comes out of it (actions)."""

from __future__ import annotations

from dataclasses import dataclass

from zun_compose.container import Observed
from zun_compose.events import GateFailed, Progress
from zun_compose.outside import AskOutside
from zun_compose.plan.steps import Step
from zun_compose.sighting import Answer, Sighting
from zun_compose.watch import Attention


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A step was carried out, in `seconds`."""

    step: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Broke:
    """A step failed with an error's text and code."""

    step: str
    error: str
    code: str = "driver"
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Saw:
    """A look came back; `handle` is the schedule's name for the container."""

    handle: str
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Checked:
    """A run of the healthcheck came back."""

    handle: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A readiness probe answered; for externals `handle` is the external's name."""

    handle: str
    probe: int
    answer: Answer
    external: bool = False


@dataclass(frozen=True, slots=True)
class Hinted:
    """The engine's event stream said that something happened to a container."""

    handle: str


@dataclass(frozen=True, slots=True)
class Swept:
    """All containers of the stack, seen once more before the operation returns."""

    containers: tuple[Observed, ...]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A launched step was not begun: the cancellation came first."""

    step: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The user wants no further launches."""


Input = Succeeded | Broke | Saw | Checked | Asked | Hinted | Swept | Withdrawn | CancelRequested


@dataclass(frozen=True, slots=True)
class Launch:
    """Carry a step out, and tell of it (`telling.started`) when it is begun."""

    step: Step
    attempt: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the user."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the user that a gate failed, with the last words of the container behind `handle`."""

    failure: GateFailed
    handle: str | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Look at all containers of the stack once more."""


Action = Launch | Attention | AskOutside | Tell | Report | Sweep

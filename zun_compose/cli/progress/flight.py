"""What every renderer knows: which engine calls are in flight, for the farewell of a second Ctrl-C."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from zun_compose.cli.signals import shout
from zun_compose.events import Event, StepDone, StepFailed, StepSkipped, StepStarted


class Tracking:
    """A renderer that shows nothing: `--progress quiet`, and the base of the others.

    Call it with each event, from one thread at a time.
    """

    def __init__(self) -> None:
        self._flying: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        progress = event.progress
        if isinstance(progress, StepStarted):
            self._flying[progress.step] = f"{progress.verb} {progress.subject}"
        elif isinstance(progress, StepDone | StepFailed | StepSkipped):
            self._flying.pop(progress.step, None)
        self.show(event)

    def show(self, event: Event) -> None:
        """Render one event."""

    def note(self, text: str) -> None:
        """Say something that is no event; safe in a signal handler."""
        shout(text)

    def warn(self, text: str) -> bool:
        """Show a warning that is no event where a plain line would break the screen; False if none would."""
        return False

    def close(self) -> None:
        """Leave the terminal as it was found."""

    def farewell(self) -> str:
        """Say what is still in flight, for whoever leaves at once; safe in a signal handler."""
        flying = list(self._flying.values())
        if not flying:
            return "zun-compose: left at once; nothing was in flight"
        return f"zun-compose: left at once with these in flight: {', '.join(flying)}"

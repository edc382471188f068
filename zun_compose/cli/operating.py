"""Running an engine operation with progress on stderr and Ctrl-C that ends it in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.settings import truth
from zun_compose.cli.signals import Interrupts
from zun_compose.events import Event, Warned

T = TypeVar("T")
Sink = Callable[[Event], None]

_ORPHANS = "found orphan containers"

KEEPING = "stopping: nothing more is launched, what runs is kept (again: leave at once)"


def operate(call: Invocation, work: Callable[[Sink, threading.Event], T], *, notice: str = KEEPING) -> T:
    """Do `work` with a sink for its events and an event that says "cancel".

    The first Ctrl-C or SIGTERM shows `notice` and cancels; the second leaves with 130 at once, naming
    what is in flight.
    """
    cancel = threading.Event()
    ignored = truth(call.settings.environment, "COMPOSE_IGNORE_ORPHANS")
    with call.progress() as progress:

        def first() -> None:
            cancel.set()
            progress.note(f"zun-compose: {notice}")

        with Interrupts([first], progress.farewell):
            return work(progress if not ignored else _without_orphans(progress), cancel)


def _without_orphans(sink: Sink) -> Sink:
    """Leave out the plan's warning of orphans, which COMPOSE_IGNORE_ORPHANS asks for."""

    def quieter(event: Event) -> None:
        progress = event.progress
        if not (isinstance(progress, Warned) and progress.message.startswith(_ORPHANS)):
            sink(event)

    return quieter

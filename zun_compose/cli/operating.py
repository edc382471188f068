"""Running an engine operation with progress on stderr and Ctrl-C that ends it in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from zun_compose.cli.invocation import Invocation
from zun_compose.cli.signals import Interrupts

if TYPE_CHECKING:
    from zun_compose.cli.progress import Tracking

T = TypeVar("T")

KEEPING = "stopping: nothing more is launched, what runs is kept (again: leave at once)"


def operate(call: Invocation, work: Callable[[Tracking, threading.Event], T], *, notice: str = KEEPING) -> T:
    """Do `work` with a sink for its events and an event that says "cancel".

    The first Ctrl-C or SIGTERM shows `notice` and cancels; the second leaves with 130 at once, naming
    what is in flight.
    """
    cancel = threading.Event()
    with call.progress() as progress:

        def first() -> None:
            cancel.set()
            progress.note(f"zun-compose: {notice}")

        with Interrupts([first], progress.farewell):
            return work(progress, cancel)

"""The processes of a container: which they are, and signals to them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from zun_compose.drivers.local.supervise.launch import Run
from zun_compose.linux import proc

# of killing what may have forked meanwhile
_ROUNDS = 500


def of(run: Run, *, isolated: bool) -> tuple[int, ...]:
    """Return all processes of the container."""
    if not isolated:
        return proc.descendants(os.getpid())
    return (run.pid, *proc.descendants(run.pid))


def send(run: Run, number: int, *, isolated: bool) -> None:
    """Send the container a signal: to its first process; SIGKILL to all."""
    if number != signal.SIGKILL:
        kill(run.pid, number)
    elif isolated:
        # number 1 of its namespace takes all others with it
        kill(run.pid, number)
        for pid in proc.children(run.watched if run.holder is None else run.holder):
            kill(pid, number)
    else:
        end_descendants()


def end_descendants() -> None:
    """Kill all that descends from us: orphans come to us too."""
    for _ in range(_ROUNDS):
        # twice: orphans of one that ends while we look have come to us meanwhile
        found = proc.descendants(os.getpid()) or proc.descendants(os.getpid())
        if not found:
            return
        for pid in found:
            kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def kill(pid: int, number: int) -> None:
    """Send a signal to what may have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)

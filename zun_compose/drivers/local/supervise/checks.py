"""Runs a container's healthcheck when it is due, one at a time, and notes what comes of it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from zun_compose.drivers.local.loop import Loop
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import inject
from zun_compose.drivers.local.supervise.health import Vitals
from zun_compose.drivers.local.supervise.launch import Run
from zun_compose.drivers.local.supervise.ledger import Ledger
from zun_compose.drivers.local.supervise.processes import kill
from zun_compose.drivers.local.wire import in_words
from zun_compose.record import Mutable, field

_CHUNK = 1 << 16
_MOST_KEPT = 4096
_CHECK, _TIMEOUT = "check", "check timeout"


class _Running(Mutable):
    """One run of the check, and what it has printed."""

    output: int | None
    kept: bytearray = field(default_factory=bytearray)
    late: bool = False


class Checks:
    """The health of one container, over all its runs."""

    def __init__(self, loop: Loop, blueprint: Blueprint, ledger: Ledger) -> None:
        self._loop = loop
        self._blueprint = blueprint
        self._ledger = ledger
        self._run: Run | None = None
        self._vitals: Vitals | None = None
        self._running: dict[int, _Running] = {}
        self._current: int | None = None

    @property
    def declared(self) -> bool:
        """Whether there is a check."""
        return self._blueprint.check is not None

    def begin(self, run: Run, now: float) -> None:
        """Check this run, which began now (monotonic seconds)."""
        if self._blueprint.check is not None:
            self._run, self._vitals = run, Vitals(self._blueprint.check, now)
            self._loop.at(_CHECK, self._vitals.due, self._start)

    def pause(self) -> None:
        """Run none while the container is frozen."""
        self._loop.cancel(_CHECK)

    def resume(self) -> None:
        """Go on, at once if one was due meanwhile."""
        if self._vitals is not None:
            self._loop.at(_CHECK, max(self._vitals.due, time.monotonic()), self._start)

    def end(self) -> None:
        """The run is over; what still checks it does not count."""
        self._run = self._current = None
        self._loop.cancel(_CHECK)
        self._loop.cancel(_TIMEOUT)

    def ended(self, pid: int, code: int) -> bool:
        """A child of ours has ended; returns whether it was a check."""
        running = self._running.pop(pid, None)
        if running is None:
            return False
        self._finished(running, code, current=pid == self._current)
        return True

    def _start(self) -> None:
        run, check, vitals = self._run, self._blueprint.check, self._vitals
        if run is None or check is None or vitals is None or self._ledger.record.status == "paused":
            return
        try:
            pid, reader = self._fork(run, inject.Command(argv=check.command))
        except OSError as error:
            # of a limit on processes or files: the container must not end for it
            self._count(vitals, f"it cannot be run: {in_words(error)}", ok=False)
            return
        self._running[pid] = running = _Running(output=reader)
        self._current = pid
        self._loop.at(_TIMEOUT, time.monotonic() + vitals.timeout, self._overdue)
        os.set_blocking(reader, False)
        self._loop.watch(reader, lambda: self._heard(running))

    def _fork(self, run: Run, command: inject.Command) -> tuple[int, int]:
        """Start it; returns its pid and the file that its output can be read from. Raises OSError."""
        reader, writer = os.pipe()
        try:
            null = os.open(os.devnull, os.O_RDONLY)
            try:
                return inject.into(
                    run.pid, self._blueprint, command, (null, writer, writer), run.group
                ), reader
            finally:
                os.close(null)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)

    def _heard(self, running: _Running) -> None:
        if running.output is None:
            return
        try:
            data = os.read(running.output, _CHUNK)
        except BlockingIOError:
            return
        if len(running.kept) < _MOST_KEPT:
            running.kept += data
        if not data:
            self._loop.forget(running.output)

    def _overdue(self) -> None:
        if self._current is not None:
            self._running[self._current].late = True
            kill(self._current, signal.SIGKILL)

    def _finished(self, running: _Running, code: int, *, current: bool) -> None:
        assert running.output is not None
        with suppress(BlockingIOError):
            running.kept += os.read(running.output, _MOST_KEPT)
        self._loop.forget(running.output)
        os.close(running.output)
        running.output = None
        vitals = self._vitals
        if not current or vitals is None:
            return  # of a life that is over
        self._loop.cancel(_TIMEOUT)
        self._current = None
        said = bytes(running.kept).decode("utf-8", "replace").strip()
        words = f"it did not end in {vitals.timeout:g} s" if running.late else said
        self._count(vitals, words, ok=code == 0 and not running.late)

    def _count(self, vitals: Vitals, words: str, *, ok: bool) -> None:
        changed = vitals.ran(time.monotonic(), ok=ok)
        if changed or words != self._ledger.record.health_log:
            self._ledger.note(health=vitals.status, health_log=words)
        if changed:
            self._ledger.tell("health_status", health=vitals.status)
        self._loop.at(_CHECK, vitals.due, self._start)

"""What a container prints: into its log, and to whoever is attached."""

from __future__ import annotations

import os
import select
import time
from functools import partial

from zun_compose.drivers.local.loop import Loop
from zun_compose.drivers.local.supervise.launch import Run
from zun_compose.drivers.local.supervise.recorder import Recorder

_CHUNK = 1 << 16
# how long the last words of a container that has ended are waited for
_LAST_WORDS = 2.0


class Output:
    """The output of one container, over all its runs."""

    def __init__(self, loop: Loop, recorder: Recorder) -> None:
        self._loop = loop
        self._recorder = recorder
        self._sinks: dict[str, list[int]] = {"o": [], "e": []}

    def attach(self, output: int, error: int) -> None:
        """Copy all output to these files too, until the end; they are closed then."""
        self._sinks["o"].append(output)
        self._sinks["e"].append(error)

    def follow(self, run: Run) -> None:
        """Read what a run prints from now on."""
        for descriptor, mark in run.outputs.items():
            os.set_blocking(descriptor, False)
            self._loop.watch(descriptor, partial(self._heard, descriptor, mark))

    def drain(self, run: Run) -> None:
        """Read what is left of a run that has ended, and close it."""
        until = time.monotonic() + _LAST_WORDS
        for descriptor, mark in run.outputs.items():
            while self._loop.watches(descriptor):
                if not select.select([descriptor], [], [], max(until - time.monotonic(), 0))[0]:
                    self._end(descriptor)
                    break
                self._heard(descriptor, mark)
        self._recorder.finish()

    def close(self) -> None:
        """Let go of those who are attached."""
        for marks in self._sinks.values():
            for sink in marks:
                os.close(sink)

    def _heard(self, descriptor: int, mark: str) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # a terminal that nobody holds any more
        if not data:
            self._end(descriptor)
            return
        self._recorder.feed(mark, data)
        for sink in list(self._sinks[mark]):
            try:
                _write_all(sink, data)
            except OSError:
                self._sinks[mark].remove(sink)
                os.close(sink)

    def _end(self, descriptor: int) -> None:
        self._loop.forget(descriptor)
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

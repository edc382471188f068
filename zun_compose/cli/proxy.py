"""Ctrl-C and SIGTERM during `run`: handed to the container, as docker compose does."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from zun_compose.container import State
from zun_compose.driver import Signals
from zun_compose.errors import DriverError

if TYPE_CHECKING:
    from zun_compose.engine import Engine
    from zun_compose.model import Stack

_LOOK_SECONDS = 0.05


class SignalProxy:
    """Forwards signals to the one-off container of `service` that did not exist when this was made.

    As long as there is none, `cancel` ends what is done before it starts. Use it in a with block.
    """

    def __init__(self, engine: Engine, stack: Stack, service: str) -> None:
        self.cancel = threading.Event()
        self._engine = engine
        self._stack = stack
        self._service = service
        self._known = {one.id for one in engine.containers(stack)}
        self._over = threading.Event()

    def forward(self, signal: str) -> None:
        """Cancel, or send the signal once the container runs; safe in a signal handler."""
        self.cancel.set()
        threading.Thread(target=self._deliver, args=(signal,), name="signal", daemon=True).start()

    def close(self) -> None:
        """Forward nothing more."""
        self._over.set()

    def _deliver(self, signal: str) -> None:
        driver = self._engine.driver
        if not isinstance(driver, Signals):
            return
        while not self._over.wait(_LOOK_SECONDS):
            with suppress(DriverError):
                for one in self._engine.containers(self._stack):
                    ours = one.oneoff and one.service == self._service and one.id not in self._known
                    if ours and one.state is State.RUNNING:
                        driver.kill(one.id, signal)
                        return

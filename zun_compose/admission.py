"""Has published ports opened before a gate is told of what it waits for, where an engine opens them late.

Whoever waits for a service may then use its published ports at once, without trying again.
"""

from __future__ import annotations

import logging

from zun_compose.container import Health, Observed, PortKey
from zun_compose.driver import Admits, Driver
from zun_compose.errors import DriverError
from zun_compose.record import Mutable, field
from zun_compose.sighting import SocketReading

_log = logging.getLogger(__name__)


class _Known(Mutable):
    """What a container has been let in for, in one of its lives."""

    life: str | None
    signs: set[PortKey | Health] = field(default_factory=set)


class Admission:
    """The published ports of the containers that gates wait for.

    Safe from several threads; two that see the same have it opened twice, which is harmless.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver if isinstance(driver, Admits) else None
        self._known: dict[str, _Known] = {}

    def seen(self, observed: Observed, sockets: SocketReading | None) -> None:
        """Have opened what a look found bound or healthy for the first time."""
        if self._driver is None or not observed.ports:
            return
        signs: set[PortKey | Health] = {PortKey(port.target, port.protocol) for port in observed.ports}
        signs &= sockets.listening if sockets is not None else frozenset()
        if observed.health is Health.HEALTHY:
            signs.add(Health.HEALTHY)
        known = self._known.get(observed.id)
        if known is None or known.life != observed.started_at:
            known = self._known[observed.id] = _Known(life=observed.started_at)
        new = signs - known.signs
        if new:
            self.answered(observed)
            # Only now: whoever looks meanwhile must not tell of it before they are open.
            known.signs |= new

    def answered(self, observed: Observed) -> None:
        """A probe of the container was answered well: have opened what it has bound."""
        if self._driver is None or not observed.ports:
            return
        try:
            self._driver.admit(observed.id)
        except DriverError as error:
            # it is open a little later: no reason to hold what is ready
            _log.debug("published ports of %s are not opened early: %s", observed.name, error)

"""What a supervisor writes down: the container's record, and each change in its stack's journal."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from zun_compose.drivers.local import hints
from zun_compose.drivers.local.home import Home, Place
from zun_compose.drivers.local.papers import Account, Blueprint
from zun_compose.linux import proc
from zun_compose.record import replace


class Ledger:
    """The record of one container; its supervisor alone writes it."""

    def __init__(self, home: Home, place: Place, blueprint: Blueprint) -> None:
        self._home = home
        self._place = place
        self._blueprint = blueprint
        self.record = replace(
            Account.load(place),
            boot=proc.boot_id(),
            supervisor=os.getpid(),
            supervisor_start=proc.start_time(os.getpid()),
            restarts=0,
            by_hand=False,
        )

    @property
    def name(self) -> str:
        """What the container is called now."""
        try:
            return self._place.name.read_text()
        except OSError:
            return self._blueprint.name

    def note(self, **changes: Any) -> None:
        """Change the record."""
        self.record = replace(self.record, **changes)
        # a full disk must not end the container; whoever looks sees the state before
        with suppress(OSError):
            self.record.save(self._place)

    def tell(self, action: str, **details: Any) -> None:
        """Tell those who follow the stack."""
        hints.tell(self._home, self._blueprint, self.name, action, **details)

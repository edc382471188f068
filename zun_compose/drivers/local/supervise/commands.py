"""Commands that run inside a container besides its own process, and who waits for their end."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import inject
from zun_compose.drivers.local.supervise.launch import Run
from zun_compose.drivers.local.supervise.requests import answer

# what a command is told to have ended with that ends with its container: killed
_KILLED = 128 + 9


class Commands:
    """The commands of one container, over all its runs."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._askers: dict[int, socket.socket | None] = {}

    def begin(
        self, run: Run, request: Mapping[str, Any], files: list[int], connection: socket.socket
    ) -> None:
        """Run a command inside with the three files as its streams, or in a terminal of its own.

        Raises Unsupported.
        """
        command = inject.Command.asked(self._blueprint, request)
        if command.tty:
            pid = inject.into_terminal(run.pid, self._blueprint, command, connection, run.group)
        else:
            pid = inject.into(run.pid, self._blueprint, command, files[:3], run.group)
        self._askers[pid] = connection
        if request.get("detach"):
            self._askers[pid] = None
            answer(connection, {"exit_code": 0})

    def ended(self, pid: int, code: int) -> None:
        """A child of ours has ended, perhaps a command."""
        asker = self._askers.pop(pid, None)
        if asker is not None:
            answer(asker, {"exit_code": code})

    def end(self) -> None:
        """The container has ended for good, and all that runs inside with it."""
        for asker in self._askers.values():
            if asker is not None:
                answer(asker, {"exit_code": _KILLED})

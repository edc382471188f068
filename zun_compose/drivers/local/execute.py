"""Commands inside running containers, and containers joined to our own streams."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from zun_compose.container import ExecResult
from zun_compose.driver import Session
from zun_compose.drivers.local import wire
from zun_compose.drivers.local.containers import TIMEOUT, Containers
from zun_compose.drivers.local.home import Place
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.streams import Terminal, flush, own
from zun_compose.errors import Conflict, DriverTimeout

OUTPUT = 64 * 1024


class Commands(Containers):
    """ExecProbe and Terminal."""

    def execute(
        self,
        container: str,
        command: Sequence[str],
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        working_dir: str | None = None,
        privileged: bool = False,
    ) -> ExecResult:
        """Run to the end; keeps the first 64 KiB of output."""
        place = self._home.find(container)
        request = {
            "do": "execute",
            "argv": list(command),
            "environment": dict(environment or {}),
            "user": user,
            "working_dir": working_dir,
            "privileged": privileged,
        }
        until = time.monotonic() + timeout
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            try:
                connection = self._inside(place, request, (null, writer, writer))
            finally:
                os.close(null)
                os.close(writer)
            with connection:
                return _outcome(connection, reader, until, container)
        finally:
            os.close(reader)

    def _inside(self, place: Place, request: Mapping[str, Any], files: Sequence[int]) -> socket.socket:
        """Send a request whose answer comes later. Raises Conflict if the container does not run."""
        if not standing(place).up:
            raise Conflict(f'container "{place.id[:12]}" is not running')
        try:
            connection = wire.connect(place.control, TIMEOUT)
        except OSError:
            raise Conflict(f'container "{place.id[:12]}" is not running') from None
        try:
            wire.send(connection, request, files)
        except OSError:
            connection.close()
            raise Conflict(f'container "{place.id[:12]}" is not running') from None
        except BaseException:
            connection.close()
            raise
        return connection

    def execute_attached(self, container: str, command: Sequence[str], session: Session) -> int:
        """Run a command with our streams joined to it; 0 at once if detached."""
        place = self._home.find(container)
        request = {
            "do": "execute",
            "argv": list(command),
            "environment": dict(session.environment),
            "user": session.user,
            "working_dir": session.working_dir,
            "privileged": session.privileged,
            "tty": session.tty,
            "detach": session.detach,
        }
        flush()
        with own(stdin=session.stdin, silent=session.detach) as files:
            connection = self._inside(place, request, files)
        connection.settimeout(None)
        with connection:
            if session.tty and not session.detach:
                reply, received = _answer(connection, place)
                wire.checked(reply)
                with Terminal(received[0], stdin=session.stdin) as terminal:
                    terminal.run()
            reply, _ = _answer(connection, place)
            return int(wire.checked(reply)["exit_code"])

    def start_attached(self, container: str, session: Session) -> int:
        """Attach, start, join our streams until it ends; 0 at once if detached."""
        place = self._home.find(container)
        if session.detach:
            self.start(container)
            return 0
        blueprint = Blueprint.load(place)
        flush()
        if blueprint.tty:
            return self._start_in_terminal(place, blueprint, session)
        with own(stdin=session.stdin and blueprint.stdin_open) as files:
            request = {"attached": True, "stdin": session.stdin and blueprint.stdin_open}
            reply = self._start(place.id, request, files)
        return self._end_of(place, reply)

    def _start_in_terminal(self, place: Place, blueprint: Blueprint, session: Session) -> int:
        reader, writer = os.pipe()
        try:
            ends = self._start(place.id, {"attached": True, "terminal": True}, [writer] * 3)
        finally:
            os.close(writer)
        if ends is None:
            os.close(reader)
            raise Conflict(f'container "{place.id[:12]}" runs already')
        _, received = _answer(ends, place)
        with Terminal(received[0], stdin=session.stdin and blueprint.stdin_open, output=reader) as terminal:
            terminal.run()
        return self._end_of(place, ends)

    def _end_of(self, place: Place, ends: socket.socket | None) -> int:
        """Return the exit code, from the supervisor where the container removes itself."""
        if ends is not None:
            with ends:
                ends.settimeout(None)
                try:
                    reply, _ = wire.receive(ends)
                    code = reply.get("exit_code")
                    return 255 if code is None else int(code)
                except (OSError, EOFError):
                    pass
        record = standing(place)
        return 255 if record.exit_code is None else record.exit_code


def _answer(connection: socket.socket, place: Place) -> tuple[Mapping[str, Any], list[int]]:
    try:
        return wire.receive(connection)
    except (OSError, EOFError):
        raise Conflict(f'container "{place.id[:12]}" ended before the command did') from None


def _outcome(connection: socket.socket, reader: int, until: float, container: str) -> ExecResult:
    kept = bytearray()
    waited = [reader, connection.fileno()]
    reply: Mapping[str, Any] | None = None
    while reply is None:
        left = until - time.monotonic()
        if left <= 0:
            raise DriverTimeout(f'a command in container "{container[:12]}" did not end in time')
        ready, _, _ = select.select(waited, [], [], left)
        if reader in ready and not _take(reader, kept):
            waited.remove(reader)
        if connection.fileno() in ready:
            try:
                reply, _ = wire.receive(connection)
            except (OSError, EOFError):
                reply = {"exit_code": 137}
    wire.checked(reply)
    # what it wrote before its end is there by now; what it left running inside is not waited for
    while reader in waited and select.select([reader], [], [], 0)[0] and _take(reader, kept):
        pass
    return ExecResult(
        exit_code=int(reply["exit_code"]), output=bytes(kept[:OUTPUT]).decode("utf-8", "replace")
    )


def _take(reader: int, kept: bytearray) -> bool:
    data = os.read(reader, 1 << 16)
    if len(kept) < OUTPUT:
        kept += data
    return bool(data)

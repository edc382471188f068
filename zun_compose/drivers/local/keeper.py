"""The keeper of a stack: it holds the stack's namespaces and forks a supervisor for each container's start.

Run as `python -m zun_compose.drivers.local.keeper HOME STACK MODE PID FILE`. MODE "own" makes a user and a
network namespace for the stack, or joins those of the supervisor PID where a keeper was killed (else 0);
MODE "host" stays where it is. FILE is held open as long as it lives. It has imported all that a supervisor
needs, so that a fork is all that a start costs and its memory is shared by all of them. One thread; it ends
when nothing of the stack is left to keep.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from zun_compose.drivers.local import cgroups, hints, maps, wire
from zun_compose.drivers.local.home import Home, Place, flocked
from zun_compose.drivers.local.keepers import OWN, locked_by, socket_of
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.loop import Loop, ended_children
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.removing import tidy
from zun_compose.drivers.local.supervise import starting
from zun_compose.errors import DriverError
from zun_compose.linux import calls, proc

# how long it stays without any supervisor, for the next start to be quick
IDLE = 3.0
# and without having been asked to start any: it may come up before the first container is made
_YOUNG = 1.0
# how often it looks whether anything is left
_LOOK = 1.0


class Keeper:
    """One stack's keeper, or in mode host the forker of those containers that share the machine's network."""

    def __init__(self, home: Home, stack: str, mode: str) -> None:
        self._home = home
        self._stack = stack
        self._mode = mode
        self._loop = Loop()
        self._lines: dict[int, socket.socket] = {}
        self._children: dict[int, tuple[str, socket.socket]] = {}
        self._parting: list[socket.socket] = []
        self._idle_since = time.monotonic()
        self._started = False
        self._switchboard: Any = None

    def run(self, ready: int) -> None:
        """Serve until nothing is left; `ready` is told when commands may connect."""
        path = socket_of(self._home, self._stack, self._mode)
        self._listener = wire.listen(path)
        self._listener.setblocking(False)
        self._loop.watch(self._listener.fileno(), self._accept)
        self._loop.wake_for_children(self._reap)
        try:
            os.write(ready, b"1")
        except BrokenPipeError:
            # the command was killed: if it has made nothing, nobody is going to ask
            self._started = True
        os.close(ready)
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        os.close(null)
        if self._mode == OWN:
            # after it is ready: whoever started it may have other things to do meanwhile
            import_module("zun_compose.drivers.local.switchboard")
        gc.collect()
        gc.freeze()
        inode = path.stat().st_ino
        while not self._over(path, inode):
            soon = None if self._switchboard is None else self._switchboard.refresh()
            self._loop.turn(_LOOK if soon is None else soon)

    def _over(self, path: Path, inode: int) -> bool:
        if self._children or self._lines:
            self._idle_since = time.monotonic()
            return False
        left = not self._home.empty(self._stack)
        if left:
            for connection in self._parting:
                connection.close()
            self._parting.clear()
        patience = IDLE if left else 0.0 if self._started or self._parting else _YOUNG
        if time.monotonic() - self._idle_since < patience:
            return False
        # nobody may connect between the last look and the end
        with flocked(locked_by(self._home)):
            if select.select([self._listener], [], [], 0)[0]:
                return False
            with contextlib.suppress(OSError):
                if path.stat().st_ino == inode:
                    path.unlink()
        return True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.settimeout(5.0)
        try:
            request, files = wire.receive(connection)
        except (OSError, EOFError, ValueError):
            connection.close()
            return
        match request.get("do"):
            case "start":
                self._start(str(request["id"]), request, files, connection)
                connection.close()
            case "end":
                self._parting.append(connection)
            case "guard":
                self._guard(connection)
            case "socket":
                self._lend(connection, int(request["family"]))
            case "connect":
                # of a supervisor whose own keeper was killed
                with connection, contextlib.suppress(OSError):
                    wire.send(connection, self._connect(str(request["id"]), int(request["pid"])))
            case _:
                connection.close()
        for descriptor in files:
            os.close(descriptor)

    @staticmethod
    def _lend(connection: socket.socket, family: int) -> None:
        """Give a socket of the stack's network away: whoever holds it connects there from anywhere."""
        with connection, contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as lent:
            wire.send(connection, {}, [lent.fileno()])

    def _guard(self, connection: socket.socket) -> None:
        """Set the rules of the way out that has just been given to the namespace."""
        from zun_compose.drivers.local.network import egress

        try:
            self._networks().open_way_out(egress.guard())
            reply: dict[str, Any] = {}
        except (DriverError, OSError) as error:
            reply = wire.failure(error)
        with connection, contextlib.suppress(OSError):
            wire.send(connection, reply)

    def _start(
        self, container: str, request: dict[str, Any], files: list[int], connection: socket.socket
    ) -> None:
        self._started = True
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                child = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
        except OSError as error:
            # of a limit on processes or files: those that run must not lose their keeper
            with contextlib.suppress(OSError):
                wire.send(connection, wire.failure(error))
            return
        if child:
            theirs.close()
            self._children[child] = (container, ours)
            self._lines[ours.fileno()] = ours
            self._loop.watch(ours.fileno(), lambda: self._asked(container, ours))
            return
        try:
            self._loop.abandon()
            os.setsid()
            self._listener.close()
            ours.close()
            for other in (*self._lines.values(), *self._parting):
                other.close()
            starting.supervise(
                self._home, self._home.place(container), request, files, connection, theirs, self._mode
            )
        except BaseException as error:  # noqa: BLE001 - a fork must never return into the keeper's loop
            with contextlib.suppress(OSError):
                wire.send(connection, wire.failure(error))
        finally:
            os._exit(0)

    def _asked(self, container: str, line: socket.socket) -> None:
        """A supervisor wants its container's first process joined to its networks."""
        try:
            request, _ = wire.receive(line)
        except (OSError, EOFError, ValueError):
            self._hang_up(line)
            return
        with contextlib.suppress(OSError):
            wire.send(line, self._connect(container, int(request["pid"])))

    def _connect(self, container: str, pid: int) -> dict[str, Any]:
        """Join a process to its container's networks; returns the answer."""
        try:
            told: dict[str, Any] = self._networks().connect(Blueprint.load(self._home.place(container)), pid)
        except Exception as error:  # noqa: BLE001 - the one who asked is told; the keeper goes on
            return wire.failure(error)
        return told

    def _networks(self) -> Any:
        if self._switchboard is None:
            from zun_compose.drivers.local.switchboard import Switchboard

            self._switchboard = Switchboard(self._home, self._stack)
        return self._switchboard

    def _hang_up(self, line: socket.socket) -> None:
        self._loop.forget(line.fileno())
        self._lines.pop(line.fileno(), None)
        line.close()

    def _reap(self) -> None:
        ended: list[str] = []
        killed = False
        for pid, status in ended_children():
            container, line = self._children.pop(pid, (None, None))
            if container is not None and line is not None:
                killed |= status != 0
                if line.fileno() >= 0:
                    self._hang_up(line)
                ended.append(container)
        if killed:
            self._end_orphans()
        for container in ended:
            self._ended(self._home.place(container))

    def _ended(self, place: Place) -> None:
        """Tidy up after a supervisor; one that was killed could not say how its container ended."""
        if self._switchboard is not None:
            self._switchboard.disconnect(place.id)
        # a killed supervisor has left them
        cgroups.remove(place.path, patience=0.2)
        try:
            record = standing(place)
            if record.status == "exited" and record.exit_code is None:
                record.save(place)
                blueprint = Blueprint.load(place)
                hints.tell(self._home, blueprint, blueprint.name, "die")
        except (DriverError, OSError):
            return

    def _end_orphans(self) -> None:
        """Kill what a killed supervisor left: not everything ends with it by itself.

        It looks at all processes, so it is done once for all that ended together, and only if one was killed.
        """
        for pid in proc.children(os.getpid()):
            if pid not in self._children:
                for one in (pid, *proc.descendants(pid)):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(one, signal.SIGKILL)


def enter(pid: int | None) -> None:
    """Make the stack's user and network namespace, or join those of a supervisor. Raises OSError."""
    if pid is not None:
        descriptor = os.pidfd_open(pid)
        calls.setns(descriptor, calls.CLONE_NEWUSER | calls.CLONE_NEWNET)
        os.close(descriptor)
        return
    maps.apart()
    calls.unshare(calls.CLONE_NEWNET)


def _no_namespaces(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    if error.errno in (errno.ENOSPC, errno.EUSERS):
        reason += " (a limit is reached: raise user.max_user_namespaces and user.max_net_namespaces)"
    return f"it cannot make the stack's namespaces: {reason}"


def main(words: list[str]) -> None:
    """Become the keeper that the words name; the file that is told of readiness is our stdout."""
    # the last one is a file that is only held open, see keepers
    root, stack, mode, join, _ = words
    os.umask(0o077)
    ready = os.dup(1)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    calls.adopt_orphans()
    home = Home(Path(root))
    if mode == OWN:
        try:
            enter(int(join) or None)
        except OSError as error:
            sys.exit(_no_namespaces(error))
    Keeper(home, stack, mode).run(ready)
    tidy(home, stack)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Forwards published ports into containers: lets nobody in until the container's port is bound.

Runs in a process of its own inside the stack's network namespace, told by its parent through a control
socket what to forward. One thread, one epoll; it ends when the control socket does.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from select import EPOLLIN
from typing import Any

from zun_compose.container import PortKey
from zun_compose.drivers.local.network.bound import BoundPorts
from zun_compose.drivers.local.network.datagrams import Datagrams
from zun_compose.drivers.local.network.loop import Loop
from zun_compose.drivers.local.network.pump import Pump
from zun_compose.drivers.local.network.reserve import Reservation, close_listener, open_listener
from zun_compose.errors import Unavailable
from zun_compose.record import Mutable

# Looks at a container's sockets: this soon after a start, then ever less often, less still once all its
# ports are open. A refused connection brings the next look forward.
_SOONEST = 0.005
_SLOWER = 1.25
_SLOWEST_WAITING = 0.1
_SLOWEST = 0.5
_FAST_FOR = 2.0
# Every so many looks the sockets are listed even if their counts stand still: one may open as another closes.
_LIST_EVERY = 8
# What a container that stopped has sent may still be on its way to a slow client.
_DRAIN = 5.0
_NO_DESCRIPTOR_PAUSE = 0.1
_ACCEPTS = 64
_MESSAGE = 1 << 16
# SCM_RIGHTS takes at most 253 descriptors a message (unix(7)).
_DESCRIPTORS = 250


class _Route(Mutable, kw_only=True):
    """One reserved socket and where it leads."""

    target: PortKey
    reserved: socket.socket
    addresses: tuple[tuple[str, int], ...] = ()
    datagrams: Datagrams | None = None
    listening: bool = False


class _Target:
    """One container: its routes, and the watch over its ports."""

    def __init__(self, loop: Loop, addresses: Sequence[str], routes: list[_Route]) -> None:
        self._loop = loop
        self._addresses = tuple(addresses)
        self.routes = routes
        self._bound: BoundPorts | None = None
        self._counts = ""
        self._looks = 0
        self._delay = _SOONEST
        self._fast_left = 0.0
        self._generation = 0
        self._pumps: set[Pump] = set()
        for route in routes:
            if route.target.protocol == "udp":
                route.datagrams = Datagrams(loop, route.reserved)

    def running(self, pid: int) -> None:
        """Watch this process from now on."""
        self.stopped()
        try:
            self._bound = BoundPorts(pid)
        except OSError:
            return  # ended already; its next start is told too
        self._counts = ""
        self._hurry()

    def stopped(self) -> None:
        """Let nobody in any more."""
        self._generation += 1
        if self._bound is not None:
            self._bound.close()
            self._bound = None
        self._apply({})
        if self._pumps:
            left = tuple(self._pumps)
            self._loop.after(_DRAIN, lambda: _abort(left))

    def close(self) -> None:
        """Give its ports back and end its connections."""
        self.stopped()
        _abort(tuple(self._pumps))
        for route in self.routes:
            if route.datagrams is not None:
                route.datagrams.close()
            route.reserved.close()

    def look(self) -> None:
        """Look now, out of turn."""
        if self._bound is not None:
            try:
                self._apply(self._bound.ports())
            except OSError:
                self.stopped()

    def _hurry(self) -> None:
        """Look now, and soon again."""
        self._delay, self._fast_left = _SOONEST, _FAST_FOR
        self._counts = ""
        self._generation += 1
        self._look(self._generation)

    def _look(self, generation: int) -> None:
        if generation != self._generation or self._bound is None:
            return
        try:
            counts = self._bound.counts()
            self._looks += 1
            if counts != self._counts or self._looks % _LIST_EVERY == 0:
                self._apply(self._bound.ports())
                self._counts = counts
        except OSError:
            self.stopped()
            return
        if self._fast_left > 0:
            self._fast_left -= self._delay
        else:
            waiting = any(not route.addresses for route in self.routes)
            self._delay = min(_SLOWEST_WAITING if waiting else _SLOWEST, self._delay * _SLOWER)
        self._loop.after(self._delay, lambda: self._look(generation))

    def _apply(self, ports: dict[PortKey, frozenset[int]]) -> None:
        for route in self.routes:
            families = ports.get(route.target, frozenset())
            route.addresses = tuple(
                (address, route.target.port)
                for address in self._addresses
                if (6 if ":" in address else 4) in families
            )
            if route.datagrams is not None:
                route.datagrams.aim(route.addresses)
            elif route.addresses and not route.listening:
                self._open(route)
            elif not route.addresses and route.listening:
                self._loop.forget(route.reserved.fileno())
                close_listener(route.reserved)
                route.listening = False

    def _open(self, route: _Route) -> None:
        try:
            open_listener(route.reserved)
        except OSError:
            self._counts = ""  # the next look tries again
            return
        route.listening = True
        self._loop.watch(route.reserved.fileno(), EPOLLIN, lambda _: self._accept(route))

    def _accept(self, route: _Route) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _address = route.reserved.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                    self._pause(route)
                    return
                continue  # that client went away meanwhile
            pump = Pump(
                self._loop, connection, route.addresses, refused=self._refused, done=self._pumps.discard
            )
            if pump.open:
                self._pumps.add(pump)

    def _refused(self) -> None:
        # From the loop, not from within an accept that has more to take.
        self._loop.after(0.0, self._hurry)

    def _pause(self, route: _Route) -> None:
        """Accept nothing for a moment: a waiting client would wake us without end."""
        self._loop.forget(route.reserved.fileno())

        def resume() -> None:
            if route.listening:
                self._loop.watch(route.reserved.fileno(), EPOLLIN, lambda _: self._accept(route))

        self._loop.after(_NO_DESCRIPTOR_PAUSE, resume)


def _abort(pumps: Sequence[Pump]) -> None:
    for pump in pumps:
        pump.abort()


class Forwarder:
    """Serves what its control socket (SOCK_SEQPACKET) says; each message is answered by one byte."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._loop = Loop()
        self._targets: dict[str, _Target] = {}

    def run(self) -> None:
        """Serve until the control socket's other end is closed."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._loop.watch(self._control.fileno(), EPOLLIN, self._told)
        self._loop.run()
        for target in self._targets.values():
            target.close()

    def _told(self, _: int) -> None:
        try:
            data, descriptors, _flags, _address = socket.recv_fds(self._control, _MESSAGE, _DESCRIPTORS)
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._loop.stop()
            return
        self._carry_out(json.loads(data), descriptors)
        with suppress(OSError):
            self._control.send(b".")

    def _carry_out(self, message: dict[str, Any], descriptors: list[int]) -> None:
        container = message["container"]
        target = self._targets.get(container)
        match message["verb"]:
            case "publish":
                if target is not None:
                    target.close()
                routes = []
                for (port, protocol), descriptor in zip(message["targets"], descriptors, strict=True):
                    reserved = socket.socket(fileno=descriptor)
                    reserved.setblocking(False)
                    routes.append(_Route(target=PortKey(port, protocol), reserved=reserved))
                self._targets[container] = _Target(self._loop, message["addresses"], routes)
            case "running" if target is not None:
                target.running(message["pid"])
            case "look" if target is not None:
                target.look()
            case "stopped" if target is not None:
                target.stopped()
            case "withdraw" if target is not None:
                target.close()
                del self._targets[container]


class Control:
    """The parent's end: says what to forward. Every call returns once it has taken effect.

    Raises Unavailable if the forwarder is gone.
    """

    def __init__(self, control: socket.socket, pid: int) -> None:
        self._socket = control
        self.pid = pid

    def fileno(self) -> int:
        """Descriptor that becomes readable when the forwarder ends."""
        return self._socket.fileno()

    def publish(self, container: str, addresses: Sequence[str], reserved: Sequence[Reservation]) -> None:
        """Hand over a container's reserved ports; `addresses` are its own, the preferred one first.

        The reservations stay open here too: close them afterwards.
        """
        pairs = [(one.target, held) for one in reserved for held in one.sockets]
        if len(pairs) > _DESCRIPTORS:
            raise Unavailable(f'container "{container}" publishes more than {_DESCRIPTORS} ports')
        targets = [(target.port, target.protocol) for target, _ in pairs]
        self._say(
            {"verb": "publish", "container": container, "addresses": list(addresses), "targets": targets},
            [held.fileno() for _, held in pairs],
        )

    def running(self, container: str, pid: int) -> None:
        """Say that its first process runs, again after every restart."""
        self._say({"verb": "running", "container": container, "pid": pid})

    def look(self, container: str) -> None:
        """Let clients in by the ports that are bound by now, without waiting for the next look."""
        self._say({"verb": "look", "container": container})

    def stopped(self, container: str) -> None:
        """Say that it runs no more; its ports stay reserved."""
        self._say({"verb": "stopped", "container": container})

    def withdraw(self, container: str) -> None:
        """Give its ports back."""
        self._say({"verb": "withdraw", "container": container})

    def forget(self) -> None:
        """Close this end's copy in a forked child, which would keep the forwarder alive otherwise."""
        self._socket.close()

    def close(self) -> None:
        """End the forwarder and wait for it."""
        # A forked child of ours may hold a copy still.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _say(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], descriptors)
            if self._socket.recv(1):
                return
        except OSError:
            pass
        raise Unavailable("the forwarder of published ports has ended: bring the stack down and up again")


def start() -> Control:
    """Fork a forwarder off a process of one thread; it keeps nothing of ours open but its control socket.

    It inherits our namespaces. Raises OSError.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return Control(ours, pid)
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN if number != signal.SIGCHLD else signal.SIG_DFL)
        kept = theirs.detach()
        os.closerange(3, kept)
        os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        Forwarder(socket.socket(fileno=kept)).run()
        code = 0
    finally:
        # Not through the parent's clean-up, which is not ours to do.
        os._exit(code)

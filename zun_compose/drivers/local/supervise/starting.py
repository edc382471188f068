"""What a keeper's fork does to become a container's supervisor."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zun_compose.container import PortKey
from zun_compose.drivers.local import cgroups, keepers, wire
from zun_compose.drivers.local.home import Home, Place
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.network import forward
from zun_compose.drivers.local.network.reserve import Reservation
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import launch
from zun_compose.drivers.local.supervise.life import Supervisor
from zun_compose.drivers.local.supervise.sandbox import Joined
from zun_compose.drivers.local.switchboard import hosts_file
from zun_compose.errors import Conflict, Unavailable
from zun_compose.linux import calls


def supervise(
    home: Home,
    place: Place,
    request: dict[str, Any],
    files: list[int],
    asker: socket.socket,
    keeper: socket.socket,
    mode: str,
) -> None:
    """Start the container, tell the asker how that went, and stay until it has ended.

    `files` are its published sockets, after the streams of whoever attaches. Raises DriverError only
    before the process has started.
    """
    calls.adopt_orphans()
    # held until we end
    if place.hold() is None:
        # somebody else starts it, or its last life is just ending: the asker looks and asks again
        wire.send(asker, {"held": True})
        return
    attached = files[:3] if request.get("attached") else []
    starter = _Starter(home, place, request, files[len(attached) :], keeper)
    supervisor = Supervisor(home, place, starter)
    if attached:
        supervisor.attach(os.dup(attached[1]), os.dup(attached[2]))
    supervisor.start(attached[0] if attached and request.get("stdin") else None)
    with contextlib.suppress(OSError):
        wire.send(asker, {"started": True})
    if attached:
        if request.get("terminal"):
            supervisor.lend_terminal(asker)
        supervisor.tell_end(asker)
    else:
        asker.close()
    for descriptor in attached:
        os.close(descriptor)
    supervisor.live()
    if Blueprint.load(place).auto_remove:
        from zun_compose.drivers.local.removing import discard

        discard(home, place, volumes=True)


class _Starter:
    """Starts the process of one container, as often as it is asked to, and forwards its published ports.

    Its forwarder is its own: it works on whatever becomes of the keeper.
    """

    def __init__(
        self, home: Home, place: Place, request: dict[str, Any], files: list[int], keeper: socket.socket
    ) -> None:
        self._home = home
        self._place = place
        self._keeper = keeper
        self._reserved = _reservations(request.get("reserved", ()), files)
        self._forwarder: forward.Control | None = None

    def begin(self, blueprint: Blueprint, stdin: int | None) -> tuple[launch.Run, dict[str, Any]]:
        """Start it; returns the run and what is to be noted of it. Raises DriverError."""
        group = cgroups.make(self._place, blueprint.limits)
        if not blueprint.isolated:
            return launch.plain(blueprint, stdin, group), {"ports": tuple(_told(blueprint))}
        if self._reserved and self._forwarder is None:
            self._forwarder = forward.start()
            addresses = [one for nic in blueprint.nics for one in (nic.ipv4, nic.ipv6) if one is not None]
            self._forwarder.publish(blueprint.id, addresses, self._reserved)
        told: dict[str, Any] = {"ports": tuple(_published(self._reserved))}
        joined = self._join(blueprint)

        def connect(pid: int) -> None:
            if blueprint.nics:
                told["addresses"] = self._connected(blueprint, pid)

        try:
            run = launch.sandboxed(
                blueprint,
                self._place,
                self._home.root,
                launch.bubblewrap(),
                joined,
                self._hosts(blueprint),
                connect,
                stdin,
                group,
            )
        finally:
            for descriptor in joined.files.values():
                os.close(descriptor)
        if self._forwarder is not None:
            self._forwarder.running(blueprint.id, run.pid)
        return run, told

    def admit(self) -> None:
        """Let clients in by the published ports whose own ports are bound by now. Raises Unavailable."""
        if self._forwarder is not None:
            self._forwarder.look(self._place.id)

    def rest(self) -> None:
        """Let nobody in while there is no process."""
        if self._forwarder is not None:
            with contextlib.suppress(Unavailable):
                self._forwarder.stopped(self._place.id)

    def leave(self) -> None:
        """Give the published ports back, and what its limits were kept by."""
        cgroups.remove(self._place.path)
        if self._forwarder is not None:
            self._forwarder.close()
            self._forwarder = None
        for reservation in self._reserved:
            reservation.close()

    def _connected(self, blueprint: Blueprint, pid: int) -> dict[str, str]:
        """Let a keeper join a process to the networks, ours or the one there is now, else do it ourselves."""
        for line in self._lines(blueprint):
            with contextlib.suppress(OSError, EOFError):
                wire.send(line, {"do": "connect", "id": blueprint.id, "pid": pid})
                reply, _ = wire.receive(line)
                return dict(wire.checked(reply)["addresses"])
        from zun_compose.drivers.local.switchboard import Switchboard

        return dict(Switchboard(self._home, blueprint.stack).connect(blueprint, pid)["addresses"])

    def _lines(self, blueprint: Blueprint) -> Iterator[socket.socket]:
        yield self._keeper
        with contextlib.suppress(OSError):
            path = keepers.socket_of(self._home, blueprint.stack, keepers.OWN)
            with wire.connect(path, keepers.PATIENCE) as line:
                yield line

    def _hosts(self, blueprint: Blueprint) -> Path | None:
        """Return the hosts file that it shares with others; it must be there before it is mounted."""
        mode = blueprint.network_mode or ""
        if mode.startswith("container:"):
            other = self._home.find(mode.removeprefix("container:"))
            return hosts_file(self._home, Blueprint.load(other)) or other.path / "hosts"
        path = hosts_file(self._home, blueprint)
        if path is not None:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(mode=0o644)
            path.chmod(0o644)
        return path

    def _join(self, blueprint: Blueprint) -> Joined:
        """Open the namespaces of other containers that it shares. Raises Conflict if they do not run."""
        joined = Joined()
        for kind, mode in (
            ("net", blueprint.network_mode),
            ("ipc", blueprint.ipc_mode),
            ("pid", blueprint.pid_mode),
        ):
            if mode is None or not mode.startswith("container:"):
                continue
            other = self._home.find(mode.removeprefix("container:"))
            record = standing(other)
            if record.pid is None or not record.up:
                raise Conflict(
                    f'it shares the {kind} namespace of container "{other.id[:12]}", which does not run'
                )
            joined.files[kind] = os.open(f"/proc/{record.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            if kind == "pid":
                # the files of /proc belong to the namespace's owner
                path = f"/proc/{record.pid}/ns/user"
                joined.files["user"] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return joined


def _reservations(told: Iterable[Any], files: list[int]) -> list[Reservation]:
    """Put the sockets that came along together with what they are for."""
    found = []
    left = iter(files)
    for target, protocol, host_ip, host_port, count in told:
        sockets = tuple(socket.socket(fileno=next(left)) for _ in range(count))
        found.append(
            Reservation(
                target=PortKey(target, protocol), host_ip=host_ip, host_port=host_port, sockets=sockets
            )
        )
    return found


def _published(reserved: Iterable[Reservation]) -> Iterator[tuple[int, str, str, int]]:
    for one in reserved:
        for held in one.sockets:
            yield one.target.port, one.target.protocol, str(held.getsockname()[0]), one.host_port


def _told(blueprint: Blueprint) -> Iterator[tuple[int, str, str, int]]:
    """What a process without a namespace of its own publishes: the ports that it binds itself."""
    for port in blueprint.ports:
        if port.published in (None, str(port.target)):
            yield port.target, port.protocol, port.host_ip or "0.0.0.0", port.target  # noqa: S104 - as it was asked

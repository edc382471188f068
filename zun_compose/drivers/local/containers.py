"""The life of containers: create, look, start, signal, wait, stop, remove."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from zun_compose.container import ContainerSpec, Observed
from zun_compose.driver import ProcessTable
from zun_compose.drivers.local import hints, keepers, marks, wire
from zun_compose.drivers.local.home import Home, Place, wipe, write
from zun_compose.drivers.local.look import observed, standing
from zun_compose.drivers.local.network.reserve import Reservation, reserve
from zun_compose.drivers.local.papers import Account, Blueprint
from zun_compose.drivers.local.removing import MadeVolumes, begin, discard, sweep, tidy
from zun_compose.drivers.local.resolve import Resolver
from zun_compose.drivers.local.watching import Watch
from zun_compose.errors import Conflict, DriverError, DriverTimeout, NotFound, Unavailable
from zun_compose.labels import PROJECT
from zun_compose.linux import proc
from zun_compose.model import Port

TIMEOUT = 60.0
# what a lost wake-up costs at most
_PATIENCE = 0.25
# how long a supervisor that does not answer may take before it is killed with all that it holds
_STUBBORN = 5.0
_HELD = "files are being copied into or out of it, or it is just being started: try again when that is done"


class _Held(Conflict):
    """Somebody who is no supervisor holds the container."""


@contextlib.contextmanager
def telling(what: str) -> Iterator[None]:
    """Tell an error of the system, such as a full disk, as the driver's."""
    try:
        yield
    except OSError as error:
        reason = wire.in_words(error)
        raise DriverError(f"{what}: {reason}", reason=reason) from error


@contextlib.contextmanager
def reserved(blueprint: Blueprint) -> Iterator[tuple[list[Any], list[int]]]:
    """Hold the machine's ports that a container publishes: what they are for, and their sockets.

    Raises Conflict for a taken one.
    """
    held: list[Reservation] = []
    try:
        # who shares a network publishes nothing, as in Docker
        if blueprint.isolated and blueprint.nics:
            for port in blueprint.ports:
                asked = Port(
                    target=port.target,
                    published=port.published,
                    protocol=port.protocol,
                    host_ip=port.host_ip,
                )
                held.append(reserve(asked))
        told = [
            [one.target.port, one.target.protocol, one.host_ip, one.host_port, len(one.sockets)]
            for one in held
        ]
        yield told, [each.fileno() for one in held for each in one.sockets]
    finally:
        for one in held:
            one.close()


class Part:
    """One responsibility of the driver; all parts share its home."""

    def __init__(self, home: Home, resolver: Resolver) -> None:
        self._home = home
        self._resolver = resolver
        self._foresight = keepers.Foresight(home)


class Containers(Part):
    """Driver, Admits, Signals, Renames and Waits."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container, or leave nothing. Raises Unsupported naming what cannot be carried out."""
        with telling(f'cannot create container "{spec.name}"'):
            return self._create(spec)

    def _create(self, spec: ContainerSpec) -> str:
        container = secrets.token_hex(32)
        making = Place(self._home.root / "containers" / f".new-{container}")
        place = self._home.place(container)
        if self._home.named(spec.name) is not None:
            raise _taken(spec.name)
        isolated = self._resolver.isolated
        self._foresight.expect(spec.stack, keepers.mode_of(spec.network_mode, isolated=isolated))
        volumes = MadeVolumes(making)
        held = begin(self._home, making)
        try:
            blueprint = self._resolver.resolve(spec, container, making, volumes)
            with self._home.locked():
                blueprint = self._resolver.address(spec, blueprint)
                blueprint.save(making)
                self._settle(making, place, blueprint)
        except BaseException:
            self._resolver.undo(container, spec, volumes)
            wipe(making.path)
            raise
        finally:
            os.close(held)
        hints.tell(self._home, blueprint, spec.name, "create")
        return container

    def _settle(self, making: Place, place: Place, blueprint: Blueprint) -> None:
        """Let it be there under its name; hold the home's lock. Raises Conflict for a taken name."""
        if self._home.named(blueprint.name) is not None:
            raise _taken(blueprint.name)
        write(making.name, blueprint.name.encode())
        members = self._home.stack(blueprint.stack) / "containers"
        members.mkdir(mode=0o700, parents=True, exist_ok=True)
        # in this order, a crash in between leaves nothing that has a name but is not listed
        (members / place.id).touch(mode=0o600)
        making.path.rename(place.path)
        self._home.take_name(blueprint.name, place.id)

    def start(self, container: str) -> None:
        """Start it; a running one is left alone."""
        connection = self._start(container, {}, ())
        if connection is not None:
            connection.close()

    def _start(
        self, container: str, request: Mapping[str, Any], files: Sequence[int]
    ) -> socket.socket | None:
        """Start it; returns the connection to its supervisor, None if it ran already."""
        place = self._home.find(container)
        blueprint = Blueprint.load(place)
        deadline = time.monotonic() + TIMEOUT
        pause = 0.002
        while True:
            if standing(place).up:
                return None
            with reserved(blueprint) as (told, sockets):
                body = {**request, "reserved": told}
                reply, connection = self._ask_keeper(place, blueprint, body, (*files, *sockets))
            if not reply.get("held"):
                return connection
            connection.close()
            if time.monotonic() > deadline:
                raise DriverTimeout(f'container "{blueprint.name}" cannot be started: {_HELD}')
            # each question costs the keeper a fork
            time.sleep(pause)
            pause = min(2 * pause, _PATIENCE)

    def _ask_keeper(
        self, place: Place, blueprint: Blueprint, request: Mapping[str, Any], files: Sequence[int]
    ) -> tuple[Mapping[str, Any], socket.socket]:
        mode = keepers.mode_of(blueprint.network_mode, isolated=blueprint.isolated)
        body = {"do": "start", "id": place.id, **request}
        try:
            return keepers.ask(self._home, blueprint.stack, mode, body, files)
        except DriverError as error:
            message = f'cannot start container "{blueprint.name}": {error}'
            raise type(error)(message, reason=error.reason) from error

    def inspect(self, container: str) -> Observed:
        """Look at one container."""
        return observed(self._home.find(container))

    def list(self, stack: str) -> Sequence[Observed]:
        """Look at all containers of a stack."""
        seen = []
        for place in self._home.of_stack(stack):
            with suppress(NotFound):
                seen.append(observed(place))
        if not seen:
            # Perhaps all that is left of it is what nobody would look for any more.
            with suppress(OSError):
                sweep(self._home)
        return sorted(seen, key=lambda one: (one.service, one.number, one.name, one.id))

    def everywhere(self) -> Sequence[Observed]:
        """Look at all containers of all stacks."""
        seen = []
        for place in self._home.every():
            with suppress(NotFound):
                seen.append(observed(place))
        return sorted(
            seen, key=lambda one: (one.labels.get(PROJECT, ""), one.service, one.number, one.name, one.id)
        )

    def processes(self, container: str) -> ProcessTable:
        """Tell a container's processes by the kernel's own tables."""
        from zun_compose.drivers.local.processes import table

        seen = observed(self._home.find(container))
        if not seen.pid:
            raise Conflict(f'container "{seen.name}" is not running (it is {seen.state.value})')
        return table(seen.pid)

    def stop(self, container: str, grace: float | None = None) -> None:
        """Stop it with its signal, and kill it after `grace` seconds."""
        place = self._home.seek(container)
        if place is None:
            return
        try:
            declared = Blueprint.load(place).stop_grace if grace is None else grace
            self._command(place, {"do": "stop", "grace": grace}, declared + _STUBBORN)
        except (Conflict, NotFound):
            return
        except DriverTimeout:
            # its supervisor is frozen or stuck: the container must end all the same
            self._end_supervisor(place)
        self._outlast(place)

    def _outlast(self, place: Place) -> None:
        """Wait until the supervisor has let go, so that stopped means stopped for whoever looks next."""
        deadline = time.monotonic() + _STUBBORN
        while time.monotonic() < deadline and standing(place).up:
            time.sleep(0.002)

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it, and with `volumes` its anonymous ones."""
        place = self._home.seek(container)
        if place is None:
            return
        # gone already if somebody else was quicker
        with suppress(NotFound), telling(f'cannot remove container "{container}"'):
            stack = Blueprint.load(place).stack
            self._take_apart(place, force=force, volumes=volumes)
            if self._home.empty(stack):
                sweep(self._home)
                keepers.end(self._home, stack)
                self._foresight.forget(stack)
                # one that was killed could not do it
                tidy(self._home, stack)

    def _take_apart(self, place: Place, *, force: bool, volumes: bool) -> None:
        deadline = time.monotonic() + TIMEOUT
        while True:
            if standing(place).up:
                if not force:
                    name = observed(place).name
                    raise Conflict(f'container "{name}" is running: stop it before removing it')
                self._kill_off(place)
            try:
                with self._unsupervised(place):
                    self._end_remains(place)
                    discard(self._home, place, volumes=volumes)
                    return
            except _Held:
                raise
            except Conflict:
                # it was started meanwhile, perhaps by a command that is gone
                if not force or time.monotonic() > deadline:
                    raise

    @staticmethod
    def _end_remains(place: Place) -> None:
        """Kill what outlived its supervisor and its keeper: without isolation, or in a terminal."""
        account = Account.load(place)
        if proc.alive(account.pid, account.pid_start, account.boot):
            with suppress(ProcessLookupError):
                os.kill(account.pid or 0, 9)
        if not Blueprint.load(place).isolated:
            for pid in marks.marked(place.id):
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)

    def _kill_off(self, place: Place) -> None:
        try:
            self._command(place, {"do": "stop", "grace": 0}, _STUBBORN)
        except (Conflict, NotFound):
            return
        except DriverError:
            self._end_supervisor(place)

    def _end_supervisor(self, place: Place) -> bool:
        """Kill a supervisor that does not answer; the kernel kills what it holds. False if there is none."""
        record = Account.load(place)
        if not proc.alive(record.supervisor, record.supervisor_start, record.boot):
            return False
        with suppress(ProcessLookupError):
            os.kill(record.supervisor or 0, 9)
        deadline = time.monotonic() + _STUBBORN
        while proc.alive(record.supervisor, record.supervisor_start, record.boot):
            if time.monotonic() > deadline:
                raise Unavailable(f'container "{place.id[:12]}" cannot be ended: its supervisor does not die')
            time.sleep(0.002)
        return True

    @contextlib.contextmanager
    def _unsupervised(self, place: Place) -> Any:
        """Hold the container's lock, which its supervisor keeps until its very end.

        Raises Conflict if it is started meanwhile, or if a porter that copies its files does not let go.
        """
        try:
            descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            yield
            return
        try:
            deadline = time.monotonic() + _STUBBORN
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if standing(place).up:
                        message = f'container "{place.id[:12]}" was started meanwhile: stop it first'
                        raise Conflict(message) from None
                    if time.monotonic() > deadline and not self._end_supervisor(place):
                        raise _Held(f'container "{place.id[:12]}" cannot be removed: {_HELD}') from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(descriptor)

    def kill(self, container: str, signal: str) -> None:
        """Send a signal; a container that does not run raises Conflict."""
        place = self._home.find(container)
        self._command(place, {"do": "kill", "signal": signal}, TIMEOUT)

    def pause(self, container: str) -> None:
        """Freeze it."""
        self._command(self._home.find(container), {"do": "pause"}, TIMEOUT)

    def unpause(self, container: str) -> None:
        """Thaw it."""
        self._command(self._home.find(container), {"do": "unpause"}, TIMEOUT)

    def admit(self, container: str) -> None:
        """Let clients in by the published ports whose own ports are bound by now."""
        with suppress(Conflict):
            self._command(self._home.find(container), {"do": "admit"}, _STUBBORN)

    def rename(self, container: str, name: str) -> None:
        """Rename it."""
        place = self._home.find(container)
        blueprint = Blueprint.load(place)
        with telling(f'cannot rename container "{blueprint.name}"'), self._home.locked():
            before = place.name.read_text()
            if name == before:
                return
            if not self._home.take_name(name, place.id):
                raise _taken(name)
            write(place.name, name.encode())
            self._home.drop_name(before, place.id)
        hints.tell(self._home, blueprint, name, "rename", attributes={"oldName": before})

    def wait(self, container: str, timeout: float | None = None) -> int:
        """Block until it does not run and will not be restarted; returns its exit code."""
        place = self._home.find(container)
        until = None if timeout is None else time.monotonic() + timeout
        watch = Watch(place.path)
        try:
            while True:
                record = standing(place)
                if not record.up or not place.spec.exists():
                    return 255 if record.exit_code is None and record.error else record.exit_code or 0
                patience = _PATIENCE if until is None else min(_PATIENCE, until - time.monotonic())
                if patience <= 0:
                    raise DriverTimeout(f'container "{container}" still runs after {timeout:g} s')
                watch.wait(patience)
        finally:
            watch.close()

    def _command(
        self, place: Place, request: Mapping[str, Any], timeout: float, files: Sequence[int] = ()
    ) -> Mapping[str, Any]:
        """Ask a container's supervisor. Raises Conflict if there is none: the container does not run."""
        try:
            with wire.connect(place.control, timeout) as connection:
                wire.send(connection, request, files)
                reply, _ = wire.receive(connection)
        except TimeoutError:
            raise DriverTimeout(f'the supervisor of container "{place.id[:12]}" does not answer') from None
        except (OSError, EOFError):
            raise Conflict(f'container "{place.id[:12]}" is not running') from None
        return wire.checked(reply)


def short(container: str) -> str:
    """Return what people call a container by: its name, or the first twelve digits of its id."""
    return container[:12] if len(container) == 64 else container


def _taken(name: str) -> Conflict:
    return Conflict(f'container name "{name}" is taken')

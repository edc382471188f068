"""How commands find a stack's keeper, and start one where there is none."""

from __future__ import annotations

import logging
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from zun_compose.drivers.local import interpreter, probe, wire
from zun_compose.drivers.local.home import Home, flocked
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.network import egress
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.errors import DriverError, DriverTimeout, Unavailable

log = logging.getLogger(__name__)

OWN, HOST = "own", "host"
PATIENCE = 60.0
ENDING = 3.0


def socket_of(home: Home, stack: str, mode: str) -> Path:
    """Return where a stack's keeper of that mode listens."""
    return home.stack(stack) / f"{mode}.sock"


def mode_of(network_mode: str | None, *, isolated: bool) -> str:
    """Return which keeper starts a container of that network mode."""
    return HOST if network_mode == "host" or not isolated else OWN


def locked_by(home: Home) -> Path:
    """Return the file that whoever starts or ends a keeper holds."""
    return home.root / "keepers.lock"


def ask(
    home: Home, stack: str, mode: str, request: Mapping[str, Any], files: Sequence[int] = ()
) -> tuple[Mapping[str, Any], socket.socket]:
    """Send a request to the stack's keeper, started if need be; returns the answer and the open connection.

    Raises DriverError.
    """
    for _ in range(3):
        try:
            connection = _connect(home, stack, mode)
        except OSError as error:
            raise Unavailable(f'cannot reach the keeper of stack "{stack}": {error}') from error
        try:
            wire.send(connection, request, files)
            reply, _ = wire.receive(connection)
            return wire.checked(reply), connection
        except TimeoutError as error:
            connection.close()
            raise DriverTimeout(f'the keeper of stack "{stack}" does not answer') from error
        except (OSError, EOFError):
            connection.close()  # killed between our two messages: whether it did anything, the next one sees
        except BaseException:
            connection.close()
            raise
    raise Unavailable(f'the keeper of stack "{stack}" ends before it answers')


class Foresight:
    """Starts the keepers of stacks whose containers are about to be made, beside that work.

    A keeper needs as long as several containers together. Safe from several threads.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._threads: dict[tuple[str, str], threading.Thread] = {}

    def expect(self, stack: str, mode: str) -> None:
        """The stack's keeper will be asked soon; returns at once. Whoever asks is told of failures."""
        with self._lock:
            if (stack, mode) in self._threads:
                return
            name = "zun-compose-keeper"
            thread = threading.Thread(target=self._start, args=(stack, mode), name=name, daemon=True)
            self._threads[stack, mode] = thread
            with suppress(RuntimeError):  # no more threads: it is started when it is asked
                thread.start()

    def forget(self, stack: str) -> None:
        """Nothing of the stack is left: its next keepers will be new ones."""
        with self._lock:
            for mode in (OWN, HOST):
                thread = self._threads.get((stack, mode))
                if thread is not None and not thread.is_alive():
                    del self._threads[stack, mode]

    def close(self) -> None:
        """Wait for those that are starting: they are complete only when their starter is done with them."""
        with self._lock:
            threads = tuple(self._threads.values())
            self._threads.clear()
        for thread in threads:
            if thread.is_alive():
                thread.join(PATIENCE)

    def _start(self, stack: str, mode: str) -> None:
        with suppress(DriverError, OSError):
            _connect(self._home, stack, mode).close()


def borrow(home: Home, stack: str, family: int) -> socket.socket:
    """Return a fresh TCP socket of the stack's network. Raises DriverError."""
    try:
        with _connect(home, stack, OWN) as connection:
            wire.send(connection, {"do": "socket", "family": family})
            reply, files = wire.receive(connection)
    except (OSError, EOFError) as error:
        raise Unavailable(f'cannot reach the keeper of stack "{stack}": {error}') from error
    wire.checked(reply)
    return socket.socket(fileno=files[0])


def end(home: Home, stack: str) -> None:
    """Wait for the keepers of a stack that has nothing left, which end by themselves: gone means gone."""
    for mode in (OWN, HOST):
        with suppress(OSError), wire.connect(socket_of(home, stack, mode), ENDING) as connection:
            wire.send(connection, {"do": "end"})
            # closed by the keeper's end
            connection.recv(1)


def _connect(home: Home, stack: str, mode: str) -> socket.socket:
    path = socket_of(home, stack, mode)
    with suppress(OSError):
        return wire.connect(path, PATIENCE)
    with flocked(locked_by(home)):
        with suppress(OSError):
            return wire.connect(path, PATIENCE)
        _spawn(home, stack, mode)
        return wire.connect(path, PATIENCE)


def _spawn(home: Home, stack: str, mode: str) -> None:
    """Start a keeper and wait until it listens. Raises DriverError with its own words if it cannot."""
    home.stack(stack).mkdir(mode=0o700, parents=True, exist_ok=True)
    words = [sys.executable, "-S", "-m", "zun_compose.drivers.local.keeper", str(home.root), stack, mode]
    living = _living(home, stack) if mode == OWN else None
    words.append(str(living or 0))
    # what gives the stack a way out ends with the keeper, which holds the other end
    lifeline, held = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                [*words, str(held)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=interpreter.environment(),
                pass_fds=(held,),
                start_new_session=True,
            )
        except OSError as error:
            raise interpreter.refused(error) from error
        finally:
            os.close(held)
        try:
            _await(process, stack)
        except DriverError:
            if mode == OWN:
                _explain(home)
            raise
        if mode == OWN and egress.available():
            _let_out(home, stack, process.pid, lifeline)
    finally:
        os.close(lifeline)


def _explain(home: Home) -> None:
    """Raise Unavailable naming the setting, if no namespaces are to be had any more."""
    home.proved.unlink(missing_ok=True)
    probe.check()


def _let_out(home: Home, stack: str, keeper: int, lifeline: int) -> None:
    """Give the stack a way out; without one it runs all the same."""
    try:
        egress.start(keeper, lifeline).returncode = 0  # it outlives us: nobody waits for it
        with wire.connect(socket_of(home, stack, OWN), PATIENCE) as connection:
            wire.send(connection, {"do": "guard"})
            wire.checked(wire.receive(connection)[0])
    except (DriverError, OSError, EOFError) as error:
        log.warning('stack "%s" has no way out of its networks: %s', stack, error)


def _await(process: subprocess.Popen[bytes], stack: str) -> None:
    """Wait until a keeper listens. Raises DriverError with its own words if it does not."""
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        if not select.select([process.stdout], [], [], PATIENCE)[0]:
            process.kill()
            process.wait()
            raise DriverTimeout(f'the keeper of stack "{stack}" does not start')
        if os.read(process.stdout.fileno(), 1):
            # it outlives us: nobody waits for it
            process.returncode = 0
            return
        said = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
        process.wait()
        raise DriverError(f'the keeper of stack "{stack}" failed: {said[-1] if said else "no word why"}')
    finally:
        process.stdout.close()
        process.stderr.close()


def _living(home: Home, stack: str) -> int | None:
    """Return a supervisor that still holds the stack's namespaces."""
    for place in home.of_stack(stack):
        with suppress(DriverError):
            if Blueprint.load(place).network_mode == "host":
                continue
            record = standing(place)
            if record.up:
                return record.supervisor
    return None

"""Runs a command inside a running container: a child of the supervisor enters its namespaces and executes.

The supervisor has one thread and stands in the user namespace above the container's, so it may enter all of
them with one setns(2) on a pidfd (Linux 5.8).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import termios
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Self

from zun_compose.drivers.local import cgroups, maps, wire
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import users
from zun_compose.drivers.local.supervise.capabilities import NUMBERS
from zun_compose.errors import Unsupported
from zun_compose.linux import calls
from zun_compose.record import Record, field

# what shells, and Docker's exec, give for a program that cannot be run or found
_CANNOT_RUN = 126
_NOT_FOUND = 127


class Command(Record, kw_only=True):
    """What to run."""

    unshown = ("environment",)

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    privileged: bool = False
    tty: bool = False
    user: str | None = None

    @classmethod
    def asked(cls, blueprint: Blueprint, request: Mapping[str, Any]) -> Self:
        """Read a request. Raises Unsupported for a user that the container has not."""
        user = request.get("user") or blueprint.user or None
        if user and user.partition(":")[0] not in ("0", "root") and not maps.several():
            raise Unsupported(f'this container has one user, root: it cannot run a command as "{user}"')
        return cls(
            argv=tuple(request["argv"]),
            environment=dict(request.get("environment") or {}),
            working_dir=request.get("working_dir"),
            privileged=bool(request.get("privileged")),
            tty=bool(request.get("tty")),
            user=user,
        )


def into(
    pid: int,
    blueprint: Blueprint,
    command: Command,
    streams: Sequence[int],
    group: cgroups.Group,
    failed: int | None = None,
) -> int:
    """Run it with these three files as its streams; returns the pid of our child, which ends as it does.

    It counts against the limits of the control group.
    To `failed` is written why it cannot be run, instead of to its stderr; it is closed when it runs.
    """
    child = os.fork()
    if child:
        return child
    with _never_returning():
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        doors = group.doors()
        _enter(pid, blueprint)

        def start() -> NoReturn:
            cgroups.go_in(doors)
            if command.tty:
                _take_terminal()
            _become(blueprint, command, failed)

        _proxy(start)


def into_terminal(
    pid: int, blueprint: Blueprint, command: Command, asker: socket.socket, group: cgroups.Group
) -> int:
    """Run it in a new terminal of the container's, whose other end is sent to `asker` first."""
    child = os.fork()
    if child:
        return child
    with _never_returning():
        doors = group.doors()
        _enter(pid, blueprint)
        master, slave = os.openpty()
        wire.send(asker, {"terminal": True}, [master])
        os.close(master)
        for number in range(3):
            os.dup2(slave, number)

        def start() -> NoReturn:
            cgroups.go_in(doors)
            _take_terminal()
            _become(blueprint, command)

        _proxy(start)


class _never_returning:
    """A forked child must never run on in the supervisor's loop."""

    def __enter__(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        calls.die_with_parent(signal.SIGKILL)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> NoReturn:
        if error is not None:
            with contextlib.suppress(OSError):
                os.write(2, f"cannot enter the container: {error}\n".encode())
        os._exit(_CANNOT_RUN)


def _enter(pid: int, blueprint: Blueprint) -> None:
    if not blueprint.isolated:
        return
    kinds = calls.namespaces_apart(pid)
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    descriptor = os.pidfd_open(pid)
    calls.setns(descriptor, kinds)
    os.close(descriptor)
    # setns(2) leads to whatever is mounted on top: bubblewrap's own root, until it has taken that away
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _proxy(start: Callable[[], NoReturn]) -> NoReturn:
    """Run `start` in a child, which alone is in the container's pid namespace; end as it ends."""
    inner = os.fork()
    if inner == 0:
        calls.die_with_parent(signal.SIGKILL)
        start()
    os.closerange(0, 1 << 16)
    _, status = os.waitpid(inner, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(128 - code if code < 0 else code)


def _become(blueprint: Blueprint, command: Command, failed: int | None = None) -> NoReturn:
    try:
        environment = {**blueprint.environment, **command.environment}
        if command.tty:
            environment.setdefault("TERM", "xterm")
        os.chdir(command.working_dir or blueprint.working_dir)
        if blueprint.isolated:
            if not command.privileged:
                calls.bound_capabilities(frozenset(NUMBERS[name] for name in blueprint.capabilities))
            users.switch(command.user, environment, blueprint.groups)
            calls.forgo_privileges()
        _close_all_but(failed)
        os.execvpe(command.argv[0], list(command.argv), environment)  # noqa: S606 - as it was asked
    except FileNotFoundError as error:
        _refuse(command, error, _NOT_FOUND, failed)
    except OSError as error:
        _refuse(command, error, _CANNOT_RUN, failed)


def _close_all_but(kept: int | None) -> None:
    if kept is None:
        os.closerange(3, 1 << 16)
    else:
        os.closerange(3, kept)
        os.closerange(kept + 1, 1 << 16)


def _refuse(command: Command, error: OSError, code: int, failed: int | None) -> NoReturn:
    reason = (error.strerror or "it cannot be run").lower()
    words = f'exec failed: "{command.argv[0]}": {reason}\n'
    if failed is not None:
        words = f'cannot run "{command.argv[0]}": {reason}'
    with contextlib.suppress(OSError):
        os.write(2 if failed is None else failed, words.encode())
    os._exit(code)

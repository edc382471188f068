"""The life of one container, from its start to its last end: its supervisor's part.

Commands ask for changes over the container's socket. What it prints, its healthcheck, and commands inside are
looked after by the parts that this one puts together.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any, Protocol

from zun_compose.drivers.local import wire
from zun_compose.drivers.local.home import Home, Place
from zun_compose.drivers.local.loop import Loop, ended_children
from zun_compose.drivers.local.moment import rfc3339
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import launch, processes
from zun_compose.drivers.local.supervise.checks import Checks
from zun_compose.drivers.local.supervise.commands import Commands
from zun_compose.drivers.local.supervise.ledger import Ledger
from zun_compose.drivers.local.supervise.output import Output
from zun_compose.drivers.local.supervise.recorder import Recorder
from zun_compose.drivers.local.supervise.requests import Requests, answer
from zun_compose.drivers.local.supervise.restart import Policy
from zun_compose.drivers.local.supervise.signals import number_of
from zun_compose.errors import Conflict

_KILL, _AGAIN = "kill", "start again"


class Outside(Protocol):
    """What a container has beyond its process: networks and published ports."""

    def begin(self, blueprint: Blueprint, stdin: int | None) -> tuple[launch.Run, dict[str, Any]]:
        """Start its process; returns the run and what is to be noted of it. Raises DriverError."""
        ...

    def admit(self) -> None:
        """Let clients in by the published ports whose own ports are bound by now. Raises DriverError."""
        ...

    def rest(self) -> None:
        """Its process has ended; it may be started again."""
        ...

    def leave(self) -> None:
        """Let go of everything: it has ended for good."""
        ...


class Supervisor:
    """One container."""

    def __init__(self, home: Home, place: Place, outside: Outside) -> None:
        self._outside = outside
        self._blueprint = blueprint = Blueprint.load(place)
        self._policy = Policy(blueprint.restart, blueprint.restart_maximum)
        self._loop = Loop()
        self._ledger = Ledger(home, place, blueprint)
        recorder = Recorder(place.log, blueprint.log_size, blueprint.log_files, kept=blueprint.log_kept)
        self._output = Output(self._loop, recorder)
        self._checks = Checks(self._loop, blueprint, self._ledger)
        self._commands = Commands(blueprint)
        self._requests = Requests(
            self._loop,
            place.control,
            {
                "admit": self._admit,
                "execute": self._execute,
                "kill": self._kill,
                "pause": self._pause,
                "stop": self._stop,
                "unpause": self._unpause,
            },
        )
        self._run: launch.Run | None = None
        self._began = 0.0
        self._waiting: list[socket.socket] = []
        self._over = False

    def attach(self, output: int, error: int) -> None:
        """Copy all that it prints to these files too, until the end."""
        self._output.attach(output, error)

    def start(self, stdin: int | None = None) -> None:
        """Start the process for the first time. Raises DriverError with the record saying why."""
        self._loop.wake_for_children(self._reap)
        try:
            self._launch(stdin)
        except Exception as error:
            self._ledger.note(status="created", pid=None, error=str(error), exit_code=127, ports=())
            self._outside.leave()
            raise
        self._requests.listen()

    def lend_terminal(self, asker: socket.socket) -> None:
        """Send the terminal's own end, to be written to and sized."""
        if self._run is not None and self._run.master is not None:
            with contextlib.suppress(OSError):
                wire.send(asker, {"terminal": True}, [self._run.master])

    def tell_end(self, asker: socket.socket) -> None:
        """Answer on this connection when the container has ended."""
        self._waiting.append(asker)

    def live(self) -> None:
        """Return when the container has ended and will not be started again."""
        while not self._over:
            self._loop.turn()

    # Runs begin and end.

    def _launch(self, stdin: int | None = None) -> None:
        run, told = self._outside.begin(self._blueprint, stdin)
        self._run, self._began = run, time.monotonic()
        self._output.follow(run)
        self._ledger.note(
            status="running",
            pid=run.pid,
            pid_start=run.start,
            started_at=rfc3339(),
            exit_code=None,
            error="",
            health="starting" if self._checks.declared else "none",
            health_log="",
            oom_killed=False,
            **told,
        )
        self._ledger.tell("start")
        self._checks.begin(run, self._began)

    def _launch_again(self) -> None:
        try:
            self._launch()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the container's end and must be told
            self._ledger.note(error=str(error))
            self._ended(127, told=False)

    def _reap(self) -> None:
        for pid, status in ended_children():
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code
            if self._run is not None and pid == self._run.watched:
                self._died(code)
            elif not self._checks.ended(pid, code):
                self._commands.ended(pid, code)

    def _died(self, code: int) -> None:
        run = self._run
        assert run is not None
        self._run = None
        self._outside.rest()
        if not self._blueprint.isolated:
            processes.end_descendants()
        if run.holder is not None:
            # whatever else runs inside ends with the namespace's first process
            launch.end(run.holder)
        self._output.drain(run)
        for descriptor in (run.stdin, run.gate):
            if descriptor is not None:
                os.close(descriptor)
        self._loop.cancel(_KILL)
        self._checks.end()
        if run.group.killed():
            self._ledger.note(oom_killed=True)
            self._ledger.tell("oom")
        self._ended(code)

    def _ended(self, code: int, *, told: bool = True) -> None:
        ran = time.monotonic() - self._began
        pause = self._policy.again(code, ran, by_hand=self._ledger.record.by_hand)
        if self._blueprint.auto_remove:
            pause = None
        self._ledger.note(
            status="exited" if pause is None else "restarting",
            pid=None,
            exit_code=code,
            finished_at=rfc3339(),
            health="none",
            restarts=self._policy.used if pause is not None else self._ledger.record.restarts,
            **({"ports": (), "addresses": {}} if pause is None else {}),
        )
        if told:
            self._ledger.tell("die", exit_code=code)
        if pause is None:
            self._finish()
        else:
            self._loop.at(_AGAIN, time.monotonic() + pause, self._launch_again)

    def _finish(self) -> None:
        self._over = True
        self._outside.leave()
        for asker in self._waiting:
            answer(asker, {"exit_code": self._ledger.record.exit_code})
        self._output.close()
        self._commands.end()
        self._requests.close()

    # What commands ask for.

    def _running(self) -> launch.Run:
        """Return the present run. Raises Conflict if there is none."""
        if self._run is None:
            raise Conflict(f'container "{self._ledger.name}" is not running')
        return self._run

    def _stop(self, request: Mapping[str, Any], _: list[int], connection: socket.socket) -> None:
        grace = request.get("grace")
        grace = self._blueprint.stop_grace if grace is None else float(grace)
        self._waiting.append(connection)
        self._put_down()
        if self._run is None:
            return
        number = number_of(self._blueprint.stop_signal)
        if grace > 0:
            self._ledger.tell("kill", attributes={"signal": str(int(number))})
            self._send(number)
            if self._ledger.record.status == "paused":
                self._send_all(signal.SIGCONT)
            self._loop.at(_KILL, time.monotonic() + grace, lambda: self._send(signal.SIGKILL))
        else:
            self._send(signal.SIGKILL)
        self._ledger.tell("stop")

    def _put_down(self) -> None:
        """Note that somebody wants it down; one that waits to be started again stays as it is."""
        self._ledger.note(by_hand=True)
        if self._run is None and not self._over:
            self._loop.cancel(_AGAIN)
            self._ledger.note(status="exited", ports=(), addresses={})
            self._finish()

    def _kill(self, request: Mapping[str, Any], *_: object) -> Mapping[str, Any]:
        number = number_of(str(request["signal"]))
        self._running()
        if number in (signal.SIGKILL, number_of(self._blueprint.stop_signal)):
            self._ledger.note(by_hand=True)
        self._ledger.tell("kill", attributes={"signal": str(int(number))})
        self._send(number)
        return {}

    def _admit(self, *_: object) -> Mapping[str, Any]:
        self._outside.admit()
        return {}

    def _pause(self, *_: object) -> Mapping[str, Any]:
        self._running()
        if self._ledger.record.status != "paused":
            self._send_all(signal.SIGSTOP)
            self._checks.pause()
            self._ledger.note(status="paused")
            self._ledger.tell("pause")
        return {}

    def _unpause(self, *_: object) -> Mapping[str, Any]:
        self._running()
        if self._ledger.record.status == "paused":
            self._send_all(signal.SIGCONT)
            self._checks.resume()
            self._ledger.note(status="running")
            self._ledger.tell("unpause")
        return {}

    def _execute(self, request: Mapping[str, Any], files: list[int], connection: socket.socket) -> None:
        run = self._running()
        if self._ledger.record.status == "paused":
            raise Conflict(f'container "{self._ledger.name}" is paused')
        self._commands.begin(run, request, files, connection)

    def _send(self, number: int) -> None:
        if self._run is not None:
            processes.send(self._run, number, isolated=self._blueprint.isolated)

    def _send_all(self, number: int) -> None:
        if self._run is not None:
            for pid in processes.of(self._run, isolated=self._blueprint.isolated):
                processes.kill(pid, number)

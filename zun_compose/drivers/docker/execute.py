"""Commands inside running containers, without a terminal: run to the end, keep the output's beginning."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from zun_compose.container import ExecResult
from zun_compose.drivers.docker.errors import translated
from zun_compose.drivers.docker.logs import Frames
from zun_compose.drivers.docker.transport import Stream
from zun_compose.drivers.docker.wire import Part, quoted, short
from zun_compose.errors import DriverTimeout

OUTPUT = 64 * 1024
PAUSE = 0.005


class Commands(Part):
    """ExecProbe over one wire."""

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
        until = time.monotonic() + timeout
        doing = f'run a command in container "{short(container)}"'
        hide = [value for value in (environment or {}).values() if value]
        reply = self._wire.json(
            "POST",
            f"/containers/{quoted(container)}/exec",
            doing=doing,
            body=exec_body(command, environment, user, working_dir, privileged=privileged),
            timeout=_left(until, doing),
            hide=hide,
        )
        ticket = str(reply["Id"])
        stream = self._wire.hijack(
            f"/exec/{ticket}/start",
            doing=doing,
            body={"Detach": False, "Tty": False},
            timeout=_left(until, doing),
            hide=hide,
        )
        try:
            with translated(doing):
                output = _collect(stream, until, doing)
        finally:
            stream.close()
        return ExecResult(exit_code=self._exit_code(ticket, until, doing), output=output)

    def _exit_code(self, ticket: str, until: float, doing: str) -> int:
        """Ask for the exit code, which may come a moment after the end of the output."""
        while True:
            reply = self._wire.json("GET", f"/exec/{ticket}/json", doing=doing, timeout=_left(until, doing))
            if not reply.get("Running") and reply.get("ExitCode") is not None:
                return int(reply["ExitCode"])
            time.sleep(PAUSE)


def exec_body(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    user: str | None,
    working_dir: str | None,
    *,
    privileged: bool,
    tty: bool = False,
    stdin: bool = False,
) -> dict[str, object]:
    """Return the body of the exec's creation."""
    made: dict[str, object] = {
        "AttachStdin": stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": tty,
        "Cmd": list(command),
        "Privileged": privileged,
    }
    if environment:
        made["Env"] = [f"{name}={value}" for name, value in environment.items()]
    if user:
        made["User"] = user
    if working_dir:
        made["WorkingDir"] = working_dir
    return made


def _collect(stream: Stream, until: float, doing: str) -> str:
    frames = Frames()
    kept = bytearray()
    while True:
        stream.settimeout(_left(until, doing))
        data = stream.read()
        if not data:
            return bytes(kept[:OUTPUT]).decode("utf-8", "replace")
        for _, payload in frames.feed(data):
            # what comes after the bound is read all the same, or the command would block on its output
            if len(kept) < OUTPUT:
                kept += payload


def _left(until: float, doing: str) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise DriverTimeout(f"cannot {doing}: it did not end in time")
    return left

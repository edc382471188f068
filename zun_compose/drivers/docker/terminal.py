"""Commands and containers joined to our own stdin, stdout and stderr."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from zun_compose.driver import Session
from zun_compose.drivers.docker.containers import Containers
from zun_compose.drivers.docker.errors import translated
from zun_compose.drivers.docker.execute import PAUSE, exec_body
from zun_compose.drivers.docker.pump import Pump
from zun_compose.drivers.docker.wire import Part, quoted, short
from zun_compose.errors import DriverError

# how long an exec may take to admit its end after its streams closed; one that was detached from never does
ADMISSION = 2.0


class Terminals(Part):
    """Terminal over one wire."""

    def execute_attached(self, container: str, command: Sequence[str], session: Session) -> int:
        """Run a command with our streams joined to it; 0 at once if detached."""
        doing = f'run a command in container "{short(container)}"'
        hide = [value for value in session.environment.values() if value]
        body = exec_body(
            command,
            session.environment,
            session.user,
            session.working_dir,
            privileged=session.privileged,
            tty=session.tty,
            stdin=session.stdin and not session.detach,
        )
        reply = self._wire.json(
            "POST", f"/containers/{quoted(container)}/exec", doing=doing, body=body, hide=hide
        )
        ticket = str(reply["Id"])
        start = {"Detach": session.detach, "Tty": session.tty}
        if session.detach:
            self._wire.call("POST", f"/exec/{ticket}/start", doing=doing, body=start)
            return 0
        stream = self._wire.hijack(f"/exec/{ticket}/start", doing=doing, body=start)
        with Pump(stream, doing, session, lambda size: self._resize(f"/exec/{ticket}", size)) as pump:
            pump.run()
        return self._code_of(ticket, doing)

    def _code_of(self, ticket: str, doing: str) -> int:
        until = time.monotonic() + ADMISSION
        while True:
            reply = self._wire.json("GET", f"/exec/{ticket}/json", doing=doing)
            if not reply.get("Running") and reply.get("ExitCode") is not None:
                return int(reply["ExitCode"])
            if time.monotonic() > until:
                # the user left it with the detach keys
                return 0
            time.sleep(PAUSE)

    def start_attached(self, container: str, session: Session) -> int:
        """Attach, start, join our streams until it ends; 0 at once if detached."""
        if session.detach:
            Containers(self._wire).start(container)
            return 0
        doing = f'attach to container "{short(container)}"'
        path = f"/containers/{quoted(container)}"
        seen = self._wire.json("GET", f"{path}/json", doing=doing)
        # how its streams are framed was decided when it was made, whatever is wanted now
        tty = bool(seen["Config"]["Tty"])
        stdin = session.stdin and bool(seen["Config"]["OpenStdin"])
        real = Session(tty=tty, stdin=stdin)
        stream = self._wire.hijack(
            f"{path}/attach",
            doing=doing,
            parameters={"stream": 1, "stdin": int(stdin), "stdout": 1, "stderr": 1},
        )
        with Pump(stream, doing, real, lambda size: self._resize(path, size)) as pump:
            # asked before the start: what removes itself takes its exit code along
            last = self._wire.stream(
                "POST", f"{path}/wait", doing=doing, parameters={"condition": "next-exit"}, timeout=None
            )
            try:
                Containers(self._wire).start(container)
                pump.run()
                if not seen["HostConfig"].get("AutoRemove"):
                    return Containers(self._wire).wait(container)
                with translated(doing):
                    return int(json.loads(last.rest().content)["StatusCode"])
            finally:
                last.close()

    def _resize(self, path: str, size: tuple[int, int]) -> None:
        rows, columns = size
        try:
            self._wire.call(
                "POST",
                f"{path}/resize",
                doing="resize the terminal",
                parameters={"h": rows, "w": columns},
            )
        except DriverError:
            # it has not started yet, or has just ended; the next change of size tries again
            return

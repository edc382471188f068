"""The two programs that are timed: zun-compose of this environment, and docker compose."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = "zun-compose"
PEER = "docker compose"
LIMIT = 180.0  # seconds; nothing that is timed here takes half of it


class Failed(Exception):
    """A command did not end as the scenario says it should: its timing would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One command that ran to its end, or was killed after its limit (then `code` is None)."""

    code: int | None
    seconds: float
    ended: float
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A program that knows `up` and `down`. Each one's stacks have names of their own."""

    name: str
    program: tuple[str, ...]
    suffix: str

    def stack(self, scenario: str) -> str:
        """Return the name of this contender's stack in a scenario."""
        return f"zcbench-{scenario}-{self.suffix}"

    def run(self, file: Path, arguments: Sequence[str], *, limit: float = LIMIT) -> Ran:
        """Run a command on a stack file and time it, from outside, start of the program included."""
        command = [*self.program, "-f", str(file), "-p", self.stack(file.parent.name), *arguments]
        began = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=file.parent,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                output, _ = process.communicate(timeout=limit)
                code: int | None = process.returncode
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                code = None
            return Ran(code=code, seconds=time.monotonic() - began, ended=time.time(), output=output)

    def must(self, file: Path, arguments: Sequence[str], *, expect: int = 0) -> Ran:
        """Run a command that has to end with a certain code; raises Failed if it does not."""
        ran = self.run(file, arguments)
        if ran.code != expect:
            said = "\n    ".join(ran.output.strip().splitlines()[-12:])
            raise Failed(f"{self.name} {' '.join(arguments)}: exit {ran.code}, not {expect}\n    {said}")
        return ran

    def clear(self, file: Path) -> None:
        """Take the stack down, untimed."""
        self.run(file, ["down", "-v", "-t", "1"])


def environment() -> dict[str, str]:
    """Return our environment without what would point either program at another stack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    return {**kept, "XDG_STATE_HOME": str(ROOT / ".bench" / "state")}


def contenders() -> tuple[Contender, Contender]:
    """Return ours and the peer; makes the peer's environment when it is not there."""
    made = subprocess.run([str(ROOT / "bench" / "peer")], stdout=subprocess.PIPE, text=True, check=True)
    ours = Contender(name=OURS, program=(str(Path(sys.executable).parent / "zun-compose"),), suffix="ours")
    return ours, Contender(name=PEER, program=(made.stdout.strip(),), suffix="peer")

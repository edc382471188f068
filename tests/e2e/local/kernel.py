"""What the kernel knows of a test's containers, whoever is asked and whoever was killed.

All that a test starts stays below the test's own process, which adopts orphans: nothing gets out of sight by
outliving its parent. A service's processes are found by a mark in their environment.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

MARK = "ZCE2E"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_HERTZ = os.sysconf("SC_CLK_TCK")
TICK = 1 / _HERTZ  # seconds: the kernel rounds a process's start down to it
_FOLDERS = ("containers", "journals", "names", "networks", "stacks", "volumes")


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process that runs. `started` is in seconds since the epoch, rounded down to a tick."""

    pid: int
    parent: int
    started: float
    zombie: bool

    @property
    def command(self) -> str:
        return _read(self.pid, "cmdline").replace("\0", " ").strip()


def _read(pid: int, file: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace")
    return ""


def every() -> dict[int, Process]:
    """Return all processes of the machine."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        text = _read(int(name), "stat")
        words = text[text.rfind(")") + 2 :].split()
        if len(words) > 19:
            found[int(name)] = Process(
                pid=int(name),
                parent=int(words[1]),
                started=booted + int(words[19]) / _HERTZ,
                zombie=words[0] in ("Z", "X"),
            )
    return found


def below(root: int) -> list[Process]:
    """Return all that descends from a process, zombies left out, in the order of their start."""
    known = every()
    children: dict[int, list[Process]] = {}
    for one in known.values():
        children.setdefault(one.parent, []).append(one)
    found: list[Process] = []
    waiting = [root]
    while waiting:
        mine = children.get(waiting.pop(), [])
        found.extend(mine)
        waiting.extend(one.pid for one in mine)
    return sorted((one for one in found if not one.zombie), key=lambda one: (one.started, one.pid))


def marked(mark: str) -> list[Process]:
    """Return the processes below us that have a mark in their environment, in the order of their start."""
    wanted = f"{MARK}={mark}"
    return [one for one in below(os.getpid()) if wanted in _read(one.pid, "environ").split("\0")]


@contextmanager
def adopting() -> Iterator[None]:
    """Be the parent of whatever is orphaned below us."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        prctl(_SUBREAPER, 0, 0, 0, 0)


@dataclass
class Traces:
    """All by which a stack could still be there.

    A namespace is there as long as a process is in it, a file of a process or a mount is it: without
    processes of ours and mounts below our home there is none. Their numbers are given anew, so they are no
    proof of anything.
    """

    home: Path
    before: frozenset[int] = field(default_factory=lambda: frozenset(one.pid for one in below(os.getpid())))

    def left(self) -> dict[str, list[str]]:
        """Return what is left, by kind; empty if nothing is."""
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        sockets = Path("/proc/net/unix").read_text().splitlines()
        found = {
            "processes": [f"{one.pid} {one.command}" for one in self._mine()],
            "mounts": [line for line in mounts if str(self.home) in line],
            "sockets": [line for line in sockets if str(self.home) in line],
            "files": [
                str(path.relative_to(self.home))
                for folder in _FOLDERS
                if (self.home / folder).is_dir()
                for path in (self.home / folder).iterdir()
            ],
        }
        return {kind: names for kind, names in found.items() if names}

    def _mine(self) -> list[Process]:
        return [one for one in below(os.getpid()) if one.pid not in self.before]

    def reap(self, others: frozenset[int]) -> None:
        """Let go of adopted processes that have ended; `others` have somebody who waits for them."""
        for one in every().values():
            if one.zombie and one.parent == os.getpid() and one.pid not in self.before | others:
                with suppress(ChildProcessError):
                    os.waitpid(one.pid, os.WNOHANG)

"""What /proc tells of processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Look(NamedTuple):
    """A process as the kernel shows it: its state's letter, its session, its birth in ticks since boot."""

    letter: str
    session: int
    born: int


def look(pid: int) -> Look | None:
    """Return how a process stands, None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Look(letter=fields[0], session=int(fields[3]), born=int(fields[19]))


def session(leader: int) -> list[int]:
    """Return the pids of a session's processes, those that are zombies left out."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            state = look(int(entry))
            if state is not None and state.session == leader and state.letter != "Z":
                found.append(int(entry))
    return found


def proportional(pid: int) -> int:
    """Return a process's proportional set size in bytes, 0 if it cannot be told."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))

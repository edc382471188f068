"""What /proc tells of a process: since when it is there, its kin, its network namespace."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache

_PF_FORKNOEXEC = 0x40
_ENDED = frozenset({b"Z", b"X"})


def text(path: str) -> str:
    """Return the text of a file, "" if it is gone or not ours to read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


@cache
def boot_id() -> str:
    """Return what tells this boot of the machine from all others."""
    return text("/proc/sys/kernel/random/boot_id").strip()


def everyone() -> tuple[int, ...]:
    """Return all pids that we can see."""
    return tuple(int(name) for name in os.listdir("/proc") if name.isdigit())


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or a zombie."""
    fields = _stat(pid)
    if len(fields) < 20 or fields[0] in _ENDED:
        return None
    return int(fields[19])


def alive(pid: int | None, start: int | None, boot: str) -> bool:
    """Whether the very process that had this pid and start time in that boot still runs."""
    return bool(pid) and start is not None and boot == boot_id() and start_time(pid or 0) == start


def executed(pid: int) -> bool:
    """Whether a process that is still there has executed a program since it was forked."""
    fields = _stat(pid)
    return len(fields) > 6 and not int(fields[6]) & _PF_FORKNOEXEC


def network_namespace(pid: int | str = "self") -> int | None:
    """Return the inode of a process's network namespace; None if gone or not ours to see."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def children(pid: int) -> tuple[int, ...]:
    """Return the children of a process, those that nobody has reaped yet too; none if it is gone."""
    listed = _listed(pid)
    return tuple(_parents().get(pid, ()) if listed is None else listed)


def descendants(pid: int) -> tuple[int, ...]:
    """Return all living processes below `pid`, it not included.

    One whose parent ends while we look may be missed: it is somebody else's child by then.
    """
    found: dict[int, None] = {}
    waiting = [pid]
    parents: dict[int, list[int]] | None = None
    while waiting:
        below = None if parents is not None else _listed(waiting[-1])
        if below is None:
            parents = parents or _parents()
            below = parents.get(waiting[-1], [])
        waiting.pop()
        new = [one for one in below if one not in found]
        found.update(dict.fromkeys(new))
        waiting.extend(new)
    return tuple(one for one in found if start_time(one) is not None)


def socket_counts(pid: int) -> str:
    """Return how many sockets of each kind a process's network namespace has, in the kernel's words.

    Costs a hundredth of reading the tables; a socket that opens or closes changes it. Raises OSError.
    """
    told = _read(f"/proc/{pid}/net/sockstat")
    with suppress(FileNotFoundError):  # without IPv6 in the kernel
        told += _read(f"/proc/{pid}/net/sockstat6")
    kept = (
        line.split()[:3] for line in told.decode().splitlines() if line.startswith(("TCP", "UDP: ", "UDP6: "))
    )
    return " ".join(word for words in kept for word in words)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(4096)


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat after the name: [0] is the state; empty if the process is gone."""
    try:
        told = _read(f"/proc/{pid}/stat")
    except OSError:
        return []
    # The name in brackets may hold anything, brackets too; the fields after it are plain.
    return told[told.rfind(b")") + 2 :].split()


def _listed(pid: int) -> list[int] | None:
    """Return a process's children, none if it is gone; None where the kernel keeps no such list."""
    folder = f"/proc/{pid}/task"
    try:
        threads = os.listdir(folder)
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            with open(f"{folder}/{thread}/children", "rb", buffering=0) as file:
                found.extend(map(int, file.readall().split()))
        except FileNotFoundError:
            if os.path.isdir(f"{folder}/{thread}"):
                return None
        except OSError:
            continue
    return found


def _parents() -> dict[int, list[int]]:
    """All children by their parent, by looking at all processes."""
    found: dict[int, list[int]] = {}
    for pid in everyone():
        fields = _stat(pid)
        if len(fields) > 1:
            found.setdefault(int(fields[1]), []).append(pid)
    return found

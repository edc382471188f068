"""What /proc tells of a process: whose it is, since when, its namespace, its kin, its sockets.

An engine's claim of a pid is trusted only after /proc has named the container's full id: seen from
another machine, a virtual machine or another pid namespace the number hits a stranger.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache

from zun_compose.linux import proc
from zun_compose.record import Record

_SHORTEST_ID = 32
_KERNEL_RUNTIMES = frozenset({"runc", "crun", "youki", "bubblewrap"})
_OWN_FILES = frozenset({"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"})


class Process(Record, kw_only=True):
    """A container's first process. `start` (clock ticks since boot) tells it from a later one of that pid.

    `namespace` is the inode of its network namespace, None where we may not see it.
    """

    pid: int
    start: int
    namespace: int | None

    @property
    def alive(self) -> bool:
        """Whether this very process is still there."""
        return proc.start_time(self.pid) == self.start


def in_kernel(runtime: str) -> bool:
    """Tell whether a runtime's containers are plain processes of this kernel, by an engine's name for it.

    Sockets and exit codes of others (gVisor, Kata) are not those that the kernel tells.
    """
    # Docker also knows runc by its shim's name, "io.containerd.runc.v2".
    name = runtime.removeprefix("io.containerd.")
    return name.rsplit("/", 1)[-1].split(".")[0] in _KERNEL_RUNTIMES


def trusted(pid: int | None, container: str) -> Process | None:
    """Return the process if /proc says that it belongs to the container of this full id."""
    if not pid or pid < 1 or len(container) < _SHORTEST_ID:
        return None
    start = proc.start_time(pid)
    if start is None or not _names(pid, container):
        return None
    process = Process(pid=pid, start=start, namespace=proc.network_namespace(pid))
    # The pid may have been handed on while we read.
    return process if process.alive else None


def _names(pid: int, container: str) -> bool:
    if container in proc.text(f"/proc/{pid}/cgroup"):
        return True
    if f"ZUN_COMPOSE_CONTAINER={container}" in proc.text(f"/proc/{pid}/environ").split("\0"):
        # The local driver without isolation: its processes are plain ones, marked by their environment.
        return True
    # Only a file of the container's own that is mounted in its place counts: on the machine itself
    # every process sees mounts below the engine's folders, the container's id in their path.
    for line in proc.text(f"/proc/{pid}/mountinfo").splitlines():
        fields = line.split(" ", 5)
        if len(fields) == 6 and container in fields[3] and fields[4] in _OWN_FILES:
            return True
    return False


def members(process: Process, container: str) -> tuple[int, ...]:
    """Return the pids of a container: those of its cgroup, else the process and its descendants."""
    found = set(_cgroup_members(process.pid, container))
    if process.pid not in found:
        found = {process.pid, *proc.descendants(process.pid)}
    return tuple(sorted(found))


def held(pids: Iterable[int], inodes: Iterable[int]) -> tuple[frozenset[int], bool]:
    """Return which of these sockets the processes hold, and whether we could look at all of them."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: set[int] = set()
    readable = True
    for pid in pids:
        if len(found) == len(wanted):
            break
        folder = f"/proc/{pid}/fd"
        try:
            names = os.listdir(folder)
        except PermissionError:
            readable = False
            continue
        except OSError:
            continue  # ended meanwhile
        for name in names:
            try:
                target = os.readlink(f"{folder}/{name}")
            except PermissionError:
                readable = False
                break
            except OSError:
                continue
            if target in wanted:
                found.add(wanted[target])
    return frozenset(found), readable


def read_tables(pid: int) -> str:
    """Return the text of a process's four socket tables. Raises OSError if the process is gone."""
    parts = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            with open(f"/proc/{pid}/net/{name}", encoding="ascii", errors="replace") as file:
                parts.append(file.read())
        except FileNotFoundError:
            # Without IPv6 in the kernel there is no tcp6; without the process there is no folder.
            if name in ("tcp", "udp") or not os.path.isdir(f"/proc/{pid}/net"):
                raise
    return "".join(parts)


def read_counts(pid: int) -> str:
    """Return how many sockets of each kind the process's namespace has ("" if untold)."""
    try:
        return proc.socket_counts(pid)
    except OSError:
        return ""


def _cgroup_members(pid: int, container: str) -> set[int]:
    for line in proc.text(f"/proc/{pid}/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if container not in path:
            continue
        kind = "cgroup2" if number == "0" and not controllers else "cgroup"
        for root, point, filesystem, options in hierarchies():
            if filesystem != kind or not _within(path, root):
                continue
            if kind == "cgroup" and not set(controllers.split(",")) <= options:
                continue
            # Everything at and below the cgroup that carries the id: the container may nest its own.
            end = path.find("/", path.index(container))
            top = path if end < 0 else path[:end]
            found = _pids_below(point + (top if root == "/" else top[len(root) :]))
            if pid in found:
                return found
    return set()


def _within(path: str, root: str) -> bool:
    return root == "/" or path == root or path.startswith(f"{root}/")


@cache
def hierarchies() -> tuple[tuple[str, str, str, frozenset[str]], ...]:
    """All cgroup mounts of ours: root, mount point, kind, options."""
    found = []
    for line in proc.text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) >= 5 and len(tail) >= 3 and tail[0] in ("cgroup", "cgroup2"):
            found.append((_plain(fields[3]), _plain(fields[4]), tail[0], frozenset(tail[2].split(","))))
    return tuple(found)


def _plain(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


def _pids_below(folder: str) -> set[int]:
    found: set[int] = set()
    for place, _, files in os.walk(folder):
        if "cgroup.procs" in files:
            # 0 stands for a process that our pid namespace has no number for.
            found.update(int(word) for word in proc.text(f"{place}/cgroup.procs").split() if word != "0")
    return found

"""Which users there are in a user namespace: root's own, a range of /etc/subuid, or one alone.

Root hands on all users that it has itself. An ordinary user is root in there, and where newuidmap is
installed the range that /etc/subuid gives him are the others; else there is nobody else (user_namespaces(7)).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from functools import cache
from pathlib import Path

from zun_compose.linux import calls

_KINDS = (("uid_map", "newuidmap", "/etc/subuid"), ("gid_map", "newgidmap", "/etc/subgid"))


def write(pid: int) -> None:
    """Write the maps of a process that has just made a user namespace below ours. Raises OSError."""
    if os.geteuid() == 0:
        for name, _, _ in _KINDS:
            Path(f"/proc/{pid}/{name}").write_text(_handed_on(name))
        return
    own = {"uid_map": os.geteuid(), "gid_map": os.getegid()}
    if ranges():
        for (name, program, _), (first, count) in zip(_KINDS, ranges(), strict=True):
            words = [program, str(pid), "0", str(own[name]), "1", "1", str(first), str(count)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise PermissionError(f"{program} refused: {done.stderr.strip()}")
        return
    Path(f"/proc/{pid}/setgroups").write_text("deny")
    for name, number in own.items():
        Path(f"/proc/{pid}/{name}").write_text(f"0 {number} 1")


def _handed_on(name: str) -> str:
    """Our own map, each user standing for itself."""
    lines = [line.split() for line in Path("/proc/self", name).read_text().splitlines()]
    return "".join(f"{inside} {inside} {count}\n" for inside, _, count in lines)


@cache
def ranges() -> tuple[tuple[int, int], ...]:
    """Return the ranges of users and of groups that are ours to give, none unless both can be given."""
    found = []
    for _, program, path in _KINDS:
        given = _range(path)
        if given is None or shutil.which(program) is None:
            return ()
        found.append(given)
    return tuple(found)


def _range(path: str) -> tuple[int, int] | None:
    names = {str(os.geteuid())}
    try:
        names.add(pwd.getpwuid(os.geteuid()).pw_name)
        lines = Path(path).read_text().splitlines()
    except (KeyError, OSError):
        return None
    for line in lines:
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in names and fields[1].isdigit() and fields[2].isdigit():
            return int(fields[1]), int(fields[2])
    return None


def to_come() -> bool:
    """Whether containers that we make will have more users than root."""
    return os.geteuid() == 0 or bool(ranges())


def several() -> bool:
    """Whether there are more users than root where we are."""
    return sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines()) > 1


def apart() -> None:
    """Enter a user namespace of our own, mapped as a stack's is; only with one thread. Raises OSError."""
    reader, writer = os.pipe()
    helper = os.fork()
    if helper == 0:
        # it stays above, from where the maps may be written
        os.close(writer)
        try:
            if os.read(reader, 1):
                write(os.getppid())
        finally:
            os._exit(0)
    os.close(reader)
    try:
        calls.unshare(calls.CLONE_NEWUSER)
        os.write(writer, b"1")
    finally:
        # closed without a word, it ends
        os.close(writer)
        os.waitpid(helper, 0)
    if os.geteuid() != 0:
        raise PermissionError("the user namespace got no root")

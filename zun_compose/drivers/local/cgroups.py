"""Limits on processors, memory and processes: a control group for each container that asks for some.

Groups are made below the one that we are in ourselves, or with version 2, where a group has either processes
or groups, below the nearest one above that is ours to write (cgroups(7)). Where there is none, a container
runs without limits, and the plan has said so. Nobody else's process is ever moved.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zun_compose.drivers.local.home import Place, read_json, write_json
from zun_compose.errors import Rejected
from zun_compose.model import Resources
from zun_compose.record import Mutable, Record, field

CONTROLLER: Mapping[str, str] = {
    "cpus": "cpu",
    "memory": "memory",
    "pids": "pids",
    "cpu_shares": "cpu",
    "cpu_quota": "cpu",
    "cpu_period": "cpu",
    "cpuset": "cpuset",
    "memory_swap": "memory",
    "memory_swappiness": "memory",
    "reserved_memory": "memory",
    "oom_kill_disable": "memory",
}
"""Which controller each limit of a service is one of."""

EVERY: frozenset[str] = frozenset(CONTROLLER)
"""All limits that control groups can keep."""

ONLY_1: frozenset[str] = frozenset({"memory_swappiness", "oom_kill_disable"})
"""Limits that version 2 has no setting for."""

PERIOD = 100_000
"""Microseconds over which shares of a processor are counted, as in Docker."""

_LEAST_CPU = 1000
PATIENCE = 2.0
_UNIFIED = "cgroup2"

Setting = tuple[str, str]


class Base(Record, kw_only=True):
    """A folder of the kernel's in which groups can be made, and what can be limited in there."""

    folder: Path
    controllers: frozenset[str]
    unified: bool


class Group(Mutable):
    """A container's control groups: none, one, or with version 1 one a controller."""

    folders: tuple[Path, ...] = field(default_factory=tuple)
    before: int = 0

    def enter(self, pid: int) -> None:
        """Take a process in, with all that it starts from now on.

        Raises Rejected, or ProcessLookupError if it has ended.
        """
        for folder in self.folders:
            _set(folder, "cgroup.procs", str(pid))

    def doors(self) -> list[int]:
        """Open what a process takes itself in by (see `go_in`), wherever it is by then. Raises OSError."""
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in self.folders]

    def killed(self) -> bool:
        """Whether the kernel has killed one of its processes since the start, for want of memory."""
        return bool(self.folders) and _oom_kills(self.folders) > self.before


def go_in(doors: Iterable[int]) -> None:
    """Take the calling process in. Raises OSError."""
    for door in doors:
        os.write(door, b"0")


def asked(resources: Resources) -> dict[str, Any]:
    """Return the limits that a service asks for, by their names in CONTROLLER."""
    found = {name: getattr(resources, name) for name in CONTROLLER}
    return {name: value for name, value in found.items() if value is not None}


def kept(found: Iterable[Base] | None = None) -> frozenset[str]:
    """Return the limits that are kept for containers that we start; `found` None looks for itself."""
    return frozenset(
        name
        for base in (bases() if found is None else found)
        for name in (EVERY - ONLY_1 if base.unified else EVERY)
        if CONTROLLER[name] in base.controllers
    )


def bases(process: Path = Path("/proc/self")) -> tuple[Base, ...]:
    """Return where groups can be made for a process's children."""
    try:
        memberships = (process / "cgroup").read_text().splitlines()
        mounts = (process / "mountinfo").read_text().splitlines()
    except OSError:
        return ()
    found = []
    for line in mounts:
        fields = line.split()
        kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
        if kind not in ("cgroup", _UNIFIED):
            continue
        unified = kind == _UNIFIED
        own = _own(memberships, options, unified=unified)
        # what lies above the root of the mount is not to be seen
        root = fields[3].rstrip("/")
        if own is None or not (own == root or own.startswith(f"{root}/")):
            continue
        point = Path(fields[4])
        folder = point / own[len(root) :].lstrip("/")
        base = _delegated(folder, point) if unified else _named(folder, options)
        if base is not None:
            found.append(base)
    return tuple(found)


def _own(memberships: Iterable[str], options: Iterable[str], *, unified: bool) -> str | None:
    """The group that we are in, as /proc/PID/cgroup names it: number, controllers, path."""
    for line in memberships:
        number, names, path = line.split(":", 2)
        if number == "0" if unified else names and set(names.split(",")) <= set(options):
            return path.rstrip("/")
    return None


def _named(folder: Path, options: Iterable[str]) -> Base | None:
    mine = frozenset(options) & frozenset(CONTROLLER.values())
    if not mine or not os.access(folder, os.W_OK):
        return None
    return Base(folder=folder, controllers=mine, unified=False)


def _delegated(folder: Path, top: Path) -> Base | None:
    best: Base | None = None
    while folder.is_relative_to(top):
        if not (os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)):
            break
        given = set(_text(folder / "cgroup.subtree_control").split())
        mine = frozenset(given) & frozenset(CONTROLLER.values())
        if mine and (best is None or len(mine) > len(best.controllers)):
            best = Base(folder=folder, controllers=mine, unified=True)
        folder = folder.parent
    return best


def make(place: Place, limits: Mapping[str, Any]) -> Group:
    """Make a container's groups with its limits, as far as there is a place for them; none without limits.

    Raises Rejected for a limit that the kernel refuses.
    """
    if not limits:
        return Group()
    wanted = {CONTROLLER[name] for name in limits}
    chosen = [base for base in bases() if base.controllers & wanted]
    folders = tuple(base.folder / f"zun-compose-{place.id[:32]}" for base in chosen)
    # what an earlier start that was killed has left elsewhere
    remove(place.path)
    # first of all: what is written down is removed, whoever dies when
    write_json(_note(place.path), {"folders": [str(folder) for folder in folders]})
    for base, folder in zip(chosen, folders, strict=True):
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise Rejected(f"cannot make a control group: {(error.strerror or '').lower()}") from None
        for name, value in settings(limits, base):
            _set(folder, name, value)
    return Group(folders=folders, before=_oom_kills(folders))


def remove(path: Path, patience: float = PATIENCE) -> None:
    """Remove the groups of the container whose folder this is, once their last process has ended.

    After `patience` seconds they are left to whoever removes the container.
    """
    body = read_json(_note(path))
    if body is None:
        return
    until = time.monotonic() + patience
    for folder in map(Path, body.get("folders", ())):
        while True:
            try:
                folder.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() > until:
                    return
                time.sleep(0.005)
    with suppress(FileNotFoundError):
        _note(path).unlink()


def _note(path: Path) -> Path:
    return path / "cgroups.json"


def settings(limits: Mapping[str, Any], base: Base) -> Iterator[Setting]:
    """Return the files of a group and what is written to them, in order; Docker's own defaults apply."""
    if "cpuset" in base.controllers and "cpuset" in limits:
        if not base.unified:
            # a new group of version 1 has no memory nodes and takes nobody in
            yield "cpuset.mems", _text(base.folder / "cpuset.mems").strip()
        yield "cpuset.cpus", str(limits["cpuset"])
    if "cpu" in base.controllers:
        yield from _cpu(limits, unified=base.unified)
    if "memory" in base.controllers:
        yield from _memory_2(limits) if base.unified else _memory_1(limits)
    if "pids" in base.controllers and "pids" in limits:
        yield "pids.max", str(limits["pids"]) if limits["pids"] > 0 else "max"


def _cpu(limits: Mapping[str, Any], *, unified: bool) -> Iterator[Setting]:
    period, quota = int(limits.get("cpu_period") or PERIOD), limits.get("cpu_quota")
    if limits.get("cpus"):
        quota = max(round(limits["cpus"] * period), _LEAST_CPU)
    shares = limits.get("cpu_shares")
    if unified:
        if quota or "cpu_period" in limits:
            yield "cpu.max", f"{quota if quota and quota > 0 else 'max'} {period}"
        if shares:
            # 2 to 262144 there are 1 to 10000 here, as runc counts
            yield "cpu.weight", str(1 + (max(shares, 2) - 2) * 9999 // 262142)
        return
    if quota or "cpu_period" in limits:
        yield "cpu.cfs_period_us", str(period)
    if quota:
        yield "cpu.cfs_quota_us", str(quota)
    if shares:
        yield "cpu.shares", str(shares)


def _memory_1(limits: Mapping[str, Any]) -> Iterator[Setting]:
    if limits.get("memory"):
        yield "memory.limit_in_bytes", str(limits["memory"])
        # as much swap again, as in Docker; some kernels count none
        yield "memory.memsw.limit_in_bytes?", str(limits.get("memory_swap") or 2 * limits["memory"])
    if limits.get("reserved_memory"):
        yield "memory.soft_limit_in_bytes", str(limits["reserved_memory"])
    if limits.get("memory_swappiness") is not None:
        yield "memory.swappiness", str(limits["memory_swappiness"])
    if limits.get("oom_kill_disable"):
        yield "memory.oom_control", "1"


def _memory_2(limits: Mapping[str, Any]) -> Iterator[Setting]:
    memory = limits.get("memory")
    if memory:
        swap = limits.get("memory_swap") or 2 * memory
        yield "memory.max", str(memory)
        yield "memory.swap.max?", "max" if swap < 0 else str(max(swap - memory, 0))
    if limits.get("reserved_memory"):
        yield "memory.low", str(limits["reserved_memory"])


def _set(folder: Path, name: str, value: str) -> None:
    """Write a setting; one with "?" is left out where the kernel has no such file.

    Raises Rejected, or ProcessLookupError for a process that has ended.
    """
    optional = name.endswith("?")
    try:
        # never made anew: the kernel would answer that with another error
        descriptor = os.open(folder / name.rstrip("?"), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        if not optional:
            raise Rejected(f'the kernel has no setting "{name}"') from None
    except ProcessLookupError:
        # whoever started it knows better why
        raise
    except OSError as error:
        reason = (error.strerror or "it is refused").lower()
        raise Rejected(f'cannot set {name.rstrip("?")} to "{value}": {reason}') from None


def _oom_kills(folders: Iterable[Path]) -> int:
    for folder in folders:
        for name in ("memory.oom_control", "memory.events"):
            for line in _text(folder / name).splitlines():
                word, _, number = line.partition(" ")
                if word == "oom_kill" and number.isdigit():
                    return int(number)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

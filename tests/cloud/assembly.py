"""All of the cloud: what `up`, `down`, `status` and `reload` do."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.cloud import (
    access,
    cinder,
    database,
    docker,
    glance,
    heat,
    keystone,
    kuryr,
    neutron,
    order,
    packages,
    placement,
    rabbit,
    registry,
    switch,
    zun,
)
from tests.cloud.errors import CloudError
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task
from tests.cloud.settings import Settings

_PARTS = (
    database,
    rabbit,
    keystone,
    docker,
    switch,
    registry,
    neutron,
    heat,
    placement,
    zun,
    kuryr,
    cinder,
    glance,
)
MEBIBYTE = 1 << 20


def say(words: str) -> None:
    """Tell the caller how it goes."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


class Line(NamedTuple):
    """How one process stands; `memory` is its proportional set size in bytes."""

    name: str
    pid: int
    memory: int
    ports: tuple[int, ...]
    up: bool


def require_root() -> None:
    """Raise CloudError unless root calls."""
    if os.geteuid() != 0:
        raise CloudError("the cloud takes root: bridges, mounts and loop devices are its business; use sudo")


def up(settings: Settings, fresh: tuple[str, ...] = ()) -> int:
    """Bring up what is not; returns how many steps had something to do.

    The processes named in `fresh` are started anew even if they run as wanted. Raises CloudError.
    """
    begun = time.monotonic()
    for place in ("tmp", "state/home", "state/lock"):
        (settings.folder / place).mkdir(parents=True, exist_ok=True)
    processes = Processes(settings)
    acted = _prepare(settings)
    for name in fresh:
        processes.stop(name)
    access.write(settings)
    steps = [step for part in _PARTS for step in part.steps(settings, processes)]
    acted += order.carry_out(_runnable(settings, processes, steps), _tell, processes.stop_waiting.set)
    say(f"up after {time.monotonic() - begun:.1f} s" + ("" if acted else ": there was nothing to do"))
    return acted


def down(settings: Settings, names: Iterable[str] = ()) -> int:
    """Stop the processes, or only those named, what uses before what is used; returns how many ran.

    The state stays, and so do the containers of Zun. Raises CloudError for a name that is none.
    """
    processes = Processes(settings)
    known = processes.names()
    chosen = set(names) or known
    if chosen - known:
        raise CloudError(
            f"no such process: {', '.join(sorted(chosen - known))}; known are {', '.join(sorted(known))}"
        )
    kept = {name: record for name in chosen if (record := processes.kept(name))}
    if "kuryr" in chosen:
        # Docker must not wait for a plug-in that is gone
        kuryr.forget(settings)
    steps = [
        order.Step(
            name,
            partial(processes.stop, name),
            needs=tuple(sorted(other for other, record in kept.items() if name in record.needs)),
        )
        for name in sorted(chosen)
    ]
    return order.carry_out(steps, lambda name, took: say(f"{took:6.1f} s  stopped {name}"), lambda: None)


def status(settings: Settings) -> list[Line]:
    """Return how each process stands that was started and not stopped."""
    processes = Processes(settings)
    lines = []
    for name in sorted(processes.names()):
        running = processes.find(name)
        kept = processes.kept(name)
        lines.append(
            Line(
                name=name,
                pid=running.pid if running else 0,
                memory=processes.memory(name),
                ports=kept.ports if kept else (),
                up=running is not None,
            )
        )
    return lines


def missing_packages(settings: Settings | None) -> list[str]:
    """Return the distribution's packages that `up` would install."""
    made = settings is not None and (settings.bin / "python").exists()
    return packages.missing(engine=not docker.answers(), venv=not made)


def _prepare(settings: Settings) -> int:
    lacking = missing_packages(settings)
    if lacking:
        begun = time.monotonic()
        packages.install(lacking, settings.log / "packages.log")
        _tell(f"packages: {' '.join(lacking)}", time.monotonic() - begun)
    stamp = settings.stamps / "venv"
    key = packages.venv_key(settings)
    if stamp.exists() and stamp.read_text() == key and (settings.bin / "python").exists():
        return int(bool(lacking))
    begun = time.monotonic()
    packages.make_venv(settings, settings.log / "venv.log")
    stamp.write_text(key)
    _tell("venv", time.monotonic() - begun)
    return 1 + int(bool(lacking))


def _runnable(settings: Settings, processes: Processes, steps: list[Process | Task]) -> Iterable[order.Step]:
    reached = order.through((step.name, step.needs) for step in steps)
    started = {step.name for step in steps if isinstance(step, Process)}
    for step in steps:
        if isinstance(step, Process):
            # what the pid file remembers for `down`, where the tasks between processes do not count
            through = step._replace(needs=tuple(sorted(reached[step.name] & started)))
            yield order.Step(step.name, partial(processes.bring_up, through), step.needs)
        else:
            yield order.Step(step.name, _doing(settings.stamps / step.name, step), step.needs)


def _doing(stamp: Path, task: Task) -> Callable[[], bool]:
    def act() -> bool:
        if task.done is not None:
            if task.done():
                return False
        elif stamp.exists() and stamp.read_text() == task.key:
            return False
        task.act()
        stamp.write_text(task.key)
        return True

    return act


def _tell(name: str, took: float) -> None:
    say(f"{took:6.1f} s  {name}")

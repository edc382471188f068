"""The memory driver: a simulated engine, scripted by fates. See docs/memory-driver.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.drivers.memory.driver import MemoryDriver, RealTimeMemoryDriver
from zun_compose.drivers.memory.fate import Failing, Failure, Fate, Line, Outcome, Run
from zun_compose.drivers.memory.script import read
from zun_compose.errors import Fault, SpecError
from zun_compose.model import Stack

__all__ = [
    "Failing",
    "Failure",
    "Fate",
    "Line",
    "MemoryDriver",
    "Outcome",
    "RealTimeMemoryDriver",
    "Run",
    "check_fates",
    "connect",
    "read",
]


def connect(
    url: str | None = None,
    *,
    real_time: bool = True,
    fates: Mapping[str, Fate | Mapping[str, Any]] | None = None,
) -> RealTimeMemoryDriver:
    """Begin a new simulated engine; `url`, if given, becomes its id. Nothing outlives the process.

    With `real_time` False it is a `MemoryDriver`, whose clock is the caller's to move.
    """
    kind = RealTimeMemoryDriver if real_time else MemoryDriver
    return kind(fates, engine_id=url or "memory")


def check_fates(stack: Stack) -> None:
    """Find everything that is wrong with the fates of a stack.

    Raises:
        SpecError: with all faults (code spec.fate).
    """
    faults: list[Fault] = []
    for service in stack.services.values():
        try:
            read(service.fate, subject=service.name, mark=service.mark)
        except SpecError as error:
            faults += error.faults
    if faults:
        raise SpecError(faults)

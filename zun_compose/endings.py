"""Brings the kernel's word of an exit in, for containers whose successful end a gate waits for.

Only a zero counts: it is final whatever the restart policy, and there is nothing to add to it. Of any other
end the engine tells more (out of memory, restarts), and it is asked as before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from zun_compose.container import Observed, State
from zun_compose.driver import EngineInfo
from zun_compose.plan.steps import Plan
from zun_compose.record import replace

if TYPE_CHECKING:
    from zun_compose.observe.exits import ExitWatch


class Endings:
    """Which containers ended well, before the engine says so. Safe from several threads."""

    def __init__(self, plan: Plan, engine: EngineInfo) -> None:
        self._engine = engine
        self._awaited = frozenset(
            gate.dependency
            for step in plan.steps
            for gate in step.gates
            if gate.condition.completion and not gate.external
        )
        self._pids: dict[str, int] = {}
        self._untold: set[str] = set()
        self._told: Callable[[str], None] | None = None

    def hear(self, told: Callable[[str], None]) -> None:
        """Call `told` with the id of each container that ended well; until then nothing is followed."""
        self._told = told

    def expect(self, service: str, runtime: str | None, container: str) -> None:
        """A container is about to be started."""
        if self._follows(service, runtime):
            self._exits.expect(container)

    def seen(self, observed: Observed) -> Observed:
        """Return what the engine saw, corrected by what the kernel told since; follow what runs."""
        if observed.state is not State.RUNNING or not self._follows(observed.service, observed.runtime):
            return observed
        if observed.pid is not None and self._pids.get(observed.id) == observed.pid:
            return ended(observed)
        self._exits.follow(observed.id, observed.pid)
        return observed

    def take(self, container: str) -> bool:
        """Tell, once, whether a container ended: the engine, slow to answer now, need not be asked."""
        found = container in self._untold
        self._untold.discard(container)
        return found

    def close(self) -> None:
        """Follow nothing any more."""
        if "_exits" in self.__dict__:
            self._exits.close()

    def _follows(self, service: str, runtime: str | None) -> bool:
        if self._told is None or service not in self._awaited or not self._engine.local:
            return False
        from zun_compose.observe.process import in_kernel

        return in_kernel(runtime or self._engine.default_runtime)

    @cached_property
    def _exits(self) -> ExitWatch:
        from zun_compose.observe.exits import ExitWatch

        return ExitWatch(self._ended)

    def _ended(self, container: str, pid: int, code: int) -> None:
        if code == 0 and self._told is not None:
            self._pids[container] = pid
            self._untold.add(container)
            self._told(container)


def ended(observed: Observed) -> Observed:
    """Return a container as having ended well."""
    return replace(observed, state=State.EXITED, exit_code=0, pid=None)

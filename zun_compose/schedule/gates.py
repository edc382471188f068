"""The gates of a plan and where each stands. A gate latches: once open, it stays open."""

from __future__ import annotations

from collections.abc import Iterator

from zun_compose.events import GateFailed, GateOpened, GateWaiting
from zun_compose.model import Condition
from zun_compose.plan.steps import Gate
from zun_compose.readiness import Verdict
from zun_compose.record import Mutable, field
from zun_compose.schedule.lines import Line, Lines


class GateState(Mutable):
    """One gate, shared by all lines that wait for it; `told` is what was last said of it."""

    gate: Gate
    waiting: list[Line] = field(default_factory=list)
    resolved: bool = False
    told: str = ""

    def resolve(self) -> list[Line]:
        """Close the question; returns the lines that had asked."""
        self.resolved = True
        waiting, self.waiting = self.waiting, []
        return waiting


class Gates:
    """All gates of a plan, by the dependency they look at."""

    def __init__(self, lines: Lines) -> None:
        self._states: dict[tuple[object, ...], GateState] = {}
        self._on: dict[str, list[GateState]] = {}
        for line in lines:
            for gate in line.step.gates:
                self._state(gate).waiting.append(line)
                line.blockers += 1

    def _state(self, gate: Gate) -> GateState:
        key = (gate.dependent, gate.dependency, gate.condition, gate.replicas, gate.external)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = GateState(gate)
            self._on.setdefault(gate.dependency, []).append(state)
        return state

    def __iter__(self) -> Iterator[GateState]:
        return iter(self._states.values())

    @property
    def dependencies(self) -> list[str]:
        """The names that gates look at, in plan order."""
        return list(self._on)

    def unresolved_on(self, dependency: str) -> list[GateState]:
        """Return the open questions on one dependency."""
        return [state for state in self._on.get(dependency, ()) if not state.resolved]

    def conditions_on(self, dependency: str) -> frozenset[Condition]:
        """Return what is still asked of one dependency's containers."""
        return frozenset(
            state.gate.condition for state in self.unresolved_on(dependency) if not state.gate.external
        )

    def drop(self, line: Line) -> set[str]:
        """A skipped line asks nothing any more; returns the dependencies that nobody asks about now."""
        dropped = set()
        for gate in line.step.gates:
            state = self._state(gate)
            if line in state.waiting:
                state.waiting.remove(line)
            if not state.waiting:
                state.resolved = True
                dropped.add(gate.dependency)
        return dropped


def opened(gate: Gate, verdict: Verdict, waited: float) -> GateOpened:
    """Say that a gate opened; seconds."""
    return GateOpened(
        dependent=gate.dependent,
        dependency=gate.dependency,
        condition=gate.condition.value,
        waited=max(0.0, waited),
        reason=verdict.reason,
    )


def failed(gate: Gate, verdict: Verdict, *, timed_out: bool) -> GateFailed:
    """Say that a gate will not open."""
    return GateFailed(
        dependent=gate.dependent,
        dependency=gate.dependency,
        condition=gate.condition.value,
        reason=verdict.reason,
        exit_code=verdict.exit_code,
        answer=verdict.answer,
        timed_out=timed_out,
        required=gate.required,
    )


def waiting(gate: Gate, words: str, left: float | None) -> GateWaiting:
    """Say what a gate waits for, and for how many seconds more at most."""
    return GateWaiting(
        dependent=gate.dependent,
        dependency=gate.dependency,
        condition=gate.condition.value,
        reason=words,
        deadline_in=left,
    )

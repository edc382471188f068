"""Decides what happens next: events in, actions out. No clock, no thread, no I/O.

The schedule runs over a plan's steps. A step is launched once the steps it needs have succeeded
and its gates have opened; a gate is judged on what the looks at its dependency's containers bring.
It owns deadlines, retries and who is skipped because of whom. `execute` is its only shell
besides Heat's polling.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from zun_compose.container import Observed
from zun_compose.errors import Conflict
from zun_compose.events import (
    GateFailed,
    GateOpened,
    GateWaiting,
    Progress,
    ServiceChanged,
    StepDone,
    StepFailed,
    StepSkipped,
    StepStarted,
    Unsteady,
)
from zun_compose.model import Condition, Service, Stack
from zun_compose.outside import AskOutside, OutsideWatch
from zun_compose.plan.steps import Gate, Member, Plan, Step, Verb
from zun_compose.readiness import DEFAULT_DEADLINE, Facts, Verdict, Word, combine, deadline, judge, strongest
from zun_compose.sighting import Answer, Sighting
from zun_compose.standing import standing
from zun_compose.status import Readiness
from zun_compose.watch import Attention, Look, Watch

ATTEMPTS = 4
"""How often a step is tried while the engine answers with retryable errors."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A step was carried out, in `seconds`."""

    step: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Broke:
    """A step failed with an error's text and code."""

    step: str
    error: str
    code: str = "driver"
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Saw:
    """A look came back; `handle` is the schedule's name for the container."""

    handle: str
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class Checked:
    """A run of the healthcheck came back."""

    handle: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A readiness probe answered; for externals `handle` is the external's name."""

    handle: str
    probe: int
    answer: Answer
    external: bool = False


@dataclass(frozen=True, slots=True)
class Hinted:
    """The engine's event stream said that something happened to a container."""

    handle: str


@dataclass(frozen=True, slots=True)
class Swept:
    """All containers of the stack, seen once more before the operation returns."""

    containers: tuple[Observed, ...]


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The user wants no further launches."""


Input = Succeeded | Broke | Saw | Checked | Asked | Hinted | Swept | CancelRequested


@dataclass(frozen=True, slots=True)
class Launch:
    """Carry a step out."""

    step: Step
    attempt: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the user."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the user that a gate failed, with the last words of the container behind `handle`."""

    failure: GateFailed
    handle: str | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Look at all containers of the stack once more."""


Action = Launch | Attention | AskOutside | Tell | Report | Sweep


class Phase(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    LAUNCHED = "launched"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to the step."""
        return self not in (Phase.PENDING, Phase.LAUNCHED)


@dataclass(slots=True)
class _Line:
    """A step's state: `blockers` counts steps and gates that it still waits for."""

    step: Step
    phase: Phase = Phase.PENDING
    blockers: int = 0
    attempt: int = 0
    cause: str = ""


@dataclass(slots=True)
class _GateState:
    """A gate's state, shared by all steps that wait for it."""

    gate: Gate
    waiting: list[str] = field(default_factory=list)
    resolved: bool = False
    opened: bool = False
    told: str = ""
    cause: str = ""


_GateKey = tuple[str, str, Condition, int | None, bool]


class Schedule:
    """The state machine of one operation."""

    def __init__(
        self,
        plan: Plan,
        stack: Stack | None,
        *,
        now: float,
        engine_checks: bool = True,
        wait_timeout: float | None = None,
        guard_exits: bool = False,
    ) -> None:
        self.plan = plan
        self.failures: list[str] = []
        self.conflicts: list[str] = []
        self.cancelled = False
        self._stack = stack
        self._engine_checks = engine_checks
        self._began = now
        self._limit = now + wait_timeout if wait_timeout is not None else None
        self._guard_exits = guard_exits
        self._sweeping = False
        self._swept = False
        self._lines: dict[str, _Line] = {step.id: _Line(step) for step in plan.steps}
        self._needed_by: dict[str, list[str]] = {}
        self._followed_by: dict[str, list[str]] = {}
        self._gates: dict[_GateKey, _GateState] = {}
        self._gates_on: dict[str, list[_GateState]] = {}
        self._open_lines = len(self._lines)
        self._members: dict[str, Member] = {}
        self._start_of: dict[str, str] = {}
        self._clock: dict[str, float] = {}
        self._watches: dict[str, Watch] = {}
        self._outside: dict[str, OutsideWatch] = {}
        self._timers: list[tuple[float, int, str, str]] = []
        self._due: dict[tuple[str, str], float] = {}
        self._ticket = 0
        self._words: dict[str, Readiness] = {}
        self._out: list[Action] = []
        self._tie()

    # The three calls of a shell.

    def begin(self, now: float) -> list[Action]:
        """Return the first actions."""
        if self._limit is not None:
            self._timer(self._limit, "limit", "")
        for name in list(self._gates_on):
            self._evaluate(name, now)
        for line in list(self._lines.values()):
            self._maybe_launch(line, now)
        return self._flush(now)

    def step(self, event: Input, now: float) -> list[Action]:
        """Take one event in; return what is to be done."""
        match event:
            case Succeeded(step, seconds):
                self._succeeded(self._lines[step], seconds, now)
            case Broke(step):
                self._broke(self._lines[step], event, now)
            case Saw(handle, sighting):
                self._saw(handle, sighting, now)
            case Checked(handle, answer):
                self._fold(handle, now, lambda watch: watch.checked(answer, now))
            case Asked(name, probe, answer, True):
                self._outside[name].asked(probe, answer, now)
                self._evaluate(name, now)
                self._timer(self._outside[name].wake_at(), "outside", name)
            case Asked(handle, probe, answer):
                self._fold(handle, now, lambda watch: watch.asked(probe, answer, now))
            case Hinted(handle):
                self._hinted(handle, now)
            case Swept(containers):
                self._swept = True
                for observed in containers:
                    self._guard(observed, now)
            case CancelRequested():
                self._cancel()
        return self._flush(now)

    def wake(self, now: float) -> list[Action]:
        """Do what is due by `now`."""
        return self._flush(now)

    @property
    def wake_at(self) -> float | None:
        """When something is due next, or None."""
        return self._timers[0][0] if self._timers else None

    @property
    def finished(self) -> bool:
        """Whether the operation is over."""
        return self._open_lines == 0 and (self._swept or not self._guard_exits or self._broken)

    @property
    def _broken(self) -> bool:
        return bool(self.failures) or self.cancelled

    # What came of it.

    def phase(self, step: str) -> Phase:
        """Return where a step stands."""
        return self._lines[step].phase

    def in_flight(self) -> tuple[Step, ...]:
        """Return the steps that are with the engine now."""
        return tuple(line.step for line in self._lines.values() if line.phase is Phase.LAUNCHED)

    def done(self) -> tuple[Step, ...]:
        """Return the steps that succeeded, in plan order."""
        return tuple(line.step for line in self._lines.values() if line.phase is Phase.DONE)

    def skipped(self) -> Mapping[str, str]:
        """Return services that were not started, with the cause."""
        return {
            line.step.service: line.cause
            for line in self._lines.values()
            if line.phase is Phase.SKIPPED and line.step.verb is Verb.START and line.step.service
        }

    def words(self) -> Mapping[str, Readiness]:
        """Return the last word on each container, by handle."""
        return dict(self._words)

    # Setting up.

    def _tie(self) -> None:
        for members in self.plan.fleet.values():
            for member in members:
                self._members[member.handle] = member
        for line in self._lines.values():
            step = line.step
            if step.verb is Verb.START:
                self._start_of[step.handle] = step.id
            for identity in step.needs:
                if identity in self._lines:
                    self._needed_by.setdefault(identity, []).append(step.id)
                    line.blockers += 1
            for identity in step.after:
                if identity in self._lines:
                    self._followed_by.setdefault(identity, []).append(step.id)
                    line.blockers += 1
            for gate in step.gates:
                self._gate_state(gate).waiting.append(step.id)
                line.blockers += 1
        if self._stack is not None:
            for name, external in self._stack.externals.items():
                if name in self._gates_on:
                    self._outside[name] = OutsideWatch(external)
                    self._timer(self._began, "outside", name)

    def _gate_state(self, gate: Gate) -> _GateState:
        key = (gate.dependent, gate.dependency, gate.condition, gate.replicas, gate.external)
        state = self._gates.get(key)
        if state is None:
            state = self._gates[key] = _GateState(gate)
            self._gates_on.setdefault(gate.dependency, []).append(state)
        return state

    # Steps.

    def _maybe_launch(self, line: _Line, now: float) -> None:
        if line.phase is not Phase.PENDING or line.blockers or self.cancelled:
            return
        if line.step.verb is Verb.WAIT:
            line.phase = Phase.LAUNCHED
            self._succeeded(line, 0.0, now)
            return
        line.phase = Phase.LAUNCHED
        self._launch(line)

    def _launch(self, line: _Line) -> None:
        line.attempt += 1
        step = line.step
        told = StepStarted(
            step=step.id,
            verb=step.verb.value,
            subject=step.subject,
            service=step.service,
            cause=step.cause,
            attempt=line.attempt,
        )
        self._out += [Tell(told), Launch(step, line.attempt)]

    def _succeeded(self, line: _Line, seconds: float, now: float) -> None:
        if line.phase is not Phase.LAUNCHED:
            return
        step = line.step
        line.phase = Phase.DONE
        self._open_lines -= 1
        if step.verb is not Verb.WAIT:
            done = StepDone(
                step=step.id,
                verb=step.verb.value,
                subject=step.subject,
                service=step.service,
                seconds=seconds,
            )
            self._out.append(Tell(done))
        if step.verb is Verb.START and step.service is not None:
            self._clock[step.service] = now
            if step.handle in self._members:
                self._say(self._members[step.handle], Readiness.STARTED, "")
            if step.handle in self._watches:
                self._watches[step.handle].begin(now)
            self._evaluate(step.service, now)
        self._release(step.id, now)

    def _broke(self, line: _Line, event: Broke, now: float) -> None:
        if line.phase is not Phase.LAUNCHED:
            return
        step = line.step
        retry = event.retryable and line.attempt < ATTEMPTS and not self.cancelled
        pause = 0.25 * 2**line.attempt if retry else None
        told = StepFailed(
            step=step.id,
            verb=step.verb.value,
            subject=step.subject,
            service=step.service,
            error=event.error,
            code=event.code,
            retry_in=pause,
        )
        self._out.append(Tell(told))
        if pause is not None:
            self._timer(now + pause, "retry", step.id)
            return
        line.phase = Phase.FAILED
        line.cause = f"cannot {step.verb.value.replace('-', ' ')} {step.subject}: {event.error}"
        self._open_lines -= 1
        if not step.optional:
            self.failures.append(line.cause)
        if event.code == Conflict.code and step.verb is Verb.CREATE:
            self.conflicts.append(step.name)
        self._settle_badly(line, now)

    def _skip(self, line: _Line, cause: str, now: float, phase: Phase = Phase.SKIPPED) -> None:
        """Skip a step and all that needs it; iterative, since chains may be thousands long."""
        todo = [line]
        while todo:
            line = todo.pop()
            if line.phase is not Phase.PENDING:
                continue
            line.phase, line.cause = phase, cause
            self._open_lines -= 1
            step = line.step
            self._forget_gates(step)
            if step.verb is not Verb.WAIT:
                told = StepSkipped(
                    step=step.id,
                    verb=step.verb.value,
                    subject=step.subject,
                    service=step.service,
                    cause=cause,
                )
                self._out.append(Tell(told))
            if step.verb is Verb.START and step.handle in self._members:
                self._say(self._members[step.handle], Readiness.SKIPPED, cause)
            todo += [self._lines[identity] for identity in self._needed_by.get(step.id, ())]
            self._after(step.id, now)
            if step.verb is Verb.START and step.service is not None and phase is Phase.SKIPPED:
                todo += self._fail_gates_on(step.service, now)

    def _settle_badly(self, line: _Line, now: float) -> None:
        for identity in self._needed_by.get(line.step.id, ()):
            self._skip(self._lines[identity], line.cause, now)
        self._after(line.step.id, now)
        if line.step.verb is Verb.START and line.step.service is not None:
            self._evaluate(line.step.service, now)

    def _release(self, identity: str, now: float) -> None:
        for follower in self._needed_by.get(identity, ()):
            line = self._lines[follower]
            line.blockers -= 1
            self._maybe_launch(line, now)
        self._after(identity, now)

    def _after(self, identity: str, now: float) -> None:
        for follower in self._followed_by.get(identity, ()):
            line = self._lines[follower]
            line.blockers -= 1
            self._maybe_launch(line, now)

    def _cancel(self) -> None:
        if self.cancelled:
            return
        self.cancelled = True
        for line in self._lines.values():
            if line.phase is Phase.PENDING:
                line.phase, line.cause = Phase.CANCELLED, "interrupted"
                self._open_lines -= 1
        for state in self._gates.values():
            state.resolved = True
        self._watches.clear()
        self._outside.clear()

    # Gates.

    def _evaluate(self, name: str, now: float) -> None:
        """Judge all open questions on one dependency."""
        for state in self._gates_on.get(name, ()):
            if state.resolved:
                continue
            verdict = self._verdict(state.gate)
            if verdict.word is Word.READY:
                self._open(state, verdict, now)
            elif verdict.word is Word.NEVER:
                self._fail(state, verdict, now)
            else:
                self._wait(state, verdict, now)
        self._tend(name, now)

    def _verdict(self, gate: Gate) -> Verdict:
        if gate.external:
            return self._outside[gate.dependency].verdict()
        members = self.plan.fleet.get(gate.dependency, ())
        return combine([self._judge(gate, member) for member in members], gate.replicas)

    def _judge(self, gate: Gate, member: Member) -> Verdict:
        service = self._service(gate.dependency)
        start = self._start_of.get(member.handle)
        if start is not None:
            line = self._lines[start]
            if line.phase in (Phase.FAILED, Phase.SKIPPED, Phase.CANCELLED):
                return Verdict(word=Word.NEVER, reason=f"was not started: {line.cause}")
            if line.phase is not Phase.DONE:
                return Verdict(word=Word.NOT_YET, reason="not started yet")
        if gate.condition is Condition.STARTED and (start is not None or member.runs):
            return Verdict(word=Word.READY, reason="started")
        watch = self._watches.get(member.handle)
        facts = watch.facts if watch is not None else Facts()
        return judge(gate.condition, service, facts, retries=gate.retries)

    def _open(self, state: _GateState, verdict: Verdict, now: float) -> None:
        state.resolved = state.opened = True
        gate = state.gate
        waited = now - self._clock.get(gate.dependency, self._began)
        opened = GateOpened(
            dependent=gate.dependent,
            dependency=gate.dependency,
            condition=gate.condition.value,
            waited=max(0.0, waited),
            reason=verdict.reason,
        )
        self._out.append(Tell(opened))
        if gate.condition is Condition.READY or gate.condition.completion:
            word = Readiness.COMPLETED if gate.condition.completion else Readiness.READY
            for member in self.plan.fleet.get(gate.dependency, ()):
                if gate.replicas is None and self._words.get(member.handle) is not Readiness.FAILED:
                    self._say(member, word, verdict.reason)
        waiting, state.waiting = state.waiting, []
        for identity in waiting:
            line = self._lines[identity]
            line.blockers -= 1
            self._maybe_launch(line, now)

    def _fail(self, state: _GateState, verdict: Verdict, now: float, *, timed_out: bool = False) -> None:
        gate = state.gate
        state.resolved = True
        failure = GateFailed(
            dependent=gate.dependent,
            dependency=gate.dependency,
            condition=gate.condition.value,
            reason=verdict.reason,
            exit_code=verdict.exit_code,
            answer=verdict.answer,
            timed_out=timed_out,
            required=gate.required,
        )
        self._out.append(Report(failure, self._witness(gate)))
        if not gate.required:
            waiting, state.waiting = state.waiting, []
            for identity in waiting:
                line = self._lines[identity]
                line.blockers -= 1
                self._maybe_launch(line, now)
            return
        state.cause = f'"{gate.dependency}" {verdict.reason}'
        self.failures.append(f"{gate}: {verdict.reason}")
        for identity in list(state.waiting):
            self._skip(self._lines[identity], state.cause, now)

    def _fail_gates_on(self, name: str, now: float) -> list[_Line]:
        """Fail the gates on a skipped service; returns the lines to skip next. Causes are told once, at the root."""
        lines: list[_Line] = []
        for state in self._gates_on.get(name, ()):
            if state.resolved:
                continue
            verdict = self._verdict(state.gate)
            if verdict.word is not Word.NEVER:
                continue
            state.resolved = True
            if state.gate.required:
                lines += [self._lines[identity] for identity in state.waiting]
            else:
                for identity in list(state.waiting):
                    self._lines[identity].blockers -= 1
                    self._maybe_launch(self._lines[identity], now)
            state.waiting = []
        self._tend(name, now)
        return lines

    def _wait(self, state: _GateState, verdict: Verdict, now: float) -> None:
        gate = state.gate
        limit = self._deadline(gate)
        if limit is not None and now >= limit:
            seconds = limit - self._clock.get(gate.dependency, self._began)
            words = f"{verdict.reason} after {seconds:g} s"
            late = Verdict(
                word=Word.NEVER, reason=words, answer=verdict.answer, exit_code=verdict.exit_code
            )
            self._fail(state, late, now, timed_out=True)
            return
        if limit is not None:
            self._timer(limit, "gate", gate.dependency)
        told = f"{verdict.reason}: {verdict.answer}" if verdict.answer else verdict.reason
        if told != state.told:
            state.told = told
            waiting = GateWaiting(
                dependent=gate.dependent,
                dependency=gate.dependency,
                condition=gate.condition.value,
                reason=told,
                deadline_in=limit - now if limit is not None else None,
            )
            self._out.append(Tell(waiting))

    def _deadline(self, gate: Gate) -> float | None:
        """Return when a gate gives up; its clock starts when its dependency's containers were started."""
        if gate.external:
            began: float | None = self._began
            seconds: float | None = gate.timeout if gate.timeout is not None else DEFAULT_DEADLINE
        else:
            began = self._started_at(gate.dependency)
            service = self._service(gate.dependency)
            seconds = gate.timeout
            if seconds is None:
                seconds = deadline(gate.condition, service, self._seen(gate.dependency))
        return None if began is None or seconds is None else began + seconds

    def _started_at(self, name: str) -> float | None:
        starts = (self._start_of.get(member.handle) for member in self.plan.fleet.get(name, ()))
        if any(start is not None and not self._lines[start].phase.settled for start in starts):
            return None
        return self._clock.get(name, self._began)

    def _out_of_time(self, now: float) -> None:
        """The user's own limit on all waiting has passed."""
        for state in list(self._gates.values()):
            if state.resolved:
                continue
            verdict = self._verdict(state.gate)
            seconds = now - self._began
            words = f"{verdict.reason or 'not reached'} when the wait timeout of {seconds:g} s was over"
            late = Verdict(word=Word.NEVER, reason=words, answer=verdict.answer)
            self._fail(state, late, now, timed_out=True)

    def _forget_gates(self, step: Step) -> None:
        """A skipped step asks nothing any more; a gate that nobody waits for is dropped unopened."""
        for gate in step.gates:
            state = self._gate_state(gate)
            if step.id in state.waiting:
                state.waiting.remove(step.id)
            if not state.waiting:
                state.resolved = True
            if state.resolved:
                self._timer(0.0, "tend", gate.dependency)

    # Watching.

    def _tend(self, name: str, now: float) -> None:
        """Keep watches on a dependency's containers exactly while a gate asks for them."""
        conditions = frozenset(
            state.gate.condition
            for state in self._gates_on.get(name, ())
            if not state.resolved and not state.gate.external
        )
        for member in self.plan.fleet.get(name, ()):
            if not conditions:
                self._watches.pop(member.handle, None)
                continue
            start = self._start_of.get(member.handle)
            if start is not None and self._lines[start].phase is not Phase.DONE:
                continue
            watch = self._watches.get(member.handle)
            if watch is None:
                watch = Watch(member.handle, self._service(name), engine_checks=self._engine_checks)
                watch.begin(now)
                self._watches[member.handle] = watch
            watch.conditions = conditions
            self._timer(watch.wake_at(), "watch", member.handle)
        if name in self._outside and all(state.resolved for state in self._gates_on[name]):
            del self._outside[name]

    def _saw(self, handle: str, sighting: Sighting, now: float) -> None:
        if handle in self._watches:
            self._fold(handle, now, lambda watch: watch.saw(sighting, now, len(self._watches)))
        elif sighting.observed is not None:
            self._guard(sighting.observed, now, handle)

    def _fold(self, handle: str, now: float, fold: Callable[[Watch], None]) -> None:
        watch = self._watches.get(handle)
        if watch is None:
            return
        fold(watch)
        member = self._members[handle]
        if watch.facts.observed is not None:
            word, detail = standing(watch.service, watch.facts)
            self._say(member, word, detail)
        self._timer(watch.wake_at(), "watch", handle)
        self._evaluate(member.service, now)

    def _hinted(self, handle: str, now: float) -> None:
        watch = self._watches.get(handle)
        if watch is not None:
            watch.hint(now)
            self._timer(now, "watch", handle)
        elif handle in self._members and not self._pending_start(handle):
            self._out.append(Look(handle=handle, detail=True, sockets=False))

    def _pending_start(self, handle: str) -> bool:
        start = self._start_of.get(handle)
        return start is not None and self._lines[start].phase is not Phase.DONE

    def _guard(self, observed: Observed, now: float, handle: str | None = None) -> None:
        """Notice containers that ended after their gates had opened."""
        member = self._members.get(handle or observed.id) or self._by_name(observed)
        if member is None or not observed.state.ended or self._pending_start(member.handle):
            return
        service = self._service(member.service)
        plain = observed.exit_code == 0 and strongest(service, observed) is Condition.STARTED
        word, detail = standing(service, Facts(observed=observed))
        told = self._words.get(member.handle) is word
        self._say(member, word, detail)
        if service.job or plain or told:
            return
        self._out.append(
            Tell(Unsteady(service=member.service, container=member.name, detail=detail))
        )
        if self._guard_exits:
            gate = Gate(dependent="", dependency=member.service, condition=Condition.READY)
            self.failures.append(f"{gate}: {detail} before up returned")
            failure = GateFailed(
                dependent="",
                dependency=member.service,
                condition=gate.condition.value,
                reason=f"{detail} before up returned",
                exit_code=observed.exit_code,
            )
            self._out.append(Report(failure, member.handle))

    def _by_name(self, observed: Observed) -> Member | None:
        for member in self.plan.fleet.get(observed.service, ()):
            if member.name == observed.name or member.handle == observed.name:
                return member
        return None

    def _say(self, member: Member, word: Readiness, detail: str) -> None:
        if self._words.get(member.handle) is word:
            return
        self._words[member.handle] = word
        changed = ServiceChanged(
            service=member.service,
            container=member.name,
            number=member.number,
            readiness=word.value,
            detail=detail,
        )
        self._out.append(Tell(changed))

    def _service(self, name: str) -> Service:
        assert self._stack is not None
        return self._stack.services[name]

    def _seen(self, name: str) -> Observed | None:
        for member in self.plan.fleet.get(name, ()):
            watch = self._watches.get(member.handle)
            if watch is not None and watch.facts.observed is not None:
                return watch.facts.observed
        return None

    def _witness(self, gate: Gate) -> str | None:
        """Return the container whose last words explain a failed gate: one that ended, else any that was started."""
        started = [
            member.handle
            for member in self.plan.fleet.get(gate.dependency, ())
            if member.handle in self._watches
        ]
        for handle in started:
            observed = self._watches[handle].facts.observed
            if observed is not None and observed.state.ended:
                return handle
        return started[0] if started else None

    # Time.

    def _timer(self, when: float, kind: str, key: str) -> None:
        """Ask to be woken for something; an earlier wish for the same thing stands for both."""
        wish = (kind, key)
        if when == float("inf") or self._due.get(wish, float("inf")) <= when:
            return
        self._due[wish] = when
        self._ticket += 1
        heapq.heappush(self._timers, (when, self._ticket, kind, key))

    def _flush(self, now: float) -> list[Action]:
        """Fire what is due, and hand out all actions collected."""
        while self._timers and self._timers[0][0] <= now:
            when, _, kind, key = heapq.heappop(self._timers)
            if self._due.get((kind, key)) == when:
                del self._due[kind, key]
                self._fire(kind, key, now)
        if self._open_lines == 0 and self._guard_exits and not self._sweeping and not self._broken:
            self._sweeping = True
            self._out.append(Sweep())
        out, self._out = self._out, []
        return out

    def _fire(self, kind: str, key: str, now: float) -> None:
        match kind:
            case "watch":
                watch = self._watches.get(key)
                if watch is not None:
                    self._out += watch.due(now, len(self._watches))
                    self._timer(watch.wake_at(), "watch", key)
            case "gate":
                self._evaluate(key, now)
            case "retry":
                line = self._lines[key]
                if line.phase is Phase.LAUNCHED:
                    self._launch(line)
            case "tend":
                self._tend(key, now)
            case "outside":
                outside = self._outside.get(key)
                if outside is not None:
                    self._out += outside.due(now)
                    self._timer(outside.wake_at(), "outside", key)
            case "limit":
                self._out_of_time(now)


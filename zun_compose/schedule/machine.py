"""The state machine of one operation: events in, actions out. No clock, no thread, no I/O.

A step is launched once the steps it needs have succeeded and its gates have opened; a gate is judged
on what the looks at its dependency's containers bring. The machine owns deadlines, retries and who
is skipped because of whom. `execute` is its shell; Heat's polling may be another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zun_compose.container import Observed
from zun_compose.errors import Conflict
from zun_compose.events import Unsteady
from zun_compose.model import Condition, Service, Stack
from zun_compose.plan.steps import Gate, Member, Plan, Step, Verb
from zun_compose.readiness import DEFAULT_DEADLINE, Facts, Verdict, Word, combine, deadline, judge, strongest
from zun_compose.schedule import gates as gating
from zun_compose.schedule import telling
from zun_compose.schedule.gates import Gates, GateState
from zun_compose.schedule.lines import Line, Lines, Phase
from zun_compose.schedule.lookout import Lookout
from zun_compose.schedule.messages import (
    Action,
    Asked,
    Broke,
    CancelRequested,
    Checked,
    Hinted,
    Input,
    Launch,
    Report,
    Saw,
    Succeeded,
    Sweep,
    Swept,
    Tell,
    Withdrawn,
)
from zun_compose.schedule.timers import Kind, Timers
from zun_compose.standing import standing
from zun_compose.status import Readiness
from zun_compose.watch import Look, Watch

ATTEMPTS = 4
"""How often a step is tried while the engine answers with retryable errors."""

_FIRST_PAUSE = 0.5
_LAST_WORDS = (Readiness.FAILED, Readiness.COMPLETED)
_LESS_THAN_READY = (Readiness.STARTED, Readiness.LISTENING, Readiness.HEALTHY)


class Schedule:
    """Runs over a plan's steps. `wait_timeout` seconds bound all waiting from `now` on.

    With `guard_exits` a service that ends before the operation returns fails it (`up --wait`).
    """

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
        self._began = now
        self._guard_exits = guard_exits
        self._sweeping = False
        self._swept = False
        self._lines = Lines(plan)
        self._gates = Gates(self._lines)
        self._members = {member.handle: member for group in plan.fleet.values() for member in group}
        self._clock: dict[str, float] = {}
        self._timers = Timers()
        self._lookout = Lookout(self._timers, engine_checks=engine_checks)
        self._words: dict[str, Readiness] = {}
        self._out: list[Action] = []
        self._wait_timeout = wait_timeout
        if wait_timeout is not None:
            self._timers.wish(now + wait_timeout, Kind.LIMIT, "")

    # The calls of a shell.

    def begin(self, now: float) -> list[Action]:
        """Return the first actions."""
        for name, external in self._stack.externals.items() if self._stack is not None else ():
            if self._gates.unresolved_on(name):
                self._lookout.attend_outside(external, now)
        for name in self._gates.dependencies:
            self._evaluate(name, now)
        for line in self._lines:
            self._maybe_launch(line, now)
        return self._flush(now)

    def step(self, event: Input, now: float) -> list[Action]:
        """Take one event in; return what is to be done."""
        match event:
            case Succeeded(step, seconds):
                self._succeeded(self._lines[step], seconds, now)
            case Broke(step):
                self._broke(self._lines[step], event, now)
            case Hinted(handle):
                self._hinted(handle, now)
            case Swept(containers):
                self._swept = True
                for observed in containers:
                    self._guard(observed)
            case Withdrawn(step):
                self._withdraw(self._lines[step])
            case CancelRequested():
                self._cancel()
            case Saw() | Checked() | Asked():
                self._learn(event, now)
        return self._flush(now)

    def wake(self, now: float) -> list[Action]:
        """Do what is due by `now`."""
        return self._flush(now)

    @property
    def wake_at(self) -> float | None:
        """When something is due next, or None."""
        return self._timers.next

    @property
    def finished(self) -> bool:
        """Whether the operation is over."""
        return self._lines.open == 0 and (self._swept or not self._guard_exits or self._broken)

    # What came of it.

    def phase(self, step: str) -> Phase:
        """Return where a step stands."""
        return self._lines[step].phase

    def in_flight(self) -> tuple[Step, ...]:
        """Return the steps that are with the engine now."""
        return tuple(line.step for line in self._lines if line.phase is Phase.LAUNCHED and not line.resting)

    def done(self) -> tuple[Step, ...]:
        """Return the steps that succeeded, in plan order."""
        return tuple(line.step for line in self._lines if line.phase is Phase.DONE)

    def skipped(self) -> Mapping[str, str]:
        """Return services that were not started, with the cause."""
        return {
            line.step.service: line.cause
            for line in self._lines
            if line.phase is Phase.SKIPPED and line.step.verb is Verb.START and line.step.service
        }

    def words(self) -> Mapping[str, Readiness]:
        """Return the last word on each container, by handle."""
        return dict(self._words)

    # Steps.

    def _maybe_launch(self, line: Line, now: float) -> None:
        if line.phase is not Phase.PENDING or line.blockers or self.cancelled:
            return
        line.phase = Phase.LAUNCHED
        if line.step.verb is Verb.WAIT:
            self._succeeded(line, 0.0, now)
        else:
            self._launch(line)

    def _launch(self, line: Line) -> None:
        line.attempt += 1
        line.resting = False
        self._out.append(Launch(line.step, line.attempt))

    def _succeeded(self, line: Line, seconds: float, now: float) -> None:
        if line.phase is not Phase.LAUNCHED:
            return
        step = line.step
        self._lines.settle(line, Phase.DONE)
        if step.verb is not Verb.WAIT:
            self._out.append(Tell(telling.done(line, seconds)))
        if step.verb is Verb.START and step.service is not None:
            self._clock[step.service] = now
            if step.handle in self._members:
                self._say(self._members[step.handle], Readiness.STARTED, "")
            self._evaluate(step.service, now)
        self._unblock(self._lines.needing(line), now)
        self._unblock(self._lines.following(line), now)

    def _broke(self, line: Line, event: Broke, now: float) -> None:
        if line.phase is not Phase.LAUNCHED:
            return
        step = line.step
        again = event.retryable and line.attempt < ATTEMPTS and not self.cancelled
        pause = _FIRST_PAUSE * 2 ** (line.attempt - 1) if again else None
        self._out.append(Tell(telling.broke(line, event, pause)))
        if pause is not None:
            line.resting = True
            self._timers.wish(now + pause, Kind.RETRY, step.id)
            return
        cause = f"cannot {step.verb.value.replace('-', ' ')} {step.subject}: {event.error}"
        self._lines.settle(line, Phase.FAILED, cause)
        if not step.optional:
            self.failures.append(cause)
        if event.code == Conflict.code and step.verb is Verb.CREATE:
            self.conflicts.append(step.name)
        for needing in self._lines.needing(line):
            self._skip(needing, cause, now)
        self._unblock(self._lines.following(line), now)
        if step.verb is Verb.START and step.service is not None:
            for waiting in self._close_gates_on_unstarted(step.service, now):
                self._skip(waiting, cause, now)

    def _skip(self, line: Line, cause: str, now: float) -> None:
        """Skip a step and all that needs it; a loop, since chains may be thousands long."""
        todo = [line]
        while todo:
            line = todo.pop()
            if line.phase is not Phase.PENDING:
                continue
            self._lines.settle(line, Phase.SKIPPED, cause)
            for dependency in self._gates.drop(line):
                self._timers.wish(now, Kind.TEND, dependency)
            step = line.step
            if step.verb is not Verb.WAIT:
                self._out.append(Tell(telling.skipped(line)))
            todo += self._lines.needing(line)
            self._unblock(self._lines.following(line), now)
            if step.verb is Verb.START and step.service is not None:
                if step.handle in self._members:
                    self._say(self._members[step.handle], Readiness.SKIPPED, cause)
                todo += self._close_gates_on_unstarted(step.service, now)

    def _unblock(self, lines: list[Line], now: float) -> None:
        for line in lines:
            line.blockers -= 1
            self._maybe_launch(line, now)

    def _cancel(self) -> None:
        if self.cancelled:
            return
        self.cancelled = True
        for line in self._lines:
            if line.phase is Phase.PENDING or line.resting:
                self._lines.settle(line, Phase.CANCELLED, "interrupted")
                line.resting = False
        for state in self._gates:
            state.resolve()
        self._lookout.clear()

    def _withdraw(self, line: Line) -> None:
        if line.phase is Phase.LAUNCHED:
            self._lines.settle(line, Phase.CANCELLED, "interrupted")

    # Gates.

    def _evaluate(self, name: str, now: float) -> None:
        """Judge all open questions on one dependency."""
        for state in self._gates.unresolved_on(name):
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
            return self._lookout.outside_verdict(gate.dependency)
        members = self.plan.fleet.get(gate.dependency, ())
        return combine([self._judge(gate, member) for member in members], gate.replicas)

    def _judge(self, gate: Gate, member: Member) -> Verdict:
        start = self._lines.start_of(member.handle)
        if start is not None and start.phase is not Phase.DONE:
            if start.phase.settled:
                return Verdict(word=Word.NEVER, reason=f"was not started: {start.cause}")
            return Verdict(word=Word.NOT_YET, reason="not started yet")
        if gate.condition is Condition.STARTED and (start is not None or member.runs):
            return Verdict(word=Word.READY, reason="started")
        facts = self._lookout.facts(member.handle)
        return judge(gate.condition, self._service(gate.dependency), facts, retries=gate.retries)

    def _open(self, state: GateState, verdict: Verdict, now: float) -> None:
        gate = state.gate
        waited = now - self._clock.get(gate.dependency, self._began)
        self._out.append(Tell(gating.opened(gate, verdict, waited)))
        if gate.replicas is None and (gate.condition is Condition.READY or gate.condition.completion):
            word = Readiness.COMPLETED if gate.condition.completion else Readiness.READY
            for member in self.plan.fleet.get(gate.dependency, ()):
                if self._words.get(member.handle) not in _LAST_WORDS:
                    self._say(member, word, verdict.reason)
        self._unblock(state.resolve(), now)

    def _fail(self, state: GateState, verdict: Verdict, now: float, *, timed_out: bool = False) -> None:
        gate = state.gate
        witness = self._witness(gate)
        self._out.append(Report(gating.failed(gate, verdict, timed_out=timed_out), witness))
        waiting = state.resolve()
        if not gate.required:
            self._unblock(waiting, now)
            return
        self.failures.append(f"{gate}: {verdict.reason}")
        # what became of it goes on from its name; what it lacked when the time was over does not
        joined = ": " if timed_out else " "
        for line in waiting:
            self._skip(line, f'"{gate.dependency}"{joined}{verdict.reason}', now)

    def _close_gates_on_unstarted(self, name: str, now: float) -> list[Line]:
        """Resolve the gates on what will not be started; returns whom to skip. The root told the cause."""
        skip: list[Line] = []
        for state in self._gates.unresolved_on(name):
            verdict = self._verdict(state.gate)
            if verdict.word is not Word.NEVER:
                continue
            if state.gate.required:
                skip += state.resolve()
            else:
                self._fail(state, verdict, now)
        self._timers.wish(now, Kind.TEND, name)
        return skip

    def _wait(self, state: GateState, verdict: Verdict, now: float) -> None:
        gate = state.gate
        limit = self._limit(gate)
        if limit is not None and now >= limit:
            seconds = limit - self._clock.get(gate.dependency, self._began)
            self._too_late(state, verdict, f"{verdict.reason} after {seconds:g} s", now)
            return
        if limit is not None:
            self._timers.wish(limit, Kind.GATE, gate.dependency)
        words = f"{verdict.reason}: {verdict.answer}" if verdict.answer else verdict.reason
        if words != state.told:
            state.told = words
            self._out.append(Tell(gating.waiting(gate, words, None if limit is None else limit - now)))

    def _too_late(self, state: GateState, verdict: Verdict, words: str, now: float) -> None:
        late = Verdict(
            word=Word.NEVER,
            reason=words,
            asked=verdict.asked,
            answer=verdict.answer,
            exit_code=verdict.exit_code,
        )
        self._fail(state, late, now, timed_out=True)

    def _limit(self, gate: Gate) -> float | None:
        """Return when a gate gives up; its clock starts when its dependency's containers were started."""
        if gate.external:
            return self._began + (DEFAULT_DEADLINE if gate.timeout is None else gate.timeout)
        members = self.plan.fleet.get(gate.dependency, ())
        starts = [self._lines.start_of(member.handle) for member in members]
        if any(start is not None and not start.phase.settled for start in starts):
            return None
        seconds = gate.timeout
        if seconds is None:
            service = self._service(gate.dependency)
            seconds = deadline(gate.condition, service, self._seen(gate.dependency))
        return None if seconds is None else self._clock.get(gate.dependency, self._began) + seconds

    def _out_of_time(self, now: float) -> None:
        """The caller's own limit on all waiting has passed."""
        for state in list(self._gates):
            if not state.resolved:
                verdict = self._verdict(state.gate)
                words = f"{verdict.reason} when the wait timeout of {self._wait_timeout:g} s was over"
                self._too_late(state, verdict, words, now)

    def _witness(self, gate: Gate) -> str | None:
        """Return whose last words explain a failed gate: a container that ended, else any started."""
        handles = [member.handle for member in self.plan.fleet.get(gate.dependency, ())]
        seen = {handle: self._lookout.seen(handle) for handle in handles}
        watched = [handle for handle in handles if seen[handle] is not None]
        ended = (handle for handle in watched if (one := seen[handle]) is not None and one.state.ended)
        return next(ended, watched[0] if watched else None)

    # Watching.

    def _tend(self, name: str, now: float) -> None:
        """Keep watches on a dependency's containers while a gate asks for them; then only guard them."""
        conditions = self._gates.conditions_on(name)
        for member in self.plan.fleet.get(name, ()):
            if conditions and not self._pending_start(member.handle):
                fresh = self._lines.start_of(member.handle) is not None
                self._lookout.attend(member.handle, self._service(name), conditions, now, fresh=fresh)
            elif not conditions:
                self._lookout.relax(member.handle, now)
        if not self._gates.unresolved_on(name):
            self._lookout.forget_outside(name)

    def _learn(self, event: Saw | Checked | Asked, now: float) -> None:
        match event:
            case Saw(handle, sighting):
                watches = self._lookout.beside(handle)
                if not self._fold(handle, now, lambda watch: watch.saw(sighting, now, watches)):
                    self._guard(sighting.observed, handle)
            case Checked(handle, answer):
                self._fold(handle, now, lambda watch: watch.checked(answer, now))
            case Asked(name, probe, answer, True):
                if self._lookout.asked_outside(name, probe, answer, now):
                    self._evaluate(name, now)
            case Asked(handle, probe, answer):
                self._fold(handle, now, lambda watch: watch.asked(probe, answer, now))

    def _fold(self, handle: str, now: float, fold: Callable[[Watch], None]) -> bool:
        watch = self._lookout.watch(handle)
        if watch is None:
            return False
        fold(watch)
        member = self._members[handle]
        observed = watch.facts.observed
        if watch.calm:
            self._guard(observed, handle)
        if observed is not None and not observed.state.ended:
            word, detail = standing(watch.service, watch.facts)
            self._notice_flap(member, word, detail)
            self._say(member, word, detail)
        elif observed is not None and not watch.calm:
            self._say(member, *standing(watch.service, watch.facts))
        self._lookout.schedule(handle)
        self._evaluate(member.service, now)
        return True

    def _hinted(self, handle: str, now: float) -> None:
        if handle not in self._members or self._pending_start(handle) or self.cancelled:
            return
        if not self._lookout.hint(handle, now):
            self._out.append(Look(handle=handle, detail=True, sockets=False))

    def _pending_start(self, handle: str) -> bool:
        start = self._lines.start_of(handle)
        return start is not None and start.phase is not Phase.DONE

    def _notice_flap(self, member: Member, word: Readiness, detail: str) -> None:
        """Tell of a container that was ready and is not any more: an event, never the undoing of a gate."""
        before = self._words.get(member.handle)
        if before is Readiness.READY and word in _LESS_THAN_READY:
            said = f"was ready, is {word.value} now{f': {detail}' if detail else ''}"
            self._out.append(Tell(Unsteady(service=member.service, container=member.name, detail=said)))

    def _guard(self, observed: Observed | None, handle: str | None = None) -> None:
        """Notice containers that ended after their gates had opened."""
        if observed is None or not observed.state.ended:
            return
        member = self._members.get(handle or observed.id) or self._by_name(observed)
        if member is None or self._pending_start(member.handle):
            return
        service = self._service(member.service)
        plain = observed.exit_code == 0 and strongest(service, observed) is Condition.STARTED
        word, detail = standing(service, Facts(observed=observed))
        told = self._words.get(member.handle) is word
        self._say(member, word, detail)
        if service.job or plain or told:
            return
        self._out.append(Tell(Unsteady(service=member.service, container=member.name, detail=detail)))
        if self._guard_exits:
            self._fail_for_exit(member, observed, f"{detail} before up returned")

    def _fail_for_exit(self, member: Member, observed: Observed, reason: str) -> None:
        gate = Gate(dependent="", dependency=member.service, condition=Condition.READY)
        self.failures.append(f"{gate}: {reason}")
        verdict = Verdict(word=Word.NEVER, reason=reason, exit_code=observed.exit_code)
        self._out.append(Report(gating.failed(gate, verdict, timed_out=False), member.handle))

    def _by_name(self, observed: Observed) -> Member | None:
        for member in self.plan.fleet.get(observed.service, ()):
            if observed.name in (member.name, member.handle):
                return member
        return None

    def _say(self, member: Member, word: Readiness, detail: str) -> None:
        if self._words.get(member.handle) is word:
            return
        self._words[member.handle] = word
        self._out.append(Tell(telling.changed(member, word, detail)))

    def _service(self, name: str) -> Service:
        assert self._stack is not None
        return self._stack.services[name]

    def _seen(self, name: str) -> Observed | None:
        handles = (member.handle for member in self.plan.fleet.get(name, ()))
        return next((seen for handle in handles if (seen := self._lookout.seen(handle)) is not None), None)

    # Time.

    @property
    def _broken(self) -> bool:
        return bool(self.failures) or self.cancelled

    def _flush(self, now: float) -> list[Action]:
        """Do what is due, and hand out all actions collected."""
        for kind, key in self._timers.due(now):
            self._fire(kind, key, now)
        if self._lines.open == 0 and self._guard_exits and not self._sweeping and not self._broken:
            self._sweeping = True
            self._out.append(Sweep())
        out, self._out = self._out, []
        return out

    def _fire(self, kind: Kind, key: str, now: float) -> None:
        match kind:
            case Kind.WATCH:
                self._out += self._lookout.due(key, now)
            case Kind.GATE:
                self._evaluate(key, now)
            case Kind.RETRY:
                if self._lines[key].resting:
                    self._launch(self._lines[key])
            case Kind.TEND:
                self._tend(key, now)
            case Kind.OUTSIDE:
                self._out += self._lookout.due_outside(key, now)
            case Kind.LIMIT:
                self._out_of_time(now)

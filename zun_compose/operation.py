"""Runs one operation on one stack: lock, schedule, hands, shell, clean-up, and what is kept of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from zun_compose.contents import Contents
from zun_compose.driver import Driver, EventSource, Subscription, VirtualTime
from zun_compose.errors import Cancelled, NotFound, OperationError, StateError
from zun_compose.events import Emitter, Event, Finished, GateFailed, Planned, Progress, ServiceChanged, Warned
from zun_compose.foresight import refuse_foreseen
from zun_compose.model import Condition, Service, Stack
from zun_compose.observation import observe, planned, side_by_side
from zun_compose.options import OnFailure, UpOptions
from zun_compose.plan.edges import scaled
from zun_compose.plan.steps import Plan, Verb
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World
from zun_compose.record import Record, field
from zun_compose.status import Readiness

if TYPE_CHECKING:
    from zun_compose.execute import Hands, Shell
    from zun_compose.hands import EngineHands
    from zun_compose.schedule import Schedule
    from zun_compose.state import StateStore

# What carries steps out is imported once there is a step: `up` with nothing to do is mostly imports.

Sink = Callable[[Event], None]

_IMAGE_VERBS = (Verb.PULL, Verb.BUILD)
_REPLANS = 3


class Outcome(Record, kw_only=True):
    """What an operation that succeeded did: the plan it ran, seconds, and the last word on each container."""

    plan: Plan
    seconds: float
    services: Mapping[str, str] = field(default_factory=dict)


class Failed(OperationError):
    """An operation's failures as one message, root causes first, one a line.

    `gates` are the failed gates with their last words, `skipped` the services that were not started.
    """

    def __init__(
        self, failures: Sequence[str], gates: Sequence[GateFailed], skipped: Mapping[str, str]
    ) -> None:
        super().__init__("\n".join(dict.fromkeys(failures)))
        self.gates = tuple(gates)
        self.skipped = dict(skipped)


class _Raced(Exception):
    """A name conflict came from somebody else at work on the same stack; holds what to raise in the end."""

    def __init__(self, failure: Failed) -> None:
        super().__init__()
        self.failure = failure


class _Journal(Emitter):
    """Stamps events for the sink, and notes when each container became ready, by our wall clock."""

    def __init__(self, sink: Sink | None) -> None:
        super().__init__(sink)
        self.ready: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Note and deliver one event."""
        if isinstance(progress, ServiceChanged) and Readiness(progress.readiness).good:
            self.ready[progress.container] = time.time()
        super().__call__(progress)


class Operation:
    """One operation. `parallel` bounds the steps under way at once; setting `cancel` stops launches."""

    def __init__(
        self,
        driver: Driver,
        state: StateStore | None,
        parallel: int,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self._driver = driver
        self._state = state
        self._parallel = parallel
        self._cancel = cancel
        self._emit = _Journal(sink)
        self._began = time.monotonic()

    @contextmanager
    def locked(self, stack: str) -> Iterator[None]:
        """Hold the stack's lock on this engine."""
        with ExitStack() as held:
            if self._state is not None:
                lock = self._state.lock(
                    self._driver.engine().id,
                    stack,
                    on_wait=lambda words: self._emit(Warned(message=words)),
                    cancel=self._cancel,
                )
                with self._forgiving("no lock keeps another zun-compose off this stack"):
                    held.enter_context(lock)
            yield

    def up(self, stack: Stack, options: UpOptions, oneoff: Service | None) -> Outcome:
        """Observe, plan and execute `up`; plans anew when somebody else changes the stack meanwhile."""
        contents = Contents()
        stack = scaled(stack, options.scale)
        self._refresh_images(stack, options, contents, oneoff)
        for attempt in range(1, _REPLANS + 1):
            world, plan = planned(
                self._driver,
                observe(self._driver, stack, contents),
                lambda seen: plan_up(stack, seen, options, refresh_images=False, oneoff=oneoff),
            )
            refuse_foreseen(self._driver, stack, plan)
            try:
                return self._up_once(stack, plan, world, options, contents)
            except _Raced as raced:
                if attempt == _REPLANS:
                    raise raced.failure from None
                words = "another zun-compose or compose changed the stack meanwhile; planning anew"
                self._emit(Warned(message=words))
        raise AssertionError("unreachable")

    def run(
        self,
        name: str,
        stack: Stack | None,
        plan: Plan,
        *,
        world: World | None = None,
        wait_timeout: float | None = None,
        part: bool = False,
    ) -> Outcome:
        """Run any other plan to its end; a `part` of an operation does not say that all is finished."""
        self._announce(plan)
        if world is None:
            world = World(engine=self._driver.engine())
        hands = self._hands(stack, plan, world, Contents())
        schedule = self._execute(plan, stack, hands, wait_timeout=wait_timeout)
        self._keep_ready(name, plan, hands)
        if not part or schedule.failures or schedule.cancelled:
            self._finish(schedule)
        self._raise_for(schedule, hands)
        return Outcome(plan=plan, seconds=time.monotonic() - self._began)

    def _refresh_images(
        self, stack: Stack, options: UpOptions, contents: Contents, oneoff: Service | None
    ) -> None:
        """Pull and build first what is asked to be fresh: the plan depends on the ids that come of it."""
        policies = {service.pull_policy for service in stack.services.values()}
        if not (options.build or options.pull is not None or policies & {"always", "build"}):
            return
        world = observe(self._driver, stack, contents)
        whole = plan_up(stack, world, options, oneoff=oneoff)
        steps = tuple(step for step in whole.steps if step.verb in _IMAGE_VERBS)
        if steps:
            images = Plan(stack=stack.name, steps=steps)
            self.run(stack.name, stack, images, world=world, part=True)

    def _up_once(
        self, stack: Stack, plan: Plan, world: World, options: UpOptions, contents: Contents
    ) -> Outcome:
        self._announce(plan)
        if self._state is not None:
            with self._forgiving("which engine the stack is on is not kept"):
                kept = self._state.scale(stack.name, world.engine.id)
                # What this up has not looked at is as an earlier one has left it.
                scale = {name: number for name, number in kept.items() if name not in plan.fleet}
                scale |= {name: number for name, number in options.scale.items() if name in plan.fleet}
                self._state.remember(
                    stack.name, self._driver.name, world.engine, None, stack.working_dir, scale
                )
        if not plan.steps:
            self._emit(Finished(outcome="done", seconds=time.monotonic() - self._began))
            return Outcome(plan=plan, seconds=time.monotonic() - self._began)
        hands = self._hands(stack, plan, world, contents)
        schedule = self._execute(
            plan, stack, hands, wait_timeout=options.wait_timeout, guard_exits=options.wait
        )
        self._keep_ready(stack.name, plan, hands)
        if schedule.failures or schedule.cancelled:
            self._clean_up(plan, stack, schedule, hands, options)
            if self._raced(stack, world, schedule):
                raise _Raced(Failed(schedule.failures, hands.failures, schedule.skipped()))
        self._finish(schedule)
        self._raise_for(schedule, hands)
        words = {hands.id_of(handle): word.value for handle, word in schedule.words().items()}
        return Outcome(plan=plan, seconds=time.monotonic() - self._began, services=words)

    def _announce(self, plan: Plan) -> None:
        for warning in plan.warnings:
            self._emit(Warned(message=warning))
        self._emit(Planned(steps=len(plan.steps), services=tuple(plan.fleet)))

    def _finish(self, schedule: Schedule) -> None:
        outcome = "cancelled" if schedule.cancelled else "failed" if schedule.failures else "done"
        self._emit(Finished(outcome=outcome, seconds=time.monotonic() - self._began))

    def _raise_for(self, schedule: Schedule, hands: EngineHands) -> None:
        if schedule.cancelled:
            flying = ", ".join(step.id for step in schedule.in_flight())
            raise Cancelled(f"interrupted{f' while in flight: {flying}' if flying else ''}")
        if schedule.failures:
            raise Failed(schedule.failures, hands.failures, schedule.skipped())

    def _execute(
        self,
        plan: Plan,
        stack: Stack | None,
        hands: EngineHands,
        *,
        wait_timeout: float | None = None,
        guard_exits: bool = False,
    ) -> Schedule:
        from zun_compose.execute import execute
        from zun_compose.schedule import Schedule

        shell = self._shell(hands)
        schedule = Schedule(
            plan,
            stack,
            now=shell.now(),
            engine_checks=self._driver.engine().runs_healthchecks,
            wait_timeout=wait_timeout,
            guard_exits=guard_exits,
        )
        hints = self._hints(plan, hands, shell)
        hands.hear(shell.post)
        if hints is not None and not isinstance(self._driver, VirtualTime):
            # While the engine creates and starts, there is time to import what looking needs.
            threading.Thread(target=hands.prepare, daemon=True).start()
        try:
            execute(schedule, hands, shell, self._emit, self._cancel)
        finally:
            if hints is not None:
                hints.close()
            shell.close()
            hands.close()
        return schedule

    def _hands(self, stack: Stack | None, plan: Plan, world: World, contents: Contents) -> EngineHands:
        from zun_compose.hands import EngineHands

        return EngineHands(self._driver, plan, stack, world, self._emit, contents)

    def _shell(self, hands: EngineHands) -> Shell:
        from zun_compose.execute import ThreadShell, VirtualShell

        if isinstance(self._driver, VirtualTime):
            return VirtualShell(self._driver, hands.latency)
        return ThreadShell(self._parallel)

    def _hints(self, plan: Plan, hands: Hands, shell: Shell) -> Subscription | None:
        """Listen to events only where something is waited for."""
        waited = any(gate.condition is not Condition.STARTED for step in plan.steps for gate in step.gates)
        if not waited or not isinstance(self._driver, EventSource):
            return None
        from zun_compose.execute import hint_sink

        return self._driver.events(plan.stack, hint_sink(hands, shell))

    def _clean_up(
        self, plan: Plan, stack: Stack, schedule: Schedule, hands: EngineHands, options: UpOptions
    ) -> None:
        """Undo what the failure policy says; what never started goes in any case."""
        from zun_compose.execute import execute
        from zun_compose.plan.rollback import plan_discard, plan_rollback, plan_stop_started
        from zun_compose.schedule import Schedule

        done = schedule.done()
        policy = OnFailure.KEEP if schedule.cancelled else options.on_failure
        plans = [plan_discard(plan, done)]
        if policy is OnFailure.STOP:
            plans.append(plan_stop_started(plan, done))
        elif policy is OnFailure.ROLLBACK:
            plans = [plan_rollback(plan, done)]
        for undo in plans:
            if undo.steps:
                shell = self._shell(hands)
                again = Schedule(undo, stack, now=shell.now())
                execute(again, hands, shell, self._emit)
                shell.close()
                schedule.failures += again.failures

    def _raced(self, stack: Stack, world: World, schedule: Schedule) -> bool:
        """Return whether a name conflict came from somebody else working on the same stack."""
        if not schedule.conflicts or schedule.cancelled:
            return False
        before = {seen.id for seen in world.containers}
        made = {seen.name for seen in self._driver.list(stack.name) if seen.id not in before}
        return any(name in made for name in schedule.conflicts)

    def _keep_ready(self, stack: str, plan: Plan, hands: EngineHands) -> None:
        """Keep when containers became ready, for `ps` and `status`."""
        times = self._emit.ready
        if self._state is None or not times:
            return
        handles = {
            member.name: member.handle
            for group in plan.fleet.values()
            for member in group
            if member.name in times
        }

        def look(handle: str) -> None:
            try:
                hands.seen[handle] = self._driver.inspect(hands.id_of(handle))
            except NotFound:
                hands.seen.pop(handle, None)

        side_by_side(self._driver, look, [one for one in handles.values() if one not in hands.seen])
        from zun_compose.state import ReadyRecord

        records = {
            hands.seen[handle].id: ReadyRecord(
                started_at=hands.seen[handle].started_at,
                ready_since=times[name],
                condition=Condition.READY,
            )
            for name, handle in handles.items()
            if handle in hands.seen
        }
        existing = {seen.id for seen in hands.world.containers} | set(hands.created().values())
        with self._forgiving("when containers became ready is not kept"):
            self._state.record_ready(self._driver.engine().id, stack, records, existing=existing)

    @contextmanager
    def _forgiving(self, loss: str) -> Iterator[None]:
        """Go on without our own state where its folder cannot be used: it is a convenience."""
        try:
            yield
        except StateError as error:
            if error.code != "state.unusable":
                raise
            self._emit(Warned(message=f"{loss}: {error}"))

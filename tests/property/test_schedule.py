"""The laws of `up` and `down`, searched over random stacks and fates on the memory engine in virtual time.

Each law is judged from the engine's own record, never from what the core says of itself; see `worlds`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given, note
from hypothesis import strategies as st

from tests.property.worlds import Drawn, Patient, Truth, drawn
from zun_compose.container import State
from zun_compose.engine import Engine, Outcome
from zun_compose.errors import Cancelled, DriverError, OperationError, SpecError, Unavailable, ZunComposeError
from zun_compose.events import Event, Finished, StepStarted
from zun_compose.model import Service
from zun_compose.options import DownOptions, OnFailure, UpOptions

# A generous bound: twelve services in a row, each with its slowest calls and longest limit.
MOST_SECONDS = 1_000.0
MOST_EVENTS = 3_000

RUNNING = (State.RUNNING, State.PAUSED, State.RESTARTING)


class Run:
    """One `up` of an example, with all that came of it."""

    def __init__(self, example: Drawn, driver: Patient | None = None, **options: Any) -> None:
        self.example = example
        self.driver = driver or example.driver()
        self.engine = Engine(self.driver)
        self.options = UpOptions(**{**example.options, **options})
        self.events: list[Event] = []
        self.outcome: Outcome | None = None
        self.error: ZunComposeError | None = None

    def __call__(
        self, sink: Callable[[Event], None] | None = None, cancel: threading.Event | None = None
    ) -> Run:
        def told(event: Event) -> None:
            self.events.append(event)
            if sink is not None:
                sink(event)

        try:
            self.outcome = self.engine.up(self.example.stack, self.options, sink=told, cancel=cancel)
        except (OperationError, Cancelled, SpecError, DriverError) as error:
            self.error = error
            note(f"{type(error).__name__}: {error}")
        return self


def well_told(events: list[Event], outcome: str) -> None:
    """No gap in the sequence; one Finished, which is the last and tells how it ended."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    finished = [event for event in events if isinstance(event.progress, Finished)]
    assert len(finished) == 1
    assert events[-1] is finished[0]
    last = events[-1].progress
    assert isinstance(last, Finished)
    assert last.outcome == outcome


def names_wanted(example: Drawn) -> set[str]:
    return {
        f"p-{service.name}-{number}"
        for service in example.stack.services.values()
        for number in range(1, service.replicas + 1)
    }


@given(drawn(), st.sampled_from(OnFailure))
def test_the_laws_of_up(example: Drawn, policy: OnFailure) -> None:
    """Gates hold, it ends, it is told well, and what it leaves is what the policy says."""
    run = Run(example, on_failure=policy)()
    assert run.driver.now() <= MOST_SECONDS
    assert len(run.events) <= MOST_EVENTS
    well_told(run.events, "done" if run.outcome else "failed")
    truth = Truth(example.stack, run.driver.record)
    started = {hint.container: hint.name for _, hint in truth.first_starts()}
    nothing_started_too_early(example, truth)
    left = run.driver.list(example.stack.name)
    if run.outcome is not None:
        assert {seen.name for seen in left} == names_wanted(example)
        assert {seen.id for seen in left} == set(started)
        return
    assert isinstance(run.error, OperationError)
    # SEMANTICS 1: "what never started is removed when `up` fails. `--on-failure keep | stop | rollback`."
    assert {seen.name for seen in left if seen.id not in started} == set()
    if policy is OnFailure.STOP:
        assert [seen.name for seen in left if seen.state in RUNNING] == []
    if policy is OnFailure.ROLLBACK:
        # Volumes stay: they may hold data.
        assert not left
        assert not run.driver.networks(example.stack.name)


def nothing_started_too_early(example: Drawn, truth: Truth) -> None:
    """SEMANTICS 1: "A dependent never *starts* before its gates; creating ahead is allowed"."""
    for place, hint in truth.first_starts():
        for edge in example.stack.services[hint.service].dependencies:
            if edge.required:
                assert truth.satisfied(edge, place), (
                    f"{hint.name} started at {hint.at:g} s, before {edge.on}: {edge.condition}"
                )


@given(drawn(outages=True))
def test_up_ends_though_the_engine_does_not_answer_for_a_while(example: Drawn) -> None:
    run = Run(example)()
    assert run.driver.now() <= MOST_SECONDS
    assert len(run.events) <= MOST_EVENTS
    nothing_started_too_early(example, Truth(example.stack, run.driver.record))
    if not isinstance(run.error, DriverError):
        well_told(run.events, "done" if run.outcome else "failed")


@given(drawn(good=True))
def test_a_stack_that_can_come_up_comes_up_and_is_then_left_alone(example: Drawn) -> None:
    """Nothing dies, nothing is late, each call works in the end: then `up` must say so too.

    STYLE 2.3: "`up` on an unchanged stack without repeating jobs is an empty plan".
    """
    run = Run(example)()
    assert run.error is None
    assert {hint.name for hint in run.driver.record if hint.action == "start"} == names_wanted(example)
    again_changes_nothing(run)


def again_changes_nothing(run: Run) -> None:
    stack = run.example.stack
    repeats = [
        seen.service
        for seen in run.driver.list(stack.name)
        if not _settled(stack.services[seen.service], seen.state, seen.exit_code)
    ]
    plan = run.engine.plan(stack)
    assert {step.service for step in plan.steps} <= set(repeats)
    if repeats:
        return
    before = len(run.driver.record)
    again = Run(run.example, run.driver)()
    assert again.error is None
    assert not {hint.action for hint in run.driver.record[before:]} & {"create", "destroy", "kill"}
    assert not any(isinstance(event.progress, StepStarted) for event in again.events)


def _settled(service: Service, state: State, code: int | None) -> bool:
    """Whether a container needs nothing from another `up`: jobs run again unless they are to run once."""
    if service.job and service.once and state is State.EXITED and code == 0:
        return True
    return state in RUNNING


@given(drawn(failures=False), st.booleans())
def test_down_removes_all_and_stops_dependents_first(example: Drawn, by_name: bool) -> None:
    """Issue 2: "down reverses up"; by the file, and by labels alone."""
    run = Run(example)()
    stack = example.stack
    if run.outcome is not None:
        again_changes_nothing(run)
    before = len(run.driver.record)
    running = {seen.id for seen in run.driver.list(stack.name) if seen.state is State.RUNNING}
    events: list[Event] = []
    run.engine.down(stack.name if by_name else stack, DownOptions(volumes=True), sink=events.append)
    assert not run.driver.list(stack.name)
    assert not run.driver.networks(stack.name)
    assert not run.driver.volumes(stack.name)
    well_told(events, "done")
    asked: dict[str, int] = {}
    gone: dict[str, int] = {}
    for place, hint in enumerate(run.driver.record[before:]):
        if hint.container in running:
            if hint.action == "kill":
                asked.setdefault(hint.container, place)
            if hint.action == "die":
                gone[hint.container] = place
    owner = {hint.container: hint.service for hint in run.driver.record}
    for service in stack.services.values():
        for edge in service.dependencies:
            ends = [gone[one] for one in gone if owner[one] == service.name]
            begins = [asked[one] for one in asked if owner[one] == edge.on]
            assert max(ends, default=-1) < min(begins, default=len(run.driver.record))


@given(drawn(), st.integers(1, 60))
def test_no_step_is_launched_after_cancel(example: Drawn, after: int) -> None:
    """STYLE 2.5: "Cancellation is an event: no launch follows it, in-flight calls are awaited"."""
    cancel = threading.Event()
    late: list[str] = []

    def sink(event: Event) -> None:
        launched = event.progress if isinstance(event.progress, StepStarted) else None
        if launched is not None and cancel.is_set() and not launched.step.startswith("undo"):
            late.append(launched.step)
        if event.sequence >= after:
            cancel.set()

    run = Run(example)(sink, cancel)
    assume(cancel.is_set())
    assert late == []
    if run.outcome is None and not isinstance(run.error, DriverError):
        well_told(run.events, "cancelled" if isinstance(run.error, Cancelled) else "failed")
    # What was made is all there to converge from: the next up goes on, down removes everything.
    # Looking may fail so often by script, at each container; a user would repeat the command.
    for _ in range(100):
        with contextlib.suppress(Unavailable):
            run.engine.down(example.stack, DownOptions(volumes=True))
            break
    assert not run.driver.list(example.stack.name)

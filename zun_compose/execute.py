"""Runs a schedule against an engine: one coordinator in the caller's thread, a bounded pool, one inbox.

Only the coordinator touches the schedule. Workers make one call and post one event. Waiting for
readiness holds no worker: it is a time in the schedule. `ThreadShell` runs on real clocks and
threads; `VirtualShell` moves the clock of a driver that has one, in the caller's thread alone.
"""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, Queue, SimpleQueue
from typing import Protocol

from zun_compose.container import Hint
from zun_compose.driver import VirtualTime
from zun_compose.errors import DriverError
from zun_compose.events import Emitter
from zun_compose.outside import AskOutside
from zun_compose.plan.steps import Verb
from zun_compose.record import Record
from zun_compose.schedule import (
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
    Schedule,
    Succeeded,
    Sweep,
    Swept,
    Tell,
    Withdrawn,
    telling,
)
from zun_compose.watch import Ask, Check, Look

_WAKE_FOR_CANCEL = 0.1
_TRANSFERS = (Verb.PULL, Verb.BUILD)
_STEPS = ("steps", "images")
_AWAITED = frozenset({*_STEPS, "reports"})


class Hands(Protocol):
    """Who carries actions out. All calls block and raise only DriverErrors."""

    def carry_out(self, launch: Launch) -> None:
        """Carry one step out."""
        ...

    def look(self, look: Look) -> Saw:
        """Look at one container."""
        ...

    def check(self, check: Check) -> Checked:
        """Run one healthcheck."""
        ...

    def ask(self, ask: Ask) -> Asked:
        """Ask one readiness probe."""
        ...

    def ask_outside(self, ask: AskOutside) -> Asked:
        """Ask one probe of an external."""
        ...

    def report(self, report: Report) -> None:
        """Tell of a failed gate, with the last words of its container."""
        ...

    def sweep(self) -> Swept:
        """Look at all containers of the stack."""
        ...

    def handle_of(self, hint: Hint) -> str | None:
        """Return the schedule's name for the container of a hint."""
        ...

    def latency(self, action: Action) -> float:
        """Return how long an action takes in virtual time."""
        ...


class Shell(Protocol):
    """Where actions run and events come back."""

    def now(self) -> float:
        """Seconds on a clock that only moves forward."""
        ...

    def run(
        self, lane: str, action: Action, job: Callable[[], Input | None], begun: Callable[[], None]
    ) -> None:
        """Run a job; what it returns comes back from `next_event`. Lanes do not wait for each other.

        `begun` is called at the moment when the job is begun.
        """
        ...

    def withdraw(self) -> Sequence[Launch]:
        """Take back the steps that were handed in and not begun, and return them."""
        ...

    def post(self, event: Input) -> None:
        """Put an event in from another thread."""
        ...

    def next_event(self, until: float | None) -> Input | None:
        """Return the next event, or None once the clock says `until` (or at least now and then)."""
        ...

    def busy(self) -> bool:
        """Whether jobs are under way that the operation must await: all but looks and probes."""
        ...

    def close(self) -> None:
        """Take no more jobs; does not wait for those under way."""
        ...


class _Job(Record):
    """One action and the call that carries it out."""

    action: Action
    work: Callable[[], None]


class _Lane:
    """A bounded pool of daemon threads, made as they are needed.

    Not concurrent.futures: the interpreter waits at its exit for the threads of that, and a healthcheck that
    hangs must not hold up a command that has ended.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = 0
        self._waiting = 0
        self._lock = threading.Lock()

    def submit(self, job: _Job) -> None:
        """Run the job as soon as a thread is free."""
        with self._lock:
            self._waiting += 1
            fresh = self._threads < min(self._waiting, self._size)
            self._threads += fresh
        self._jobs.put(job)
        if fresh:
            name = f"{self._name}-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def close(self) -> None:
        """Let threads end once they have nothing to do."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def withdraw(self) -> list[_Job]:
        """Take back what no thread has begun."""
        jobs = []
        with contextlib.suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                jobs.append(job)
        with self._lock:
            self._waiting -= len(jobs)
        return jobs

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.work()
            with self._lock:
                self._waiting -= 1


class ThreadShell:
    """Real threads. Steps, image transfers, reports, looks and slow probes have lanes of their own."""

    def __init__(self, parallel: int) -> None:
        # Not SimpleQueue: a signal whose handler outlasts the timeout makes its get() wait for ever
        # (CPython 3.11, a negative rest of the timeout).
        self._inbox: Queue[Input | None] = Queue()
        self._sizes = {
            "steps": parallel,
            "images": parallel,
            "reports": 2,
            "looks": 4,
            "sockets": 2,
            "probes": 8,
        }
        self._lanes: dict[str, _Lane] = {}
        self._open = 0
        self._crash: BaseException | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def run(
        self, lane: str, action: Action, job: Callable[[], Input | None], begun: Callable[[], None]
    ) -> None:
        """Hand a job to the lane's threads."""
        if lane not in self._lanes:
            self._lanes[lane] = _Lane(lane, self._sizes[lane])
        counts = lane in _AWAITED
        with self._lock:
            self._open += counts
        self._lanes[lane].submit(_Job(action, lambda: self._work(job, begun, counts=counts)))

    def _work(self, job: Callable[[], Input | None], begun: Callable[[], None], *, counts: bool) -> None:
        event: Input | None = None
        try:
            begun()
            event = job()
        except BaseException as error:  # noqa: BLE001 - raised again in the coordinator's thread
            self._crash = error
        with self._lock:
            self._open -= counts
        self._inbox.put(event)

    def post(self, event: Input) -> None:
        """Put an event into the inbox."""
        self._inbox.put(event)

    def next_event(self, until: float | None) -> Input | None:
        """Wait for an event, for the time asked, or for a tenth of a second at most."""
        patience = _WAKE_FOR_CANCEL if until is None else min(_WAKE_FOR_CANCEL, until - self.now())
        try:
            event = self._inbox.get(timeout=patience) if patience > 0 else self._inbox.get_nowait()
        except Empty:
            event = None
        if self._crash is not None:
            raise self._crash
        return event

    def withdraw(self) -> Sequence[Launch]:
        """Take back the steps that no thread has begun."""
        jobs = [job for name in _STEPS if name in self._lanes for job in self._lanes[name].withdraw()]
        with self._lock:
            self._open -= len(jobs)
        return [job.action for job in jobs if isinstance(job.action, Launch)]

    def busy(self) -> bool:
        """Whether steps or reports are under way."""
        with self._lock:
            return self._open > 0

    def close(self) -> None:
        """Take no more jobs; nothing is waited for."""
        for lane in self._lanes.values():
            lane.close()


class VirtualShell:
    """The caller's thread and a driver's clock: a job is done at once, its event comes when it would have."""

    def __init__(self, clock: VirtualTime, latency: Callable[[Action], float]) -> None:
        self._clock = clock
        self._latency = latency
        self._inbox: deque[Input] = deque()
        self._later: list[tuple[float, int, bool, Callable[[], Input | None]]] = []
        self._ticket = 0

    def now(self) -> float:
        """Return the driver's virtual seconds."""
        return self._clock.now()

    def run(
        self, lane: str, action: Action, job: Callable[[], Input | None], begun: Callable[[], None]
    ) -> None:
        """Do a job once its latency has passed."""
        begun()
        latency = self._latency(action)
        if latency <= 0:
            self._do(job)
            return
        self._ticket += 1
        heapq.heappush(self._later, (self.now() + latency, self._ticket, lane in _AWAITED, job))

    def _do(self, job: Callable[[], Input | None]) -> None:
        event = job()
        if event is not None:
            self._inbox.append(event)

    def post(self, event: Input) -> None:
        """Put an event in."""
        self._inbox.append(event)

    def next_event(self, until: float | None) -> Input | None:
        """Return an event that is there, else move the clock to whatever comes first."""
        if self._inbox:
            return self._inbox.popleft()
        times = [time for time in (until, self._clock.next_event()) if time is not None]
        if self._later:
            times.append(self._later[0][0])
        if times:
            self._clock.advance(max(min(times), self.now()))
        while self._later and self._later[0][0] <= self.now():
            self._do(heapq.heappop(self._later)[3])
        return self._inbox.popleft() if self._inbox else None

    def withdraw(self) -> Sequence[Launch]:
        """Nothing waits for a thread here."""
        return ()

    def busy(self) -> bool:
        """Whether steps or reports are under way."""
        return any(awaited for _, _, awaited, _ in self._later)

    def close(self) -> None:
        """Forget what is under way."""
        self._later.clear()


def execute(
    schedule: Schedule, hands: Hands, shell: Shell, emit: Emitter, cancel: threading.Event | None = None
) -> None:
    """Run a schedule to its end. What came of it stands in the schedule.

    Setting `cancel` stops further launches, of steps too that no thread has begun yet; calls in flight
    are awaited.
    """
    actions = schedule.begin(shell.now())
    while True:
        for action in actions:
            if isinstance(action, Launch) and cancel is not None and cancel.is_set():
                shell.post(Withdrawn(action.step.id))
            else:
                _dispatch(action, hands, shell, emit)
        if schedule.finished and not shell.busy():
            break
        if schedule.cancelled and not schedule.in_flight():
            break
        if cancel is not None and cancel.is_set() and not schedule.cancelled:
            actions = schedule.step(CancelRequested(), shell.now())
            for launch in shell.withdraw():
                actions += schedule.step(Withdrawn(launch.step.id), shell.now())
            continue
        event = shell.next_event(schedule.wake_at)
        now = shell.now()
        actions = schedule.wake(now) if event is None else schedule.step(event, now)


def _dispatch(action: Action, hands: Hands, shell: Shell, emit: Emitter) -> None:
    match action:
        case Tell(progress):
            emit(progress)
        case Launch():
            lane = "images" if action.step.verb in _TRANSFERS else "steps"
            begun = partial(emit, telling.started(action))
            shell.run(lane, action, lambda: _carry_out(action, hands, shell), begun)
        case Look():
            lane = "looks" if action.detail else "sockets"
            shell.run(lane, action, lambda: hands.look(action), _untold)
        case Check():
            shell.run("probes", action, lambda: hands.check(action), _untold)
        case Ask():
            shell.run("probes", action, lambda: hands.ask(action), _untold)
        case AskOutside():
            shell.run("probes", action, lambda: hands.ask_outside(action), _untold)
        case Report():
            shell.run("reports", action, lambda: hands.report(action), _untold)
        case Sweep():
            shell.run("looks", action, hands.sweep, _untold)


def _untold() -> None:
    """Only steps are told of when they are begun."""


def _carry_out(launch: Launch, hands: Hands, shell: Shell) -> Input:
    began = shell.now()
    try:
        hands.carry_out(launch)
    except DriverError as error:
        return Broke(launch.step.id, error.reason, error.code, error.retryable)
    return Succeeded(launch.step.id, shell.now() - began)


def hint_sink(hands: Hands, shell: Shell) -> Callable[[Hint], None]:
    """Return the sink that turns an engine's hints into events of the schedule."""

    def sink(hint: Hint) -> None:
        handle = hands.handle_of(hint)
        if handle is not None:
            shell.post(Hinted(handle))

    return sink

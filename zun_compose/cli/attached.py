"""up without -d: bring the stack up, print its logs, stop it on Ctrl-C, kill it on the second one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from zun_compose.cli.ending import Ending, EndWatch
from zun_compose.cli.errors import FAILED, INTERRUPTED
from zun_compose.cli.logprint import LogPrinter, following, label
from zun_compose.cli.signals import Interrupts, shout
from zun_compose.cli.table import moment
from zun_compose.container import Hint, Observed, State
from zun_compose.driver import Subscription
from zun_compose.errors import Cancelled, Conflict, NotFound, OperationError, Unsupported, ZunComposeError
from zun_compose.follow import merged_logs
from zun_compose.options import LogOptions, UpOptions
from zun_compose.record import Record

if TYPE_CHECKING:
    from zun_compose.cli.invocation import Invocation
    from zun_compose.cli.progress import Tracking
    from zun_compose.engine import Engine
    from zun_compose.model import Stack

STOPPING = "zun-compose: stopping the stack (Ctrl-C again kills it)"
_RUNS = (State.RUNNING, State.PAUSED, State.RESTARTING)
_LOOK_SECONDS = 0.05
_HOLD_SECONDS = 1.0
ENDED = "zun-compose: a container has ended: stopping the stack (Ctrl-C twice kills it)"
KILLING = "zun-compose: killing the stack (Ctrl-C again leaves at once)"


class Showing(Record, kw_only=True):
    """How logs are shown: those of `services` (none: all), of `silent` ones not. It stays until all ended."""

    services: tuple[str, ...] = ()
    prefix: bool = True
    timestamps: bool = False
    color: bool = True
    silent: frozenset[str] = frozenset()


def stay(
    call: Invocation, engine: Engine, stack: Stack, options: UpOptions, showing: Showing, ending: Ending
) -> int:
    """Bring `stack` up and stay until all its containers have ended (0) or a signal stopped it (130).

    An end that `ending` asks for stops the stack too, and its exit code is returned.
    """
    stage = Stage()
    watch = EndWatch(engine, stack, options.services or tuple(stack.services), ending, stage.end)
    # One for all: between bringing up and following no signal may go unheard.
    with Interrupts([stage.stop, stage.kill], stage.farewell), closing(watch):
        with call.progress() as progress:
            stage.progress = progress
            before = {one.id: one for one in engine.containers(stack)}
            watch.begin(before.values())
            try:
                engine.up(stack, options, sink=progress, cancel=stage.cancel)
            except Cancelled:
                _stop(engine, stack, options, stage, progress)
                return watch.code() if watch.first is not None else INTERRUPTED
            except OperationError as error:
                if ending.asked:
                    watch.conclude()
                    _stop(engine, stack, options, stage, progress)
                    error.exit_code = watch.code() or FAILED
                raise
            watch.settle()
        # The live region of the terminal is closed by now: from here on lines are all there is.
        with call.progress(live=False) as progress:
            stage.progress = progress
            printer = LogPrinter(
                color=call.colored() and showing.color,
                prefix=showing.prefix,
                timestamps=showing.timestamps,
                width=max((len(name) for name in stack.services), default=0) + len("-1"),
            )
            followers = Followers(
                engine, stack, showing.services, printer, _origins(engine, before), showing.silent
            )
            with closing(followers):
                if not stage.cancel.is_set():
                    followers.begin(stage)
                    stage.changed.wait()
                if not stage.cancel.is_set():
                    # All that is followed has ended; what it depends on may run.
                    watch.conclude()
                if stage.cancel.is_set() or watch.first is not None:
                    _stop(engine, stack, options, stage, progress)
                    return watch.code() if watch.first is not None else INTERRUPTED
    followers.raise_failure()
    return watch.code() if ending.asked else 0


class Stage:
    """How far the end has come: asked to stop, asked to kill, or ended by itself."""

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.killing = threading.Event()
        self.changed = threading.Event()

        self.progress: Tracking | None = None

    def stop(self) -> None:
        """Ask for an orderly stop; safe in a signal handler."""
        self._note(STOPPING)
        self.cancel.set()
        self.changed.set()

    def end(self) -> None:
        """Ask for an orderly stop because a container has ended."""
        self._note(ENDED)
        self.cancel.set()
        self.changed.set()

    def kill(self) -> None:
        """Ask for the quick end; safe in a signal handler."""
        self._note(KILLING)
        self.killing.set()

    def farewell(self) -> str:
        """Say what is still in flight; safe in a signal handler."""
        return "" if self.progress is None else self.progress.farewell()

    def _note(self, text: str) -> None:
        if self.progress is None:
            shout(text)
        else:
            self.progress.note(text)


class Origin(Record):
    """From where a container's log is of interest: its end before this up, or now (`ran`)."""

    ran: bool
    ended: float | None


def _origins(engine: Engine, before: Mapping[str, Observed]) -> Mapping[str, Origin]:
    """Return the origins of containers that were there before, by the engine's own clock."""
    origins = {}
    for container, seen in before.items():
        ended = None
        if seen.state is not State.RUNNING:
            # StartedAt would not do: Docker notes it after the first lines may have been written.
            with suppress(NotFound):
                finished = moment(engine.driver.inspect(container).finished_at or "")
                ended = finished.timestamp() if finished else None
        origins[container] = Origin(seen.state is State.RUNNING, ended)
    return origins


class Followers:
    """Threads that print what containers write, from what this up started on, and how they end."""

    def __init__(
        self,
        engine: Engine,
        stack: Stack,
        services: Sequence[str],
        printer: LogPrinter,
        origins: Mapping[str, Origin],
        silent: frozenset[str] = frozenset(),
    ) -> None:
        self._engine = engine
        self._stack = stack
        self._services = tuple(services)
        self._printer = printer
        self._origins = origins
        # docker compose leaves these out too, and waits for their end all the same
        self._silent = silent
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._subscription: Subscription | None = None
        self._lock = threading.Lock()
        self._open = 0
        self._told: set[str] = set()
        self._late: set[str] = set()
        self._words = LastWords(printer)

    def begin(self, stage: Stage) -> None:
        """Start following; sets `stage.changed` once all containers have ended."""
        with suppress(Unsupported):
            self._subscription = self._engine.events(self._stack, self._heard)
        containers: dict[str, list[Observed]] = {}
        for one in self._engine.containers(self._stack):
            if not one.oneoff and (not self._services or one.service in self._services):
                containers.setdefault(one.service, []).append(one)
        work: dict[tuple[LogOptions, bool], list[str]] = {}
        for service, group in containers.items():
            ended = all(one.state.ended for one in group)
            work.setdefault((self._options(group), ended), []).append(service)
        self._open = len(work)
        if not work:
            stage.changed.set()
        for (options, ended), services in work.items():
            late = [one for service in services for one in containers[service]] if ended else []
            with self._lock:
                self._late.update(one.id for one in late)
            thread = threading.Thread(
                target=self._follow, args=(services, options, late, stage), name="logs", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop following; log streams end with their containers, or with the process."""
        if self._subscription is not None:
            self._subscription.close()
        for thread in self._threads:
            thread.join(1.0)
        self._words.close()

    def raise_failure(self) -> None:
        """Raise what ended a log stream, if it was an error."""
        if self._failure is not None:
            raise self._failure

    def _options(self, containers: Sequence[Observed]) -> LogOptions:
        """Return from where on the logs of one service are printed."""
        known = [self._origins.get(one.id) for one in containers]
        if all(origin is not None and origin.ran for origin in known):
            return LogOptions(follow=True, tail=0, timestamps=True)
        ends = [origin.ended for origin in known if origin is not None and origin.ended is not None]
        # A new container's log is new as a whole.
        since = min(ends) if len(ends) == len(known) else None
        return LogOptions(follow=True, since=since, timestamps=True)

    def _follow(
        self, services: Sequence[str], options: LogOptions, late: Sequence[Observed], stage: Stage
    ) -> None:
        try:
            merged = merged_logs(
                self._engine.driver, self._stack.name, services, options, self._words.life_ended
            )
            with following(merged) as lines:
                for container, line in lines:
                    if container.service not in self._silent:
                        self._printer.line(container, line)
            for one in late:
                if one.id not in self._told and one.service not in self._silent:
                    self._printer.say(label(one), f"exited with code {one.exit_code}")
        except (ZunComposeError, OSError) as error:
            self._failure = error
        with self._lock:
            self._open -= 1
            if self._open == 0 or self._failure is not None:
                stage.changed.set()

    def _heard(self, hint: Hint) -> None:
        if hint.action != "die" or (self._services and hint.service not in self._services):
            return
        if hint.service in self._silent:
            return
        with self._lock:
            # Those that had ended when we began are told by whoever prints their logs, after them.
            if hint.container in self._late:
                return
            self._told.add(hint.container)
        self._words.died(
            hint.container, f"{hint.service}-{hint.number}", f"exited with code {hint.exit_code}"
        )


class _Word(Record, eq=False):
    name: str
    text: str


class LastWords:
    """Holds the word of a container's end back until its last lines are printed, at most about a second.

    The end is heard from the engine's events, the lines come from its log: either may be first.
    """

    def __init__(self, printer: LogPrinter) -> None:
        self._printer = printer
        self._lock = threading.Lock()
        self._held: dict[str, list[_Word]] = {}
        # Streams that ended before their container's end was heard of; negative the other way round.
        self._ahead: Counter[str] = Counter()

    def died(self, container: str, name: str, text: str) -> None:
        """Say that a container ended, once its lines are out."""
        word = _Word(name, text)
        with self._lock:
            if self._ahead[container] > 0:
                self._ahead[container] -= 1
                self._printer.say(name, text)
                return
            self._held.setdefault(container, []).append(word)
        timer = threading.Timer(_HOLD_SECONDS, self._overdue, (container, word))
        timer.daemon = True
        timer.start()

    def life_ended(self, container: Observed) -> None:
        """All lines of a container's life are printed."""
        with self._lock:
            held = self._held.get(container.id)
            if held:
                self._say(held.pop(0))
            else:
                self._ahead[container.id] += 1

    def close(self) -> None:
        """Say all that is held back."""
        with self._lock:
            for held in self._held.values():
                while held:
                    self._say(held.pop(0))

    def _overdue(self, container: str, word: _Word) -> None:
        with self._lock:
            held = self._held[container]
            if word in held:
                held.remove(word)
                self._ahead[container] -= 1
                self._say(word)

    def _say(self, word: _Word) -> None:
        self._printer.say(word.name, word.text)


def _stop(engine: Engine, stack: Stack, options: UpOptions, stage: Stage, progress: Tracking) -> None:
    """Stop the stack in order; once `stage.killing` is set, kill what still runs."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            engine.stop(stack, (), options.timeout, sink=progress)
        except ZunComposeError as error:
            failures.append(error)

    # In a thread of its own: the stop sits in engine calls while the kill is carried out.
    stopper = threading.Thread(target=work, name="stop", daemon=True)
    stopper.start()
    while stopper.is_alive() and not stage.killing.wait(_LOOK_SECONDS):
        pass
    if stage.killing.is_set():
        # The stop's own calls may last on; what counts is that nothing runs any more.
        while any(one.state in _RUNS for one in engine.containers(stack)):
            # One that ends just now is what was asked for; the next round takes the others.
            with suppress(Conflict, NotFound):
                engine.kill(stack, (), "SIGKILL")
            stopper.join(_LOOK_SECONDS)
    elif failures:
        raise failures[0]

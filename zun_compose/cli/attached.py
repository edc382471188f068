"""up without -d: bring the stack up, print its logs, stop it on Ctrl-C, kill it on the second one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from zun_compose.cli.errors import INTERRUPTED
from zun_compose.cli.logprint import LogPrinter, following
from zun_compose.cli.signals import Interrupts
from zun_compose.cli.table import moment
from zun_compose.container import Hint, Observed, State
from zun_compose.driver import Subscription
from zun_compose.errors import Cancelled, DriverError, NotFound, Unsupported, ZunComposeError
from zun_compose.options import LogOptions, UpOptions

if TYPE_CHECKING:
    from zun_compose.cli.invocation import Invocation
    from zun_compose.cli.progress import Tracking
    from zun_compose.engine import Engine
    from zun_compose.model import Stack

STOPPING = "zun-compose: stopping the stack (Ctrl-C again kills it)"
KILLING = "zun-compose: killing the stack (Ctrl-C again leaves at once)"


def stay(
    call: Invocation, engine: Engine, stack: Stack, options: UpOptions, *, prefix: bool, timestamps: bool
) -> int:
    """Bring `stack` up and stay until all its containers have ended (0) or a signal stopped it (130)."""
    stage = Stage()
    with call.progress() as progress:
        ran = {one.id for one in engine.containers(stack) if one.state is State.RUNNING}
        with Interrupts([lambda: stage.stop(progress), lambda: stage.kill(progress)], progress.farewell):
            try:
                engine.up(stack, options, sink=progress, cancel=stage.cancel)
            except Cancelled:
                _stop(engine, stack, options, stage, progress)
                return INTERRUPTED
    # The live region of the terminal is closed by now: from here on lines are all there is.
    printer = LogPrinter(
        color=call.colored(),
        prefix=prefix,
        timestamps=timestamps,
        width=max((len(name) for name in stack.services), default=0) + len("-1"),
    )
    followers = Followers(engine, stack, options.services, printer, ran)
    with (
        call.progress(live=False) as progress,
        Interrupts([lambda: stage.stop(progress), lambda: stage.kill(progress)], progress.farewell),
        closing(followers),
    ):
        followers.begin(stage)
        stage.changed.wait()
        if stage.cancel.is_set():
            _stop(engine, stack, options, stage, progress)
            return INTERRUPTED
    followers.raise_failure()
    return 0


class Stage:
    """How far the end has come: asked to stop, asked to kill, or ended by itself."""

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.killing = threading.Event()
        self.changed = threading.Event()

    def stop(self, progress: Tracking) -> None:
        """Ask for an orderly stop; safe in a signal handler."""
        progress.note(STOPPING)
        self.cancel.set()
        self.changed.set()

    def kill(self, progress: Tracking) -> None:
        """Ask for the quick end; safe in a signal handler."""
        progress.note(KILLING)
        self.killing.set()


class Followers:
    """Threads that print logs: those of containers that this up started from their start, others from now."""

    def __init__(
        self, engine: Engine, stack: Stack, services: Sequence[str], printer: LogPrinter, ran: set[str]
    ) -> None:
        self._engine = engine
        self._stack = stack
        self._services = tuple(services)
        self._printer = printer
        self._ran = ran
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._subscription: Subscription | None = None
        self._lock = threading.Lock()
        self._open = 0

    def begin(self, stage: Stage) -> None:
        """Start following; sets `stage.changed` once all containers have ended."""
        containers = [
            one
            for one in self._engine.containers(self._stack)
            if not one.oneoff and (not self._services or one.service in self._services)
        ]
        self._subscription = self._watch_ends()
        work: list[tuple[tuple[str, ...], LogOptions]] = []
        fresh = [one for one in containers if one.id not in self._ran]
        if fresh:
            services = tuple(dict.fromkeys(one.service for one in fresh))
            work.append((services, LogOptions(follow=True, since=self._begun(fresh), timestamps=True)))
        older = tuple(dict.fromkeys(one.service for one in containers if one.id in self._ran))
        if older:
            work.append((older, LogOptions(follow=True, tail=0, timestamps=True)))
        self._open = len(work)
        if not work:
            stage.changed.set()
        for services, options in work:
            thread = threading.Thread(
                target=self._follow, args=(services, options, stage), name="logs", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop following; log streams end with their containers, or with the process."""
        if self._subscription is not None:
            self._subscription.close()
        for thread in self._threads:
            thread.join(1.0)

    def raise_failure(self) -> None:
        """Raise what ended a log stream, if it was an error."""
        if self._failure is not None:
            raise self._failure

    def _follow(self, services: tuple[str, ...], options: LogOptions, stage: Stage) -> None:
        try:
            with following(self._engine.logs(self._stack, services, options)) as lines:
                for container, line in lines:
                    self._printer.line(container, line)
        except (ZunComposeError, OSError) as error:
            self._failure = error
        with self._lock:
            self._open -= 1
            if self._open == 0 or self._failure is not None:
                stage.changed.set()

    def _begun(self, containers: Sequence[Observed]) -> float | None:
        """Return the earliest start among them by the engine's own clock, so that older logs stay out."""
        moments = []
        for one in containers:
            try:
                started = self._engine.driver.inspect(one.id).started_at
            except NotFound:
                continue
            found = moment(started) if started else None
            if found is not None:
                moments.append(found.timestamp())
        return min(moments, default=None)

    def _watch_ends(self) -> Subscription | None:
        try:
            return self._engine.events(self._stack, self._ended)
        except Unsupported:
            return None

    def _ended(self, hint: Hint) -> None:
        if hint.action == "die" and (not self._services or hint.service in self._services):
            self._printer.say(f"{hint.service}-{hint.number}", f"exited with code {hint.exit_code}")


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
    while stopper.is_alive():
        stopper.join(0.05)
        if stage.killing.is_set():
            stage.killing.clear()
            try:
                engine.kill(stack, (), "SIGKILL")
            except DriverError as error:
                failures.append(error)
    if failures:
        raise failures[0]

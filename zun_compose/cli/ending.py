"""up --abort-on-container-exit and its kin: sees the first container end that ends the stay."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from zun_compose.cli.errors import FAILED
from zun_compose.cli.table import moment
from zun_compose.container import Observed
from zun_compose.errors import DriverError, NotFound, Unsupported
from zun_compose.model import RestartName
from zun_compose.record import Record

if TYPE_CHECKING:
    from zun_compose.driver import Subscription
    from zun_compose.engine import Engine
    from zun_compose.model import Stack

# An event moves the next look earlier; without any, this often.
_LOOK_SECONDS = 0.5
# Some engines say "exited" for a moment before their restart policy brings a container back.
_GRACE_SECONDS = 0.5


class Ending(Record, kw_only=True):
    """Which ends of containers end an attached up: any (`on_exit`), or those with a code that is not 0.

    The good end of a job ends nothing: it is what the others wait for. `code_from` is the service whose
    exit code becomes ours; None: that of the container whose end it was.
    """

    on_exit: bool = False
    on_failure: bool = False
    code_from: str | None = None

    @property
    def asked(self) -> bool:
        """Whether any end counts."""
        return self.on_exit or self.on_failure


class EndWatch:
    """Looks out for the end that counts, from `begin` to `close`; `heard` is called once, from its thread.

    Of containers that were there `before` only ends after `settle` count, when up has done with them, and
    none that the engine dated before.
    """

    def __init__(
        self,
        engine: Engine,
        stack: Stack,
        services: Collection[str],
        ending: Ending,
        heard: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._stack = stack
        self._services = frozenset(services)
        self._ending = ending
        self._heard = heard
        self._before: Mapping[str, str | None] = {}
        self._settled = False
        self._news = threading.Event()
        # apart from the news: no event may cut the grace short
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._subscription: Subscription | None = None
        self.first: Observed | None = None

    def begin(self, before: Collection[Observed]) -> None:
        """Start looking."""
        if not self._ending.asked:
            return
        self._before = {one.id: self._finished(one) for one in before}
        with suppress(Unsupported):
            self._subscription = self._engine.events(self._stack, lambda _: self._news.set())
        self._thread = threading.Thread(target=self._run, name="ends", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """What up was to stop, start and replace is stopped, started and replaced."""
        self._settled = True
        self._news.set()

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._news.set()
        if self._subscription is not None:
            self._subscription.close()
        if self._thread is not None:
            self._thread.join()

    def conclude(self) -> None:
        """Look a last time, before what still runs is stopped by us."""
        self._settled = True
        if self._ending.asked and self.first is None:
            self.first = self._look()

    def code(self) -> int:
        """Return the exit code that the ended stack stands for, once all is stopped."""
        name = self._ending.code_from
        if name is None:
            return (self.first.exit_code or 0) if self.first is not None else 0
        for one in self._engine.containers(self._stack):
            if one.service == name and not one.oneoff:
                code = self._engine.driver.inspect(one.id).exit_code
                # One that was never started has proven nothing.
                return FAILED if code is None else code
        return FAILED

    def _run(self) -> None:
        while not self._over.is_set():
            self._news.clear()
            # An engine that does not answer now is asked again.
            with suppress(DriverError, OSError):
                self.first = self._look()
            if self.first is not None:
                self._heard()
                return
            self._news.wait(_LOOK_SECONDS)

    def _look(self) -> Observed | None:
        """Return the container whose end counts and came first, by the engine's clock."""
        found = []
        for one in self._engine.containers(self._stack):
            if one.oneoff or one.service not in self._services or not one.state.ended:
                continue
            if one.id in self._before and not self._settled:
                continue
            with suppress(NotFound):
                seen = self._engine.driver.inspect(one.id)
                if self._counts(seen) and self._lasts(seen):
                    found.append(seen)
        return min(found, key=_moment, default=None)

    def _counts(self, seen: Observed) -> bool:
        known = self._before.get(seen.id)
        if not seen.state.ended or (known is not None and known == seen.finished_at):
            return False
        if seen.exit_code:
            return True
        service = self._stack.services.get(seen.service)
        job = service is not None and service.job and seen.service != self._ending.code_from
        return self._ending.on_exit and not job

    def _lasts(self, seen: Observed) -> bool:
        """Whether no restart policy brings it back."""
        service = self._stack.services.get(seen.service)
        if service is None or service.restart.name is RestartName.NO:
            return True
        self._over.wait(_GRACE_SECONDS)
        again = self._engine.driver.inspect(seen.id)
        return again.state.ended and again.started_at == seen.started_at

    def _finished(self, seen: Observed) -> str | None:
        if not seen.state.ended:
            return None
        with suppress(NotFound):
            return self._engine.driver.inspect(seen.id).finished_at
        return None


def _moment(seen: Observed) -> float:
    found = moment(seen.finished_at or "")
    return found.timestamp() if found is not None else float("inf")

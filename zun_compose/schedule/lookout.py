"""Holds the watches of one operation: on containers that gates ask about, and on externals."""

from __future__ import annotations

from collections.abc import Iterable

from zun_compose.container import Observed
from zun_compose.model import Condition, External, Service
from zun_compose.outside import AskOutside, OutsideWatch
from zun_compose.readiness import Facts, Verdict, Word
from zun_compose.schedule.timers import Kind, Timers
from zun_compose.sighting import Answer
from zun_compose.watch import Attention, Watch


class Lookout:
    """One watch a container, whatever the number of gates on it. Every change renews its wish to be woken."""

    def __init__(self, timers: Timers, *, engine_checks: bool) -> None:
        self._timers = timers
        self._engine_checks = engine_checks
        self._watches: dict[str, Watch] = {}
        self._outside: dict[str, OutsideWatch] = {}

    def beside(self, handle: str) -> int:
        """How many watches a watch shares the machine with: its looks are paced by it.

        Those that only guard what is there already look so seldom that nobody waits for them.
        """
        watch = self._watches.get(handle)
        if watch is None or watch.calm:
            return len(self._watches)
        return sum(not other.calm for other in self._watches.values())

    def watch(self, handle: str) -> Watch | None:
        """Return the watch on a container, if there is one."""
        return self._watches.get(handle)

    def facts(self, handle: str) -> Facts:
        """Return what is known of a container."""
        watch = self._watches.get(handle)
        return watch.facts if watch is not None else Facts()

    def seen(self, handle: str) -> Observed | None:
        """Return the last look at a container."""
        return self.facts(handle).observed

    def attend(
        self, handle: str, service: Service, conditions: frozenset[Condition], now: float, *, fresh: bool
    ) -> None:
        """Watch a container for these conditions; `fresh` if this operation started it."""
        watch = self._watches.get(handle)
        if watch is None:
            watch = Watch(handle, service, engine_checks=self._engine_checks, fresh=fresh)
            self._watches[handle] = watch
            watch.begin(now)
        watch.attend(conditions, now)
        self.schedule(handle)

    def relax(self, handle: str, now: float) -> None:
        """No gate asks any more: go on seldom, to notice what falls back."""
        watch = self._watches.get(handle)
        if watch is not None and not watch.calm:
            watch.relax(now)

    def schedule(self, handle: str) -> None:
        """Renew a watch's wish to be woken."""
        self._timers.wish(self._watches[handle].wake_at(), Kind.WATCH, handle)

    def hint(self, handle: str, now: float) -> bool:
        """Look at once; returns whether there is a watch."""
        watch = self._watches.get(handle)
        if watch is None:
            return False
        watch.hint(now)
        self._timers.wish(now, Kind.WATCH, handle)
        return True

    def due(self, handle: str, now: float) -> Iterable[Attention]:
        """Return what a watch wants asked now."""
        watch = self._watches.get(handle)
        if watch is None:
            return ()
        wanted = list(watch.due(now))
        self.schedule(handle)
        return wanted

    def attend_outside(self, external: External, now: float) -> None:
        """Watch an external."""
        self._outside[external.name] = OutsideWatch(external, now)
        self._timers.wish(now, Kind.OUTSIDE, external.name)

    def outside_verdict(self, name: str) -> Verdict:
        """Judge an external."""
        outside = self._outside.get(name)
        if outside is None:
            return Verdict(word=Word.NEVER, reason="is not declared as an external")
        return outside.verdict()

    def asked_outside(self, name: str, probe: int, answer: Answer, now: float) -> bool:
        """Fold an answer in; returns whether somebody still asks."""
        outside = self._outside.get(name)
        if outside is None:
            return False
        outside.asked(probe, answer, now)
        self._timers.wish(outside.wake_at(), Kind.OUTSIDE, name)
        return True

    def due_outside(self, name: str, now: float) -> Iterable[AskOutside]:
        """Return the probes of an external that are to be asked now."""
        outside = self._outside.get(name)
        if outside is None:
            return ()
        wanted = list(outside.due(now))
        self._timers.wish(outside.wake_at(), Kind.OUTSIDE, name)
        return wanted

    def forget_outside(self, name: str) -> None:
        """Ask an external no more."""
        self._outside.pop(name, None)

    def clear(self) -> None:
        """Watch nothing any more."""
        self._watches.clear()
        self._outside.clear()

"""Paces the looks at one container and folds what they bring back into facts.

Pure: time is an argument, I/O is somebody else's. One watch serves all gates on the container.
Looks are short just after a start or an event and grow with age and with how many watches there
are, so that many waiting services together stay cheap. The healthcheck may be run early, ahead of the
engine's own interval: never two at once, with a pause of at least the last run's duration and at most
the declared interval, and only once the declared ports listen.
"""

from __future__ import annotations

from collections.abc import Iterator

from zun_compose.container import Health, Observed, PortKey, State
from zun_compose.model import Condition, ProbeKind, Service
from zun_compose.readiness import (
    DEFAULT_INTERVAL,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    Facts,
    ProbeFacts,
    effective_healthcheck,
    missing_ports,
    port_groups,
    strongest,
)
from zun_compose.record import Record, replace
from zun_compose.sighting import Answer, Sighting, SocketReading

_CHEAPEST_LOOK = 0.0006
_INSPECT_EVERY = 1.0
_FEW = 16


class Look(Record, kw_only=True):
    """Ask for a look: with `detail` through the engine, with `sockets` at the sockets of `wanted` ports.

    Without ports that are wanted it is a glance: a healthcheck may wait for what opens. A watch never
    asks for both in one: an engine may be slow to answer while the sockets are quick.
    """

    handle: str
    detail: bool
    sockets: bool
    wanted: frozenset[PortKey] = frozenset()


class Check(Record, kw_only=True):
    """Ask for one run of the healthcheck; seconds."""

    handle: str
    timeout: float


class Ask(Record, kw_only=True):
    """Ask one readiness probe of the service."""

    handle: str
    probe: int


Attention = Look | Check | Ask


def look_pause(age: float, watches: int, cost: float) -> float:
    """Return the seconds between looks: short when young and few, bounded in the CPU it takes."""
    if age < 3.0:
        base = 0.01
    elif age < 30.0:
        base = 0.02
    elif age < 300.0:
        base = 0.05
    else:
        base = 0.25
    share = 0.25 if watches <= _FEW else 0.06
    return min(max(base, watches * max(cost, _CHEAPEST_LOOK) / share), 5.0)


class Watch:
    """What is known of one container, and when to look at it again.

    A `fresh` one was started by this operation; of another one, the restarts so far are not held against it.
    """

    def __init__(self, handle: str, service: Service, *, engine_checks: bool, fresh: bool = True) -> None:
        self._fresh = fresh
        self.handle = handle
        self.service = service
        self.conditions: frozenset[Condition] = frozenset()
        self.calm = False
        self._engine_checks = engine_checks
        self._facts = Facts(probes=tuple(ProbeFacts() for _ in service.readiness))
        self._since = 0.0
        self._inspecting = False
        self._reading = False
        self._checking = False
        self._asking = [False] * len(service.readiness)
        self._next_detail = 0.0
        self._next_read = 0.0
        self._next_check = 0.0
        self._next_ask = [0.0] * len(service.readiness)
        self._hinted = False
        self._life: str | None = None
        self._failures = 0
        self._next_counted = 0.0
        self._rested = 0.0
        self._opened = False

    @property
    def facts(self) -> Facts:
        """All that is known now."""
        return self._facts

    def begin(self, now: float) -> None:
        """Start a new life: the container was just started (or the watch was just set up)."""
        self._since = now
        self._next_detail = self._next_read = now
        self._next_ask = [now] * len(self._next_ask)

    def attend(self, conditions: frozenset[Condition], now: float) -> None:
        """Look for these conditions from now on."""
        if self.calm:
            self.calm = False
            self._next_read = now
        self.conditions = conditions

    def relax(self, now: float) -> None:
        """Nobody waits any more: go on looking seldom, and run no checks or probes."""
        self.calm = True
        self._next_detail = self._next_read = now + _INSPECT_EVERY

    def hint(self, now: float) -> None:
        """Something happened to the container: look again as soon as possible."""
        self._next_detail = self._next_read = now
        self._hinted = self._inspecting

    def due(self, now: float) -> Iterator[Attention]:
        """Yield what is to be asked now, and remember that it is under way."""
        if not self._inspecting and now >= self._next_detail:
            self._inspecting = True
            yield Look(handle=self.handle, detail=True, sockets=False)
        if not self._reading and now >= self._next_read and self._wants_sockets():
            self._reading = True
            wanted = frozenset().union(*self._groups())
            yield Look(handle=self.handle, detail=False, sockets=True, wanted=wanted)
        if self._may_check(now):
            self._checking = True
            self._opened = False
            check = effective_healthcheck(self.service, self._facts.observed)
            timeout = DEFAULT_TIMEOUT if check is None or check.timeout is None else check.timeout
            yield Check(handle=self.handle, timeout=timeout)
        for index in self._due_asks(now):
            self._asking[index] = True
            yield Ask(handle=self.handle, probe=index)

    def wake_at(self) -> float:
        """When something is due next (infinity if all that is due is under way)."""
        times = [float("inf")]
        if not self._inspecting:
            times.append(self._next_detail)
        if not self._reading and self._wants_sockets():
            times.append(self._next_read)
        if not self._checking and self._check_wanted():
            times.append(self._next_check)
        if self._probes_wanted():
            for index, asking in enumerate(self._asking):
                if not asking and not self._settled(index):
                    times.append(self._next_ask[index])
        return min(times)

    def saw(self, sighting: Sighting, now: float, watches: int) -> None:
        """Fold one look in: what the engine said, what the sockets said, or both."""
        if sighting.sockets is not None:
            self._reading = False
            self._next_read = now + self._pause(now, watches, sighting.seconds)
        if sighting.sockets is None or sighting.observed is not None or sighting.gone:
            self._inspected(sighting, now, watches)
        facts = self._facts
        running = facts.observed is not None and facts.observed.state is State.RUNNING
        if not running:
            facts = replace(facts, sockets=None)
        elif sighting.sockets is not None and sighting.life in (None, self._life):
            self._notice(facts.sockets, sighting.sockets, now)
            facts = replace(facts, sockets=sighting.sockets)
        self._facts = replace(facts, probes=self._listening_probes(facts, sighting, now))

    def _notice(self, before: SocketReading | None, after: SocketReading, now: float) -> None:
        """Something opened a port: run the healthcheck as soon as it may be run again."""
        known = before.listening | before.loopback if before is not None else frozenset()
        if (after.listening | after.loopback) - known:
            self._opened = True
            self._next_check = min(self._next_check, max(now, self._rested))

    def _inspected(self, sighting: Sighting, now: float, watches: int) -> None:
        self._inspecting = False
        pause = max(self._pause(now, watches, sighting.seconds), _INSPECT_EVERY)
        self._next_detail = now if self._hinted else now + pause
        self._hinted = False
        facts = replace(self._facts, gone=sighting.gone)
        observed = sighting.observed or facts.observed
        if observed is not None and self._life is None and not self._fresh:
            facts = replace(facts, forgiven=observed.restart_count)
        if observed is not None and observed.started_at != self._life:
            facts = self._new_life(observed, facts, now)
        self._facts = replace(facts, observed=observed, last_line=sighting.last_line or facts.last_line)

    def _pause(self, now: float, watches: int, cost: float) -> float:
        pause = look_pause(now - self._since, watches, cost)
        return max(pause, _INSPECT_EVERY) if self.calm else pause

    def checked(self, answer: Answer, now: float) -> None:
        """Fold one run of the healthcheck in."""
        self._checking = False
        check = effective_healthcheck(self.service, self._facts.observed)
        interval = DEFAULT_INTERVAL if check is None or check.interval is None else check.interval
        if answer.ok:
            self._failures = 0
            self._facts = replace(self._facts, passed=True, unhealthy=False, check=answer)
            return
        age = now - self._since
        rest = min(answer.seconds, interval)
        if not answer.ran:
            rest = interval
        elif answer.exit_code is None:
            # It ran into its timeout and may go on inside: leave it time to end before the next one.
            rest = max(interval, answer.seconds)
        patience = 0.0 if self._opened else max(self._patience(), 0.1 * age)
        self._rested = now + rest
        self._next_check = now + max(rest, min(patience, interval))
        unhealthy = False
        start_period = (check.start_period or 0.0) if check is not None else 0.0
        if not self._engine_checks and answer.ran and age >= start_period and now >= self._next_counted:
            self._failures += 1
            self._next_counted = now + interval
            retries = (check.retries if check is not None else None) or DEFAULT_RETRIES
            unhealthy = self._failures >= retries
        self._facts = replace(self._facts, check=answer, unhealthy=unhealthy)

    def _patience(self) -> float:
        """Return the shortest pause between checks (s): longer where an opening port will end it."""
        glancing = self._facts.sockets is not None and self._facts.sockets.complete
        return 0.15 if glancing and not self._groups() else 0.05

    def asked(self, index: int, answer: Answer, now: float) -> None:
        """Fold one answer of a readiness probe in."""
        self._asking[index] = False
        probe = self.service.readiness[index]
        before = self._facts.probes[index]
        streak = before.streak + 1 if answer.ok else 0
        overdue = not answer.ok and probe.deadline is not None and now - self._since >= probe.deadline
        self._put_probe(index, ProbeFacts(streak=streak, last=answer, overdue=overdue))
        age = now - self._since
        quick = max(answer.seconds, 0.05, 0.1 * age)
        self._next_ask[index] = now + (min(quick, probe.interval) if streak == 0 else probe.interval)

    def _new_life(self, observed: Observed, facts: Facts, now: float) -> Facts:
        if self._life is not None:
            self._since = now
        self._life = observed.started_at
        self._failures = 0
        self._next_counted = 0.0
        self._next_check = self._next_read = self._rested = now
        self._opened = False
        fresh = tuple(ProbeFacts() for _ in self.service.readiness)
        return replace(facts, sockets=None, passed=False, unhealthy=False, check=None, probes=fresh)

    def _groups(self) -> tuple[frozenset[PortKey], ...]:
        observed = self._facts.observed
        groups = port_groups(self.service, observed.exposed if observed is not None else ())
        probed = (
            frozenset((PortKey(port),))
            for probe in self.service.readiness
            if probe.kind is ProbeKind.LISTENING
            for port in probe.ports
        )
        return (*groups, *probed)

    def _meant(self) -> frozenset[Condition]:
        """The conditions asked for, with `ready` replaced by what it means for this service."""
        meant = set(self.conditions)
        if Condition.READY in meant:
            meant.discard(Condition.READY)
            meant.add(strongest(self.service, self._facts.observed))
        return frozenset(meant)

    def _running(self) -> bool:
        observed = self._facts.observed
        return observed is not None and observed.state is State.RUNNING

    def _wants_sockets(self) -> bool:
        meant = self._meant()
        if not self._running():
            return False
        if not self._groups():
            # The healthcheck may wait for a port that nobody declared.
            return self._check_wanted()
        if self.calm:
            return True
        if Condition.LISTENING in meant:
            return True
        if Condition.HEALTHY in meant and not self._ports_listen():
            return True
        return Condition.READY in meant and any(
            probe.kind is ProbeKind.LISTENING for probe in self.service.readiness
        )

    def _ports_listen(self) -> bool:
        sockets = self._facts.sockets
        listening = sockets.listening if sockets is not None else frozenset()
        return not missing_ports(self._groups(), listening)

    def _check_wanted(self) -> bool:
        facts = self._facts
        if self.calm or facts.passed or not self._running() or facts.observed is None:
            return False
        if facts.observed.health is Health.HEALTHY or Condition.HEALTHY not in self._meant():
            return False
        if effective_healthcheck(self.service, facts.observed) is None:
            return False
        return self._ports_listen() or not self._engine_checks

    def _may_check(self, now: float) -> bool:
        return not self._checking and now >= self._next_check and self._check_wanted()

    def _probes_wanted(self) -> bool:
        return not self.calm and self._running() and Condition.READY in self._meant()

    def _settled(self, index: int) -> bool:
        probe = self.service.readiness[index]
        return probe.kind is ProbeKind.LISTENING or self._facts.probes[index].streak >= probe.successes

    def _due_asks(self, now: float) -> list[int]:
        if not self._probes_wanted():
            return []
        return [
            index
            for index, asking in enumerate(self._asking)
            if not asking and not self._settled(index) and now >= self._next_ask[index]
        ]

    def _listening_probes(self, facts: Facts, sighting: Sighting, now: float) -> tuple[ProbeFacts, ...]:
        """Let the socket reading answer the `listening` probes: no second observer for them."""
        if sighting.sockets is None:
            return facts.probes
        states = list(facts.probes)
        exposed = facts.observed.exposed if facts.observed is not None else ()
        for index, probe in enumerate(self.service.readiness):
            if probe.kind is not ProbeKind.LISTENING:
                continue
            groups = tuple(frozenset((PortKey(port),)) for port in probe.ports)
            missing = missing_ports(groups or port_groups(self.service, exposed), sighting.sockets.listening)
            text = f"not listening on {', '.join(missing)}" if missing else "listening"
            streak = 0 if missing else states[index].streak + 1
            late = probe.deadline is not None and now - self._since >= probe.deadline
            answer = Answer(ok=not missing, text=text)
            states[index] = ProbeFacts(streak=streak, last=answer, overdue=bool(missing) and late)
        return tuple(states)

    def _put_probe(self, index: int, state: ProbeFacts) -> None:
        probes = list(self._facts.probes)
        probes[index] = state
        self._facts = replace(self._facts, probes=tuple(probes))

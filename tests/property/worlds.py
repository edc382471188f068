"""Random stacks with scripted fates, and the truth about them told by the engine's own record.

The truth is worked out from what the memory engine says it did (which process began and ended when) and from
the script of each process; nothing that the core reports goes into it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from zun_compose.container import Hint, PortKey
from zun_compose.drivers.memory import MemoryDriver, read
from zun_compose.drivers.memory.fate import Fate, Run
from zun_compose.drivers.memory.health import outcome_at
from zun_compose.model import (
    Attachment,
    Condition,
    Dependency,
    Expose,
    Healthcheck,
    Mount,
    MountType,
    Network,
    Probe,
    ProbeKind,
    Restart,
    RestartName,
    Service,
    Stack,
    Volume,
)
from zun_compose.record import Record, replace

PORT = 80
CHECK = Healthcheck(test=("CMD", "check"), interval=1.0, timeout=1.0, retries=2)
SLACK = 1e-6


class Endless(AssertionError):
    """The core asks for the time again and again: it does not come to an end."""


class Patient(MemoryDriver):
    """A memory engine that gives up on a caller who never ends, and notes when calls were made."""

    def __init__(self, *, deaf: bool = False, limit: int = 400_000, **options: Any) -> None:
        self.record: list[Hint] = []
        self.asked = 0
        self.limit = limit

        def lost(hint: Hint) -> bool:
            # What nobody hears has happened all the same.
            self.record.append(hint)
            return deaf

        super().__init__(loses=lost, **options)

    def now(self) -> float:
        self.asked += 1
        if self.asked > self.limit:
            raise Endless(f"asked for the time {self.asked} times, now {super().now():g} s")
        return super().now()


class Drawn:
    """One example: a stack, and how its engine behaves. No dataclass: hypothesis is to show our own words."""

    def __init__(
        self,
        stack: Stack,
        *,
        runs_healthchecks: bool,
        deaf: bool,
        outage: tuple[float, float] | None,
        options: Mapping[str, Any],
    ) -> None:
        self.stack = stack
        self.runs_healthchecks = runs_healthchecks
        self.deaf = deaf
        self.outage = outage
        self.options = options

    def __repr__(self) -> str:
        rows = [repr(service) for service in map(_brief, self.stack.services.values())]
        engine = f"checks={self.runs_healthchecks} deaf={self.deaf} outage={self.outage}"
        return "\n  ".join([f"{engine} {dict(self.options)}", *rows])

    def driver(self) -> Patient:
        return Patient(
            deaf=self.deaf,
            runs_healthchecks=self.runs_healthchecks,
            outages=(self.outage,) if self.outage else (),
        )


def _brief(service: Service) -> dict[str, Any]:
    """What of a service differs from an empty one: an example is to be read by people."""
    plain = Service(name="", image="app")
    told = {}
    for name in ("name", "restart", "expose", "healthcheck", "readiness", "replicas", "job", "once", "fate"):
        if getattr(service, name) != getattr(plain, name):
            told[name] = getattr(service, name)
    told["needs"] = [
        f"{edge.on}:{edge.condition.value} {edge.timeout} {edge.retries} {edge.replicas} {edge.required}"
        for edge in service.dependencies
    ]
    return told


# Fates.

_SOON = st.sampled_from([0.0, 0.03, 0.4, 2.0])
_MAYBE_NEVER = st.sampled_from([0.0, 0.03, 0.4, 2.0, 3.5, "never"])
_CODES = st.sampled_from([0, 1, 3, 137])


def _failures(draw: st.DrawFn) -> dict[str, Any]:
    """Calls that fail at first, or for good."""
    kind = draw(st.sampled_from(["unavailable", "timeout", "conflict", "rejected"]))
    verb = draw(st.sampled_from(["create", "start", "start", "inspect"]))
    if verb == "create" and kind == "timeout" and draw(st.booleans()):
        return {"create": {"kind": "timeout", "times": 1, "takes_effect": True}}
    if verb == "start" and kind == "timeout" and draw(st.booleans()):
        return {"start": {"kind": "timeout", "times": draw(st.integers(1, 3)), "takes_effect": True}}
    times: Any = draw(st.sampled_from([1, 2, 3, "always"]))
    if verb == "inspect":
        kind, times = "unavailable", draw(st.integers(1, 5))
    return {verb: [kind, times]}


def _behaviour(draw: st.DrawFn, *, good: bool) -> dict[str, Any]:
    """What a service declares, and what its processes do."""
    when = _SOON if good else _MAYBE_NEVER
    kind = draw(st.sampled_from(["plain", "server", "server", "checked", "probed", "job"]))
    declared: dict[str, Any] = {}
    fate: dict[str, Any] = {}
    if kind == "server" or (kind in ("checked", "probed") and draw(st.booleans())):
        declared["expose"] = (Expose(first=PORT, last=PORT),)
        fate["listens"] = {PORT: draw(when)}
        if not good and draw(st.integers(0, 5)) == 5:
            fate["closes"] = {PORT: draw(st.sampled_from([1.0, 5.0]))}
    if kind == "checked":
        period = draw(st.sampled_from([None, 4.0]))
        fate["healthy_after"] = draw(when)
        if good and fate["healthy_after"] > 1.0:
            period = 4.0
        declared["healthcheck"] = replace(CHECK, start_period=period)
        if draw(st.integers(0, 3)) == 3:
            fate["exec_takes"] = draw(st.sampled_from([0.05, 0.3]))
    elif kind == "probed":
        declared["readiness"] = tuple(_probe(draw, fate, when) for _ in range(draw(st.integers(1, 2))))
        if not fate.get("listens"):
            declared["readiness"] = tuple(
                probe for probe in declared["readiness"] if probe.kind is not ProbeKind.LISTENING
            )
    elif kind == "job":
        fate["exits_after"] = draw(_SOON)
        fate["exit_code"] = 0 if good else draw(_CODES)
        declared["job"] = draw(st.booleans())
        declared["once"] = declared["job"] and draw(st.booleans())
    return {"declared": declared, "fate": fate}


def _probe(draw: st.DrawFn, fate: dict[str, Any], when: st.SearchStrategy[Any]) -> Probe:
    shared: dict[str, Any] = {
        "interval": draw(st.sampled_from([0.2, 1.0])),
        "successes": draw(st.sampled_from([1, 1, 3])),
        "deadline": draw(st.sampled_from([None, 8.0])),
    }
    match draw(st.sampled_from([ProbeKind.EXEC, ProbeKind.LOG, ProbeKind.LISTENING])):
        case ProbeKind.EXEC:
            ready = draw(when)
            good = [] if ready == "never" else [[ready, 0]]
            fate["exec"] = {"probe": [[0, 1], *good]}
            return Probe(kind=ProbeKind.EXEC, command=("probe",), **shared)
        case ProbeKind.LOG:
            said = draw(when)
            fate["log"] = [[0, "begin"]] if said == "never" else [[0, "begin"], [said, "is ready"]]
            return Probe(kind=ProbeKind.LOG, pattern="is ready", **shared)
        case _:
            return Probe(kind=ProbeKind.LISTENING, ports=(PORT,), **shared)


def _deaths(draw: st.DrawFn, fate: dict[str, Any]) -> Restart:
    """Let a process die, for good or until its restart policy heals it."""
    policy = draw(
        st.sampled_from(
            [
                Restart(),
                Restart(),
                Restart(name=RestartName.ON_FAILURE),
                Restart(name=RestartName.ON_FAILURE, maximum=1),
                Restart(name=RestartName.ALWAYS),
            ]
        )
    )
    if draw(st.integers(0, 2)) < 2:
        return policy
    death = {"exits_after": draw(st.sampled_from([0.0, 0.2, 1.0, 6.0])), "exit_code": draw(_CODES)}
    if draw(st.booleans()):
        fate["runs"] = [death, {}]
    else:
        fate |= death
    return policy


def _ends(service: Service) -> bool:
    """Whether its containers come to an end by themselves."""
    fate = read(service.fate)
    last = fate.runs[-1]
    if math.isinf(last.exits_after):
        return False
    return service.restart.name is RestartName.NO or (
        service.restart.name is RestartName.ON_FAILURE
        and (last.exit_code == 0 or service.restart.maximum is not None)
    )


# Stacks.


@st.composite
def drawn(
    draw: st.DrawFn, *, good: bool = False, most: int = 12, failures: bool = True, outages: bool = False
) -> Drawn:
    """Draw a stack. `good` ones can come up: nothing dies, nothing is too late, no call fails for good."""
    count = draw(st.integers(1, most))
    names = [f"s{index}" for index in range(count)]
    services: dict[str, Service] = {}
    unbounded = False
    for index, name in enumerate(names):
        service = _service(draw, name, good=good, failures=failures)
        edges = []
        for on in sorted(draw(st.sets(st.sampled_from(names[:index]), max_size=3))) if index else ():
            edge = _edge(draw, services[on], good=good)
            unbounded = unbounded or edge.timeout is None
            edges.append(edge)
        services[name] = replace(service, dependencies=tuple(edges))
    order = draw(st.permutations(names))
    wait = draw(st.booleans())
    limit = draw(st.sampled_from([3.0, 6.0, 12.0])) if not good and (unbounded or wait) else None
    stack = Stack(
        name="p",
        services={name: services[name] for name in order},
        networks={"default": Network(key="default", name="p_default")},
        volumes={"data": Volume(key="data", name="p_data")},
    )
    return Drawn(
        stack=stack,
        runs_healthchecks=draw(st.booleans()),
        deaf=draw(st.booleans()),
        outage=draw(st.sampled_from([None, (0.5, 1.0), (1.0, 4.0), (0.1, 9.0)])) if outages else None,
        options={"wait": wait, "wait_timeout": limit},
    )


def _service(draw: st.DrawFn, name: str, *, good: bool, failures: bool) -> Service:
    behaviour = _behaviour(draw, good=good)
    declared, fate = behaviour["declared"], behaviour["fate"]
    restart = Restart() if good else _deaths(draw, fate)
    if declared.get("job"):
        restart = Restart()
    for verb in ("create_takes", "start_takes", "stop_takes"):
        if draw(st.integers(0, 3)) == 3:
            fate[verb] = draw(st.sampled_from([0.01, 0.2, 1.5]))
    if failures and not good and draw(st.integers(0, 7)) == 7:
        fate["fail"] = _failures(draw)
    if good and draw(st.integers(0, 7)) == 7:
        fate["fail"] = {draw(st.sampled_from(["create", "start"])): ["unavailable", draw(st.integers(1, 3))]}
    mounts = (Mount(type=MountType.VOLUME, source="data", target="/data"),) if draw(st.booleans()) else ()
    return Service(
        name=name,
        image="app",
        restart=restart,
        networks=(Attachment(network="default"),),
        mounts=mounts,
        replicas=draw(st.sampled_from([1, 1, 1, 1, 0, 2, 3])),
        fate=fate,
        **declared,
    )


def _edge(draw: st.DrawFn, on: Service, *, good: bool) -> Dependency:
    conditions = list(Condition)
    if on.restart.name is RestartName.ALWAYS:
        conditions = [condition for condition in conditions if not condition.completion]
    if good:
        conditions = [condition for condition in conditions if _can_hold(on, condition)]
    timeout: float | None = draw(st.sampled_from([1.0, 3.0, 6.0, None]))
    if good:
        timeout = None
    return Dependency(
        on=on.name,
        condition=draw(st.sampled_from(conditions)),
        timeout=timeout,
        retries=None if good else draw(st.sampled_from([None, None, 0, 2])),
        replicas=draw(st.sampled_from([None, None, None, 1, 2])),
        required=good or draw(st.integers(0, 3)) < 3,
    )


def _can_hold(service: Service, condition: Condition) -> bool:
    """Whether a good service reaches a condition for certain, however late one looks."""
    ends = _ends(service)
    match condition:
        case Condition.COMPLETED | Condition.COMPLETED_SUCCESSFULLY:
            return ends
        case Condition.LISTENING:
            return bool(service.expose) and not ends
        case Condition.HEALTHY:
            return service.healthcheck is not None and not ends
        case Condition.READY:
            return not ends
        case Condition.STARTED:
            return True


# The truth.


class Life(Record):
    """One process of a container: its script, and the span in which it ran."""

    run: Run
    began: float
    ended: float
    code: int | None


class Truth:
    """What held when, by the engine's record and the scripts."""

    def __init__(self, stack: Stack, record: Sequence[Hint]) -> None:
        self._stack = stack
        self._record = list(record)
        self._fates: dict[str, Fate] = {name: read(one.fate) for name, one in stack.services.items()}

    def first_starts(self) -> Iterator[tuple[int, Hint]]:
        """The first start of each container, with its place in the record."""
        seen = set()
        for place, hint in enumerate(self._record):
            if hint.action == "start" and hint.container not in seen:
                seen.add(hint.container)
                yield place, hint

    def satisfied(self, edge: Dependency, place: int) -> bool:
        """Whether an edge's condition had held for enough containers before that place in the record."""
        service = self._stack.services[edge.on]
        needed = service.replicas if edge.replicas is None else min(edge.replicas, service.replicas)
        containers = {hint.container for hint in self._record[:place] if hint.service == edge.on}
        held = [one for one in containers if self._held(service, edge.condition, one, place)]
        return len(held) >= needed

    def lives(self, container: str, place: int) -> list[Life]:
        """A container's processes, up to that place in the record."""
        now = self._record[place].at if place < len(self._record) else math.inf
        lives: list[Life] = []
        for hint in self._record[:place]:
            if hint.container != container:
                continue
            if hint.action == "start":
                run = self._fates[hint.service].run(len(lives))
                lives.append(Life(run, hint.at, now, None))
            elif hint.action == "die":
                lives[-1] = replace(lives[-1], ended=hint.at, code=hint.exit_code)
        return lives

    def _held(self, service: Service, condition: Condition, container: str, place: int) -> bool:
        lives = self.lives(container, place)
        if not lives:
            return False
        if condition is Condition.STARTED:
            return True
        if condition.completion:
            last = lives[-1]
            if last.code is None or self._comes_back(service, len(lives) - 1, last.code):
                return False
            return last.code == 0 or condition is Condition.COMPLETED
        if condition is Condition.READY:
            return self._ready(service, lives)
        return any(self._in_life(service, condition, life) for life in lives)

    def _ready(self, service: Service, lives: Sequence[Life]) -> bool:
        if service.readiness:
            return any(all(_probe_held(probe, life) for probe in service.readiness) for life in lives)
        if service.healthcheck is not None:
            return any(self._in_life(service, Condition.HEALTHY, life) for life in lives)
        if service.expose:
            return any(self._in_life(service, Condition.LISTENING, life) for life in lives)
        return True

    def _in_life(self, service: Service, condition: Condition, life: Life) -> bool:
        if condition is Condition.LISTENING:
            return bool(service.expose) and any(_listens(life, moment) for moment in _moments(life))
        if service.healthcheck is None:
            return False
        outcomes = life.run.health_outcomes(("check",))
        moments = [0.0, *(outcome.at for outcome in outcomes)]
        return any(
            outcome_at(outcomes, moment + SLACK).exit_code == 0
            for moment in moments
            if moment <= life.ended - life.began + SLACK
        )

    @staticmethod
    def _comes_back(service: Service, restarts: int, code: int) -> bool:
        policy = service.restart
        if policy.name is RestartName.ON_FAILURE:
            return code != 0 and (not policy.maximum or restarts < policy.maximum)
        return policy.name is not RestartName.NO


def _moments(life: Life) -> list[float]:
    span = life.ended - life.began + SLACK
    return [moment for moment in (0.0, *life.run.changes) if moment <= span]


def _listens(life: Life, moment: float) -> bool:
    return PortKey(PORT) in life.run.listening(moment + SLACK)


def _probe_held(probe: Probe, life: Life) -> bool:
    span = life.ended - life.began + SLACK
    match probe.kind:
        case ProbeKind.EXEC:
            outcomes = life.run.execs["probe"]
            return any(outcome.exit_code == 0 and outcome.at <= span for outcome in outcomes)
        case ProbeKind.LOG:
            return any("is ready" in line.text and line.at <= span for line in life.run.log)
        case _:
            return any(_listens(life, moment) for moment in _moments(life))

"""Finds out how a stack stands now: looks once at each container, asks each probe once, judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zun_compose.container import Health, Observed
from zun_compose.driver import Driver, EngineInfo
from zun_compose.model import Condition, ProbeKind, Service, Stack
from zun_compose.observation import details, side_by_side
from zun_compose.observe.commands import last_words
from zun_compose.observe.probes import Prober
from zun_compose.observe.sockets import SocketReader
from zun_compose.plan.edges import gates_of
from zun_compose.plan.steps import Gate
from zun_compose.readiness import (
    Facts,
    ProbeFacts,
    Verdict,
    Word,
    combine,
    effective_healthcheck,
    judge,
    missing_ports,
    port_groups,
)
from zun_compose.record import Record, replace
from zun_compose.sighting import Answer
from zun_compose.standing import standing
from zun_compose.state import ReadyRecord
from zun_compose.status import ContainerStatus, GateStatus, Readiness, ServiceStatus, StackStatus

_RANK = {
    Readiness.FAILED: 0,
    Readiness.SKIPPED: 1,
    Readiness.CREATED: 2,
    Readiness.STARTED: 3,
    Readiness.LISTENING: 4,
    Readiness.HEALTHY: 5,
    Readiness.READY: 6,
    Readiness.COMPLETED: 6,
}


class Seen(Record, kw_only=True):
    """One container with all facts of this moment."""

    observed: Observed
    facts: Facts


def look_at(
    driver: Driver,
    info: EngineInfo,
    stack: Stack | None,
    containers: Sequence[Observed],
    ready: Mapping[str, ReadyRecord],
) -> list[Seen]:
    """Look at each container once, side by side.

    Healthchecks are not run here: the engine's word counts, and while it has none yet the success of
    an earlier run of ours in the same life of the container (`ready`).
    """
    reader = SocketReader(driver, info)
    prober = Prober(driver, info, reader)

    def look(observed: Observed) -> Seen:
        service = _declared(stack, observed)
        groups = port_groups(service, observed.exposed)
        wanted = frozenset().union(*groups) if groups else frozenset()
        running = observed.state.value == "running"
        sockets = reader.read(observed, wanted) if running else None
        record = ready.get(observed.id)
        passed = (
            record is not None
            and effective_healthcheck(service, observed) is not None
            and record.started_at == observed.started_at
            and record.condition in (Condition.READY, Condition.HEALTHY)
            and observed.health in (Health.STARTING, Health.NONE)
        )
        facts = Facts(observed=observed, sockets=sockets, passed=passed)
        probes = []
        for probe in service.readiness if running else ():
            if probe.kind is ProbeKind.LISTENING and not probe.ports and sockets is not None:
                missing = missing_ports(groups, sockets.listening)
                text = f"not listening on {', '.join(missing)}" if missing else "listening"
                answer = Answer(ok=not missing, text=text)
            else:
                answer = prober.ask(probe, observed)
            probes.append(ProbeFacts(streak=probe.successes if answer.ok else 0, last=answer))
        if probes:
            facts = replace(facts, probes=tuple(probes))
        return Seen(observed=observed, facts=facts)

    try:
        return side_by_side(driver, look, details(driver, containers))
    finally:
        prober.close()
        reader.close()


def stack_status(
    name: str,
    stack: Stack | None,
    seen: Sequence[Seen],
    ready: Mapping[str, ReadyRecord],
    services: Sequence[str] = (),
) -> StackStatus:
    """Judge what was seen."""
    declared = dict(stack.services) if stack is not None else {}
    if stack is None:
        for one in seen:
            declared.setdefault(one.observed.service, Service(name=one.observed.service))
    by_service: dict[str, list[Seen]] = {}
    orphans = []
    for one in seen:
        if one.observed.oneoff:
            continue
        if one.observed.service in declared:
            by_service.setdefault(one.observed.service, []).append(one)
        elif stack is None or one.observed.service not in stack.inactive:
            orphans.append(one.observed)
    found = []
    for service in declared.values():
        if services and service.name not in services:
            continue
        group = by_service.get(service.name, [])
        gates = tuple(
            gate_status(gate, declared, by_service)
            for gate in gates_of(service, declared)
            if not gate.external
        )
        found.append(_service_status(service, group, gates, ready, known=stack is not None))
    return StackStatus(name=name, services=tuple(found), orphans=tuple(orphans))


def gate_status(
    gate: Gate, declared: Mapping[str, Service], by_service: Mapping[str, Sequence[Seen]]
) -> GateStatus:
    """Judge one edge as it stands."""
    service = declared[gate.dependency]
    group = by_service.get(gate.dependency, ())
    verdicts = [judge(gate.condition, service, one.facts, retries=gate.retries) for one in group]
    if not verdicts and service.replicas:
        verdict = Verdict(word=Word.NOT_YET, reason="has no container yet", asked="engine")
    else:
        verdict = combine(verdicts, gate.replicas)
    word = {Word.READY: "open", Word.NOT_YET: "waiting", Word.NEVER: "never"}[verdict.word]
    return GateStatus(
        dependent=gate.dependent,
        dependency=gate.dependency,
        condition=gate.condition.value,
        verdict=word,
        reason=verdict.reason,
        asked=verdict.asked,
        answer=verdict.answer,
        exit_code=verdict.exit_code,
    )


def witness(driver: Driver, gate: GateStatus, seen: Sequence[Seen]) -> tuple[str, ...]:
    """Return the last log lines behind a gate that is not open."""
    for one in seen:
        if one.observed.service == gate.dependency and not one.observed.oneoff:
            return last_words(driver, one.observed.id)
    return ()


def _service_status(
    service: Service,
    group: Sequence[Seen],
    gates: tuple[GateStatus, ...],
    ready: Mapping[str, ReadyRecord],
    *,
    known: bool,
) -> ServiceStatus:
    containers = tuple(_container_status(service, one, ready) for one in group)
    replicas = service.replicas if known else len(containers)
    never = next((gate for gate in gates if gate.verdict == "never"), None)
    if len(containers) < replicas:
        word = Readiness.SKIPPED
        reason = f"{len(containers)} of {replicas} containers exist"
        if never is not None:
            reason += f': "{never.dependency}" {never.reason}'
    elif containers:
        least = min(containers, key=lambda one: _RANK[one.readiness])
        word, reason = least.readiness, least.reason
    else:
        word, reason = Readiness.COMPLETED, "scaled to 0"
    return ServiceStatus(
        name=service.name,
        replicas=replicas,
        containers=containers,
        readiness=word,
        reason=reason,
        gates=gates,
        job=service.job,
    )


def _container_status(service: Service, one: Seen, ready: Mapping[str, ReadyRecord]) -> ContainerStatus:
    word, reason = standing(service, one.facts)
    record = ready.get(one.observed.id)
    since = None
    if record is not None and record.started_at == one.observed.started_at and word.good:
        since = record.ready_since
    sockets = one.facts.sockets
    return ContainerStatus(
        observed=one.observed,
        readiness=word,
        reason=reason,
        listening=tuple(sorted(sockets.listening)) if sockets is not None else None,
        ready_since=since,
        our_health="healthy" if one.facts.passed else None,
    )


def _declared(stack: Stack | None, observed: Observed) -> Service:
    service = stack.services.get(observed.service) if stack is not None else None
    return service or Service(name=observed.service)

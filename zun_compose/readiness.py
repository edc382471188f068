"""Judges whether a gate's condition holds for one container: ready, not yet, or never.

Pure: facts in, verdict out; no clock, no I/O. Deadlines belong to the schedule, observations to
`observe`, pacing to `watch`. The rules are those of "Gates" in docs/readiness.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from zun_compose.container import Health, Observed, PortKey, State
from zun_compose.model import Condition, Healthcheck, Probe, ProbeKind, Service
from zun_compose.record import Record
from zun_compose.sighting import Answer, SocketReading

DEFAULT_DEADLINE = 300.0
"""Seconds that a gate waits at most, from the start of its dependency's container."""

DEFAULT_INTERVAL = 30.0
DEFAULT_TIMEOUT = 30.0
DEFAULT_RETRIES = 3
"""Docker's defaults for a healthcheck (seconds, seconds, failures)."""


class Word(StrEnum):
    """The three answers."""

    READY = "ready"
    NOT_YET = "not yet"
    NEVER = "never"


class Verdict(Record, kw_only=True):
    """One answer with its reason; `asked` says what decided, `answer` quotes the last probe."""

    word: Word
    reason: str = ""
    asked: str = ""
    answer: str = ""
    exit_code: int | None = None


class ProbeFacts(Record, kw_only=True):
    """What one readiness probe has said so far; `streak` good answers in a row."""

    streak: int = 0
    last: Answer | None = None
    overdue: bool = False


class Facts(Record, kw_only=True):
    """All that is known of one container at one moment.

    `passed` is True once our own run of the healthcheck succeeded in this life of the container;
    `unhealthy` is our own verdict, used only where no daemon runs checks. `check` is our last run.
    `last_line` is what it wrote last before it crashed; `forgiven` restarts lie before this operation.
    """

    observed: Observed | None = None
    gone: bool = False
    sockets: SocketReading | None = None
    passed: bool = False
    unhealthy: bool = False
    check: Answer | None = None
    probes: tuple[ProbeFacts, ...] = ()
    last_line: str = ""
    forgiven: int = 0


def port_groups(service: Service, exposed: Sequence[PortKey] = ()) -> tuple[frozenset[PortKey], ...]:
    """Return the ports a listening gate needs: of each group, at least one must be bound.

    Ports of the file make a group each, a range makes one group; if the file names none, all that the
    image exposes make one group. SCTP is not observable and makes no group.
    """
    groups: dict[frozenset[PortKey], None] = {}
    for port in service.ports:
        first, last = port.span or (port.target, port.target)
        groups[frozenset(PortKey(number, port.protocol) for number in range(first, last + 1))] = None
    for expose in service.expose:
        numbers = range(expose.first, expose.last + 1)
        groups[frozenset(PortKey(number, expose.protocol) for number in numbers)] = None
    if not groups and exposed:
        groups[frozenset(exposed)] = None
    observable = (frozenset(key for key in group if key.protocol != "sctp") for group in groups)
    return tuple(group for group in observable if group)


def declares_sctp_only(service: Service, exposed: Sequence[PortKey] = ()) -> bool:
    """Return whether ports are declared, but none that can be observed."""
    declared = bool(service.ports or service.expose or exposed)
    return declared and not port_groups(service, exposed)


def effective_healthcheck(service: Service, observed: Observed | None) -> Healthcheck | None:
    """Return the check that counts (the container's own word first), or None if there is none."""
    check = observed.healthcheck if observed is not None and observed.detailed else service.healthcheck
    if check is None or not check.test or check.disabled:
        return None
    return check


def strongest(service: Service, observed: Observed | None) -> Condition:
    """Return what `ready` means for a service; READY itself stands for its readiness probes."""
    if service.readiness:
        return Condition.READY
    if effective_healthcheck(service, observed) is not None:
        return Condition.HEALTHY
    exposed = observed.exposed if observed is not None else ()
    if port_groups(service, exposed):
        return Condition.LISTENING
    return Condition.STARTED


def deadline(condition: Condition, service: Service, observed: Observed | None) -> float | None:
    """Return the default limit of a gate in seconds from the container's start; None is no limit."""
    if condition.completion:
        return None
    meant = strongest(service, observed) if condition is Condition.READY else condition
    check = effective_healthcheck(service, observed)
    if meant is not Condition.HEALTHY or check is None:
        return DEFAULT_DEADLINE
    interval = DEFAULT_INTERVAL if check.interval is None else check.interval
    timeout = DEFAULT_TIMEOUT if check.timeout is None else check.timeout
    retries = check.retries or DEFAULT_RETRIES
    return max(DEFAULT_DEADLINE, (check.start_period or 0.0) + (retries + 1) * (interval + timeout))


def judge(condition: Condition, service: Service, facts: Facts, *, retries: int | None = None) -> Verdict:
    """Judge one condition for one container that has been started.

    `retries` is the edge's own count of forgiven crashes; None leaves it to the restart policy.
    """
    observed = facts.observed
    if facts.gone:
        return _never("was removed")
    if observed is None:
        return _not_yet("not looked at yet")
    if observed.state is State.CREATED:
        return _not_yet("created, not started")
    if condition.completion:
        return _judge_completion(condition, observed, facts, retries)
    meant = strongest(service, observed) if condition is Condition.READY else condition
    if meant is Condition.STARTED:
        if condition is Condition.READY and observed.state.ended and observed.exit_code:
            return _never(_exit_words(observed), exit_code=observed.exit_code)
        # It was started, but nobody is there whom `ready` could mean.
        between = observed.state is State.RESTARTING and condition is Condition.READY
        crashed = _judge_crashes(observed, facts, retries) if between else None
        return crashed or Verdict(word=Word.READY, reason="started", asked="engine")
    return _judge_running(meant, service, facts, observed, retries)


def _judge_running(
    condition: Condition, service: Service, facts: Facts, observed: Observed, retries: int | None
) -> Verdict:
    if observed.state.ended:
        words = f"{_exit_words(observed)} before it was {_adjective(condition)}"
        return _never(words, exit_code=observed.exit_code)
    verdict = _judge_condition(condition, service, facts, observed)
    if observed.state is State.RUNNING and verdict.word is Word.READY:
        return verdict
    crashed = _judge_crashes(observed, facts, retries)
    if crashed is None and observed.state is State.PAUSED:
        return _not_yet("paused", asked="engine")
    return crashed or verdict


def _judge_condition(condition: Condition, service: Service, facts: Facts, observed: Observed) -> Verdict:
    match condition:
        case Condition.HEALTHY:
            return _judge_health(service, facts, observed)
        case Condition.LISTENING:
            return _judge_listening(service, facts, observed)
        case _:
            return _judge_probes(service, facts)


def combine(verdicts: Sequence[Verdict], replicas: int | None) -> Verdict:
    """Fold the verdicts on a service's containers into one; `replicas` None asks for all of them.

    No containers at all (scale 0) satisfies every gate.
    """
    if not verdicts:
        return Verdict(word=Word.READY, reason="scaled to 0")
    needed = len(verdicts) if replicas is None else min(replicas, len(verdicts))
    ready = [verdict for verdict in verdicts if verdict.word is Word.READY]
    if len(ready) >= needed:
        return ready[0]
    never = [verdict for verdict in verdicts if verdict.word is Word.NEVER]
    if len(verdicts) - len(never) < needed:
        return never[0]
    waiting = next(verdict for verdict in verdicts if verdict.word is Word.NOT_YET)
    if len(verdicts) == 1:
        return waiting
    reason = f"{len(ready)} of {needed} containers; {waiting.reason}"
    return Verdict(word=Word.NOT_YET, reason=reason, asked=waiting.asked, answer=waiting.answer)


def missing_ports(groups: Iterable[frozenset[PortKey]], listening: frozenset[PortKey]) -> list[str]:
    """Name the groups of which nothing listens, ranges as "8000-8010/tcp"."""
    names = []
    for group in groups:
        if group & listening:
            continue
        ports = sorted(group)
        contiguous = len(ports) > 1 and ports[-1].port - ports[0].port == len(ports) - 1
        names.append(
            f"{ports[0].port}-{ports[-1]}" if contiguous else " or ".join(str(port) for port in ports)
        )
    return names


def _judge_crashes(observed: Observed, facts: Facts, retries: int | None) -> Verdict | None:
    """Judge the crashes of something that has not ended: forgiven so often, told with the last words."""
    code, said = observed.exit_code, facts.last_line
    crashes = observed.restart_count - facts.forgiven
    if retries is not None and crashes > retries:
        words = f"crashed {crashes} times, the edge allows {retries}"
        return _never(words, answer=said, exit_code=code)
    if observed.state is State.RESTARTING:
        words = f"restarting after {_exit_words(observed)} ({observed.restart_count} restarts so far)"
        return _not_yet(words, asked="engine", answer=said, exit_code=code)
    return None


def _judge_completion(condition: Condition, observed: Observed, facts: Facts, retries: int | None) -> Verdict:
    if not observed.state.ended:
        running = _not_yet("still running", asked="engine")
        return _judge_crashes(observed, facts, retries) or running
    if observed.exit_code == 0 or condition is Condition.COMPLETED:
        reason = _exit_words(observed)
        return Verdict(word=Word.READY, reason=reason, asked="engine", exit_code=observed.exit_code)
    return _never(_exit_words(observed), exit_code=observed.exit_code)


def _judge_health(service: Service, facts: Facts, observed: Observed) -> Verdict:
    if effective_healthcheck(service, observed) is None:
        return _never("declares no healthcheck")
    said = _last_line(observed.health_log)
    last = facts.check.text if facts.check is not None else said
    if observed.health is Health.HEALTHY:
        return Verdict(word=Word.READY, reason="healthy", asked="engine's healthcheck", answer=last)
    if facts.passed:
        return Verdict(word=Word.READY, reason="healthy", asked="healthcheck, run early", answer=last)
    if observed.health is Health.UNHEALTHY:
        reason = "is unhealthy by its healthcheck"
        return _never(reason, asked="engine's healthcheck", answer=said or last)
    if facts.unhealthy:
        return _never("is unhealthy by its healthcheck", asked="healthcheck", answer=last)
    return _not_yet("healthcheck has not passed yet", asked="healthcheck", answer=last)


def _judge_listening(service: Service, facts: Facts, observed: Observed) -> Verdict:
    groups = port_groups(service, observed.exposed)
    if not groups:
        if declares_sctp_only(service, observed.exposed):
            return Verdict(word=Word.READY, reason="its SCTP ports cannot be observed", asked="nothing")
        return _never("declares no ports and its image exposes none")
    sockets = facts.sockets
    if sockets is None:
        wanted = ", ".join(missing_ports(groups, frozenset()))
        return _not_yet(f"not listening on {wanted} yet", asked="sockets")
    missing = missing_ports(groups, sockets.listening)
    asked = f"sockets ({sockets.source})"
    if not missing:
        heard = sorted(port for group in groups for port in group & sockets.listening)
        note = " (owner not told)" if sockets.unattributed else ""
        reason = f"listening on {', '.join(map(str, heard))}{note}"
        return Verdict(word=Word.READY, reason=reason, asked=asked)
    for group in groups:
        if not group & sockets.listening and group <= sockets.foreign:
            held = ", ".join(str(port) for port in sorted(group))
            return _never(f"port {held} is held by another process", asked=asked)
    reason = f"not listening on {', '.join(missing)} yet"
    loopback = sorted(port for group in groups for port in group & sockets.loopback)
    if loopback:
        reason += f" (on loopback only: {', '.join(map(str, loopback))})"
    return _not_yet(reason, asked=asked, answer=sockets.note)


def _judge_probes(service: Service, facts: Facts) -> Verdict:
    states = facts.probes or tuple(ProbeFacts() for _ in service.readiness)
    for probe, state in zip(service.readiness, states, strict=True):
        answer = state.last.text if state.last is not None else ""
        asked = describe(probe)
        if state.streak >= probe.successes:
            continue
        if state.overdue:
            return _never(f"{asked} did not hold within {probe.deadline:g} s", asked=asked, answer=answer)
        counted = f" ({state.streak} of {probe.successes})" if probe.successes > 1 else ""
        return _not_yet(f"{asked} does not hold yet{counted}", asked=asked, answer=answer)
    return Verdict(word=Word.READY, reason="ready", asked=", ".join(map(describe, service.readiness)))


def describe(probe: Probe) -> str:
    """Name a probe for people, without values that could be secret."""
    match probe.kind:
        case ProbeKind.LISTENING:
            return f"listening on {', '.join(map(str, probe.ports))}" if probe.ports else "listening"
        case ProbeKind.TCP:
            return f"tcp {probe.host or ''}:{probe.port}"
        case ProbeKind.HTTP:
            return f"{probe.scheme} {probe.host or ''}:{probe.port}{probe.path}"
        case ProbeKind.EXEC:
            match probe.command:
                case ("CMD-SHELL", *_):
                    return "exec sh"
                case ("CMD", word, *_) | (word, *_):
                    return f"exec {word}"
            return "exec"
        case ProbeKind.LOG:
            return f"log /{probe.pattern}/"


def _last_line(text: str) -> str:
    """Return the last line that says something: the end of a traceback, not all of it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _adjective(condition: Condition) -> str:
    return condition.value.removeprefix("service_")


def _exit_words(observed: Observed) -> str:
    code = "an unknown code" if observed.exit_code is None else f"code {observed.exit_code}"
    killed = " (out of memory)" if observed.oom_killed else ""
    return f"exited with {code}{killed}"


def _never(reason: str, *, asked: str = "engine", answer: str = "", exit_code: int | None = None) -> Verdict:
    return Verdict(word=Word.NEVER, reason=reason, asked=asked, answer=answer, exit_code=exit_code)


def _not_yet(reason: str, *, asked: str = "", answer: str = "", exit_code: int | None = None) -> Verdict:
    return Verdict(word=Word.NOT_YET, reason=reason, asked=asked, answer=answer, exit_code=exit_code)

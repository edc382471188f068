"""The judge: facts in, one of three answers out. Rules are quoted from SEMANTICS 1 and 3."""

from __future__ import annotations

from typing import Any

import pytest

from zun_compose.container import Health, Observed, PortKey, State
from zun_compose.model import Condition, Expose, Healthcheck, Port, Probe, ProbeKind, Service
from zun_compose.readiness import (
    Facts,
    ProbeFacts,
    Verdict,
    Word,
    combine,
    deadline,
    declares_sctp_only,
    describe,
    judge,
    missing_ports,
    port_groups,
    strongest,
)
from zun_compose.sighting import Answer, SocketReading

TCP80 = PortKey(80)
CHECK = Healthcheck(test=("CMD", "check"))
SERVER = Service(name="db", expose=(Expose(first=80, last=80),))
CHECKED = Service(name="db", healthcheck=CHECK)
PLAIN = Service(name="db")
PROBED = Service(
    name="db", readiness=(Probe(kind=ProbeKind.EXEC, command=("ok",), successes=2, deadline=9.0),)
)


def seen(state: State = State.RUNNING, **facts: Any) -> Observed:
    return Observed(id="c", name="c", service="db", number=1, state=state, **facts)


def facts(state: State = State.RUNNING, *, listening: tuple[int, ...] | None = None, **known: Any) -> Facts:
    own = {key: known.pop(key) for key in ("passed", "unhealthy", "check", "probes", "gone") if key in known}
    sockets = known.pop("sockets", None)
    if listening is not None:
        sockets = SocketReading(listening=frozenset(map(PortKey, listening)), source="test")
    return Facts(observed=seen(state, **known), sockets=sockets, **own)


def word(condition: Condition, service: Service, known: Facts, **edge: Any) -> tuple[Word, str]:
    verdict = judge(condition, service, known, **edge)
    return verdict.word, verdict.reason


READY, NOT_YET, NEVER = Word.READY, Word.NOT_YET, Word.NEVER
L, H, R = Condition.LISTENING, Condition.HEALTHY, Condition.READY


@pytest.mark.parametrize(
    ("condition", "service", "known", "expected"),
    [
        # Whatever is asked: what has not begun is not yet, what was removed never will be.
        (L, SERVER, Facts(), (NOT_YET, "not looked at yet")),
        (L, SERVER, facts(State.CREATED), (NOT_YET, "created, not started")),
        (L, SERVER, facts(gone=True), (NEVER, "was removed")),
        # "the dependency exited before the gate opened (any code)"
        (L, SERVER, facts(State.EXITED, exit_code=0), (NEVER, "exited with code 0 before it was listening")),
        (H, CHECKED, facts(State.DEAD, exit_code=1), (NEVER, "exited with code 1 before it was healthy")),
        (
            L,
            SERVER,
            facts(State.EXITED, exit_code=137, oom_killed=True),
            (NEVER, "exited with code 137 (out of memory) before it was listening"),
        ),
        (R, PLAIN, facts(State.EXITED, exit_code=1), (NEVER, "exited with code 1")),
        # A gate on started is about the start alone.
        (Condition.STARTED, PLAIN, facts(State.EXITED, exit_code=1), (READY, "started")),
        (L, SERVER, facts(State.PAUSED), (NOT_YET, "paused")),
        # Listening.
        (L, SERVER, facts(), (NOT_YET, "not listening on 80/tcp yet")),
        (L, SERVER, facts(listening=(81,)), (NOT_YET, "not listening on 80/tcp yet")),
        (L, SERVER, facts(listening=(80, 81)), (READY, "listening on 80/tcp")),
        (
            L,
            SERVER,
            facts(sockets=SocketReading(loopback=frozenset({TCP80}))),
            (NOT_YET, "not listening on 80/tcp yet (on loopback only: 80/tcp)"),
        ),
        # "a port bound before the container started is Never", "any other counts and is marked unattributed"
        (
            L,
            SERVER,
            facts(sockets=SocketReading(foreign=frozenset({TCP80}))),
            (NEVER, "port 80/tcp is held by another process"),
        ),
        (
            L,
            SERVER,
            facts(sockets=SocketReading(listening=frozenset({TCP80}), unattributed=frozenset({TCP80}))),
            (READY, "listening on 80/tcp (owner not told)"),
        ),
        # "with neither, a listening gate is Never at once"
        (L, PLAIN, facts(), (NEVER, "declares no ports and its image exposes none")),
        # "if the file names none, at least one of the image's EXPOSE"
        (L, PLAIN, facts(listening=(8,), exposed=(PortKey(7), PortKey(8))), (READY, "listening on 8/tcp")),
        # "SCTP is reported as not observable and holds no gate"
        (
            L,
            Service(name="db", expose=(Expose(first=80, last=80, protocol="sctp"),)),
            facts(),
            (READY, "its SCTP ports cannot be observed"),
        ),
        # Health: the engine's word, or one success of ours.
        (H, CHECKED, facts(health=Health.STARTING), (NOT_YET, "healthcheck has not passed yet")),
        (H, CHECKED, facts(health=Health.HEALTHY), (READY, "healthy")),
        (H, CHECKED, facts(health=Health.STARTING, passed=True), (READY, "healthy")),
        (H, CHECKED, facts(health=Health.UNHEALTHY), (NEVER, "is unhealthy by its healthcheck")),
        (H, CHECKED, facts(unhealthy=True), (NEVER, "is unhealthy by its healthcheck")),
        (H, PLAIN, facts(), (NEVER, "declares no healthcheck")),
        (
            H,
            Service(name="db", healthcheck=Healthcheck(test=("NONE",))),
            facts(),
            (NEVER, "declares no healthcheck"),
        ),
        # The container's own word on its check wins over the file's: images declare checks too.
        (H, PLAIN, facts(detailed=True, healthcheck=CHECK, health=Health.HEALTHY), (READY, "healthy")),
        # "ready = the strongest thing a service declares"
        (R, SERVER, facts(listening=()), (NOT_YET, "not listening on 80/tcp yet")),
        (R, CHECKED, facts(passed=True), (READY, "healthy")),
        (R, PLAIN, facts(), (READY, "started")),
        (R, PROBED, facts(health=Health.HEALTHY), (NOT_YET, "exec ok does not hold yet (0 of 2)")),
        (
            R,
            PROBED,
            facts(probes=(ProbeFacts(streak=1),)),
            (NOT_YET, "exec ok does not hold yet (1 of 2)"),
        ),
        (R, PROBED, facts(probes=(ProbeFacts(streak=2),)), (READY, "ready")),
        (R, PROBED, facts(probes=(ProbeFacts(overdue=True),)), (NEVER, "exec ok did not hold within 9 s")),
    ],
)
def test_verdicts(condition: Condition, service: Service, known: Facts, expected: tuple[Word, str]) -> None:
    assert word(condition, service, known) == expected


CRASHED = facts(State.RESTARTING, exit_code=9, restart_count=2)


@pytest.mark.parametrize(
    ("condition", "known", "retries", "expected"),
    [
        (L, CRASHED, None, NOT_YET),
        (L, CRASHED, 2, NOT_YET),
        (L, CRASHED, 1, NEVER),
        # Between two crashes it runs, but the edge has forgiven as often as it does.
        (L, facts(restart_count=2, listening=()), 1, NEVER),
        (Condition.COMPLETED, CRASHED, 2, NOT_YET),
        (Condition.COMPLETED, CRASHED, 1, NEVER),
        (Condition.COMPLETED_SUCCESSFULLY, facts(restart_count=2), 1, NEVER),
        (Condition.COMPLETED_SUCCESSFULLY, facts(restart_count=2), None, NOT_YET),
    ],
)
def test_an_edge_forgives_so_many_crashes(
    condition: Condition, known: Facts, retries: int | None, expected: Word
) -> None:
    """SEMANTICS 1: "the policy's count or the edge's retries is used up"; "Other crashes are *not yet*"."""
    assert judge(condition, SERVER, known, retries=retries).word is expected


def test_what_was_started_is_not_ready_between_two_runs() -> None:
    assert judge(Condition.READY, PLAIN, CRASHED).word is NOT_YET
    # A gate on started asks whether it was, not whether it stays.
    assert judge(Condition.STARTED, PLAIN, CRASHED).word is READY


@pytest.mark.parametrize(
    ("condition", "code", "expected"),
    [
        (Condition.COMPLETED, 0, READY),
        (Condition.COMPLETED, 3, READY),
        (Condition.COMPLETED_SUCCESSFULLY, 0, READY),
        (Condition.COMPLETED_SUCCESSFULLY, 3, NEVER),
    ],
)
def test_what_an_end_means(condition: Condition, code: int, expected: Word) -> None:
    """SEMANTICS 1: "`service_completed` (any exit code)"; "only what contradicts them"."""
    verdict = judge(condition, PLAIN, facts(State.EXITED, exit_code=code))
    assert (verdict.word, verdict.exit_code) == (expected, code)


def ports(*declared: str, expose: tuple[Expose, ...] = ()) -> Service:
    made = []
    for text in declared:
        target, _, protocol = text.partition("/")
        first, _, last = target.partition("-")
        span = (int(first), int(last)) if last else None
        made.append(Port(target=int(first), protocol=protocol or "tcp", span=span))
    return Service(name="db", ports=tuple(made), expose=expose)


@pytest.mark.parametrize(
    ("service", "exposed", "listening", "missing"),
    [
        # "all of them, of a range at least one"
        (ports("80", "81"), (), (80,), ["81/tcp"]),
        (ports("80-83"), (), (82,), []),
        (ports("80-83"), (), (), ["80-83/tcp"]),
        (ports("80", expose=(Expose(first=90, last=95),)), (), (80, 91), []),
        # What the image exposes counts only if the file names nothing.
        (ports("80"), (PortKey(443),), (80,), []),
        (ports(), (PortKey(80), PortKey(443)), (443,), []),
        (ports(), (PortKey(80), PortKey(443)), (), ["80/tcp or 443/tcp"]),
        (ports("80", "9/sctp"), (), (80,), []),
    ],
)
def test_which_ports_are_needed(
    service: Service, exposed: tuple[PortKey, ...], listening: tuple[int, ...], missing: list[str]
) -> None:
    groups = port_groups(service, exposed)
    assert missing_ports(groups, frozenset(map(PortKey, listening))) == missing


def test_udp_and_tcp_are_two_ports() -> None:
    """SEMANTICS 1: "UDP counts when bound"."""
    groups = port_groups(ports("53/udp"))
    assert missing_ports(groups, frozenset({PortKey(53)})) == ["53/udp"]
    assert missing_ports(groups, frozenset({PortKey(53, "udp")})) == []


def test_sctp_alone_cannot_be_observed() -> None:
    assert declares_sctp_only(ports("9/sctp"))
    assert not declares_sctp_only(ports("9/sctp", "80"))
    assert not declares_sctp_only(PLAIN)


def test_what_ready_means() -> None:
    """SEMANTICS 1: "its readiness probes; else its healthcheck; else listening [...]; else started"."""
    everything = Service(
        name="a", healthcheck=CHECK, expose=(Expose(first=1, last=1),), readiness=PROBED.readiness
    )
    assert strongest(everything, None) is Condition.READY
    assert strongest(Service(name="a", healthcheck=CHECK, expose=everything.expose), None) is H
    assert strongest(Service(name="a", expose=everything.expose), None) is L
    assert strongest(Service(name="a"), None) is Condition.STARTED
    assert strongest(Service(name="a"), seen(exposed=(TCP80,))) is L


SLOW = Service(
    name="a", healthcheck=Healthcheck(test=("CMD", "x"), interval=100.0, timeout=50.0, start_period=7.0)
)


@pytest.mark.parametrize(
    ("condition", "service", "seconds"),
    [
        (L, SERVER, 300.0),
        (H, CHECKED, 300.0),
        (H, SLOW, 607.0),  # 7 + (3 + 1) x (100 + 50)
        (R, SLOW, 607.0),
        (R, SERVER, 300.0),
        (L, SLOW, 300.0),
        (Condition.COMPLETED, SLOW, None),
        (Condition.COMPLETED_SUCCESSFULLY, PLAIN, None),
    ],
)
def test_default_deadlines(condition: Condition, service: Service, seconds: float | None) -> None:
    """SEMANTICS 1, "Deadlines"."""
    assert deadline(condition, service, None) == seconds


def verdicts(text: str) -> list[Verdict]:
    words = {"r": READY, "n": NOT_YET, "x": NEVER}
    return [Verdict(word=words[letter], reason=f"{letter}{place}") for place, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("text", "replicas", "expected", "reason"),
    [
        ("", None, READY, "scaled to 0"),
        ("", 3, READY, "scaled to 0"),
        ("rr", None, READY, "r0"),
        ("rn", None, NOT_YET, "1 of 2 containers; n1"),
        ("rx", None, NEVER, "x1"),
        ("nx", None, NEVER, "x1"),
        ("xr", 1, READY, "r1"),
        ("xn", 1, NOT_YET, "0 of 1 containers; n1"),
        ("xx", 1, NEVER, "x0"),
        ("rrx", 2, READY, "r0"),
        ("rxx", 2, NEVER, "x1"),
        ("r", 5, READY, "r0"),
        ("n", None, NOT_YET, "n0"),
    ],
)
def test_replicas(text: str, replicas: int | None, expected: Word, reason: str) -> None:
    """SEMANTICS 1: "A gate on a scaled service means all replicas unless `replicas` says otherwise"."""
    verdict = combine(verdicts(text), replicas)
    assert (verdict.word, verdict.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (Probe(kind=ProbeKind.LISTENING), "listening"),
        (Probe(kind=ProbeKind.LISTENING, ports=(1, 2)), "listening on 1, 2"),
        (Probe(kind=ProbeKind.TCP, port=5, host="far"), "tcp far:5"),
        (Probe(kind=ProbeKind.HTTP, port=80, path="/up"), "http :80/up"),
        (Probe(kind=ProbeKind.EXEC, command=("psql", "-c", "password=hunter2")), "exec psql"),
        (Probe(kind=ProbeKind.EXEC, command=("CMD", "psql", "-c", "password=hunter2")), "exec psql"),
        (Probe(kind=ProbeKind.EXEC, command=("CMD-SHELL", "PASSWORD=hunter2 psql")), "exec sh"),
        (Probe(kind=ProbeKind.LOG, pattern="ready"), "log /ready/"),
    ],
)
def test_probes_are_named_without_values_that_could_be_secret(probe: Probe, words: str) -> None:
    assert describe(probe) == words


def test_a_verdict_quotes_the_last_answer() -> None:
    known = facts(check=Answer(ok=False, text="exit 1: no route"), health=Health.STARTING)
    assert judge(H, CHECKED, known).answer == "exit 1: no route"
    known = facts(health=Health.UNHEALTHY, health_log="engine says no")
    assert judge(H, CHECKED, known).answer == "engine says no"


def test_crashes_before_this_operation_are_not_held_against_a_container() -> None:
    """SEMANTICS 1: "retries" counts on the edge: what an earlier life of the stack saw is forgiven."""
    crashed = seen(restart_count=3)
    verdict = judge(Condition.LISTENING, SERVER, Facts(observed=crashed, forgiven=3), retries=1)
    assert verdict.word is Word.NOT_YET


def test_what_holds_now_is_ready_however_often_it_crashed() -> None:
    """A gate asks what is; a count of crashes only ends the waiting for what is not."""
    known = Facts(observed=seen(restart_count=3), sockets=SocketReading(listening=frozenset({PortKey(80)})))
    assert judge(Condition.LISTENING, SERVER, known, retries=1).word is Word.READY

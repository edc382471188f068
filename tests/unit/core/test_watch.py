"""When a container is looked at, checked and probed, and what one observer makes of it. SEMANTICS 3."""

from __future__ import annotations

from typing import Any

import pytest

from zun_compose.container import Health, Observed, PortKey, State
from zun_compose.model import Condition, Expose, External, Healthcheck, Probe, ProbeKind, Service
from zun_compose.outside import OutsideWatch
from zun_compose.readiness import Facts, ProbeFacts, Word
from zun_compose.sighting import Answer, Sighting, SocketReading
from zun_compose.standing import standing
from zun_compose.status import Readiness
from zun_compose.watch import Ask, Check, Look, Watch, look_pause

CHECK = Healthcheck(test=("CMD", "check"), interval=10.0, timeout=3.0, retries=2)
SERVER = Service(name="db", expose=(Expose(first=80, last=80),))
CHECKED = Service(name="db", healthcheck=CHECK)
BOTH = Service(name="db", healthcheck=CHECK, expose=SERVER.expose)
OK, NO = Answer(ok=True, text="ok"), Answer(ok=False, text="no", exit_code=1)


def watch(service: Service, *conditions: Condition, engine_checks: bool = True, at: float = 0.0) -> Watch:
    made = Watch("h", service, engine_checks=engine_checks)
    made.begin(at)
    made.attend(frozenset(conditions), at)
    return made


def sighting(
    state: State = State.RUNNING, *, ports: tuple[int, ...] | None = None, life: str = "t1", **known: Any
) -> Sighting:
    sockets = None
    if ports is not None:
        sockets = SocketReading(listening=frozenset(map(PortKey, ports)), complete=True)
    observed = Observed(
        id="c", name="c", service="db", number=1, state=state, started_at=life, pid=5, **known
    )
    return Sighting(container="c", observed=observed, sockets=sockets)


def due(made: Watch, now: float) -> list[str]:
    return [type(attention).__name__ for attention in made.due(now)]


def test_a_look_is_under_way_once() -> None:
    made = watch(SERVER, Condition.LISTENING)
    assert due(made, 0.0) == ["Look"]
    assert due(made, 5.0) == []
    made.saw(sighting(), 5.0, 1)
    assert due(made, 5.02) == ["Look"]


def test_the_first_look_asks_the_engine_and_later_ones_mostly_the_sockets() -> None:
    made = watch(SERVER, Condition.LISTENING)
    (first,) = made.due(0.0)
    assert isinstance(first, Look)
    assert (first.detail, first.sockets) == (True, False), "before it is known to run there are no sockets"
    made.saw(sighting(), 0.0, 1)
    (second,) = made.due(0.01)
    assert isinstance(second, Look)
    assert (second.detail, second.sockets, second.wanted) == (False, True, frozenset({PortKey(80)}))
    made.saw(sighting(ports=()), 0.02, 1)
    later = [look for look in made.due(1.5) if isinstance(look, Look)]
    assert [look.detail for look in later] == [True, False], "the engine is asked too, should events be lost"


def test_a_hint_brings_a_detailed_look_at_once_even_while_one_is_under_way() -> None:
    made = watch(SERVER, Condition.LISTENING)
    due(made, 0.0)
    made.hint(0.1)
    assert due(made, 0.1) == []
    made.saw(sighting(), 0.2, 1)
    look = next(made.due(0.2))
    assert isinstance(look, Look)
    assert look.detail


@pytest.mark.parametrize(("age", "at_most"), [(0.5, 0.02), (10.0, 0.05), (100.0, 0.1), (1_000.0, 0.5)])
def test_pauses_are_short_when_young(age: float, at_most: float) -> None:
    """SEMANTICS 3: "ticks are short just after a start or an event"."""
    assert look_pause(age, 1, 0.0004) <= at_most


def test_many_waits_stay_cheap() -> None:
    """SEMANTICS 3: "200 waiting services cost under 10 % of a core"."""
    for cost in (0.0004, 0.002, 0.05):
        pause = look_pause(0.5, 200, cost)
        assert pause == 5.0 or 200 * cost / pause <= 0.10
    assert look_pause(0.5, 100_000, 1.0) == 5.0, "and no wait is looked at less than every five seconds"


def test_a_new_life_forgets_what_held_in_the_last() -> None:
    made = watch(BOTH, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(ports=(80,)), 0.0, 1)
    made.checked(OK, 1.0)
    assert made.facts.passed
    made.saw(sighting(life="t2"), 2.0, 1)
    assert not made.facts.passed
    assert made.facts.sockets is None


def test_the_check_starts_when_the_ports_listen() -> None:
    """SEMANTICS 3: "start when the ports listen if there are any"."""
    made = watch(BOTH, Condition.HEALTHY)
    assert due(made, 0.0) == ["Look"]
    made.saw(sighting(ports=()), 0.0, 1)
    assert "Check" not in due(made, 0.1)
    made.saw(sighting(ports=(80,)), 0.2, 1)
    assert "Check" in due(made, 0.2)


def test_checks_never_overlap_and_pause_as_long_as_the_last_took() -> None:
    """SEMANTICS 3: "never two at once, pause at least the last run's duration, at most `interval`"."""
    made = watch(CHECKED, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    (check,) = [one for one in made.due(0.1) if isinstance(one, Check)]
    assert check.timeout == 3.0
    assert "Check" not in due(made, 9.0)
    made.checked(Answer(ok=False, seconds=2.0, exit_code=1), 9.0)
    made.saw(sighting(), 9.0, 1)
    assert "Check" not in due(made, 10.9)
    assert "Check" in due(made, 11.1)
    made.checked(Answer(ok=False, seconds=60.0, exit_code=1), 100.0)
    assert "Check" in due(made, 110.1), "at most the interval"


def test_a_check_over_its_timeout_is_left_time_to_end() -> None:
    """SEMANTICS 3: "A run over its timeout is not repeated until it has ended"."""
    made = watch(CHECKED, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    due(made, 0.1)
    made.checked(Answer(ok=False, text="no answer within 3 s", seconds=3.0), 3.1)
    assert "Check" not in due(made, 13.0)
    assert "Check" in due(made, 13.2)


def glance(made: Watch, now: float, *ports: int) -> None:
    """Let the look at the sockets that is under way come back, as often as it is asked for."""
    sockets = SocketReading(loopback=frozenset(map(PortKey, ports)), complete=True)
    made.saw(Sighting(container="c", sockets=sockets, life="t1"), now, 1)


def test_a_port_that_opens_undeclared_brings_the_next_check_at_once() -> None:
    made = watch(CHECKED, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    assert due(made, 0.0) == ["Look", "Check"]
    glance(made, 0.02)
    made.checked(Answer(ok=False, seconds=0.05, exit_code=1), 0.05)
    assert due(made, 0.12) == ["Look"], "it pauses longer while it watches what opens"
    glance(made, 0.13, 8080)
    assert "Check" in due(made, 0.13)


def test_a_port_that_opens_during_a_check_leaves_the_pause_of_one_run() -> None:
    made = watch(CHECKED, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    due(made, 0.0)
    glance(made, 0.02, 8080)
    made.checked(Answer(ok=False, seconds=0.05, exit_code=1), 0.05)
    assert "Check" not in due(made, 0.09)
    assert "Check" in due(made, 0.11)


def test_no_port_shortens_the_rest_after_a_timeout() -> None:
    made = watch(CHECKED, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    due(made, 0.0)
    glance(made, 0.02)
    made.checked(Answer(ok=False, text="no answer within 3 s", seconds=3.0), 3.0)
    glance(made, 3.1, 8080)
    assert "Check" not in due(made, 12.9)


def test_once_healthy_it_is_not_checked_again() -> None:
    made = watch(CHECKED, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(health=Health.HEALTHY), 0.0, 1)
    assert "Check" not in due(made, 50.0)


def test_nobody_checks_what_nobody_waits_for() -> None:
    made = watch(CHECKED, Condition.COMPLETED)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    assert "Check" not in due(made, 50.0)


def test_a_check_that_could_not_be_run_is_no_verdict() -> None:
    """An image without a shell: that is no word on the service, and counts as no failure."""
    made = watch(CHECKED, Condition.HEALTHY, engine_checks=False)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    for now in range(10, 100, 10):
        made.checked(Answer(ok=False, ran=False, text="no shell"), float(now))
    assert not made.facts.unhealthy


@pytest.mark.parametrize(("start_period", "unhealthy_at"), [(None, 11.0), (25.0, 36.0)])
def test_our_own_verdict_counts_by_the_declared_interval_after_start_period(
    start_period: float | None, unhealthy_at: float
) -> None:
    """SEMANTICS 3: "our observer's, at declared interval, retries, start_period" (here 10 s and 2)."""
    declared = Healthcheck(test=CHECK.test, interval=10.0, timeout=3.0, retries=2, start_period=start_period)
    made = watch(Service(name="db", healthcheck=declared), Condition.HEALTHY, engine_checks=False)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    when = None
    for now in range(1, 100, 5):
        made.checked(NO, float(now))
        if made.facts.unhealthy:
            when = float(now)
            break
    assert when == unhealthy_at


def test_a_probe_needs_its_successes_in_a_row() -> None:
    probe = Probe(kind=ProbeKind.EXEC, command=("ok",), successes=2, interval=1.0, deadline=6.0)
    made = watch(Service(name="db", readiness=(probe,)), Condition.READY)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    for now, answer, streak in ((0.1, OK, 1), (1.2, NO, 0), (2.0, OK, 1), (3.1, OK, 2)):
        assert [one for one in made.due(now) if isinstance(one, Ask)] == [Ask(handle="h", probe=0)]
        made.asked(0, answer, now)
        assert made.facts.probes[0].streak == streak
    assert "Ask" not in due(made, 60.0), "what held is not asked again"


def test_a_probe_past_its_deadline_is_overdue() -> None:
    probe = Probe(kind=ProbeKind.EXEC, command=("ok",), deadline=6.0)
    made = watch(Service(name="db", readiness=(probe,)), Condition.READY)
    due(made, 0.0)
    made.saw(sighting(), 0.0, 1)
    made.asked(0, NO, 5.9)
    assert not made.facts.probes[0].overdue
    made.asked(0, NO, 6.1)
    assert made.facts.probes[0].overdue


def test_the_sockets_answer_listening_probes() -> None:
    """One socket-table read serves gates and probes: no second observer."""
    probe = Probe(kind=ProbeKind.LISTENING, ports=(81,))
    made = watch(Service(name="db", readiness=(probe,)), Condition.READY)
    due(made, 0.0)
    made.saw(sighting(ports=(80,)), 0.0, 1)
    assert made.facts.probes[0] == ProbeFacts(last=Answer(ok=False, text="not listening on 81/tcp"))
    made.saw(sighting(ports=(81,)), 0.1, 1)
    assert made.facts.probes[0].streak == 1
    assert "Ask" not in due(made, 5.0)


def test_a_relaxed_watch_looks_on_and_asks_nothing_else() -> None:
    made = watch(BOTH, Condition.HEALTHY)
    due(made, 0.0)
    made.saw(sighting(ports=(80,)), 0.0, 1)
    made.relax(1.0)
    assert due(made, 1.5) == []
    assert set(due(made, 2.5)) == {"Look"}


# Externals.


def outside(*probes: Probe) -> OutsideWatch:
    return OutsideWatch(External(name="far", probes=probes), 100.0)


def test_an_external_is_ready_once_every_probe_held() -> None:
    tcp = Probe(kind=ProbeKind.TCP, host="far", port=1, interval=2.0)
    http = Probe(kind=ProbeKind.HTTP, host="far", port=80, interval=2.0, successes=2)
    made = outside(tcp, http)
    assert [ask.probe for ask in made.due(100.0)] == [0, 1]
    assert list(made.due(150.0)) == [], "both are under way"
    made.asked(0, OK, 150.0)
    made.asked(1, OK, 150.0)
    assert made.verdict().word is Word.NOT_YET
    assert made.wake_at() == 152.0
    assert [ask.probe for ask in made.due(152.0)] == [1]
    made.asked(1, OK, 152.0)
    assert made.verdict().word is Word.READY
    assert made.wake_at() == float("inf")


def test_an_externals_probe_has_its_deadline() -> None:
    """Fault locked: it was never looked at."""
    made = outside(Probe(kind=ProbeKind.TCP, host="far", port=1, deadline=5.0))
    list(made.due(100.0))
    made.asked(0, NO, 104.0)
    assert made.verdict().word is Word.NOT_YET
    made.asked(0, NO, 106.0)
    verdict = made.verdict()
    assert (verdict.word, verdict.reason) == (Word.NEVER, "tcp far:1 did not hold within 5 s")
    assert verdict.answer == "no"


# The word that ps shows.


@pytest.mark.parametrize(
    ("service", "seen", "word"),
    [
        (SERVER, sighting(State.CREATED), Readiness.CREATED),
        (SERVER, sighting(), Readiness.STARTED),
        (SERVER, sighting(ports=(80,)), Readiness.READY),
        (SERVER, sighting(State.EXITED, exit_code=0), Readiness.FAILED),
        (SERVER, sighting(State.RESTARTING, exit_code=1), Readiness.STARTED),
        (BOTH, sighting(ports=(80,)), Readiness.LISTENING),
        (BOTH, sighting(ports=(), health=Health.HEALTHY), Readiness.READY),
        (CHECKED, sighting(), Readiness.STARTED),
        (Service(name="db"), sighting(), Readiness.READY),
        (Service(name="db"), sighting(State.EXITED, exit_code=0), Readiness.COMPLETED),
        (Service(name="db"), sighting(State.EXITED, exit_code=2), Readiness.FAILED),
        (Service(name="db", job=True), sighting(), Readiness.STARTED),
        (
            Service(name="db", job=True, expose=SERVER.expose),
            sighting(State.EXITED, exit_code=0),
            Readiness.COMPLETED,
        ),
        (Service(name="db", job=True), sighting(State.EXITED, exit_code=2), Readiness.FAILED),
    ],
)
def test_standing(service: Service, seen: Sighting, word: Readiness) -> None:
    """SEMANTICS 7: "Readiness (created, started, listening, healthy, ready, completed, failed, skipped)"."""
    assert standing(service, Facts(observed=seen.observed, sockets=seen.sockets))[0] is word


def test_healthy_is_less_than_ready_where_probes_decide() -> None:
    probe = Probe(kind=ProbeKind.EXEC, command=("ok",))
    service = Service(name="db", healthcheck=CHECK, readiness=(probe,))
    seen = sighting(health=Health.HEALTHY)
    assert standing(service, Facts(observed=seen.observed))[0] is Readiness.HEALTHY
    held = Facts(observed=seen.observed, probes=(ProbeFacts(streak=1),))
    assert standing(service, held)[0] is Readiness.READY

"""The schedule as tables: a line that sets a stack up, then what happens and what comes out.

Each row quotes the rule of SEMANTICS that it holds. `script` explains the words.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.unit.core.script import Play, stack
from zun_compose.errors import SpecError
from zun_compose.model import Condition, Dependency, Service, Stack
from zun_compose.schedule import Phase


@dataclass(frozen=True)
class Row:
    """One table row. `lines` pairs what happens with all that comes out of it."""

    name: str
    rule: str
    setup: str
    lines: tuple[tuple[str, list[str]], ...]
    failures: tuple[str, ...] = ()
    wait: bool = False
    wait_timeout: float | None = None
    engine_checks: bool = True


STARTED = ["db-1 is started", "wait web->db listening: not looked at yet"]
WAITING = ["wait web->db listening: not listening on 80/tcp yet"]
LATE = "not listening on 80/tcp yet when the wait timeout of 10 s was over"
DIED = "exited with code 3 before it was listening"

ROWS = (
    Row(
        "a gate latches",
        "Gates latch: a flap after opening is an event, not an undoing.",
        "db :80; web needs db listening",
        (
            ("start db", STARTED),
            ("db runs", WAITING),
            ("db runs 80", ["db-1 is ready", "open web->db listening", "start web-1"]),
            (
                "db runs",
                [
                    "unsteady t-db-1: was ready, is started now: not listening on 80/tcp yet",
                    "db-1 is started",
                ],
            ),
            ("start web", ["web-1 is started"]),
        ),
    ),
    Row(
        "never fails at once",
        "Never fails at once, whatever else is still waiting; dependents are skipped with the cause.",
        "slow hc; db :80; web needs slow healthy, db listening; app needs web started",
        (
            ("start slow", ["slow-1 is started", "wait web->slow healthy: not looked at yet"]),
            ("slow runs", ["wait web->slow healthy: healthcheck has not passed yet"]),
            ("start db", STARTED),
            (
                "db exits 3",
                [
                    "db-1 is failed",
                    f"fail web->db listening: {DIED} [code 3]",
                    f'skip start web-1: "db" {DIED}',
                    "web-1 is skipped",
                    f'skip start app-1: "db" {DIED}',
                    "app-1 is skipped",
                ],
            ),
        ),
        failures=(f"web -> db: service_listening: {DIED}",),
    ),
    Row(
        "unrelated branches go on",
        "dependents are skipped with the cause; unrelated branches go on",
        "db :80; web needs db listening; other; more needs other started",
        (
            ("start db", STARTED),
            (
                "db exits 3",
                [
                    "db-1 is failed",
                    f"fail web->db listening: {DIED} [code 3]",
                    f'skip start web-1: "db" {DIED}',
                    "web-1 is skipped",
                ],
            ),
            ("start other", ["other-1 is started", "open more->other started", "start more-1"]),
        ),
        failures=(f"web -> db: service_listening: {DIED}",),
    ),
    Row(
        "an exit with code 0 is the end too",
        "the dependency exited before the gate opened (any code)",
        "db :80; web needs db listening",
        (
            ("start db", STARTED),
            (
                "db exits 0",
                [
                    "db-1 is failed",
                    "fail web->db listening: exited with code 0 before it was listening [code 0]",
                    'skip start web-1: "db" exited with code 0 before it was listening',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_listening: exited with code 0 before it was listening",),
    ),
    Row(
        "a gate's clock starts with the container",
        "A gate's clock starts when its dependency's container was started",
        "db :80; web needs db listening 5s",
        (
            ("+60", []),
            ("start db", STARTED),
            ("db runs", WAITING),
            ("+4.9", []),
            (
                "+0.2",
                [
                    "fail web->db listening: not listening on 80/tcp yet after 5 s (late)",
                    'skip start web-1: "db": not listening on 80/tcp yet after 5 s',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_listening: not listening on 80/tcp yet after 5 s",),
    ),
    Row(
        "five minutes by default",
        "Default 5 minutes",
        "db :80; web needs db listening",
        (
            ("start db", STARTED),
            ("db runs", WAITING),
            ("+299.9", []),
            (
                "+0.2",
                [
                    "fail web->db listening: not listening on 80/tcp yet after 300 s (late)",
                    'skip start web-1: "db": not listening on 80/tcp yet after 300 s',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_listening: not listening on 80/tcp yet after 300 s",),
    ),
    Row(
        "no limit for an end",
        "for completion none (a migration may take hours), but the wait is always shown",
        "mig job; web needs mig succeeded",
        (
            ("start mig", ["mig-1 is started", "wait web->mig completed_successfully: not looked at yet"]),
            ("mig runs", ["wait web->mig completed_successfully: still running"]),
            ("+36000", []),
            ("mig exits 0", ["mig-1 is completed", "open web->mig completed_successfully", "start web-1"]),
        ),
    ),
    Row(
        "what contradicts success",
        "for the completed gates only what contradicts them",
        "mig job; web needs mig succeeded; log needs mig completed",
        (
            (
                "start mig",
                [
                    "mig-1 is started",
                    "wait web->mig completed_successfully: not looked at yet",
                    "wait log->mig completed: not looked at yet",
                ],
            ),
            (
                "mig exits 3",
                [
                    "mig-1 is failed",
                    "fail web->mig completed_successfully: exited with code 3 [code 3]",
                    'skip start web-1: "mig" exited with code 3',
                    "web-1 is skipped",
                    "open log->mig completed",
                    "start log-1",
                ],
            ),
        ),
        failures=("web -> mig: service_completed_successfully: exited with code 3",),
    ),
    Row(
        "a crash that heals is not yet",
        "Other crashes are *not yet*, shown with count, code [...] until the deadline; the edge's retries",
        "db :80 on-failure; web needs db listening r1",
        (
            ("start db", STARTED),
            (
                "db crashed 1 code 9",
                ["wait web->db listening: restarting after exited with code 9 (1 restarts so far)"],
            ),
            (
                "db crashed 2 code 9",
                [
                    "fail web->db listening: crashed 2 times, the edge allows 1 [code 9]",
                    'skip start web-1: "db" crashed 2 times, the edge allows 1',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_listening: crashed 2 times, the edge allows 1",),
    ),
    Row(
        "a healed crash opens",
        "Other crashes are *not yet*",
        "db :80 on-failure; web needs db listening",
        (
            ("start db", STARTED),
            (
                "db crashed 4 code 9",
                ["wait web->db listening: restarting after exited with code 9 (4 restarts so far)"],
            ),
            ("db runs 80", ["db-1 is ready", "open web->db listening", "start web-1"]),
        ),
    ),
    Row(
        "no healthcheck",
        "it lacks the healthcheck or the ports that the gate needs",
        "db :80; web needs db healthy",
        (
            ("start db", ["db-1 is started", "wait web->db healthy: not looked at yet"]),
            (
                "db runs",
                [
                    "fail web->db healthy: declares no healthcheck",
                    'skip start web-1: "db" declares no healthcheck',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_healthy: declares no healthcheck",),
    ),
    Row(
        "no ports",
        "with neither, a listening gate is Never at once",
        "db; web needs db listening",
        (
            ("start db", STARTED),
            (
                "db runs",
                [
                    "db-1 is ready",
                    "fail web->db listening: declares no ports and its image exposes none",
                    'skip start web-1: "db" declares no ports and its image exposes none',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_listening: declares no ports and its image exposes none",),
    ),
    Row(
        "all ports",
        "Ports are those of `ports:` and `expose:` (container side), all of them",
        "db :80 :81; web needs db listening",
        (
            ("start db", STARTED),
            ("db runs 80", ["wait web->db listening: not listening on 81/tcp yet"]),
            ("db runs 80 81", ["db-1 is ready", "open web->db listening", "start web-1"]),
        ),
    ),
    Row(
        "all replicas",
        "A gate on a scaled service means all replicas",
        "db x2 :80; web needs db listening",
        (
            ("start db", ["db-1 is started", "wait web->db listening: 0 of 2 containers; not looked at yet"]),
            ("start db/2", ["db-2 is started"]),
            (
                "db runs 80",
                ["db-1 is ready", "wait web->db listening: 1 of 2 containers; not looked at yet"],
            ),
            ("db/2 runs 80", ["db-2 is ready", "open web->db listening", "start web-1"]),
        ),
    ),
    Row(
        "one of the replicas",
        "unless `replicas` says otherwise",
        "db x3 :80; web needs db listening of1",
        (
            ("start db", ["db-1 is started", "wait web->db listening: 0 of 1 containers; not looked at yet"]),
            ("start db/2", ["db-2 is started"]),
            ("start db/3", ["db-3 is started"]),
            ("db exits 1", ["db-1 is failed"]),
            ("db/2 exits 1", ["db-2 is failed"]),
            ("db/3 runs 80", ["db-3 is ready", "open web->db listening", "start web-1"]),
        ),
    ),
    Row(
        "too few replicas are left",
        "A gate on a scaled service [...] `replicas`",
        "db x3 :80; web needs db listening of2",
        (
            ("start db", ["db-1 is started", "wait web->db listening: 0 of 2 containers; not looked at yet"]),
            ("start db/2", ["db-2 is started"]),
            ("start db/3", ["db-3 is started"]),
            ("db exits 1", ["db-1 is failed"]),
            (
                "db/2 exits 1",
                [
                    "db-2 is failed",
                    "fail web->db listening: exited with code 1 before it was listening [code 1]",
                    'skip start web-1: "db" exited with code 1 before it was listening',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_listening: exited with code 1 before it was listening",),
    ),
    Row(
        "what is not required",
        "`required` False turns a failure into a warning",
        "db :80; web needs db listening optional",
        (
            ("start db", STARTED),
            ("db exits 3", ["db-1 is failed", f"fail web->db listening: {DIED} [code 3]", "start web-1"]),
        ),
    ),
    Row(
        "a start that fails",
        "The message holds one line a cause, root causes first (errors.py)",
        "db; web needs db started; log needs db started optional",
        (
            (
                "break start db !driver.rejected",
                [
                    "broke start db-1, for good",
                    "fail log->db started: was not started: cannot start t-db-1: no",
                    "start log-1",
                    "skip start web-1: cannot start t-db-1: no",
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("cannot start t-db-1: no",),
    ),
    Row(
        "an optional edge on what was skipped is told",
        "`required` False turns a failure into a warning: also when its dependency is skipped",
        "far :80; db needs far listening; web needs db ready optional",
        (
            ("start far", ["far-1 is started", "wait db->far listening: not looked at yet"]),
            (
                "far exits 3",
                [
                    "far-1 is failed",
                    f"fail db->far listening: {DIED} [code 3]",
                    f'skip start db-1: "far" {DIED}',
                    "db-1 is skipped",
                    f'fail web->db ready: was not started: "far" {DIED}',
                    "start web-1",
                ],
            ),
        ),
        failures=(f"db -> far: service_listening: {DIED}",),
    ),
    Row(
        "retries with growing pauses",
        "the last two retryable (errors.py); four attempts",
        "db; web needs db started",
        (
            ("break start db driver.unavailable", ["broke start db-1, again in 0.5"]),
            ("+0.4", []),
            ("+0.2", ["start db-1 again (2)"]),
            ("break start db driver.timeout", ["broke start db-1, again in 1"]),
            ("+1.1", ["start db-1 again (3)"]),
            ("break start db driver.timeout", ["broke start db-1, again in 2"]),
            ("+1.9", []),
            ("+0.2", ["start db-1 again (4)"]),
            (
                "break start db driver.timeout",
                [
                    "broke start db-1, for good",
                    "skip start web-1: cannot start t-db-1: no",
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("cannot start t-db-1: no",),
    ),
    Row(
        "an external",
        "services outside the stack [...] named by x-depends-on, judged by probes alone",
        "web needs far started outside",
        (
            ("outside far no", ["wait web->far started: tcp far:1 does not hold yet: no"]),
            ("+3", []),
            ("outside far ok", ["open web->far started", "start web-1"]),
        ),
    ),
    Row(
        "an external that never answers",
        "Default 5 minutes",
        "web needs far started outside",
        (
            ("outside far no", ["wait web->far started: tcp far:1 does not hold yet: no"]),
            ("+299.9", []),
            (
                "+0.2",
                [
                    "fail web->far started: tcp far:1 does not hold yet after 300 s (late)",
                    'skip start web-1: "far": tcp far:1 does not hold yet after 300 s',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> far: service_started: tcp far:1 does not hold yet after 300 s",),
    ),
    Row(
        "our failures are no retries",
        "our failures never count as retries. Unhealthy is the daemon's word",
        "db hc; web needs db healthy",
        (
            ("start db", ["db-1 is started", "wait web->db healthy: not looked at yet"]),
            ("db runs", ["wait web->db healthy: healthcheck has not passed yet"]),
            ("db check no", ["wait web->db healthy: healthcheck has not passed yet: no"]),
            ("+11", []),
            ("db check no", []),
            ("+11", []),
            ("db check no", []),
            ("+11", []),
            ("db check no", []),
            (
                "db unhealthy",
                [
                    "fail web->db healthy: is unhealthy by its healthcheck",
                    'skip start web-1: "db" is unhealthy by its healthcheck',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_healthy: is unhealthy by its healthcheck",),
    ),
    Row(
        "our observer's retries where no daemon checks",
        "where no daemon runs checks [...] our observer's, at declared interval, retries, start_period",
        "db hc; web needs db healthy",
        (
            ("start db", ["db-1 is started", "wait web->db healthy: not looked at yet"]),
            ("db runs", ["wait web->db healthy: healthcheck has not passed yet"]),
            ("db check no", ["wait web->db healthy: healthcheck has not passed yet: no"]),
            # Runs between two intervals are early ones and do not count.
            ("+1", []),
            ("db check no", []),
            ("+1", []),
            ("db check no", []),
            ("+9", []),
            ("db check no", []),
            ("+10", []),
            (
                "db check no",
                [
                    "fail web->db healthy: is unhealthy by its healthcheck",
                    'skip start web-1: "db" is unhealthy by its healthcheck',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_healthy: is unhealthy by its healthcheck",),
        engine_checks=False,
    ),
    Row(
        "one success opens",
        "One success opens the gate",
        "db hc :80; web needs db healthy",
        (
            ("start db", ["db-1 is started", "wait web->db healthy: not looked at yet"]),
            ("db runs", ["wait web->db healthy: healthcheck has not passed yet"]),
            ("db runs 80", ["db-1 is listening"]),
            ("db check ok", ["db-1 is ready", "open web->db healthy", "start web-1"]),
        ),
    ),
    Row(
        "ready of what declares nothing",
        "ready = the strongest thing a service declares: [...] else started",
        "a; b needs a ready",
        (
            ("start a", ["a-1 is started", "wait b->a ready: not looked at yet"]),
            ("a runs", ["a-1 is ready", "open b->a ready", "start b-1"]),
        ),
    ),
    Row(
        "a completed one stays completed",
        "Readiness (created, started, listening, healthy, ready, completed, failed, skipped)",
        "a; b needs a ready",
        (
            ("start a", ["a-1 is started", "wait b->a ready: not looked at yet"]),
            ("a exits 0", ["a-1 is completed", "open b->a ready", "start b-1"]),
        ),
    ),
    Row(
        "waiting for all",
        "--wait waits for its end [a job's] and for ready of all others",
        "mig job; db :80",
        (
            (
                "start mig",
                ["mig-1 is started", "wait --wait->mig completed_successfully: not looked at yet"],
            ),
            ("start db", ["db-1 is started", "wait --wait->db ready: not looked at yet"]),
            ("db runs 80", ["db-1 is ready", "open --wait->db ready"]),
            (
                "mig exits 0",
                ["mig-1 is completed", "open --wait->mig completed_successfully", "sweep"],
            ),
            ("swept", []),
        ),
        wait=True,
    ),
    Row(
        "who exits before up returns fails it",
        "any other service that exits before `up` returns fails it",
        "db :80; web :80",
        (
            ("start db", ["db-1 is started", "wait --wait->db ready: not looked at yet"]),
            ("start web", ["web-1 is started", "wait --wait->web ready: not looked at yet"]),
            ("db runs 80", ["db-1 is ready", "open --wait->db ready"]),
            ("web runs 80", ["web-1 is ready", "open --wait->web ready", "sweep"]),
            (
                "swept db",
                [
                    "db-1 is failed",
                    "unsteady t-db-1: exited with code 1",
                    "fail --wait->db ready: exited with code 1 before up returned [code 1]",
                ],
            ),
        ),
        failures=("db: service_ready: exited with code 1 before up returned",),
        wait=True,
    ),
    Row(
        "except exit 0 of what declares nothing",
        "except exit 0 without ports, healthcheck or readiness",
        "tool; db :80",
        (
            ("start tool", ["tool-1 is started", "wait --wait->tool ready: not looked at yet"]),
            ("tool runs", ["tool-1 is ready", "open --wait->tool ready"]),
            ("start db", ["db-1 is started", "wait --wait->db ready: not looked at yet"]),
            ("hint tool", []),
            ("tool exits 0", ["tool-1 is completed"]),
            ("db runs 80", ["db-1 is ready", "open --wait->db ready", "sweep"]),
            ("swept", []),
        ),
        wait=True,
    ),
    Row(
        "the caller's own limit",
        "--wait-timeout bounds waits",
        "db :80; web needs db listening",
        (
            ("start db", STARTED),
            ("db runs", WAITING),
            ("+9.9", []),
            (
                "+0.2",
                [
                    f"fail web->db listening: {LATE} (late)",
                    f'skip start web-1: "db": {LATE}',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=(f"web -> db: service_listening: {LATE}",),
        wait_timeout=10.0,
    ),
    Row(
        "removed under our hands",
        "Never: what is gone does not come back",
        "db :80; web needs db listening",
        (
            ("start db", STARTED),
            (
                "db gone",
                [
                    "fail web->db listening: was removed",
                    'skip start web-1: "db" was removed',
                    "web-1 is skipped",
                ],
            ),
        ),
        failures=("web -> db: service_listening: was removed",),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_table(row: Row) -> None:
    play = Play(row.setup, wait=row.wait, wait_timeout=row.wait_timeout, engine_checks=row.engine_checks)
    came = [(happening, play(happening)) for happening, _ in row.lines]
    assert came == list(row.lines)
    assert tuple(play.schedule.failures) == row.failures


def test_scale_0_satisfies_every_gate() -> None:
    """SEMANTICS 1: "`scale: 0` satisfies every gate"."""
    conditions = ("started", "listening", "healthy", "ready", "completed", "succeeded")
    edges = ", ".join(f"none{index} {condition}" for index, condition in enumerate(conditions))
    nobody = "; ".join(f"none{index} x0" for index in range(len(conditions)))
    play = Play(f"{nobody}; web needs {edges}")
    assert play.schedule.phase("start web-1") is Phase.LAUNCHED


@pytest.mark.parametrize(
    ("healthcheck", "limit"),
    [
        ({"interval": 1.0, "timeout": 1.0, "retries": 3}, 300.0),
        ({"interval": 60.0, "timeout": 30.0, "retries": 5, "start_period": 100.0}, 640.0),
    ],
)
def test_a_healthy_gate_waits_as_long_as_the_check_may_take(
    healthcheck: dict[str, float], limit: float
) -> None:
    """SEMANTICS 1: "the larger of that and start_period + (retries + 1) x (interval + timeout)"."""
    from zun_compose.model import Healthcheck

    declared = stack("db hc; web needs db healthy")
    check = Healthcheck(test=("CMD", "check"), **healthcheck)  # type: ignore[arg-type]
    db = Service(name="db", image="app", networks=(), healthcheck=check)
    play = Play(Stack(name="t", services={**declared.services, "db": db}))
    play("start db")
    play("db runs")
    assert play(f"+{limit - 0.1}") == []
    (failed, *_) = play("+0.2")
    assert failed == f"fail web->db healthy: healthcheck has not passed yet after {limit:g} s (late)"


@pytest.mark.parametrize("policy", ["always"])
@pytest.mark.parametrize("condition", ["completed", "succeeded"])
def test_a_completion_gate_on_what_never_ends_is_refused_in_the_plan(policy: str, condition: str) -> None:
    """SEMANTICS 1: "A completion gate on `restart: always|unless-stopped` is refused in the plan"."""
    with pytest.raises(SpecError) as caught:
        Play(f"db {policy}; web needs db {condition}")
    assert caught.value.code == "plan.never_completes"


def test_a_hint_moves_the_next_look_to_now() -> None:
    """SEMANTICS 3: "Events are hints: they move the next look earlier"."""
    play = Play("db :80; web needs db listening")
    play("start db")
    play("db runs")
    play.looks.clear()
    play("hint db")
    assert play.looks == ["look t-db-1"]


def test_hints_while_a_look_is_under_way_cause_one_more_look_not_many() -> None:
    play = Play("db :80; web needs db listening")
    play("start db")
    play.looks.clear()
    for _ in range(5):
        play("hint db")
    assert play.looks == [], "one look is under way"
    play("db runs")
    assert play.looks.count("look t-db-1") == 1
    play("hint db")
    assert play.looks.count("look t-db-1") == 1


def test_without_any_hint_the_next_look_comes_by_itself() -> None:
    """SEMANTICS 3: "a lost event costs a poll, never correctness"."""
    play = Play("db :80; web needs db listening")
    play("start db")
    play("db runs")
    play("db runs 81")
    play.looks.clear()
    play("+0.02")
    assert play.looks == ["read t-db-1"], "the sockets, which are cheap"
    play("+1.1")
    assert play.looks == ["read t-db-1", "look t-db-1"], "and the engine"


def test_the_healthcheck_is_run_early_once_the_ports_listen_and_never_twice_at_once() -> None:
    """SEMANTICS 3: "never two at once [...] start when the ports listen if there are any"."""
    play = Play("db hc :80; web needs db healthy")
    play("start db")
    play("db runs")
    assert "check t-db-1" not in play.looks
    play("db runs 80")
    assert play.looks.count("check t-db-1") == 1
    play("+30")
    assert play.looks.count("check t-db-1") == 1, "the first has not come back"
    play("db check no")
    play("+10.1")
    assert play.looks.count("check t-db-1") == 2, "a pause of at most the interval"


def test_after_a_cancel_nothing_is_launched_and_what_is_in_flight_is_awaited() -> None:
    """STYLE 2.5: "Cancellation is an event: no launch follows it"."""
    play = Play("a; b needs a started; c :80; d needs c listening")
    play("start c")
    play("cancel")
    assert [step.id for step in play.schedule.in_flight()] == ["start a-1"]
    assert play("start a") == ["a-1 is started"]
    assert play("+1000") == []
    assert play.schedule.finished
    assert play.schedule.phase("start b-1") is Phase.CANCELLED
    assert play.schedule.phase("start d-1") is Phase.CANCELLED


def test_a_cancel_ends_the_pause_before_another_attempt() -> None:
    play = Play("a")
    play("break start a driver.unavailable")
    play("cancel")
    assert play("+10") == []
    assert play.schedule.finished


def chain(length: int, condition: Condition) -> Stack:
    services = {}
    for number in range(length):
        edges = (Dependency(on=f"s{number - 1}", condition=condition),) if number else ()
        services[f"s{number}"] = Service(name=f"s{number}", image="app", networks=(), dependencies=edges)
    return Stack(name="t", services=services)


@pytest.mark.parametrize("condition", [Condition.READY, Condition.STARTED])
def test_a_chain_of_thousands_is_skipped_with_its_root_cause(condition: Condition) -> None:
    """Without recursion, and in time that grows with the chain alone."""
    play = Play(chain(5_000, condition))
    lines = play("break start s0 !driver.rejected")
    assert len([line for line in lines if line.startswith("skip ")]) == 4_999
    assert lines[-2] == "skip start s4999-1: cannot start t-s0-1: no"
    assert play.schedule.failures == ["cannot start t-s0-1: no"]
    assert play.schedule.finished


def test_a_chain_of_thousands_of_optional_edges_unwinds_without_recursion() -> None:
    """Each member fails to start, and each dependent goes on in spite of it."""
    services = {"s0": Service(name="s0", image="app", networks=())}
    for number in range(1, 2_000):
        edge = Dependency(on=f"s{number - 1}", condition=Condition.READY, required=number % 2 == 0)
        services[f"s{number}"] = Service(name=f"s{number}", image="app", networks=(), dependencies=(edge,))
    play = Play(Stack(name="t", services=services))
    assert "start s1-1" in play("break start s0 !driver.rejected")
    lines = play("break start s1 !driver.rejected")
    assert "skip start s2-1: cannot start t-s1-1: no" in lines
    assert "start s3-1" in lines


def test_a_root_with_thousands_of_dependents_fails_them_all_at_once() -> None:
    services = {"db": Service(name="db", image="app", networks=())}
    for number in range(3_000):
        edge = Dependency(on="db", condition=Condition.READY)
        services[f"s{number}"] = Service(name=f"s{number}", image="app", networks=(), dependencies=(edge,))
    play = Play(Stack(name="t", services=services))
    play("start db")
    lines = play("db exits 1")
    assert len([line for line in lines if line.startswith("skip ")]) == 3_000
    assert play.schedule.finished

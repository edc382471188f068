"""When the daemon's verdict changes, against a daemon that is simulated check by check."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from zun_compose.container import Health
from zun_compose.drivers.memory.fate import Outcome
from zun_compose.drivers.memory.health import outcome_at, verdicts
from zun_compose.model import Healthcheck

GOOD, BAD = 0, 1


def script(*codes: tuple[float, int]) -> tuple[Outcome, ...]:
    return tuple(Outcome(at, code) for at, code in codes)


def changes(check: Healthcheck, outcomes, takes: float = 0.0) -> list[tuple[float, str]]:
    return [(round(at, 6), str(verdict)) for at, verdict in islice(verdicts(check, outcomes, takes), 20)]


def test_the_first_check_runs_after_one_interval() -> None:
    assert changes(Healthcheck(interval=5), script((0, GOOD))) == [(5.0, "healthy")]


def test_the_defaults_are_dockers() -> None:
    assert changes(Healthcheck(), script((0, GOOD))) == [(30.0, "healthy")]
    assert changes(Healthcheck(), script((0, BAD))) == [(90.0, "unhealthy")]


def test_success_waits_for_the_next_check() -> None:
    assert changes(Healthcheck(interval=2), script((0, BAD), (2.5, GOOD))) == [(4.0, "healthy")]


def test_failures_in_the_start_period_are_excused() -> None:
    check = Healthcheck(interval=1, retries=2, start_period=10)
    assert changes(check, script((0, BAD))) == [(11.0, "unhealthy")]


def test_success_ends_the_start_period() -> None:
    check = Healthcheck(interval=1, retries=2, start_period=100)
    assert changes(check, script((0, GOOD), (5.5, BAD))) == [(1.0, "healthy"), (7.0, "unhealthy")]


def test_it_comes_back() -> None:
    check = Healthcheck(interval=1, retries=3)
    outcomes = script((0, GOOD), (3600.5, BAD), (7200.5, GOOD))
    assert changes(check, outcomes) == [(1.0, "healthy"), (3603.0, "unhealthy"), (7201.0, "healthy")]


def test_a_slow_test_stretches_the_rhythm_and_one_beyond_its_timeout_fails() -> None:
    assert changes(Healthcheck(interval=1, retries=2), script((0, GOOD)), takes=0.5) == [(1.5, "healthy")]
    check = Healthcheck(interval=1, timeout=2, retries=2)
    assert changes(check, script((0, GOOD)), takes=9.0) == [(6.0, "unhealthy")]


def test_the_start_interval_counts_until_it_is_healthy() -> None:
    check = Healthcheck(interval=30, start_period=20, start_interval=1)
    assert changes(check, script((0, BAD), (3.5, GOOD))) == [(4.0, "healthy")]


def by_brute_force(check: Healthcheck, outcomes, until: float) -> list[tuple[float, Health]]:
    """Every single check of a daemon, none skipped; times are whole numbers here."""
    found: list[tuple[float, Health]] = []
    verdict, streak, at = Health.STARTING, 0, 0.0
    while True:
        at += check.interval or 30
        if at > until:
            return found
        grace = check.start_period or 0
        if outcome_at(outcomes, at).exit_code == GOOD:
            streak, new = 0, Health.HEALTHY
        elif verdict is Health.STARTING and at < grace:
            streak, new = 0, verdict
        else:
            streak += 1
            new = Health.UNHEALTHY if streak >= (check.retries or 3) else verdict
        if new is not verdict:
            verdict = new
            found.append((at, new))


@given(
    interval=st.integers(1, 7),
    retries=st.integers(1, 4),
    start_period=st.integers(0, 40),
    switches=st.lists(st.tuples(st.integers(0, 200), st.sampled_from([GOOD, BAD])), max_size=6),
)
def test_skipping_ahead_changes_nothing(interval, retries, start_period, switches) -> None:
    check = Healthcheck(interval=float(interval), retries=retries, start_period=float(start_period))
    outcomes = script(*sorted((at + 0.5, code) for at, code in switches))
    expected = by_brute_force(check, outcomes, 400.0)
    assert [change for change in islice(verdicts(check, outcomes, 0.0), 50) if change[0] <= 400] == expected

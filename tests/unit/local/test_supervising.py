"""The pure parts of supervising: restarts, health, logs, names of signals and capabilities."""

from __future__ import annotations

import pytest

from zun_compose.drivers.local.moment import rfc3339
from zun_compose.drivers.local.papers import Check
from zun_compose.drivers.local.supervise.capabilities import DEFAULT, NUMBERS, granted
from zun_compose.drivers.local.supervise.health import Vitals
from zun_compose.drivers.local.supervise.recorder import LONGEST, Recorder
from zun_compose.drivers.local.supervise.restart import Policy
from zun_compose.drivers.local.supervise.signals import number_of
from zun_compose.errors import Rejected


def pauses(policy: Policy, code: int, ran: float, times: int) -> list[float | None]:
    return [policy.again(code, ran, by_hand=False) for _ in range(times)]


def test_pauses_double_up_to_a_minute() -> None:
    found = pauses(Policy("always"), 0, 1.0, 12)
    assert found[:4] == [0.1, 0.2, 0.4, 0.8]
    assert found[-1] == 60.0


def test_a_good_run_makes_pauses_short_again() -> None:
    policy = Policy("always")
    pauses(policy, 1, 1.0, 5)
    assert policy.again(1, 10.0, by_hand=False) == 0.1


@pytest.mark.parametrize(
    ("name", "maximum", "code", "by_hand", "again"),
    [
        ("no", None, 1, False, False),
        ("always", None, 0, False, True),
        ("always", None, 1, True, False),
        ("unless-stopped", None, 0, False, True),
        ("on-failure", None, 0, False, False),
        ("on-failure", None, 1, False, True),
        ("on-failure", 2, 1, True, False),
    ],
)
def test_who_is_started_again(name, maximum, code, by_hand, again) -> None:
    assert (Policy(name, maximum).again(code, 1.0, by_hand=by_hand) is not None) is again


def test_a_count_is_used_up() -> None:
    assert pauses(Policy("on-failure", 2), 1, 1.0, 3) == [0.1, 0.2, None]


def check(**times) -> Check:
    return Check(test=("CMD", "true"), command=("true",), **times)


def test_the_first_check_comes_after_the_interval() -> None:
    assert Vitals(check(), 100.0).due == 130.0
    assert Vitals(check(interval=2.0), 100.0).due == 102.0
    assert Vitals(check(interval=60.0, start_period=30.0), 100.0).due == 105.0
    assert Vitals(check(interval=60.0, start_period=30.0, start_interval=1.0), 100.0).due == 101.0


def test_failures_in_a_row_make_it_unhealthy_and_one_success_heals() -> None:
    vitals = Vitals(check(interval=1.0, retries=2), 0.0)
    assert [vitals.ran(float(now), ok=False) for now in (1, 2, 3)] == [False, True, False]
    assert vitals.status == "unhealthy"
    assert vitals.ran(4.0, ok=True)
    assert vitals.status == "healthy"
    assert not vitals.ran(5.0, ok=False)


def test_failures_in_the_start_period_do_not_count() -> None:
    vitals = Vitals(check(interval=1.0, retries=1, start_period=10.0), 0.0)
    assert not vitals.ran(9.0, ok=False)
    assert vitals.status == "starting"
    assert vitals.ran(10.0, ok=False)


def test_a_success_ends_the_start_period() -> None:
    vitals = Vitals(check(interval=20.0, retries=1, start_period=60.0, start_interval=1.0), 0.0)
    vitals.ran(1.0, ok=True)
    assert vitals.due == 21.0
    assert vitals.ran(21.0, ok=False)
    assert vitals.status == "unhealthy"


def lines(path) -> list[tuple[str, str]]:
    return [tuple(line.split(" ", 2)[1:]) for line in path.read_text().splitlines()]


def test_lines_are_put_together_by_stream(tmp_path) -> None:
    recorder = Recorder(tmp_path / "log", 1 << 20, 3, kept=True)
    recorder.feed("o", b"one\ntw")
    recorder.feed("e", b"err")
    recorder.feed("o", b"o\n")
    recorder.finish()
    assert lines(tmp_path / "log") == [("o", "one"), ("o", "two"), ("e", "err")]


def test_endless_lines_are_cut(tmp_path) -> None:
    recorder = Recorder(tmp_path / "log", 1 << 24, 3, kept=True)
    recorder.feed("o", b"x" * (LONGEST + 10) + b"\n" + b"y" * (LONGEST + 1))
    assert [(mark, len(text)) for mark, text in lines(tmp_path / "log")] == [
        ("o", LONGEST + 10),
        ("O", LONGEST),
    ]


def test_files_rotate(tmp_path) -> None:
    recorder = Recorder(tmp_path / "log", 200, 3, kept=True)
    for number in range(30):
        recorder.feed("o", f"line {number}\n".encode())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 200 for path in tmp_path.iterdir())
    assert lines(tmp_path / "log")[-1] == ("o", "line 29")


def test_nothing_is_kept_where_none_is_wanted(tmp_path) -> None:
    recorder = Recorder(tmp_path / "log", 200, 3, kept=False)
    recorder.feed("o", b"secret\n")
    recorder.finish()
    assert (tmp_path / "log").read_bytes() == b""


@pytest.mark.parametrize(("name", "number"), [("TERM", 15), ("SIGKILL", 9), ("usr1", 10), ("9", 9)])
def test_signals_are_read_as_docker_reads_them(name, number) -> None:
    assert number_of(name) == number


@pytest.mark.parametrize("name", ["SIGNONSENSE", "0", "99", "", "IGN", "DFL"])
def test_what_is_no_signal_is_refused(name) -> None:
    with pytest.raises(Rejected):
        number_of(name)


def test_capabilities_are_added_and_dropped_by_either_name() -> None:
    assert granted((), (), privileged=False) == DEFAULT
    assert granted(("NET_ADMIN",), ("all",), privileged=False) == ("CAP_NET_ADMIN",)
    assert "CAP_CHOWN" not in granted(("ALL",), ("cap_chown",), privileged=False)
    assert granted((), (), privileged=True) == tuple(NUMBERS)
    with pytest.raises(Rejected, match="FLYING"):
        granted(("FLYING",), (), privileged=False)


def test_moments_sort_as_they_came() -> None:
    assert rfc3339(1_500_000_000_000_000_001) == "2017-07-14T02:40:00.000000001Z"
    assert rfc3339(1) < rfc3339(2) < rfc3339()


def test_a_rotation_that_fails_costs_lines_not_the_log(tmp_path) -> None:
    recorder = Recorder(tmp_path / "log", 100, 2, kept=True)
    recorder.feed("o", b"one\n")
    in_the_way = tmp_path / "log.1" / "in"
    in_the_way.mkdir(parents=True)
    recorder.feed("o", b"two" * 30 + b"\n")
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    recorder.feed("o", b"three\n")
    assert lines(tmp_path / "log")[-1] == ("o", "three")

"""Arguments: durations, moments, tails, variables; tables and ages."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime

import click
import pytest

from zun_compose.cli.containers import Entry, as_json, ports_text, readiness
from zun_compose.cli.params import duration, instant, scale, tail, variable
from zun_compose.cli.settings import MOST_PARALLEL, settings
from zun_compose.cli.table import age, moment, shortened, table
from zun_compose.container import Health, Observed, Published, State
from zun_compose.errors import UsageError
from zun_compose.status import ContainerStatus, Readiness


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("1.5", 1.5), ("10m", 600), ("1h30m", 5400), ("250ms", 0.25), ("2d", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "soon", "1h30", "m", "1x", "nan", "inf", "1 h"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(click.BadParameter):
        duration(text)


def test_instants() -> None:
    assert instant("2026-01-02T13:23:37Z") == datetime(2026, 1, 2, 13, 23, 37, tzinfo=UTC).timestamp()
    assert instant("2026-01-02T13:23:37.123456789Z") == pytest.approx(
        instant("2026-01-02T13:23:37Z") + 0.123456
    )
    assert instant("2026-01-02T13:23:37+02:00") == instant("2026-01-02T11:23:37Z")
    assert instant("2026-01-02") == datetime(2026, 1, 2).astimezone().timestamp()
    assert instant("1767000000") == 1767000000.0
    before = time.time()
    assert before - 600 <= instant("10m") <= time.time() - 600
    with pytest.raises(click.BadParameter):
        instant("yesterday")


def test_scale_tail_variable() -> None:
    assert scale("web=3") == ("web", 3)
    assert tail("all") == -1
    assert tail("12") == 12
    assert tail("-5") == -1
    assert variable("A=b=c") == ("A", "b=c")
    assert variable("A") == ("A", None)
    assert variable("A=") == ("A", "")
    with pytest.raises(click.BadParameter) as caught:
        variable("=hunter2")
    assert "hunter2" not in str(caught.value)


def test_settings_from_the_environment() -> None:
    assert settings({}, {"COMPOSE_PARALLEL_LIMIT": "3"}).parallel == 3
    assert settings({"parallel": 5}, {"COMPOSE_PARALLEL_LIMIT": "3"}).parallel == 5
    assert settings({"parallel": -1}, {}).parallel == MOST_PARALLEL
    with pytest.raises(UsageError):
        settings({}, {"COMPOSE_PARALLEL_LIMIT": "many"})
    assert settings({}, {"NO_COLOR": "1"}).color is False
    assert settings({}, {"NO_COLOR": ""}).color is None
    assert settings({"no_color": True}, {"COMPOSE_ANSI": "always"}).color is False
    assert "hunter2" not in repr(settings({}, {"PASSWORD": "hunter2"}))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (185, "3 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (86400 * 3, "3 days"),
        (86400 * 21, "3 weeks"),
        (86400 * 90, "3 months"),
        (86400 * 365 * 3, "3 years"),
        (-5, "Less than a second"),
    ],
)
def test_ages(seconds: float, said: str) -> None:
    assert age(seconds) == said


def test_tables() -> None:
    assert table(("A", "LONG"), [("wider", "x"), ("y", "")]) == "A       LONG\nwider   x\ny"
    assert table(("A", "B"), []) == "A   B"
    assert shortened("abcdef", 4) == "abc…"
    assert moment("never") is None


SEEN = Observed(id="0123456789abcdef", name="shop-web-1", service="web", number=1, state=State.RUNNING)


def test_ports_in_words() -> None:
    ports = [
        Published(target=80, protocol="tcp", host_ip="::", host_port=8080),
        Published(target=80, protocol="tcp", host_ip="0.0.0.0", host_port=8080),
    ]
    assert ports_text(ports) == "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"


def test_both_verdicts_show_where_they_differ() -> None:
    known = ContainerStatus(
        observed=SEEN, readiness=Readiness.LISTENING, reason="check fails", our_health="healthy"
    )
    assert readiness(Entry(seen=SEEN, known=known)) == "listening (check fails)"
    starting = dataclasses.replace(SEEN, health=Health.STARTING)
    assert readiness(Entry(seen=starting, known=known)) == (
        "listening (check fails; our check says healthy, the engine starting)"
    )
    assert readiness(Entry(seen=SEEN)) == "-"


def test_json_of_what_nobody_knows_more_about() -> None:
    row = as_json(Entry(seen=SEEN), "shop", datetime.now(UTC))
    assert (row["ID"], row["Health"], row["Readiness"], row["Listening"], row["ReadySince"]) == (
        "0123456789ab",
        "",
        None,
        None,
        None,
    )
    assert Health.NONE.value not in row.values()

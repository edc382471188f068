"""Arguments: durations, moments, tails, variables; tables and ages."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from zun_compose.cli.containers import Entry, as_json, ports_text, readiness
from zun_compose.cli.params import duration, instant, scale, tail, variable
from zun_compose.cli.settings import DEFAULT_PARALLEL, MOST_PARALLEL, settings, truth
from zun_compose.cli.table import age, moment, shortened, table
from zun_compose.container import Health, Observed, Published, State
from zun_compose.errors import UsageError
from zun_compose.record import replace
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
    starting = replace(SEEN, health=Health.STARTING)
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    return tmp_path


SAID = (
    "COMPOSE_PARALLEL_LIMIT=3\nCOMPOSE_PROGRESS=plain\nCOMPOSE_REMOVE_ORPHANS=1\nCOMPOSE_IGNORE_ORPHANS=1\n"
)


@pytest.mark.parametrize("where", ["here", "above", "beside -f", "--project-directory", "--env-file"])
def test_env_files_stand_in_for_the_environment(
    folder: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params: dict[str, object] = {}
    (folder / "words" if where == "--env-file" else folder / ".env").write_text(SAID)
    if where == "above":
        monkeypatch.chdir(folder / "below")
        monkeypatch.setenv("PWD", str(folder / "below"))
    elif where != "here":
        monkeypatch.chdir("/")
        monkeypatch.setenv("PWD", "/")
        given: dict[str, dict[str, object]] = {
            "beside -f": {"files": (str(folder / "compose.yaml"),)},
            "--project-directory": {"project_directory": str(folder)},
            "--env-file": {"files": (str(folder / "compose.yaml"),), "env_files": (str(folder / "words"),)},
        }
        params = given[where]
    made = settings(params, {})
    assert (made.parallel, made.progress) == (3, "plain")
    assert truth(made.environment, "COMPOSE_REMOVE_ORPHANS")
    assert truth(made.environment, "COMPOSE_IGNORE_ORPHANS")


def test_the_environment_and_the_command_line_win_over_env_files(folder: Path) -> None:
    (folder / ".env").write_text(SAID + "DOCKER_HOST=tcp://nowhere:1\n")
    environment = {"COMPOSE_PARALLEL_LIMIT": "5", "COMPOSE_REMOVE_ORPHANS": ""}
    made = settings({"progress": "json"}, environment)
    assert (made.parallel, made.progress) == (5, "json")
    assert not truth(made.environment, "COMPOSE_REMOVE_ORPHANS")
    assert "DOCKER_HOST" not in made.environment
    assert settings({}, {"COMPOSE_DISABLE_ENV_FILE": "1"}).parallel == DEFAULT_PARALLEL


def test_an_env_file_that_can_be_read_once_is_left_to_the_stack(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / ".env").write_text(SAID)
    # reading the pipe would block
    assert settings({"env_files": (str(folder / "pipe"),)}, {}).parallel == DEFAULT_PARALLEL

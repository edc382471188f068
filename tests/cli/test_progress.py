"""Events in words, on the terminal's board, and what is in flight."""

from __future__ import annotations

import io
import sys

import pytest

from zun_compose.cli.progress import renderer
from zun_compose.cli.progress.board import Board, Line, Look
from zun_compose.cli.progress.flight import Tracking
from zun_compose.cli.progress.lines import JsonProgress, PlainProgress
from zun_compose.cli.progress.terminal import TerminalProgress, visible
from zun_compose.cli.progress.words import duration, holds, lines, to_be
from zun_compose.cli.settings import ProgressMode
from zun_compose.events import (
    Event,
    Finished,
    GateFailed,
    GateOpened,
    GateWaiting,
    ImageProgress,
    Planned,
    Progress,
    ServiceChanged,
    StepDone,
    StepFailed,
    StepSkipped,
    StepStarted,
    Unsteady,
    Warned,
)
from zun_compose.model import Condition

STARTED = StepStarted(step="s", verb="start", subject="shop-web-1", service="web", cause="does not exist")
DONE = StepDone(step="s", verb="start", subject="shop-web-1", service="web", seconds=0.25)
WAITING = GateWaiting(dependent="web", dependency="db", condition="service_healthy", reason="starting")
OPENED = GateOpened(dependent="web", dependency="db", condition="service_healthy", waited=1.5)


def event(progress: Progress, at: float = 100.0) -> Event:
    return Event(1, at, progress)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Planned(steps=2, services=("web",)), []),
        (Planned(steps=0, services=()), ["nothing to do"]),
        (STARTED, []),
        (DONE, ["started shop-web-1 (0.25s)"]),
        (WAITING, ["web waits for db to be healthy: starting"]),
        (
            GateWaiting(
                dependent="", dependency="db", condition="service_ready", reason="", deadline_in=90.0
            ),
            ["(stack) waits for db to be ready (at most 1m 30s more)"],
        ),
        (OPENED, ["db is healthy after 1.50s: web may start"]),
        (
            StepFailed(step="s", verb="pull", subject="x", service="web", error="no", code="c", retry_in=2.0),
            ["failed to pull x: no; again in 2.00s"],
        ),
        (
            StepSkipped(step="s", verb="start", subject="web-1", service="web", cause="db failed"),
            ["skipped start web-1: db failed"],
        ),
        (Unsteady(service="db", container="c", detail="closed 80/tcp"), ["unsteady db: closed 80/tcp"]),
        (ImageProgress(image="x", status="Downloading", current=1, total=2), []),
        (ImageProgress(image="x", status="Step 1/2 : FROM y"), ["x: Step 1/2 : FROM y"]),
        (Warned(message="look out"), ["warning: look out"]),
        (Finished(outcome="done", seconds=12.34), ["done in 12.3s"]),
    ],
)
def test_wording(progress: Progress, expected: list[str]) -> None:
    assert lines(event(progress)) == expected


def test_a_failed_gate_is_told_in_full_and_cannot_drive_the_terminal() -> None:
    failed = GateFailed(
        dependent="web",
        dependency="db",
        condition="service_listening",
        reason="exited",
        exit_code=3,
        answer="connection refused",
        log=("last \x1b[2Jwords", "tab\tstays"),
    )
    assert lines(event(failed)) == [
        "web -> db: service_listening will not be reached: exited",
        "    exit code: 3",
        "    last answer: connection refused",
        "    last log lines of db:",
        "      | last \N{REPLACEMENT CHARACTER}[2Jwords",
        "      | tab\tstays",
    ]


def test_every_condition_has_words() -> None:
    for condition in Condition:
        assert to_be(condition.value).startswith("to ")
        assert "_" not in holds(condition.value)
    assert to_be("something new") == "something new"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.014, "0.01s"), (9.99, "9.99s"), (12.34, "12.3s"), (245, "4m 05s"), (3720, "1h 02m")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_what_is_in_flight() -> None:
    tracking = Tracking()
    assert "nothing was in flight" in tracking.farewell()
    tracking(event(STARTED))
    assert tracking.farewell().endswith("in flight: start shop-web-1")
    tracking(event(DONE))
    assert "nothing was in flight" in tracking.farewell()


def test_plain_progress_survives_a_reader_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    for made in (PlainProgress(), JsonProgress()):
        made(event(DONE))
        made(event(DONE))


def test_a_pull_is_told_when_its_status_changes(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress()
    for status in ("a", "a", "b", "a"):
        progress(event(ImageProgress(image="x", status=status)))
    assert capsys.readouterr().err == "x: a\nx: b\nx: a\n"


def states(board: Board) -> dict[str, tuple[Look, str]]:
    return {line.subject: (line.look, line.text) for line in board.lines.values()}


def test_the_board_follows_a_service_to_ready() -> None:
    board = Board()
    board.take(event(Planned(steps=3, services=("db", "web"))))
    assert not board.worth_showing
    assert states(board) == {"db": (Look.PLANNED, ""), "web": (Look.PLANNED, "")}
    board.take(event(WAITING, at=101.0))
    assert board.worth_showing
    assert states(board)["web"] == (Look.WAITING, "waits for db to be healthy: starting")
    board.take(event(OPENED, at=102.0))
    assert states(board)["db"] == (Look.GOOD, "is healthy")
    board.take(event(STARTED, at=102.5))
    assert states(board)["web"] == (Look.ACTIVE, "starting")
    board.take(event(DONE, at=103.0))
    assert states(board)["web"] == (Look.STARTED, "started")
    board.take(
        event(ServiceChanged(service="web", container="shop-web-1", number=1, readiness="ready"), at=105.0)
    )
    assert states(board)["web"] == (Look.GOOD, "ready")
    assert board.lines["web"].elapsed(999.0) == "4.00s"


def test_the_board_shows_failures() -> None:
    board = Board()
    board.take(event(Planned(steps=3, services=("db", "web"))))
    board.take(
        event(GateFailed(dependent="web", dependency="db", condition="service_healthy", reason="exited"))
    )
    assert states(board)["web"] == (Look.FAILED, "db: exited")
    board.take(
        event(StepSkipped(step="s", verb="start", subject="shop-web-1", service="web", cause="db failed"))
    )
    assert states(board)["web"] == (Look.FAILED, "skipped: db failed")


def test_cleaning_up_does_not_hide_what_failed() -> None:
    board = Board()
    board.take(event(Planned(steps=4, services=("db", "web"))))
    failed = ServiceChanged(service="db", container="c", number=1, readiness="failed", detail="code 3")
    board.take(event(failed))
    board.take(
        event(StepSkipped(step="s", verb="start", subject="shop-web-1", service="web", cause="db failed"))
    )
    for service in ("db", "web"):
        name = f"shop-{service}-1"
        for verb in ("stop", "remove"):
            board.take(
                event(StepStarted(step=verb, verb=verb, subject=name, service=service, cause="rollback"))
            )
            board.take(event(StepDone(step=verb, verb=verb, subject=name, service=service, seconds=0.1)))
    assert states(board) == {
        "db": (Look.FAILED, "failed: code 3"),
        "web": (Look.FAILED, "skipped: db failed"),
    }
    # A new attempt is news again.
    board.take(event(STARTED))
    assert states(board)["web"] == (Look.ACTIVE, "starting")


def test_what_does_not_fit_is_the_least_urgent() -> None:
    board = [Line(subject=str(number), look=Look.GOOD) for number in range(10)]
    board[7].look = Look.FAILED
    board[9].look = Look.ACTIVE
    shown, left_out = visible(board, 4)
    assert [line.subject for line in shown] == ["0", "7", "9"]
    assert left_out == 7
    assert visible(board, 0) == (board, 0)
    assert visible(board, 10) == (board, 0)


def test_the_terminal_shows_the_board_and_ends_with_a_summary(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with TerminalProgress() as progress:
        progress(event(Planned(steps=2, services=("db", "web"))))
        progress(event(WAITING))
        progress(event(Warned(message="look out [not markup]")))
        progress(event(STARTED))
        progress(event(DONE))
        progress(event(Finished(outcome="done", seconds=2.0)))
    err = capsys.readouterr().err
    assert "look out [not markup]" in err
    assert "started" in err
    assert err.rstrip().endswith("done in 2.00s")
    assert "\x1b[?25h" in err


def test_a_terminal_without_work_loads_no_rich(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress() as progress:
        progress(event(Planned(steps=0, services=())))
        progress(event(Finished(outcome="done", seconds=0.0)))
        assert progress._console is None
    assert capsys.readouterr().err == "done in 0.00s\n"


def test_a_warning_is_printed_above_live_lines(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress(color=False)
    assert not progress.warn("too early"), "with no live lines it is the caller's to print"
    with progress:
        progress(event(Planned(steps=1, services=("web",))))
        progress(event(STARTED))
        assert progress.warn("look out")
    assert capsys.readouterr().err.count("warning: look out") == 1


def test_auto_is_plain_where_there_is_no_terminal() -> None:
    assert isinstance(renderer(ProgressMode.AUTO), PlainProgress)
    assert isinstance(renderer(ProgressMode.TTY), TerminalProgress)
    assert type(renderer(ProgressMode.QUIET)) is Tracking

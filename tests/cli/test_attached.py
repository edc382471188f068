"""Attached up in its details: no signal goes unheard, and the word of an end comes last."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from tests.cli.conftest import Program
from zun_compose.cli import attached
from zun_compose.cli.attached import LastWords
from zun_compose.cli.logprint import LogPrinter
from zun_compose.container import Observed, State
from zun_compose.drivers.memory import RealTimeMemoryDriver

WEB = Observed(id="w", name="shop-web-1", service="web", number=1, state=State.RUNNING)
NEVER = 3600.0


class Printer(LogPrinter):
    """Notes what is said."""

    def __init__(self) -> None:
        super().__init__(color=False)
        self.said: list[str] = []
        self.heard = threading.Event()

    def say(self, container: str, text: str) -> None:
        self.said.append(f"{container} {text}")
        self.heard.set()


def test_a_signal_between_up_and_following_stops_the_stack(
    program: Program, engine: RealTimeMemoryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    origins = attached._origins

    def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return origins(*arguments)

    monkeypatch.setattr(attached, "_origins", interrupted)
    program.file("services: {web: {image: w}}")
    result = program("up")
    assert result.code == 130, result.err
    assert engine.inspect("shop-web-1").state is State.EXITED


def test_an_end_is_told_once_its_lines_are_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "_HOLD_SECONDS", NEVER)
    printer = Printer()
    words = LastWords(printer)
    words.died("w", "web-1", "exited with code 1")
    assert printer.said == []
    words.life_ended(WEB)
    assert printer.said == ["web-1 exited with code 1"]
    # The other way round there is nothing to wait for.
    words.life_ended(WEB)
    words.died("w", "web-1", "exited with code 2")
    assert printer.said == ["web-1 exited with code 1", "web-1 exited with code 2"]


def test_an_end_is_told_even_if_its_stream_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "_HOLD_SECONDS", 0.01)
    printer = Printer()
    words = LastWords(printer)
    words.died("w", "web-1", "exited with code 1")
    assert printer.heard.wait(20)
    # The late end of that stream belongs to the end that was told, not to the next one.
    monkeypatch.setattr(attached, "_HOLD_SECONDS", NEVER)
    words.life_ended(WEB)
    words.died("w", "web-1", "exited with code 2")
    assert printer.said == ["web-1 exited with code 1"]
    words.close()
    assert printer.said[1:] == ["web-1 exited with code 2"]

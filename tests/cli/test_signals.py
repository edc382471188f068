"""Ctrl-C and SIGTERM, sent to the program as it runs. Nothing here sleeps: each step waits for a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

HERE = str(Path(__file__).resolve().parents[2])


class Running:
    """The program in a process of its own, on a memory engine of its own."""

    def __init__(self, folder: Path, text: str, *arguments: str) -> None:
        (folder / "compose.yaml").write_text(text)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zun_compose.cli.main", "--driver", "memory", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**kept, "PYTHONPATH": HERE, "XDG_STATE_HOME": str(folder / "state")},
        )
        self.err = ""

    def until(self, word: str, *, out: bool = False) -> None:
        """Read lines until one holds `word`."""
        stream: IO[str] | None = self.process.stdout if out else self.process.stderr
        assert stream is not None
        for line in stream:
            if not out:
                self.err += line
            if word in line:
                return
        pytest.fail(f"it ended without a word of {word!r}: {self.err}")

    def signal(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        _, err = self.process.communicate(timeout=30)
        self.err += err
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[type[Running]]:
    made: list[Running] = []

    class Kept(Running):
        def __init__(self, text: str, *arguments: str) -> None:
            super().__init__(tmp_path, text, *arguments)
            made.append(self)

    yield Kept
    for one in made:
        one.close()


SERVING = "services: {web: {image: w, x-zun: {fate: {log: [[0.1, hello]]}}}}"
STUBBORN = "services: {web: {image: w, x-zun: {fate: {ignores_term: true, log: [[0.1, hello]]}}}}"
WAITING = """
services:
  db: {image: d, expose: ["80"]}
  web: {image: w, depends_on: {db: {condition: service_started, x-condition: service_listening}}}
"""
SLOW = "services: {web: {image: w, x-zun: {fate: {start_takes: 60}}}}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_attached_the_first_signal_stops_the_stack(running, number: int) -> None:
    one = running(SERVING, "up")
    one.until("web-1  | hello", out=True)
    one.signal(number)
    assert one.end() == 130
    assert "stopping the stack" in one.err
    assert "stopped " in one.err
    assert "web-1 exited with code 143" in one.err


def test_attached_the_second_signal_kills(running) -> None:
    one = running(STUBBORN, "up", "-t", "600")
    one.until("web-1  | hello", out=True)
    one.signal()
    one.until("stopping the stack")
    one.signal()
    assert one.end() == 130
    assert "killing the stack" in one.err
    assert "web-1 exited with code 137" in one.err


def test_attached_during_up_stops_what_was_started(running) -> None:
    one = running(WAITING, "--progress", "plain", "up")
    one.until("not listening")
    one.signal()
    assert one.end() == 130
    assert "stopped " in one.err


def test_attached_ends_by_itself_with_its_containers(running) -> None:
    text = "services: {job: {image: j, x-zun: {fate: {exits_after: 0.3, exit_code: 5, log: [[0.1, hi]]}}}}"
    one = running(text, "up", "--no-log-prefix")
    out, err = one.process.communicate(timeout=30)
    assert one.process.returncode == 0
    assert out == "hi\n"
    assert "job-1 exited with code 5" in err


def test_detached_the_first_signal_keeps_what_runs(running) -> None:
    one = running(WAITING, "--progress", "plain", "up", "-d")
    one.until("web waits for db to listen")
    one.signal()
    assert one.end() == 130
    assert "what runs is kept" in one.err
    assert "stopped" not in one.err
    assert "started shop" not in one.err.partition("what runs is kept")[2]


def test_the_second_signal_leaves_at_once_naming_what_is_in_flight(running) -> None:
    one = running(SLOW, "--progress", "json", "up", "-d")
    one.until('"verb":"start"')
    one.signal()
    one.until("what runs is kept")
    one.signal()
    assert one.end() == 130
    assert "in flight: start " in one.err
    assert "Traceback" not in one.err


def test_a_wait_is_left_by_a_signal(running) -> None:
    one = running(WAITING, "--progress", "plain", "up", "--wait", "--wait-timeout", "600")
    one.until("web waits for db to listen")
    one.signal(signal.SIGTERM)
    assert one.end() == 130
    assert "Traceback" not in one.err

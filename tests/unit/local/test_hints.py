"""The journal of a stack: written by many, cut when it grows, read without loss."""

from __future__ import annotations

import threading
import time

import pytest

from tests.unit.local.test_papers import BLUEPRINT
from zun_compose.container import Hint
from zun_compose.drivers.local import hints
from zun_compose.drivers.local.home import Home


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


class Ear:
    def __init__(self, home: Home, **span) -> None:
        self.heard: list[Hint] = []
        self.reader = hints.Reader(home, "s", self.heard.append, **{"since": None, "until": None, **span})

    def hears(self, count: int) -> list[str]:
        deadline = time.monotonic() + 10
        while len(self.heard) < count:
            assert time.monotonic() < deadline, self.heard
            time.sleep(0.002)
        self.reader.close()
        return [hint.action for hint in self.heard]


def test_only_what_comes_after_is_told(home) -> None:
    hints.tell(home, BLUEPRINT, "web", "create")
    ear = Ear(home)
    hints.tell(home, BLUEPRINT, "web", "start")
    hints.tell(home, BLUEPRINT, "web", "die", exit_code=3)
    assert ear.hears(2) == ["start", "die"]
    assert ear.heard[1].exit_code == 3


def test_what_was_written_last_is_told_though_the_journal_is_removed(home) -> None:
    ear = Ear(home)
    hints.tell(home, BLUEPRINT, "web", "create")
    hints.tell(home, BLUEPRINT, "web", "destroy")
    hints.forget(home, "s")
    hints.tell(home, BLUEPRINT, "web", "create")
    told = ear.hears(1)
    assert told[-1] == "create" or "destroy" in told


def test_nothing_is_lost_when_it_is_cut_while_many_write(home, monkeypatch) -> None:
    monkeypatch.setattr(hints, "MOST_BYTES", 4000)
    ear = Ear(home)

    def write(number: int) -> None:
        for step in range(50):
            hints.tell(home, BLUEPRINT, f"{number}-{step}", "start")
            # a reader that is two cuts behind would lose what lies between
            deadline = time.monotonic() + 10
            while f"{number}-{step}" not in [hint.name for hint in list(ear.heard)]:
                assert time.monotonic() < deadline
                time.sleep(0.001)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ear.hears(100)
    assert len({hint.name for hint in ear.heard}) == 100
    times = [hint.at for hint in ear.heard]
    assert times == sorted(times)


def test_the_past_ends_where_it_is_asked_to(home) -> None:
    for action in ("create", "start", "die"):
        hints.tell(home, BLUEPRINT, "web", action)
    ear = Ear(home, since=0.0, until=time.time())
    assert ear.hears(4) == ["create", "start", "die", "end"]


def test_a_torn_line_is_passed_over(home) -> None:
    ear = Ear(home)
    with home.journal("s").open("a") as file:
        file.write('{"half\nnot json\n[]\n')
    hints.tell(home, BLUEPRINT, "web", "start")
    assert ear.hears(1) == ["start"]

"""Following logs over the ends of streams, on an engine whose streams end as a script says."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from zun_compose.container import LogLine, Observed, State
from zun_compose.errors import DriverError, NotFound, Unavailable, Unsupported
from zun_compose.follow import AHEAD, merged_logs
from zun_compose.options import LogOptions

DAY = "2026-01-01T00:00:"


def line(text: str, second: float) -> LogLine:
    return LogLine(text=text, at=f"{DAY}{second:012.9f}Z")


def seen(name: str, state: State = State.RUNNING, policy: str = "no") -> Observed:
    return Observed(
        id=name, name=f"shop-{name}-1", service=name, number=1, state=state, restart_policy=policy
    )


Life = list[LogLine] | DriverError


@dataclass
class Engine:
    """Answers `logs` with the next of `lives`, `inspect` with the next of `states`, whose last one stays."""

    lives: dict[str, list[Life]]
    states: dict[str, list[State]] = field(default_factory=dict)
    policy: str = "no"
    asked: list[dict[str, Any]] = field(default_factory=list)
    name: str = "fake"

    def list(self, stack: str) -> Sequence[Observed]:
        return [seen(name) for name in self.lives]

    def inspect(self, container: str) -> Observed:
        states = self.states.get(container, [State.EXITED])
        return seen(container, states.pop(0) if len(states) > 1 else states[0], self.policy)

    def logs(self, container: str, **options: Any) -> Iterator[LogLine]:
        self.asked.append({"container": container, **options})
        life = self.lives[container].pop(0)
        if isinstance(life, DriverError):
            raise life
        return iter(life)


def followed(engine: Engine, **options: Any) -> list[str]:
    lines = merged_logs(engine, "shop", (), LogOptions(follow=True, **options))  # type: ignore[arg-type]
    return [told.text for _, told in lines]


def test_what_restarts_is_followed_on_without_repeating_a_line() -> None:
    first, again, new = line("one", 1), line("two", 2), line("three", 3)
    engine = Engine(
        lives={"a": [[first, again], [again, new]]},
        states={"a": [State.RESTARTING, State.RUNNING, State.EXITED]},
    )
    assert followed(engine, tail=5) == ["one", "two", "three"]
    assert [asked["tail"] for asked in engine.asked] == [5, None]
    assert engine.asked[1]["since"] == pytest.approx(1767225602.0, abs=0.001)
    assert engine.asked[1]["since"] < 1767225602.0


def test_equal_lines_of_two_lives_are_both_told() -> None:
    lives: list[Life] = [[line("start", 1)], [line("start", 1), line("start", 1), line("start", 2)]]
    engine = Engine(lives={"a": lives}, states={"a": [State.RUNNING, State.EXITED]})
    assert followed(engine) == ["start", "start", "start"]


def test_an_exited_container_that_its_policy_brings_back_is_waited_for() -> None:
    engine = Engine(
        lives={"a": [[line("one", 1)], [line("two", 2)]]},
        states={"a": [State.EXITED, State.RUNNING, State.EXITED]},
        policy="always",
    )
    assert followed(engine) == ["one", "two"]


def test_each_life_is_told_after_its_last_line() -> None:
    engine = Engine(
        lives={"a": [[line("one", 1)], [line("two", 2)]]}, states={"a": [State.RUNNING, State.EXITED]}
    )
    told: list[str] = []
    lines = merged_logs(
        engine,  # type: ignore[arg-type]
        "shop",
        (),
        LogOptions(follow=True),
        lambda container: told.append(f"end of {container.service}"),
    )
    for _, one in lines:
        told.append(one.text)
    assert told == ["one", "end of a", "two", "end of a"]


def test_a_broken_stream_is_an_error_once_the_others_have_ended() -> None:
    engine = Engine(lives={"a": [Unavailable("gone")], "b": [[line("one", 1), line("two", 2)]]})
    lines = merged_logs(engine, "shop", (), LogOptions(follow=True))  # type: ignore[arg-type]
    told: list[str] = []
    with pytest.raises(Unavailable, match="gone"):
        told.extend(one.text for _, one in lines)
    assert told == ["one", "two"]


def test_a_removed_container_is_an_end() -> None:
    assert followed(Engine(lives={"a": [[line("one", 1)], NotFound("no such container")]})) == ["one"]


@pytest.mark.parametrize("follow", [True, False])
def test_a_container_without_a_log_is_told_once_and_the_others_go_on(
    follow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(
        lives={"mute": [Unsupported("no reading")], "b": [[line("one", 1)]]},
        states={"mute": [State.RUNNING, State.RUNNING, State.EXITED]},
    )
    lines = merged_logs(engine, "shop", (), LogOptions(follow=follow))  # type: ignore[arg-type]
    assert [one.text for _, one in lines] == ["one"]
    assert [record.getMessage() for record in caplog.records] == [
        'the log of container "shop-mute-1" cannot be read: its logging driver keeps none'
    ]
    if follow:
        assert engine.states["mute"] == [State.EXITED], "it is stayed with until it has ended"


def test_a_slow_reader_holds_the_stream_back_and_closing_frees_it() -> None:
    given = 0
    paused, closed = threading.Event(), threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[LogLine]:
            return self

        def __next__(self) -> LogLine:
            nonlocal given
            given += 1
            if given > AHEAD:
                paused.set()
            return line("x", 1)

        def close(self) -> None:
            closed.set()

    engine = Engine(lives={"a": []})
    engine.logs = lambda container, **options: Endless()  # type: ignore[method-assign]
    lines = merged_logs(engine, "shop", (), LogOptions(follow=True))  # type: ignore[arg-type]
    next(lines)
    assert paused.wait(20)
    # One is taken, AHEAD wait, one more is in the reader's hand.
    assert given <= AHEAD + 2
    readers = [thread for thread in threading.enumerate() if thread.name == "log"]
    lines.close()
    assert closed.is_set()
    for thread in readers:
        thread.join(10)
        assert not thread.is_alive()


def test_several_logs_are_merged_by_time() -> None:
    engine = Engine(lives={"a": [[line("1", 1), line("3", 3)]], "b": [[line("2", 2), line("4", 4)]]})
    lines = list(merged_logs(engine, "shop", (), LogOptions()))  # type: ignore[arg-type]
    assert [one.text for _, one in lines] == ["1", "2", "3", "4"]
    assert all(one.at is None for _, one in lines)

"""Log probes: each life of a container on its own, each line once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from zun_compose.container import LogLine, Observed, State
from zun_compose.errors import Unsupported
from zun_compose.observe.dial import Patience, Stopped
from zun_compose.observe.logs import LogSearch, nanoseconds
from zun_compose.record import replace

SECOND = 10**9


class Book:
    """An engine that keeps one container's log: lines with the second they were written at."""

    name = "book"

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self.handed = 0
        self.closed = 0

    def logs(self, container: str, *, since: float | None = None, **_: object) -> Iterator[LogLine]:
        try:
            for at, text in self.lines:
                if since is None or at >= since:
                    self.handed += 1
                    yield LogLine(text=text, at=f"2026-01-01T00:00:{at:012.9f}Z")
        finally:
            self.closed += 1


BASE = nanoseconds("2026-01-01T00:00:00Z")
assert BASE is not None


class Engine(Book):
    def logs(self, container: str, *, since: float | None = None, **rest: object) -> Iterator[LogLine]:
        assert BASE is not None
        return super().logs(container, since=None if since is None else since - BASE / SECOND)


def seen(life: str = "first", finished: str | None = None) -> Observed:
    return Observed(
        id="c", name="c", service="c", number=1, state=State.RUNNING, started_at=life, finished_at=finished
    )


def ask(search: LogSearch, observed: Observed, pattern: str = "ready") -> tuple[bool, bool, str]:
    answer = search.ask(observed, pattern, Patience.of(5))
    return answer.ok, answer.ran, answer.text


def test_a_line_that_comes_later_is_found_and_stays_found() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines.append((1.0, "starting"))
    assert ask(search, seen()) == (False, True, "not in the log yet")
    engine.lines.append((2.0, "server is \x1b[32mready\x1b[0m now"))
    assert ask(search, seen()) == (True, True, "logged: server is [32mready [0m now")
    engine.lines.clear()
    assert ask(search, seen())[0]
    assert engine.closed == 2


def test_lines_are_read_once() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines += [(n / 1000, f"line {n}") for n in range(1000)]
    for _ in range(5):
        ask(search, seen())
    assert engine.handed <= 1000 + 4 * 2


def test_lines_of_one_moment_are_all_read() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines.append((1.0, "one"))
    ask(search, seen())
    engine.lines.append((1.0, "ready"))
    assert ask(search, seen())[0]


def test_what_an_earlier_life_logged_does_not_count() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines.append((1.0, "ready"))
    assert ask(search, seen("first"))[0]
    again = seen("second", finished="2026-01-01T00:00:01.500000000Z")
    assert not ask(search, again)[0]
    assert not ask(LogSearch(engine), again)[0], "nor for one who did not see that life"  # type: ignore[arg-type]
    # The first line of a life may be stamped before the engine notes the start.
    engine.lines.append((1.6, "ready"))
    assert ask(search, again)[0]


def test_patterns_are_searched_apart() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines += [(1.0, "alpha"), (2.0, "beta")]
    assert ask(search, seen(), "beta$")[0]
    assert ask(search, seen(), "^alpha")[0]
    assert not ask(search, seen(), "gamma")[0]
    search.forget("c")
    engine.lines.clear()
    assert not ask(search, seen(), "beta$")[0]


def test_a_long_line_is_only_looked_at_so_far() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines.append((1.0, "x" * 70_000 + "ready"))
    assert not ask(search, seen())[0]


def test_a_long_log_is_gone_through_in_several_goes() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines += [(n / 1000, f"line {n}") for n in range(2000)] + [(3.0, "ready")]
    hasty = Patience(seconds=1, until=0.0)
    goes = 0
    while not (answer := search.ask(seen(), "ready", hasty)).ok:
        assert answer.text == "not found yet in a long log"
        goes += 1
        assert goes < 5000
    assert goes > 100
    assert engine.closed == goes + 1


def test_stopping_and_refusals() -> None:
    engine = Engine()
    search = LogSearch(engine)  # type: ignore[arg-type]
    engine.lines.append((1.0, "one"))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        search.ask(seen(), "ready", Patience.of(5, stop))
    assert ask(search, seen(), "(")[1] is False

    class Silent(Engine):
        def logs(self, container: str, **_: object) -> Iterator[LogLine]:
            raise Unsupported("the log driver can not be read")

    assert ask(LogSearch(Silent()), seen()) == (False, False, "the log driver can not be read")  # type: ignore[arg-type]

    class Mute:
        name = "mute"

    assert ask(LogSearch(Mute()), seen()) == (False, False, "the mute driver has no logs")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01T00:00:01.5Z", SECOND + SECOND // 2),
        ("2026-11-22T11:03:59.848300485Z", 1795345439848300485),
        ("2026-11-22T12:03:59.848300485+01:00", 1795345439848300485),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        ("yesterday", None),
        ("2026-13-01T00:00:00Z", None),
    ],
)
def test_times_keep_their_nanoseconds(text: str | None, expected: int | None) -> None:
    assert nanoseconds(text) == expected
    assert replace(seen(), finished_at=text).finished_at == text

"""Log streams cut anywhere give the same lines; events are read as hints."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from zun_compose.container import Health, LogLine
from zun_compose.drivers.docker.events import hint, timestamp
from zun_compose.drivers.docker.logs import Frames, Lines

PIECES = st.lists(
    st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=1, max_size=30)), max_size=20
)


def _frame(stream: str, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", 2 if stream == "stderr" else 1, len(payload)) + payload


@given(PIECES, st.lists(st.integers(1, 40), max_size=40))
def test_frames_do_not_depend_on_how_they_arrive(pieces: list[tuple[str, bytes]], cuts: list[int]) -> None:
    data = b"".join(_frame(*piece) for piece in pieces)
    frames = Frames()
    got: list[tuple[str, bytes]] = []
    for size in [*cuts, len(data)]:
        part, data = data[:size], data[size:]
        got += frames.feed(part)
    assert got == pieces


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=10)), st.lists(st.integers(1, 15)))
def test_lines_do_not_depend_on_how_they_arrive(texts: list[str], cuts: list[int]) -> None:
    data = "\n".join(texts).encode("utf-8", "surrogatepass")
    lines = Lines("stdout", timestamps=False, tty=False)
    got: list[LogLine] = []
    rest = data
    for size in [*cuts, len(rest)]:
        part, rest = rest[:size], rest[size:]
        got += lines.feed(part)
    got += lines.rest()
    whole = data.split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert [line.text for line in got] == [line.decode("utf-8", "replace") for line in whole]


def test_a_line_that_the_engine_split_has_one_time() -> None:
    lines = Lines("stdout", timestamps=True, tty=False)
    got = [*lines.feed(b"T1 begin-"), *lines.feed(b"T2 end\n"), *lines.feed(b"T3 \n")]
    assert got == [LogLine(text="begin-end", at="T1"), LogLine(text="", at="T3")]


def test_an_event_of_a_health_check() -> None:
    event = {
        "Type": "container",
        "Action": "health_status: unhealthy",
        "Actor": {
            "ID": "abc",
            "Attributes": {"com.docker.compose.service": "db", "name": "s-db-1", "image": "i"},
        },
        "time": 5,
        "timeNano": 5_250_000_000,
    }
    seen = hint(event)
    assert seen is not None
    assert (seen.action, seen.health, seen.service, seen.at) == (
        "health_status",
        Health.UNHEALTHY,
        "db",
        5.25,
    )
    assert (seen.container, seen.name, seen.image) == ("abc", "s-db-1", "i")


def test_an_event_of_a_death() -> None:
    seen = hint({"Action": "die", "Actor": {"ID": "abc", "Attributes": {"exitCode": "137"}}, "time": 7})
    assert seen is not None
    assert (seen.action, seen.exit_code, seen.at) == ("die", 137, 7.0)


def test_events_of_probes_are_dropped() -> None:
    for action in (
        "exec_create: sh -c true",
        "exec_start: sh -c true",
        "exec_die",
        "exec_detach",
        "exec",
        "exec_died",
    ):
        assert hint({"Action": action, "Actor": {"ID": "abc"}}) is None


@given(st.integers(0, 2**62))
def test_a_moment_keeps_its_nanoseconds(nanoseconds: int) -> None:
    seconds, _, rest = timestamp(nanoseconds).partition(".")
    assert int(seconds) * 1_000_000_000 + int(rest) == nanoseconds


def test_podman_s_word_for_the_end_is_docker_s() -> None:
    seen = hint({"Action": "remove", "Actor": {"ID": "abc"}})
    assert seen is not None
    assert seen.action == "destroy"

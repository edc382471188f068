"""Durations, sizes, command lines, numbers."""

from __future__ import annotations

import pytest

from zun_compose.parse import units


@pytest.mark.parametrize(
    ("text", "seconds", "spelled"),
    [
        ("1m30s", 90, "1m30s"),
        ("90s", 90, "1m30s"),
        ("1.5s", 1.5, "1.5s"),
        ("100ms", 0.1, "100ms"),
        ("2h", 7200, "2h0m0s"),
        ("0", 0, "0s"),
        ("1us", 1e-6, "1µs"),
        ("1500us", 0.0015, "1.5ms"),
        ("3ns", 3e-9, "3ns"),
    ],
)
def test_durations(text, seconds, spelled):
    found = units.duration(text)
    assert found.seconds == pytest.approx(seconds)
    assert units.spell_duration(found) == spelled
    assert units.duration(spelled) == found


@pytest.mark.parametrize("text", ["", "10", "s", "1x", "1m 3s", ".s", "--1s", "1s-", "999999999999h"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError):
        units.duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64m", 64 << 20),
        ("1.5g", 3 << 29),
        ("1k", 1024),
        ("2GiB", 2 << 30),
        ("10 kb", 10240),
        ("7", 7),
        (7, 7),
        (-1, -1),
        ("2e3b", 2000),
    ],
)
def test_sizes(text, size):
    assert units.size(text) == size


@pytest.mark.parametrize("text", ["", "m", "10x", "1.2.3m", "-5m", "ten", "-1", "5ib", " 5"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError):
        units.size(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('echo "a b" it\\ s $X # no', ["echo", "a b", "it s", "$X", "#", "no"]),
        ("  a   b\n c\t d", ["a", "b", "c", "d"]),
        ("a \"\" ''", ["a", "", ""]),
        ("a 'b;c' d\\;e f&g", ["a", "b;c", "d;e", "f"]),
        ("a && b", ["a"]),
        ("a 2>&1", ["a"]),
        ("a `b c` d", ["a", "`b c`", "d"]),
        ("a $(b c) d", ["a", "$(b c)", "d"]),
        ("a'b'c", ["abc"]),
        ('\'x\\y\' "q\\"r"', ["x\\y", 'q"r']),
        ("", []),
    ],
)
def test_command_lines(text, words):
    assert units.words(text) == words


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a\\", "a (b)", "a b)", "a `b", "a $(b"])
def test_command_lines_without_an_end(text):
    with pytest.raises(ValueError):
        units.words(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.5, "1.5"),
        (1000.0, "1000"),
        (1e21, "1e+21"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (-0.0, "-0"),
        (1e8, "1e+08"),
        (1234567.0, "1.234567e+06"),
        (123456.0, "123456"),
        (float("inf"), "+Inf"),
    ],
)
def test_floats_as_docker_compose_writes_them(number, text):
    assert units.spell_float(number) == text


@pytest.mark.parametrize(
    ("value", "kept"), [(0.1, 0.1), (1.123456789, 1.1234568), (0.5, 0.5), (1e-9, 1e-9), (1e300, 1e300)]
)
def test_numbers_kept_in_32_bits(value, kept):
    assert units.single(value) == kept

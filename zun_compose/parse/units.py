"""Durations, sizes and numbers as compose files spell them.

Each function raises ValueError with a short reason; the caller knows the place.
"""

from __future__ import annotations

import re
import struct
from decimal import Decimal, InvalidOperation

from zun_compose.parse.tree import Duration, Size

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w)")
_LONG = 100
# More digits than any value that is kept has a use for; Go reads no more of them either.
_NANOS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_SIZE = re.compile(
    r"(\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]{1,3})?) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE
)
_FACTOR = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def duration(text: str) -> Duration:
    """Read "1m30s" and the like; a bare 0 needs no unit."""
    rest = text.lstrip("+-")
    if rest == "0":
        return Duration(0)
    total = Decimal(0)
    position = 0
    while position < len(rest):
        match = _DURATION.match(rest, position)
        if match is None or len(text) > _LONG:
            raise ValueError('a duration looks like "1m30s"')
        total += Decimal(match[1]) * _NANOS[match[2]]
        position = match.end()
    if not rest or len(text) - len(rest) > 1 or total >= 1 << 63:
        raise ValueError('a duration looks like "1m30s"')
    return Duration(-int(total) if text.startswith("-") else int(total))


def spell_duration(value: int) -> str:
    """Write nanoseconds as Go does: 1m30s, 1.5s, 250ms."""
    if value == 0:
        return "0s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    if value < 1_000_000_000:
        for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if value < size * 1_000:
                return f"{sign}{_decimal(Decimal(value) / size)}{unit}"
    hours, rest = divmod(value, _NANOS["h"])
    minutes, rest = divmod(rest, _NANOS["m"])
    text = f"{_decimal(Decimal(rest) / _NANOS['s'])}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    if hours:
        text = f"{hours}h{text}"
    return sign + text


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(value: str | float) -> Size:
    """Read "64m", "1.5gb", 1024; units are powers of 1024. The number -1 stands for no limit."""
    if isinstance(value, int | float):
        return Size(int(value))
    text = value
    match = _SIZE.fullmatch(text) if len(text) <= _LONG else None
    if match is None:
        raise ValueError('a size looks like "512m"')
    found = Decimal(match[1]) * _FACTOR[(match[2] or "").lower()]
    if found >= 1 << 63:
        raise ValueError("it is too large")
    return Size(int(found))


def number(value: str) -> float:
    """Read a decimal number."""
    try:
        return float(Decimal(value if len(value) <= _LONG else "too long"))
    except InvalidOperation:
        raise ValueError("must be a number") from None


def single(value: float) -> float:
    """Return the number that is left of another where it is kept in 32 bits, in its shortest spelling."""
    try:
        kept = struct.pack("<f", value)
    except OverflowError:
        return value
    near = struct.unpack("<f", kept)[0]
    spellings = (float(f"{near:.{digits}g}") for digits in range(1, 10))
    return next((found for found in spellings if struct.pack("<f", found) == kept), value)


_PLAIN = re.compile(r"[^\\\s\"'`()$;&|<>]+")
_QUOTES = "\"'`"
_ENDS = frozenset(";&|<>")


def words(text: str) -> list[str]:  # noqa: C901 - one state machine, clearer in one piece
    """Split a command line into words as docker compose does: quotes and backslashes, nothing expanded.

    What follows an unquoted ; & | < or > is left out, since no shell will be there to act on it.
    """
    found: list[str] = []
    word: list[str] = []
    started = False
    quote = ""
    position = 0
    while position < len(text):
        plain = None if quote else _PLAIN.match(text, position)
        if plain is not None:
            word.append(plain[0])
            started, position = True, plain.end()
            continue
        char = text[position]
        position += 1
        if char == "\\" and quote != "'":
            if position == len(text):
                raise ValueError("a backslash ends it")
            word.append(text[position])
            started, position = True, position + 1
        elif quote:
            closes = char == (")" if quote == "(" else quote)
            if not closes or quote in "`(":
                word.append(char)
            if closes:
                quote = ""
        elif char in " \t\r\n":
            if started:
                found.append("".join(word))
            word, started = [], False
        elif char in _QUOTES or (char == "(" and word and word[-1].endswith("$")):
            quote, started = char, True
            if char in "`(":
                word.append(char)
        elif char in "()":
            raise ValueError("a parenthesis must be quoted")
        elif char in _ENDS:
            if char == ">" and word and word[0][:1].isdigit():
                started = False
            break
        else:
            word.append(char)
            started = True
    if quote:
        raise ValueError("a quote has no end")
    if started:
        found.append("".join(word))
    return found


def spell_float(value: float) -> str:
    """Write a float as Go's %v: shortest digits, an exponent from 1e+06 on and below 1e-4."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    digits = Decimal(repr(value))
    sign, mantissa, exponent = digits.as_tuple()
    assert isinstance(exponent, int)
    figures = "".join(map(str, mantissa)).rstrip("0") or "0"
    power = len(mantissa) + exponent - 1
    if power < -4 or power >= 6:
        head = figures[0] + ("." + figures[1:] if len(figures) > 1 else "")
        return f"{'-' if sign else ''}{head}e{'-' if power < 0 else '+'}{abs(power):02d}"
    text = f"{digits:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

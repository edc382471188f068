"""What an unquoted scalar means: YAML 1.2 words, Go's number spellings. Pure."""

from __future__ import annotations

import re
from typing import Any

_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".inf": float("inf"),
    ".Inf": float("inf"),
    ".INF": float("inf"),
    "+.inf": float("inf"),
    "+.Inf": float("inf"),
    "+.INF": float("inf"),
    "-.inf": float("-inf"),
    "-.Inf": float("-inf"),
    "-.INF": float("-inf"),
    ".nan": float("nan"),
    ".NaN": float("nan"),
    ".NAN": float("nan"),
}
SPECIAL = frozenset("0123456789+-.~nNtTfF")
"""What a scalar begins with that may be something other than a string."""

_INTEGER = re.compile(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F_]+)|0[oO]?(?P<oct>[0-7_]+)|0[bB](?P<bin>[01_]+)|(?P<dec>0|[1-9][0-9_]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt\s]+\d{1,2}:\d{2}:\d{2}.*)?")


class Timestamp(str):
    """A plain scalar that YAML takes for a date: no attribute accepts one."""

    __slots__ = ()


def plain(value: str) -> Any:
    """Return what an unquoted scalar means: None, a boolean, a number or a string."""
    if value in _WORDS:
        return _WORDS[value]
    first = value[:1]
    if first not in "0123456789+-.":
        return value
    match = _INTEGER.fullmatch(value)
    if match is not None:
        for group, base in (("hex", 16), ("oct", 8), ("bin", 2), ("dec", 10)):
            digits = match[group]
            if digits is not None:
                digits = digits.replace("_", "")
                if not digits and group != "oct":
                    return value
                number = int(digits or "0", base) if len(digits) < 100 else 1 << 80
                number = -number if first == "-" else number
                # Go falls back to a float where 64 bits do not hold the number.
                return number if -(1 << 63) <= number < (1 << 64) else float(number)
    if _FLOAT.fullmatch(value):
        number_text = value.replace("_", "")
        result = float(number_text)
        return value if result in (float("inf"), float("-inf")) else result
    if len(value) < 64 and _DATE.fullmatch(value):
        return Timestamp(value)
    return value

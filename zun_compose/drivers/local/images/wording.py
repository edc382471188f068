"""How names that strangers chose are told: short, on one line, without control characters."""

from __future__ import annotations

_LONGEST = 120


def shown(name: str) -> str:
    """Return a name in double quotes, fit for an error message."""
    text = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
    return '"' + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text) + '"'

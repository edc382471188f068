"""Makes what came out of a container or a server fit to be shown: one line, bounded, nothing unprintable."""

from __future__ import annotations

ANSWER = 512


def shown(text: str, limit: int = ANSWER) -> str:
    """Return the text on one line, without control characters, at most `limit` characters long."""
    # A terminal obeys what it is sent; only what prints gets through.
    plain = "".join(char if char.isprintable() else " " for char in text[: 4 * limit])
    line = " ".join(plain.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def last_line(text: str) -> str:
    """Return the last line that holds anything, fit to be shown."""
    for line in reversed(text[-16384:].splitlines()):
        words = shown(line)
        if words:
            return words
    return ""

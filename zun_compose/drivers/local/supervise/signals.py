"""Signals as people and Docker write them."""

from __future__ import annotations

import signal

from zun_compose.errors import Rejected


def number_of(name: str) -> int:
    """Read "SIGTERM", "term" or "15". Raises Rejected if there is no such signal."""
    word = name.strip().upper()
    if word.isdigit():
        number = int(word)
        if 0 < number <= int(signal.SIGRTMAX):
            return number
    base, _, offset = word.removeprefix("SIG").partition("+")
    found = getattr(signal, f"SIG{base}", None)
    if isinstance(found, signal.Signals):
        number = int(found) + (int(offset) if offset.isdigit() else 0)
        if number <= int(signal.SIGRTMAX):
            return number
    raise Rejected(f'"{name}" is not a signal')

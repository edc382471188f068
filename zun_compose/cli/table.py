"""Plain text tables, and how times and sizes are told in them. No colours, no library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

GAP = "   "


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a header, columns as wide as their widest cell, without trailing blanks."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = (
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )
    return "\n".join(lines)


def shortened(text: str, width: int) -> str:
    """Return text of at most `width` characters, with an ellipsis where something is left out."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def moment(text: str) -> datetime | None:
    """Return the moment that RFC 3339 text means, without a zone in the local one; None if it is none."""
    head, dot, rest = text.partition(".")
    if dot:
        # Python reads at most six digits of a second; engines print nine.
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        text = f"{head}.{digits[:6].ljust(6, '0')}{rest[len(digits) :]}"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.astimezone()


def ago(seconds: float) -> str:
    """Return an age in docker's words, such as "2 minutes ago"."""
    return f"{age(seconds)} ago"


def age(seconds: float) -> str:
    """Return a span in docker's words, such as "About an hour"."""
    whole = max(0, int(seconds))
    minutes, hours = whole // 60, round(whole / 3600)
    for limit, words in (
        (whole < 1, "Less than a second"),
        (whole == 1, "1 second"),
        (whole < 60, f"{whole} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 14, f"{hours // 24} days"),
        (hours < 24 * 60, f"{hours // 24 // 7} weeks"),
        (hours < 24 * 365 * 2, f"{hours // 24 // 30} months"),
    ):
        if limit:
            return words
    return f"{hours // 24 // 365} years"

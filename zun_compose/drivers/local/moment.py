"""Moments as people and Docker write them: RFC 3339 in UTC with nine digits of a second."""

from __future__ import annotations

import time


def rfc3339(nanoseconds: int | None = None) -> str:
    """Return a moment since the epoch (None: now) in words that sort as the moments do."""
    whole, rest = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{rest:09d}Z"

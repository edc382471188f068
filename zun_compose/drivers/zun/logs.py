"""Logs, in whole answers: Zun streams nothing, so following them is asking again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from datetime import datetime

from zun_compose.container import LogLine
from zun_compose.drivers.zun import observe
from zun_compose.drivers.zun.cloud import Part
from zun_compose.drivers.zun.containers import short
from zun_compose.drivers.zun.faults import translated
from zun_compose.errors import Conflict

PERIOD = 1.0
"""Seconds between two looks at a log that is followed."""

_RESTARTING = 90.0
"""Seconds that a container may take between two lives: its engine pauses for up to a minute."""

_STREAMS = ("stdout", "stderr")


class Logs(Part):
    """LogSource over one cloud."""

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[LogLine]:
        """Yield lines in the order of their times; with `follow` until the container ends."""
        doing = f'read the log of container "{short(container)}"'
        with translated(doing):
            running = self._alive(container)
            found = self._read(container, dict.fromkeys(_STREAMS, since))
        lines = [line for line in found if until is None or _seconds(line) < until]
        if tail is not None:
            lines = lines[-tail:] if tail else []
        told = self._following(container, found, since, until, doing) if follow and running else ()
        return (
            line if timestamps else LogLine(text=line.text, stream=line.stream)
            for line in itertools.chain(lines, told)
        )

    def whole(self, container: str) -> str:
        """Return all that has been written by now, both streams as they came."""
        with translated(f'read the log of container "{short(container)}"'):
            return str(self._cloud.zun.get_container_logs(container))

    def _following(
        self, container: str, found: list[LogLine], since: float | None, until: float | None, doing: str
    ) -> Iterator[LogLine]:
        """Yield what is written after `found` was read, until the container ends, or the time is `until`."""
        # of each stream apart: they are read one after the other, and between the two both may be written to
        last = {line.stream: line.at or "" for line in found}
        running = True
        while running and (until is None or time.time() < until):
            time.sleep(PERIOD)
            with translated(doing):
                # asked first, so that what was written before the end is read
                running = self._alive(container)
                starts = {one: int(_moment(last[one])) if one in last else since for one in _STREAMS}
                found = self._read(container, starts)
            for line in found:
                if (line.at or "") > last.get(line.stream, "") and (until is None or _seconds(line) < until):
                    yield line
            last |= {line.stream: line.at or "" for line in found}

    def _alive(self, container: str) -> bool:
        return self._cloud.zun.get_container(container).status in observe.ALIVE

    def _read(self, container: str, since: Mapping[str, float | None]) -> list[LogLine]:
        """Read both streams, which are two questions: Zun mixes what it is asked for together."""
        found: list[LogLine] = []
        for stream, start in since.items():
            for row in self._text(container, stream, start).split("\n"):
                at, _, words = row.partition(" ")
                if row and (start is None or _moment(at) >= start):
                    found.append(LogLine(text=words.removesuffix("\r"), stream=stream, at=at))
        return sorted(found, key=lambda line: line.at or "")

    def _text(self, container: str, stream: str, since: float | None) -> str:
        """Read one stream. Between two lives of a container Zun refuses: then we wait."""
        doing = f'read the log of container "{short(container)}"'

        def read() -> str | None:
            try:
                with translated(doing):
                    return str(
                        self._cloud.zun.get_container_logs(
                            container,
                            stdout=stream == "stdout",
                            stderr=stream == "stderr",
                            timestamps=True,
                            since=None if since is None else int(since),
                        )
                    )
            except Conflict:
                if self._cloud.zun.get_container(container).status in ("Deleting", "Dead"):
                    raise
                return None

        return self._cloud.until(read, doing, _RESTARTING)


def _seconds(line: LogLine) -> float:
    return _moment(line.at or "1970-01-01T00:00:00Z")


def _moment(at: str) -> float:
    whole, _, rest = at.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or 0}")

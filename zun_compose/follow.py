"""Merges the logs of several containers: in order of time where it is known, live while following."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Generator, Iterator, Sequence
from queue import SimpleQueue

from zun_compose.container import LogLine, Observed
from zun_compose.driver import Driver, LogSource
from zun_compose.errors import DriverError, NotFound, Unsupported
from zun_compose.options import LogOptions


def merged_logs(
    driver: Driver, stack: str, services: Sequence[str], options: LogOptions
) -> Generator[tuple[Observed, LogLine], None, None]:
    """Yield (container, line); closing the iterator closes the streams."""
    if not isinstance(driver, LogSource):
        msg = f"the {driver.name} driver keeps no logs"
        raise Unsupported(msg)
    chosen = [
        seen
        for seen in driver.list(stack)
        if (not services or seen.service in services)
        and (options.index is None or seen.number == options.index)
        and not seen.oneoff
    ]
    missing = [name for name in services if all(seen.service != name for seen in chosen)]
    if missing:
        msg = f"no container for service {', '.join(missing)}"
        raise NotFound(msg)
    if options.follow:
        return _live(driver, chosen, options)
    return _sorted(driver, chosen, options)


def _lines(driver: LogSource, seen: Observed, options: LogOptions, *, timestamps: bool) -> Iterator[LogLine]:
    return driver.logs(
        seen.id,
        follow=options.follow,
        tail=options.tail,
        since=options.since,
        until=options.until,
        timestamps=timestamps,
    )


def _sorted(
    driver: LogSource, chosen: Sequence[Observed], options: LogOptions
) -> Generator[tuple[Observed, LogLine], None, None]:
    def stamped(order: int, seen: Observed) -> Iterator[tuple[str, int, int, Observed, LogLine]]:
        for index, line in enumerate(_lines(driver, seen, options, timestamps=True)):
            yield (line.at or "", order, index, seen, line)

    streams = [stamped(order, seen) for order, seen in enumerate(chosen)]
    for _, _, _, seen, line in heapq.merge(*streams, key=lambda row: row[:3]):
        yield seen, line if options.timestamps else LogLine(text=line.text, stream=line.stream)


class _Follower:
    """One reader thread a container, all posting to one queue."""

    def __init__(self, driver: LogSource, chosen: Sequence[Observed], options: LogOptions) -> None:
        self.queue: SimpleQueue[tuple[Observed, LogLine] | None] = SimpleQueue()
        self._driver = driver
        self._options = options
        self._streams: list[Iterator[LogLine]] = []
        for seen in chosen:
            stream = _lines(driver, seen, options, timestamps=options.timestamps)
            self._streams.append(stream)
            threading.Thread(target=self._read, args=(seen, stream), daemon=True).start()

    def _read(self, seen: Observed, stream: Iterator[LogLine]) -> None:
        try:
            for line in stream:
                self.queue.put((seen, line))
        except (DriverError, ValueError):
            pass
        finally:
            self.queue.put(None)


def _live(
    driver: LogSource, chosen: Sequence[Observed], options: LogOptions
) -> Generator[tuple[Observed, LogLine], None, None]:
    follower = _Follower(driver, chosen, options)
    open_streams = len(chosen)
    while open_streams:
        item = follower.queue.get()
        if item is None:
            open_streams -= 1
        else:
            yield item

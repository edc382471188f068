"""Merges the logs of several containers: in order of time where it is known, live while following."""

from __future__ import annotations

import heapq
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from queue import Full, Queue

from zun_compose.container import LogLine, Observed, State
from zun_compose.driver import Driver, LogSource
from zun_compose.errors import DriverError, NotFound, Unsupported
from zun_compose.options import LogOptions
from zun_compose.record import replace

log = logging.getLogger(__name__)

# Lines read ahead of a slow reader, all containers together.
AHEAD = 1000
# How often a container that is to come back, or one without a log, is looked at, in seconds.
LOOK_SECONDS = 0.2
# Some engines say "exited" for a moment before their restart policy brings a container back.
GRACE_SECONDS = 0.5
# Engine times have nine digits, our seconds about seven: a new stream begins a little early and what
# is known already is left out. More lines than this do not fit into that little.
_KNOWN_LINES = 256
_OVERLAP_SECONDS = 0.00001

Ended = Callable[[Observed], None]


def merged_logs(
    driver: Driver, stack: str, services: Sequence[str], options: LogOptions, life_ended: Ended | None = None
) -> Generator[tuple[Observed, LogLine], None, None]:
    """Yield (container, line); closing the iterator closes the streams.

    A container whose log cannot be read is told once, as a warning on this module's logger. While
    following, a container that its restart policy brings back is followed on, and `life_ended` is called
    after the last line of each life; an error that broke a stream is raised once all others have ended.
    """
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
        return _live(driver, driver, chosen, options, life_ended)
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


def _unreadable(seen: Observed) -> None:
    log.warning('the log of container "%s" cannot be read: its logging driver keeps none', seen.name)


def _sorted(
    driver: LogSource, chosen: Sequence[Observed], options: LogOptions
) -> Generator[tuple[Observed, LogLine], None, None]:
    def readable(seen: Observed, *, timestamps: bool) -> Iterator[LogLine]:
        try:
            yield from _lines(driver, seen, options, timestamps=timestamps)
        except Unsupported:
            _unreadable(seen)

    def stamped(order: int, seen: Observed) -> Iterator[tuple[str, int, int, Observed, LogLine]]:
        for index, line in enumerate(readable(seen, timestamps=True)):
            yield line.at or "", order, index, seen, line

    if len(chosen) == 1:
        # Nothing to put in order: the lines need no time, which is most of the work.
        for line in readable(chosen[0], timestamps=options.timestamps):
            yield chosen[0], line
        return
    # Two rows never compare further than their index, so no key is needed.
    for _, _, _, seen, line in heapq.merge(*(stamped(order, seen) for order, seen in enumerate(chosen))):
        yield seen, line if options.timestamps else LogLine(text=line.text, stream=line.stream)


class _Reader:
    """Reads one container's log, life after life, in a thread of its own."""

    def __init__(
        self, driver: Driver, source: LogSource, seen: Observed, options: LogOptions, follower: _Follower
    ) -> None:
        self._driver = driver
        self._source = source
        self._seen = seen
        self._options = options
        self._follower = follower
        self._known: deque[LogLine] = deque(maxlen=_KNOWN_LINES)
        self._stream: Iterator[LogLine] | None = None

    def run(self) -> None:
        """Read until the container has ended for good, or the follower is closed."""
        try:
            self._read()
        except NotFound:
            pass  # removed: that is an end too
        except (DriverError, OSError, ValueError) as error:
            # A stream that is closed while it is read may break in any way.
            if not self._follower.closing.is_set():
                self._follower.failures.append(error)
        finally:
            self._follower.put((self._seen, None, True))

    def close(self) -> None:
        """Free the thread if it waits for a line."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            # A generator that runs just now in its thread cannot be closed by us.
            with suppress(DriverError, OSError, ValueError):
                close()

    def _read(self) -> None:
        options, closing = self._options, self._follower.closing
        while not closing.is_set():
            try:
                news = self._life(options)
            except Unsupported:
                _unreadable(self._seen)
                while self._back(wait=LOOK_SECONDS) is not None:
                    pass
                return
            self._follower.put((self._seen, None, False))
            if options.until is not None:
                return  # nothing more can come
            # An engine that ends streams without a word must not be asked again and again at once.
            back = self._back(wait=0.0 if news else LOOK_SECONDS)
            if back is None:
                return
            options = self._rest(back)

    def _life(self, options: LogOptions) -> bool:
        """Read one stream to its end, without the lines known from the one before; whether any was new."""
        again, newest = Counter(self._known), (self._known[-1].at if self._known else None) or ""
        news = False
        # Always with times: where the next stream is to begin is known by them only.
        self._stream = _lines(self._source, self._seen, options, timestamps=True)
        if self._follower.closing.is_set():
            self.close()
        for line in self._stream:
            if again:
                if again[line] > 0:
                    again[line] -= 1
                    continue
                if (line.at or "") > newest:
                    again.clear()
            news = True
            self._known.append(line)
            told = line if options.timestamps else LogLine(text=line.text, stream=line.stream)
            if not self._follower.put((self._seen, told, False)):
                break
        return news

    def _back(self, wait: float = 0.0) -> Observed | None:
        """Return the container once it runs (again); None if it has ended for good or we are closed."""
        closing = self._follower.closing
        patience = GRACE_SECONDS
        while not closing.wait(wait):
            now = self._driver.inspect(self._seen.id)
            if now.state in (State.RUNNING, State.PAUSED):
                return now
            wait = LOOK_SECONDS
            if now.state is not State.RESTARTING:
                if not _may_return(now) or patience <= 0:
                    return None
                patience -= wait
        return None

    def _rest(self, now: Observed) -> LogOptions:
        """Return how to go on after what has been read."""
        begin = _seconds(self._known[-1].at if self._known else None)
        if begin is not None:
            begin -= _OVERLAP_SECONDS
        elif self._options.tail is not None:
            # Nothing was written while we looked: what comes after the last end is all new.
            begin = _seconds(now.finished_at)
        else:
            begin = self._options.since
        return replace(self._options, tail=None, since=begin)


Item = tuple[Observed, LogLine | None, bool]


class _Follower:
    """One reader thread a container, all posting to one queue that holds back those who are too fast.

    An item without a line says that a life ended; its last part is True if that was the last one.
    """

    def __init__(
        self, driver: Driver, source: LogSource, chosen: Sequence[Observed], options: LogOptions
    ) -> None:
        self.queue: Queue[Item] = Queue(maxsize=AHEAD)
        self.closing = threading.Event()
        self.failures: list[Exception] = []
        self._readers = [_Reader(driver, source, seen, options, self) for seen in chosen]
        for reader in self._readers:
            threading.Thread(target=reader.run, name="log", daemon=True).start()

    def put(self, item: Item) -> bool:
        """Post an item; False if nobody will take it any more."""
        while not self.closing.is_set():
            try:
                self.queue.put(item, timeout=LOOK_SECONDS)
            except Full:
                continue
            return True
        return False

    def close(self) -> None:
        """End all readers."""
        self.closing.set()
        for reader in self._readers:
            reader.close()


def _live(
    driver: Driver,
    source: LogSource,
    chosen: Sequence[Observed],
    options: LogOptions,
    life_ended: Ended | None,
) -> Generator[tuple[Observed, LogLine], None, None]:
    follower = _Follower(driver, source, chosen, options)
    unfinished = len(chosen)
    try:
        while unfinished:
            seen, line, last = follower.queue.get()
            if line is not None:
                yield seen, line
                continue
            unfinished -= last
            if not last and life_ended is not None:
                life_ended(seen)
    finally:
        follower.close()
    if follower.failures:
        raise follower.failures[0]


def _may_return(now: Observed) -> bool:
    policy = now.restart_policy
    return policy in ("always", "unless-stopped") or (policy.startswith("on-failure") and now.exit_code != 0)


def _seconds(at: str | None) -> float | None:
    """Return RFC 3339 text of up to nine digits as seconds since the epoch; None if it is none."""
    head, dot, rest = (at or "").partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    try:
        whole = datetime.fromisoformat(head + rest[len(digits) :])
    except ValueError:
        return None
    if whole.year < 2:
        # The engine's word for never.
        return None
    return whole.timestamp() + (float(f"0.{digits}") if dot and digits else 0.0)

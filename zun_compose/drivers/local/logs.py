"""Logs line by line, from the files that the supervisor writes and rotates."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from zun_compose.container import LogLine
from zun_compose.drivers.local.containers import Part
from zun_compose.drivers.local.home import Place
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.moment import rfc3339
from zun_compose.drivers.local.watching import Watch

_CHUNK = 1 << 16
_PATIENCE = 0.25
_MARKS = {"o": "stdout", "O": "stdout", "e": "stderr", "E": "stderr"}


class Logs(Part):
    """LogSource over the files."""

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
        """Lines in order; the iterator's `close` may be called from another thread."""
        place = self._home.find(container)
        return LogStream(place, follow=follow, tail=tail, since=since, until=until, timestamps=timestamps)


class LogStream:
    """An iterator over lines that another thread may close while it waits for the next one."""

    def __init__(
        self,
        place: Place,
        *,
        follow: bool,
        tail: int | None,
        since: float | None,
        until: float | None,
        timestamps: bool,
    ) -> None:
        self._place = place
        self._follow = follow
        self._since = "" if since is None else rfc3339(int(since * 1e9))
        self._until = "" if until is None else rfc3339(int(until * 1e9))
        self._timestamps = timestamps
        self._files = _Files(place.log)
        self._partial: dict[str, tuple[str, bytes]] = {}
        self._ready: deque[LogLine] = deque()
        self._closed = False
        self._over = False
        self._lock = Lock()
        self._watch = Watch(place.path) if follow else None
        if tail is not None:
            kept: deque[LogLine] = deque(maxlen=max(tail, 0))
            while lines := self._more():
                kept.extend(lines)
            self._ready = kept if tail > 0 else deque()

    def __iter__(self) -> LogStream:
        return self

    def __next__(self) -> LogLine:
        while not self._ready:
            if self._closed or self._over:
                self.close()
                raise StopIteration
            self._fill()
        return self._ready.popleft()

    def close(self) -> None:
        """Close the stream; a `next` that waits in another thread ends."""
        with self._lock:
            self._closed = True
            if self._watch is not None:
                self._watch.wake()

    def __del__(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._files.close()

    def _fill(self) -> None:
        # asked before the files: what is written until an end is read below
        ended = not self._follow or not self._place.spec.exists() or not _alive(self._place)
        lines = self._more()
        self._ready.extend(lines)
        if lines:
            return
        if ended:
            self._over = True
        elif self._watch is not None:
            self._watch.wait(_PATIENCE)

    def _more(self) -> list[LogLine]:
        found: list[LogLine] = []
        while not found:
            entries = self._files.read()
            if not entries:
                break
            for entry in entries:
                line = self._line(entry)
                if line is not None:
                    found.append(line)
        return found

    def _line(self, entry: bytes) -> LogLine | None:
        moment, _, rest = entry.partition(b" ")
        mark, _, text = rest.partition(b" ")
        at, letter = moment.decode("ascii", "replace"), mark.decode("ascii", "replace")
        stream = _MARKS.get(letter, "stdout")
        first, before = self._partial.pop(stream, (at, b""))
        if letter.isupper():
            self._partial[stream] = (first, before + text)
            return None
        if (self._since and first < self._since) or (self._until and first > self._until):
            return None
        words = (before + text).removesuffix(b"\r").decode("utf-8", "replace")
        return LogLine(text=words, stream=stream, at=first if self._timestamps else None)


def _alive(place: Place) -> bool:
    return standing(place).up


class _Files:
    """Reads the log's files from the oldest on, through rotations that happen meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._rest = b""
        older = [path.with_name(name) for name in _older(path)]
        for one in (*older, path):
            with suppress(FileNotFoundError):
                self._descriptor = os.open(one, os.O_RDONLY | os.O_CLOEXEC)
                break

    def read(self) -> list[bytes]:
        """Return the entries that were added, none if there are none yet."""
        while True:
            if self._descriptor < 0:
                try:
                    self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    return []
            data = os.read(self._descriptor, _CHUNK)
            if data:
                *entries, self._rest = (self._rest + data).split(b"\n")
                if entries:
                    return entries
                continue
            following = self._next()
            if following is None:
                return []
            os.close(self._descriptor)
            self._descriptor, self._rest = following, b""

    def _next(self) -> int | None:
        """Open the file that follows ours, if ours was rotated away."""
        inode = os.fstat(self._descriptor).st_ino
        chain = [self._path, *(self._path.with_name(name) for name in reversed(_older(self._path)))]
        newer = -1
        for path in chain:
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            if os.fstat(descriptor).st_ino == inode:
                os.close(descriptor)
                return newer if newer >= 0 else None
            if newer >= 0:
                os.close(newer)
            newer = descriptor
        # ours is so old that it is gone: go on with the oldest that is left
        return newer if newer >= 0 else None

    def close(self) -> None:
        """Close what is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _older(path: Path) -> list[str]:
    """The names of rotated files, oldest first."""
    try:
        names = os.listdir(path.parent)
    except FileNotFoundError:
        return []
    numbers = [name.removeprefix(f"{path.name}.") for name in names if name.startswith(f"{path.name}.")]
    return [f"{path.name}.{number}" for number in sorted(filter(str.isdigit, numbers), key=int, reverse=True)]

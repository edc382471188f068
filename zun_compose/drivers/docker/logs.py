"""Logs line by line: frames taken apart, partial lines put together, timestamps split off."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator

from zun_compose.container import LogLine
from zun_compose.drivers.docker.errors import translated
from zun_compose.drivers.docker.transport import Stream
from zun_compose.drivers.docker.wire import Part, quoted, short

HEADER = 8
STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}


class Frames:
    """Takes a multiplexed byte stream apart, however it was cut into pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield each whole frame: its stream and its payload."""
        self._buffer += data
        while len(self._buffer) >= HEADER:
            kind, length = struct.unpack_from(">BxxxL", self._buffer)
            if len(self._buffer) < HEADER + length:
                return
            payload = bytes(self._buffer[HEADER : HEADER + length])
            del self._buffer[: HEADER + length]
            yield STREAMS.get(kind, "stderr"), payload


class Lines:
    """Puts the pieces of one stream together to lines.

    With timestamps each piece of a multiplexed stream starts with one, also inside a long line that the
    engine split; of a terminal's stream only each line does.
    """

    def __init__(self, stream: str, *, timestamps: bool, tty: bool) -> None:
        self._stream = stream
        self._timestamps = timestamps
        self._tty = tty
        self._at: str | None = None
        self._pending = bytearray()

    def feed(self, piece: bytes) -> Iterator[LogLine]:
        """Yield the lines that this piece completes."""
        if self._timestamps and not self._tty:
            stamp, _, piece = piece.partition(b" ")
            self._at = self._at or stamp.decode("ascii", "replace")
        self._pending += piece
        while (end := self._pending.find(b"\n")) >= 0:
            line = bytes(self._pending[:end])
            del self._pending[: end + 1]
            yield self._line(line)

    def rest(self) -> Iterator[LogLine]:
        """Yield what a container left without a line end."""
        if self._pending:
            line = bytes(self._pending)
            self._pending.clear()
            yield self._line(line)

    def _line(self, line: bytes) -> LogLine:
        if self._tty:
            line = line.removesuffix(b"\r")
            if self._timestamps:
                stamp, _, line = line.partition(b" ")
                self._at = stamp.decode("ascii", "replace")
        at, self._at = self._at, None
        return LogLine(text=line.decode("utf-8", "replace"), stream=self._stream, at=at)


class LogStream:
    """An iterator over lines that another thread may close while it waits for the next one."""

    def __init__(self, stream: Stream, doing: str, *, tty: bool, timestamps: bool) -> None:
        self._stream = stream
        self._doing = doing
        self._tty = tty
        self._frames = Frames()
        self._lines = {name: Lines(name, timestamps=timestamps, tty=tty) for name in ("stdout", "stderr")}
        self._ready: deque[LogLine] = deque()
        self._closed = False
        self._ended = False

    def __iter__(self) -> LogStream:
        return self

    def __next__(self) -> LogLine:
        while not self._ready:
            if self._closed or self._ended:
                self.close()
                raise StopIteration
            self._fill()
        return self._ready.popleft()

    def close(self) -> None:
        """Close the stream; a `next` that waits in another thread ends."""
        if not self._closed:
            self._closed = True
            self._stream.cut()
            self._stream.close()

    def _fill(self) -> None:
        try:
            with translated(self._doing):
                data = self._stream.read()
        except Exception:
            if self._closed:
                return
            self.close()
            raise
        if not data:
            self._ended = True
            for lines in self._lines.values():
                self._ready.extend(lines.rest())
        elif self._tty:
            self._ready.extend(self._lines["stdout"].feed(data))
        else:
            for name, payload in self._frames.feed(data):
                self._ready.extend(self._lines[name].feed(payload))


class Logs(Part):
    """LogSource over one wire."""

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
        doing = f'read the logs of container "{short(container)}"'
        path = f"/containers/{quoted(container)}"
        parameters: dict[str, str | int] = {
            "stdout": 1,
            "stderr": 1,
            "follow": int(follow),
            "timestamps": int(timestamps),
            "tail": "all" if tail is None else tail,
        }
        if since is not None:
            parameters["since"] = f"{since:.9f}"
        if until is not None:
            parameters["until"] = f"{until:.9f}"
        # a container with a terminal is not multiplexed, and only its configuration says so
        tty = bool(self._wire.json("GET", f"{path}/json", doing=doing)["Config"]["Tty"])
        stream = self._wire.stream(
            "GET",
            f"{path}/logs",
            doing=doing,
            parameters=parameters,
            timeout=None if follow else self._wire.timeout,
        )
        return LogStream(stream, doing, tty=tty, timestamps=timestamps)

"""Bytes between a hijacked connection and our own streams."""

from __future__ import annotations

from collections.abc import Callable

from zun_compose import pump
from zun_compose.driver import Session
from zun_compose.drivers.docker.errors import translated
from zun_compose.drivers.docker.logs import Frames
from zun_compose.drivers.docker.transport import Stream


class Pump(pump.Pump):
    """Joins our streams to a connection; without a terminal, stdout and stderr come in frames."""

    def __init__(
        self, stream: Stream, doing: str, session: Session, resize: Callable[[pump.Size], None]
    ) -> None:
        super().__init__(stream, session, resize)
        self._connection = stream
        self._doing = doing

    def run(self, take: Callable[[bytes], None] | None = None) -> None:
        """Carry bytes until the other side closes its output."""
        self._connection.settimeout(None)
        with translated(self._doing):
            super().run(take if self._session.tty else self._framed(Frames()))

    def _framed(self, frames: Frames) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            for name, payload in frames.feed(data):
                pump.write(2 if name == "stderr" else 1, payload)

        return take

"""The engine's event stream as hints: one reader thread that reconnects where it left off."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from threading import Event, RLock, Thread, current_thread
from typing import Any

from zun_compose import labels
from zun_compose.container import Health, Hint
from zun_compose.drivers.docker import observe
from zun_compose.drivers.docker.errors import translated
from zun_compose.drivers.docker.transport import Headers, Stream
from zun_compose.drivers.docker.wire import Wire, project_filter
from zun_compose.errors import DriverError, Unavailable

log = logging.getLogger(__name__)

# a stream that says nothing for so long may be a dead peer: ask again from where we were
SILENCE = 300.0
PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
NANO = 1_000_000_000
# the daemon writes events of parallel work out of order: a reconnection asks again for what is just behind
# the newest one, and what was delivered from there is known by its key
OVERLAP = 2 * NANO
REMEMBERED = 4096

Key = tuple[int, str, str]


def hint(event: Mapping[str, Any]) -> Hint | None:
    """Read one container event; None for those of execs, which are our own probes more often than not."""
    action, _, verdict = str(event.get("Action") or event.get("status") or "").partition(": ")
    # Docker says exec_create, exec_start and exec_die, Podman exec and exec_died
    if action == "exec" or action.startswith("exec_"):
        return None
    actor: Mapping[str, Any] = event.get("Actor") or {}
    attributes: Mapping[str, str] = actor.get("Attributes") or {}
    code = str(attributes.get("exitCode", ""))
    return Hint(
        container=str(actor.get("ID") or event.get("id") or ""),
        # Podman's word for the end of a container
        action="destroy" if action == "remove" else action,
        service=attributes.get(labels.SERVICE, ""),
        number=observe.number(attributes),
        exit_code=int(code) if code.lstrip("-").isdigit() else None,
        health=Health(verdict) if action == "health_status" and verdict in set(Health) else None,
        at=nanos(event) / NANO,
        name=attributes.get("name", ""),
        image=attributes.get("image", ""),
        attributes=attributes,
    )


def nanos(event: Mapping[str, Any]) -> int:
    """Return the engine's time of an event."""
    return int(event.get("timeNano") or int(event.get("time") or 0) * NANO)


def timestamp(nanoseconds: int) -> str:
    """Write a moment as the API wants it; a float would lose the nanoseconds."""
    return f"{nanoseconds // NANO}.{nanoseconds % NANO:09d}"


def key(event: Mapping[str, Any]) -> Key:
    """Return what an event is known by when the engine tells it again."""
    actor: Mapping[str, Any] = event.get("Actor") or {}
    identity = actor.get("ID") or event.get("id") or ""
    return nanos(event), str(identity), str(event.get("Action") or event.get("status") or "")


class Delivered:
    """What was delivered, so that a reconnection neither repeats nor loses anything.

    `begin` is the first moment (nanoseconds) that the subscription covers. Events of one connection are
    never dropped, in whatever order they come.
    """

    def __init__(self, begin: int | None) -> None:
        self._begin = begin
        self._newest = 0
        self._recent: deque[Key] = deque(maxlen=REMEMBERED)
        self._repeated: set[Key] = set()
        self.count = 0

    @property
    def since(self) -> str:
        """Where the next connection is to begin, as the API wants it; empty: now."""
        if self._newest:
            return timestamp(max(self._newest - OVERLAP, self._begin or 0))
        return "" if self._begin is None else timestamp(self._begin)

    def connected(self, now: int | None) -> None:
        """Note a new connection: what it tells of the past may be known. `now` is the engine's time."""
        self._repeated = set(self._recent)
        if self._begin is None:
            self._begin = now

    def take(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is news; it is remembered."""
        known = key(event)
        if known in self._repeated:
            self._repeated.discard(known)
            return False
        self._recent.append(known)
        self._newest = max(self._newest, known[0])
        self.count += 1
        return True


class Reader:
    """A running subscription."""

    def __init__(
        self,
        wire: Wire,
        stack: str,
        sink: Callable[[Hint], None],
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> None:
        self._wire = wire
        self._stack = stack
        self._sink = sink
        self._until = until
        self._delivered = Delivered(None if since is None else round(since * NANO))
        self._closed = Event()
        self._lock = RLock()
        self._stream: Stream | None = self._open()
        self._thread = Thread(target=self._run, name=f"docker-events-{stack}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread still reads."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End the stream; the sink is not called after this returns."""
        with self._lock:
            self._closed.set()
            stream = self._stream
        if stream is not None:
            stream.cut()
        if self._thread is not current_thread():
            # it may hang in a connection attempt; it is a daemon and can reach the sink no more
            self._thread.join(1.0)

    def _open(self) -> Stream:
        parameters = {"filters": project_filter(self._stack, type=["container"])}
        since = self._delivered.since
        if since:
            parameters["since"] = since
        if self._until is not None:
            parameters["until"] = f"{self._until:.9f}"
        stream = self._wire.stream(
            "GET",
            "/events",
            doing="follow the events of the docker engine",
            parameters=parameters,
            timeout=SILENCE,
        )
        # the engine's own clock, so that a break before the first event loses none
        self._delivered.connected(_engine_time(stream.headers))
        return stream

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                stream = self._stream or self._open()
                with self._lock:
                    self._stream = stream
                    if self._closed.is_set():
                        stream.cut()
                seen = self._delivered.count
                ended = self._deliver(stream)
                failures = 0 if self._delivered.count > seen else failures
            except DriverError as error:
                log.debug("event stream: %s", error)
                ended = False
            finally:
                self._drop()
            if ended and self._until is not None:
                self._tell(Hint(container="", action="end"))
                return
            self._closed.wait(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

    def _drop(self) -> None:
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _deliver(self, stream: Stream) -> bool:
        """Hand events on until the stream ends; True if the engine ended it."""
        with translated("follow the events of the docker engine"):
            for line in stream.lines():
                if self._closed.is_set():
                    return False
                if line.strip():
                    self._receive(line)
        return True

    def _receive(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            raise Unavailable("the docker engine's event stream could not be read") from None
        if not self._delivered.take(event):
            return
        news = hint(event)
        if news is not None:
            self._tell(news)

    def _tell(self, news: Hint) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._sink(news)


def _engine_time(headers: Headers) -> int | None:
    try:
        return int(parsedate_to_datetime(headers.get("Date", "")).timestamp()) * NANO
    except (ValueError, TypeError):
        return None
